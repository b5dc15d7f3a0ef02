"""Every bound is the sum of its terms, computed a second time, plainly, from what they are.

One that is too wide lets wrong answers pass, and no right one ever tells; one that is too narrow
calls right ones wrong, on inputs that are seldom drawn. So the terms of ``docs/oracles.md`` are
restated here, and golden's bound may differ from their sum by a few hundredths.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from golden.approx import FREE, Approx, exact, rounded
from golden.arithmetic import Arithmetic
from golden.contract import NumericContract
from golden.curves import CURVES
from golden.formats import find_format
from golden.functions import Functions
from golden.matmul import Operand, fidelity_loss, multiply_accumulate
from golden.reduction import Reducer
from golden.truth import choose, compare
from tests.golden.intervals import NARROW, WIDE, Doubles, drawn, error_of

SEEDS = st.integers(0, 2**32 - 1)
SHAPE = (2, 4, 8)
FIDELITIES = ("LoFi", "HiFi2", "HiFi3", "HiFi4")
ROOM = 1.01
LOSS_ROOM = 1.05
"""HiFi3 adds what it loses of either operand, which no pair of significands loses at once."""
PHASES = (1.0, 2.0**-5, 2.0**-7, 2.0**-12)
"""Share of a product that each pass of the multipliers carries at most."""


def contract(fidelity: str, wide: bool) -> NumericContract:
    """Of a Wormhole, with either destination."""
    dest: Any = "float32" if wide else "bfloat16"
    source: Any = "tfloat32" if wide else "bfloat16"
    return NumericContract("wormhole", fidelity, wide, dest, source)


def top(x: Approx) -> Doubles:
    """Largest magnitudes, error included."""
    return np.asarray(np.abs(x.value) + x.error)


def close(got: Doubles, limit: Doubles, room: float) -> bool:
    """Whether bounds are what their terms add up to."""
    return bool(((got <= room * limit + 2.0**-90) & (got >= limit / room - 2.0**-90)).all())


@functools.cache
def lost(fidelity: str, bits0: int, bits1: int) -> float:
    """The largest share of a product that its phases leave out, over every pair of significands."""
    a = np.arange(2 ** (bits0 - 1), 2**bits0, dtype=np.int64)[:, None] << (11 - bits0)
    b = np.arange(2 ** (bits1 - 1), 2**bits1, dtype=np.int64)[None] << (11 - bits1)
    high_a, low_a = a >> 4 << 4, a & 15
    high_b, low_b = b >> 6 << 6, b & 62
    kept = high_a * high_b
    for number, part in enumerate((high_a * low_b, low_a * high_b, low_a * low_b)):
        if number < FIDELITIES.index(fidelity):
            kept = kept + part
    return float((1 - kept / (a * b)).max())


@pytest.mark.parametrize("fidelity", FIDELITIES)
@pytest.mark.parametrize("bits", [(8, 8), (11, 11), (8, 11), (11, 8), (7, 3)])
def test_what_phases_leave_out(fidelity: str, bits: tuple[int, int]) -> None:
    """Protects the loss of a fidelity: all significands there are, neither less nor more."""
    worst = lost(fidelity, *bits)
    assert worst - 2.0**-40 <= fidelity_loss(fidelity, *bits) <= LOSS_ROOM * worst + 2.0**-40


def unit(values: Doubles) -> float:
    """The power of two at or below the largest magnitude."""
    largest = float(np.abs(values).max())
    return 2.0 ** math.floor(math.log2(largest)) if largest else 0.0


@pytest.mark.parametrize("fidelity", FIDELITIES)
@pytest.mark.parametrize("wide", [True, False])
@given(seed=SEEDS, dtypes=st.tuples(*[st.sampled_from(["bfloat16", "float32"])] * 2),
       k=st.sampled_from([3, 16, 32, 40]))  # fmt: skip
def test_products(seed: int, fidelity: str, wide: bool, dtypes: tuple[str, str], k: int) -> None:
    """Protects the bound of a product from growing: five terms, each an element's own."""
    rng = np.random.default_rng(seed)
    held = contract(fidelity, wide)
    a, b = (drawn(rng, shape, jumps=False, taint=False, dtype=dtype)
            for shape, dtype in zip(((1, 2, k), (1, k, 2)), dtypes, strict=True))  # fmt: skip
    acc = drawn(rng, (1, 2, 2), jumps=False, taint=False)
    got = multiply_accumulate(acc, Operand(a, dtypes[0]), Operand(b, dtypes[1]), held)
    source = 11 if wide else 8
    bits = [source if d == "float32" else 8 for d in dtypes]
    cut = sum(2.0 ** (1 - source) for d in dtypes if d == "float32")
    phases = FIDELITIES.index(fidelity) + 1
    step = 2.0**-22 + (0 if wide else 3 * 2.0**-11 + 2.0**-8)
    steps = 2 * math.ceil(k / 32) * phases
    for i in range(2):
        for j in range(2):
            x, y = a.value[0, i], b.value[0, :, j]
            high_x, high_y = top(a)[0, i], top(b)[0, :, j]
            high = float(high_x @ high_y)
            limit = float(error_of(acc)[0, i, j]) + high - float(np.abs(x) @ np.abs(y))
            limit += high * (LOSS_ROOM * lost(fidelity, *bits) + cut)
            limit += sum(unit(high_x[g : g + 8]) * unit(high_y[g : g + 8]) * 7 * 2.0**-11
                         for g in range(0, k, 8)) * sum(PHASES[:phases])  # fmt: skip
            limit += (float(top(acc)[0, i, j]) + high) * steps * step * (1 + step) ** steps
            assert close(error_of(got)[0, i, j], np.asarray(limit), LOSS_ROOM)


