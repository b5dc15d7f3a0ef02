"""What compiler and golden misread alike: seen by LLVM, and by nobody else."""

from typing import Any

import pytest

from harness.mutants import Budget, Pool, judging, registry, try_mutant
from harness.mutants.families import misread
from harness.mutants.subjects.cases import Case

NAMES = [mutant.name for mutant in misread.MUTANTS]


@pytest.fixture(scope="module")
def pool() -> Pool:
    """A kernel for each."""
    square = {"M": 64, "N": 32, "K": 64, "block_M": 32, "block_N": 32, "trans_B": True}
    plain = ({"M": 32, "N": 32, "block_N": 32} if kernel == "column_max" else {"M": 64, "N": 32}
             for kernel in KERNELS)  # fmt: skip
    cases = zip(KERNELS, plain, strict=True)
    one = {"grid": (1, 1)}
    return Pool.of([Case("gemm", square, one), *(Case(k, p, one) for k, p in cases)])


KERNELS = ("masked", "mixed", "softmax", "scattered", "column_max", "row_sum", "running_sums")


@pytest.mark.one_in(3)
@pytest.mark.parametrize("name", NAMES)
def test_a_misreading_is_noticed_by_llvm(pool: Pool, name: str) -> None:
    """Right by golden, wrong by the source."""
    outcome = try_mutant(registry()[name], pool, Budget())
    assert (outcome.status, outcome.oracle) == ("killed", "llvm"), outcome
    assert outcome.blamed == outcome.where


@pytest.mark.one_in(3)
@pytest.mark.parametrize("name", NAMES)
def test_nobody_else_notices(pool: Pool, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The faults are alike, so the kills above are the second opinion's own."""

    def silent(*_: Any) -> None:
        return None

    monkeypatch.setattr(judging, "_doubted", silent)
    assert try_mutant(registry()[name], pool, Budget()).status == "survived"
