"""Packing, unpacking and L1 accumulation beyond the measured cases."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.formats.bits import Floats, words_of
from simulator.formats.codec import decode_tiles, encode_tiles
from simulator.formats.dataformat import DataFormat
from simulator.formats.errors import FormatError
from simulator.numerics.l1acc import accumulate_l1
from simulator.numerics.models import NUMBER_MODELS, number_model
from simulator.numerics.modes import Chip, Dest, Mode
from simulator.numerics.pack import Relu, pack, pack_integers
from simulator.numerics.rounding import round_bf16_away
from simulator.numerics.source import dst_to_src, to_src

seeds = st.integers(0, 2**32 - 1)
B16, F32, F16 = DataFormat.Float16_b, DataFormat.Float32, DataFormat.Float16
REAL = [fmt for fmt in DataFormat if fmt.is_float]
modes = st.builds(
    Mode,
    dest=st.sampled_from([Dest.FP32, Dest.BF16]),
    chip=st.sampled_from(Chip),
    bfp8_precise=st.booleans(),
)


def _patterns(seed: int, shape: tuple[int, ...], mode: Mode) -> Floats:
    """Random DST patterns of the mode's width."""
    words = np.random.default_rng(seed).integers(0, 2**32, shape, np.uint32)
    if mode.dest is Dest.BF16:
        words &= np.uint32(0xFFFF0000)
    return words.view(np.float32)


def _tile(value: float) -> Floats:
    return np.full((32, 32), value, np.float32)


@given(seed=seeds, fmt=st.sampled_from(REAL), mode=modes)
def test_packed_values_fit_their_format(seed: int, fmt: DataFormat, mode: Mode) -> None:
    """Encoding loses nothing of what the packer made, whatever DST holds."""
    packed = pack(_patterns(seed, (2, 32, 32), mode), fmt, mode)
    assert np.array_equal(words_of(decode_tiles(encode_tiles(packed, fmt), fmt)), words_of(packed))


@given(seed=seeds, fmt=st.sampled_from(REAL), mode=modes)
def test_relu_leaves_nothing_negative(seed: int, fmt: DataFormat, mode: Mode) -> None:
    """No sign bit survives, with any threshold."""
    dst = _patterns(seed, (32, 32), mode)
    for relu in (Relu(), Relu(minimum=0.5), Relu(maximum=2.0)):
        packed = pack(dst, fmt, mode, relu)
        assert not (words_of(packed) >> np.uint32(31)).any()


def test_a_maximum_on_the_wide_path_is_compared_by_nineteen_bits() -> None:
    """Float32 out of a wide DST is capped by its high bits, a narrower one by all."""
    limit, above = np.float32(1.0), np.float32(1.0 + 2.0**-11)
    dst = np.full((32, 32), above, np.float32)
    dst[:, 16:] = 1.0 + 2.0**-10
    packed = pack(dst, DataFormat.Float32, Mode(), Relu(maximum=1.0))
    assert (packed[:, :16] == above).all()
    assert (packed[:, 16:] == limit).all()
    assert (pack(dst, B16, Mode(), Relu(maximum=1.0)) == limit).all()


@given(seed=seeds)
def test_fast_rounding_is_the_packers_on_normal_numbers(seed: int) -> None:
    """Fast and exact packing to bfloat16 differ in denormals and signs of zero at most."""
    mode = Mode()
    dst = _patterns(seed, (64, 32, 32), mode)
    dst = np.where(np.abs(dst) < 2.0**-125, np.float32(1), dst)
    fast, exact = (number_model(name).pack(dst, B16, mode) for name in ("fast", "exact"))
    assert np.array_equal(words_of(fast), words_of(exact))
    out = dst.copy()
    assert round_bf16_away(out, out) is out
    assert np.array_equal(words_of(out), words_of(exact))


@pytest.mark.parametrize("name", NUMBER_MODELS)
def test_packing_rounds_ties_away_from_zero(name: str) -> None:
    """128.5 becomes 129, -128.5 becomes -129; from 16-bit DST nothing is rounded."""
    model = number_model(name)
    assert (model.pack(_tile(128.5), B16, Mode()) == 129).all()
    assert (model.pack(_tile(-128.5), B16, Mode()) == -129).all()
    kept = model.pack(_tile(128), B16, Mode(dest=Dest.BF16))
    assert (kept == 128).all()
    assert model.pack(kept, F32, Mode()) is kept


def test_packing_never_changes_dst() -> None:
    """The input array is left alone by every format."""
    dst = np.random.default_rng(3).standard_normal((3, 32, 32), np.float32)
    kept = dst.copy()
    for name in NUMBER_MODELS:
        for fmt in REAL:
            number_model(name).pack(dst, fmt, Mode(), Relu())
            number_model(name).pack(dst, fmt, Mode())
    assert np.array_equal(dst, kept)


