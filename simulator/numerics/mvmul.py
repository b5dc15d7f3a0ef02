"""Matrix products on the matrix unit, bit for bit.

Per tile the order is: phase outermost, then the two 16-element halves of K, each adding two group
sums to DST (tt-llk llk_math_matmul.h; measured: tests/vectors/matmul.npz). Tiles of K follow one
another.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from simulator.formats.bits import Floats, Words, words_of
from simulator.numerics.accumulate import Terms, accumulate
from simulator.numerics.extended import Doubles, extend, narrow
from simulator.numerics.modes import Dest, Mode
from simulator.numerics.products import GROUP, PHASE_EXPONENTS, Sums, group_sums

Array = npt.NDArray[Any]

CHUNK_TILES = 4
"""Tile products worked on at once: their scratch (64 KiB of products per phase set and tile)
stays near the L2 cache. Measured: tests/benchmarks/test_numerics_bench.py."""


def matmul_exact(
    acc: Floats | np.float32, in0: Floats, in1: Floats, mode: Mode, out: Floats
) -> Floats:
    """Set ``out`` to acc + in0 (..., M, K) times in1 (..., K, N), K a multiple of 16.

    Leading axes broadcast to those of ``out``, which may be ``acc``.
    """
    lead = out.shape[:-2]
    first = _flat_index(in0, lead)
    second = _flat_index(in1, lead)
    words0 = words_of(in0).reshape(-1, *in0.shape[-2:])
    words1 = words_of(in1).reshape(-1, *in1.shape[-2:])
    start = np.broadcast_to(acc, out.shape).reshape(-1, *out.shape[-2:])
    result = out.reshape(-1, *out.shape[-2:])
    for begin in range(0, len(first), CHUNK_TILES):
        part = slice(begin, begin + CHUNK_TILES)
        sums = mode_sums(words0[first[part]], words1[second[part]], mode)
        result[part] = narrow(add_sums(extend(start[part]), sums, mode))
    if not np.shares_memory(result, out):
        out[...] = result.reshape(out.shape)
    return out


def mode_sums(in0: Words, in1: Words, mode: Mode) -> Sums:
    """Group sums of all phases of the mode's fidelity."""
    return group_sums(in0, in1, mode.fidelity.phases, mode.half_src and mode.dest.is_fp32)


def add_sums(dst: Doubles, sums: Sums, mode: Mode) -> Doubles:
    """DST (tiles, rows, columns) after adding all group sums, in the order of the hardware."""
    exponents = sums.exponents.astype(np.int32)
    low = int(exponents.min(initial=0))
    base = np.ldexp(1.0, np.maximum(exponents, -1000))
    least = -15 if mode.dest is Dest.FP16 else -127
    faces = range(exponents.shape[1] * GROUP // 16)
    for phase, counts in enumerate(sums.counts):
        weight = 2.0 ** PHASE_EXPONENTS[phase]
        scales = base * weight
        if low + PHASE_EXPONENTS[phase] <= least:
            scales[exponents + PHASE_EXPONENTS[phase] <= least] = 0.0
        values = counts * (scales * 2.0**-10)
        for face in faces:
            terms = [Terms(values[:, g], scales[:, g]) for g in (2 * face, 2 * face + 1)]
            dst = accumulate(dst, terms, mode)
    return dst


def _flat_index(operand: Array, lead: tuple[int, ...]) -> npt.NDArray[np.intp]:
    """Which of the operand's matrices each output matrix uses."""
    own = operand.shape[:-2]
    index = np.arange(int(np.prod(own, dtype=np.int64)), dtype=np.intp).reshape(own)
    return np.broadcast_to(index, lead).reshape(-1)
