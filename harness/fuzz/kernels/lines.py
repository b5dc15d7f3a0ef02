"""Statements about lines and numbers: of planes, of tensors, and in blocks of their own."""

from __future__ import annotations

from typing import Final

from hypothesis import strategies as st

from harness.fuzz.kernels.scene import OUTPUT, Scene

KINDS: Final = ("sum", "max", "min", "absmax", "abssum")
SCOPES: Final = ("shared", "fragment")


def layers(draw: st.DrawFn, scene: Scene) -> None:
    """A block of several planes reduced along any of its dimensions."""
    if not scene.whole or scene.axes == 3:
        return
    count, bm, bn = draw(st.integers(1, 3)), scene.bm, scene.bn
    name = scene.tensor("P", (count, scene.M, scene.N), scene.dtype)
    block = scene.alloc("z", (count, bm, bn), scene.dtype, draw(st.sampled_from(SCOPES)))
    dims = (0, 1, 2) if scene.axes == 1 else (0, 1)  # lines of rows are stored, by one block each
    dim = draw(st.sampled_from(dims))
    made = scene.alloc("g", ((bm, bn), (count, bn), (count, bm))[dim], "float32", "fragment")
    scene.emit(f"T.copy({name}[0, {scene.start()}], {block})",
               f"T.reduce_{draw(st.sampled_from(KINDS))}({block}, {made}, dim={dim})")  # fmt: skip
    if dim == 0:
        scene.blocks.append((made, "float32"))
    elif dim == 1:
        _used(draw, scene, f"{made}[{draw(st.integers(0, count - 1))}, j]")
    else:
        out = scene.tensor(OUTPUT, (count, scene.M), "float32")
        scene.emit(f"T.copy({made}, {out}[0, by * {bm}])")


def scalars(draw: st.DrawFn, scene: Scene) -> None:
    """A number that a tensor gives in each turn of a loop, or to each block, under a name."""
    if not scene.whole or not scene.blocks:
        return
    turns, step = draw(st.integers(1, 3)), draw(st.integers(1, 40))
    extents = scene.grid((scene.bm, scene.bn))
    more = draw(st.integers(0, 40)) + extents[0 if scene.axes == 1 else 1]
    at = f"k * {step}{' + by' if draw(st.booleans()) else ''}"
    dtype = draw(st.sampled_from((scene.dtype, "float32")))
    name = scene.tensor("U", (turns * step + more,), dtype)
    block, _ = draw(st.sampled_from(scene.blocks))
    number, operator = scene.name("s"), draw(st.sampled_from("+-*"))
    update = scene.parallel(f"{block}[i, j] = {block}[i, j] {operator} {number}")
    scene.emit(f"for k in T.serial({turns}):", f"    {number} = {name}[{at}]",
               *(f"    {line}" for line in update))  # fmt: skip


def narrow(draw: st.DrawFn, scene: Scene) -> None:
    """A block of one column or one row: computed from a vector, changed, and used by all."""
    if not scene.blocks or not scene.summable:
        return
    dim = draw(st.sampled_from(scene.summable))
    extent = scene.bm if dim else scene.bn
    block, _ = draw(st.sampled_from(scene.blocks))
    vector = scene.alloc("v", (extent,), "float32", "fragment")
    shape, at = ((extent, 1), "[i, 0]") if dim else ((1, extent), "[0, i]")
    dtype = draw(st.sampled_from((scene.dtype, "float32")))
    line = scene.alloc("q", shape, dtype, "fragment")
    change = draw(st.sampled_from(("* 0.5", "+ 1.0", "- 2.0")))
    loop = f"for i in T.Parallel({extent}):"
    scene.emit(f"T.reduce_{draw(st.sampled_from(KINDS))}({block}, {vector}, dim={dim})",
               loop, f"    {line}{at} = {vector}[i] {change}")  # fmt: skip
    if draw(st.booleans()):
        scene.emit(loop, f"    {line}{at} = {line}{at} + {vector}[i]")
    _used(draw, scene, f"{line}[i, 0]" if dim else f"{line}[0, j]")


