"""Blocks and the memory they are asked for."""

from __future__ import annotations

from typing import Any

import pytest

import harness
import harness.language as T
from harness.errors import CompileError, LanguageError
from harness.kernels.elementwise import add
from harness.language.tensors import SHARED


def running(scope: str, reverse: bool = False) -> Any:
    """Running sums of rows, in a fragment of another scope."""

    @T.prim_func
    def main(A: T.Tensor((3, 100), "float32"), B: T.Tensor((3, 100), "float32")):
        with T.Kernel(2, 3) as (bx, by):
            a = T.alloc_fragment((1, 64), "float32", scope=scope)
            T.copy(A[by, bx * 64 : bx * 64 + 64], a)
            T.cumsum(a, dim=1, reverse=reverse)
            T.copy(a, B[by, bx * 64 : bx * 64 + 64])

    return main


@pytest.mark.parametrize("scope", ["shared", "shared.dyn", "local.fragment"])
@pytest.mark.parametrize("reverse", [False, True])
def test_a_fragment_may_be_asked_for_in_shared_memory(scope: str, reverse: bool) -> None:
    """The scope says what the block is, and the sums are right in either."""
    func = running(scope, reverse)
    assert (f'scope="{SHARED}"' in func.script()) == scope.startswith("shared")
    assert harness.check(func).passed


@pytest.mark.parametrize("scope", ["global", "local", "shared.tmem", ""])
def test_other_memory_is_refused(scope: str) -> None:
    """A scope this machine has no block for is refused by the name of the call."""
    with pytest.raises(LanguageError, match=f"T.alloc_fragment scope '{scope}'"):
        running(scope)


def test_a_dimension_no_integer_holds_is_refused() -> None:
    """Beyond 64 bits a size is named, not the type TVM fails to convert it to."""
    with pytest.raises(LanguageError, match="has dimension 9223372036854775808, beyond 64 bits"):
        add(M=2**63, N=32)


@pytest.mark.parametrize("line", ["fill", "number"])
def test_nan_is_no_number_of_a_kernel(line: str) -> None:
    """NaN, which no packer stores, is refused at its line and never reaches a program."""

    @T.prim_func
    def main(A: T.Tensor((32, 64), "float32")):
        with T.Kernel(1) as _:
            a = T.alloc_fragment((32, 64), "float32")
            if line == "fill":
                T.fill(a, float("nan"))
            else:
                for i, j in T.Parallel(32, 64):
                    a[i, j] = T.if_then_else(i > j, 0.0, float("nan"))
            T.copy(a, A)

    with pytest.raises(CompileError, match=r"test_tensors.py:.*NaN as a number"):
        harness.compile(main)


@pytest.mark.parametrize("loop", [T.Pipelined, T.serial])
def test_loop_bounds_are_whole_numbers(loop: Any) -> None:
    """A bound of 2.5 is refused, and not cut to 2."""
    with pytest.raises(LanguageError, match=r"2\.5 is not an integer"):
        loop(2.5)
