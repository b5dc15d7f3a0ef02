"""A user's layout annotations: every accepted spelling to one, merged, contradictions refused.

The result of :func:`normalised` has the keys of ``tt.layout_desc``; ``sharding`` holds what the
plan's shard holds: strategy, core ranges, shard shape in elements and orientation.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Any, Final, NoReturn

from harness.compiler import attrs
from harness.compiler.attrs import CoreRange
from harness.compiler.diagnostics import refuse
from simulator.arch import TILE

MEMORIES: Final = {"DRAM": "DRAM", "DDR": "DRAM", "L1": "L1", "SRAM": "L1"}
"""Spellings of ``memory`` and ``shard``."""
STRATEGIES: Final = ("height", "width", "block", "nd")
KEYS: Final = frozenset(
    ("memory", "layout", "shard", "interleave", "tile_id_order", "tile_shape", "dtype", "role",
     "logical_shape", "padded_shape", "view", "padding", "sharding", "nd_shard")
)  # fmt: skip
_SHARDING: Final = frozenset(("strategy", "grid", "core_ranges", "shape", "orientation"))
_PLACING: Final = frozenset(("memory", "shard", "layout", "interleave", "sharding", "nd_shard"))
_ND: Final = frozenset(("axes", "grid", "shard_shape_elems", "order", "align_tiles",
                        "projected_grid", "projected_shard_tiles"))  # fmt: skip
_PLACES: Final = (
    'write memory "DRAM" or "L1", and layout "interleaved" or "sharded" with a "sharding"'
)

Desc = dict[str, Any]


class Conflict:
    """Refusals of one tensor's annotation."""

    def __init__(self, name: str) -> None:
        """``name`` is the tensor's."""
        self.name = name

    def __call__(self, message: str, accepted: str) -> NoReturn:
        """Refuse.

        Raises:
            CompileError: always, ``LayoutConflict``.
        """
        refuse(f"{self.name}: {message}", code="LayoutConflict",
               location=f"{attrs.TT_LAYOUT_DESC}.{self.name}", next_step=accepted)  # fmt: skip


def merged(name: str, padded: tuple[int, ...], sources: Mapping[str, Mapping[str, Any]]) -> Desc:
    """One tensor's annotations from several attributes, by attribute name, as one.

    Raises:
        CompileError: an unknown key or value, or two attributes that say different things.
    """
    out: Desc = {}
    said: dict[str, str] = {}
    for where, desc in sources.items():
        for key, value in normalised(name, padded, desc).items():
            if key in out and out[key] != value:
                Conflict(name)(f"{key} is {out[key]} in {said[key]} and {value} in {where}",
                               "let the two agree, or annotate once")  # fmt: skip
            out[key], said[key] = value, where
    conflict = Conflict(name)
    shard = out.get("sharding")
    if out.get("layout") == "interleaved" and shard is not None:
        conflict("interleaved, and sharded", "give one of the two")
    if out.get("layout") == "sharded" and shard is None:
        conflict("sharded, and nothing says how",
                 'add "sharding": {"strategy": "height", "grid": [columns, rows]}')  # fmt: skip
    if shard is not None and out.setdefault("memory", "L1") != "L1":
        conflict("sharded over DRAM", "shards lie in the L1 of cores: use memory L1")
    return out


def normalised(name: str, padded: tuple[int, ...], desc: Mapping[str, Any]) -> Desc:
    """An annotation in one spelling: memory, layout, sharding, and the facts it states.

    Raises:
        CompileError: an unknown key, memory or layout, or a sharding the tensor cannot have.
    """
    conflict = Conflict(name)
    unknown = set(desc) - KEYS
    if unknown:
        conflict(f"unknown layout key {min(unknown)!r}", f"use {', '.join(sorted(KEYS))}")
    out = {k: v for k, v in desc.items() if k not in _PLACING}
    for key in ("memory", "shard"):
        if key in desc:
            value = desc[key]
            if not isinstance(value, str) or value.upper() not in MEMORIES:
                conflict(f"memory {value!r}", _PLACES)
            memory = MEMORIES[value.upper()]
            if out.setdefault("memory", memory) != memory:
                conflict(f"memory {desc['memory']!r}, and shard {value!r}", "give one of the two")
    sharding = _sharding(desc, padded, conflict)
    kind = desc.get("layout")
    if kind is not None:
        strategy = str(kind).removesuffix("_sharded")
        if strategy in STRATEGIES and strategy != kind:
            if sharding is not None and sharding["strategy"] != strategy:
                conflict(f"layout {kind!r}, and {sharding['strategy']} sharding",
                         "let the two agree")  # fmt: skip
            kind = "sharded"
        if kind not in ("interleaved", "sharded"):
            conflict(f"layout {kind!r}", _PLACES)
        out["layout"] = kind
    if "interleave" in desc:
        kind = "interleaved" if desc["interleave"] else "sharded"
        if out.setdefault("layout", kind) != kind:
            conflict(f"layout {out['layout']!r}, and interleave {desc['interleave']}",
                     "give one of the two")  # fmt: skip
    if sharding is not None:
        out["sharding"] = sharding
        out.setdefault("layout", "sharded")
    return out


def _sharding(desc: Mapping[str, Any], padded: tuple[int, ...], conflict: Conflict) -> Desc | None:
    given = desc.get("sharding")
    if "nd_shard" in desc:
        if given is not None:
            conflict("sharding and nd_shard", "give one of the two")
        return _nd_shard(desc["nd_shard"], padded, conflict)
    if given is None:
        return None
    if not isinstance(given, Mapping) or set(given) - _SHARDING:
        conflict(f"sharding {given!r}", f"use {', '.join(sorted(_SHARDING))}")
    strategy = given.get("strategy", str(desc.get("layout", "")).removesuffix("_sharded"))
    if strategy not in STRATEGIES:
        conflict(f"sharding strategy {strategy!r}", f"use one of {', '.join(STRATEGIES)}")
    orientation = given.get("orientation", "row_major")
    if orientation not in ("row_major", "column_major"):
        conflict(f"orientation {orientation!r}", "use row_major or column_major")
    ranges = _ranges(given, conflict)
    return _checked(strategy, ranges, given.get("shape"), orientation, padded, conflict)


