"""Execution of statements, vectorised over blocks."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any, Final

import numpy as np
import tvm
from tvm import tirx

from golden.approx import Approx
from golden.errors import GoldenError, location_of
from golden.interpret.access import check_stored, load, store
from golden.interpret.expressions import Evaluator, Value, as_approx
from golden.interpret.machine import Chunk
from golden.interpret.memory import OnChip
from golden.interpret.space import Along, Bound, Space
from golden.interpret.tileops import TileOps
from golden.named import told
from golden.orderless import orderless
from golden.source import constant, dtype_of, op_name
from golden.truth import Truth, choose

_SERIAL, _PARALLEL, _VECTORIZED, _UNROLLED = 0, 1, 2, 3
_MAX_TRIPS: Final = 1 << 20
"""Longest serial loop evaluated; more is a mistake or not worth waiting for."""


class Statements:
    """Executes statements on a chunk of blocks."""

    def __init__(self, chunk: Chunk) -> None:
        """``chunk`` holds the state that changes."""
        self.chunk = chunk
        self.tileops = TileOps(chunk)
        self.names = chunk.machine.kernel.names

    def run(self, stmt: Any, space: Space) -> None:
        """Execute one statement.

        Raises:
            GoldenError: it has no meaning here; the place is the statement's.
        """
        try:
            self._run(stmt, space)
        except GoldenError as err:
            if err.location is None:
                err.location = location_of(stmt)
            raise

    def _run(self, stmt: Any, space: Space) -> None:
        kind = type(stmt)  # isinstance of a node class is slow
        if kind is tirx.SeqStmt:
            for part in stmt.seq[:]:
                self.run(part, space)
        elif kind is tirx.AllocBuffer:
            self._allocate(stmt)
        elif kind is tirx.For:
            self._loop(stmt, space)
        elif kind is tirx.BufferStore:
            self._store(stmt, space)
        elif kind is tirx.IfThenElse:
            self._if(stmt, space)
        elif kind is tirx.Evaluate:
            self._evaluate(stmt, space)
        elif kind is tirx.Bind:
            self._bind(stmt, space)
        elif kind is tirx.AttrStmt:
            self.run(stmt.body, space)
        else:
            raise GoldenError(f"the statement {type(stmt).__name__} has no meaning here")

    def _allocate(self, stmt: Any) -> None:
        buffer = stmt.buffer
        shape = tuple(constant(s) or 0 for s in buffer.ty.shape)
        dtype = dtype_of(buffer)
        self.chunk.buffers[buffer] = OnChip(len(self.chunk.numbers), shape, dtype)

    def _evaluate(self, stmt: Any, space: Space) -> None:
        call = stmt.value
        if not isinstance(call, tvm.ir.Call):
            return
        if space.rank or space.mask is not None:
            raise GoldenError(f"{op_name(call)} inside T.Parallel")
        self.tileops.run(call, Evaluator(space))

    def _store(self, stmt: Any, space: Space) -> None:
        self._put(stmt, self._stored(stmt, space), space)

    @staticmethod
    def _stored(stmt: Any, space: Space) -> Approx:
        """The value of a store, as its buffer holds it."""
        evaluator = Evaluator(space)
        dtype, source = dtype_of(stmt.buffer), dtype_of(stmt.value)
        return evaluator.arithmetic.stored(as_approx(evaluator.value(stmt.value)), dtype, source)

    def _put(self, stmt: Any, new: Approx, space: Space) -> None:
        evaluator, where = Evaluator(space), location_of(stmt)
        indices, exprs = [evaluator.place(i) for i in stmt.indices[:]], stmt.indices[:]
        if stmt.buffer in self.chunk.machine.tensors:
            for expr, index, size in zip(exprs, indices, stmt.buffer.ty.shape, strict=True):
                if told(expr, self.names):
                    check_stored(index, constant(size) or 0, space, stmt)
        if space.perhaps is not None:
            old = load(space, stmt.buffer, indices, exprs, where)
            new = choose(space.perhaps, new, old)
        store(space, stmt.buffer, indices, exprs, new, where)

    def _bind(self, stmt: Any, space: Space) -> None:
        evaluator = Evaluator(space)
        value = evaluator.value(stmt.value)
        self.chunk.env[stmt.var] = Bound(self._over_blocks(value), evaluator.asked)

    def _over_blocks(self, value: Value) -> Value:
        """A value over active lanes as one over all blocks of the chunk, and of its own memory.

        What memory holds is read as a view, and a name keeps its value when memory changes.
        """
        if isinstance(value, Truth):
            value = value.as_data()
        total, lanes = len(self.chunk.numbers), self.chunk.lanes

        def spread(array: Any) -> Any:
            if np.ndim(array) == 0 or len(array) == 1 or len(array) == total:
                return np.array(array) if isinstance(array, np.ndarray) else array
            full = np.zeros((total, *array.shape[1:]), array.dtype)
            full[lanes] = array
            return full

        return value.map(spread) if hasattr(value, "map") else spread(value)

    def _if(self, stmt: Any, space: Space) -> None:
        test = Evaluator(space).truth(stmt.condition)
        if isinstance(test, Truth):
            if space.rank and not test.is_sure:
                self._choice(stmt, test, space)
                return
            test = test.certain(stmt.condition)
        if np.ndim(test) == 0:
            branch = stmt.then_case if bool(test) else stmt.else_case
            if branch is not None:
                self.run(branch, space)
            return
        for chosen, branch in ((test, stmt.then_case), (~test, stmt.else_case)):
            if branch is not None:
                self._guarded(branch, space, chosen)

    def _choice(self, stmt: Any, test: Truth, space: Space) -> None:
        """A condition inside T.Parallel that data decide and bounds leave open: either way."""
        found = self._either(stmt, space)
        if found is not None:
            self._put(*found, space)
            return
        self.run(stmt.then_case, space.maybe(test))
        if stmt.else_case is not None:
            self.run(stmt.else_case, space.maybe(~test))

    def _either(self, stmt: Any, space: Space) -> tuple[Any, Approx] | None:
        """The one store that all sides of a condition make to one place, and its value."""
        if isinstance(stmt, tirx.BufferStore):
            return stmt, self._stored(stmt, space)
        if not isinstance(stmt, tirx.IfThenElse) or stmt.else_case is None:
            return None
        then, orelse = (self._either(s, space) for s in (stmt.then_case, stmt.else_case))
        if then is None or orelse is None:
            return None
        places = [(s.buffer, str(s.indices[:])) for s, _ in (then, orelse)]
        if places[0] != places[1]:
            return None
        test = Truth.of(Evaluator(space).truth(stmt.condition))
        return then[0], choose(test, then[1], orelse[1])

    def _guarded(self, body: Any, space: Space, chosen: Any) -> None:
        """Execute where ``chosen`` holds: on fewer lanes, or under a mask inside T.Parallel."""
        if not chosen.any():
            return
        if space.rank or space.mask is not None:
            self.run(body, space if chosen.all() else space.where(chosen))
            return
        chunk, before = self.chunk, self.chunk.lanes
        chunk.lanes = chunk.narrowed(np.broadcast_to(chosen.reshape(-1), (space.lanes,)))
        try:
            self.run(body, replace(space))
        finally:
            chunk.lanes = before

    def _loop(self, stmt: Any, space: Space) -> None:
        evaluator = Evaluator(space)
        start, extent = evaluator.integer(stmt.min), evaluator.integer(stmt.extent)
        kind = int(stmt.kind)
        if kind in (_PARALLEL, _VECTORIZED):
            self._parallel(stmt, space, start, extent)
            return
        if kind not in (_SERIAL, _UNROLLED):
            raise GoldenError("a thread-bound loop has no meaning here")
        if not space.rank and space.mask is None and (found := orderless(stmt)) is not None:
            self._at_once(*found, space)
            return
        step = 1 if getattr(stmt, "step", None) is None else evaluator.integer(stmt.step)
        trips = -(-extent // step)
        longest = int(np.max(trips))
        if longest > _MAX_TRIPS:
            raise GoldenError(f"a loop of {longest} iterations")
        try:
            for trip in range(longest):
                self.chunk.env[stmt.loop_var] = self._bound_index(start + trip * step)
                running = trip < trips
                if np.all(running):
                    self.run(stmt.body, space)
                else:
                    self._guarded(stmt.body, space, np.asarray(running))
        finally:
            self.chunk.env.pop(stmt.loop_var, None)

    def _at_once(self, around: list[Any], loops: list[Any], body: Any, space: Space) -> None:
        """Loops over elements, those ``around`` one by one, the others all iterations at once."""
        for loop in reversed(loops):
            body = tirx.For(loop.loop_var, loop.min, loop.extent, tirx.ForKind.PARALLEL, body)
        places = itertools.product(*(range(int(constant(lo.extent) or 0)) for lo in around))
        try:
            for place in places:
                for loop, trip in zip(around, place, strict=True):
                    self.chunk.env[loop.loop_var] = trip
                self.run(body, space)
        finally:
            for loop in around:
                self.chunk.env.pop(loop.loop_var, None)

    def _bound_index(self, value: Any) -> Any:
        return int(value) if np.ndim(value) == 0 else Bound(self._over_blocks(value))

    def _parallel(self, stmt: Any, space: Space, start: Any, extent: Any) -> None:
        if np.ndim(start) or int(start) != 0:
            raise GoldenError("T.Parallel starts at 0")
        longest = int(np.max(extent))
        if longest <= 0:
            return
        inner = space.extended(longest)
        line = Along(space.rank, np.arange(longest, dtype=np.int64))
        self.chunk.env[stmt.loop_var] = line
        if np.ndim(extent):
            within = np.asarray(extent)[..., None] > inner.along(line)
            inner = inner.where(within)
        try:
            self.run(stmt.body, inner)
        finally:
            self.chunk.env.pop(stmt.loop_var, None)
