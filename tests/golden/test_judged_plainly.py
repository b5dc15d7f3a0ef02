"""The judge against a second one that looks at a single element at a time and shares no code."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from golden import NumericContract, judge
from golden.approx import CLEAN, FREE, INFINITE, Approx
from golden.result import GoldenResult, TensorResult

CONTRACT = NumericContract("wormhole", "HiFi4", True, "float32", "tfloat32")
LARGE = 2.0**100
"""From here on a number may stand for an infinity (golden.approx.BEYOND)."""


class Element(NamedTuple):
    """One element of an output: what golden knows, and what the machine did."""

    value: float
    bound: float
    value2: float
    bound2: float
    taint: int
    jumped: bool
    written: bool
    wrote: bool
    got: float


VALUES = st.sampled_from([0.0, 1.0, -1.0, 3.5, -20.0, 2.0**24 + 1, 2.0**40, 2.0**99])
BOUNDS = st.sampled_from([0.0, 0.0, 2.0**-10, 0.5, 4.0, 0.0, 0.5, math.inf])
SPECIAL = st.sampled_from([math.nan, math.inf, -math.inf, LARGE, -LARGE, LARGE / 2, 2.0**120, 0.0])


@st.composite
def elements(draw: Any) -> Element:
    """An element whose answer lies on, just within or just beyond what is allowed."""
    value, bound = draw(VALUES), draw(BOUNDS)
    jumped = draw(st.booleans())
    value2, bound2 = (draw(VALUES), draw(BOUNDS)) if jumped else (value, bound)
    centre, reach = draw(st.sampled_from([(value, bound), (value2, bound2), (value2, bound)]))
    step = draw(st.sampled_from([0.0, 0.5, 1.0, 1.0 + 2.0**-20, 3.0]))
    reach = min(reach, 4.0)
    near = centre + draw(st.sampled_from([-1.0, 1.0])) * step * reach
    off = draw(st.sampled_from([0.0, 0.0, 0.0, 1.0]))
    between = (value + value2) / 2
    got = draw(st.one_of(st.sampled_from([near, near, near + off, between, -near]), SPECIAL))
    taint = draw(st.sampled_from([CLEAN, CLEAN, CLEAN, INFINITE, FREE]))
    written, wrote = draw(st.sampled_from([(True, True)] * 4 + [(True, False), (False, True),
                                                                (False, False)]))  # fmt: skip
    return Element(value, bound, value2, bound2, taint, jumped, written, wrote, got)


def is_free(one: Element) -> bool:
    """Whether golden knows nothing: a bound without end says nothing either."""
    return one.taint == FREE or math.inf in (one.bound, one.bound2)


def is_right(one: Element) -> bool:
    """Whether an answer is right where golden knows something."""
    if one.taint == INFINITE:
        return not math.isfinite(one.got) or abs(one.got) >= LARGE
    if not math.isfinite(one.got):
        return False
    first = abs(one.got - one.value) <= one.bound
    return first or (one.jumped and abs(one.got - one.value2) <= one.bound2)


def is_wrong(one: Element, given_before: bool, known: bool) -> bool:
    """Whether anything about an element is wrong; ``known`` is whether writes were observed."""
    if one.written:
        return (known and not one.wrote) or (not is_free(one) and not is_right(one))
    if not (known and one.wrote):
        return False
    return not (given_before and (is_free(one) or is_right(one)))


def result_of(name: str, listed: list[Element], given_before: bool, sparse: bool) -> TensorResult:
    """Golden's result for elements; ``sparse`` leaves planes out that say nothing."""
    table = {field: np.array([getattr(e, field) for e in listed]) for field in Element._fields}
    planes: dict[str, Any] = {
        "bound": table["bound"], "taint": table["taint"].astype(np.uint8),
        "jumped": table["jumped"], "value2": table["value2"], "bound2": table["bound2"],
    }  # fmt: skip
    if sparse:
        if not planes["jumped"].any() and (table["bound"] == table["bound2"]).all():
            planes |= {"value2": None, "bound2": None}
        planes = {k: v if v is not None and (k == "value2" or v.any()) else None
                  for k, v in planes.items()}  # fmt: skip
    return TensorResult(name, "float32", Approx(table["value"], **planes), table["written"],
                        given_before)  # fmt: skip