@pytest.mark.parametrize("kind", ["sum", "max", "running"])
@pytest.mark.parametrize(("shape", "axis"), [((2, 4, 8), 1), ((2, 4, 8), 2), ((2, 24), 1),
                                             ((2, 3, 4, 8), 1), ((2, 3, 4, 8), 2)])  # fmt: skip
@given(seed=SEEDS, fidelity=st.sampled_from(FIDELITIES), wide=st.booleans(),
       dtype=st.sampled_from(["bfloat16", "float32"]))  # fmt: skip
def test_reductions(
    seed: int, fidelity: str, wide: bool, kind: str, shape: tuple[int, ...], axis: int, dtype: str
) -> None:
    """Protects the bounds of sums and extrema, of lines, blocks and planes."""
    rng = np.random.default_rng(seed)
    held = contract(fidelity, wide)
    x = drawn(rng, shape, jumps=False, taint=False, dtype=dtype)
    reducer = Reducer(Arithmetic(held, bounded=True))
    source = (11 if wide else 8) if dtype == "float32" else 8
    cut = 2.0 ** (1 - source) if dtype == "float32" else 0.0
    last = 2.0**-23 if wide else 2.0**-7
    # A line of one of several planes is repeated on its way to its row.
    moved = (2.0**-10 if wide else 2.0**-7) if len(shape) == 4 and axis == 2 else 0.0
    if kind == "max":
        got = reducer.reduce("max", x, axis, dtype, None)
        limit = (error_of(x) + top(x) * cut).max(axis=axis, keepdims=True)
        limit = limit + (top(x).max(axis=axis, keepdims=True) + limit) * moved
        assert (error_of(got) <= ROOM * limit + 2.0**-90).all()
        return
    count = shape[axis]
    if kind == "sum":
        got = reducer.reduce("sum", x, axis, dtype, None)
        weight, own = (a.sum(axis=axis, keepdims=True) for a in (top(x), error_of(x)))
    else:
        got = reducer.cumsum(x, axis, dtype, reverse=False)
        weight, own = (a.cumsum(axis=axis) for a in (top(x), error_of(x)))
        moved = 0.0
    phases = FIDELITIES.index(fidelity) + 1
    step = 2.0**-22 + (0 if wide else 3 * 2.0**-11 + 2.0**-8)
    steps = 2 * phases * math.ceil(count / 16)
    loss = cut + max(lost(fidelity, 1, source), lost(fidelity, source, 1))
    if kind == "sum" and len(shape) == 2:  # the sum of everything passes bfloat16
        loss += 2.0**-7
    limit = own + weight * (loss + steps * step * (1 + step) ** steps)
    groups = weight * 7 * 2.0**-11 * sum(PHASES)
    if kind == "sum" and len(shape) == 4 and axis == 1:  # planes, in pairs
        limit = limit + weight * 2 * (2.0**-22 if wide else 2.0**-7)
    most = limit + groups
    most = most + (weight + most) * last
    most = most + (weight + most) * moved
    assert (error_of(got) <= ROOM * most + 2.0**-90).all()
    if x.bound is not None:
        fewest = limit + groups / (2 * count)
        assert (error_of(got) >= fewest / ROOM * (np.abs(got.value) > 0)).all()


