"""Products beyond the largest number: golden and the exact number model agree on what is known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from golden.approx import BEYOND, CLEAN, FREE, INFINITE, exact
from golden.arithmetic import Arithmetic
from golden.contract import NumericContract
from simulator.numerics.eltwise import mul_exact
from simulator.numerics.modes import Chip, Dest, Fidelity, Mode

FIDELITIES = ("LoFi", "HiFi2", "HiFi3", "HiFi4")


def factors(seed: int, count: int = 256) -> np.ndarray:
    """Bfloat16 numbers of any exponent, most of them large, infinities among them."""
    rng = np.random.default_rng(seed)
    words = rng.integers(0, 128, count, np.uint32) << np.uint32(16)
    words |= rng.integers(0, 2, count, np.uint32) << np.uint32(31)
    biased = rng.choice([rng.integers(1, 255, count), rng.integers(180, 255, count)])
    words |= biased.astype(np.uint32) << np.uint32(23)
    values = words.view(np.float32)
    values[rng.random(count) < 0.1] = np.inf
    return values.reshape(16, 16)


def both(fidelity: str, fp32: bool, a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, object]:
    """(the product as the matrix unit computes it, as golden bounds it)."""
    mode = Mode(fidelity=Fidelity(fidelity), dest=Dest.FP32 if fp32 else Dest.BF16,
                chip=Chip.WORMHOLE)  # fmt: skip
    contract = NumericContract("wormhole", fidelity, fp32, "float32" if fp32 else "bfloat16",
                               "tfloat32")  # fmt: skip
    found = Arithmetic(contract, bounded=True).mul(
        exact(a.astype(np.float64)), exact(b.astype(np.float64)), "bfloat16"
    )
    return mul_exact(a, b, mode), found


@given(st.sampled_from(FIDELITIES), st.booleans(), st.integers(0, 10_000))
def test_what_golden_knows_the_matrix_unit_does(fidelity: str, fp32: bool, seed: int) -> None:
    """Clean elements are within the bound, infinite ones not finite; the rest is left open."""
    a, b = factors(seed), factors(seed + 20_000)
    got, found = both(fidelity, fp32, a, b)
    taint = np.full(a.shape, CLEAN) if found.taint is None else found.taint  # type: ignore[attr-defined]
    clean, infinite = taint == CLEAN, taint == INFINITE
    error = np.broadcast_to(found.error, a.shape)  # type: ignore[attr-defined]
    gap = np.abs(got[clean] - found.value[clean])  # type: ignore[attr-defined]
    assert (gap <= error[clean] + 2.0**-120).all()
    beyond = np.abs(got[infinite].astype(np.float64)) >= BEYOND
    assert (beyond | np.isnan(got[infinite])).all()


@pytest.mark.parametrize("fp32", [True, False])
def test_the_square_of_a_large_number_may_be_zero(fp32: bool) -> None:
    """2**80 squared: infinity in one phase, zero in four; golden claims neither of the latter."""
    a = np.full((16, 16), 2.0**80, np.float32)
    one, known = both("LoFi", fp32, a, a)
    four, unknown = both("HiFi4", fp32, a, a)
    assert np.isinf(one).all()
    assert (known.taint == INFINITE).all()  # type: ignore[attr-defined]
    assert (four == 0).all()
    assert (unknown.taint == FREE).all()  # type: ignore[attr-defined]


def test_a_product_just_too_large_is_infinite() -> None:
    """Where the exponent is not far beyond, every phase leaves infinity and golden says so."""
    a = np.full((16, 16), 2.0**66, np.float32)
    for fidelity in FIDELITIES:
        got, found = both(fidelity, True, a, a)
        assert np.isinf(got).all()
        assert (found.taint == INFINITE).all()  # type: ignore[attr-defined]
