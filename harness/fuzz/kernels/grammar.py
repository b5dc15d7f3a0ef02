"""Kernels by grammar: Hypothesis draws the statements of a valid TileLang kernel, as text.

A kernel works on blocks of ``bm x bn`` under a grid of one to three axes. A scene keeps what is
defined so far: full blocks, one vector per row, one vector per column. Statements draw from it and
add to it, so that every kernel is valid by construction. Which kinds of statements take part is
drawn first (swarm), so that rare combinations come up.
"""

from __future__ import annotations

from typing import Any, Final

from hypothesis import strategies as st

from harness.fuzz.kernels import bytes as bytes_
from harness.fuzz.kernels import (
    computed,
    decided,
    lines,
    looped,
    nests,
    parts,
    sent,
    stores,
    strided,
)
from harness.fuzz.kernels.branches import guard, masked
from harness.fuzz.kernels.expressions import elementwise, update, vector_update
from harness.fuzz.kernels.placed import placed
from harness.fuzz.kernels.regions import lone, staged, viewed
from harness.fuzz.kernels.scene import NUMBERINGS, OUTPUT, TILE, Scene, render

DTYPES: Final = ("bfloat16", "float32", "float16")
KINDS: Final = ("elementwise", "update", "reduce", "gemm", "fill", "cast", "loop", "vector",
                "column", "row_reload", "guard", "cumsum", "turned", "part", "planes", "direct",
                "number", "odd", "wide", "whole", "gather", "patches", "scattered", "moved",
                "shifted", "picked", "placed", "masked", "conditions", "viewed", "staged",
                "lone", "layers", "scalars", "narrow", "pages", "skipped",
                "counted", "quantised", "unpacked", "sent", "nested", "interleaved",
                "elements", "planewise", "reducers", "extremes", "reread", "short", "beside",
                "stored_lines", "tallied", "backwards", "many", "alone",
                "compared")  # fmt: skip
"""Kinds of statements a swarm chooses from."""
_WHOLE: Final = ("turned", "part", "planes", "number", "odd", "wide", "gather", "patches",
                 "scattered", "layers", "scalars", "pages", "skipped", "counted", "sent",
                 "nested", "planewise", "short", "beside", "stored_lines")  # fmt: skip
"""Kinds for blocks of whole tiles; where blocks are joined, places are asked for instead."""
MOST: Final = 100
"""Numbers to choose from at most: beyond, Hypothesis takes what it found in loaded modules."""
FAR: Final = 48
"""Elements a tensor has along a dimension for each block it may have, unless those are two: more
tiles show nothing else, and made a tenth of the kernels take a third of the time."""
WIDE: Final = 160
"""Largest extent of which there may be two blocks."""
_FOCUSED: Final = {
    "gemm": ("gemm", "gemm", "elementwise", "cast"),
    "elementwise": ("elementwise", "update", "vector", "column", "cast"),
    "reduce": ("reduce", "reduce", "vector", "elementwise", "compared"),
    "layout": ("cast", "elementwise", "gemm"),
    "schedule": ("gemm", "loop", "reduce"),
}


def _sizes(blocks: tuple[int, ...]) -> st.SearchStrategy[int]:
    """A block extent."""
    return st.sampled_from(blocks)


