"""Evaluation of vector-unit functions on DST tiles.

Denormals count as zero on the way in and out (tt-isa-documentation, VectorUnit). DST tiles are
float32 arrays, or int32/uint32 after a cast to an integer format.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from simulator.formats.bits import HIGH_HALF, Floats, floats_of, round_nearest_even, words_of
from simulator.formats.dataformat import DataFormat
from simulator.formats.errors import FormatError, UnknownFormatError
from simulator.numerics.extended import Doubles
from simulator.numerics.modes import Chip, Dest, Mode
from simulator.numerics.packfloat import late_half
from simulator.numerics.sfpu_table import SFPU, Store

Array = npt.NDArray[Any]

_TINY = np.float32(2.0**-126)


def sfpu(name: str, *operands: Array | float, mode: Mode) -> Floats:
    """DST tile that function ``name`` leaves, of tiles of one shape and float immediates.

    Raises UnknownFormatError for a function that does not exist, FormatError for a wrong number
    of operands or tiles of integers.
    """
    row = SFPU.get(name)
    if row is None:
        raise UnknownFormatError(f"no SFPU function {name!r}; one of {sorted(SFPU)}")
    if len(operands) != row.arity:
        raise FormatError(f"{name} takes {row.arity} operands, got {len(operands)}")
    load = _flushed if row.single else _load
    with np.errstate(all="ignore"):
        values = row.function(*(load(operand) for operand in operands))
        return _to_dst(values.astype(np.float32, copy=False), row.store, mode)


def where(condition: Array, chosen: Array, other: Array) -> Array:
    """``chosen`` where ``condition`` is not zero (denormals and -0 are), else ``other``."""
    return np.where(_load(condition) != 0, chosen, other)


def fill(shape: tuple[int, ...], value: float, mode: Mode) -> Floats:
    """A DST tile of one value, cut to the width of DST."""
    return _to_dst(np.full(shape, value, np.float32), Store.CUT, mode)


def typecast(dst: Array, source: DataFormat, target: DataFormat, mode: Mode) -> Array:
    """DST tile of format ``source`` converted to ``target``.

    Real to integer cuts towards zero and saturates, NaN becomes zero; integer to real rounds to
    nearest even; real to real rounds to nearest even to bfloat16 where that is the target, other
    narrowing is the packer's work.
    """
    if target.is_integer:
        return _to_integer(dst, target)
    values = dst.astype(np.float64) if source.is_integer else _load(dst)
    with np.errstate(all="ignore"):
        result = values.astype(np.float32)
    if target is DataFormat.Float16_b:
        return _nearest_bf16(result)
    return _to_dst(result, Store.NEAREST, mode)


def _to_integer(dst: Array, target: DataFormat) -> Array:
    low, high = target.spec.low, target.spec.high
    values = np.nan_to_num(np.trunc(dst.astype(np.float64)), nan=0.0, posinf=high, neginf=low)
    result: Array = np.clip(values, low, high).astype(np.int64).astype(target.value_dtype)
    return result


def _load(operand: Array | float) -> Doubles:
    """A DST tile or immediate in float64, denormals as zeros of their sign."""
    return _flushed(operand).astype(np.float64)


def _flushed(operand: Array | float) -> Floats:
    """A DST tile or immediate with denormals as zeros of their sign; not copied without any."""
    values = np.asarray(operand, np.float32)
    small = np.abs(values) < _TINY
    if not small.any():
        return values
    small = small & (values != 0)
    return np.where(small, np.copysign(np.float32(0), values), values) if small.any() else values


def _to_dst(values: Floats, store: Store, mode: Mode) -> Floats:
    """Float32 results (an array of their own) as DST holds them.

    Results in the denormal range become zero of their sign; the adder of Wormhole loses the sign
    of zeros (measured: tests/vectors/sfpu.npz, addbinary).
    """
    small = np.abs(values) < _TINY
    if mode.chip is Chip.WORMHOLE and store is Store.CUT:
        np.copyto(values, np.float32(0), where=small)
    elif (values[small] != 0).any():
        np.multiply(values, np.float32(0), where=small, out=values)
    if mode.dest is Dest.FP32:
        return values
    if mode.dest is Dest.FP16:
        return floats_of(late_half(words_of(values), rounded=store is Store.NEAREST))
    if store is Store.CUT:
        return floats_of(words_of(values) & HIGH_HALF)
    return _nearest_bf16(values)


def _nearest_bf16(values: Floats) -> Floats:
    words = words_of(values).copy()
    nan = np.isnan(values)
    words[nan] = words[nan] & np.uint32(0xFFC00000) | np.uint32(0x00400000)  # a quiet one
    round_nearest_even(words, 16)
    return floats_of(words)
