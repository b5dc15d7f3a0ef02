"""Statements about places: parts, planes and gathers of blocks, turned ones, sums, one number."""

from __future__ import annotations

from typing import Final

from hypothesis import strategies as st

from harness.fuzz.kernels.expressions import elementwise
from harness.fuzz.kernels.scene import OUTPUT, TILE, Scene

SMALL: Final = ("* 2.0", "+ 1.0", "- 0.5")
"""What is done to an element on its way."""


def cumsum(draw: st.DrawFn, scene: Scene) -> None:
    """Running sums along rows or columns, from either end."""
    if not scene.blocks or not scene.summable:
        return
    source, _ = draw(st.sampled_from(scene.blocks))
    block = scene.alloc("u", (scene.bm, scene.bn), "float32", "fragment")
    more = ", reverse=True" if draw(st.booleans()) else ""
    scene.emit(f"T.cumsum({source}, {block}, dim={draw(st.sampled_from(scene.summable))}{more})")
    scene.blocks.append((block, "float32"))


def turned(draw: st.DrawFn, scene: Scene) -> None:
    """A square block read the other way round, whole or one row or column of it."""
    if not scene.blocks or scene.bm != scene.bn or not scene.whole:
        return
    source, _ = draw(st.sampled_from(scene.blocks))
    block = scene.alloc("o", (scene.bm, scene.bn), "float32", "fragment")
    beside, _ = draw(st.sampled_from(scene.blocks))
    line = draw(st.integers(0, scene.bm - 1))
    place = draw(st.sampled_from(("j, i", f"{line}, i", f"j, {line}")))
    scene.emit(*scene.parallel(f"{block}[i, j] = {source}[{place}] - {beside}[i, j]"))
    scene.blocks.append((block, "float32"))


def part(draw: st.DrawFn, scene: Scene) -> None:
    """A part of a block taken, changed, and put elsewhere in a block."""
    rows, columns = scene.bm // TILE, scene.bn // TILE
    if not scene.blocks or not scene.whole or rows * columns < 2:
        return
    if scene.bm % TILE or scene.bn % TILE:
        return
    (source, _), (target, _) = (draw(st.sampled_from(scene.blocks)) for _ in range(2))
    high, wide = draw(st.integers(1, rows)), draw(st.integers(1, columns))

    def place() -> str:
        row = draw(st.integers(0, rows - high)) * TILE
        column = draw(st.integers(0, columns - wide)) * TILE
        return f"[i{f' + {row}' if row else ''}, j{f' + {column}' if column else ''}]"

    shape = (high * TILE, wide * TILE)
    held = scene.alloc("p", shape, "float32", "fragment")
    loop = f"for i, j in T.Parallel({shape[0]}, {shape[1]}):"
    scene.emit(loop, f"    {held}[i, j] = {source}{place()} {draw(st.sampled_from(SMALL))}",
               loop, f"    {target}{place()} = {held}[i, j]")  # fmt: skip


def planes(draw: st.DrawFn, scene: Scene) -> None:
    """Planes of a block of three dimensions changed together, then added."""
    if not scene.whole or scene.axes == 3:
        return
    count = draw(st.integers(1, 3))
    name = scene.tensor("P", (count, scene.M, scene.N), scene.dtype)
    block = scene.alloc("z", (count, scene.bm, scene.bn), scene.dtype, "shared")
    total = scene.alloc("g", (scene.bm, scene.bn), "float32", "fragment")
    if draw(st.booleans()):
        scene.load_rows("shared")
    vectors = [f" * {v}[i]" for v in scene.rows] + [f" + {v}[j]" for v in scene.columns]
    placed = [f' + T.cast({place}, "float32")' for place in scene.element]
    change = draw(st.sampled_from([f" {c}" for c in SMALL[len(vectors) :]] + vectors + placed))
    summed = " + ".join(f"{block}[{h}, i, j]" for h in range(count))
    scene.emit(
        f"T.copy({name}[0, {scene.start()}], {block})",
        f"for h, i, j in T.Parallel({count}, {scene.bm}, {scene.bn}):",
        f"    {block}[h, i, j] = {block}[h, i, j]{change}",
        *scene.parallel(f"{total}[i, j] = {summed}"),
    )
    scene.blocks.append((total, "float32"))


