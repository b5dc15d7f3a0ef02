"""What blocks write of an output at several places: apart from one another, with gaps or not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import harness
import harness.language as T
from harness.compiler.facts.boxes import apart, disjoint, fill
from harness.errors import CompileError

HALVES = [((0, 0), (32, 64)), ((0, 128), (32, 192))]


def test_boxes_that_touch_become_one() -> None:
    """Parts of one block share no element, whatever order they are written in."""
    assert disjoint([((0,), (4,)), ((8,), (12,)), ((3,), (9,))]) == [((0,), (12,))]
    assert disjoint(HALVES) == HALVES


@pytest.mark.parametrize(
    ("move", "blocks", "right"),
    [((0, 64), 2, True), ((0, 64), 3, False), ((0, 32), 2, False), ((32, 0), 9, True),
     ((0, 0), 2, False), ((0, -64), 2, True), ((0, 192), 99, True)],
)  # fmt: skip
def test_blocks_are_apart_where_no_two_of_their_boxes_meet(
    move: tuple[int, int], blocks: int, right: bool
) -> None:
    """Any two blocks count, not only neighbours, and any two of their boxes."""
    assert apart(HALVES, move, blocks) is right


def test_a_gap_is_seen() -> None:
    """Boxes fill their hull, or leave some of it out."""
    assert not fill(HALVES)
    assert fill([*HALVES, ((0, 64), (32, 128))])
    assert not fill([((0, 0), (1, 2)), ((1, 0), (2, 1))])


def _gradient(rows: int, columns: int, block: int = 64) -> Any:
    """Both halves of the gradient of a gated unit, each block of columns its parts of both."""

    @T.prim_func
    def main(X: T.Tensor((rows, 2 * columns), "float32"), D: T.Tensor((rows, columns), "float32"),
             Y: T.Tensor((rows, 2 * columns), "float32")):  # fmt: skip
        with T.Kernel(T.ceildiv(columns, block), T.ceildiv(rows, 32)) as (bx, by):
            for i, j in T.Parallel(32, block):
                Y[by * 32 + i, bx * block + j] = (
                    D[by * 32 + i, bx * block + j] * X[by * 32 + i, columns + bx * block + j]
                )
            for i, j in T.Parallel(32, block):
                Y[by * 32 + i, columns + bx * block + j] = (
                    D[by * 32 + i, bx * block + j] * X[by * 32 + i, bx * block + j]
                )

    return main


@pytest.mark.parametrize("device", ["wormhole_n150", "blackhole_p150"])
@pytest.mark.parametrize("rows", [64, 40])
def test_blocks_write_both_halves_of_rows(device: str, rows: int) -> None:
    """Blocks whose columns lie between those of others are done in turn, every element once."""
    kernel = _gradient(rows, 192)
    assert harness.check(kernel, device=device).passed
    rng = np.random.default_rng(0)
    x = rng.integers(-5, 6, (rows, 384)).astype(np.float32)
    d = rng.integers(-5, 6, (rows, 192)).astype(np.float32)
    made = harness.compile(kernel, device=device)
    assert made.plan.output_blocks["Y"].coverage == "full"
    out = made.run({"X": x, "D": d}).outputs["Y"]
    np.testing.assert_array_equal(out, np.concatenate([d * x[:, 192:], d * x[:, :192]], 1))


def test_blocks_that_share_elements_of_either_half_are_refused() -> None:
    """A last block that runs into the other half writes what another block writes."""
    with pytest.raises(CompileError) as caught:
        harness.compile(_gradient(32, 80))
    assert caught.value.code == "OverlappingWrites"


def test_columns_left_between_are_no_promise_of_the_plan() -> None:
    """A plan whose blocks leave columns out does not say that all are written."""

    @T.prim_func
    def main(A: T.Tensor((64, 32), "float32"), C: T.Tensor((64, 96), "float32")):
        with T.Kernel(2) as bx:
            T.copy(A[bx * 32, 0], C[bx * 32 : bx * 32 + 32, 0:32])
            T.copy(A[bx * 32, 0], C[bx * 32 : bx * 32 + 32, 64:96])

    assert harness.check(main).passed
    assert harness.compile(main).plan.output_blocks["C"].coverage == "guarded"
