"""Statements about an element's own place in its tensor."""

from __future__ import annotations

from hypothesis import strategies as st

from harness.fuzz.kernels.scene import Scene


def placed(draw: st.DrawFn, scene: Scene) -> None:
    """Elements chosen by their place, and their place as a number, in joined blocks too."""
    if not scene.blocks:
        return
    block, _ = draw(st.sampled_from(scene.blocks))
    row, column = scene.element
    number = draw(st.sampled_from((row, column, f"{row} + 2 * ({column})", f"{column} - ({row})")))
    value = f'{block}[i, j] {draw(st.sampled_from("+-*"))} T.cast({number}, "float32")'
    if draw(st.booleans()):
        value = f"T.if_then_else({draw(st.sampled_from(scene.tests))}, {value}, {block}[i, j])"
    scene.emit(*scene.parallel(f"{block}[i, j] = {value}"))
