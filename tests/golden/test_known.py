"""What is known of special values, constants and stores: as much as there is, and no more."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from golden.approx import CLEAN, FREE, INFINITE, exact
from golden.arithmetic import Arithmetic
from golden.contract import NumericContract
from golden.functions import Functions
from golden.reduction import Reducer
from tests.golden.intervals import NARROW, WIDE, error_of

INF = math.inf


@pytest.mark.parametrize(
    ("op", "args", "value"),
    [
        ("add", (INF, 3.0), INF),
        ("add", (-INF, 3.0), -INF),
        ("sub", (3.0, INF), -INF),
        ("mul", (INF, -2.0), -INF),
        ("maximum", (INF, 3.0), INF),
        ("maximum", (-INF, 3.0), 3.0),
        ("minimum", (-INF, 3.0), -INF),
        ("minimum", (INF, 3.0), 3.0),
    ],
)
def test_an_infinity_leaves_as_much_as_it_can(
    op: str, args: tuple[float, float], value: float
) -> None:
    """Special values are no excuse where the device's answer is known."""
    arithmetic = Arithmetic(WIDE, bounded=True)
    here: Any = Functions(arithmetic) if op.endswith("imum") else arithmetic
    result = getattr(here, op)(*(exact(np.full((1, 1), a)) for a in args), "float32")
    assert result.value.item() == value
    level = CLEAN if result.taint is None else int(result.taint.item())
    assert level == (INFINITE if math.isinf(value) else CLEAN)


@pytest.mark.parametrize(
    ("kind", "row", "value"),
    [
        ("sum", (INF, 1.0, 2.0), INF),
        ("sum", (-INF, 1.0, 2.0), -INF),
        ("max", (-INF, 1.0, 2.0), 2.0),
        ("max", (INF, 1.0, 2.0), INF),
        ("min", (INF, 1.0, 2.0), 1.0),
    ],
)
def test_an_infinity_in_a_row_leaves_as_much_as_it_can(
    kind: str, row: tuple[float, ...], value: float
) -> None:
    """A mask of minus infinities takes nothing from a maximum, and a sum stays infinite."""
    reducer = Reducer(Arithmetic(WIDE, bounded=True))
    result = reducer.reduce(kind, exact(np.array([[row]])), 2, "bfloat16", None)
    assert result.value.item() == value
    level = CLEAN if result.taint is None else int(result.taint.item())
    assert level == (INFINITE if math.isinf(value) else CLEAN)


def test_exponentials_of_infinities_are_known() -> None:
    """Masked scores count as zero, exactly."""
    functions = Functions(Arithmetic(WIDE, bounded=True))
    result = functions.call("exp", [exact(np.array([[-INF, INF, 0.0]]))], "float32", None)
    assert result.taint is not None
    assert result.taint.tolist() == [[CLEAN, INFINITE, CLEAN]]
    assert result.value[0, 0] == 0
    assert error_of(result)[0, 0] <= 2.0**-126


def test_a_line_of_one_of_several_planes_is_cut_on_its_way() -> None:
    """What is repeated to reach its row passes the matrix unit, which keeps eleven bits."""
    reducer = Reducer(Arithmetic(WIDE, bounded=True))
    rows = np.full((1, 2, 4, 8), 342.0)
    rows[:, :, 0] = 1023.0
    assert reducer.reduce("sum", exact(rows[:, 0]), 1, "float32", None).is_exact
    moved = reducer.reduce("sum", exact(rows), 2, "float32", None)
    assert (moved.value == 2049).all()
    assert (error_of(moved) >= 1).all()
    assert reducer.reduce("max", exact(rows), 2, "float32", None).is_exact


@pytest.mark.parametrize(
    ("fidelity", "dtype", "largest"),
    [("LoFi", "bfloat16", 31), ("HiFi2", "bfloat16", 127), ("HiFi3", "bfloat16", 255),
     ("HiFi4", "bfloat16", 255), ("HiFi4", "float32", 1023), ("LoFi", "float32", 31)],
)  # fmt: skip
def test_sums_of_whole_numbers_are_exact_up_to_what_the_multiplier_takes(
    fidelity: str, dtype: str, largest: int
) -> None:
    """Up to the bits a fidelity multiplies, and to sums the destination holds, and no further."""
    held = NumericContract("wormhole", fidelity, True, "float32", "tfloat32")
    reducer = Reducer(Arithmetic(held, bounded=True))
    for count in (1, 64, 2**24 // largest, 2**24 // largest + 1):
        for value in (largest, 2 * largest + 1):
            row = exact(np.full((1, 1, count), float(value)))
            fits = value == largest and value * count <= 2**24
            assert reducer.reduce("sum", row, 2, dtype, None).is_exact == fits, (count, value)


def test_a_number_of_the_source_may_be_rounded_to_its_type() -> None:
    """A constant stands as it is written, or as its type holds it, and is no other number."""
    for wide in (True, False):
        arithmetic = Arithmetic(WIDE if wide else NARROW, bounded=True)
        got = arithmetic.literal(0.1, "bfloat16")
        for value in (0.1, float(np.float32(0.1)), 0.10009765625):
            assert abs(value - got.value.item()) <= got.error
        assert np.asarray(got.error) <= 0.125 * 2.0**-7
        assert arithmetic.literal(0.5, "bfloat16").is_exact
        assert arithmetic.literal(3.0, "int32").is_exact


def test_what_is_kept_in_which_type() -> None:
    """A store costs a rounding unless the new type holds every number of the old one."""
    x = exact(np.array([1.0 + 2.0**-7, 3.0e38, 2.0**-100]))
    arithmetic = Arithmetic(WIDE, bounded=True)
    assert arithmetic.stored(x, "float32", "bfloat16").is_exact
    half = arithmetic.stored(x, "float16", "bfloat16")
    assert half.taint is not None
    assert half.taint[1] == FREE
    assert error_of(half)[2] > 0
    fine = exact(np.array([1.0 + 2.0**-9]))
    assert error_of(arithmetic.stored(fine, "bfloat16", "float16"))[0] > 0
    assert error_of(arithmetic.stored(fine, "bfloat8_b", "bfloat16"))[0] > 0
    assert arithmetic.stored(fine, "float32", "float16").is_exact


def test_a_picked_nan_is_not_known() -> None:
    """A maximum orders a NaN by its sign: what is taken out of a block then is anything."""
    got = Arithmetic(WIDE, bounded=True).picked(exact(np.array([1.0, math.nan, INF])))
    assert got.taint is not None
    assert got.taint.tolist() == [CLEAN, FREE, INFINITE]
