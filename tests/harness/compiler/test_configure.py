"""Where the compute program is configured: which init stands before which op."""

from __future__ import annotations

from typing import Any

import harness
import harness.language as T
from harness.codegen import print_kernels
from simulator.program import Loop, Op
from tests.harness.compiler import samples


def rounded(size: int = 64) -> Any:
    """Two conversions of different formats, and two roundings, in one expression."""

    @T.prim_func
    def main(A: T.Tensor((size, size), "float32"), B: T.Tensor((size, size), "float32")):
        with T.Kernel(size // 32, size // 32) as (bx, by):
            a = T.alloc_fragment((32, 32), "float32")
            b = T.alloc_fragment((32, 32), "float32")
            T.copy(A[by * 32, bx * 32], a)
            for i, j in T.Parallel(32, 32):
                b[i, j] = (
                    T.cast(T.cast(a[i, j], "bfloat16"), "float32")
                    + T.cast(T.cast(a[i, j] + 1.0, "float16"), "float32")
                    + T.ceil(T.floor(a[i, j]) * 0.5)
                )
            T.copy(b, B[by * 32, bx * 32])

    return main


def ops(body: Any) -> list[Op]:
    """Every op of a program, in order."""
    out: list[Op] = []
    for stmt in body:
        out += ops(stmt.body) if isinstance(stmt, Loop) else [stmt] if isinstance(stmt, Op) else []
    return out


def test_every_conversion_is_configured_for_its_formats() -> None:
    """Protects a kernel with two conversions: one's init does not serve the other."""
    artifact = harness.compile(rounded())
    (compute,) = [p for p in artifact.programs.programs if p.thread == "compute"]
    configured: tuple[Any, ...] = ()
    seen = []
    for op in ops(compute.body):
        if op.name == "typecast_tile_init":
            configured = op.args
        elif op.name == "typecast_tile":
            assert op.args[1:] == configured
            seen.append(configured[1])
    assert seen == ["Float16_b", "Float16"]
    text = print_kernels(artifact)["compute"]
    assert text.count("typecast_tile_init<(uint32_t)DataFormat::Float32, ") == 2
    assert "rounding_op_tile_init();" in text


def test_such_a_kernel_computes_what_it_says() -> None:
    """Protects the same way through simulator and golden."""
    assert harness.check(rounded()).passed


SIDES = """
@T.prim_func
def main(A: T.Tensor((64, 32), "bfloat16"), F: T.Tensor((64, 32), "float32"),
         C: T.Tensor((64, 32), "float32")):
    with T.Kernel(2) as b:
        a = T.alloc_shared((32, 32), "bfloat16")
        f = T.alloc_shared((32, 32), "float32")
        m = T.alloc_fragment((32,), "float32")
        n = T.alloc_fragment((32,), "float32")
        T.copy(A[b * 32, 0], a)
        T.copy(F[b * 32, 0], f)
        T.reduce_max(f, n, dim=1)
        if b > 0:
            for i in T.Parallel(32):
                n[i] = n[i] + 1.0
            T.reduce_max(a, m, dim=1)
        else:
            T.reduce_max(a, m, dim=1)
            for i in T.Parallel(32):
                n[i] = n[i] * 2.0
        for i, j in T.Parallel(32, 32):
            C[b * 32 + i, j] = f[i, j] * n[i] + m[i]
"""


def test_one_side_of_a_branch_configures_nothing_for_the_other() -> None:
    """The other side begins with what held before the branch, not with what the first one left."""
    verdict = harness.check(samples.from_text(SIDES, "main"), grid=(1, 1))
    assert verdict.passed, (verdict.reason, verdict.findings)
