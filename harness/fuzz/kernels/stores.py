"""Statements about stores: read back, cut short, between what others store, of single lines."""

from __future__ import annotations

from typing import Final

from hypothesis import strategies as st

from harness.fuzz.kernels.expressions import update
from harness.fuzz.kernels.scene import OUTPUT, RUN, Scene

_SCOPES: Final = ("shared", "fragment")


def reread(draw: st.DrawFn, scene: Scene) -> None:
    """A block stored to a tensor, and read from there by what follows."""
    if not scene.blocks:
        return
    block, dtype = draw(st.sampled_from(scene.blocks))
    if draw(st.booleans()) and scene.whole_inputs:  # the block it was read from is written again
        name, kept = scene.whole_inputs.pop()
        scene.rewrite(name)
        start = f"{name}[{scene.start()}]"
    else:
        kept = draw(st.sampled_from((dtype, scene.dtype, "float32")))
        _, start = scene.full_tensor(OUTPUT, kept)
    again = scene.alloc("b", (scene.bm, scene.bn), kept, draw(st.sampled_from(_SCOPES)))
    scene.emit(f"T.copy({block}, {start})", f"T.copy({start}, {again})")
    scene.blocks.append((again, kept))
    if draw(st.booleans()):
        scene.emit(*scene.parallel(draw(update(scene, f"{again}[i, j]"))))
        if draw(st.booleans()):
            scene.emit(f"T.copy({again}, {start})")


def short(draw: st.DrawFn, scene: Scene) -> None:
    """A loop longer than what it stores, which ends where the next block's begins."""
    if not scene.blocks or not scene.whole or scene.axes == 3 or scene.past:
        return
    block, _ = draw(st.sampled_from(scene.blocks))
    (gx, gy), (row, column) = scene.extents, scene.element
    dtype = draw(st.sampled_from((scene.dtype, "float32")))
    loop, extent = draw(st.sampled_from((("i", scene.bm), ("j", scene.bn))))
    most = draw(st.integers(1, max(extent // RUN, 1))) * RUN
    most -= draw(st.sampled_from((0, 0, 0, 1, 8)))
    if loop == "i":
        shape, row = (gy * most, scene.N), f"by * {most} + i"
    else:
        shape, column = (scene.M, gx * most), f"{'' if scene.axes == 1 else f'bx * {most} + '}j"
    name = scene.tensor(OUTPUT, shape, dtype)
    scene.emit(*scene.parallel(f"if {loop} < {most}:",
                               f"    {name}[{row}, {column}] = {block}[i, j]"))  # fmt: skip


def beside(draw: st.DrawFn, scene: Scene) -> None:
    """Two blocks of an output, between which other blocks write."""
    if not scene.blocks or not scene.whole or scene.axes == 3 or scene.past:
        return
    (gx, gy), (row, column) = scene.extents, scene.element
    dtype = draw(st.sampled_from((scene.dtype, "float32")))
    along = draw(st.booleans())
    high, wide = gy * scene.bm, gx * scene.bn
    name = scene.tensor(OUTPUT, (scene.M, 2 * wide) if along else (2 * high, scene.N), dtype)
    places = [(row, column), (row, f"{wide} + {column}") if along else (f"{high} + {row}", column)]
    if draw(st.booleans()):
        places.reverse()
    stores = []
    for down, across in places:
        block, _ = draw(st.sampled_from(scene.blocks))
        stores.append(f"{name}[{down}, {across}] = {block}[i, j]")
    if draw(st.booleans()):
        scene.emit(*scene.parallel(*stores))
    else:
        scene.emit(*(line for store in stores for line in scene.parallel(store)))


def stored_lines(draw: st.DrawFn, scene: Scene) -> None:
    """Columns of a block stored one per turn, of one there is or of one that is filled before."""
    if not scene.whole:
        return
    if not scene.rows:
        scene.load_rows("fragment")
    vector = draw(st.sampled_from(scene.rows))
    turns, step, first = (draw(st.integers(low, 3)) for low in (1, 1, 0))
    if (turns - 1) * step + first >= scene.bn:
        return
    known = bool(scene.blocks) and draw(st.booleans())
    if known:
        block, _ = draw(st.sampled_from(scene.blocks))
    else:
        block = scene.alloc("e", (scene.bm, scene.bn), "float32", "fragment")
        scene.emit(f"T.fill({block}, {draw(st.sampled_from(('0', '1.0', '-2.5')))})")
        scene.blocks.append((block, "float32"))
    at = f"{block}[i, k * {step} + {first}]"
    change = draw(st.sampled_from((f"= {vector}[i]", f"= {vector}[i] * 2.0", f"+= {vector}[i]",
                                   f"= {at} - {vector}[i]")))  # fmt: skip
    scene.emit(f"for k in T.serial({turns}):", f"    for i in T.Parallel({scene.bm}):",
               f"        {at} {change}")  # fmt: skip
