"""The fast number model: float32 with the device's rounding between ops."""

from __future__ import annotations

import numpy as np

from simulator.formats.bits import Floats
from simulator.formats.dataformat import DataFormat
from simulator.numerics import fastmath
from simulator.numerics.layout import broadcast
from simulator.numerics.model import product_shape
from simulator.numerics.modes import Broadcast, Dest, Mode, Pool, ReduceDim
from simulator.numerics.pack import Relu, pack
from simulator.numerics.rounding import round_bf16_away
from simulator.numerics.source import to_src


class FastModel:
    """Float32 with the device's rounding between ops; see simulator.numerics.fastmath."""

    name = "fast"

    def matmul_operand(
        self, values: Floats, fmt: DataFormat, mode: Mode, side: int, tf32: bool = True
    ) -> Floats:
        """See NumberModel."""
        return fastmath.matmul_operand(values, fmt, mode, side, tf32)

    def matmul(
        self,
        acc: Floats | None,
        in0: Floats,
        in1: Floats,
        mode: Mode,
        *,
        out: Floats | None = None,
        scratch: Floats | None = None,
    ) -> Floats:
        """See NumberModel."""
        if out is None:
            out = np.empty(product_shape(in0, in1) if acc is None else acc.shape, np.float32)
        return fastmath.matmul(acc, in0, in1, mode, out, scratch)

    def eltwise(
        self,
        op: str,
        in0: Floats,
        in1: Floats,
        mode: Mode,
        *,
        kind: Broadcast = Broadcast.NONE,
        acc: Floats | None = None,
        out: Floats | None = None,
    ) -> Floats:
        """See NumberModel."""
        target = None if out is acc else out
        result = fastmath.ELTWISE[op](in0, broadcast(in1, kind), mode, target)
        if acc is not None:
            result = np.add(result, acc, out=result if out is None else out)
        return fastmath.to_dst(result, mode, result)

    def reduce(
        self,
        data: Floats,
        scaler: Floats,
        pool: Pool,
        dim: ReduceDim,
        mode: Mode,
        *,
        acc: Floats | None = None,
        tf32: bool = False,
    ) -> Floats:
        """See NumberModel."""
        del tf32
        return fastmath.reduce(data, scaler, pool, dim, mode, acc)

    def to_src(self, values: Floats, fmt: DataFormat, mode: Mode, tf32: bool = True) -> Floats:
        """See NumberModel."""
        return to_src(values, fmt, mode, tf32) if fmt is DataFormat.Float32 else values

    def copy(self, src: Floats, mode: Mode) -> Floats:
        """See NumberModel."""
        del mode
        return src

    def pack(
        self,
        dst: Floats,
        fmt: DataFormat,
        mode: Mode,
        relu: Relu | None = None,
        out: Floats | None = None,
    ) -> Floats:
        """See NumberModel."""
        if fmt is DataFormat.Float16_b and relu is None:
            if mode.dest is Dest.FP32:
                return round_bf16_away(dst, out)
            if mode.dest is Dest.BF16:
                return dst
        packed = pack(dst, fmt, mode, relu)
        if out is None or packed is dst:
            return packed
        out[...] = packed
        return out
