"""Blocks that take turns in one circular buffer: never while one of them is still to be dropped."""

from __future__ import annotations

import harness
from tests.harness.compiler import samples

BRANCHES = """
@T.prim_func
def main(A: T.Tensor((128, 32), "float32"), C: T.Tensor((128, 32), "float32")):
    with T.Kernel(4) as b:
        s = T.alloc_shared((32, 32), "float32")
        x = T.alloc_fragment((32, 32), "float32")
        y = T.alloc_fragment((32, 32), "float32")
        z = T.alloc_fragment((32, 32), "float32")
        m = T.alloc_fragment((32,), "float32")
        T.copy(A[b * 32, 0], s)
        for i, j in T.Parallel(32, 32):
            x[i, j] = s[i, j] * 2.0
        if b > 1:
            for i, j in T.Parallel(32, 32):
                z[i, j] = x[i, j] + s[i, j]
        else:
            for i, j in T.Parallel(32, 32):
                y[i, j] = s[i, j] + 1.0
            T.reduce_sum(y, m, dim=1)
            for i, j in T.Parallel(32, 32):
                z[i, j] = y[i, j] - m[i]
        T.copy(z, C[b * 32, 0])
"""


def test_what_one_branch_uses_is_there_to_the_end_of_the_other() -> None:
    """The branch that does without a block drops it at its end, so none of its own is behind it."""
    verdict = harness.check(samples.from_text(BRANCHES, "main"), grid=(2, 1))
    assert verdict.passed, (verdict.reason, verdict.findings)
