"""Elementwise, reduce, integer and vector-unit ops beyond the measured cases."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.formats.bits import Floats, words_of
from simulator.formats.dataformat import DataFormat
from simulator.formats.errors import FormatError, IntegerRangeError, UnknownFormatError
from simulator.formats.host import quantise_host
from simulator.isa import SFPU_BINARY, SFPU_SCALAR, SFPU_UNARY
from simulator.numerics.int8 import matmul_int8
from simulator.numerics.models import NUMBER_MODELS, number_model
from simulator.numerics.modes import Broadcast, Dest, Fidelity, Mode, Pool, ReduceDim
from simulator.numerics.sfpu import fill, sfpu, typecast, where
from simulator.numerics.sfpu_table import SFPU
from simulator.numerics.special import erf, erfc
from tests.simulator.numerics import reference
from tests.simulator.numerics.reference import patterns

FAST, EXACT = number_model("fast"), number_model("exact")
seeds = st.integers(0, 2**32 - 1)
modes = st.builds(
    Mode, fidelity=st.sampled_from(Fidelity), dest=st.sampled_from([Dest.FP32, Dest.BF16])
)


def _bf16(seed: int, *shape: int) -> Floats:
    values = np.random.default_rng(seed).standard_normal((*shape, 32, 32), np.float32)
    result: Floats = quantise_host(values, DataFormat.Float16_b)
    return result


@given(seed=seeds, mode=modes, op=st.sampled_from(["add", "sub", "mul"]))
def test_fast_eltwise_is_near_exact(seed: int, mode: Mode, op: str) -> None:
    """Addition aligns to 2**-10 of the larger operand; a phase rounds a product's last bit."""
    in0, in1 = _bf16(seed, 2), _bf16(seed + 1, 2)
    fast, exact = (m.eltwise(op, in0, in1, mode).astype(float) for m in (FAST, EXACT))
    scale = np.abs(in0 * in1) if op == "mul" else np.maximum(np.abs(in0), np.abs(in1))
    bound = scale * (2.0**-10 if op == "mul" else 2.0**-11)
    if mode.dest is Dest.BF16:
        bound += 5 * 2.0**-8 * scale
    if mode.fidelity is Fidelity.HiFi3 and op == "mul":
        bound += 2.0**-10 * scale
    assert (np.abs(fast - exact) <= bound + 1e-30).all()


@settings(max_examples=30, deadline=None)
@given(
    seed=seeds,
    fidelity=st.sampled_from(Fidelity),
    dest=st.sampled_from(Dest),
    half=st.booleans(),
    spread=st.sampled_from([0, 3, 14, 60, 128]),
    op=st.sampled_from(["add", "mul"]),
)
def test_exact_eltwise_is_the_reference(
    seed: int, fidelity: Fidelity, dest: Dest, half: bool, spread: int, op: str
) -> None:
    """Any patterns, exponents 0 and 255 included, and Float16 operands."""
    half = half and dest is Dest.FP32
    rng = np.random.default_rng(seed)
    spread = min(spread, 14) if half or dest is Dest.FP16 else spread
    in0, in1, acc = (patterns(rng, (64,), spread) for _ in range(3))
    if dest is Dest.BF16:
        acc = (words_of(acc) & np.uint32(0xFFFF0000)).view(np.float32)
    mode = Mode(fidelity, dest, errata=True, half_src=half)
    slow = reference.add if op == "add" else reference.multiply
    exact = EXACT.eltwise(op, in0, in1, mode, acc=acc)
    assert np.array_equal(words_of(exact), words_of(slow(acc, in0, in1, mode)))


@given(seed=seeds, kind=st.sampled_from(Broadcast), op=st.sampled_from(["add", "mul"]))
def test_broadcasts_repeat_the_second_operand(seed: int, kind: Broadcast, op: str) -> None:
    """A broadcast equals the op on a tile that was filled by hand."""
    in0, in1 = _bf16(seed), _bf16(seed + 1)
    rows = {Broadcast.ROW, Broadcast.SCALAR}
    columns = {Broadcast.COL, Broadcast.SCALAR}
    filled = np.array(in1)
    if kind in rows:
        filled[:] = filled[:1]
    if kind in columns:
        filled[:] = filled[:, :1]
    for model in (FAST, EXACT):
        left = model.eltwise(op, in0, in1, Mode(), kind=kind)
        assert np.array_equal(left, model.eltwise(op, in0, filled, Mode()))