@st.composite
def _extent(draw: st.DrawFn, block: int, most: int = 4) -> int:
    """A tensor extent: whole blocks, or any ragged number within a few of them or a few tiles."""
    few = min(most * max(1, TILE // max(block, 2)), most * FAR // block)
    blocks = draw(st.integers(1, max(few, 1 if block > WIDE else 2)))
    short = draw(st.integers(0, min(block, MOST) - 1)) if draw(st.booleans()) else 0
    return block * blocks - short


@st.composite
def _scene(draw: st.DrawFn, focus: str | None) -> Scene:
    axes = draw(st.sampled_from([2, 2, 1, 3]))
    if focus == "reduce":
        axes = draw(st.sampled_from([1, 1, 2]))
    wide = draw(st.integers(0, 9)) == 9  # blocks beyond DST
    bm = draw(_sizes((32, 32, 64, 16, 8, 96, 1, 48, 80) if axes < 3 else (32, 64, 48)))
    bn = draw(_sizes((32, 32, 64, 96, 128, 48) if axes == 1 else (32, 32, 64, 96, 48)))
    bn = draw(_sizes((160, 192, 256))) if wide else bn
    bk = draw(_sizes((32, 160))) if wide else draw(_sizes((32, 32, 64, 16, 48)))
    few = 6 if focus == "schedule" else 3 if axes < 3 else 2
    M, K = draw(_extent(bm, few)), draw(_extent(bk, few))
    N = bn - draw(st.integers(0, min(bn, MOST) - 1)) if axes == 1 and draw(st.booleans()) else bn
    if axes > 1:
        N = draw(_extent(bn, min(few, 2) if bn % TILE else few))  # joined ones are read by lines
    else:
        bn = N = -(-N // 32) * 32 if bn % 32 == 0 and N > 32 else N
    batch = draw(st.integers(1, 3)) if axes == 3 else 1
    past = draw(st.sampled_from((0,) * 14 + (8, 40)))  # rows no block begins in
    return Scene(M, N, K, batch, bm, bn, bk, axes, draw(st.sampled_from(DTYPES)), past=past)


def _load(draw: st.DrawFn, scene: Scene) -> None:
    dtype = draw(st.sampled_from((scene.dtype, scene.dtype, "float32")))
    wider = draw(st.sampled_from((0, 0, 0, 8, 40))) if scene.axes == 1 else 0
    name, start = scene.full_tensor("A", dtype, wider)
    if not wider and dtype == scene.dtype:
        scene.whole_inputs.append((name, dtype))
    held = dtype if draw(st.booleans()) else draw(st.sampled_from(DTYPES))
    scope = draw(st.sampled_from(("shared", "fragment")))
    block = scene.alloc("a", (scene.bm, scene.bn), held, scope)
    scene.emit(f"T.copy({start}, {block})")
    scene.blocks.append((block, held))


def _target(draw: st.DrawFn, scene: Scene, stem: str) -> tuple[str, str]:
    """A block to write: a new one, or one that exists."""
    if scene.blocks and draw(st.integers(0, 3)) == 3:
        return draw(st.sampled_from(scene.blocks))
    dtype = draw(st.sampled_from((scene.dtype, "float32")))
    block = scene.alloc(
        stem, (scene.bm, scene.bn), dtype, draw(st.sampled_from(("fragment", "shared")))
    )
    return block, dtype


def _elementwise(draw: st.DrawFn, scene: Scene) -> None:
    value = draw(elementwise(scene))
    block, dtype = _target(draw, scene, "e")
    scene.emit(*scene.parallel(f"{block}[i, j] = {value}"))
    if (block, dtype) not in scene.blocks:
        scene.blocks.append((block, dtype))


def _update(draw: st.DrawFn, scene: Scene) -> None:
    block, _ = draw(st.sampled_from(scene.blocks))
    scene.emit(*scene.parallel(draw(update(scene, f"{block}[i, j]"))))


def _reduce(draw: st.DrawFn, scene: Scene) -> None:
    if not scene.summable:
        return _update(draw, scene)
    block, _ = draw(st.sampled_from(scene.blocks))
    kind = draw(st.sampled_from(("sum", "max", "min", "absmax", "abssum")))
    dim = draw(st.sampled_from(scene.summable[-1:] + scene.summable))
    known, extent = (scene.rows, scene.bm) if dim else (scene.columns, scene.bn)
    old: bool = bool(known) and draw(st.booleans())
    vector = (
        draw(st.sampled_from(known)) if old else scene.alloc("v", (extent,), "float32", "fragment")
    )
    more = ", clear=False" if old and kind != "abssum" and draw(st.booleans()) else ""
    scene.emit(f"T.reduce_{kind}({block}, {vector}, dim={dim}{more})")
    if vector not in known:
        known.append(vector)
    return None


def _gemm(draw: st.DrawFn, scene: Scene) -> None:
    bm, bn, bk, dtype = scene.bm, scene.bn, scene.bk, scene.dtype
    flip_a, flip_b = (draw(st.integers(0, 4)) == 4 for _ in range(2))
    lead: tuple[int, ...] = (scene.batch,) if scene.axes == 3 else ()
    z = "bz, " if scene.axes == 3 else ""
    column = "0" if scene.axes == 1 else f"bx * {bn}"
    a_shape, b_shape = (scene.M, scene.K), (scene.K, scene.N)
    A = scene.tensor("A", lead + (a_shape[::-1] if flip_a else a_shape), dtype)
    B = scene.tensor("B", lead + (b_shape[::-1] if flip_b else b_shape), dtype)
    a = scene.alloc("x", (bk, bm) if flip_a else (bm, bk), dtype, "shared")
    b = scene.alloc("w", (bn, bk) if flip_b else (bk, bn), dtype, "shared")
    starts = [f"by * {bm}", f"k * {bk}"], [f"k * {bk}", column]
    flags = "".join(f", transpose_{n}=True" for n, f in (("A", flip_a), ("B", flip_b)) if f)
    seeded = [n for n, d in scene.blocks if d == "float32"]
    if seeded and draw(st.integers(0, 3)) == 3:
        acc = draw(st.sampled_from(seeded))
    else:
        acc = scene.alloc("c", (bm, bn), "float32", "fragment")
        scene.emit(f"T.clear({acc})")
        scene.blocks.append((acc, "float32"))
    stages = draw(st.integers(0, 3))
    head = (
        f"T.Pipelined({-(-scene.K // bk)}, num_stages={stages})"
        if stages
        else f"T.serial({-(-scene.K // bk)})"
    )
    sides = [", ".join(s[::-1] if f else s) for s, f in zip(starts, (flip_a, flip_b), strict=True)]
    loads = [f"    T.copy({A}[{z}{sides[0]}], {a})", f"    T.copy({B}[{z}{sides[1]}], {b})"]
    if draw(st.integers(0, 3)) == 3:  # what is beyond an edge changes from zero
        rows, columns = (bk, bm) if flip_a else (bm, bk)
        read, a = a, scene.alloc("m", (rows, columns), dtype, "fragment")
        loads += [f"    for i, j in T.Parallel({rows}, {columns}):",
                  f"        {a}[i, j] = {read}[i, j] + 1.0"]  # fmt: skip
    body = [*loads, f"    T.gemm({a}, {b}, {acc}{flags})"]
    if draw(st.booleans()):  # a second product of the same operand in one loop
        body += _beside(scene, (a, f"{z}{sides[1]}", flags), (lead, b_shape, flip_b))
    scene.emit(f"for k in {head}:", *body)


def _beside(scene: Scene, operand: tuple[str, str, str], other: Any) -> list[str]:
    """Another right-hand side for the left operand of a loop, and its own accumulator."""
    (a, start, flags), (lead, shape, flip) = operand, other
    B = scene.tensor("B", lead + (shape[::-1] if flip else shape), scene.dtype)
    block = (scene.bn, scene.bk) if flip else (scene.bk, scene.bn)
    b = scene.alloc("w", block, scene.dtype, "shared")
    acc = scene.alloc("c", (scene.bm, scene.bn), "float32", "fragment")
    scene.emit(f"T.clear({acc})")
    scene.blocks.append((acc, "float32"))
    return [f"    T.copy({B}[{start}], {b})", f"    T.gemm({a}, {b}, {acc}{flags})"]


def _fill(draw: st.DrawFn, scene: Scene) -> None:
    block, dtype = _target(draw, scene, "f")
    value = draw(st.sampled_from(("0", "1.0", "-2.5", "0.5")))
    scene.emit(f"T.fill({block}, {value})")
    if (block, dtype) not in scene.blocks:
        scene.blocks.append((block, dtype))


def _cast(draw: st.DrawFn, scene: Scene) -> None:
    source, _ = draw(st.sampled_from(scene.blocks))
    dtype = draw(st.sampled_from(DTYPES))
    block = scene.alloc(
        "t", (scene.bm, scene.bn), dtype, draw(st.sampled_from(("fragment", "shared")))
    )
    scene.emit(f"T.copy({source}, {block})")
    scene.blocks.append((block, dtype))


def _loop(draw: st.DrawFn, scene: Scene) -> None:
    """Sum of several blocks of one tensor, as a split reduction does."""
    turns = draw(st.integers(1, 4))
    shape = (turns, scene.M, scene.N) if scene.axes < 3 else (turns * scene.batch, scene.M, scene.N)
    name = scene.tensor("L", shape, scene.dtype)
    block = scene.alloc("l", (scene.bm, scene.bn), scene.dtype, "shared")
    acc = scene.alloc("s", (scene.bm, scene.bn), "float32", "fragment")
    lead = "k" if scene.axes < 3 else f"bz * {turns} + k"
    plane = scene.start().removeprefix("bz, ")
    stages = draw(st.integers(0, 2))
    head = f"T.Pipelined({turns}, num_stages={stages})" if stages else f"range({turns})"
    added = scene.parallel(f"{acc}[i, j] += {block}[i, j]")
    scene.emit(
        f"T.clear({acc})",
        f"for k in {head}:",
        f"    T.copy({name}[{lead}, {plane}], {block})",
        *(f"    {line}" for line in added),
    )
    scene.blocks.append((acc, "float32"))


def _vector(draw: st.DrawFn, scene: Scene) -> None:
    if not scene.rows:
        _row_reload(draw, scene)
    vector = draw(st.sampled_from(scene.rows))
    scene.emit(f"for i in T.Parallel({scene.bm}):", f"    {draw(vector_update(scene, vector))}")


def _column(draw: st.DrawFn, scene: Scene) -> None:
    del draw
    name = scene.tensor("R", (scene.N,), scene.dtype)
    vector = scene.alloc("r", (scene.bn,), scene.dtype, "shared")
    scene.emit(f"T.copy({name}[{'0' if scene.axes == 1 else f'bx * {scene.bn}'}], {vector})")
    scene.columns.append(vector)


def _row_reload(draw: st.DrawFn, scene: Scene) -> None:
    scene.load_rows(draw(st.sampled_from(("shared", "fragment"))))


_STATEMENTS: Final[dict[str, Any]] = {
    "elementwise": _elementwise, "update": _update, "reduce": _reduce, "gemm": _gemm,
    "fill": _fill, "cast": _cast, "loop": _loop, "vector": _vector, "column": _column,
    "row_reload": _row_reload, "guard": guard, "cumsum": parts.cumsum, "turned": parts.turned,
    "part": parts.part, "planes": parts.planes, "direct": parts.direct, "number": parts.number,
    "odd": parts.odd, "wide": parts.wide, "whole": parts.whole,
    "gather": parts.gather, "patches": computed.patches, "scattered": computed.scattered,
    "moved": computed.moved, "shifted": computed.shifted, "picked": computed.picked,
    "placed": placed, "masked": masked, "conditions": parts.conditions, "viewed": viewed,
    "staged": staged, "lone": lone, "layers": lines.layers, "scalars": lines.scalars,
    "narrow": lines.narrow, "pages": lines.pages, "skipped": decided.skipped,
    "counted": decided.counted, "quantised": bytes_.quantised, "unpacked": bytes_.unpacked,
    "sent": sent.sent, "nested": sent.nested, "interleaved": strided.interleaved,
    "elements": strided.elements, "planewise": nests.planewise, "reducers": nests.reducers,
    "extremes": nests.extremes, "reread": stores.reread, "short": stores.short,
    "beside": stores.beside, "stored_lines": stores.stored_lines, "tallied": looped.tallied,
    "backwards": looped.backwards, "many": looped.many, "alone": looped.alone,
    "compared": lines.compared,
}  # fmt: skip


def _store(draw: st.DrawFn, scene: Scene) -> None:
    """One to three outputs; a vector only where exactly one block writes each of its parts."""
    outputs = draw(st.sampled_from((1, 1, 1, 2, 3)))
    chosen = draw(
        st.lists(st.sampled_from(scene.blocks), min_size=1, max_size=outputs, unique=True)
    )
    last = scene.blocks[-1]
    for block, dtype in [last] if len(chosen) == 1 else chosen:
        out = dtype if draw(st.booleans()) else draw(st.sampled_from(DTYPES))
        inplace = scene.whole_inputs and draw(st.integers(0, 7)) == 7
        if inplace:  # the block it was read from is written again
            name, _ = scene.whole_inputs.pop()
            scene.rewrite(name)
            start = f"{name}[{scene.start()}]"
        else:
            _, start = scene.full_tensor(OUTPUT, out)
        scene.emit(f"T.copy({block}, {start})")
    if scene.axes == 1 and scene.rows and draw(st.booleans()):
        name = scene.tensor(OUTPUT, (scene.M,), draw(st.sampled_from(("float32", scene.dtype))))
        scene.emit(f"T.copy({scene.rows[-1]}, {name}[by * {scene.bm}])")


@st.composite
def scenes(draw: st.DrawFn, focus: str | None = None, begun: Scene | None = None) -> Scene:
    """A kernel in the making, whole; of certain extents where it is ``begun``."""
    scene = begun or draw(_scene(focus))
    swarm = draw(st.lists(st.sampled_from(KINDS), min_size=1, max_size=4, unique=True))
    kinds = (*_FOCUSED.get(focus or "", ()), *swarm[: 1 if focus else 4])
    if kinds[0] != "gemm" or draw(st.booleans()):
        _load(draw, scene)
    for _ in range(draw(st.integers(1, 4))):
        kind = draw(st.sampled_from(kinds)) if scene.blocks else "gemm"
        kind = "placed" if kind in _WHOLE and not scene.whole else kind
        _STATEMENTS[kind](draw, scene)
    if len(scene.blocks) > 1 and draw(st.integers(0, 2)) == 2:  # else only the last may be seen
        value, block = draw(elementwise(scene, least=2)), scene.alloc(
            "e", (scene.bm, scene.bn), "float32", "fragment")  # fmt: skip
        scene.emit(*scene.parallel(f"{block}[i, j] = {value}"))
        scene.blocks.append((block, "float32"))
    _store(draw, scene)
    if scene.axes == 2 and focus is None and draw(st.integers(0, 7)) == 7:
        scene.numbering = draw(st.sampled_from(NUMBERINGS))
    return scene


def kernels(focus: str | None = None) -> st.SearchStrategy[str]:
    """The text of a kernel called ``main``, its tensors where they lie by default."""
    return scenes(focus).map(render)
