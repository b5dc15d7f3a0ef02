"""Arithmetic of the fast number model: float32, rounded where the device rounds between ops.

What it keeps of the device: operands cut to the significand bits the fidelity uses, one product
per K tile, DST rounded (ties away) after each op when it has 16 bits, packer and vector-unit
rounding. What it leaves out: alignment inside groups of products, rounding per phase and face,
the low times low products that HiFi3 drops (at most 2**-10 of a product), flushing of denormals,
the treatment of exponent 255 as an ordinary exponent.
"""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType
from typing import Any

import numpy as np

from simulator.formats.bits import Floats, floats_of, words_of
from simulator.formats.dataformat import DataFormat
from simulator.formats.errors import FormatError
from simulator.numerics.modes import Dest, Fidelity, Mode, Pool, ReduceDim
from simulator.numerics.packfloat import late_half
from simulator.numerics.rounding import round_bf16_away
from simulator.numerics.source import to_src

SIGNIFICAND_BITS = MappingProxyType(
    {
        DataFormat.Float32: 24,
        DataFormat.Float16_b: 8,
        DataFormat.Float16: 11,
        DataFormat.Bfp8_b: 7,
        DataFormat.Bfp4_b: 3,
        DataFormat.Bfp2_b: 1,
    }
)
"""Significand bits, the leading one included, of a datum of each real format."""

_LOW = (Fidelity.LoFi, Fidelity.HiFi2)


def src_a_bits(fidelity: Fidelity) -> int:
    """Significand bits of SrcA the multiplier uses: 5 in the first phase, 10 in all."""
    return 5 if fidelity is Fidelity.LoFi else 10


def src_b_bits(fidelity: Fidelity) -> int:
    """Significand bits of SrcB the multiplier uses: 7, or 11 from the third phase on."""
    return 7 if fidelity in _LOW else 11


def matmul_operand(values: Floats, fmt: DataFormat, mode: Mode, side: int, tf32: bool) -> Floats:
    """Tiles as ``matmul`` multiplies them; the input itself when nothing is cut.

    Significands are cut to the bits the fidelity uses of in0 (``side`` 0, SrcB) or in1 (1, SrcA).
    """
    values = to_src(values, fmt, mode, tf32)
    used = src_b_bits(mode.fidelity) if side == 0 else src_a_bits(mode.fidelity)
    return cut(values, used) if SIGNIFICAND_BITS[fmt] > used else values


def cut(values: Floats, bits: int) -> Floats:
    """Significands cut to ``bits`` bits, the leading one included."""
    return floats_of(words_of(values) & np.uint32((0xFFFFFFFF << (24 - bits)) & 0xFFFFFFFF))


def matmul(
    acc: Floats | None, in0: Floats, in1: Floats, mode: Mode, out: Floats, scratch: Floats | None
) -> Floats:
    """Set ``out`` to acc + in0 @ in1 in float32, rounded to DST."""
    if acc is None:
        np.matmul(in0, in1, out=out)
    elif acc is out:
        product = np.matmul(in0, in1, out=scratch) if scratch is not None else in0 @ in1
        out += product
    else:
        np.matmul(in0, in1, out=out)
        out += acc
    return to_dst(out, mode, out)


def to_dst(values: Floats, mode: Mode, out: Floats | None = None) -> Floats:
    """Float32 results rounded to the width of DST; the input itself for fp32 DST."""
    if mode.dest is Dest.FP32:
        return values
    if mode.dest is Dest.BF16:
        return round_bf16_away(values, out)
    rounded = floats_of(late_half(words_of(values), rounded=True))
    if out is None:
        return rounded
    out[...] = rounded
    return out


def _add(in0: Floats, in1: Floats, mode: Mode, out: Floats | None) -> Floats:
    del mode
    return np.add(in0, in1, out=out)


def _sub(in0: Floats, in1: Floats, mode: Mode, out: Floats | None) -> Floats:
    del mode
    return np.subtract(in0, in1, out=out)


def _mul(in0: Floats, in1: Floats, mode: Mode, out: Floats | None) -> Floats:
    """in0 (SrcA) times in1 (SrcB), operands cut to the bits the fidelity uses."""
    left = cut(in0, src_a_bits(mode.fidelity))
    right = cut(in1, src_b_bits(mode.fidelity)) if mode.fidelity in _LOW else in1
    return np.multiply(left, right, out=out)


def reduce(
    data: Floats, scaler: Floats, pool: Pool, dim: ReduceDim, mode: Mode, acc: Floats | None
) -> Floats:
    """Reduction of tiles (..., 32, 32) with zeros beside the reduced values."""
    out = np.zeros(data.shape, np.float32)
    target: tuple[Any, ...] = _TARGETS[dim]
    axes = _AXES[dim]
    if pool is Pool.MAX:
        if (scaler[..., 0, :16] != 1).any():
            raise FormatError("a MAX reduction needs a scaler of 1.0 in the first row")
        result = data.max(axis=axes, keepdims=True)
        out[target] = result if acc is None else np.maximum(result, acc[target])
        return out
    factor = scaler[..., :1, :1]
    bits = src_b_bits if dim is ReduceDim.ROW else src_a_bits
    total = cut(data, bits(mode.fidelity)).sum(axis=axes, keepdims=True) * factor
    if dim is ReduceDim.SCALAR:
        total = total * factor
    if acc is not None:
        total = total + acc[target]
    out[target] = to_dst(total, mode)
    return out


Eltwise = Callable[[Floats, Floats, Mode, Floats | None], Floats]

ELTWISE: MappingProxyType[str, Eltwise] = MappingProxyType({"add": _add, "sub": _sub, "mul": _mul})
"""Elementwise ops by name, on Src tiles, before rounding to DST."""

_AXES: MappingProxyType[ReduceDim, Any] = MappingProxyType(
    {ReduceDim.ROW: -1, ReduceDim.COL: -2, ReduceDim.SCALAR: (-2, -1)}
)
_TARGETS: MappingProxyType[ReduceDim, tuple[Any, ...]] = MappingProxyType(
    {
        ReduceDim.ROW: (..., slice(None), slice(0, 1)),
        ReduceDim.COL: (..., slice(0, 1), slice(None)),
        ReduceDim.SCALAR: (..., slice(0, 1), slice(0, 1)),
    }
)
