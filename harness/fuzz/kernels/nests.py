"""Statements about what T.Parallel joins: planes, what reducers are given, elements and maxima."""

from __future__ import annotations

from typing import Final

from hypothesis import strategies as st

from harness.fuzz.kernels.expressions import elementwise, update
from harness.fuzz.kernels.scene import Scene

_KINDS: Final = ("sum", "max", "min")
_NESTS: Final = (("p", "i", "j"), ("i", "p", "j"), ("i", "j", "p"))
"""Orders of the loops over planes, rows and columns."""
_SCOPES: Final = ("shared", "fragment")


def planewise(draw: st.DrawFn, scene: Scene) -> None:
    """Planes changed by a row, a column or a number of their own, and joined by a reduction."""
    if not scene.whole or scene.axes == 3:
        return
    count, bm, bn = draw(st.integers(2, 3)), scene.bm, scene.bn
    name = scene.tensor("P", (count, scene.M, scene.N), scene.dtype)
    planes = scene.alloc("z", (count, bm, bn), scene.dtype, draw(st.sampled_from(_SCOPES)))
    scene.emit(f"T.copy({name}[0, {scene.start()}], {planes})")
    stores = []
    for _ in range(draw(st.integers(1, 2))):
        along = draw(st.sampled_from(("j", "i")))
        extent, block = (scene.N, bn) if along == "j" else (scene.M, bm)
        source = scene.tensor("Q", (count, extent), scene.dtype)
        line = scene.alloc("l", (count, block), scene.dtype, draw(st.sampled_from(_SCOPES)))
        first = scene.column if along == "j" else f"by * {bm}"
        scene.emit(f"T.copy({source}[0, {first}], {line})")
        plane = draw(st.sampled_from(("p", "p", "p", "0", str(count - 1))))
        value = f"{line}[{plane}, {along}]"
        if scene.blocks and not draw(st.integers(0, 2)):
            value = f"({value} + {draw(st.sampled_from(scene.blocks))[0]}[i, j])"
        stores.append(f"{planes}[p, i, j] {draw(st.sampled_from(('*=', '+=', '-=')))} {value}")
    order = draw(st.sampled_from(_NESTS))
    extents = {"p": count, "i": bm, "j": bn}
    sizes = ", ".join(str(extents[name]) for name in order)
    made = scene.alloc("g", (bm, bn), "float32", "fragment")
    scene.emit(f"for {', '.join(order)} in T.Parallel({sizes}):", *(f"    {s}" for s in stores),
               f"T.reduce_{draw(st.sampled_from(_KINDS))}({planes}, {made}, dim=0)")  # fmt: skip
    scene.blocks.append((made, "float32"))


def reducers(draw: st.DrawFn, scene: Scene) -> None:
    """What elements give to the reducer of their row or column, in one nest or in turns of one."""
    if not scene.blocks or not scene.summable:
        return
    dim, kind = draw(st.sampled_from(scene.summable)), draw(st.sampled_from(_KINDS))
    extent, known = (scene.bm, scene.rows) if dim else (scene.bn, scene.columns)
    reducer, made = scene.name("u"), scene.alloc("v", (extent,), "float32", "fragment")
    scene.allocations.append(f'{reducer} = T.alloc_reducer(({extent},), "float32", op="{kind}")')
    first = draw(st.sampled_from(("", "", ", 0.5", ", -2.0")))
    element = f"{reducer}[{'i' if dim else 'j'}]"
    given = []
    for _ in range(draw(st.integers(1, 2))):
        value = draw(elementwise(scene))
        added = kind == "sum" and draw(st.booleans())
        line = f"{element} += {value}" if added else f"T.reducer_update({element}, {value})"
        test = draw(st.sampled_from(scene.tests)) if not draw(st.integers(0, 3)) else ""
        given += [f"if {test}:", f"    {line}"] if test else [line]
    if draw(st.booleans()):
        block, _ = draw(st.sampled_from(scene.blocks))
        given.append(draw(update(scene, f"{block}[i, j]")))
    nest = scene.parallel(*given)
    turns = draw(st.integers(0, 3))
    if turns:
        nest = [f"for k in T.serial({turns}):", *(f"    {line}" for line in nest)]
    scene.emit(f"T.reducer_init({reducer}{first})", *nest,
               f"T.finalize_reducer({reducer}, {made})")  # fmt: skip
    known.append(made)


def extremes(draw: st.DrawFn, scene: Scene) -> None:
    """Elements chosen by how they compare with the largest or least of their row or column."""
    if not scene.blocks or not scene.summable:
        return
    dim = draw(st.sampled_from(scene.summable))
    reals = [b for b, dtype in scene.blocks if dtype == "float32"]
    block = draw(st.sampled_from(reals or [scene.blocks[-1][0]]))
    vector = scene.alloc("v", (scene.bm if dim else scene.bn,), "float32", "fragment")
    scene.emit(f"T.reduce_{draw(st.sampled_from(('max', 'min')))}({block}, {vector}, dim={dim})")
    asked = block
    if not draw(st.integers(0, 3)):  # another block, or what became of this one
        if draw(st.booleans()):
            scene.emit(*scene.parallel(draw(update(scene, f"{block}[i, j]"))))
        else:
            asked, _ = draw(st.sampled_from(scene.blocks))
    relation = draw(st.sampled_from(("==", ">=", "<", "!=")))
    test = f"{asked}[i, j] {relation} {vector}[{'i' if dim else 'j'}]"
    made = scene.alloc("e", (scene.bm, scene.bn), "float32", "fragment")
    value, other = draw(elementwise(scene)), draw(st.sampled_from(("0.0", "1.0", f"{block}[i, j]")))
    scene.emit(*scene.parallel(f'{made}[i, j] = T.if_then_else({test}, T.cast({value}, "float32"),'
                               f' T.cast({other}, "float32"))'))  # fmt: skip
    scene.blocks.append((made, "float32"))