def gather(draw: st.DrawFn, scene: Scene) -> None:
    """Blocks that a tensor of indices chooses, added up."""
    if not scene.whole:
        return
    pages, turns = draw(st.integers(1, 5)), draw(st.integers(1, 3))
    gx, gy, gz = scene.grid((scene.bm, scene.bn))
    sizes = {"k": turns, "by": gx if scene.axes == 1 else gy}
    sizes |= {"bx": gx} if scene.axes > 1 else {}
    sizes |= {"bz": gz} if scene.axes > 2 else {}
    asked = draw(st.lists(st.sampled_from(sorted(sizes)), min_size=1, max_size=3, unique=True))
    name = scene.tensor("I", tuple(sizes[v] for v in asked), "int32")
    scene.tables.append(name)
    load = f"{name}[{', '.join(asked)}]"
    last = pages - 1
    index = draw(st.sampled_from((load, f"{load} % {pages}", f"{load} // 2", f"{last} - {load}",
                                  f"T.min({load}, {last})")))  # fmt: skip
    named, page = [], index
    if draw(st.booleans()):
        page = scene.name("q")
        named = [f"{page} = {index}"]
    lead: tuple[int, ...] = (scene.batch,) if scene.axes == 3 else ()
    source = scene.tensor("G", (pages, *lead, scene.M, scene.N), scene.dtype)
    stages = draw(st.integers(0, 2))
    scene.add_up(turns, f"{source}[{page}, {scene.start()}]", stages, named)


def odd(draw: st.DrawFn, scene: Scene) -> None:
    """A product over an inner extent of any size, of parts of wider tensors, computed or as read.

    What lies beside such operands in their last tiles is data of the tensors, or of no meaning.
    """
    if not scene.whole:
        return
    depth, wider = draw(st.integers(1, 100)), draw(st.integers(0, 40))
    flips = [draw(st.booleans()) for _ in range(2)]
    places = (f"by * {scene.bm}", "0"), ("0", scene.column)
    sizes = (scene.M, depth + wider), (depth + wider, scene.N)
    blocks = (scene.bm, depth), (depth, scene.bn)
    names = []
    for size, block, place, flip in zip(sizes, blocks, places, flips, strict=True):
        turn = -1 if flip else 1
        tensor = scene.tensor("O", size[::turn], scene.dtype)
        held = scene.alloc("o", block[::turn], scene.dtype, "shared")
        scene.emit(f"T.copy({tensor}[{', '.join(place[::turn])}], {held})")
        if draw(st.booleans()):
            rows, columns = block[::turn]
            made = scene.alloc("m", (rows, columns), scene.dtype, "fragment")
            change = draw(st.sampled_from(("{} + 1.0", "T.exp({})", "2.0 - {}", "1.0 / {}")))
            scene.emit(f"for i, j in T.Parallel({rows}, {columns}):",
                       f"    {made}[i, j] = {change.format(f'{held}[i, j]')}")  # fmt: skip
            held = made
        names.append(held)
    flags = "".join(f", transpose_{n}=True" for n, f in zip("AB", flips, strict=True) if f)
    total = scene.alloc("c", (scene.bm, scene.bn), "float32", "fragment")
    scene.emit(f"T.clear({total})", f"T.gemm({', '.join(names)}, {total}{flags})")
    scene.blocks.append((total, "float32"))


def wide(draw: st.DrawFn, scene: Scene) -> None:
    """Rows of any length from a wider tensor, computed or as read, reduced; and used per row."""
    if not scene.blocks or not scene.whole:
        return
    extent, wider = draw(st.integers(1, 100)), draw(st.integers(0, 40))
    tensor = scene.tensor("O", (scene.M, extent + wider), scene.dtype)
    held = scene.alloc("o", (scene.bm, extent), scene.dtype, "shared")
    scene.emit(f"T.copy({tensor}[by * {scene.bm}, 0], {held})")
    if draw(st.booleans()):
        change = draw(st.sampled_from(("{} + 1.0", "T.exp({})", "2.0 - {}", "1.0 / {}")))
        made = scene.alloc("m", (scene.bm, extent), "float32", "fragment")
        scene.emit(f"for i, j in T.Parallel({scene.bm}, {extent}):",
                   f"    {made}[i, j] = {change.format(f'{held}[i, j]')}")  # fmt: skip
        held = made
    kind = draw(st.sampled_from(("sum", "max", "min", "absmax", "abssum")))
    more, old = "", bool(scene.rows) and draw(st.booleans())
    if old:  # joined with what it holds
        vector = draw(st.sampled_from(scene.rows))
        more = "" if kind == "abssum" else ", clear=False"
    else:
        vector = scene.alloc("v", (scene.bm,), "float32", "fragment")
        scene.rows.append(vector)
    block, _ = draw(st.sampled_from(scene.blocks))
    scene.emit(f"T.reduce_{kind}({held}, {vector}, dim=1{more})",
               *scene.parallel(f"{block}[i, j] = {block}[i, j] {draw(st.sampled_from('+-*'))}"
                               f" {vector}[i]"))  # fmt: skip


