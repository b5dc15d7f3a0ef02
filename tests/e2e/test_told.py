"""Loops, conditions, masks and rows that int32 tensors decide, from source to numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import harness
from golden import evaluate
from golden.formats import round_even
from harness.errors import CompileError
from simulator.run import RunOptions, execute
from tests.harness.compiler import samples

HEAD = """
@T.prim_func
def main(X: T.Tensor({shape}, "{dtype}"), n: T.Tensor(({count},), "int32"),
         Y: T.Tensor((5, 32, 64), "float32")):
    with T.Kernel(5) as bx:
        x = T.alloc_shared((32, 64), "{dtype}")
        y = T.alloc_fragment((32, 64), "float32")
        T.clear(y)
"""
ADD = """
            for i, j in T.Parallel(32, 64):
                y[i, j] = y[i, j] + {what}
        T.copy(y, Y[bx, 0, 0])
"""
COUNTED = (
    HEAD
    + "        for k in T.Pipelined(n[bx], num_stages=2):"
    + """
            T.copy(X[bx, k * 32, 0], x)"""
    + ADD
)
LAID = (
    HEAD
    + """        start = n[bx]
        length = n[bx + 1] - start
        for k in T.serial(T.ceildiv(length, 32)):
            T.copy(X[start + k * 32, 0], x)"""
    + ADD
)
OPTIONS = [{}, {"grid": (2, 1)}, {"grid": (1, 1)}, {"double_buffer": False, "prefetch": False},
           {"device": "blackhole_p150"}]  # fmt: skip


def counted(dtype: str = "float32") -> Any:
    """Y[b] is the sum of the first n[b] blocks of X[b]."""
    text = COUNTED.format(shape=(5, 128, 64), dtype=dtype, count=5, what="x[i, j]")
    return samples.from_text(text, "main")


def laid(dtype: str = "float32") -> Any:
    """Y[b] is the sum of the blocks of rows n[b] to n[b + 1] of X."""
    what = "T.if_then_else(k * 32 + i < length, x[i, j], 0)"
    text = LAID.format(shape=(150, 64), dtype=dtype, count=6, what=what)
    return samples.from_text(text, "main")


def run(source: Any, given: dict[str, Any], options: dict[str, Any], **how: Any) -> Any:
    """Y of a run without findings that no timing changes, as golden has it too."""
    made = harness.compile(source, **options)
    result = execute(made.plan, made.programs, given, RunOptions(**how))
    assert result.findings == ()
    assert result.determinate
    assert (evaluate(source, given).outputs["Y"].answer.value == result.outputs["Y"]).all()
    return result.outputs["Y"]


@given(st.lists(st.integers(-1, 4), min_size=5, max_size=5), st.sampled_from(OPTIONS),
       st.booleans())  # fmt: skip
def test_loops_run_as_often_as_a_tensor_says(
    n: list[int], options: dict[str, Any], cursors: bool
) -> None:
    """Each block its own count, none and less than none among them, on cores of one and of many."""
    X = np.random.default_rng(1).integers(-9, 10, (5, 128, 64)).astype(np.float32)
    found = run(counted(), {"X": X, "n": np.array(n, np.int32)}, options, cursors=cursors)
    wanted = [X[b, : 32 * max(c, 0)].reshape(-1, 32, 64).sum(0) for b, c in enumerate(n)]
    assert (found == wanted).all()


@given(st.lists(st.integers(0, 150), min_size=6, max_size=6), st.sampled_from(OPTIONS))
def test_rows_begin_where_a_tensor_says(cu: list[int], options: dict[str, Any]) -> None:
    """Sequences laid end to end begin at any row, and the last block ends beyond its tensor."""
    cu = sorted(cu)
    X = np.random.default_rng(2).integers(-9, 10, (150, 64)).astype(np.float32)
    found = run(laid(), {"X": X, "n": np.array(cu, np.int32)}, options)
    for b in range(5):
        rows = X[cu[b] : cu[b + 1]]
        padded = np.zeros((-(-len(rows) // 32) * 32, 64), np.float32)
        padded[: len(rows)] = rows
        assert (found[b] == padded.reshape(-1, 32, 64).sum(0)).all()


def test_rows_of_two_bytes_lie_at_odd_places() -> None:
    """bfloat16 rows from an odd one on, on a device that reads memory that finely, and not so."""
    X = round_even(np.random.default_rng(3).integers(-9, 10, (150, 64)), "bfloat16")
    given = {"X": X.astype(np.float32), "n": np.array([1, 2, 35, 36, 99, 149], np.int32)}
    for device in ("wormhole_n150", "blackhole_p150"):
        run(laid("bfloat16"), given, {"device": device})


FLAGS = (
    HEAD
    + """        for k in T.serial(4):
            T.clear(x)
            if n[bx] // 2 != k:
                T.copy(X[bx, k * 32, 0], x)
            else:
                if n[bx] > 3:
                    T.copy(X[0, k * 32, 0], x)"""
    + ADD
)


@given(st.lists(st.integers(-3, 8), min_size=5, max_size=5), st.sampled_from(OPTIONS))
def test_conditions_hold_where_a_tensor_says(n: list[int], options: dict[str, Any]) -> None:
    """Every thread takes the side that the tensor says, sides within sides."""
    text = FLAGS.format(shape=(5, 128, 64), dtype="float32", count=5, what="x[i, j]")
    X = np.random.default_rng(4).integers(-9, 10, (5, 128, 64)).astype(np.float32)
    source = samples.from_text(text, "main")
    found = run(source, {"X": X, "n": np.array(n, np.int32)}, options)
    for b in range(5):
        taken = [X[b, 32 * k : 32 * k + 32] if n[b] // 2 != k
                 else X[0, 32 * k : 32 * k + 32] * (n[b] > 3) for k in range(4)]  # fmt: skip
        assert (found[b] == sum(taken)).all()


def test_a_told_loop_is_no_multicast() -> None:
    """Cores that run unequal loops cannot wait for each other at every step."""
    text = COUNTED.replace("X[bx, k * 32, 0]", "X[0, k * 32, 0]")
    text = text.format(shape=(5, 128, 64), dtype="float32", count=5, what="x[i, j]")
    with pytest.raises(CompileError, match="different numbers of steps") as caught:
        harness.compile(samples.from_text(text, "main"), multicast=True, grid=(5, 1))
    assert caught.value.code == "NoMulticast"


@pytest.mark.parametrize("source", [counted(), laid()])
@pytest.mark.parametrize("oracle", ["auto", "exact", "bound", "llvm"])
def test_drawn_bounds_are_judged_by_every_oracle(source: Any, oracle: str) -> None:
    """Loops of unequal length are drawn, and the whole answer is compared."""
    verdict = harness.check(source, oracle=oracle)
    assert verdict.passed, str(verdict)