@given(
    outputs=st.lists(st.tuples(st.lists(elements(), min_size=12, max_size=40), st.booleans()),
                     min_size=1, max_size=3),
    known=st.booleans(), sparse=st.booleans(),
)  # fmt: skip
def test_the_judge_agrees_element_by_element(
    outputs: list[tuple[list[Element], bool]], known: bool, sparse: bool
) -> None:
    """Nothing right is called wrong and nothing wrong right, in any of several outputs."""
    names = [f"C{i}" for i in range(len(outputs))]
    golden = GoldenResult(
        {n: result_of(n, listed, was, sparse)
         for n, (listed, was) in zip(names, outputs, strict=True)},
        CONTRACT, bounded=True,
    )  # fmt: skip
    actual = {n: np.array([e.got for e in listed])
              for n, (listed, _) in zip(names, outputs, strict=True)}  # fmt: skip
    written = {n: np.array([e.wrote for e in listed])
               for n, (listed, _) in zip(names, outputs, strict=True)}  # fmt: skip
    judgement = judge(actual, golden, written=written if known else None)
    counted = {n: sum(is_wrong(e, was, known) for e in listed)
               for n, (listed, was) in zip(names, outputs, strict=True)}  # fmt: skip
    compared = {n: sum(e.written and not is_free(e) for e in listed)
                for n, (listed, _) in zip(names, outputs, strict=True)}  # fmt: skip
    assert {n: t["wrong"] for n, t in judgement.tensors.items()} == counted
    assert {n: t["compared"] for n, t in judgement.tensors.items()} == compared
    assert judgement.passed == (not any(counted.values()) and all(compared.values()))
    assert judgement.wrong == sum(counted.values())
    _claims(judgement, [e for listed, _ in outputs for e in listed])


def _claims(judgement: Any, listed: list[Element]) -> None:
    """What a verdict says of its own strength is true."""
    written = [e for e in listed if e.written]
    compared = [e for e in written if not is_free(e)]
    equal = [e for e in compared if not e.jumped and e.bound == 0]
    assert (judgement.compared, judgement.exact) == (len(compared), len(equal))
    share = sum(e.jumped for e in written) / max(len(written), 1)
    name = "exact" if len(equal) == len(compared) else "bound"
    unknown = len(written) - len(compared)
    if (name == "bound" and share > 0.01) or unknown > 0.01 * len(written):
        name = "bound-partial"
    assert judgement.oracle == (name if compared else "none")
    numbers = [e for e in compared if e.taint == CLEAN]
    if numbers and not judgement.wrong:
        assert judgement.bound_ratio is not None
        assert judgement.bound_ratio <= 1
    if any(not is_right(e) for e in numbers):
        assert judgement.bound_ratio is not None
        assert judgement.bound_ratio > 1


@pytest.mark.parametrize("dtype", [np.int32, np.float64])
def test_whole_numbers_are_judged_to_the_last_unit(dtype: Any) -> None:
    """Integers beyond 2**24 are no float32 for the judge."""
    value = np.array([2**24 + 1, 2**30 + 1, -(2**31) + 1])
    answer = TensorResult("C", "int32", Approx(value.astype(np.float64)), np.ones(3, np.bool_))
    golden = GoldenResult({"C": answer}, CONTRACT, bounded=True)
    assert judge({"C": value.astype(dtype)}, golden).passed
    for place in range(3):
        wrong = value.astype(dtype)
        wrong[place] += -1
        assert judge({"C": wrong}, golden).wrong == 1