@given(seed=seeds, mode=modes)
def test_products_accumulate_onto_dst(seed: int, mode: Mode) -> None:
    """The multiplier adds to what DST holds."""
    in0, in1 = _bf16(seed), _bf16(seed + 1)
    zero = np.zeros_like(in0)
    for model in (FAST, EXACT):
        alone = model.eltwise("mul", in0, in1, mode)
        assert np.array_equal(model.eltwise("mul", in0, in1, mode, acc=zero), alone)
        sums = model.eltwise("mul", zero, in1, mode, acc=alone)
        assert np.array_equal(sums, alone)


@settings(max_examples=30, deadline=None)
@given(
    seed=seeds,
    mode=modes,
    pool=st.sampled_from(Pool),
    dim=st.sampled_from(ReduceDim),
    start=st.booleans(),
)
def test_fast_reduce_is_near_exact(
    seed: int, mode: Mode, pool: Pool, dim: ReduceDim, start: bool
) -> None:
    """Same places, zeros elsewhere, values within the rounding of the matrix unit."""
    data = _bf16(seed, 3)
    scaler = np.zeros((1, 32, 32), np.float32)
    scaler[:, [0, 16]] = 1 if pool is Pool.MAX else 0.25
    acc = None
    if start:
        acc = EXACT.reduce(_bf16(seed + 1, 3), scaler, pool, dim, mode)
    fast, exact = (m.reduce(data, scaler, pool, dim, mode, acc=acc) for m in (FAST, EXACT))
    kept = np.zeros((32, 32), bool)
    kept[
        0 if dim is not ReduceDim.ROW else slice(None),
        0 if dim is not ReduceDim.COL else slice(None),
    ] = True
    assert not fast[:, ~kept].any()
    assert not exact[:, ~kept].any()
    if pool is Pool.MAX:
        assert np.array_equal(fast, exact)
        return
    mass = (
        np.abs(data).sum()
        if dim is ReduceDim.SCALAR
        else np.abs(data).sum(-1).max() + np.abs(data).sum(-2).max()
    )
    unit = 2.0**-9 if mode.dest is Dest.FP32 else 2.0**-8 * 2.5 * 16
    assert np.abs(fast.astype(float) - exact).max() <= (mass + 50) * unit


@pytest.mark.parametrize("name", NUMBER_MODELS)
@pytest.mark.parametrize("dim", list(ReduceDim))
def test_small_tiles_reduce_like_padded_ones(name: str, dim: ReduceDim) -> None:
    """A 16x16 tile gives the values of a 32x32 tile that holds it, zeros elsewhere."""
    model = number_model(name)
    full = np.zeros((32, 32), np.float32)
    full[:16, :16] = _bf16(8)[:16, :16]
    scaler = np.ones((32, 32), np.float32)
    small = model.reduce(full[None, :16, :16], scaler, Pool.SUM, dim, Mode())
    assert np.array_equal(
        small, model.reduce(full[None], scaler, Pool.SUM, dim, Mode())[:, :16, :16]
    )
    if name == "exact":
        with pytest.raises(FormatError, match="whole faces"):
            model.reduce(full[:8], scaler, Pool.SUM, dim, Mode())


@pytest.mark.parametrize("name", NUMBER_MODELS)
@pytest.mark.parametrize("op", ["add", "sub", "mul"])
def test_results_go_where_they_are_asked_to(name: str, op: str) -> None:
    """``out`` receives elementwise results and packed tiles, and may be the accumulator."""
    model = number_model(name)
    in0, in1, acc = _bf16(1, 2), _bf16(2, 2), _bf16(3, 2)
    mode = Mode(dest=Dest.BF16)
    out = np.empty_like(in0)
    assert model.eltwise(op, in0, in1, mode, out=out) is out
    assert np.array_equal(out, model.eltwise(op, in0, in1, mode))
    plain = model.eltwise(op, in0, in1, mode, acc=acc)
    assert model.eltwise(op, in0, in1, mode, acc=acc, out=out) is out
    assert np.array_equal(out, plain)
    assert model.eltwise(op, in0, in1, mode, acc=acc, out=acc) is acc
    assert np.array_equal(acc, plain)
    packed = model.pack(plain, DataFormat.Bfp8_b, mode)
    assert model.pack(plain, DataFormat.Bfp8_b, mode, out=out) is out
    assert np.array_equal(out, packed)