@pytest.mark.parametrize("op", ["add", "mul", "divide", "maximum"])
@pytest.mark.parametrize("wide", [True, False])
@given(seed=SEEDS, broadcast=st.booleans())
def test_two_operands(seed: int, op: str, wide: bool, broadcast: bool) -> None:
    """Protects the bounds of elementwise arithmetic from growing."""
    rng = np.random.default_rng(seed)
    held = WIDE if wide else NARROW
    x, y = (drawn(rng, SHAPE, jumps=False, taint=False) for _ in range(2))
    arithmetic = Arithmetic(held, bounded=True)
    functions = Functions(arithmetic)
    here = functions if op in ("divide", "maximum") else arithmetic
    got = getattr(here, op)(x, y, "float32", broadcast)
    limit, _ = operation_terms(op, x, y, wide, broadcast, 1.0)
    free = np.zeros(SHAPE, np.bool_) if got.taint is None else got.taint == FREE
    assert (free | (error_of(got) <= ROOM * limit + 2.0**-100)).all()
    if op == "divide":
        return
    assert not free.any()
    if op != "maximum" and x.bound is not None and y.bound is not None:
        least, _ = operation_terms(op, x, y, wide, broadcast, 0.5)  # powers of two at or below
        both = (x.bound > 0) & (y.bound > 0)
        assert (error_of(got)[both] >= least[both] / 1.001).all()


def operation_terms(
    op: str, x: Approx, y: Approx, wide: bool, broadcast: bool, share: float
) -> tuple[Doubles, Doubles]:
    """The error of an operation and its largest result, with a share of every rounding."""
    seen = 2.0**-7 if not wide else 2.0**-10 if broadcast else 0.0
    last = (2.0**-23 if wide else 2.0**-7) * share
    seen = 0.0 if op == "divide" else seen * share
    ex, ey = (error_of(p) + top(p) * seen for p in (x, y))
    tx, ty = np.abs(x.value) + ex, np.abs(y.value) + ey
    matrix = not wide or broadcast
    if op == "add":
        limit = ex + ey
        limit = limit + (np.maximum(tx, ty) * share * (1 if wide else 3) * 2.0**-11 * matrix)
        largest = tx + ty if share == 1 else np.abs(x.value + y.value)
    elif op == "mul":
        step = (2.0**-22 + (0 if wide else 3 * 2.0**-11 + 2.0**-8)) * 4
        loss = lost("HiFi4", 11, 11) if wide else 0.0
        largest = tx * ty
        limit = largest - np.abs(x.value * y.value) + largest * (step + loss) * matrix
    elif op == "maximum":
        return np.maximum(ex, ey), np.maximum(tx, ty)
    else:
        least = np.abs(y.value) - ey
        sure = least > 0
        with np.errstate(all="ignore"):
            quotient = np.abs(x.value / y.value)
            largest = np.where(sure, tx / least, 0.0)
            limit = np.where(sure, (ex + quotient * ey) / least, np.inf)
        limit = limit + largest * (2.0**-20 if wide else 2.0**-6)
        limit = limit + (largest * 2.0**-7 if broadcast else 0.0)
    return limit + (largest + (limit if share == 1 else 0.0)) * last, largest


