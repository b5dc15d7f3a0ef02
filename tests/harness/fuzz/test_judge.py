"""What a case is judged on."""

from dataclasses import replace

import pytest

from harness.compiler.diagnostics import refuse
from harness.compiler.passes import core_map
from harness.fuzz import outcome as o
from harness.fuzz.case import Case
from harness.fuzz.judge import run_case

TIMES_A_HUGE_NUMBER = """@T.prim_func
def main(
    A: T.Tensor((9, 48), "bfloat16"),
    Y: T.Tensor((9, 48), "float16"),
):
    with T.Kernel(T.ceildiv(48, 48), T.ceildiv(9, 8), threads=128) as (bx, by):
        a = T.alloc_fragment((8, 48), "bfloat16")
        T.copy(A[by * 8, bx * 48], a)
        for i, j in T.Parallel(8, 48):
            a[i, j] = a[i, j] * a[i, j]
        T.copy(a, Y[by * 8, bx * 48])
"""


@pytest.mark.parametrize("kind", ["huge", "random"])
def test_inputs_that_leave_no_number_are_followed_by_others(kind: str) -> None:
    """A kernel that overflows everywhere is judged all the same, on numbers it can hold."""
    found = run_case(Case(kernel=TIMES_A_HUGE_NUMBER, inputs={"kind": kind, "seed": 1},
                          options={"device": "wormhole_n150"}))  # fmt: skip
    assert found.kind == "pass", found
    assert found.oracle.startswith("bound")


@pytest.mark.parametrize(
    ("code", "kind"), [("OutOfBounds", o.DEFECT), ("UnalignedBlock", o.REFUSED)]
)
def test_a_sound_kernel_that_is_refused_is_a_defect(
    monkeypatch: pytest.MonkeyPatch, code: str, kind: str
) -> None:
    """A pass that turns down what is drawn is blamed, but for what kernels are known to lack."""
    monkeypatch.setattr(core_map, "partition_of", lambda *_: refuse("no", node=None, code=code))
    case = Case(kernel=TIMES_A_HUGE_NUMBER, options={"device": "wormhole_n150"})
    found = run_case(case)
    assert (found.kind, found.code) == (kind, code)
    assert found.bad_pass == ("" if kind == o.REFUSED else "TTTilesToCoreMap")
    assert run_case(replace(case, expect={"verdict": o.REFUSED})).kind == o.REFUSED
