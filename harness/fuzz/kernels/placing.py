"""Where a drawn kernel's tensors lie and which cores work on which block.

A placement is chosen to suit the kernel's blocks: shards that blocks do not straddle, grids that
divide the kernel's where cores share what they read. Layouts of tensors are drawn one by one, so
that each shrinks to the default by itself.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import prod
from typing import Any, Final

from hypothesis import strategies as st

from harness.fuzz.coverage import SHARDS
from harness.fuzz.kernels.scene import Scene, Tensor
from simulator.arch import TILE, find_arch

STRATEGIES: Final = ("row_major", "column_major", "block", "z_order")
KINDS: Final = ("device", "few", "few", "grid", "match", "shared", "own")
"""Whole device; few cores, where a core runs several blocks; any sub-grid; blocks with their shards
(match_shard); cores that share what they read (multicast); a partition of the kernel's own."""
_FOCUSED: Final = {
    "layout": ("few", "match", "match", "match", "shared"),
    "schedule": ("few", "shared", "shared", "shared", "own"),
}
TURNS: Final = 40
"""Turns of a schedule drawn at most; what follows is in the groups' order."""
_TURNS: Final = st.lists(
    st.tuples(st.integers(0, 11), st.integers(1, 16), st.integers(0, 1)).map(list), max_size=TURNS
)
_SEEDED: Final = st.sampled_from(("late", "seeded"))
MOST: Final = 4
"""Rows and columns of shards at most."""

Grid = tuple[int, int]
Layouts = dict[str, dict[str, Any]]


@dataclass
class Placement:
    """Compile options, layouts of tensors, annotations from outside, and the machine's schedule."""

    options: dict[str, Any] = field(default_factory=dict)
    layouts: Layouts = field(default_factory=dict)
    annotate: dict[str, Any] = field(default_factory=dict)
    schedule: dict[str, Any] = field(default_factory=dict)


@st.composite
def placements(
    draw: st.DrawFn, device: str, scene: Scene, focus: str | None = None, *, alike: bool = False
) -> Placement:  # fmt: skip
    """A placement of a kernel on a device; ``alike`` where other kernels are dealt like it."""
    kinds: tuple[str, ...] = _FOCUSED.get(focus or "", KINDS)
    if scene.numbering or alike:  # the grid is another one, and whose shares are alike is not known
        kinds = tuple(k for k in kinds if k not in ("match", "shared", "own"))
    if scene.told:  # whose shards data choose
        kinds = tuple(k for k in kinds if k != "match")
    full = find_arch(device).grid
    pairs = _sides(scene, full)
    kind = draw(st.sampled_from(kinds if pairs else [k for k in kinds if k != "shared"]))
    out = Placement()
    if kind == "match":
        _match(draw, full, scene, out)
    elif kind == "shared":
        _shared(draw, pairs, full, out)
    elif kind == "own":
        _own(draw, full, scene, out)
    else:
        _dealt(draw, full, kind, scene.grid(), out)
    often = focus == "layout" or draw(st.integers(0, 3)) == 3
    for tensor in scene.used() if often else ():
        if tensor.name not in (*out.layouts, *scene.tables) and not tensor.alone:
            layout = draw(layouts(tensor, full, turned=tensor.name in scene.turned))
            out.layouts |= {tensor.name: layout} if layout else {}
    return out


@st.composite
def later(draw: st.DrawFn, device: str, scene: Scene) -> Layouts:
    """Layouts of the tensors of a kernel that is placed like the one before it."""
    found: Layouts = {}
    for tensor in scene.used() if draw(st.integers(0, 3)) == 3 else ():
        if tensor.name not in scene.tables and not tensor.alone:
            turned = tensor.name in scene.turned
            layout = draw(layouts(tensor, find_arch(device).grid, turned=turned))
            found |= {tensor.name: layout} if layout else {}
    return found


@st.composite
def schedules(draw: st.DrawFn) -> dict[str, Any]:
    """A schedule: turns one by one, which shrink one by one, or a seed for as many as it takes."""
    if draw(st.booleans()):
        turns = draw(_TURNS)
        return {"turns": turns} if turns else {}
    return {draw(_SEEDED): draw(st.integers(0, 99))}


