"""Single edits of plan and programs, as a hand or a faulty tool makes them, drawn at random."""

from __future__ import annotations

import copy
import json
import random
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from simulator.isa import OPS

Json = dict[str, Any]
Path = tuple[Any, ...]

VALUES: dict[Any, list[Any]] = {
    "dtype": ["float32", "bfloat16", "float16", "int32", "bfloat8_b", "int8", "uint16"],
    "data_format": ["Float32", "Float16_b", "Float16", "Int32", "Bfp8_b", "UInt16"],
    "producer": ["brisc", "ncrisc", "compute"],
    "consumer": ["brisc", "ncrisc", "compute"],
    "thread": ["brisc", "ncrisc", "compute"],
    "role": ["input", "output", "inout", "table"],
    "memory": ["DRAM", "L1"],
    "layout": ["interleaved", "sharded"],
    "math_fidelity": ["LoFi", "HiFi2", "HiFi3", "HiFi4"],
    "order": ["row_major", "column_major", "z_order"],
    "form": ["linear", "rect", "table"],
    "strategy": ["row_major", "column_major", "block", "z_order", "match_shard"],
}
ADDED: dict[str, list[tuple[str, Any]]] = {
    "circular_buffers": [("unpack_to_dest", True), ("alias_of", 0), ("alias_of", 16)],
    "layouts": [("memory", "L1"), ("padding", "zero"), ("view", [1, 0]), ("tile_shape", [16, 32])],
    "kernels": [("noc", 0), ("noc", 1)],
}
ARITHMETIC = ("+", "-", "*", "//", "%", "min", "max", "<", "<=", "==", "!=")
LABELS = (("name",), ("circular_buffers", "name"))
"""Leaves of a plan that are shown to people and mean nothing to a machine."""


def edited(plan: Json, programs: Json, rng: random.Random) -> tuple[Json, Json, str]:
    """Copies of which one has one thing changed, and what it was in words."""
    while True:
        one, two = copy.deepcopy((plan, programs))
        said = _edit_plan(one, rng) if rng.random() < 0.5 else _edit_program(one, two, rng)
        if said and (one, two) != (plan, programs):
            return one, two, said


def _walk(value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    yield path, value
    if isinstance(value, (dict, list)):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _walk(item, (*path, key))


def _at(value: Any, path: Path) -> Any:
    for key in path:
        value = value[key]
    return value


def _names(path: Path) -> Path:
    return tuple(k for k in path if isinstance(k, str) and not k.startswith("("))


def _other(value: Any, key: Any, peers: list[Any], rng: random.Random) -> Any:
    if isinstance(value, bool):
        return not value
    if isinstance(value, (int, float)):
        return rng.choice([value + 1, value - 1, value * 2, 0, value + 32])
    return rng.choice([*VALUES.get(key, []), *peers, f"{value}x"])


def _edit_plan(plan: Json, rng: random.Random) -> str:
    kind = rng.choice(["leaf", "leaf", "leaf", "list", "swap", "delete", "add"])
    if kind == "add":
        field = rng.choice(list(ADDED))
        items = plan[field]
        name = rng.choice(list(items) if isinstance(items, dict) else range(len(items)))
        key, value = rng.choice(ADDED[field])
        items[name][key] = value
        return f"plan: {field}[{name}].{key} = {value}"
    nodes = [(p, v) for p, v in _walk(plan) if p]
    if kind == "leaf":
        groups: dict[Path, list[tuple[Path, Any]]] = defaultdict(list)
        for path, value in nodes:
            if not isinstance(value, (dict, list)) and _names(path) not in LABELS:
                groups[_names(path)[-2:]].append((path, value))
        path, value = rng.choice(groups[rng.choice(list(groups))])
        peers = [v for p, v in nodes if p[-1] == path[-1] and isinstance(v, str)]
        new = _other(value, path[-1], peers, rng)
        _at(plan, path[:-1])[path[-1]] = new
        return f"plan: {path} {value!r} -> {new!r}"
    wanted = list if kind == "list" else dict
    path, chosen = rng.choice([(p, v) for p, v in nodes if isinstance(v, wanted) and v])
    box: Any = chosen
    if kind == "list":
        index = rng.randrange(len(box))
        how = rng.choice(["drop", "double", "reverse"])
        if how == "drop":
            del box[index]
        elif how == "double":
            box.insert(index, copy.deepcopy(box[index]))
        else:
            box.reverse()
        return f"plan: {path} {how} {index}"
    one, other = rng.choice(list(box)), rng.choice(list(box))
    if kind == "delete":
        del box[one]
        return f"plan: {path} without {one}"
    if _names((*path, one)) in LABELS or _names((*path, other)) in LABELS:
        return ""
    box[one], box[other] = box[other], box[one]
    return f"plan: {path} {one} and {other} exchanged"


def _statements(body: list[Json]) -> Iterator[tuple[list[Json], int]]:
    for i, stmt in enumerate(body):
        yield body, i
        for key in ("body", "then", "orelse"):
            yield from _statements(stmt.get(key, []))


def _edit_program(plan: Json, programs: Json, rng: random.Random) -> str:
    program = rng.choice(programs["programs"])
    places = list(_statements(program["body"]))
    body, i = rng.choice(places)
    stmt = body[i]
    names = [b[j]["var"] for b, j in places if "var" in b[j]] + program["runtime_args"]
    was = json.dumps({k: v for k, v in stmt.items() if k not in ("body", "then", "orelse", "loc")})
    how = rng.choice(["drop", "double", "swap", "rename", "operand", "operand", "bounds", "guard"])
    if how == "drop":
        del body[i]
    elif how == "double":
        body.insert(i, copy.deepcopy(stmt))
    elif how == "swap" and i + 1 < len(body):
        body[i], body[i + 1] = body[i + 1], body[i]
    elif how == "rename" and stmt["kind"] == "op":
        kinds = [o.kind for o in OPS[stmt["name"]].operands]
        stmt["name"] = rng.choice([n for n, s in OPS.items()
                                   if [o.kind for o in s.operands] == kinds])  # fmt: skip
    elif how == "operand" and stmt.get("args"):
        ids = [c["id"] for c in plan["circular_buffers"]]
        at = rng.randrange(len(stmt["args"]))
        if stmt["args"][at] in ids and rng.random() < 0.5:
            stmt["args"][at] = rng.choice(ids)
        else:
            _edit_value(stmt["args"], at, names, rng)
    elif how == "bounds" and stmt["kind"] == "for":
        key = rng.choice(["start", "stop"])
        _edit_value(stmt, key, names, rng)
    elif how == "guard" and stmt["kind"] == "op":
        loops = [b[j]["var"] for b, j in places if b[j]["kind"] == "for"]
        body[i] = {"kind": "if", "cond": ["==", rng.choice(loops), 0], "then": [stmt]}
    else:
        return ""
    return f"{program['name']}: {how} {was} -> {json.dumps(body[i : i + 1])[:200]}"


def _edit_value(holder: Any, key: Any, names: list[str], rng: random.Random) -> None:
    value = holder[key]
    if not isinstance(value, list):
        holder[key] = _other(value, None, names, rng)
    elif rng.random() < 0.4:
        _edit_value(value, rng.randrange(1, len(value)), names, rng)
    elif len(value) == 3 and value[0] in ARITHMETIC and rng.random() < 0.5:
        value[0] = rng.choice(ARITHMETIC)
    else:
        holder[key] = ["+", value, rng.choice([1, -1])]