@pytest.mark.parametrize("name", sorted(CURVES))
@given(seed=SEEDS, wide=st.booleans())
def test_functions(seed: int, name: str, wide: bool) -> None:
    """Protects the bounds of vector functions from growing, save by the accuracy table's units."""
    from golden.accuracy import find_accuracy

    rng = np.random.default_rng(seed)
    curve, held = CURVES[name], WIDE if wide else NARROW
    low = 0.0 if curve.least > -math.inf else -math.inf
    x = drawn(rng, SHAPE, jumps=False, taint=False, low=low)
    got = Functions(Arithmetic(held, bounded=True)).call(name, [x], "float32", None)
    error = error_of(x) + (0.0 if wide else top(x) * 2.0**-7)
    with np.errstate(all="ignore"):
        value = curve.function(x.value)
        samples = [curve.function(x.value + s * error) for s in np.linspace(-1, 1, 65)]
        image = np.max([np.abs(s - value) for s in samples], axis=0)
    if not curve.monotone:  # by its steepest slope, or the whole of its range
        steep = {"gelu": 1.13, "silu": 1.1, "sin": 1.0, "cos": 1.0}[name]
        image = np.minimum(error * steep, 2.0 if name in ("sin", "cos") else np.inf)
    row = find_accuracy(curve.op)
    units = row.ulps(held.dest) * (2.0**-23 if wide else 2.0**-7)
    reach = np.abs(value) + image
    limit = image + reach * units + row.floor + np.abs(x.value) * curve.argument_error
    limit = limit + (reach + limit) * (2.0**-23 if wide else 2.0**-7)
    free = np.zeros(SHAPE, np.bool_) if got.taint is None else got.taint == FREE
    with np.errstate(invalid="ignore"):
        fine = error_of(got) <= ROOM * limit + 2.0**-100
    assert (free | fine | ~np.isfinite(limit)).all()
    inside = x.value - error > (curve.least if not curve.open_end else max(curve.least, 0.0))
    assert not (free & inside & np.isfinite(limit) & (reach + limit < 2.0**120)).any()


@given(seed=SEEDS, dtype=st.sampled_from(["bfloat16", "float16", "float32"]), cut=st.booleans())
def test_rounding_and_joining(seed: int, dtype: str, cut: bool) -> None:
    """Protects storing and joining from adding more than a rounding and a gap."""
    rng = np.random.default_rng(seed)
    x = drawn(rng, SHAPE, taint=False, dtype="float32")
    hull = x.hull()
    if x.value2 is not None:
        assert x.bound2 is not None
        low = np.minimum(x.value - x.error, x.value2 - x.bound2)
        high = np.maximum(x.value + x.error, x.value2 + x.bound2)
        assert (error_of(hull) <= (high - low) / 2 * (1 + 2.0**-40) + 2.0**-100).all()
    fmt = find_format(dtype)
    got = rounded(hull, fmt.bits, fmt.tiny, fmt.huge, 2.0 if cut else 1.0)
    half = 2.0**-fmt.bits * (2 if cut else 1)
    small = np.where(np.abs(hull.value) - hull.error < fmt.tiny, fmt.tiny, 0.0)
    assert got.taint is None or not got.taint.any()
    assert (error_of(got) <= ROOM * (error_of(hull) + np.maximum(top(hull) * half, small))).all()


@pytest.mark.parametrize("kind", ["EQ", "NE", "LT", "LE", "GT", "GE"])
@given(seed=SEEDS)
def test_choices(seed: int, kind: str) -> None:
    """Protects comparisons from being unsure where no two numbers compare otherwise."""
    rng = np.random.default_rng(seed)
    x, y = (drawn(rng, SHAPE, taint=False) for _ in range(2))
    truth = compare(kind, x, y)
    pairs = [(p, q) for p in _pieces(x) for q in _pieces(y)]
    above = np.all([p[0] > q[1] for p, q in pairs], axis=0)
    below = np.all([p[1] < q[0] for p, q in pairs], axis=0)
    unsure = np.zeros(SHAPE, np.bool_) if truth.unsure is None else truth.unsure
    assert not (unsure & (above | below)).any()
    yes, no = exact(np.ones(SHAPE)), exact(np.zeros(SHAPE))
    chosen = choose(truth, yes, no)
    if chosen.value2 is not None:
        assert not ((chosen.value2 != chosen.value) & (above | below)).any()


def _pieces(x: Approx) -> list[tuple[Doubles, Doubles]]:
    out = [(x.value - x.error, x.value + x.error)]
    if x.value2 is not None:
        assert x.bound2 is not None
        out.append((x.value2 - x.bound2, x.value2 + x.bound2))
    return out
