"""Statements about loops and what they keep: counts, loops backwards, loops of nothing, numbers."""

from __future__ import annotations

from typing import Final

from hypothesis import strategies as st

from harness.fuzz.kernels.expressions import LIMITS
from harness.fuzz.kernels.scene import Scene

_ELEMENTS: Final = 2048
"""Elements that a block has at most of which there are very many."""
_NUMBERS: Final = ("float32", "float32", "bfloat16", "int32")


def tallied(draw: st.DrawFn, scene: Scene) -> None:
    """How often elements pass a test that changes from turn to turn, in whole numbers."""
    if not scene.blocks:
        return
    block, _ = draw(st.sampled_from(scene.blocks))
    turns, step = draw(st.integers(1, 4)), draw(st.sampled_from(("0", "1", "7", "100")))
    shape = (scene.bm, scene.bn)
    count = scene.alloc("n", shape, "int32", "fragment")
    made = scene.alloc("e", shape, "float32", "fragment")
    test = f"{block}[i, j] {draw(st.sampled_from(('>', '<=')))} {draw(st.sampled_from(LIMITS))}"
    chosen = f"T.if_then_else({test}, 1, {step})"
    kept = f"= T.if_then_else({test}, {count}[i, j] + 1, {count}[i, j])"
    change = draw(st.sampled_from((f"+= {chosen}", f"-= {chosen}", kept)))
    body = scene.parallel(f"{count}[i, j] {change}")
    if draw(st.booleans()):
        body += scene.parallel(f"{block}[i, j] = {block}[i, j] * 0.5 - 0.25")
    real = scene.parallel(f'{made}[i, j] = T.cast({count}[i, j], "float32") * 0.5')
    scene.emit(f"T.clear({count})", f"for k in T.serial({turns}):", *(f"    {s}" for s in body),
               *real)  # fmt: skip
    scene.blocks.append((made, "float32"))


def backwards(draw: st.DrawFn, scene: Scene) -> None:
    """Blocks joined from the last one on, in steps, or none of them at all."""
    turns, step = draw(st.integers(0, 4)), draw(st.integers(1, 2))
    bounds = f"{turns - 1}, -1, -{step}"
    lead: tuple[int, ...] = (scene.batch,) if scene.axes == 3 else ()
    name = scene.tensor("L", (max(turns, 1), *lead, scene.M, scene.N), scene.dtype)
    block = scene.alloc("l", (scene.bm, scene.bn), scene.dtype, "shared")
    total = scene.alloc("s", (scene.bm, scene.bn), "float32", "fragment")
    joined = scene.parallel(f"{total}[i, j] = {total}[i, j] * 0.5 + {block}[i, j]")
    head = draw(st.sampled_from(("range", "T.serial")))
    scene.emit(f"T.fill({total}, {draw(st.sampled_from(('0', '1.0')))})",
               f"for k in {head}({bounds}):",
               f"    T.copy({name}[k, {scene.start()}], {block})",
               *(f"    {line}" for line in joined))  # fmt: skip
    scene.blocks.append((total, "float32"))


def many(draw: st.DrawFn, scene: Scene) -> None:
    """Blocks read one after another into buffers of their own, more than some devices have."""
    if scene.bm * scene.bn > _ELEMENTS or scene.axes == 3:
        return
    count, ahead = draw(st.integers(30, 36)), draw(st.integers(0, 2))
    name = scene.tensor("W", (count, scene.M, scene.N), scene.dtype)
    shape = (scene.bm, scene.bn)
    blocks = [scene.alloc("h", shape, scene.dtype, "shared") for _ in range(count)]
    total = scene.alloc("s", shape, "float32", "fragment")
    reads = [f"T.copy({name}[{n}, {scene.start()}], {block})" for n, block in enumerate(blocks)]
    sums = [scene.parallel(f"{total}[i, j] += {block}[i, j]") for block in blocks]
    scene.emit(f"T.clear({total})", *reads[:ahead])
    for at, added in enumerate(sums):
        scene.emit(*reads[at + ahead : at + ahead + 1], *added)
    scene.blocks.append((total, "float32"))


def alone(draw: st.DrawFn, scene: Scene) -> None:
    """A number that the kernel takes beside its tensors, with every element of a block."""
    if not scene.blocks:
        return
    block, _ = draw(st.sampled_from(scene.blocks))
    number = scene.number("n", draw(st.sampled_from(_NUMBERS)))
    operator = draw(st.sampled_from("+-*"))
    value = draw(st.sampled_from((number, f"({number} + 1)", f"({number} * 2)")))
    update = f"{block}[i, j] = {block}[i, j] {operator} {value}"
    if draw(st.integers(0, 3)) == 3:
        update = (f"{block}[i, j] = T.if_then_else({number} > 0, {block}[i, j],"
                  f" {block}[i, j] * 0.5)")  # fmt: skip
    scene.emit(*scene.parallel(update))
