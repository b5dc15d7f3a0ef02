"""Every op on values with bounds: what a device makes of any numbers in them lies in the result.

Soundness of whole kernels is tested from exact inputs; here the operands have errors, two
alternatives and infinities of their own, as they have in the middle of a kernel.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from golden.approx import CLEAN, FREE, INFINITE, Approx, exact, paired, rounded
from golden.arithmetic import Arithmetic
from golden.contract import NumericContract
from golden.curves import CURVES
from golden.errors import GoldenError
from golden.formats import find_format
from golden.functions import Functions
from golden.matmul import Operand, multiply_accumulate
from golden.reduction import Reducer
from golden.truth import choose, compare
from tests.golden.intervals import (
    NARROW,
    WIDE,
    Doubles,
    drawn,
    missed,
    point,
    rounded_off,
    unmarked,
)

SEEDS = st.integers(0, 2**32 - 1)
SHAPE = (2, 8, 16)
POINTS = 6
CONTRACTS = st.sampled_from([WIDE, NARROW])


def holds(
    rng: np.random.Generator, result: Approx, operands: list[Approx],
    op: Callable[..., Doubles], dtype: str = "float32", *, cut: bool = True,
) -> None:  # fmt: skip
    """What ``op`` makes of numbers in the operands, rounded to a dtype, lies in the result."""
    assert not unmarked(result)
    for _ in range(POINTS):
        got = [point(rng, x) for x in operands]
        with np.errstate(all="ignore"):
            answer = rounded_off(rng, np.asarray(op(*got), np.float64), dtype, cut)
        bad = missed(result, answer)
        assert not bad.any(), (np.argwhere(bad)[0], answer[bad][0])


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float32"])
@given(seed=SEEDS, cut=st.booleans(), scale=st.sampled_from([0, 0, 0, 8, -12, 126, -124]))
def test_rounding(seed: int, dtype: str, cut: bool, scale: int) -> None:
    """Protects storing: nearest or cut, near the least and the largest numbers too."""
    rng = np.random.default_rng(seed)
    x = drawn(rng, SHAPE, taint=scale == 0, dtype="float32")
    x = x.map(lambda a: a * 2.0**scale if a.dtype == np.float64 else a).tightened()
    x = Approx(x.value, x.bound, x.taint, x.jumped, x.value2, x.bound2, 0.0, x.peak)
    fmt = find_format(dtype)
    result = rounded(x, fmt.bits, fmt.tiny, fmt.huge, 2.0 if cut else 1.0)
    if dtype == "float16":  # no infinities there: they become numbers
        assert x.taint is None or (result.taint is not None
                                   and (result.taint[x.taint != 0] == FREE).all())  # fmt: skip
    holds(rng, result, [x], lambda a: a, dtype, cut=cut)


@given(seed=SEEDS)
def test_alternatives(seed: int) -> None:
    """Protects joining: both alternatives, and the one interval that stands for them."""
    rng = np.random.default_rng(seed)
    x, y = drawn(rng, SHAPE), drawn(rng, SHAPE)
    if x.taint is None and y.taint is None:
        jumped = np.ones(SHAPE, np.bool_)
        first = Approx(x.value, x.bound, None, jumped, x.value2, x.bound2, peak=x.peak)
        both = paired(first, y)
        for _ in range(POINTS):
            assert not missed(both, point(rng, x)).any()
            assert not missed(both, point(rng, y)).any()
            assert not unmarked(both)
        assert both.peak >= max(np.abs(point(rng, x)).max(), np.abs(point(rng, y)).max())
    hull = x.hull()
    assert hull.value2 is None
    for _ in range(POINTS):
        assert not missed(hull, point(rng, x)).any()


@pytest.mark.parametrize("op", ["add", "sub", "mul", "divide", "maximum", "minimum"])
@given(seed=SEEDS, contract=CONTRACTS, broadcast=st.booleans())
def test_two_operands(seed: int, op: str, contract: NumericContract, broadcast: bool) -> None:
    """Protects arithmetic on operands that are off themselves."""
    rng = np.random.default_rng(seed)
    x, y = drawn(rng, SHAPE), drawn(rng, (2, 8, 1) if broadcast else SHAPE)
    arithmetic = Arithmetic(contract, bounded=True)
    functions = Functions(arithmetic)
    here = functions if op in ("divide", "maximum", "minimum") else arithmetic
    result = getattr(here, op)(x, y, "float32", broadcast)
    plain: dict[str, Callable[..., Any]] = {
        "add": np.add, "sub": np.subtract, "mul": np.multiply, "divide": np.divide,
        "maximum": np.maximum, "minimum": np.minimum,
    }  # fmt: skip
    exactly = op in ("maximum", "minimum") and contract is WIDE and not broadcast
    holds(rng, result, [x, y], plain[op], "float64" if exactly else contract.dest)


@pytest.mark.parametrize("name", sorted(CURVES))
@given(seed=SEEDS, contract=CONTRACTS)
def test_functions(seed: int, name: str, contract: NumericContract) -> None:
    """Protects vector functions of arguments that are off, monotone and others."""
    rng = np.random.default_rng(seed)
    low = 0.0 if CURVES[name].least > -math.inf else -math.inf
    x = drawn(rng, SHAPE, low=low)
    result = Functions(Arithmetic(contract, bounded=True)).call(name, [x], "float32", None)
    reference = {**CURVES}[name].function
    assert not unmarked(result)
    for _ in range(POINTS):
        got = point(rng, x)
        tainted = np.zeros(SHAPE, np.bool_) if x.taint is None else x.taint != 0
        with np.errstate(all="ignore"):
            answer = rounded_off(rng, reference(got), contract.dest)
        inside = np.isfinite(got) & ~tainted & np.isfinite(answer)
        assert not (missed(result, answer) & inside).any()


@pytest.mark.parametrize("name", ["floor", "ceil", "round", "trunc", "fabs", "to_integer"])
@given(seed=SEEDS)
def test_steps(seed: int, name: str) -> None:
    """Protects functions that jump: whichever side of a threshold a number is on."""
    rng = np.random.default_rng(seed)
    x = drawn(rng, SHAPE, taint=False, jumps=name != "to_integer")
    arithmetic = Arithmetic(WIDE, bounded=True)
    plain = {"floor": np.floor, "ceil": np.ceil, "round": np.rint, "trunc": np.trunc,
             "fabs": np.abs, "to_integer": np.trunc}[name]  # fmt: skip
    if name == "to_integer":
        result = arithmetic.to_integer(x)
    else:
        result = Functions(arithmetic).call(name, [x], "float32", None)
    holds(rng, result, [x], plain, "float64")


@pytest.mark.parametrize("kind", ["EQ", "NE", "LT", "LE", "GT", "GE"])
@given(seed=SEEDS, negated=st.booleans(), joined=st.sampled_from(["", "and", "or"]))
def test_choices(seed: int, kind: str, negated: bool, joined: str) -> None:
    """Protects a choice by a comparison: whatever side numbers in the operands come down on."""
    rng = np.random.default_rng(seed)
    x, y, yes, no = (drawn(rng, SHAPE, dtype="bfloat4_b") for _ in range(4))
    zero = exact(np.zeros(()))
    test = compare(kind, x, y)
    test = ~test if negated else test
    if joined:
        other = compare("GT", x, zero)
        test = test & other if joined == "and" else test | other
    result = choose(test, yes, no)
    ops = {"EQ": np.equal, "NE": np.not_equal, "LT": np.less, "LE": np.less_equal,
           "GT": np.greater, "GE": np.greater_equal}  # fmt: skip
    plain = ops[kind]

    def picked(a: Doubles, b: Doubles, first: Doubles, second: Doubles) -> Doubles:
        holds_here = plain(a, b) != negated
        if joined:
            holds_here = holds_here & (a > 0) if joined == "and" else holds_here | (a > 0)
        return np.where(holds_here, first, second)

    sure = [p for p in (x, y) if p.taint is not None]
    touched = np.zeros(SHAPE, np.bool_)
    for p in sure:
        assert p.taint is not None
        touched |= (p.taint == FREE) | np.isnan(p.value)
    assert not unmarked(result)
    for _ in range(POINTS):
        answer = picked(*(point(rng, p) for p in (x, y, yes, no)))
        assert not (missed(result, answer) & ~touched).any()
    if touched.any():
        assert result.taint is not None
        assert (result.taint[touched] == FREE).all()


@pytest.mark.parametrize("kind", ["sum", "max", "min", "absmax", "absmin", "abssum"])
@given(seed=SEEDS, axis=st.sampled_from([1, 2]), old=st.booleans(), contract=CONTRACTS)
def test_reductions(seed: int, kind: str, axis: int, old: bool, contract: NumericContract) -> None:
    """Protects sums and extrema of numbers that are off, onto old ones too."""
    rng = np.random.default_rng(seed)
    x = drawn(rng, SHAPE)
    before = drawn(rng, tuple(1 if i == axis else n for i, n in enumerate(SHAPE))) if old else None
    result = Reducer(Arithmetic(contract, bounded=True)).reduce(kind, x, axis, "bfloat16", before)

    def plain(a: Doubles, *rest: Doubles) -> Doubles:
        a = np.abs(a) if kind.startswith("abs") else a
        pool: dict[str, Any] = {"sum": np.sum, "max": np.max, "min": np.min}
        join: dict[str, Any] = {"sum": np.add, "max": np.maximum, "min": np.minimum}
        done = pool[kind[-3:]](a, axis=axis, keepdims=True)
        return np.asarray(done if not rest else join[kind[-3:]](rest[0], done), np.float64)

    operands = [x] if before is None else [x, before]
    selects = not kind.endswith("sum")  # numbers as their buffer holds them
    holds(rng, result, operands, plain, "float64" if selects else contract.dest)


@given(seed=SEEDS, axis=st.sampled_from([1, 2]), reverse=st.booleans(), contract=CONTRACTS)
def test_running_sums(seed: int, axis: int, reverse: bool, contract: NumericContract) -> None:
    """Protects running sums of numbers that are off, from either end."""
    rng = np.random.default_rng(seed)
    x = drawn(rng, SHAPE)
    reducer = Reducer(Arithmetic(contract, bounded=True))
    result = reducer.cumsum(x, axis, "bfloat16", reverse=reverse)

    def plain(a: Doubles) -> Doubles:
        return np.flip(np.flip(a, axis).cumsum(axis), axis) if reverse else a.cumsum(axis)

    holds(rng, result, [x], plain, contract.dest)


@given(seed=SEEDS, dtypes=st.tuples(*[st.sampled_from(["bfloat16", "float32"])] * 2),
       contract=CONTRACTS, tainted=st.booleans())  # fmt: skip
def test_products(
    seed: int, dtypes: tuple[str, str], contract: NumericContract, tainted: bool
) -> None:
    """Protects products whose operands and accumulator are off themselves."""
    rng = np.random.default_rng(seed)
    a, b = (drawn(rng, shape, taint=tainted, dtype=dtype)
            for shape, dtype in zip(((2, 4, 16), (2, 16, 8)), dtypes, strict=True))  # fmt: skip
    acc = drawn(rng, (2, 4, 8), taint=tainted)
    result = multiply_accumulate(acc, Operand(a, dtypes[0]), Operand(b, dtypes[1]), contract)
    for parts in (a, b, acc):
        if parts.jumped is not None and parts.jumped.all():
            assert result.jumped is not None
            assert result.jumped.all()
    holds(rng, result, [acc, a, b], lambda c, x, y: c + x @ y, contract.dest)


def test_alternatives_of_one_value_keep_what_is_known_of_either() -> None:
    """Two ways to one number may differ in whether it is known at all."""
    value = np.ones((1, 3))
    free = Approx(value, taint=np.array([[CLEAN, FREE, INFINITE]], np.uint8))
    for both in (paired(exact(value), free), paired(free, exact(value))):
        assert both.taint is not None
        assert both.taint.tolist() == [[CLEAN, FREE, INFINITE]]


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float32"])
@pytest.mark.parametrize("cut", [False, True])
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_rounding_at_the_edges(dtype: str, cut: bool, sign: float) -> None:
    """Beyond the largest number both it and infinity are right; below the least, zero is too."""
    fmt = find_format(dtype)
    steps = 2.0 if cut else 1.0
    last = fmt.huge * (1 + 2.0 ** -(fmt.bits + 2))
    for value in (last, fmt.huge * 1.5):
        result = rounded(exact(np.full((1, 1), sign * value)), fmt.bits, fmt.tiny, fmt.huge, steps)
        for got in (sign * fmt.huge, sign * np.inf):
            assert not missed(result, np.full((1, 1), got)).any()
    if dtype != "float16":  # well beyond, it is infinite
        far = rounded(exact(np.full((1, 1), sign * 4 * fmt.huge)), fmt.bits, fmt.tiny, fmt.huge)
        assert missed(far, np.full((1, 1), sign * 2.0**99)).all()
    for value in (fmt.tiny / 2, fmt.tiny * 0.75, fmt.tiny * (1 - 2.0**-fmt.bits)):
        result = rounded(exact(np.full((1, 1), sign * value)), fmt.bits, fmt.tiny, fmt.huge, steps)
        for got in (0.0, sign * value):
            assert not missed(result, np.full((1, 1), got)).any()


@pytest.mark.parametrize("first", [False, True])
def test_an_operand_that_may_be_denormal_may_count_as_zero(first: bool) -> None:
    """A number near the least one times the largest: what is cut to zero is not small then."""
    least = 2.0**-126
    tiny = Approx(np.full((1, 2, 8), 1.5 * least), np.full((1, 2, 8), 0.75 * least), peak=3 * least)
    large = exact(np.full((1, 8, 2), 2.0**100))
    a, b = (tiny, large) if first else (x.map(lambda v: v.swapaxes(1, 2)) for x in (large, tiny))
    result = multiply_accumulate(exact(np.zeros((1, 2, 2))), Operand(a, "bfloat16"),
                                 Operand(b, "bfloat16"), WIDE)  # fmt: skip
    for share in (2.25, 1.0, 0.75, 0.0):
        assert not missed(result, np.full((1, 2, 2), 8 * share * least * 2.0**100)).any()


def test_products_too_large_on_the_way_are_not_known() -> None:
    """Nothing is claimed of a sum whose terms may pass the largest exponent."""
    for left, right, known in ((2.0**64, 2.0**64, False), (2.0**60, 2.0**20, True)):
        a, b = np.full((1, 2, 8), left), np.full((1, 8, 2), right)
        a[..., ::2] *= -1  # which cancels
        result = multiply_accumulate(exact(np.zeros((1, 2, 2))), Operand(exact(a), "bfloat16"),
                                     Operand(exact(b), "bfloat16"), WIDE)  # fmt: skip
        level = np.zeros((1, 2, 2)) if result.taint is None else result.taint
        assert (level == (CLEAN if known else FREE)).all()


@pytest.mark.parametrize("fidelity", ["LoFi", "HiFi2", "HiFi3"])
def test_int8_products_need_every_phase(fidelity: Any) -> None:
    """Where bits of an operand are left out, whole numbers have no right answer."""
    ones = Operand(exact(np.ones((1, 8, 8))), "int8")
    held = NumericContract("wormhole", fidelity, True, "float32", "tfloat32")
    with pytest.raises(GoldenError, match=fidelity):
        multiply_accumulate(exact(np.zeros((1, 8, 8))), ones, ones, held)


def test_infinities_that_may_meet_leave_nothing_known() -> None:
    """Of opposite signs, in a sum of two or of a row, and anywhere in a running sum."""
    inf = exact(np.array([[np.inf, np.inf, 1.0]]))
    other = exact(np.array([[-np.inf, np.inf, 2.0]]))
    both = Arithmetic(WIDE, bounded=True).add(inf, other, "float32")
    assert both.taint is not None
    assert both.taint.tolist() == [[FREE, both.taint[0, 1], CLEAN]]
    reducer = Reducer(Arithmetic(WIDE, bounded=True))
    rows = exact(np.array([[[np.inf, -np.inf, 1.0], [np.inf, 1.0, 2.0**110], [1.0, 2.0, 3.0]]]))
    total = reducer.reduce("sum", rows, 2, "bfloat16", None)
    assert total.taint is not None
    assert total.taint.ravel().tolist() == [FREE, FREE, CLEAN]
    running = reducer.cumsum(rows, 2, "bfloat16", reverse=False)
    assert running.taint is not None
    assert running.taint[0].tolist() == [[FREE] * 3, [FREE] * 3, [CLEAN] * 3]


def test_a_jump_in_an_operand_is_one_in_the_product() -> None:
    """The share of elements that hang on jumps is what a verdict calls itself partial by."""
    rng = np.random.default_rng(0)
    a, b = drawn(rng, (1, 4, 8), taint=False, jumps=False), exact(np.ones((1, 8, 4)))
    jumped = np.zeros((1, 4, 8), np.bool_)
    jumped[0, 2, 3] = True
    a = Approx(a.value, np.ones(a.value.shape), None, jumped, a.value + 3, np.ones(a.value.shape))
    result = multiply_accumulate(exact(np.zeros((1, 4, 4))), Operand(a, "bfloat16"),
                                 Operand(b, "bfloat16"), WIDE)  # fmt: skip
    assert result.jumped is not None
    np.testing.assert_array_equal(result.jumped[0].any(axis=1), [False, False, True, False])


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_tainted(value: float) -> None:
    """No special value passes for a number golden is sure of."""
    assert exact(np.array([1.0, value])).taint is not None
