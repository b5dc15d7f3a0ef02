"""Statements about places that are computed, or chosen: patches, scattered rows, planes, picks.

No index here is the plain start of a block. Elements come from wherever an expression of their own
place says, planes from wherever one of blocks and loops says, and of blocks on chip one column, row
or element takes part that a loop or a block chooses.
"""

from __future__ import annotations

from typing import Final

from hypothesis import strategies as st

from harness.fuzz.kernels.scene import RUN, TILE, Scene

_SCOPES: Final = ("shared", "fragment")


def patches(draw: st.DrawFn, scene: Scene) -> None:
    """A convolution: patches of images, by im2col, times a matrix."""
    if not scene.whole:
        return
    channels, kernel = RUN * draw(st.integers(1, 3)), draw(st.integers(1, 3))
    stride, dilation, pad = (draw(st.integers(low, 2)) for low in (1, 1, 0))
    least = max(1, dilation * (kernel - 1) + 1 - 2 * pad)
    height, width = (draw(st.integers(least, least + 7)) for _ in range(2))
    image = scene.tensor("X", (draw(st.integers(1, 3)), height, width, channels), scene.dtype)
    scene.runs.append(image)
    depth, bk = kernel * kernel * channels, -(-scene.bk // TILE) * TILE
    weights = scene.tensor("K", (depth, scene.N), scene.dtype)
    patch = scene.alloc("x", (scene.bm, bk), scene.dtype, "shared")
    filters = scene.alloc("w", (bk, scene.bn), scene.dtype, "shared")
    total = scene.alloc("c", (scene.bm, scene.bn), "float32", "fragment")
    stages = draw(st.integers(0, 2))
    turns = -(-depth // bk)
    head = f"T.Pipelined({turns}, num_stages={stages})" if stages else f"T.serial({turns})"
    name = draw(st.sampled_from(("c2d_im2col", "im2col")))
    scene.emit(
        f"T.clear({total})",
        f"for k in {head}:",
        f"    T.{name}({image}, {patch}, by, k, {kernel}, {stride}, {dilation}, {pad})",
        f"    T.copy({weights}[k * {bk}, {scene.column}], {filters})",
        f"    T.gemm({patch}, {filters}, {total})",
    )
    scene.blocks.append((total, "float32"))


def scattered(draw: st.DrawFn, scene: Scene) -> None:
    """Elements of a tensor at rows and runs of columns that are computed, or rows looked up.

    Some computed ones lie outside it.
    """
    if not scene.whole or scene.bn % RUN:
        return
    rows, runs = draw(st.integers(2, 100)), draw(st.integers(1, 6))
    columns = RUN * runs
    m, n = f"(by * {scene.bm} + i)", "j" if scene.axes == 1 else f"({scene.column} + j)"
    row = draw(st.sampled_from((
        f"{m} * 3 % {rows}", f"{m} % {rows}", f"{m} // 2", f"{m} * 3 % {rows + 9} - 5",
        f"{rows} - {m} // 3", f"T.max({m} - 7, 0)", f"{m} // 8 * 8 + 7 - {m} % 8",
        f"({m} - 50) % {rows}", f"({m} - 9) // 2", f"({m} + {n} // {RUN}) % {rows}",
    )))  # fmt: skip
    if draw(st.integers(0, 2)) == 2:  # as a tensor of indices says
        blocks = scene.grid((scene.bm, scene.bn))[0 if scene.axes == 1 else 1]
        table = scene.tensor("I", (blocks * scene.bm,), "int32")
        scene.tables.append(table)
        asked = f"{table}[{m}]"
        row = draw(st.sampled_from((asked, f"{asked} % {rows}", f"{rows - 1} - {asked}",
                                    f"T.min({asked}, {rows - 1})")))  # fmt: skip
    column = draw(st.sampled_from((
        n, "j", f"j + {RUN}", f"{n} % {columns}", f"j // {RUN} * {2 * RUN} + j % {RUN}",
        f"{columns - RUN} - j // {RUN} * {RUN} + j % {RUN}",
    )))  # fmt: skip
    planes = draw(st.integers(1, 3))
    at = draw(st.sampled_from(([], [], [f"{m} % {planes}"], [f"{m} // {rows}"])))
    dtype = draw(st.sampled_from((scene.dtype, "float32")))
    shape = (*((planes,) if at else ()), rows, columns)
    name = scene.tensor("X", shape, dtype)
    scene.runs.append(name)
    value = f"{name}[{', '.join([*at, row, column])}]"
    tests = (f"{m} % 3 == 1", f"j // {RUN} == 1", f"T.And({m} >= 5, {n} // {RUN} < 2)")
    if draw(st.booleans()):
        value = f"T.if_then_else({draw(st.sampled_from(tests))}, {value}, 0)"
    changed: bool = bool(scene.blocks) and draw(st.booleans())
    if changed:
        beside, _ = draw(st.sampled_from(scene.blocks))
        value = f"{value} {draw(st.sampled_from('+-*'))} {beside}[i, j]"
        dtype = "float32"
    block = scene.alloc("g", (scene.bm, scene.bn), dtype, draw(st.sampled_from(_SCOPES)))
    scene.emit(*scene.parallel(f"{block}[i, j] = {value}"))
    scene.blocks.append((block, dtype))


def moved(draw: st.DrawFn, scene: Scene) -> None:
    """Planes that a copy takes from a computed place on, added up; zero outside the tensor."""
    turns, planes = draw(st.integers(1, 3)), draw(st.integers(1, 4))
    places = [f"k * 2 % {planes}", "k // 2", f"{planes - 1} - k", "k - 1", f"(k - 2) % {planes}",
              "(k - 1) // 2"]  # fmt: skip
    if scene.whole:  # else blocks that are joined would take different planes
        places += [f"(by + k) % {planes}", "by - k", f"(by * {turns} + k) // 2",
                   f"T.min(by + k, {planes - 1})"]  # fmt: skip
    place, named = draw(st.sampled_from(places)), []
    plane = place
    if draw(st.booleans()):
        plane = scene.name("q")
        named = [f"{plane} = {place}"]
    lead: tuple[int, ...] = (scene.batch,) if scene.axes == 3 else ()
    name = scene.tensor("P", (planes, *lead, scene.M, scene.N), scene.dtype)
    stages = draw(st.integers(0, 2))
    scene.add_up(turns, f"{name}[{plane}, {scene.start()}]", stages, named)


def shifted(draw: st.DrawFn, scene: Scene) -> None:
    """Blocks around this one, some rows or columns before it or behind, added up; zero outside.

    Rows by twos, which every device can read of every dtype, columns by rows of faces.
    """
    turns, step, first = draw(st.integers(1, 3)), draw(st.integers(0, 4)), draw(st.integers(-6, 3))
    units = (draw(st.sampled_from((2, 6, RUN, TILE))), draw(st.sampled_from((RUN, TILE))))
    if not scene.whole:  # blocks that are joined would step apart
        step, units = 0, (TILE, TILE)
    row, column = f"by * {scene.bm}", scene.column
    down = draw(st.booleans())
    unit, other = units if down else units[::-1]
    along = f" + (k * {step * unit} + {first * unit})"
    across = f" + {other * draw(st.integers(-5, 3))}"
    if scene.bn % RUN:  # columns of less than a row of a face begin nowhere else
        down, along, across = True, f" + (k * {step * units[0]} + {first * units[0]})", ""
    if not down:
        along, across = across, along
    lead: tuple[int, ...] = (scene.batch,) if scene.axes == 3 else ()
    name = scene.tensor("H", (*lead, scene.M, scene.N), scene.dtype)
    z = "bz, " if scene.axes == 3 else ""
    scene.add_up(turns, f"{name}[{z}{row}{along}, {column}{across}]")


def picked(draw: st.DrawFn, scene: Scene) -> None:
    """Columns, rows or elements of a block that a loop chooses, one per turn, with all of another.

    In a loop over rows, of a block that is already there.
    """
    if not scene.blocks:
        return
    turns, step, first = (draw(st.integers(low, 4)) for low in (1, 0, 0))
    used = (turns - 1) * step + first + 1
    along = draw(st.sampled_from(("column", "row", "number", "element", "line")))
    operator = draw(st.sampled_from("+-*"))
    block, _ = draw(st.sampled_from(scene.blocks))
    if along == "line":
        if not scene.whole or used > scene.bn:
            return
        if not scene.rows:
            scene.load_rows("fragment")
        vector = draw(st.sampled_from(scene.rows))
        loops = [f"for k in T.serial({turns}):", f"for i in T.Parallel({scene.bm}):"]
        outer, inner = loops[:: draw(st.sampled_from((1, -1)))]  # either may be around the other
        scene.emit(outer, f"    {inner}", f"        {vector}[i] = {vector}[i] {operator}"
                   f" {block}[i, {_place(step, first)}]")  # fmt: skip
        return
    wide = used + draw(st.integers(0, 40))
    dtype = draw(st.sampled_from((scene.dtype, "float32", "int32")))
    at = [_place(step, first)]
    if scene.whole and draw(st.booleans()):  # blocks that are joined would choose differently
        blocks = scene.grid((scene.bm, scene.bn))
        at, wide = [f"{at[0]} + by"], wide + blocks[1 if scene.axes > 1 else 0]
    shape: tuple[int, ...] = (wide,)
    start, extents = ["0"], shape
    if along == "column":
        shape, extents = (scene.M, wide), (scene.bm, wide)
        start, at = [f"by * {scene.bm}", "0"], ["i", *at]
    elif along == "row":
        shape, extents = (wide, scene.N), (wide, scene.bn)
        start, at = ["0", scene.column], [*at, "j"]
    elif along == "element":
        high = turns + draw(st.integers(0, 40))
        shape = extents = (high, wide)
        start, at = ["0", "0"], [f"{high - 1} - k", *at]
    name = scene.tensor("S", shape, dtype)
    held = scene.alloc("s", extents, dtype, "shared")
    update = f"{block}[i, j] = {block}[i, j] {operator} {held}[{', '.join(at)}]"
    scene.emit(f"T.copy({name}[{', '.join(start)}], {held})")
    if draw(st.booleans()):
        scene.emit(*scene.parallel(f"for k in T.serial({turns}):", f"    {update}"))
    else:
        scene.emit(f"for k in T.serial({turns}):",
                   *(f"    {line}" for line in scene.parallel(update)))  # fmt: skip


def _place(step: int, first: int) -> str:
    """``k * step + first``."""
    return f"k * {step} + {first}"
