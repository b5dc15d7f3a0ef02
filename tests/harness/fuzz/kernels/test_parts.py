"""Statements about places: each kind is drawn, and what it draws computes what it says."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.fuzz.case import Case
from harness.fuzz.judge import run_case
from harness.fuzz.kernels import branches, computed, lines, parts, placed, regions
from harness.fuzz.kernels.scene import OUTPUT, Scene, render

MARKS = {
    parts.cumsum: "T.cumsum(",
    parts.turned: ["[j, ", ", i] - "],
    parts.part: "] = p",
    parts.planes: "for h, i, j",
    parts.direct: "[by * 64 + i",
    parts.number: "[0]\n",
    parts.odd: "T.gemm(",
    parts.wide: "T.reduce_",
    parts.whole: '"int32"',
    parts.gather: "T.copy(G",
    computed.patches: "im2col(",
    computed.scattered: (" X3[", " X4["),
    computed.moved: "T.copy(P",
    computed.shifted: "T.copy(H",
    computed.picked: "for k in",
    placed.placed: "T.cast(b",
    branches.guard: "\n        if ",
    branches.masked: "            if ",
    regions.viewed: ", k, ",
    regions.staged: "T.copy(C",
    regions.lone: " : by * 64 + 64",
    lines.layers: ", dim=",
    lines.scalars: "= U",
    lines.narrow: ("0] = ", "[0, i] = "),
    lines.pages: " % ",
}
"""What the text of each has and no other."""


@pytest.mark.parametrize("kind", MARKS, ids=lambda f: f.__name__)
@given(data=st.data())
@settings(max_examples=5)
def test_what_is_drawn_computes_what_it_says(kind: Any, data: st.DataObject) -> None:
    """No kind of statement draws nothing, or what the compiler does not take."""
    scene = Scene(M=100, N=64, K=32, batch=1, bm=64, bn=64, bk=32, axes=2, dtype="float32")
    _, start = scene.full_tensor("A", "float32")
    block = scene.alloc("a", (64, 64), "float32", "shared")
    scene.emit(f"T.copy({start}, {block})")
    scene.blocks.append((block, "float32"))
    kind(data.draw, scene)
    _, out = scene.full_tensor(OUTPUT, "float32")
    scene.emit(f"T.copy({scene.blocks[-1][0]}, {out})")
    kernel = render(scene)
    marks = MARKS[kind]
    assert any(mark in kernel for mark in ([marks] if isinstance(marks, str) else marks))
    found = run_case(Case(kernel=kernel, options={"device": "wormhole_n150"}))
    assert found.kind == "pass", (found, kernel)


@pytest.mark.parametrize(
    ("bm", "bn", "axes", "summable"),
    [(64, 32, 2, (0, 1)), (16, 48, 2, (0, 1)), (8, 24, 2, ()), (24, 24, 1, (1,)), (1, 64, 2, (1,))],
)
def test_joined_blocks_are_not_summed(
    bm: int, bn: int, axes: int, summable: tuple[int, ...]
) -> None:
    """Sums along an axis whose blocks can only be joined would be refused, so none is drawn."""
    scene = Scene(M=96, N=48, K=32, batch=1, bm=bm, bn=bn, bk=32, axes=axes, dtype="float32")
    assert scene.summable == summable