def _dealt(
    draw: st.DrawFn, full: Grid, kind: str, blocks: tuple[int, int, int], out: Placement
) -> None:  # fmt: skip
    if kind != "device":
        most = 3 if kind == "few" else max(full)
        full = draw(st.integers(1, min(most, full[0]))), draw(st.integers(1, min(most, full[1])))
        out.options["grid"] = list(full)
    gaps = min(blocks[:2]) > 2 and any(n & (n - 1) for n in blocks[:2])  # on the Z curve
    strategy = draw(st.sampled_from(STRATEGIES + ("z_order",) * 4 if gaps else STRATEGIES))
    if strategy != STRATEGIES[0]:
        out.options["strategy"] = strategy
    if draw(st.integers(0, 3)) == 3:
        out.options["core_ranges"] = draw(_ranges(full, stacked=strategy == "block"))


@st.composite
def _ranges(draw: st.DrawFn, full: Grid, stacked: bool) -> list[dict[str, list[int]]]:
    """Disjoint rectangles: one per band of rows, of one width where they must stack."""
    ranges: list[dict[str, list[int]]] = []
    y, same = 0, draw(st.integers(1, full[0]))
    for _ in range(draw(st.integers(1, 3))):
        y += draw(st.integers(0, 1))
        if y >= full[1]:
            break
        h = draw(st.integers(1, min(3, full[1] - y)))
        w = same if stacked else draw(st.integers(1, full[0]))
        ranges.append({"start": [draw(st.integers(0, full[0] - w)), y], "extent": [w, h]})
        y += h
    return ranges or [{"start": [0, 0], "extent": [same, 1]}]


def _sides(scene: Scene, full: Grid) -> list[tuple[int, int, str]]:
    """Rectangles of cores, and a strategy that deals all of them the same number of blocks."""
    gx, gy, gz = scene.grid()
    found = [(w, h, "block") for w in _divisors(gx, full[0]) for h in _divisors(gy, full[1])]
    for strategy in ("row_major", "column_major"):
        found += [(w, h, strategy) for w in range(1, MOST + 1) for h in range(1, MOST + 1)
                  if gx * gy * gz % (w * h) == 0 and max(gx, gy) > 1]  # fmt: skip
    return [pair for pair in found if pair[0] * pair[1] > 1] if scene.shares else []


def _shared(draw: st.DrawFn, pairs: list[tuple[int, int, str]], full: Grid, out: Placement) -> None:
    """One of the rectangles, anywhere, and a schedule: semaphores order the cores."""
    strategies = list(dict.fromkeys(strategy for _, _, strategy in pairs))
    strategy = draw(st.sampled_from(["block", "block", *strategies] if "block" in strategies
                                    else strategies))  # fmt: skip
    sides = list(draw(st.sampled_from([p[:2] for p in pairs if p[2] == strategy])))
    out.options |= {"strategy": strategy, "multicast": True}
    start = [draw(st.integers(0, most - n)) if draw(st.booleans()) else 0
             for n, most in zip(sides, full, strict=True)]  # fmt: skip
    if start == [0, 0]:
        out.options["grid"] = sides
    else:
        out.options["core_ranges"] = [{"start": start, "extent": sides}]
    out.schedule = draw(schedules())


