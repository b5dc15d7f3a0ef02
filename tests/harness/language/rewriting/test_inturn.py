"""Several T.Kernel in one function run one after another, on what the ones before left."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import harness
import harness.language as T
from golden import evaluate, judge
from harness.compiler import annotate_tt_layout
from harness.compiler.sequence import SequenceError, order_of
from harness.errors import LanguageError
from harness.frontend.jit import compile as compile_kernel
from harness.frontend.jit import jit
from harness.language.rewriting.inturn import steps
from tests.harness.compiler import samples

M, N = 96, 80


def centred(between: bool = False) -> Any:
    """C is A less the mean of its row; the sums of rows go from one T.Kernel to the next."""

    @T.macro
    def add(A: T.Tensor((M, N), "bfloat16"), S: T.Tensor((M,), "float32")) -> None:
        with T.Kernel(T.ceildiv(M, 32)) as bx:
            a = T.alloc_shared((32, N), "bfloat16")
            s = T.alloc_fragment((32,), "float32")
            T.copy(A[bx * 32, 0], a)
            T.reduce_sum(a, s, dim=1)
            T.copy(s, S[bx * 32 : (bx + 1) * 32])

    @T.macro
    def subtract(
        A: T.Tensor((M, N), "bfloat16"), S: T.Tensor((M,), "float32"),
        C: T.Tensor((M, N), "float32"),
    ) -> None:  # fmt: skip
        with T.Kernel(T.ceildiv(M, 32), T.ceildiv(N, 64)) as (bx, by):
            a = T.alloc_shared((32, 64), "bfloat16")
            s = T.alloc_fragment((32,), "float32")
            c = T.alloc_fragment((32, 64), "float32")
            T.copy(A[bx * 32, by * 64], a)
            T.copy(S[bx * 32 : (bx + 1) * 32], s)
            for i, j in T.Parallel(32, 64):
                c[i, j] = a[i, j] - s[i] / N
            T.copy(c, C[bx * 32, by * 64])

    if between:

        @T.prim_func
        def main(A: T.Tensor((M, N), "bfloat16"), C: T.Tensor((M, N), "float32")):
            S = T.alloc_global((M,), "float32")
            add(A, S)
            subtract(A, S, C)

        return main

    @T.prim_func  # type: ignore[no-redef]
    def main(
        A: T.Tensor((M, N), "bfloat16"), S: T.Tensor((M,), "float32"),
        C: T.Tensor((M, N), "float32"),
    ):  # fmt: skip
        add(A, S)
        subtract(A, S, C)

    return main


@pytest.mark.parametrize("device", ["wormhole_n150", "blackhole_p150"])
@pytest.mark.parametrize("between", [False, True])
def test_each_kernel_is_judged_on_what_the_one_before_answered(between: bool, device: str) -> None:
    """Compiled, run and judged in order, whether the tensor between is declared or allocated."""
    module = centred(between)
    assert order_of(module) == ("main_1", "main_2")
    verdict = harness.check(module, device=device)
    assert verdict.passed, (verdict.reason, verdict.findings)
    assert set(verdict.outputs) == {"S", "C"}


@pytest.mark.parametrize("between", [False, True])
def test_it_is_called_as_one_kernel(between: bool) -> None:
    """The caller passes what the function declares; out_idx counts declared tensors only."""
    kernel = compile_kernel(centred(between), out_idx=[-1])
    a = np.arange(M * N, dtype=np.float32).reshape(M, N) % 7
    sums = () if between else (np.zeros(M, np.float32),)
    c = kernel(a, *sums)
    np.testing.assert_allclose(c, a - a.mean(1, keepdims=True), atol=0.02)


def test_an_eager_kernel_may_have_several() -> None:
    """Sizes from the arrays, the tensor between from T.alloc_global."""

    @jit
    def doubled(A: Any) -> Any:
        R, C = T.const("R, C")
        A: T.Tensor((R, C), "bfloat16")  # type: ignore[no-redef]
        D = T.empty((R, C), "bfloat16")
        B = T.alloc_global((R, C), "bfloat16")
        with T.Kernel(T.ceildiv(R, 32)) as bx:
            a = T.alloc_shared((32, C), "bfloat16")
            T.copy(A[bx * 32, 0], a)
            for i, j in T.Parallel(32, C):
                a[i, j] = a[i, j] * 2
            T.copy(a, B[bx * 32, 0])
        with T.Kernel(T.ceildiv(R, 32)) as by:
            b = T.alloc_shared((32, C), "bfloat16")
            T.copy(B[by * 32, 0], b)
            for i, j in T.Parallel(32, C):
                b[i, j] = b[i, j] + 1
            T.copy(b, D[by * 32, 0])
        return D

    a = np.arange(40 * 32, dtype=np.float32).reshape(40, 32) % 9
    np.testing.assert_array_equal(doubled(a), a * 2 + 1)


def test_memory_between_needs_something_after_it() -> None:
    """One grid cannot read what its blocks left elsewhere, and a block has shared memory."""

    def alone() -> Any:
        @T.prim_func
        def main(A: T.Tensor((32, 32), "bfloat16"), C: T.Tensor((32, 32), "bfloat16")):
            S = T.alloc_global((32, 32), "bfloat16")
            with T.Kernel(1) as _:
                T.copy(A, S)
                T.copy(S, C)

        return main

    def inside() -> Any:
        @T.prim_func
        def main(A: T.Tensor((32, 32), "bfloat16"), C: T.Tensor((32, 32), "bfloat16")):
            with T.Kernel(1) as _:
                S = T.alloc_global((32, 32), "bfloat16")
                T.copy(A, S)
                T.copy(S, C)

        return main

    with pytest.raises(LanguageError, match=r"one T\.Kernel"):
        alone()
    with pytest.raises(LanguageError, match=r"inside T\.Kernel"):
        inside()


def test_a_statement_between_is_refused() -> None:
    """What stands beside the grids belongs to none, and is not lost in silence."""
    with pytest.raises(LanguageError, match="beside several"):

        @T.prim_func
        def main(A: T.Tensor((32, 32), "bfloat16"), B: T.Tensor((32, 32), "bfloat16"),
                 C: T.Tensor((32, 32), "bfloat16")):  # fmt: skip
            with T.Kernel(1) as _:
                T.copy(A, B)
            T.fill(B, 0)
            with T.Kernel(1) as _:
                T.copy(B, C)


def test_kernels_that_write_one_tensor_are_refused() -> None:
    """A tensor written twice has no one answer to judge."""

    @T.prim_func
    def main(A: T.Tensor((32, 32), "bfloat16"), C: T.Tensor((32, 32), "bfloat16")):
        with T.Kernel(1) as _:
            T.copy(A, C)
        with T.Kernel(1) as _:
            T.copy(A, C)

    with pytest.raises(SequenceError, match="written by 'main_2'"):
        harness.check(main)


def _through(layouts: list[dict[str, Any]], across: bool = False) -> Any:
    """S is A and C is S, by two functions; layouts stated of S, C perhaps read along other rows."""

    @T.prim_func
    def first(A: T.Tensor((64, 64, 32), "bfloat16"), S: T.Tensor((64, 64, 32), "bfloat16")):
        with T.Kernel(2, 64) as (bx, bz):
            a = T.alloc_shared((32, 32), "bfloat16")
            T.copy(A[bz, bx * 32, 0], a)
            T.copy(a, S[bz, bx * 32, 0])

    @T.prim_func
    def second(S: T.Tensor((64, 64, 32), "bfloat16"), C: T.Tensor((64, 64, 32), "bfloat16")):
        with T.Kernel(2, 64) as (bx, bz):
            a = T.alloc_shared((32, 32), "bfloat16")
            if across:
                T.copy(S[bx * 32 : bx * 32 + 32, bz, 0:32], a)
                T.copy(a, C[bx * 32 : bx * 32 + 32, bz, 0:32])
            else:
                T.copy(S[bz, bx * 32, 0], a)
                T.copy(a, C[bz, bx * 32, 0])

    stated = [annotate_tt_layout(kernel, {"S": layout}) if layout else kernel
              for kernel, layout in zip((first, second), layouts, strict=True)]  # fmt: skip
    return harness.sequence(*stated)


L1 = {"memory": "L1"}


@pytest.mark.parametrize(("layouts", "across", "fact"), [
    ([L1, {}], False, "memory"), ([{}, L1], False, "memory"), ([{}, {}], True, "view"),
])  # fmt: skip
def test_a_tensor_lies_where_the_next_kernel_looks_for_it(
    layouts: list[dict[str, Any]], across: bool, fact: str
) -> None:
    """On a device the second kernel would take other bytes for the tensor; here it would pass."""
    with pytest.raises(SequenceError, match=f"'S' is left by 'first' with {fact}") as caught:
        harness.check(_through(layouts, across))
    assert caught.value.code == "InvalidSequence"
    assert "test_inturn.py" in str(caught.value.location)


def test_a_call_takes_no_kernels_that_a_check_refuses() -> None:
    """What nothing judges is not run on arrays either: a tensor written after it was read."""

    @T.prim_func
    def main(A: T.Tensor((32, 32), "float32"), B: T.Tensor((32, 32), "float32")):
        with T.Kernel(1) as _:
            T.copy(A, B)
        with T.Kernel(1) as _:
            T.copy(B, A)

    ones = np.ones((32, 32), np.float32)
    with pytest.raises(SequenceError, match="'A' is written by 'main_2', after 'main_1' read it"):
        compile_kernel(main)(ones, ones)


@pytest.mark.parametrize("stated", [{}, L1])
def test_one_layout_in_both_kernels_is_taken(stated: dict[str, Any]) -> None:
    """Only a disagreement is refused."""
    assert harness.check(_through([stated, stated])).passed


def test_a_later_kernel_updates_what_an_earlier_one_wrote() -> None:
    """One tensor goes through both, called and judged: the second reads and writes it."""

    @T.macro
    def scaled(
        A: T.Tensor((32, 32), "float32"), C: T.Tensor((32, 32), "float32"), by: float
    ) -> None:
        with T.Kernel(1):
            a = T.alloc_fragment((32, 32), "float32")
            T.copy(A, a)
            for i, j in T.Parallel(32, 32):
                a[i, j] = a[i, j] * by + 1.0
            T.copy(a, C)

    @T.prim_func
    def main(A: T.Tensor((32, 32), "float32"), C: T.Tensor((32, 32), "float32")):
        scaled(A, C, 2.0)
        scaled(C, C, 3.0)

    verdict = harness.check(main)
    assert verdict.passed, (verdict.reason, verdict.findings)
    a = np.arange(1024, dtype=np.float32).reshape(32, 32)
    np.testing.assert_array_equal(compile_kernel(main, out_idx=[-1])(a), a * 6 + 4)


@pytest.mark.parametrize(("left", "value"), [
    ("m[i]", "m[i]"), ("m[i]", "T.max(m[i], -9.0)"), ("-m[i]", "-m[i]"), ("0 - m[i]", "-1 * m[i]"),
    ("2 * m[i]", "m[i] * 0.5"),
])  # fmt: skip
def test_a_maximum_of_an_earlier_kernel_is_found_in_a_later_one(left: str, value: str) -> None:
    """Both are compared as the reduction cut one; a later kernel that finds nothing is wrong."""
    source = samples.from_text(FOUND.format(left=left, value=value), "main")
    x = np.random.default_rng(0).standard_normal((32, 64)).astype(np.float32)
    found = compile_kernel(source, out_idx=[1, 2])(x)
    np.testing.assert_array_equal(found[1], x.argmax(1))
    assert harness.check(source, {"X": x}).passed
    golden = evaluate(steps(source)[1], {"X": x, "M": found[0]})
    assert judge({"Y": np.full(32, 200)}, golden).wrong == 32


FOUND = """
@T.prim_func
def main(X: T.Tensor((32, 64), "float32"), M: T.Tensor((32,), "float32"),
         Y: T.Tensor((32,), "int32")):
    with T.Kernel(1):
        x = T.alloc_fragment((32, 64), "float32")
        m = T.alloc_fragment((32,), "float32")
        T.copy(X, x)
        T.reduce_max(x, m, dim=1)
        for i in T.Parallel(32):
            m[i] = {left}
        T.copy(m, M)
    with T.Kernel(1):
        x = T.alloc_fragment((32, 64), "float32")
        m = T.alloc_fragment((32,), "float32")
        c = T.alloc_fragment((32, 64), "int32")
        y = T.alloc_fragment((32,), "int32")
        T.copy(X, x)
        T.copy(M, m)
        for i, j in T.Parallel(32, 64):
            c[i, j] = T.if_then_else(x[i, j] == {value}, j, 200)
        T.reduce_min(c, y, dim=1)
        T.copy(y, Y)
"""
