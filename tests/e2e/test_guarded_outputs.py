"""Outputs of which a condition leaves out blocks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import harness
import harness.language as T
from harness.cli import main


def guarded(otherwise: str) -> Any:
    """Blocks of the first half are copied; others are not written, or are in both branches."""

    @T.prim_func
    def nothing(A: T.Tensor((128, 64), "float32"), C: T.Tensor((128, 64), "float32")):
        with T.Kernel(2, 4) as (bx, by):
            a = T.alloc_fragment((32, 32), "float32")
            T.copy(A[by * 32, bx * 32], a)
            if by < 2:
                T.copy(a, C[by * 32, bx * 32])

    @T.prim_func
    def same(A: T.Tensor((128, 64), "float32"), C: T.Tensor((128, 64), "float32")):
        with T.Kernel(2, 4) as (bx, by):
            a = T.alloc_fragment((32, 32), "float32")
            b = T.alloc_fragment((32, 32), "float32")
            T.copy(A[by * 32, bx * 32], a)
            T.fill(b, 3.0)
            if by < 2:
                T.copy(a, C[by * 32, bx * 32])
            else:
                T.copy(b, C[by * 32, bx * 32])

    return nothing if otherwise == "nothing" else same


@pytest.mark.parametrize(
    ("otherwise", "coverage", "free"), [("nothing", "guarded", 4096), ("same", "full", 0)]
)
def test_what_a_condition_leaves_out_is_no_finding(
    tmp_path: Path, otherwise: str, coverage: str, free: int
) -> None:
    """The plan says where a condition may leave tiles unwritten; whoever runs it believes that."""
    kernel = guarded(otherwise)
    verdict = harness.check(kernel)
    assert verdict.passed
    assert verdict.tensors["C"]["free"] == free
    artifact = harness.compile(kernel)
    assert artifact.plan.output_blocks["C"].coverage == coverage
    artifact.save(tmp_path / "artifact")
    np.savez(tmp_path / "in.npz", A=np.ones((128, 64), np.float32))
    files = ["--inputs", str(tmp_path / "in.npz"), "--outputs", str(tmp_path / "out.npz")]
    assert main(["execute", str(tmp_path / "artifact"), *files]) == 0
    assert (np.load(tmp_path / "out.npz")["C"][:64] == 1).all()


@pytest.mark.parametrize("device", ["wormhole_n150", "blackhole_p150"])
@pytest.mark.parametrize("size", [4000, 4064])
def test_a_guard_at_the_end_of_a_vector_guards_nothing(size: int, device: str) -> None:
    """``if n < N: y[n] = x[n]`` in rows of a vector is what every store is: within its tensor."""

    @T.prim_func
    def main(X: T.Tensor((size,), "float16"), Y: T.Tensor((size,), "float16")):
        with T.Kernel(T.ceildiv(size, 512)) as b:
            for i, j in T.Parallel(64, 8):
                n = (b * 64 + i) * 8 + j
                if n < size:
                    Y[n] = X[n] * 2.0

    verdict = harness.check(main, device=device)
    assert verdict.passed, (verdict, verdict.reason, verdict.findings)
    assert verdict.tensors["Y"]["compared"] == size


@pytest.mark.parametrize("rows", [40, 64])
def test_a_block_first_stored_under_a_condition_is_what_was_stored(rows: int) -> None:
    """Rows that a tensor does not have are never stored, and of what they hold nothing is told."""

    @T.prim_func
    def main(X: T.Tensor((rows, 33), "float32"), Y: T.Tensor((rows,), "float32")):
        with T.Kernel(2) as b:
            x = T.alloc_fragment((32, 33), "float32")
            s = T.alloc_fragment((32,), "float32")
            for i, j in T.Parallel(32, 33):
                if b * 32 + i < rows:
                    x[i, j] = T.abs(X[b * 32 + i, j]) + 1.0
            T.reduce_max(x, s, dim=1)
            for i in T.Parallel(32):
                if b * 32 + i < rows:
                    Y[b * 32 + i] = s[i]

    verdict = harness.check(main)
    assert verdict.passed, (verdict, verdict.reason, verdict.findings)
    assert verdict.tensors["Y"]["compared"] == rows
