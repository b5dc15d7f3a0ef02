"""The exact number model: bit for bit what the device computes."""

from __future__ import annotations

import numpy as np

from simulator.formats.bits import Floats
from simulator.formats.dataformat import DataFormat
from simulator.numerics.copy import src_to_dst
from simulator.numerics.eltwise import ELTWISE
from simulator.numerics.layout import broadcast
from simulator.numerics.model import product_shape
from simulator.numerics.modes import Broadcast, Mode, Pool, ReduceDim
from simulator.numerics.mvmul import matmul_exact
from simulator.numerics.pack import Relu, pack
from simulator.numerics.reduce import reduce_exact
from simulator.numerics.source import to_src


class ExactModel:
    """Bit for bit what the device computes."""

    name = "exact"

    def matmul_operand(
        self, values: Floats, fmt: DataFormat, mode: Mode, side: int, tf32: bool = True
    ) -> Floats:
        """See NumberModel."""
        del side
        return to_src(values, fmt, mode, tf32)

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
        del scratch
        shape = product_shape(in0, in1) if acc is None else acc.shape
        start = np.float32(0) if acc is None else acc
        target = np.empty(shape, np.float32) if out is None else out
        return matmul_exact(start, in0, in1, mode, target)

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
        return _deliver(ELTWISE[op](in0, broadcast(in1, kind), mode, acc), out)

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
        return reduce_exact(data, scaler, pool, dim, mode, acc, tf32)

    def to_src(self, values: Floats, fmt: DataFormat, mode: Mode, tf32: bool = True) -> Floats:
        """See NumberModel."""
        return to_src(values, fmt, mode, tf32)

    def copy(self, src: Floats, mode: Mode) -> Floats:
        """See NumberModel."""
        return src_to_dst(src, mode)

    def pack(
        self,
        dst: Floats,
        fmt: DataFormat,
        mode: Mode,
        relu: Relu | None = None,
        out: Floats | None = None,
    ) -> Floats:
        """See NumberModel."""
        packed = pack(dst, fmt, mode, relu)
        return packed if packed is dst else _deliver(packed, out)


def _deliver(result: Floats, out: Floats | None) -> Floats:
    if out is None:
        return result
    out[...] = result
    return out