def direct(draw: st.DrawFn, scene: Scene) -> None:
    """Elements of tensors read and written without a block between."""
    row, column = f"by * {scene.bm} + i", "j" if scene.axes == 1 else f"bx * {scene.bn} + j"
    at = f"[{'bz, ' if scene.axes == 3 else ''}{row}, {column}]"
    source, _ = scene.full_tensor("D", draw(st.sampled_from((scene.dtype, "float32"))))
    target, _ = scene.full_tensor(OUTPUT, draw(st.sampled_from((scene.dtype, "float32"))))
    operator, value = draw(st.sampled_from("+-*")), draw(elementwise(scene))
    scene.emit(*scene.parallel(f"{target}{at} = {source}{at} {operator} {value}"))


def number(draw: st.DrawFn, scene: Scene) -> None:
    """A vector made one number, used for all elements of a block."""
    if not scene.whole or not scene.blocks:
        return
    if not scene.rows or draw(st.booleans()):
        scene.load_rows(draw(st.sampled_from(("shared", "fragment"))))
    vector = draw(st.sampled_from(scene.rows))
    block, _ = draw(st.sampled_from(scene.blocks))
    one = scene.alloc("n", (1,), "float32", "fragment")
    kind, operator = draw(st.sampled_from(("sum", "max", "min"))), draw(st.sampled_from("+-*"))
    scene.emit(f"T.reduce_{kind}({vector}, {one}, dim=0)",
               *scene.parallel(f"{block}[i, j] = {block}[i, j] {operator} {one}[0]"))  # fmt: skip


def whole(draw: st.DrawFn, scene: Scene) -> None:
    """Whole numbers read from memory, one per row, compared with places or computed with."""
    if not scene.blocks:
        return
    name = scene.tensor("W", (scene.M,), "int32")
    vector = scene.alloc("w", (scene.bm,), "int32", draw(st.sampled_from(("shared", "fragment"))))
    block, _ = draw(st.sampled_from(scene.blocks))
    value = f'{block}[i, j] * T.cast({vector}[i] + 1, "float32")'
    if 1 in scene.summable and draw(st.booleans()):  # else places in joined blocks
        relation = draw(st.sampled_from(("<", "==", ">=")))
        value = f"T.if_then_else(j {relation} {vector}[i], {block}[i, j], 0.5)"
    scene.emit(f"T.copy({name}[by * {scene.bm}], {vector})",
               *scene.parallel(f"{block}[i, j] = {value}"))  # fmt: skip


def conditions(draw: st.DrawFn, scene: Scene) -> None:
    """A choice by conditions that a block keeps, or a vector with one per row."""
    limit = draw(st.sampled_from(("0.5", "-0.5", "0.0", "2.0")))
    relation = draw(st.sampled_from((">", "<=", ">=", "!=")))
    source, _ = draw(st.sampled_from(scene.blocks))
    value = draw(elementwise(scene))
    per_row: bool = bool(scene.rows) and draw(st.booleans())
    if per_row:
        vector, kept = (
            draw(st.sampled_from(scene.rows)),
            scene.alloc("m", (scene.bm,), "bool", "fragment"),
        )
        scene.emit(
            f"for i in T.Parallel({scene.bm}):", f"    {kept}[i] = {vector}[i] {relation} {limit}"
        )
        test = f"{kept}[i]"
    else:
        kept = scene.alloc(
            "m", (scene.bm, scene.bn), "bool", draw(st.sampled_from(("fragment", "shared")))
        )
        test = f"{kept}[i, j]"
        scene.emit(*scene.parallel(f"{test} = {source}[i, j] {relation} {limit}"))
        if draw(st.booleans()):
            scene.emit(*scene.parallel(f"{test} = T.Or(T.Not({test}), {source}[i, j] == 1.0)"))
    chosen = scene.alloc("e", (scene.bm, scene.bn), "float32", "fragment")
    scene.emit(*scene.parallel(f"{chosen}[i, j] = T.if_then_else({test}, {value}, {source}[i, j])"))
    scene.blocks.append((chosen, "float32"))
