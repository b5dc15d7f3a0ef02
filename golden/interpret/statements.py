"""Execution of statements, vectorised over blocks."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any, Final

import numpy as np

from golden.approx import Approx
from golden.errors import GoldenError
from golden.interpret import tree
from golden.interpret.access import check_stored, load, store
from golden.interpret.expressions import Evaluator, Value, as_approx
from golden.interpret.machine import Chunk
from golden.interpret.memory import OnChip
from golden.interpret.space import Along, Bound, Space
from golden.interpret.tileops import TileOps
from golden.truth import Truth, choose

_ORDERED: Final = (0, 3)
"""Kinds of loops one iteration of which runs after another: serial and unrolled ones."""
_MAX_TRIPS: Final = 1 << 20
"""Longest serial loop evaluated; more is a mistake or not worth waiting for."""


class Statements:
    """Executes statements on a chunk of blocks."""

    def __init__(self, chunk: Chunk) -> None:
        """``chunk`` holds the state that changes."""
        self.chunk = chunk
        self.tileops = TileOps(chunk)

    def run(self, stmt: tree.Stmt, space: Space) -> None:
        """Execute one statement.

        Raises:
            GoldenError: it has no meaning here; the place is the statement's.
        """
        try:
            self._run(stmt, space)
        except GoldenError as err:
            if err.location is None:
                err.location = stmt.where
            raise

    def _run(self, stmt: tree.Stmt, space: Space) -> None:
        match stmt:
            case tree.Sequence():
                for part in stmt.parts:
                    self.run(part, space)
            case tree.TileOp():
                self._tile_op(stmt, space)
            case tree.Store():
                self._store(stmt, space)
            case tree.Loop():
                self._loop(stmt, space)
            case tree.If():
                self._if(stmt, space)
            case tree.Bind():
                self._bind(stmt, space)
            case tree.Allocate():
                self._allocate(stmt)
            case tree.Around():
                self.run(stmt.body, space)
            case _:
                kind = type(stmt.origin).__name__
                raise GoldenError(f"the statement {kind} has no meaning here")

    def _allocate(self, stmt: tree.Allocate) -> None:
        buffer = stmt.buffer
        self.chunk.buffers[buffer] = OnChip(len(self.chunk.numbers), buffer.shape, buffer.dtype)

    def _tile_op(self, stmt: tree.TileOp, space: Space) -> None:
        if stmt.name is None:
            return
        if space.rank or space.mask is not None:
            raise GoldenError(f"{stmt.name} inside T.Parallel")
        if space.perhaps is not None:
            raise GoldenError(f"{stmt.name} under a branch that depends on data near a threshold")
        self.tileops.run(stmt, Evaluator(space))

    def _store(self, stmt: tree.Store, space: Space) -> None:
        self._put(stmt, self._stored(stmt, space), space)

    @staticmethod
    def _stored(stmt: tree.Store, space: Space) -> Approx:
        """The value of a store, as its buffer holds it."""
        evaluator, value = Evaluator(space), stmt.value
        data = as_approx(evaluator.value(value))
        return evaluator.arithmetic.stored(data, stmt.buffer.dtype, value.dtype)

    def _put(self, stmt: tree.Store, new: Approx, space: Space) -> None:
        evaluator, where, exprs = Evaluator(space), stmt.where, stmt.indices
        self.chunk.given.add(stmt.buffer)
        indices = [evaluator.place(i) for i in exprs]
        for told, index, size in zip(stmt.told, indices, stmt.buffer.shape, strict=True):
            if told:
                check_stored(index, size, space, stmt)
        if space.perhaps is not None:
            old = load(space, stmt.buffer, indices, exprs, where)
            new = choose(space.perhaps, new, old)
        store(space, stmt.buffer, indices, exprs, new, where)

    def _bind(self, stmt: tree.Bind, space: Space) -> None:
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

    def _if(self, stmt: tree.If, space: Space) -> None:
        test = Evaluator(space).truth(stmt.condition)
        if isinstance(test, Truth):
            if not test.is_sure:
                self._choice(stmt, test, space)
                return
            test = test.certain(stmt.condition.where)
        if np.ndim(test) == 0:
            branch = stmt.then if bool(test) else stmt.orelse
            if branch is not None:
                self.run(branch, space)
            return
        for chosen, branch in ((test, stmt.then), (~test, stmt.orelse)):
            if branch is not None:
                self._guarded(branch, space, chosen)

    def _choice(self, stmt: tree.If, test: Truth, space: Space) -> None:
        """A condition that data decide and bounds leave open: either way."""
        found = self._either(stmt, space)
        if found is not None:
            self._put(*found, space)
            return
        self.run(stmt.then, space.maybe(test))
        if stmt.orelse is not None:
            self.run(stmt.orelse, space.maybe(~test))

    def _either(self, stmt: tree.Stmt, space: Space) -> tuple[tree.Store, Approx] | None:
        """The one store that all sides of a condition make to one place, and its value."""
        if isinstance(stmt, tree.Store):
            return stmt, self._stored(stmt, space)
        if not isinstance(stmt, tree.If) or stmt.orelse is None:
            return None
        then, orelse = (self._either(s, space) for s in (stmt.then, stmt.orelse))
        if then is None or orelse is None or then[0].target != orelse[0].target:
            return None
        test = Truth.of(Evaluator(space).truth(stmt.condition))
        return then[0], choose(test, then[1], orelse[1])

    def _guarded(self, body: tree.Stmt, space: Space, chosen: Any) -> None:
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

    def _loop(self, stmt: tree.Loop, space: Space) -> None:
        evaluator = Evaluator(space)
        start, extent = evaluator.integer(stmt.start), evaluator.integer(stmt.extent)
        if stmt.kind in tree.PARALLEL:
            self._parallel(stmt, space, start, extent)
            return
        if stmt.kind not in _ORDERED:
            raise GoldenError("a thread-bound loop has no meaning here")
        if not space.rank and space.mask is None and stmt.at_once is not None:
            self._at_once(stmt.at_once, space)
            return
        step = 1 if stmt.step is None else evaluator.integer(stmt.step)
        trips = -(-extent // step)
        longest = int(np.max(trips))
        if longest > _MAX_TRIPS:
            raise GoldenError(f"a loop of {longest} iterations")
        try:
            for trip in range(longest):
                self.chunk.env[stmt.var] = self._bound_index(start + trip * step)
                running = trip < trips
                if np.all(running):
                    self.run(stmt.body, space)
                else:
                    self._guarded(stmt.body, space, np.asarray(running))
        finally:
            self.chunk.env.pop(stmt.var, None)

    def _at_once(self, loops: tree.AtOnce, space: Space) -> None:
        """Loops over elements, those ``around`` one by one, the others all iterations at once."""
        names = [var for var, _ in loops.around]
        try:
            for place in itertools.product(*(range(trips) for _, trips in loops.around)):
                self.chunk.env.update(zip(names, place, strict=True))
                self.run(loops.nest, space)
        finally:
            for var in names:
                self.chunk.env.pop(var, None)

    def _bound_index(self, value: Any) -> Any:
        return int(value) if np.ndim(value) == 0 else Bound(self._over_blocks(value))

    def _parallel(self, stmt: tree.Loop, space: Space, start: Any, extent: Any) -> None:
        if np.ndim(start) or int(start) != 0:
            raise GoldenError("T.Parallel starts at 0")
        longest = int(np.max(extent))
        if longest <= 0:
            return
        inner = space.extended(longest)
        line = Along(space.rank, np.arange(longest, dtype=np.int64))
        self.chunk.env[stmt.var] = line
        if np.ndim(extent):
            within = np.asarray(extent)[..., None] > inner.along(line)
            inner = inner.where(within)
        try:
            self.run(stmt.body, inner)
        finally:
            self.chunk.env.pop(stmt.var, None)
