"""How a kernel author tests kernels: a fixture, a marker, and nothing else."""

from typing import Any

import pytest

import harness.language as T


def scaled_sum(M: int = 64, N: int = 64, block: int = 32, dtype: str = "bfloat16") -> Any:
    """C = A + 2 B."""

    @T.prim_func
    def main(
        A: T.Tensor((M, N), dtype),
        B: T.Tensor((M, N), dtype),
        C: T.Tensor((M, N), dtype),
    ):
        with T.Kernel(T.ceildiv(N, block), T.ceildiv(M, block), threads=128) as (bx, by):
            a = T.alloc_shared((block, block), dtype)
            b = T.alloc_shared((block, block), dtype)
            c = T.alloc_fragment((block, block), dtype)
            T.copy(A[by * block, bx * block], a)
            T.copy(B[by * block, bx * block], b)
            for i, j in T.Parallel(block, block):
                c[i, j] = a[i, j] + b[i, j] * 2.0
            T.copy(c, C[by * block, bx * block])

    return main


def test_scaled_sum(tt_check: Any) -> None:
    """The kernel computes what its source says, on integers by equality and on reals by bound."""
    tt_check(scaled_sum)


@pytest.mark.tt_device("wormhole_n150", "blackhole_p150")
@pytest.mark.parametrize("rows", [1, 33, 100])
def test_ragged(tt_check: Any, rows: int) -> None:
    """Sizes that no block divides, on both architectures."""
    verdict = tt_check(scaled_sum, {"M": rows, "N": 70}, oracle="exact")
    assert verdict.oracle == "exact"


def test_a_file_that_imports_tilelang(tt_check: Any) -> None:
    """A kernel named by file, which lies beside this one and runs as it stands."""
    tt_check("gated.py:gated", {"M": 40, "N": 70})
