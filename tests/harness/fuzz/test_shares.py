"""Of some cases that pass more is asked: every rung of the ladder has its share."""

import pytest

from harness.checking.rungs import RUNGS as LADDER
from harness.fuzz.case import Case
from harness.fuzz.judge import LEGACY, READ_TWICE, RUNGS, SAMPLE, SECOND, run_case
from tests.harness.fuzz.shares import with_share

PRODUCT = """@T.prim_func
def main(
    A: T.Tensor((64, 32), "bfloat16"),
    B: T.Tensor((32, 64), "bfloat16"),
    Y: T.Tensor((64, 64), "float32"),
):
    with T.Kernel(2, 2, threads=128) as (bx, by):
        a = T.alloc_shared((32, 32), "bfloat16")
        b = T.alloc_shared((32, 32), "bfloat16")
        c = T.alloc_fragment((32, 32), "float32")
        T.clear(c)
        for k in T.serial(1):
            T.copy(A[by * 32, k * 32], a)
            T.copy(B[k * 32, bx * 32], b)
            T.gemm(a, b, c)
        T.copy(c, Y[by * 32, bx * 32])
"""
SHARES = [
    *((share, rungs[0]) for share, rungs in RUNGS.items()),
    *((share, "legacy") for share in LEGACY),
    *((share, "llvm") for share in SECOND),
]


@pytest.mark.parametrize(("share", "oracle"), [*SHARES, (0, "passes"), (min(READ_TWICE), "text")])
def test_a_product_climbs_the_whole_ladder(share: int, oracle: str) -> None:
    """A plain product in a rung's share is judged by that rung, and the outcome says so."""
    parts = 128 if oracle in ("legacy", "llvm") else 2 * SAMPLE
    found = run_case(with_share(Case(kernel=PRODUCT), {share}, parts))
    assert (found.kind, found.oracle) == ("pass", f"exact+bound+{oracle}")


def test_no_rung_is_left_out() -> None:
    """A rung the ladder has is one that campaigns draw, and no share is spent twice."""
    assert {rung for rungs in RUNGS.values() for rung in rungs} >= set(LADDER)
    spent = [*READ_TWICE, *RUNGS, *{share % (2 * SAMPLE) for share in LEGACY},
             *{share % (2 * SAMPLE) for share in SECOND}]  # fmt: skip
    assert len(spent) == len(set(spent))
    assert all(share % SAMPLE for share in spent)