@pytest.mark.parametrize("op", ["add", "mul"])
def test_float16_dst_is_rounded_alike(op: str) -> None:
    """Both models round to 11 bits, with or without given memory, products included."""
    mode = Mode(dest=Dest.FP16, half_src=True)
    in0, in1 = _bf16(5, 2), np.ones((2, 32, 32), np.float32)
    fast, exact = (m.eltwise(op, in0, in1, mode) for m in (FAST, EXACT))
    assert np.allclose(fast, exact, atol=2.0**-9, rtol=2.0**-10)
    out = np.empty_like(in0)
    total = FAST.matmul(None, in0, in1, mode, out=out)
    assert total is out
    assert not (words_of(total) & np.uint32(0x1FFF)).any()


def test_reals_are_cut_on_the_way_to_src_in_both_models() -> None:
    """Only Float32 changes in the fast model; copies of clean tiles are free."""
    tiles = _bf16(1)
    for model in (FAST, EXACT):
        assert model.to_src(tiles, DataFormat.Float16_b, Mode()) is tiles
        assert model.copy(tiles, Mode()) is tiles
        cut = model.to_src(tiles + np.float32(2.0**-20), DataFormat.Float32, Mode())
        assert not (words_of(cut) & np.uint32(0x1FFF)).any()
        half = Mode(dest=Dest.BF16)
        assert model.pack(tiles, DataFormat.Float16, half).shape == tiles.shape


@pytest.mark.parametrize("name", NUMBER_MODELS)
def test_max_needs_a_scaler_of_one(name: str) -> None:
    """The hardware defines no other."""
    with pytest.raises(FormatError, match=r"1\.0"):
        number_model(name).reduce(
            _bf16(1), np.zeros((32, 32), np.float32), Pool.MAX, ReduceDim.ROW, Mode()
        )


def test_masked_rows_keep_minus_infinity() -> None:
    """Max with -inf, exp(-inf) and a sum with -inf, as causal attention needs them."""
    data = np.full((32, 32), -np.inf, np.float32)
    data[:, 3] = 2.0
    ones = np.ones((32, 32), np.float32)
    for model in (FAST, EXACT):
        top = model.reduce(data, ones, Pool.MAX, ReduceDim.ROW, Mode())
        assert (top[:, 0] == 2).all()
        shifted = model.eltwise("sub", data, top, Mode(), kind=Broadcast.COL)
        assert (sfpu("exp", shifted, mode=Mode()) == (data == 2)).all()
        total = model.matmul(data, ones, ones, Mode())
        assert np.isneginf(total[:, 0]).all()


@given(seed=seeds)
def test_int8_products_are_exact(seed: int) -> None:
    """Any operands in range, onto any DST that does not saturate."""
    rng = np.random.default_rng(seed)
    in0, in1 = rng.integers(-127, 128, (2, 3, 32, 32), np.int32)
    acc = rng.integers(-(2**20), 2**20, (3, 32, 32), np.int32)
    assert np.array_equal(matmul_int8(acc, in0, in1, Fidelity.HiFi4), acc + in0 @ in1)


def test_int8_saturates_and_checks() -> None:
    """At plus and minus 2**31 - 1; -128 does not exist."""
    big = np.full((32, 32), 127, np.int32)
    acc = np.full((32, 32), 2**31 - 1, np.int32)
    assert (matmul_int8(acc, big, big, Fidelity.HiFi4) == 2**31 - 1).all()
    assert (matmul_int8(-acc, big, -big, Fidelity.HiFi4) == -(2**31) + 1).all()
    with pytest.raises(IntegerRangeError, match="-128"):
        matmul_int8(acc, big - 255, big, Fidelity.HiFi4)