def _ranges(given: Mapping[str, Any], conflict: Conflict) -> list[CoreRange]:
    grid, listed = given.get("grid"), given.get("core_ranges")
    if (grid is None) == (listed is None):
        conflict("shards need cores", "give grid [columns, rows] or core_ranges, one of the two")
    try:
        if grid is not None:
            columns, rows = (int(n) for n in grid)
            ranges = [CoreRange((0, 0), (columns, rows))]
        else:
            ranges = [
                r if isinstance(r, CoreRange) else CoreRange.from_json(r) for r in listed or ()
            ]
    except (TypeError, ValueError, AttributeError):
        conflict(f"cores {grid if listed is None else listed!r}",
                 'write grid [columns, rows], or core_ranges [{"start": [x, y], "extent":'
                 " [w, h]}]")  # fmt: skip
    if not ranges or any(min(*r.start, *(e - 1 for e in r.extent)) < 0 for r in ranges):
        conflict(f"cores {[r.to_json() for r in ranges]}", "name at least one core")
    return ranges


def _checked(
    strategy: str, ranges: list[CoreRange], shape: Any, orientation: str, padded: tuple[int, ...],
    conflict: Conflict,
) -> Desc:  # fmt: skip
    """The shard of the plan, once it is sure that shards and cores fit together."""
    cores = sum(r.extent[0] * r.extent[1] for r in ranges)
    whole = padded if strategy == "nd" else (prod(padded[:-1]), padded[-1])
    across, down = ranges[0].extent
    if strategy == "block" and orientation == "column_major":
        across, down = down, across
    if strategy == "block" and len(ranges) > 1:
        conflict("block shards on several core ranges", "use one rectangle of cores")
    parts = {"height": (cores, 1), "width": (1, cores), "block": (down, across)}.get(strategy)
    if shape is None:
        if parts is None:
            conflict("an nd sharding without shape", 'add the shard\'s "shape" in elements')
        shape = [-(-(n // TILE) // p) * TILE if p > 1 else n
                 for n, p in zip(whole, parts, strict=True)]  # fmt: skip
    shape = [int(n) for n in shape]
    if len(shape) != len(whole) or min(shape) < 1 or any(n % TILE for n in shape[-2:]):
        conflict(f"shard shape {shape}",
                 f"use {len(whole)} extents, rows and columns multiples of {TILE}")  # fmt: skip
    found = tuple(-(-n // s) for n, s in zip(whole, shape, strict=True))
    if (parts is not None and found != parts) or prod(found) < cores:
        conflict(f"{list(whole)} cut into shards of {shape} gives {_by(found)} shards, and the"
                 f" cores are {_by(parts) if parts is not None else cores}",
                 "let every core have a shard")  # fmt: skip
    uncut = {"height": 1, "width": 0}.get(strategy)
    if uncut is not None and shape[uncut] != whole[uncut]:
        conflict(f"{strategy} shards of {shape}, and the tensor is {list(whole)}",
                 f"let the shard's {('rows', 'columns')[uncut]} be the tensor's"
                 f" {whole[uncut]}")  # fmt: skip
    return {"strategy": strategy, "core_ranges": [r.to_json() for r in ranges], "shape": shape,
            "orientation": orientation}  # fmt: skip


def _by(extents: tuple[int, ...]) -> str:
    return " x ".join(map(str, extents))


def _nd_shard(given: Any, padded: tuple[int, ...], conflict: Conflict) -> Desc:
    """``nd_shard`` with its projection: M over rows of cores and N over columns."""
    if not isinstance(given, Mapping) or set(given) - _ND:
        conflict(f"nd_shard {given!r}", f"use {', '.join(sorted(_ND))}")
    axes, grid, elems = (list(given.get(k, ())) for k in ("axes", "grid", "shard_shape_elems"))
    if len(axes) != len(padded) or axes[-2:] != ["M", "N"]:
        conflict(f"nd_shard axes {axes}", f"name all {len(padded)} dimensions, M and N last")
    if len(grid) != len(axes) or len(elems) != len(axes):
        conflict(f"nd_shard grid {grid} and shard_shape_elems {elems}", "give one extent per axis")
    if given.get("order", "row_major") not in ("row_major", "match_shard"):
        conflict(f"nd_shard order {given['order']!r}", "shards are dealt row_major")
    if not given.get("align_tiles", True):
        conflict("nd_shard align_tiles false", f"shards are cut between tiles of {TILE}x{TILE}")
    for key, want in (("projected_grid", grid[-2:]),
                      ("projected_shard_tiles", [n // TILE for n in elems[-2:]])):  # fmt: skip
        if list(given.get(key, want)) != want:
            conflict(f"nd_shard {key} {list(given[key])}, and axes, grid and shape give {want}",
                     "leave it out")  # fmt: skip
    found = [-(-n // max(e, 1)) for n, e in zip(padded, elems, strict=True)]
    if found != grid:
        conflict(f"nd_shard grid {grid}, and shards of {elems} give {found}", "let the two agree")
    rows = prod(grid[:-1])
    ranges = [CoreRange((0, 0), (grid[-1], rows))]
    strategy = "block" if len(axes) == 2 else "nd"
    return _checked(strategy, ranges, elems, "row_major", padded, conflict)
