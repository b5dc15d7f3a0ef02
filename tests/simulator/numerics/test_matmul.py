"""Properties of the two matrix-product models."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.formats.bits import Floats, words_of
from simulator.formats.dataformat import DataFormat
from simulator.formats.errors import UnknownFormatError
from simulator.formats.host import quantise_host
from simulator.numerics.models import NUMBER_MODELS, number_model
from simulator.numerics.modes import Chip, Dest, Fidelity, Mode
from simulator.numerics.mvmul import matmul_exact
from tests.simulator.numerics import reference
from tests.simulator.numerics.reference import patterns

EXACT = number_model("exact")
FAST = number_model("fast")
REAL = [DataFormat.Float16_b, DataFormat.Float32, DataFormat.Bfp8_b, DataFormat.Bfp4_b]

seeds = st.integers(0, 2**32 - 1)
fidelities = st.sampled_from(Fidelity)
dests = st.sampled_from([Dest.FP32, Dest.BF16])


def _tiles(rng: np.random.Generator, fmt: DataFormat, spread: float, *lead: int) -> Floats:
    """Tiles as a buffer of ``fmt`` holds them, magnitudes over a range of 2**+-spread."""
    values = rng.standard_normal((*lead, 32, 32))
    values *= 2.0 ** rng.uniform(-spread, spread, values.shape)
    result: Floats = quantise_host(values.astype(np.float32), fmt)
    return result


@settings(max_examples=40, deadline=None)
@given(
    seed=seeds,
    fidelity=fidelities,
    dest=dests,
    spread=st.sampled_from([0, 3, 12, 40, 128]),
    chip=st.sampled_from(Chip),
)
def test_exact_is_the_reference(
    seed: int, fidelity: Fidelity, dest: Dest, spread: int, chip: Chip
) -> None:
    """Any patterns, exponents 0 and 255 included, in both precisions of the multipliers."""
    rng = np.random.default_rng(seed)
    in0, in1 = patterns(rng, (3, 32), spread), patterns(rng, (32, 4), spread)
    acc = patterns(rng, (3, 4), spread)
    if dest is Dest.BF16:
        acc = (words_of(acc) & np.uint32(0xFFFF0000)).view(np.float32)
    mode = Mode(fidelity, dest, chip, errata=True)
    result = matmul_exact(acc, in0, in1, mode, np.empty_like(acc))
    assert np.array_equal(words_of(result), words_of(reference.matmul(acc, in0, in1, mode)))


@settings(max_examples=30, deadline=None)
@given(seed=seeds, fidelity=fidelities, dest=st.sampled_from([Dest.FP32, Dest.FP16]))
def test_exact_is_the_reference_for_float16(seed: int, fidelity: Fidelity, dest: Dest) -> None:
    """Operands with 5-bit exponents, whose zeros take part in the alignment onto fp32 DST."""
    rng = np.random.default_rng(seed)
    in0, in1 = patterns(rng, (3, 32), 14), patterns(rng, (32, 4), 14)
    acc = patterns(rng, (3, 4), 14)
    mode = Mode(fidelity, dest, half_src=True)
    result = matmul_exact(acc, in0, in1, mode, np.empty_like(acc))
    assert np.array_equal(words_of(result), words_of(reference.matmul(acc, in0, in1, mode)))


def test_erratum_and_ties_of_the_reference() -> None:
    """The reference itself: -2**-23 becomes -16 with the erratum, stays without."""
    in0 = np.zeros((1, 16), np.float32)
    in1 = np.zeros((16, 1), np.float32)
    in0[0, [0, 8]], in1[[0, 8], 0] = (1, 2.0**-23), (-1, -1)
    acc = np.ones((1, 1), np.float32)
    assert reference.matmul(acc, in0, in1, Mode(errata=True))[0, 0] == -16
    assert reference.matmul(acc, in0, in1, Mode())[0, 0] == -(2.0**-23)
    for mode in (Mode(errata=True), Mode()):
        exact = matmul_exact(acc, in0, in1, mode, np.empty_like(acc))
        assert exact == reference.matmul(acc, in0, in1, mode)


def _bound(
    acc: Floats, in0: Floats, in1: Floats, mode: Mode
) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """How far the two models may be apart on one K tile.

    Each phase rounds eight products of a group to 2**-10 of the largest; HiFi3 drops products of
    low parts, 2**-10 of a product; every addition to DST rounds three terms and the sum.
    """
    products = np.abs(in0[..., :, :, None].astype(float) * in1[..., None, :, :])
    total = np.abs(acc) + products.sum(-2)
    largest = products.reshape(*products.shape[:-2], 4, 8, 32).max(-2).sum(-2)
    grouped = 4.2 * 2.0**-10 * largest + 2.0**-10 * products.sum(-2)
    steps = 2 * mode.fidelity.phases + 1
    unit = 2.5 * 2.0**-23 if mode.dest.is_fp32 else 1.5 * 2.0**-10 + 2.0**-8
    bound: np.ndarray[tuple[int, ...], np.dtype[np.float64]] = (
        grouped + (total + grouped) * 1.25 * steps * unit + 32 * 2.0**-24 * total
    )
    return bound


@settings(max_examples=40, deadline=None)
@given(
    seed=seeds,
    fidelity=fidelities,
    dest=dests,
    formats=st.tuples(st.sampled_from(REAL), st.sampled_from(REAL)),
    spread=st.sampled_from([0.0, 2.0, 8.0]),
)
def test_fast_stays_within_the_bound_of_exact(
    seed: int,
    fidelity: Fidelity,
    dest: Dest,
    formats: tuple[DataFormat, DataFormat],
    spread: float,
) -> None:
    """One K tile onto any DST, every pair of formats."""
    rng = np.random.default_rng(seed)
    mode = Mode(fidelity, dest)
    raw = [_tiles(rng, fmt, spread, 2) for fmt in formats]
    acc = FAST.pack(_tiles(rng, DataFormat.Float16_b, spread, 2), DataFormat.Float16_b, mode)
    results = []
    for model in (FAST, EXACT):
        in0, in1 = (
            model.matmul_operand(values, fmt, mode, side)
            for side, (values, fmt) in enumerate(zip(raw, formats, strict=True))
        )
        results.append(model.matmul(acc, in0, in1, mode))
    cut = [
        FAST.matmul_operand(values, fmt, mode, side)
        for side, (values, fmt) in enumerate(zip(raw, formats, strict=True))
    ]
    error = np.abs(results[0].astype(float) - results[1])
    assert (error <= _bound(acc, cut[0], cut[1], mode)).all()


@settings(max_examples=20, deadline=None)
@given(seed=seeds, bits=st.integers(0, 10), fidelity=st.sampled_from(["HiFi3", "HiFi4"]))
def test_small_integers_multiply_exactly(seed: int, bits: int, fidelity: str) -> None:
    """Integers whose leading bits add up to at most 10 are exact onto fp32 DST, in both models.

    HiFi3 drops low times low, so one operand must fit the high bits: 5 of SrcA or 7 of SrcB.
    """
    rng = np.random.default_rng(seed)
    bits = min(bits, 6) if fidelity == "HiFi3" else bits
    in0 = rng.integers(-(2 ** (bits + 1)) + 1, 2 ** (bits + 1), (32, 32))
    in1 = rng.integers(-(2 ** (11 - bits)) + 1, 2 ** (11 - bits), (32, 32))
    in0, in1 = np.clip(in0, -1023, 1023), np.clip(in1, -1023, 1023)
    mode = Mode(Fidelity[fidelity])
    for model in (FAST, EXACT):
        left, right = (
            model.matmul_operand(v.astype(np.float32), DataFormat.Float32, mode, side)
            for side, v in enumerate((in0, in1))
        )
        assert np.array_equal(model.matmul(None, left, right, mode), in0 @ in1)


@pytest.mark.parametrize("name", NUMBER_MODELS)
def test_lanes_broadcast_without_changing_a_bit(name: str) -> None:
    """The engine's form of operands gives what single tiles give."""
    model = number_model(name)
    rng = np.random.default_rng(5)
    in0, in1 = (
        rng.standard_normal((3, 4, 32, 32), np.float32),
        rng.standard_normal((3, 2, 32, 32), np.float32),
    )
    mode = Mode(dest=Dest.BF16)
    acc = model.pack(rng.standard_normal((3, 4, 2, 32, 32), np.float32), REAL[0], mode)
    left, right = (
        model.matmul_operand(quantise_host(v, REAL[0]), REAL[0], mode, side)
        for side, v in enumerate((in0, in1))
    )
    out = acc.copy()
    result = model.matmul(
        out, left[:, :, None], right[:, None], mode, out=out, scratch=np.empty_like(out)
    )
    assert result is out
    for lane, m, n in np.ndindex(3, 4, 2):
        single = model.matmul(acc[lane, m, n], left[lane, m], right[lane, n], mode)
        assert np.array_equal(single, result[lane, m, n])


@pytest.mark.parametrize("name", NUMBER_MODELS)
def test_cleared_dst_is_zero(name: str) -> None:
    """``acc`` None equals an accumulator of zeros, also for a transposed view of in1."""
    model = number_model(name)
    in0, in1 = np.random.default_rng(6).standard_normal((2, 2, 32, 32), np.float32)
    in1 = in1.swapaxes(-1, -2)
    mode = Mode()
    zeros = np.zeros((2, 32, 32), np.float32)
    assert np.array_equal(model.matmul(None, in0, in1, mode), model.matmul(zeros, in0, in1, mode))


def test_unknown_model_is_refused() -> None:
    """A model is asked for by one of two names."""
    with pytest.raises(UnknownFormatError, match="fast, exact"):
        number_model("precise")
