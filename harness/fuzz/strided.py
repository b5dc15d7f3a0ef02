"""Stores to every other row or column of a tensor, by which two blocks are interleaved."""

from __future__ import annotations

from hypothesis import strategies as st

from harness.fuzz.scene import OUTPUT, Scene


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
