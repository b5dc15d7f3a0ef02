"""Reading and writing ``tt.plan.json`` and ``programs.json``.

Reading checks form only (limits, JSON, schema); meaning is ``validate``'s. Writing is canonical:
the same value gives the same bytes, and reading them back and writing again changes nothing.
"""

from __future__ import annotations

import hashlib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec

from simulator.errors import ArtifactError, UnreadableError
from simulator.findings import finding
from simulator.plan.schema import Plan
from simulator.program import If, Let, Loop, Op, ProgramFile, Stmt
from simulator.strict_json import compact, decode, read_limited, render

T = TypeVar("T")

MAX_STRING: Final = 4096
"""Characters of a name, or of a place in a source file."""

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_DOUBTFUL: Final = re.compile(rb'[\\\x7f]|"[^"]{%d}' % MAX_STRING)
"""Without a match there is neither a control character nor a long string."""

_PLACE: Final = re.compile(r" - at `(?P<path>[^`]*)`$")
_STEP: Final = re.compile(r"\.(?P<key>\w+)|\[(?P<index>\d+|\.\.\.)\]")


def load_plan(source: Path | str | bytes) -> Plan:
    """The plan in a file or in bytes.

    Raises:
        UnreadableError: missing, too large, not JSON, or strings no name or place has.
        ArtifactError: JSON that breaks the schema (``InvalidPlan`` with the JSON path).
    """
    return _load(source, Plan, "InvalidPlan", "tt.plan.json")


def load_programs(source: Path | str | bytes) -> ProgramFile:
    """The programs in a file or in bytes.

    Raises:
        UnreadableError: missing, too large, not JSON, or strings no name or place has.
        ArtifactError: JSON that breaks the schema (``InvalidProgram`` with the JSON path).
    """
    return _load(source, ProgramFile, "InvalidProgram", "programs.json")


def dump_plan(plan: Plan) -> bytes:
    """Canonical bytes of a plan: fields in schema order, maps in their own order."""
    return render(msgspec.to_builtins(plan))


def dump_programs(programs: ProgramFile) -> bytes:
    """Canonical bytes of programs: one statement per line, bodies indented."""
    lines = ["{", f'"op_table_version": {compact(programs.op_table_version)},', '"programs": [']
    for position, program in enumerate(programs.programs):
        head = msgspec.to_builtins(program)
        del head["body"]
        lines.append(f'{compact(head)[:-1]}, "body": [')
        lines.extend(_body(program.body, "  "))
        lines.append("]}," if position < len(programs.programs) - 1 else "]}")
    return ("\n".join([*lines, "]}"]) + "\n").encode()


def programs_sha256(programs: ProgramFile) -> str:
    """SHA-256 of the canonical bytes, as the plan's ``programs_sha256`` states it."""
    return hashlib.sha256(dump_programs(programs)).hexdigest()


def plan_schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of ``tt.plan.json``."""
    return _schema(Plan, "tt.plan.json")


def programs_schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of ``programs.json``."""
    return _schema(ProgramFile, "programs.json")


def _schema(kind: type[Any], title: str) -> dict[str, Any]:
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": title}
    schema = head | msgspec.json.schema(kind)
    for definition in schema["$defs"].values():  # docstrings, the same on every Python
        definition["description"] = inspect.cleandoc(definition["description"])
    return dict(_null_last(schema))


def _null_last(node: Any) -> Any:
    """The schema with ``null`` as the last alternative.

    The order of a union's members is that of the first one Python cached: it differs by version.
    """
    if isinstance(node, list):
        return [_null_last(item) for item in node]
    if not isinstance(node, dict):
        return node
    found = {key: _null_last(value) for key, value in node.items()}
    if "anyOf" in found:
        found["anyOf"].sort(key=lambda one: one == {"type": "null"})
    return found


