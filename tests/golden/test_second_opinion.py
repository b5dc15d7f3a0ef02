"""Whether golden and LLVM say the same: of every kernel there is, and where golden is spoilt."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from tvm import tirx

import harness.language as T
from golden import GoldenError, contract_for, evaluate
from golden.functions import Functions
from golden.interpret.tileops import TileOps
from golden.reduction import Reducer
from golden.second import SecondOpinion, second_opinion
from golden.second.opinion import SHARE, tightened
from golden.second.scalars import Scalars
from harness.compiler.sequence import kernel_of, order_of
from harness.inputs import draw
from harness.kernels.table import KERNELS, SEQUENCES
from tests.e2e.test_control import KERNELS as CONTROL
from tests.e2e.test_language_kernels import KERNELS as LANGUAGE
from tests.e2e.test_unusual_kernels import KERNELS as UNUSUAL
from tests.golden.second_kernels import CASES


def asked(func: Any, *kinds: str) -> list[Any]:
    """The opinions on exact and on random inputs, as far as there are any."""
    contract, said = contract_for(func), []
    for kind in kinds or ("exact", "random"):
        try:
            arrays, golden = draw(func, kind, contract, 3)
        except GoldenError as error:
            assert error.code == "NoExactRange"  # noqa: PT017  (other kinds judge such kernels)
            continue
        said.append(second_opinion(func, arrays, golden or evaluate(func, arrays, contract)))
    assert said
    return said


# A kernel takes LLVM a second: every run asks about ragged shapes and the first dtype, a night
# about all of them.
ASKED = [
    pytest.param(name, ragged, dtype, marks=() if first and ragged else pytest.mark.nightly)
    for name, packaged in KERNELS.items()
    for ragged in (True, False)
    for first, dtype in zip((True, *[False] * 9), packaged.dtypes, strict=False)
]


@pytest.mark.one_in(2)
@pytest.mark.parametrize(("name", "ragged", "dtype"), ASKED)
def test_every_packaged_kernel_has_a_second_opinion(name: str, ragged: bool, dtype: str) -> None:
    """None is out of reach: aligned and ragged, every dtype, LLVM agrees with golden."""
    packaged = KERNELS[name]
    params = dict(packaged.ragged) if ragged else {}
    if "dtype" in inspect.signature(packaged.factory).parameters:
        params["dtype"] = dtype
    assert {said.verdict for said in asked(packaged.factory(**params))} == {"agreed"}


@pytest.mark.parametrize("name", SEQUENCES)
def test_every_kernel_of_a_sequence_has_one(name: str) -> None:
    """Kernels that run one after another are judged one by one."""
    module = SEQUENCES[name].factory()
    for step in order_of(module):
        said = asked(kernel_of(module, step))
        assert {one.verdict for one in said} == {"agreed"}, said


OTHERS: dict[str, Callable[[], Any]] = {
    **LANGUAGE,
    **{f.__name__: f for f in UNUSUAL},
    **{f"control {f.__name__}": lambda f=f: f(50, 70)[0] for f in CONTROL},  # type: ignore[misc]
}
IN_PLACE = {"control halves": "f", "control vector_parts": "r"}
"""Kernels that read one part of a block and write another in the same T.Parallel, by block."""


@pytest.mark.parametrize("name", OTHERS)
def test_kernels_of_other_tests_have_one(name: str) -> None:
    """Odd control flow and shapes too; the two that work within one block are named."""
    for said in asked(OTHERS[name]()):
        assert said.verdict == ("not available" if name in IN_PLACE else "agreed"), said.reason
        if name in IN_PLACE:
            assert f"iterations read {IN_PLACE[name]} where others" in said.reason


def _first_axis(old: Any) -> Any:
    return lambda self, args, ev: old(self, [*args[:3], 1 - int(args[3]), *args[4:]], ev)


def _forward(old: Any) -> Any:
    return lambda self, args, ev: old(self, [*args[:3], 0], ev)


def _cleared(old: Any) -> Any:
    return lambda self, args, ev: old(self, [*args[:5], 1], ev)


def _no_old(old: Any) -> Any:
    return lambda *args: old(*args[:-1], None)


def _slightly(old: Any) -> Any:
    """A function off by far less than its bound."""

    def new(*args: Any) -> Any:
        x = old(*args)
        return replace(x, value=x.value * (1 + 2.0**-28))

    return new


FAULTS = {
    "reduction along the other axis": (TileOps, "_reduce", _first_axis, "sum 1 True"),
    "running sums from the wrong end": (TileOps, "_cumsum", _forward, "running 110"),
    "accumulator cleared": (TileOps, "_gemm", _cleared, "product 000"),
    "reduction forgets what was there": (Reducer, "reduce", _no_old, "sum 1 False"),
    "a function slightly off": (Functions, "curve", _slightly, "functions"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_golden_that_is_wrong_is_contradicted(
    monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    """Faults planted into golden's interpreter are seen, and the worst tile is named."""
    owner, name, wrap, case = FAULTS[fault]
    func, _ = CASES[case]()
    assert {said.verdict for said in asked(func)} == {"agreed"}
    monkeypatch.setattr(owner, name, wrap(getattr(owner, name)))
    said = asked(func, "random")[0]
    assert said.verdict == "disagreed"
    assert said.reason.startswith("LLVM and golden differ on the source: ")
    assert "tile (0,0)" in said.reason
    assert said.judgement is not None


def test_an_opinion_that_is_wrong_contradicts_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """The comparison is no formality: a spoilt lowering differs from golden."""
    func, _ = CASES["masked"]()
    true = Scalars.condition
    monkeypatch.setattr(Scalars, "condition", lambda self, e: tirx.Not(true(self, e)))
    assert asked(func, "exact")[0].verdict == "disagreed"


def test_an_element_written_by_one_alone_is_seen() -> None:
    """Where golden and LLVM disagree about what is written at all, that is said."""
    func, _ = CASES["edges"]()
    arrays, golden = draw(func, "exact", contract_for(func), 0)
    assert golden is not None
    output = golden.outputs["Y"]
    fewer = output.written.copy()
    fewer[40, 60] = False
    spoilt = replace(golden, outputs={"Y": replace(output, written=fewer)})
    said = SecondOpinion(func).ask(arrays, spoilt)
    assert said.verdict == "disagreed"
    assert "1 elements written that the source does not write" in said.reason


def test_nothing_compared_is_no_agreement() -> None:
    """Where golden knows nothing of an output there is no opinion, not a silent pass."""

    @T.prim_func
    def main(Y: T.Tensor((32, 32), "float32")):
        with T.Kernel(1) as _:
            y = T.alloc_fragment((32, 32), "float32")
            T.copy(y, Y)

    said = second_opinion(main, {}, evaluate(main, {}))
    assert said.verdict == "not available"
    assert said.reason == "no second opinion: nothing of Y could be compared"


def test_only_a_share_of_the_bound_is_allowed() -> None:
    """The device's bound is a million times too wide for two evaluations in float64."""
    func, _ = CASES["functions"]()
    arrays = draw(func, "random", contract_for(func), 0)[0]
    golden = evaluate(func, arrays)
    bound = golden.outputs["Y"].answer.bound
    sharp = tightened(golden).outputs["Y"].answer
    assert bound is not None
    assert bound.min() > 0
    jumped = np.zeros(bound.shape, bool) if sharp.jumped is None else sharp.jumped
    np.testing.assert_array_equal(sharp.bound, np.where(jumped, 1.0, SHARE) * bound)
    assert not jumped.all()
