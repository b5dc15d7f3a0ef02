"""``T.If``, ``T.Then`` and ``T.Else`` are the statement ``if``."""

from typing import Any

import pytest
import tvm

import harness
import harness.language as T
from harness.errors import LanguageError


def _written(frames: bool) -> Any:
    @T.prim_func
    def main(A: T.Tensor((64, 64), "float32"), B: T.Tensor((64, 64), "float32")):
        with T.Kernel(2, 2) as (bx, by):
            a = T.alloc_fragment((32, 32), "float32")
            T.copy(A[by * 32, bx * 32], a)
            if frames:
                for i, j in T.Parallel(32, 32):
                    with T.If(a[i, j] <= 0 and i > j):
                        with T.Then():
                            a[i, j] = a[i, j] * 2
                        with T.Else():
                            a[i, j] = 1
                with T.If(bx > 0), T.Then():
                    for i, j in T.Parallel(32, 32):
                        a[i, j] += 3
            else:
                for i, j in T.Parallel(32, 32):
                    if a[i, j] <= 0 and i > j:
                        a[i, j] = a[i, j] * 2
                    else:
                        a[i, j] = 1
                if bx > 0:
                    for i, j in T.Parallel(32, 32):
                        a[i, j] += 3
            T.copy(a, B[by * 32, bx * 32])

    return main


def test_frames_are_the_statement() -> None:
    """Both ways of writing a branch give one kernel, and it answers as the source says."""
    tvm.ir.assert_structural_equal(_written(frames=True), _written(frames=False))
    assert harness.check(_written(frames=True)).passed


def _badly(how: str) -> Any:
    @T.prim_func
    def main(A: T.Tensor((32, 32), "float32"), B: T.Tensor((32, 32), "float32")):
        with T.Kernel(1) as bx:
            a = T.alloc_fragment((32, 32), "float32")
            T.copy(A, a)
            if how == "lone then":
                with T.Then():
                    T.clear(a)
            elif how == "else first":
                with T.If(bx > 0), T.Else():
                    T.clear(a)
            elif how == "two thens":
                with T.If(bx > 0):
                    with T.Then():
                        T.clear(a)
                    with T.Then():
                        T.clear(a)
            elif how == "two elses":
                with T.If(bx > 0):
                    with T.Then():
                        T.clear(a)
                    with T.Else():
                        T.clear(a)
                    with T.Else():
                        T.clear(a)
            elif how == "beside":
                with T.If(bx > 0):
                    T.clear(a)
            elif how == "if in if":
                with T.If(bx > 0), T.If(bx > 1), T.Then():
                    T.clear(a)
            elif how == "of a block":
                with T.If(a), T.Then():
                    T.clear(a)
            T.copy(a, B)

    return main


@pytest.mark.parametrize(
    ("how", "says"),
    [("lone then", "T.Then is not"), ("else first", "T.Else does not follow"),
     ("two thens", "T.Then is not"), ("two elses", "T.Else does not follow"),
     ("beside", "outside T.Then"), ("if in if", "outside the parts"),
     ("of a block", "no condition")],
)  # fmt: skip
def test_parts_in_another_order_are_refused(how: str, says: str) -> None:
    """A T.If without its parts, or parts without their T.If, is refused in the language's words."""
    with pytest.raises(LanguageError, match=says) as info:
        _badly(how)
    assert "T.Else()" in (info.value.next_step or "") or how == "of a block"