def compared(draw: st.DrawFn, scene: Scene) -> None:
    """Elements chosen by how they compare with the largest or least of lines, carried or not.

    They are finite: two infinities have no difference, by which comparisons are made.
    """
    if not scene.blocks or not scene.summable:
        return
    dim = draw(st.sampled_from(scene.summable))
    kind, first = draw(st.sampled_from((("max", -1024.0), ("min", 1024.0), ("absmax", 0.0))))
    source, _ = draw(st.sampled_from(scene.blocks))
    block = scene.alloc("e", (scene.bm, scene.bn), "float32", "fragment")
    bounded = f"T.max(T.min({source}[i, j], 1000.0), -1000.0)"
    scene.emit(*scene.parallel(f"{block}[i, j] = {bounded}"))
    vector = scene.alloc("v", (scene.bm if dim else scene.bn,), "float32", "fragment")
    if draw(st.booleans()):
        others = draw(st.lists(st.sampled_from(scene.blocks), max_size=2))
        scene.emit(f"T.fill({vector}, {first})", *(
            f"T.reduce_{kind}({one}, {vector}, dim={dim}, clear=False)"
            for one in (*(name for name, _ in others), block)))  # fmt: skip
    else:
        scene.emit(f"T.reduce_{kind}({block}, {vector}, dim={dim})")
    held = f"{vector}[{'i' if dim else 'j'}]"
    if draw(st.booleans()):
        whole = scene.alloc("e", (scene.bm, scene.bn), "float32", "fragment")
        scene.emit(*scene.parallel(f"{whole}[i, j] = {held}"))
        held = f"{whole}[i, j]"
    value = f"{block}[i, j]"
    own = f"T.abs({value})" if kind == "absmax" else value
    sides = draw(st.permutations((own, held)))
    test = f" {draw(st.sampled_from(('==', '!=', '>=', '>', '<=', '<')))} ".join(sides)
    chosen = scene.alloc("e", (scene.bm, scene.bn), "float32", "fragment")
    scene.emit(*scene.parallel(f"{chosen}[i, j] = T.if_then_else({test}, {value}, 0.25)"))
    scene.blocks.append((chosen, "float32"))


def pages(draw: st.DrawFn, scene: Scene) -> None:
    """Rows that a tensor of indices chooses, as a cache of tokens lays its pages, added up."""
    if not scene.whole:
        return
    held, turns = draw(st.integers(1, 5)), draw(st.integers(1, 3))
    gx, gy, _ = scene.grid((scene.bm, scene.bn))
    sizes = {"k": turns, "by": gx if scene.axes == 1 else gy}
    asked = draw(st.lists(st.sampled_from(sorted(sizes)), min_size=1, max_size=2, unique=True))
    table = scene.tensor("I", tuple(sizes[v] for v in asked), "int32")
    scene.tables.append(table)
    past = draw(st.sampled_from((0, 0, 8)))
    lead: tuple[int, ...] = (scene.batch,) if scene.axes == 3 else ()
    source = scene.tensor("G", (*lead, held * scene.bm + past, scene.N), scene.dtype)
    page = scene.name("q")
    named = [f"{page} = {table}[{', '.join(asked)}] % {held}"]
    first = f"{'bz, ' if lead else ''}{page} * {scene.bm}{f' + {past}' if past else ''}"
    scene.add_up(turns, f"{source}[{first}, {scene.column}]", draw(st.integers(0, 2)), named)


def _used(draw: st.DrawFn, scene: Scene, value: str) -> None:
    """A value that all rows or columns share, in a block's update."""
    if not scene.blocks:
        block = scene.alloc("e", (scene.bm, scene.bn), "float32", "fragment")
        scene.emit(*scene.parallel(f"{block}[i, j] = {value}"))
        scene.blocks.append((block, "float32"))
        return
    block, _ = draw(st.sampled_from(scene.blocks))
    operator = draw(st.sampled_from("+-*"))
    scene.emit(*scene.parallel(f"{block}[i, j] = {block}[i, j] {operator} {value}"))
