"""Stores by element: to every other row or column of a tensor, and in sequential loops."""

from __future__ import annotations

from hypothesis import strategies as st

from harness.fuzz.kernels.expressions import elementwise
from harness.fuzz.kernels.scene import OUTPUT, Scene

_FEW = 1600
"""Elements that a sequential loop stores at most: an interpreter takes one after another."""


def interleaved(draw: st.DrawFn, scene: Scene) -> None:
    """Two blocks in turn in an output, or one in an order of its own."""
    if not scene.blocks or not scene.whole or scene.axes > 2 or scene.past:
        return
    first, _ = draw(st.sampled_from(scene.blocks))
    second, _ = draw(st.sampled_from(scene.blocks))
    dtype = draw(st.sampled_from((scene.dtype, "float32")))
    row, column = scene.element
    along = draw(st.sampled_from(("columns", "rows", "swapped")))
    if along == "swapped":
        if scene.N % scene.bn or scene.bn % 2:
            return
        name = scene.tensor(OUTPUT, (scene.M, scene.N), dtype)
        scene.emit(*scene.parallel(f"{name}[{row}, {scene.column} + (j ^ 1)] = {first}[i, j]"))
        return
    rows = along == "rows"
    shape = (scene.M * 2, scene.N) if rows else (scene.M, scene.N * 2)
    name = scene.tensor(OUTPUT, shape, dtype)
    stores = []
    for number, block in enumerate((first, second)):
        at = f"({row}) * 2 + {number}, {column}" if rows else f"{row}, ({column}) * 2 + {number}"
        stores.append(f"{name}[{at}] = {block}[i, j]")
    if draw(st.booleans()):
        stores.reverse()
    if draw(st.booleans()):
        scene.emit(*scene.parallel(*stores))
    else:
        scene.emit(*scene.parallel(stores[0]), *scene.parallel(stores[1]))


def elements(draw: st.DrawFn, scene: Scene) -> None:
    """A block stored element by element, or sums along its rows."""
    if not scene.blocks or scene.bm * scene.bn > _FEW:
        return
    loops = [f"for i in T.serial({scene.bm}):", f"    for j in T.serial({scene.bn}):"]
    if draw(st.integers(0, 2)) == 2:
        if not scene.rows:
            scene.load_rows("fragment")
        vector, (block, _) = draw(st.sampled_from(scene.rows)), draw(st.sampled_from(scene.blocks))
        scene.emit(*loops, f"        {vector}[i] += {block}[i, j] * 0.5")
        return
    value = draw(elementwise(scene))
    block = scene.alloc("e", (scene.bm, scene.bn), "float32", "fragment")
    if draw(st.booleans()):
        loops.reverse()
        loops = [loops[0].strip(), f"    {loops[1]}"]
    scene.emit(*loops, f"        {block}[i, j] = {value}")
    scene.blocks.append((block, "float32"))