def _body(body: tuple[Stmt, ...], indent: str) -> Iterator[str]:
    for position, stmt in enumerate(body):
        comma = "," if position < len(body) - 1 else ""
        fields = msgspec.to_builtins(stmt) if isinstance(stmt, (Op, Let)) else _head(stmt)
        line = indent + compact(fields)
        if isinstance(stmt, (Op, Let)):
            yield line + comma
        elif isinstance(stmt, Loop):
            yield f'{line[:-1]}, "body": ['
            yield from _body(stmt.body, indent + "  ")
            yield f"{indent}]}}{comma}"
        else:
            yield f'{line[:-1]}, "then": ['
            yield from _body(stmt.then, indent + "  ")
            if stmt.orelse:
                yield f'{indent}], "orelse": ['
                yield from _body(stmt.orelse, indent + "  ")
            yield f"{indent}]}}{comma}"


def _head(stmt: Loop | If) -> dict[str, Any]:
    bare: Loop | If
    if isinstance(stmt, Loop):
        bare = msgspec.structs.replace(stmt, body=())
    else:
        bare = msgspec.structs.replace(stmt, then=(), orelse=())
    fields: dict[str, Any] = msgspec.to_builtins(bare)
    for key in ("body", "then", "orelse"):
        fields.pop(key, None)
    return fields


def _load(source: Path | str | bytes, kind: type[T], code: str, name: str) -> T:
    data = source if isinstance(source, bytes) else read_limited(Path(source))
    location = name if isinstance(source, bytes) else str(source)
    value = decode(data, location=location)
    _legible(value, data, location)
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        path, problem = _explain(value, kind, str(error))
    except RecursionError:
        path, problem = "$", "is nested too deeply"
    raise ArtifactError([finding(code, f"{path}: {problem}", location=path)])


def _legible(value: Any, data: bytes, location: str) -> None:
    """Refuse strings that would do something to the terminal of whoever is shown them.

    Raises:
        UnreadableError: one holds a control character, or is longer than any name or place.
    """
    if data.isascii() and not _DOUBTFUL.search(data):
        return
    stack = [value]
    while stack:
        item = stack.pop()
        if isinstance(item, str):
            if len(item) > MAX_STRING:
                wrong = f"holds a string of {len(item)} characters, at most {MAX_STRING} are read"
                raise UnreadableError(wrong, location=location)
            if _CONTROL.search(item):
                wrong = f"holds a control character in {item[:60]!a}"
                raise UnreadableError(wrong, location=location)
        elif isinstance(item, dict):
            stack += [*item, *item.values()]
        elif isinstance(item, list):
            stack += item


def _explain(value: Any, kind: type[Any], text: str) -> tuple[str, str]:
    """JSON path and problem of a msgspec message, with what was found there."""
    match = _PLACE.search(text)
    problem = text if match is None else text[: match.start()]
    path, found = "$", value
    for step in _STEP.finditer("" if match is None else match["path"]):
        key, index = step["key"], step["index"]
        if index == "...":  # msgspec leaves the key of a map out
            name = _guilty_key(value, found, kind, text)
            if name is None:
                return path + "[...]", problem
            path, found = f"{path}[{compact(name)}]", found[name]
        elif index is not None:
            path, found = f"{path}[{index}]", found[int(index)]
        else:
            path, found = f"{path}.{key}", found[key]
    shown = "" if found is value else f"; found {_short(found)}"
    return path, problem + shown


def _short(value: Any) -> str:
    text = compact(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _guilty_key(root: Any, level: Any, kind: type[Any], text: str) -> str | None:
    """Key of map ``level`` inside ``root`` without which ``text`` is no longer the complaint."""
    if not isinstance(level, dict):
        return None
    kept: dict[str, Any] = dict(level)
    for key in kept:
        level.pop(key)
        try:
            msgspec.convert(root, kind)
        except msgspec.ValidationError as error:
            blamed = str(error) != text
        else:
            blamed = True
        level.clear()
        level.update(kept)
        if blamed:
            return key
    return None
