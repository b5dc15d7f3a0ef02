"""Splitting a block program by thread, with the circular-buffer protocol in place.

One walk over the whole program follows, for every buffer, what its consumer has: nothing, a block
it may wait for (``ready``), or a block it has waited for (``held``). Producers reserve before and
push after each block op that defines a buffer; consumers wait at the first use and pop after the
last. What a loop body or a branch changes is undone at its end, so that every path agrees; a block
that a loop leaves for later is kept at the end of every iteration and dropped by the next one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from tvm import tirx

from harness.compiler.split.buffers import Circular
from harness.compiler.split.tree import THREADS, Block, Cond, Loop, Node, calls, defines, touches
from harness.compiler.tt_ops import call, seq

NONE: Final = "none"
READY: Final = "ready"
HELD: Final = "held"

Threads = dict[str, list[Any]]
State = dict[Any, str]


class Splitter:
    """Produces the three threads' statements."""

    def __init__(self, circular: Mapping[Any, Circular]) -> None:
        """``circular`` maps L1 buffers to their circular buffers."""
        self.cb = circular
        self.span: Any = None  # of the block op that the protocol ops being placed belong to

    def split(self, nodes: list[Node]) -> Threads:
        """Statements per thread for one work item, every buffer empty again at the end."""
        return self._list(nodes, dict.fromkeys(self.cb, NONE))

    # Emitting ---------------------------------------------------------------------------------

    def _sync(self, out: Threads, end: str, op: str, buffer: Any) -> None:
        cb = self.cb[buffer]
        thread = cb.producer if end == "producer" else cb.consumer
        out[thread].append(call(op, cb.id, cb.tiles, span=self.span))

    def _wait(self, out: Threads, state: State, buffer: Any) -> None:
        if state[buffer] == READY:
            self._sync(out, "consumer", "cb_wait_front", buffer)
            state[buffer] = HELD

    def _pop(self, out: Threads, state: State, buffer: Any) -> None:
        self._wait(out, state, buffer)
        if state[buffer] == HELD:
            self._sync(out, "consumer", "cb_pop_front", buffer)
            state[buffer] = NONE

    # Walking ----------------------------------------------------------------------------------

    def _list(self, nodes: list[Node], state: State, keep: frozenset[Any] = frozenset()) -> Threads:
        """A statement list; on return ``state`` is what it was on entry.

        Buffers to ``keep`` are empty on entry and leave with a block held.
        """
        out: Threads = {t: [] for t in THREADS}
        entry = {**state, **dict.fromkeys(keep, HELD)}
        for position, node in enumerate(nodes):
            rest = nodes[position + 1 :]
            if isinstance(node, Block):
                self._block(out, node, state)
            elif isinstance(node, Loop):
                self._loop(out, node, state, rest, keep)
            else:
                self._cond(out, node, state, rest, keep)
            for buffer, now in list(state.items()):
                if now != NONE and entry[buffer] == NONE and not _needed(rest, buffer):
                    self._pop(out, state, buffer)
        self._restore(out, state, entry)
        return out

    def _restore(self, out: Threads, state: State, entry: State) -> None:
        for buffer, before in entry.items():
            if before == NONE:
                self._pop(out, state, buffer)
            elif before == HELD:
                self._wait(out, state, buffer)
            if state[buffer] != before:
                raise AssertionError(
                    f"{buffer.name}: {before} on entry, {state[buffer]} at the end"
                )

    def _block(self, out: Threads, block: Block, state: State) -> None:
        self.span = next((c.span for c in calls(block.stmt)), None)
        for buffer in block.uses:
            self._wait(out, state, buffer)
        replaced = [b for b in block.defs if state[b] != NONE]
        for buffer in replaced:
            if buffer not in block.uses:
                self._pop(out, state, buffer)
        for buffer in block.defs:
            self._sync(out, "producer", "cb_reserve_back", buffer)
        if not block.in_place:
            out[block.thread].append(block.stmt)
        for buffer in block.defs:
            self._sync(out, "producer", "cb_push_back", buffer)
            if buffer in block.uses:
                self._pop(out, state, buffer)
            state[buffer] = READY

    def _loop(
        self, out: Threads, loop: Loop, state: State, rest: list[Node], keep: frozenset[Any]
    ) -> None:  # fmt: skip
        for buffer, now in list(state.items()):
            if now == READY and touches(loop, buffer):  # what replaces it may be used there
                self._wait(out, state, buffer)
        node = loop.node
        left = frozenset(
            b for b, now in state.items() if now == NONE and (b in keep or _needed(rest, b))
            and defines([loop], b)
        )  # fmt: skip
        body = self._list(loop.body, state, left)
        for buffer in reversed(self._order(left)):
            cb = self.cb[buffer]
            again = node.loop_var > node.min
            pop = tirx.IfThenElse(
                again, call("cb_pop_front", cb.id, cb.tiles, span=node.span), None
            )
            body[cb.consumer].insert(0, pop)
        state.update(dict.fromkeys(left, HELD))
        for thread, stmts in body.items():
            if stmts:
                out[thread].append(tirx.For(
                    node.loop_var, node.min, node.extent, tirx.ForKind.SERIAL, seq(stmts),
                    span=node.span,
                ))  # fmt: skip

    def _order(self, buffers: frozenset[Any]) -> list[Any]:
        return [b for b in self.cb if b in buffers]

    def _cond(
        self, out: Threads, cond: Cond, state: State, rest: list[Node], keep: frozenset[Any]
    ) -> None:  # fmt: skip
        for buffer, now in list(state.items()):
            if now == READY and touches(cond, buffer):
                self._wait(out, state, buffer)
        left = frozenset(
            b for b, now in state.items() if now == NONE and (b in keep or _needed(rest, b))
            and defines(cond.then, b) and defines(cond.orelse, b)
        )  # fmt: skip
        then = self._list(cond.then, dict(state), left)
        orelse = self._list(cond.orelse, dict(state), left)
        state.update(dict.fromkeys(left, HELD))
        for thread in THREADS:
            if then[thread]:
                other = seq(orelse[thread]) if orelse[thread] else None
                out[thread].append(
                    tirx.IfThenElse(cond.node.condition, seq(then[thread]), other, cond.node.span)
                )
            elif orelse[thread]:
                out[thread].append(tirx.IfThenElse(
                    tirx.Not(cond.node.condition), seq(orelse[thread]), None, cond.node.span
                ))  # fmt: skip


def _needed(nodes: list[Node], buffer: Any) -> bool:
    """Whether what a buffer holds now is used below, before it is replaced on every path."""
    for node in nodes:
        touched = touches(node, buffer)
        if touched == "use":
            return True
        if touched == "def" and isinstance(node, Block):
            return False
        # A loop or branch that replaces it may leave a block for later; if later statements use
        # it, a block must be there on entry too, so that every path agrees.
    return False
