"""Defects found by trying many shapes; each was a refusal or an unsound plan of a sound kernel."""

from __future__ import annotations

import pytest

import harness
from harness.compiler import lower
from harness.kernels.gemm import matmul
from tests.harness.compiler import samples


def test_len_k_does_not_count_what_lies_beyond_the_tensor() -> None:
    """K = 160 in blocks of 64 is five tiles of K, and used to be stated as six."""
    data = samples.plan(matmul(64, 64, 160, 64, 64, 64))
    assert data["work_partition"]["(0,0)"][0]["len_k"] == 5


def test_blocks_joined_are_not_more_than_there_are() -> None:
    """Eight blocks of two columns are one tile; sixteen such blocks were claimed to be joined."""
    data = samples.plan(matmul(64, 16, 128, 32, 2, 64))
    assert data["coalesce"] == [8, 1, 1]


@pytest.mark.parametrize("shape", [(96, 32), (32, 96), (32, 32)])
def test_a_rectangle_is_told_whole(shape: tuple[int, int]) -> None:
    """One column or row of blocks: a descriptor field that no program needs is received too."""
    data = samples.plan(matmul(*shape, 64, 32, 32, 32), strategy="block", grid=(2, 5))
    received = {field for kernel in data["kernels"] for field in kernel["work_args"].values()}
    assert received == {"x0", "y0", "width", "height"}


def test_single_rows_are_matrices() -> None:
    """Blocks of one row are joined to tiles; T.gemm used to see no matrix in them."""
    data = samples.plan(matmul(64, 64, 64, 1, 32, 32))
    assert data["coalesce"] == [1, 32, 1]
    assert len(samples.blocks(data)) == 4


def test_kernels_of_one_symbol_keep_their_own_work() -> None:
    """Two results of one factory in a module used to become one kernel."""
    mod = samples.module(small=matmul(32, 32, 32, 32, 32, 32), large=matmul(64, 96, 32, 32, 32, 32))
    plans = {kernel.name: kernel.plan for kernel in lower(mod).kernels}
    assert plans["small"].kernel_grid == (1, 1, 1)
    assert plans["large"].kernel_grid == (3, 2, 1)


def test_many_buffers_of_the_reader_keep_their_ids_apart() -> None:
    """More than 16 buffers that the reader fills never meet the ids of those that compute fills."""
    terms = "\n".join(f"            f[i, j] = f[i, j] + (i * {n} + j)" for n in range(1, 12))
    text = (
        "@T.prim_func\n"
        'def f(A: T.Tensor((32, 32), "float32"), C: T.Tensor((32, 32), "float32")):\n'
        "    with T.Kernel(1) as bx:\n"
        '        f = T.alloc_fragment((32, 32), "float32")\n'
        "        T.copy(A, f)\n"
        "        for i, j in T.Parallel(32, 32):\n"
        f"{terms}\n{terms}\n"
        "        T.copy(f, C)\n"
    )
    assert harness.check(samples.from_text(text, "f")).passed


@pytest.mark.parametrize("value", [
    "a[i, j] * a[i, j] + T.max(a[i, j], a[i, j])",
    "T.exp(a[i, j] * b[i, j]) + T.min(a[i, j], b[i, j] + 1.0) - a[i, j] * b[i, j]",
    "a[i, j] * r[i] - (b[i, j] + 1.0) / 2.0 * T.max(a[i, j], b[i, j])",
])  # fmt: skip
def test_a_product_begins_at_zero_in_a_register_used_before(value: str) -> None:
    """mul_tiles adds to its DST tile, which held an operand of what was computed before."""
    text = (
        "@T.prim_func\n"
        'def f(A: T.Tensor((32, 32), "bfloat16"), B: T.Tensor((32, 32), "bfloat16"),\n'
        '      R: T.Tensor((32,), "bfloat16"), C: T.Tensor((32, 32), "float32")):\n'
        "    with T.Kernel(1) as bx:\n"
        '        a = T.alloc_shared((32, 32), "bfloat16")\n'
        '        b = T.alloc_shared((32, 32), "bfloat16")\n'
        '        r = T.alloc_shared((32,), "bfloat16")\n'
        '        f = T.alloc_fragment((32, 32), "float32")\n'
        "        T.copy(A, a)\n        T.copy(B, b)\n        T.copy(R, r)\n"
        "        for i, j in T.Parallel(32, 32):\n"
        f"            f[i, j] = {value}\n"
        "        T.copy(f, C)\n"
    )
    assert harness.check(samples.from_text(text, "f")).passed


@pytest.mark.parametrize(("M", "N"), [(32, 64), (64, 64), (96, 160)])
def test_what_one_branch_uses_keeps_its_memory_to_the_end_of_both(M: int, N: int) -> None:
    """A block that is dropped after a branch shared its circular buffer with one made within."""
    text = (
        "@T.prim_func\n"
        f'def f(A: T.Tensor(({M}, {N}), "bfloat16"), B: T.Tensor(({M}, 32), "bfloat16"),\n'
        f'      C: T.Tensor((32, {N}), "bfloat16"), Y: T.Tensor(({M}, {N}), "bfloat16")):\n'
        f"    with T.Kernel({M // 32}) as by:\n"
        f'        a = T.alloc_shared((32, {N}), "bfloat16")\n'
        '        b = T.alloc_shared((32, 32), "bfloat16")\n'
        f'        c = T.alloc_shared((32, {N}), "bfloat16")\n'
        f'        product = T.alloc_fragment((32, {N}), "float32")\n'
        f'        e = T.alloc_fragment((32, {N}), "float32")\n'
        "        T.copy(A[by * 32, 0], a)\n        T.copy(B[by * 32, 0], b)\n"
        "        T.copy(C, c)\n        T.clear(product)\n        T.gemm(b, c, product)\n"
        "        if by > 0:\n"
        f"            for i, j in T.Parallel(32, {N}):\n"
        "                e[i, j] = a[i, j] + product[i, j]\n"
        f"            for i, j in T.Parallel(32, {N}):\n"
        "                e[i, j] += a[i, j]\n"
        "        else:\n"
        f"            for i, j in T.Parallel(32, {N}):\n"
        "                e[i, j] = a[i, j] + a[i, j]\n"
        "        T.copy(e, Y[by * 32, 0])\n"
    )
    assert harness.check(samples.from_text(text, "f")).passed
