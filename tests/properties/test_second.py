"""Golden and LLVM, two readings of one source, agree on everything the grammar draws."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from golden import GoldenError, contract_for, evaluate
from golden.second import SecondOpinion
from harness.fuzz.campaigns.units import ALONE, FOCI, SEQUENCE
from harness.fuzz.judge import source_of
from harness.fuzz.options import cases
from harness.inputs import KINDS, draw


@pytest.mark.parametrize("focus", [ALONE, *(f for f in FOCI if f not in (SEQUENCE, "plan"))])
@given(data=st.data())
def test_golden_and_llvm_agree(focus: str, data: st.DataObject) -> None:
    """Every drawn kernel is lowered, none refused, and both say the same of any inputs."""
    case = data.draw(cases(focus))
    func = source_of(case)
    kind = data.draw(st.sampled_from([k for k in KINDS if k != "tagged"]))
    contract = contract_for(func, fidelity=case.options.get("fidelity"))
    second = SecondOpinion(func)
    try:
        arrays, golden = draw(func, kind, contract, data.draw(st.integers(0, 99)))
    except GoldenError:  # no exact inputs exist for it
        return
    said = second.ask(arrays, golden or evaluate(func, arrays, contract))
    nothing = said.reason.startswith("no second opinion: nothing of ")
    assert said.verdict == "agreed" or nothing, f"{said.reason}\n{case.text()}"
