"""Evaluation of a whole kernel: blocks in chunks, each chunk vectorised."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from golden.approx import Approx, exact, freed
from golden.blocks import BLOCK_FORMATS, stored_by_host
from golden.contract import NumericContract, contract_for
from golden.errors import GoldenError
from golden.formats import F64, find_format
from golden.interpret.machine import Chunk, Machine
from golden.interpret.reader import read_body
from golden.interpret.space import Space
from golden.interpret.statements import Statements
from golden.interpret.tensors import Tensor
from golden.result import GoldenResult, TensorResult
from golden.source import BufferInfo, Kernel, read_kernel

_CHUNK_ELEMENTS: Final = 1 << 22
"""On-chip elements of all blocks evaluated together: 32 MiB of float64 per plane."""


def evaluate(
    func: Any,
    inputs: Mapping[str, npt.NDArray[Any]],
    contract: NumericContract | None = None,
    *,
    bounded: bool = True,
    scalars: Mapping[str, int] | None = None,
    blocks: Sequence[int] | None = None,
) -> GoldenResult:
    """What a source kernel must answer.

    Args:
        func: the source PrimFunc.
        inputs: arrays by parameter name, in logical shapes; real ones are rounded to the
            parameter's type first (nearest, ties to even, as the host does). A name of an output
            sets its initial contents, zero otherwise.
        contract: precision; the default contract of a Wormhole without one.
        bounded: derive error bounds. Without, only values mean anything, and evaluation is cheap.
        scalars: values of scalar parameters.
        blocks: linear numbers of the blocks to evaluate (x fastest), all without; what the others
            write counts as not written.

    Raises:
        GoldenError: the source has no meaning here, blocks race, or inputs do not fit.
    """
    kernel = read_kernel(func)
    if contract is None:
        contract = contract_for(func)
    tensors = {info: _tensor(info, kernel, inputs, bounded) for info in kernel.tensors}
    unknown = set(inputs) - {t.name for t in kernel.tensors}
    if unknown:
        raise GoldenError(
            f"no parameter is called {min(unknown)!r}",
            code="InvalidInputs",
            next_step=f"names: {[t.name for t in kernel.tensors]}",
        )
    machine = Machine(kernel, contract, bounded, tensors)
    for numbers in _chunks(kernel, blocks):
        _run_chunk(machine, numbers, dict(scalars or {}))
    outputs = {}
    for info in kernel.tensors:
        if info.name in kernel.outputs:
            answer, written = tensors[info].result()
            outputs[info.name] = TensorResult(
                info.name, info.dtype, _trimmed(answer), written, info.name in inputs
            )
    return GoldenResult(outputs, contract, bounded, machine.sides)


def _trimmed(answer: Approx) -> Approx:
    """Without planes that say nothing."""
    taint = answer.taint if answer.taint is not None and answer.taint.any() else None
    bound = answer.bound if answer.bound is not None and answer.bound.any() else None
    jumped = answer.jumped if answer.jumped is not None and answer.jumped.any() else None
    value2, bound2 = answer.value2, answer.bound2
    if jumped is None:
        value2 = bound2 = None
    return Approx(answer.value, bound, taint, jumped, value2, bound2, answer.grain, answer.peak)


def quantised(info: BufferInfo, array: npt.NDArray[Any]) -> F64:
    """An input as the device receives it.

    Raises:
        GoldenError: wrong shape, or integers out of range.
    """
    array = np.asarray(array)
    if array.shape != info.shape:
        raise GoldenError(
            f"{info.name} has shape {array.shape}, {info.shape} is expected", code="InvalidInputs"
        )
    return stored_by_host(array, info.stored)


def _tensor(
    info: BufferInfo, kernel: Kernel, inputs: Mapping[str, npt.NDArray[Any]], bounded: bool
) -> Tensor:
    if info.name in inputs:
        values = quantised(info, inputs[info.name])
        data = exact(values) if bounded else Approx(values)
        if bounded:
            data = _without_denormals(data, info.dtype)
            # On the device a huge number, or one whose neighbours decide what it is.
            if info.dtype in ("float16", *BLOCK_FORMATS):
                data = freed(data)
            if info.name in kernel.cut:
                data = replace(data, cut=np.ones(data.value.shape, np.bool_))
        return Tensor(info.name, data, info.dtype)
    if info.name in kernel.inputs and info.name not in kernel.outputs:
        raise GoldenError(f"input {info.name} is missing", code="InvalidInputs")
    zeros = Approx(np.zeros(info.shape), grain=float("inf"), peak=0.0)
    return Tensor(info.name, zeros, info.dtype)


def _without_denormals(data: Approx, dtype: str) -> Approx:
    """Denormal inputs may count as zero."""
    fmt = find_format(dtype)
    if data.grain >= fmt.tiny:
        return data
    magnitude = np.abs(data.value)
    low = (magnitude > 0) & (magnitude < fmt.tiny)
    if not low.any():
        return data
    bound = np.where(low, fmt.tiny, 0.0)
    return Approx(data.value, bound, data.taint, peak=data.peak)


def _chunks(kernel: Kernel, blocks: Sequence[int] | None) -> list[npt.NDArray[np.int32]]:
    total = int(np.prod([extent for _, extent in kernel.grid], dtype=np.int64))
    size = sum(int(np.prod(b.shape)) for b in kernel.buffers if not b.is_tensor)
    count = max(1, min(total, _CHUNK_ELEMENTS // max(size, 1)))
    numbers = np.arange(total, dtype=np.int32)
    if blocks is not None:
        numbers, total = numbers[np.asarray(blocks, np.intp)], len(blocks)
    return [numbers[first : first + count] for first in range(0, total, count)]


def _run_chunk(machine: Machine, numbers: npt.NDArray[np.int32], scalars: dict[str, int]) -> None:
    chunk = Chunk(machine, numbers)
    rest = numbers.astype(np.int64)
    for var, extent in machine.kernel.grid:
        index = rest % extent
        chunk.env[var] = int(index[0]) if (index == index[0]).all() else index
        rest = rest // extent
    for name, var in machine.kernel.scalars:
        if name not in scalars:
            raise GoldenError(f"scalar parameter {name} has no value", code="InvalidInputs")
        chunk.env[var] = scalars[name]
    Statements(chunk).run(read_body(machine.kernel), Space(chunk))
