"""The lowered kernel as native code, and its run on arrays."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import tvm
import tvm_ffi
from tvm import tirx

from golden.blocks import stored_by_host
from golden.errors import GoldenError
from golden.second.errors import NoSecondOpinionError
from golden.second.memory import Cell, Memory
from golden.second.statements import Statements
from golden.source import REDUCER, constant, is_buffer

TARGET: Final = MappingProxyType({"kind": "llvm", "opt-level": 0})
"""Without optimisation: at level 2 a softmax takes a second to compile for a millisecond saved."""
_NAME: Final = "main"

Arrays = dict[str, npt.NDArray[Any]]


class Native:
    """A source kernel compiled by LLVM."""

    def __init__(self, func: Any, most: int | None = None) -> None:
        """Lower and compile; ``most`` is how many elements the loops may store.

        Raises:
            NoSecondOpinionError: a construct without a lowering, more elements, or no LLVM in this
                TVM.
        """
        if not tvm.runtime.enabled("llvm"):
            raise NoSecondOpinionError("this TVM was built without LLVM")
        self.lowered, self.memory = lower(func)
        if most is not None and not 0 <= stores(self.lowered.body) <= most:
            raise NoSecondOpinionError(f"more than {most} elements are stored")
        target = tvm.target.Target(dict(TARGET))
        self._run = tvm.compile(tvm.IRModule({_NAME: self.lowered}), target=target)[_NAME]

    def run(self, given: Mapping[str, npt.NDArray[Any]]) -> tuple[Arrays, Arrays]:
        """Tensors after the run and where each was written; absent ones begin as zeros."""
        tensors = self.memory.tensors
        before = np.zeros(self.memory.size)
        for cell in tensors:
            if cell.name in given:
                _part(before, cell, cell.offset)[...] = _stored(cell, given[cell.name])
        held = tvm.runtime.tensor(before)
        self._run(held)
        after = held.numpy()
        written = {c.name: _part(after, c, c.marks or 0) != 0 for c in tensors}
        return {c.name: _part(after, c, c.offset) for c in tensors}, written


def lower(func: Any) -> tuple[Any, Memory]:
    """A source kernel as a PrimFunc of plain loops over one array, and what lies where in it.

    Raises:
        NoSecondOpinionError: a construct without a lowering.
    """
    for param in func.params:
        if not is_buffer(param):
            raise NoSecondOpinionError(f"the scalar parameter {param.name}")
    blocks: list[Any] = []
    views: list[tuple[Any, Any]] = []
    reducers: dict[Any, str] = {}

    def allocated(node: Any) -> None:
        blocks.append(node.buffer)
        if REDUCER in node.annotations:
            reducers[node.buffer] = str(node.annotations[REDUCER])

    tvm_ffi.structural_walk(func.body, [
        (tirx.AllocBuffer, allocated),
        (tirx.DeclBuffer, lambda node: views.append((node.buffer, node.data.args[0]))),
    ])  # fmt: skip
    memory = Memory(func.params, blocks, views)
    body = Statements(memory, reducers).lower(func.body)
    made = tirx.PrimFunc([memory.array], body).with_attr("global_symbol", _NAME)
    return made, memory


def stores(stmt: Any) -> float:
    """How many elements loops store, at most; infinite where their lengths are no constants."""
    if isinstance(stmt, tirx.For):
        extent = constant(stmt.extent)
        return (math.inf if extent is None else extent) * stores(stmt.body)
    if isinstance(stmt, tirx.SeqStmt):
        return sum(stores(part) for part in stmt.seq[:])
    if isinstance(stmt, tirx.IfThenElse):
        cases = (stmt.then_case, stmt.else_case)
        return sum(stores(case) for case in cases if case is not None)
    return float(isinstance(stmt, tirx.BufferStore))


def _part(memory: npt.NDArray[np.float64], cell: Cell, offset: int) -> npt.NDArray[np.float64]:
    return memory[offset : offset + cell.size].reshape(cell.shape)


def _stored(cell: Cell, array: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """An array as the host stores it; of another shape where it is used, its elements in order.

    Raises:
        GoldenError: of another size.
    """
    array = np.asarray(array)
    if array.size != cell.size:
        raise GoldenError(f"{cell.name} has shape {array.shape}, {cell.shape} is expected",
                          code="InvalidInputs")  # fmt: skip
    stored = stored_by_host(array, "int8_bytes" if cell.dtype == "int8" else cell.dtype)
    return stored.reshape(cell.shape)
