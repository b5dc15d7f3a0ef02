"""What names in a kernel stand for: those of the scope it is written in, as in Python."""

from __future__ import annotations

from typing import Any

import harness.language as T

M, N = 7, 11
"""Names a kernel file may well have beside a factory's own of the same spelling."""


def _shapes(kernel: Any) -> list[list[int]]:
    return [[int(d) for d in p.ty.shape] for p in kernel.params]


def _factory(M: int, N: int) -> Any:
    rows = M // 32

    @T.prim_func
    def main(A: T.Tensor((M, N), "float32"), C: T.Tensor((M, N), "float32")):
        with T.Kernel(rows) as bx:
            T.copy(A[bx * 32 : bx * 32 + 32, :], C[bx * 32 : bx * 32 + 32, :])

    return main


def test_annotations_take_the_factorys_names_before_the_modules() -> None:
    """A size that only annotations name is the factory's, whatever the module calls so."""
    assert _shapes(_factory(64, 96)) == [[64, 96], [64, 96]]


def test_macros_see_what_is_defined_after_them_and_nothing_of_the_modules() -> None:
    """Names of a macro's body are its closure's, however late they are set."""

    def factory(M: int) -> Any:
        @T.macro
        def twice(c: Any) -> None:
            add(c)
            add(c)

        @T.macro
        def add(c: Any) -> None:
            for i in T.Parallel(M):
                c[i] += M

        @T.prim_func
        def main(A: T.Tensor((M,), "float32")):
            with T.Kernel(1) as _:
                a = T.alloc_fragment((M,), "float32")
                T.copy(A, a)
                twice(a)
                T.copy(a, A)

        return main

    assert "64" in factory(64).script()
