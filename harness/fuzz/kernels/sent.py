"""Blocks whose rows go where tensors of indices say, and rows of rows that they choose."""

from __future__ import annotations

from hypothesis import strategies as st

from harness.fuzz.kernels.scene import OUTPUT, Scene


def sent(draw: st.DrawFn, scene: Scene) -> None:
    """A block stored row by row where a table says, all rows, or those that have a place."""
    if not scene.whole or not scene.blocks:
        return
    (row, column), (block, dtype) = scene.element, draw(st.sampled_from(scene.blocks))
    lead: tuple[int, ...] = (scene.batch,) if scene.axes == 3 else ()
    rows = scene.M + draw(st.integers(0, 40))
    out = scene.tensor(OUTPUT, (*lead, rows, scene.N), draw(st.sampled_from((dtype, "float32"))))
    scene.told.append(out)
    place, tests = draw(st.sampled_from((_chosen, _chosen, _laid)))(draw, scene, row)
    at = ", ".join([*(["bz"] if lead else []), place, column])
    lines = [f"if {test}:" for test in tests] + [f"{out}[{at}] = {block}[i, j]"]
    scene.emit(*scene.parallel(*("    " * n + line for n, line in enumerate(lines))))


def _chosen(draw: st.DrawFn, scene: Scene, row: str) -> tuple[str, list[str]]:
    """A row of its own for each, which may be none."""
    table = _table(scene, scene.M)
    tests = [f"{row} < {scene.M}"]
    tests += [f"{table}[{row}] >= 0"] if draw(st.booleans()) else []
    return f"{table}[{row}]", tests


def _laid(draw: st.DrawFn, scene: Scene, row: str) -> tuple[str, list[str]]:
    """Rows of each block one after another from where a table says, as many as another says."""
    del row
    blocks = scene.grid((scene.bm, scene.bn))[0 if scene.axes == 1 else 1]
    first, count = _table(scene, blocks), _table(scene, blocks)
    bound = draw(st.sampled_from((f"{count}[by]", f"T.min({count}[by], {scene.bm})")))
    return f"{first}[by] + i", [f"i < {bound}"]


def nested(draw: st.DrawFn, scene: Scene) -> None:
    """Rows of a tensor that rows of a table choose, which those of another choose."""
    if not scene.whole:
        return
    row, column = scene.element
    held, most = draw(st.integers(1, 60)), draw(st.integers(1, 60))
    table, over = _table(scene, most), _table(scene, scene.M + scene.bm)
    lead: tuple[int, ...] = (scene.batch,) if scene.axes == 3 else ()
    source = scene.tensor("G", (*lead, held, scene.N), scene.dtype)
    block = scene.alloc("n", (scene.bm, scene.bn), scene.dtype, "shared")
    at = ", ".join([*(["bz"] if lead else []), f"{table}[{over}[{row}]]", column])
    scene.emit(*scene.parallel(f"{block}[i, j] = {source}[{at}]"))
    scene.blocks.append((block, scene.dtype))


def _table(scene: Scene, size: int) -> str:
    table = scene.tensor("I", (size,), "int32")
    scene.tables.append(table)
    return table
