"""Integer products on the matrix unit: Int8 times Int8 onto 32-bit DST.

Operands are sign and magnitude; each phase multiplies the low five or the other bits of SrcA (in1)
by the low four or the other bits of SrcB (in0). Sixteen products at a time are added to DST, which
saturates at plus and minus 2**31 - 1 (tt-isa-documentation, TensixCoprocessor/MVMUL).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from simulator.formats.dataformat import DataFormat
from simulator.formats.integers import check_range
from simulator.numerics.modes import Fidelity

Ints = npt.NDArray[Any]

_LIMIT = 2**31 - 1
_FACE = 16


def matmul_int8(acc: Ints, in0: Ints, in1: Ints, fidelity: Fidelity) -> npt.NDArray[np.int32]:
    """Add to acc in0 (..., M, K) times in1 (..., K, N), K a multiple of 16; exact at HiFi4.

    Raises IntegerRangeError for operands outside [-127, 127].
    """
    check_range(in0, DataFormat.Int8)
    check_range(in1, DataFormat.Int8)
    low0, low1 = _low_bits(in0, 4), _low_bits(in1, 5)
    parts0, parts1 = (in0 - low0, low0), (in1 - low1, low1)
    total = acc.astype(np.float64)
    for phase in range(fidelity.phases):
        left = parts0[phase >> 1].astype(np.float32)
        right = parts1[phase & 1].astype(np.float32)
        for start in range(0, in0.shape[-1], _FACE):
            face = slice(start, start + _FACE)
            total = total + left[..., :, face] @ right[..., face, :]
            np.clip(total, -_LIMIT, _LIMIT, out=total)
    return total.astype(np.int32)


def _low_bits(values: Ints, bits: int) -> Ints:
    """The low magnitude bits, with the sign of the value."""
    low: Ints = (np.abs(values) & ((1 << bits) - 1)).astype(np.int32)
    return np.where(values < 0, -low, low)