def test_bfp8_rounds_twice_unless_precise() -> None:
    """A datum that the default path rounds up and the precise one down; Blackhole has one path."""
    dst = _tile(64.0)
    dst[:, 1] = 33.25
    results = {
        (chip, precise): float(
            pack(dst, DataFormat.Bfp8_b, Mode(chip=chip, bfp8_precise=precise))[0, 1]
        )
        for chip in Chip
        for precise in (False, True)
    }
    assert results[Chip.WORMHOLE, True] == 33
    assert len(set(results.values()) - {33}) == 1
    assert results[Chip.BLACKHOLE, True] == results[Chip.BLACKHOLE, False]


def test_bfp4_cuts_bfp8() -> None:
    """1.9 of a group of maximum 1.9 is 1.75, not 2."""
    assert (pack(_tile(1.9), DataFormat.Bfp4_b, Mode()) == 1.75).all()


def test_float16_output_is_cut_on_wormhole_and_rounded_on_blackhole() -> None:
    """One and a half units in the last place above 1."""
    value = 1 + 1.5 * 2.0**-10
    assert pack(_tile(value), F16, Mode())[0, 0] == 1 + 2.0**-10
    assert pack(_tile(value), F16, Mode(chip=Chip.BLACKHOLE))[0, 0] == 1 + 2.0**-9
    half = Mode(dest=Dest.FP16)
    assert pack(_tile(1 + 2.0**-10), F16, half)[0, 0] == 1 + 2.0**-10
    assert pack(_tile(1 + 2.0**-10), B16, half)[0, 0] == 1
    assert pack(_tile(2.0**-20), F16, half)[0, 0] == 0


@pytest.mark.parametrize(
    ("fmt", "expected"),
    [
        (DataFormat.Int8, [-127, -5, 0, 127]),
        (DataFormat.UInt8, [0, 0, 0, 255]),
        (DataFormat.Int32, [-70000, -5, 0, 70000]),
    ],
    ids=lambda value: getattr(value, "value", ""),
)
def test_integers_saturate_in_the_packer(fmt: DataFormat, expected: list[int]) -> None:
    """Narrow formats clamp, 32-bit ones keep."""
    dst = np.array([-70000, -5, 0, 70000], np.int32)
    assert pack_integers(dst, fmt).tolist() == expected


def test_integers_and_reals_do_not_mix() -> None:
    """Each packing function refuses the other's formats."""
    with pytest.raises(FormatError, match="pack_integers"):
        pack(_tile(1), DataFormat.Int32, Mode())
    with pytest.raises(FormatError, match="no integer format"):
        pack_integers(np.zeros(4, np.int32), F32)
    assert pack_integers(np.array([65537], np.int32), DataFormat.UInt16) == 1
    with pytest.raises(FormatError, match="negative"):
        pack(_tile(1), F32, Mode(), Relu(minimum=-1.0))


def test_float32_is_cut_on_the_way_to_src() -> None:
    """TF32 onto fp32 DST, bfloat16 otherwise; bfloat16 data pass untouched."""
    values = _tile(1 + 2.0**-8 + 2.0**-10 + 2.0**-12)
    assert to_src(values, F32, Mode())[0, 0] == 1 + 2.0**-8 + 2.0**-10
    assert to_src(values, F32, Mode(), tf32=False)[0, 0] == 1
    assert to_src(values, F32, Mode(dest=Dest.BF16))[0, 0] == 1
    assert to_src(values, B16, Mode()) is values
    assert dst_to_src(values, Mode(), tf32=True)[0, 0] == 1 + 2.0**-8 + 2.0**-10
    assert dst_to_src(values, Mode())[0, 0] == 1
    assert dst_to_src(values, Mode(dest=Dest.FP16)) is values


def test_small_bfp_data_wrap_their_exponent() -> None:
    """Exponent 1 and magnitude 1 of 64 give exponent 251 in Src; Float16 denormals give zero."""
    data = np.zeros(1088, np.uint8)
    data[0], data[64], data[65] = 1, 64, 1
    values = decode_tiles(data, DataFormat.Bfp8_b)
    src = to_src(values, DataFormat.Bfp8_b, Mode())
    assert src[0, 0] == 2.0**-126
    assert src[0, 1] == 2.0 ** (251 - 127)
    assert to_src(_tile(2.0**-20), F16, Mode())[0, 0] == 0


def _acc(page: float, datum: float, fmt: DataFormat) -> Any:
    pair = (np.array([page], np.float32), np.array([datum], np.float32))
    result: npt.NDArray[np.float32] = accumulate_l1(*pair, fmt)
    return result[0]


def test_l1_accumulation_of_specials() -> None:
    """NaN, infinity, denormals and ties to even."""
    assert _acc(256, 1, B16) == 256
    assert _acc(258, 1, B16) == 260
    assert np.isnan(_acc(np.inf, -np.inf, B16))
    assert np.isnan(_acc(np.inf, -np.inf, F32))
    assert _acc(np.nan, 1, B16) == np.inf
    assert _acc(1, 1e-40, F32) == 1
    assert _acc(3e38, 3e38, B16) == np.inf
    assert _acc(1, 2.0**-11, F16) == 1
    assert _acc(-131008, -131008, F16) == -131008
    with pytest.raises(FormatError, match="Bfp8_b"):
        _acc(1, 1, DataFormat.Bfp8_b)
