"""Reductions of tiles on the matrix unit, bit for bit.

SUM and AVG are products with a scaler tile, whose first row counts: ROW multiplies data in SrcB by
the scaler in SrcA (MVMUL, phase outermost over both faces of a row), COL and SCALAR data in SrcA by
the scaler in SrcB (GAPOOL, all phases of a face before the next face). MAX compares signs and
magnitudes (GMPOOL). SCALAR pools the faces into sixteen column sums, which pass SrcB on their way
to a last pooling, cut to the width of Src (tt-llk llk_math_reduce.h; measured:
tests/vectors/reduce.npz).

Operands are Src values of tiles whose sides are 32 or 16. The result has the reduced values in
column 0, row 0 or element [0, 0], and zeros elsewhere, as the packer's reduce mask leaves them.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from simulator.formats.bits import HIGH_HALF, INFINITY, Floats, Words, floats_of, words_of
from simulator.formats.errors import FormatError
from simulator.numerics.copy import src_to_dst
from simulator.numerics.extended import Doubles, extend, narrow
from simulator.numerics.modes import Mode, Pool, ReduceDim
from simulator.numerics.mvmul import add_sums, mode_sums
from simulator.numerics.products import FACE
from simulator.numerics.source import dst_to_src

Array = npt.NDArray[Any]

_LEAST = np.int32(-0x7FFFE001)
"""Key below every datum: what GMPOOL reads from a cleared DST row."""


@dataclass(frozen=True)
class _Task:
    """What all reductions need to know beside their data."""

    mode: Mode
    acc: Floats | None
    tf32: bool


def reduce_exact(
    data: Floats,
    scaler: Floats,
    pool: Pool,
    dim: ReduceDim,
    mode: Mode,
    acc: Floats | None = None,
    tf32: bool = False,
) -> Floats:
    """Reduce each tile of ``data`` onto ``acc`` (the DST tile, empty if None).

    ``tf32`` says that the data's circular buffer is Float32, so that values moving through Src
    keep TF32 precision. Raises FormatError for MAX with a scaler other than 1, which the hardware
    does not define, and for tiles without whole faces.
    """
    if data.shape[-2] % FACE or data.shape[-1] % FACE:
        raise FormatError(f"a reduction needs whole faces, got tiles of {data.shape[-2:]}")
    lead = data.shape[:-2]
    tiles = data.reshape(-1, *data.shape[-2:])
    task = _Task(mode, None if acc is None else acc.reshape(tiles.shape), tf32)
    if pool is Pool.MAX:
        if (scaler[..., 0, :FACE] != 1).any():
            raise FormatError("a MAX reduction needs a scaler of 1.0 in the first row")
        result = _REDUCERS_MAX[dim](tiles, task)
    else:
        weights = scaler.reshape(-1, *scaler.shape[-2:])[:, 0:1, :FACE]
        result = _REDUCERS_SUM[dim](tiles, weights, task)
    return result.reshape(*lead, *data.shape[-2:])


def _sum_row(tiles: Floats, weights: Floats, task: _Task) -> Floats:
    out = np.zeros(tiles.shape, np.float32)
    column = words_of(weights.swapaxes(1, 2))
    dst = extend(
        np.zeros((*tiles.shape[:2], 1), np.float32) if task.acc is None else task.acc[:, :, :1]
    )
    repeated = np.concatenate([column] * (tiles.shape[2] // FACE), axis=1)
    out[:, :, :1] = narrow(_add(dst, words_of(tiles), repeated, task.mode))
    return out


def _sum_col(tiles: Floats, weights: Floats, task: _Task) -> Floats:
    out = np.zeros(tiles.shape, np.float32)
    row = words_of(weights)
    start = (
        np.zeros((len(tiles), 1, tiles.shape[2]), np.float32)
        if task.acc is None
        else task.acc[:, :1]
    )
    dst = extend(start)
    for face in _faces(tiles.shape[1]):
        dst = _add(dst, row, words_of(tiles[:, face]), task.mode)
    out[:, :1] = narrow(dst)
    return out


def _sum_scalar(tiles: Floats, weights: Floats, task: _Task) -> Floats:
    out = np.zeros(tiles.shape, np.float32)
    row = words_of(weights)
    dst: Doubles = np.zeros((len(tiles), 1, FACE))
    for rows in _faces(tiles.shape[1]):
        for columns in _faces(tiles.shape[2]):
            dst = _add(dst, row, words_of(tiles[:, rows, columns]), task.mode)
    sums = dst_to_src(narrow(dst), task.mode, task.tf32).swapaxes(1, 2)
    start = np.zeros((len(tiles), 1, 1), np.float32) if task.acc is None else task.acc[:, :1, :1]
    out[:, :1, :1] = narrow(_add(extend(start), row, words_of(sums), task.mode))
    return out


def _faces(extent: int) -> list[slice]:
    return [slice(start, start + FACE) for start in range(0, extent, FACE)]


def _add(dst: Doubles, in0: Words, in1: Words, mode: Mode) -> Doubles:
    return add_sums(dst, mode_sums(in0, in1, mode), mode)


def _max_row(tiles: Floats, task: _Task) -> Floats:
    out = np.zeros(tiles.shape, np.float32)
    start = None if task.acc is None else task.acc[:, :, :1]
    pooled = _pool_max(tiles, 2, task.mode, start)
    out[:, :, :1] = src_to_dst(dst_to_src(pooled, task.mode, task.tf32), task.mode)
    return out


def _max_col(tiles: Floats, task: _Task) -> Floats:
    out = np.zeros(tiles.shape, np.float32)
    out[:, :1] = _pool_max(tiles, 1, task.mode, None if task.acc is None else task.acc[:, :1])
    return out


def _max_scalar(tiles: Floats, task: _Task) -> Floats:
    out = np.zeros(tiles.shape, np.float32)
    faces = tiles.reshape(len(tiles), -1, FACE)
    pooled = dst_to_src(_pool_max(faces, 1, task.mode, None), task.mode, task.tf32)
    start = None if task.acc is None else task.acc[:, :1, :1]
    out[:, :1, :1] = _pool_max(pooled, 2, task.mode, start)
    return out


def _pool_max(data: Floats, axis: int, mode: Mode, acc: Floats | None) -> Floats:
    """The largest datum along ``axis`` and of ``acc``, by sign and magnitude."""
    keys = _keys(words_of(data)).max(axis=axis, keepdims=True)
    if acc is not None:
        mask = np.uint32(0xFFFFE000) if mode.dest.is_fp32 else HIGH_HALF
        keys = np.maximum(keys, _keys(words_of(acc) & mask))
    return floats_of(_unkey(np.maximum(keys, _LEAST)))


def _keys(words: Words) -> npt.NDArray[np.int32]:
    """Integers in the order of sign and magnitude; denormals count as +0."""
    flushed = np.where(words & INFINITY, words, np.uint32(0))
    return _flip(flushed.view(np.int32))


def _unkey(keys: npt.NDArray[np.int32]) -> Words:
    return _flip(keys).view(np.uint32)


def _flip(integers: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
    return integers ^ ((integers >> np.int32(31)) & np.int32(0x7FFFFFFF))


_REDUCERS_SUM = MappingProxyType(
    {
        ReduceDim.ROW: _sum_row,
        ReduceDim.COL: _sum_col,
        ReduceDim.SCALAR: _sum_scalar,
    }
)
_REDUCERS_MAX = MappingProxyType(
    {
        ReduceDim.ROW: _max_row,
        ReduceDim.COL: _max_col,
        ReduceDim.SCALAR: _max_scalar,
    }
)