def _own(draw: st.DrawFn, full: Grid, scene: Scene, out: Placement) -> None:
    """Uneven runs of blocks, as annotate_tt_schedule takes them: some cores may have none."""
    w, h = (draw(st.integers(1, min(3, n))) for n in full)
    gx, gy, gz = scene.grid()
    blocks = [{"io": i // gx % gy, "jo": i % gx, "bo": i // (gx * gy)} for i in range(gx * gy * gz)]
    cores = [f"({x},{y})" for y in range(h) for x in range(w)]
    items: dict[str, Any] = {}
    for core in cores[:-1]:
        count = draw(st.integers(0, min(len(blocks), 12)))
        items[core], blocks = blocks[:count], blocks[count:]
    out.annotate["work_partition"] = items | {cores[-1]: blocks}
    out.options["grid"] = [w, h]


def _match(draw: st.DrawFn, full: Grid, scene: Scene, out: Placement) -> None:
    """Outputs alike in shards of whole blocks, and each block on the core that holds it."""
    bm, bn = scene.joined
    rows, columns = (-(-n // TILE) * TILE for n in (scene.M + scene.past, scene.N))
    planes = scene.batch if scene.axes == 3 else 1
    strategy = draw(st.sampled_from(SHARDS[:3]))
    tall = _parts(draw, rows, bm, strategy != "width", full[1])
    if planes > 1:  # blocks of a plane stay in one shard where shards are whole planes
        tall = _parts(draw, rows * planes, rows, strategy != "width", full[1])
    wide = _parts(draw, columns, bn, strategy != "height", full[0])
    down, across = -(-rows * planes // tall), -(-columns // wide)
    sharding: dict[str, Any] = {"strategy": strategy, "shape": [tall, wide]}
    if strategy == "block":
        turned = max(down, across) <= min(full) and draw(st.booleans())
        sharding |= {"grid": [down, across], "orientation": "column_major"} if turned else {
            "grid": [across, down]}  # fmt: skip
    else:
        sharding["grid"] = _rectangle(draw, down * across, full)
    out.options["strategy"] = "match_shard"
    for tensor in scene.used():
        if tensor.written and len(tensor.shape) > 1:
            out.layouts[tensor.name] = {"sharding": sharding}
    whole = scene.M % bm == 0 and scene.N % bn == 0 and not scene.past
    if whole and draw(st.booleans()):
        out.annotate["partition_mode"] = "local_shard"


def _parts(draw: st.DrawFn, size: int, unit: int, cut: bool, most: int) -> int:
    """Elements of a shard along an axis: whole units, at most ``most`` shards."""
    if not cut:
        return size
    units = -(-size // unit)
    per = draw(st.sampled_from([n for n in range(1, units + 1) if -(-units // n) <= most]))
    return unit * per


def _rectangle(draw: st.DrawFn, cores: int, full: Grid) -> list[int]:
    """Columns and rows of so many cores."""
    width = draw(st.sampled_from([w for w in _divisors(cores, full[0]) if cores // w <= full[1]]))
    return [width, cores // width]


def _divisors(n: int, most: int) -> list[int]:
    return [d for d in range(1, most + 1) if n % d == 0]


@st.composite
def layouts(draw: st.DrawFn, tensor: Tensor, full: Grid, *, turned: bool = False) -> dict[str, Any]:
    """A tensor's layout as an annotation; empty for the default, interleaved over DRAM."""
    kind = draw(
        st.sampled_from(("dram", "l1", *(SHARDS if len(tensor.shape) > 1 and not turned else ())))
    )
    if kind == "dram":
        return {}
    if kind == "l1":
        return {"memory": "L1"}
    padded = (*tensor.shape[:-2], *(-(-n // TILE) * TILE for n in tensor.shape[-2:]))
    whole = padded if kind == "nd" else (prod(padded[:-1]), padded[-1])
    units = (*(1 for _ in whole[:-2]), TILE, TILE)
    cut = {"height": (True, False), "width": (False, True)}.get(kind, (True,) * len(whole))
    limit = {"height": (16, 1), "width": (1, 8)}.get(kind, (MOST,) * len(whole))
    shape = [_parts(draw, n, unit, c, most)
             for n, unit, c, most in zip(whole, units, cut, limit, strict=True)]  # fmt: skip
    found = [-(-n // s) for n, s in zip(whole, shape, strict=True)]
    sharding: dict[str, Any] = {"strategy": kind, "shape": shape}
    if kind == "block":
        sharding["grid"] = found[::-1]
    else:
        cores = prod(found)
        if kind == "nd":  # a core may hold several shards
            cores = draw(st.sampled_from(_divisors(cores, cores)))
        if not any(cores // w <= full[1] for w in _divisors(cores, full[0])):
            return {"memory": "L1"}
        sharding["grid"] = _rectangle(draw, cores, full)
    return {"sharding": sharding}
