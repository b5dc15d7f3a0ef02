"""Statements under conditions: of whole blocks, and of single elements inside T.Parallel."""

from __future__ import annotations

from hypothesis import strategies as st

from harness.fuzz.kernels.decided import condition
from harness.fuzz.kernels.expressions import LIMITS, elementwise, update
from harness.fuzz.kernels.scene import Scene


def _of_blocks(draw: st.DrawFn, scene: Scene) -> str:
    tests = ["by > 0", "by == 0", "by % 2 == 1"]
    tests += [] if scene.axes == 1 else ["bx > 0", "bx != by", "(bx + by) % 2 == 0"]
    return draw(st.sampled_from(tests))


def guard(draw: st.DrawFn, scene: Scene) -> None:
    """A statement only some blocks execute, and others another; or a block that all make."""
    if not scene.whole:
        return masked(draw, scene)
    decided = not draw(st.integers(0, 3))
    test = condition(draw, scene) if decided else _of_blocks(draw, scene)
    made = draw(st.booleans())
    block, dtype = draw(st.sampled_from(scene.blocks))
    sides: list[list[str]] = []
    if made:
        block, dtype = scene.alloc("e", (scene.bm, scene.bn), "float32", "fragment"), "float32"
    for _ in range(2 if made or draw(st.booleans()) else 1):
        stores = [f"{block}[i, j] = {draw(elementwise(scene, least=1))}"] if made else []
        if not made or draw(st.booleans()):
            stores.append(draw(update(scene, f"{block}[i, j]")))
        sides.append([line for store in stores for line in scene.parallel(store)])
    lines = [f"if {test}:", *(f"    {line}" for line in sides[0])]
    if len(sides) > 1:
        lines += ["else:", *(f"    {line}" for line in sides[1])]
    scene.emit(*lines)
    if made:
        scene.blocks.append((block, dtype))
    return None


def masked(draw: st.DrawFn, scene: Scene) -> None:
    """Elements changed where a condition holds, and others elsewhere, inside T.Parallel."""
    if not scene.blocks:
        return
    (block, _), (other, _) = (draw(st.sampled_from(scene.blocks)) for _ in range(2))
    asked = [(f"{block}[i, j] > {draw(st.sampled_from(LIMITS))}",), scene.tests]
    asked += [(_of_blocks(draw, scene),)] if scene.whole else []
    test = draw(st.sampled_from(draw(st.sampled_from(asked))))
    sides = [[draw(update(scene, f"{block}[i, j]"))]]
    if draw(st.booleans()):  # the condition is of what the store before it changed
        sides[0].append(draw(update(scene, f"{other}[i, j]")))
    if draw(st.booleans()):
        sides.append([draw(update(scene, f"{draw(st.sampled_from((block, other)))}[i, j]"))])
    lines = [f"if {test}:", *(f"    {line}" for line in sides[0])]
    if len(sides) > 1:
        lines += ["else:", *(f"    {line}" for line in sides[1])]
    scene.emit(*scene.parallel(*lines))
