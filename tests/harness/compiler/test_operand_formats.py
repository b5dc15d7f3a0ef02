"""Operands of two 16-bit formats never share one op of the matrix unit."""

from typing import Any

import harness.language as T
from harness import check


def mixed_halves(M: int = 32, N: int = 32) -> Any:
    """The sum of a bfloat16 and a float16 tensor."""

    @T.prim_func
    def main(
        A: T.Tensor((M, N), "bfloat16"),
        B: T.Tensor((M, N), "float16"),
        C: T.Tensor((M, N), "bfloat16"),
    ):
        with T.Kernel(T.ceildiv(N, 32), T.ceildiv(M, 32), threads=128) as (bx, by):
            a = T.alloc_shared((32, 32), "bfloat16")
            b = T.alloc_shared((32, 32), "float16")
            c = T.alloc_fragment((32, 32), "bfloat16")
            T.copy(A[by * 32, bx * 32], a)
            T.copy(B[by * 32, bx * 32], b)
            for i, j in T.Parallel(32, 32):
                c[i, j] = a[i, j] + b[i, j]
            T.copy(c, C[by * 32, bx * 32])

    return main


def test_exponents_of_two_widths_meet_in_dst_only() -> None:
    """SrcA and SrcB are read in one format; the vector unit takes both."""
    verdict = check(mixed_halves(), grid=(1, 1))
    assert verdict.passed, verdict.findings
    assert verdict.stats["tile_ops"].get("add_binary_tile") == 1
