"""The block program as a small tree: loops, conditions, and block ops with what they touch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from tvm import tirx
from tvm.ir import Call

from harness.compiler import attrs
from harness.compiler.block.names import L1_SCOPE
from harness.compiler.facts.affine import Bounds, surely_runs
from harness.compiler.facts.statements import statements
from harness.compiler.tt_ops import COPIES, LOAD_L1, TILE_ADDR
from harness.language.regions import is_buffer
from harness.language.walks import structural_walk

THREADS = ("reader", "compute", "writer")
"""Threads of a core, in the order their functions are emitted."""
EVERY = "every"
"""Thread of what the threads that decide by a datum of a row all load, until they are known."""
_WRITES_L1 = ("tt.pack_tile", "tt.noc_async_read_page", "tt.noc_async_read_partial_page",
              "tt.fill_tile_l1", "tt.generate_reduce_scaler",
              "tt.index_tile_l1", *COPIES)  # fmt: skip


@dataclass(eq=False)
class Block:
    """One block op of one thread; ``defs`` and ``uses`` are L1 buffers in order of appearance.

    ``in_place`` transfers move nothing: the buffer is the tensor's own memory.
    """

    thread: str
    stmt: Any
    defs: tuple[Any, ...]
    uses: tuple[Any, ...]
    in_place: bool = False

    @cached_property
    def first(self) -> dict[Any, str]:
        """How the op touches each buffer first; what it replaces, it uses before."""
        return {**dict.fromkeys(self.defs, "def"), **dict.fromkeys(self.uses, "use")}


@dataclass(eq=False)
class Loop:
    """A loop of the block program; ``sure`` says that it has at least one iteration."""

    node: Any
    body: list[Node]
    sure: bool = False

    @cached_property
    def first(self) -> dict[Any, str]:
        """How an iteration touches each buffer first."""
        return _first(self.body)


@dataclass(eq=False)
class Cond:
    """A condition of the block program."""

    node: Any
    then: list[Node]
    orelse: list[Node]

    @cached_property
    def first(self) -> dict[Any, str]:
        """How either branch touches each buffer first: one that uses it needs it."""
        then, orelse = _first(self.then), _first(self.orelse)
        used = {b for branch in (then, orelse) for b, how in branch.items() if how == "use"}
        return {b: "use" if b in used else "def" for b in (*then, *orelse)}


Node = Block | Loop | Cond


def parse(stmt: Any, ranges: Sequence[Bounds]) -> list[Node]:
    """The tree of a block program's body; ``ranges`` bounds the variables around it."""
    if isinstance(stmt, tirx.SeqStmt):
        return [n for child in stmt.seq[:] for n in parse(child, ranges)]
    if isinstance(stmt, tirx.AllocBuffer):
        return []
    if isinstance(stmt, tirx.AttrStmt) and stmt.attr_key == attrs.TT_THREAD:
        return [block(str(stmt.node.value), stmt.body)]
    if isinstance(stmt, tirx.For):
        around = (*ranges, (stmt.loop_var, stmt.min, stmt.extent))
        return [Loop(stmt, parse(stmt.body, around), surely_runs(stmt, ranges))]
    if isinstance(stmt, tirx.IfThenElse):
        orelse = [] if stmt.else_case is None else parse(stmt.else_case, ranges)
        return [Cond(stmt, parse(stmt.then_case, ranges), orelse)]
    if isinstance(stmt, tirx.Bind):
        return [block(EVERY, stmt)]
    raise TypeError(f"{type(stmt).__name__} is no part of a block program")


def calls(stmt: Any) -> Iterator[Call]:
    """Device-op calls below a statement, in order."""
    for node in statements(stmt):
        if type(node) is tirx.Evaluate and isinstance(node.value, Call):
            yield node.value


def block(thread: str, stmt: Any) -> Block:
    """A block op of a thread: what it touches is read from its statement."""
    defs: dict[Any, None] = {}
    uses: dict[Any, None] = {}
    for bound in statements(stmt):
        if isinstance(bound, tirx.Bind):
            uses.update(dict.fromkeys(l1_buffers(bound.value)))
    for call in calls(stmt):
        writes, source = call.op.name in _WRITES_L1, COPIES.get(call.op.name)
        for at, arg in enumerate(call.args[:]):
            for buffer in l1_buffers(arg):
                (defs if writes and at != source else uses)[buffer] = None
    for buffer in defs:  # zero_tile_region finishes what the same block reads in
        if thread == "reader":
            uses.pop(buffer, None)
    return Block(thread, stmt, tuple(defs), tuple(uses))


def l1_buffers(arg: Any) -> list[Any]:
    """L1 tile arrays an operand names, directly or through an address."""
    if is_buffer(arg):
        return [arg] if arg.ty.storage_scope == L1_SCOPE else []
    found: list[Any] = []

    def seen(call: Call) -> None:
        if call.op.name in (TILE_ADDR, LOAD_L1):
            found.append(call.args[0])

    if isinstance(arg, (Call, tirx.Add)):
        structural_walk(arg, [(Call, seen)])
    return found


def walk(nodes: list[Node]) -> Iterator[Node]:
    """Every node, parents first, in program order."""
    for node in nodes:
        yield node
        if isinstance(node, Loop):
            yield from walk(node.body)
        elif isinstance(node, Cond):
            yield from walk(node.then)
            yield from walk(node.orelse)


def touches(node: Node, buffer: Any) -> str | None:
    """How a node first touches a buffer: ``"use"``, ``"def"`` or None."""
    return node.first.get(buffer)


def defines(nodes: Iterable[Node], buffer: Any) -> bool:
    """Whether nodes surely define a buffer."""
    for node in nodes:
        if isinstance(node, Block) and buffer in node.defs:
            return True
        if isinstance(node, Loop) and node.sure and defines(node.body, buffer):
            return True
        if isinstance(node, Cond) and defines(node.then, buffer) and defines(node.orelse, buffer):
            return True
    return False


def _first(nodes: Iterable[Node]) -> dict[Any, str]:
    """Every buffer some nodes touch, and how first; worked out once, since many ask.

    A use behind what may leave the buffer as it was is the first on some path.
    """
    found: dict[Any, str] = {}
    sure: set[Any] = set()
    for node in nodes:
        for buffer, how in node.first.items():
            if how == "use" and buffer not in sure:
                found[buffer] = "use"
            found.setdefault(buffer, how)
            if buffer not in sure and (isinstance(node, Block) or defines([node], buffer)):
                sure.add(buffer)
    return found