def test_every_function_of_the_isa_is_defined() -> None:
    """The op table and the function table agree on names and arity."""
    assert set(SFPU_UNARY) <= {name for name, row in SFPU.items() if row.arity == 1}
    assert set(SFPU_BINARY + SFPU_SCALAR) <= {n for n, row in SFPU.items() if row.arity == 2}


@pytest.mark.parametrize("name", sorted(SFPU))
def test_functions_keep_shape_and_width(name: str) -> None:
    """Every function, every DST width, on ordinary and special data, without a warning."""
    tiles = _bf16(4, 2)
    tiles[0, 0, :6] = [0, -0.0, np.inf, -np.inf, np.nan, 1e-39]
    operands = (tiles,) * SFPU[name].arity
    for dest, mask in ((Dest.FP32, 0), (Dest.BF16, 0xFFFF), (Dest.FP16, 0x1FFF)):
        result = sfpu(name, *operands, mode=Mode(dest=dest))
        assert result.shape == tiles.shape
        assert result.dtype == np.float32
        finite = words_of(result)[np.isfinite(result)]
        assert not (finite & np.uint32(mask)).any()


def test_functions_are_looked_up_strictly() -> None:
    """Unknown names and wrong arity are refused."""
    with pytest.raises(UnknownFormatError, match="softmax"):
        sfpu("softmax", _bf16(1), mode=Mode())
    with pytest.raises(FormatError, match="takes 2"):
        sfpu("add_binary", _bf16(1), mode=Mode())


def test_error_function_against_the_c_library() -> None:
    """Both directions, tails included."""
    x = np.concatenate([np.linspace(-12, 12, 4001), np.logspace(-20, 0, 200)])
    x = x[x != 0]
    assert np.allclose(erf(x), [math.erf(v) for v in x], rtol=1e-13, atol=0)
    assert np.allclose(erfc(x), [math.erfc(v) for v in x], rtol=1e-12, atol=0)
    assert np.isnan(erf(np.array([np.nan]))).all()
    assert erfc(np.array([np.inf, -np.inf])).tolist() == [0, 2]


def test_tails_of_smooth_functions() -> None:
    """Where a careless formula gives NaN or the wrong sign."""
    x = np.array([[-np.inf, -200.0, -10.0, 0.0, 200.0, np.inf]], np.float32)
    assert sfpu("sigmoid", x, mode=Mode()).tolist()[0][::5] == [0, 1]
    assert sfpu("silu", x, mode=Mode()).tolist()[0][0] == 0
    gelu = sfpu("gelu", x, mode=Mode())[0]
    assert gelu[0] == 0
    assert gelu[2] == pytest.approx(-10 * 0.5 * math.erfc(10 / math.sqrt(2)), rel=1e-6)
    assert gelu[5] == np.inf


def test_where_and_fill() -> None:
    """Selection by non-zero, constants cut to the width of DST."""
    condition = np.array([1.0, 0.0, -0.0, np.nan], np.float32)
    chosen = where(condition, np.ones(4, np.float32), np.zeros(4, np.float32))
    assert chosen.tolist() == [1, 0, 0, 1]
    assert (fill((32, 32), 1.005, Mode(dest=Dest.BF16)) == 1).all()
    assert (fill((32, 32), 1.005, Mode()) == np.float32(1.005)).all()


def test_typecasts() -> None:
    """Towards zero and saturating to integers, nearest even to reals."""
    mode = Mode()
    reals = np.array([-3.7, 3.7, 1e12, -1e12, np.nan], np.float32)
    f32, b16 = DataFormat.Float32, DataFormat.Float16_b
    assert typecast(reals, f32, DataFormat.Int32, mode).tolist() == [
        -3,
        3,
        2**31 - 1,
        -(2**31),
        0,
    ]
    assert typecast(reals, f32, DataFormat.UInt16, mode).tolist() == [0, 3, 65535, 0, 0]
    integers = np.array([2**24 + 1, 257], np.int32)
    assert typecast(integers, DataFormat.Int32, f32, mode).tolist() == [2**24, 257]
    assert typecast(integers, DataFormat.Int32, b16, mode).tolist() == [2**24, 256]
    assert typecast(np.array([1 + 2.0**-8], np.float32), f32, b16, mode).tolist() == [1]
