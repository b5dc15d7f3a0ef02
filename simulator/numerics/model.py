"""The interface of the two number models, ``fast`` and ``exact``.

All tiles are float32 arrays (..., 32, 32); leading axes are lanes and tiles in any number. A mode
says how the program computes. Conversions, packing and the vector unit are one code for both,
except that ``fast`` keeps denormals, -0 and NaN where that saves passes.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from simulator.formats.bits import Floats
from simulator.formats.dataformat import DataFormat
from simulator.numerics.modes import Broadcast, Mode, Pool, ReduceDim
from simulator.numerics.pack import Relu


class NumberModel(Protocol):
    """How numbers are computed. Results are new arrays unless ``out`` says otherwise."""

    @property
    def name(self) -> str:
        """``"fast"`` or ``"exact"``."""

    def matmul_operand(
        self, values: Floats, fmt: DataFormat, mode: Mode, side: int, tf32: bool = True
    ) -> Floats:
        """What of a buffer's tiles enters the multiplier as in0 (``side`` 0) or in1 (1).

        A pure function of its arguments: keep the result beside decoded tiles that are used
        often. Returns the input itself when nothing changes, as for bfloat16 at HiFi4. ``tf32``
        says that all buffers of the kernel have 8-bit exponents.
        """

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
        """Add one K tile: acc + in0 @ in1, for operands from matmul_operand.

        Leading axes broadcast, as in A[..., m, None, 32, 32] @ B[..., None, n, 32, 32]. ``acc``
        None is a cleared DST. ``out`` may be ``acc``; ``scratch`` of the same shape saves an
        allocation then. Pass in1 with its last axes swapped for the transpose flag.
        """

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
        """in0 (op) in1 + acc on the matrix unit for Src tiles, op in add, sub, mul.

        The hardware always accumulates products: pass DST for mul unless it is cleared. ``out``
        may be ``acc``.
        """

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
        """Reduction of Src tiles onto DST; zeros beside column 0, row 0 or element [0, 0].

        ``tf32`` says that the data's buffer is Float32. Raises FormatError for MAX with a scaler
        that is not 1.
        """

    def to_src(self, values: Floats, fmt: DataFormat, mode: Mode, tf32: bool = True) -> Floats:
        """What SrcA or SrcB holds of a buffer's tiles; the input itself when exact."""

    def copy(self, src: Floats, mode: Mode) -> Floats:
        """What DST holds after copying Src tiles (copy_tile); the input itself when it is exact.

        A buffer that is unpacked to DST (UnpackToDestFp32) needs no call: its values are DST's.
        """

    def pack(
        self,
        dst: Floats,
        fmt: DataFormat,
        mode: Mode,
        relu: Relu | None = None,
        out: Floats | None = None,
    ) -> Floats:
        """What a buffer of real format ``fmt`` holds after packing DST tiles.

        Returns ``dst`` itself when nothing changes, as from fp32 DST to Float32; otherwise ``out``,
        which must not be ``dst``, or a new array.
        """


def product_shape(in0: Floats, in1: Floats) -> tuple[int, ...]:
    """Shape of in0 @ in1 with broadcast leading axes."""
    lead = np.broadcast_shapes(in0.shape[:-2], in1.shape[:-2])
    return (*lead, in0.shape[-2], in1.shape[-1])
