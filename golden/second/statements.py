"""Statements of the source as loops: the grid serial, blocks on chip forgotten where they begin."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

import tvm
import tvm_ffi
from tvm import tirx

from golden.second.errors import NoSecondOpinionError
from golden.second.memory import REAL, Memory, sequence, working
from golden.second.scalars import Scalars
from golden.second.tileops import TileOps
from golden.source import GRID_AXES, constant, dtype_of

_SERIAL, _PARALLEL, _VECTORIZED, _UNROLLED = 0, 1, 2, 3
_INDEPENDENT: Final = (_PARALLEL, _VECTORIZED)


class Statements:
    """Lowers statements."""

    def __init__(self, memory: Memory, reducers: Mapping[Any, str] = MappingProxyType({})) -> None:
        """``memory`` holds the tensors, and what the kernel allocates; ``reducers`` are some."""
        self.memory = memory
        self.scalars = Scalars(memory)
        self.reducers = reducers
        self.tileops = TileOps(memory, self.scalars, reducers)

    def lower(self, stmt: Any) -> Any:
        """One statement.

        Raises:
            NoSecondOpinionError: it has no lowering here.
        """
        if isinstance(stmt, tirx.SeqStmt):
            return sequence([self.lower(part) for part in stmt.seq[:]])
        if isinstance(stmt, tirx.AllocBuffer):
            return self.memory.forget(stmt.buffer)
        if isinstance(stmt, tirx.For):
            return self._loop(stmt)
        if isinstance(stmt, tirx.BufferStore):
            indices = [self.scalars.value(i) for i in stmt.indices[:]]
            return self.memory.store(stmt.buffer, indices, self.scalars.value(stmt.value), stmt)
        if isinstance(stmt, tirx.IfThenElse):
            orelse = None if stmt.else_case is None else self.lower(stmt.else_case)
            test = self.scalars.condition(stmt.condition)
            return tirx.IfThenElse(test, self.lower(stmt.then_case), orelse)
        if isinstance(stmt, tirx.Evaluate):
            is_call = isinstance(stmt.value, tvm.ir.Call)
            return self.tileops.lower(stmt.value) if is_call else sequence([])
        if isinstance(stmt, tirx.DeclBuffer):  # a view, which lies where its buffer does
            return sequence([])
        if isinstance(stmt, tirx.Bind):
            return self._bind(stmt)
        if isinstance(stmt, tirx.AttrStmt):
            return self._attribute(stmt)
        raise NoSecondOpinionError(f"the statement {type(stmt).__name__}", stmt)

    def _bind(self, stmt: Any) -> Any:
        value = self.scalars.value(stmt.value)
        var = stmt.var
        if working(dtype_of(var)) == REAL:
            var = tirx.Var(str(stmt.var.name), REAL)
            self.scalars.names[stmt.var] = var
        return tirx.Bind(var, value)

    def _attribute(self, stmt: Any) -> Any:
        """An axis of the grid is a loop; what else is attached has no meaning for values."""
        if str(stmt.attr_key) != "thread_extent" or str(stmt.node.thread_tag) not in GRID_AXES:
            return self.lower(stmt.body)
        return self.memory.loop(stmt.value, lambda _: self.lower(stmt.body), stmt.node.var)

    def _loop(self, stmt: Any) -> Any:
        kind = int(stmt.kind)
        if kind not in (_SERIAL, _UNROLLED, *_INDEPENDENT):
            raise NoSecondOpinionError("a loop bound to threads", stmt)
        if stmt.step is not None and constant(stmt.step) != 1:
            raise NoSecondOpinionError("a loop with a step", stmt)
        if kind in _INDEPENDENT:
            self._independent(stmt)
        start, extent = self.scalars.value(stmt.min), self.scalars.value(stmt.extent)
        return self.memory.loop(extent, lambda _: self.lower(stmt.body), stmt.loop_var, start)

    def _independent(self, nest: Any) -> None:
        """Iterations in order are iterations at once where none reads what another writes.

        What an iteration allocates is its own, and what a reducer holds only goes on.
        """
        stores: list[Any] = []
        loads: list[Any] = []
        loops: list[Any] = []
        own: list[Any] = []
        visitors = [(tirx.BufferStore, stores.append), (tvm.ir.TensorLoad, loads.append),
                    (tirx.For, loops.append),
                    (tirx.AllocBuffer, lambda node: own.append(node.buffer))]  # fmt: skip
        tvm_ffi.structural_walk(nest, visitors)
        axes = [loop.loop_var for loop in loops
                if int(loop.kind) in _INDEPENDENT and constant(loop.extent) != 1]  # fmt: skip
        for store in stores:
            if any(store.buffer.same_as(buffer) for buffer in own):
                continue
            used: list[Any] = []
            for index in store.indices[:]:
                tvm_ffi.structural_walk(index, [(tvm.ir.Var, used.append)])
            alone = store.buffer in self.reducers
            alone = alone or all(any(axis.same_as(var) for var in used) for axis in axes)
            for load in loads:
                if not self.memory.shared(load.source, store.buffer):
                    continue
                if not alone or not self.memory.same(load.source, load.indices[:], store.buffer,
                                                     store.indices[:]):  # fmt: skip
                    raise NoSecondOpinionError(
                        f"T.Parallel whose iterations read {store.buffer.name} where others"
                        " write it",
                        load,
                    )
