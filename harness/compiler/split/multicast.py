"""Reading what cores share once: one core of a row or column reads, and multicasts to the others.

The handshake is tt-metal's matmul factory's: receivers reserve, mark their own semaphore invalid
and tell the sender; the sender waits for all of them, multicasts the block and then, on the same
NoC and in order, the mark valid. Every core runs the same reader and takes a side by its place.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NoReturn

from tvm import tirx

from harness.compiler.attrs import CoreRange
from harness.compiler.block.names import is_index_row
from harness.compiler.diagnostics import refuse
from harness.compiler.facts.affine import mentions
from harness.compiler.split.answers import told
from harness.compiler.split.persistent import free_name
from harness.compiler.split.tree import Block, Cond, Loop, Node, calls
from harness.compiler.tt_ops import TILE_ADDR, address, call, seq
from harness.language.blockformats import dtype_of
from harness.language.regions import constant
from simulator.formats.dataformat import DataFormat
from simulator.plan.coords import core_key, parse_core_key

Items = Mapping[str, Sequence[tuple[int, int, int]]]

SEMAPHORES: Final = {"row": (0, 1), "column": (2, 3)}
"""(receivers that are ready, block is there) of each direction."""
_DIVIDE: Final = "use a --grid whose columns and rows divide the kernel's"


@dataclass(frozen=True)
class Multicast:
    """What the readers of a multicasting kernel need besides their work.

    Attributes:
        arguments: name to variable of a core's own column and row.
        semaphores: ids in use.
    """

    arguments: dict[str, Any]
    semaphores: tuple[int, ...]

    def value(self, name: str, core: str) -> int:
        """The argument of one core, by its key."""
        return parse_core_key(core)[list(self.arguments).index(name)]


NO_MULTICAST: Final = Multicast({}, ())


def multicast(
    nodes: list[Node],
    items: Items,
    block_vars: Sequence[Any],
    ranges: Sequence[CoreRange],
    tensors: Sequence[str],
) -> Multicast:
    """Make every load that a row or a column of cores shares a multicast, in place in ``nodes``.

    Raises:
        CompileError: cores that are no rectangle, that do not all have the same number of blocks
            or of loop steps, or that share nothing (``NoMulticast``).
    """
    if len(ranges) != 1:
        _refuse(f"multicast over {len(ranges)} core ranges", "use one rectangle of cores")
    counts = {len(listed) for listed in items.values()}
    if len(counts) != 1 or counts == {0}:
        _refuse(
            f"multicast, and cores have {min(counts)} to {max(counts)} blocks",
            f"{_DIVIDE}, and --strategy block",
        )
    names = [free_name(name, "own_", tensors) for name in ("core_x", "core_y")]
    own = {name: tirx.Var(name, "int32") for name in names}
    places = _Places(ranges[0], items, block_vars, tuple(own.values()), tuple(told(nodes)))
    found = _loads(nodes, [], places)
    if not found:
        _refuse(
            "multicast, and no two cores of a row or column read the same blocks",
            f"{_DIVIDE}, and --strategy block",
        )
    for block, direction in found:
        block.stmt = places.shared(block, direction)
    used = sorted({s for _, direction in found for s in SEMAPHORES[direction]})
    return Multicast(own, tuple(used))


def _refuse(message: str, step: str, node: Any = None) -> NoReturn:
    refuse(message, code="NoMulticast", node=node,
           location=None if node is not None else "multicast", next_step=step)  # fmt: skip


def _loads(nodes: list[Node], around: list[Any], places: _Places) -> list[tuple[Block, str]]:
    out: list[tuple[Block, str]] = []
    for node in nodes:
        if isinstance(node, Loop):
            bounds = [node.node.min, node.node.extent]
            out += _loads(node.body, [*around, (node.node, bounds)], places)
        elif isinstance(node, Cond):
            inner = [*around, (node.node, [node.node.condition])]
            out += _loads([*node.then, *node.orelse], inner, places)
        elif (
            node.thread == "reader"
            and not node.in_place
            and not node.uses  # a block that indices choose, each core by its own
            and not any(map(is_index_row, node.defs))
            and any(c.op.name == "tt.noc_async_read_page" for c in calls(node.stmt))
        ):
            direction = places.direction(node)
            if direction is None:
                continue
            for owner, exprs in around:
                if any(places.varies(e) for e in exprs):
                    _refuse("multicast under a loop or condition that depends on the block: cores"
                            " would take different numbers of steps",
                            "leave --multicast out", owner)  # fmt: skip
            out.append((node, direction))
    return out


@dataclass(frozen=True)
class _Places:
    """Where the cores are and what they work on."""

    cores: CoreRange
    items: Items
    block_vars: Sequence[Any]
    own: tuple[Any, ...]
    told: tuple[Any, ...]

    def varies(self, expr: Any) -> bool:
        """Whether a value may differ between cores at the same step."""
        return mentions(expr, [*(v for v in self.block_vars if v is not None), *self.told])

    def direction(self, block: Block) -> str | None:
        """Row or column, if all its cores read the same pages at every step."""
        axes = [i for i, v in enumerate(self.block_vars) if v is not None
                and mentions(block.stmt, [v])]  # fmt: skip
        seen: dict[tuple[int, int], list[tuple[int, ...]]] = {}
        (x0, y0), (w, h) = self.cores.start, self.cores.extent
        for x in range(x0, x0 + w):
            for y in range(y0, y0 + h):
                listed = self.items[core_key((x, y))]
                seen[x, y] = [tuple(item[a] for a in axes) for item in listed]
        if w > 1 and all(found == seen[x0, y] for (_, y), found in seen.items()):
            return "row"
        if h > 1 and all(found == seen[x, y0] for (x, _), found in seen.items()):
            return "column"
        return None

    def shared(self, block: Block, direction: str) -> Any:
        """The load as the sender does it, and as a receiver does."""
        (x0, y0), (w, h) = self.cores.start, self.cores.extent
        x, y = self.own
        ready, there = SEMAPHORES[direction]
        (buffer,) = block.defs
        size = (constant(buffer.ty.shape[0]) or 1) * DataFormat.from_ir(
            dtype_of(buffer)).tile_bytes()  # fmt: skip
        if direction == "row":
            mine, first, others = x, x0, w - 1
            sender, rectangle = (x0, y), (x0 + 1, y, x0 + w - 1, y)
        else:
            mine, first, others = y, y0, h - 1
            sender, rectangle = (x, y0), (x, y0 + 1, x, y0 + h - 1)
        span = next(c.span for c in calls(block.stmt))
        where = address(TILE_ADDR, buffer, 0)

        def op(name: str, *args: Any) -> Any:
            return call(name, *args, span=span)

        send = [
            block.stmt,
            op("noc_semaphore_wait", ready, others),
            op("noc_semaphore_set", ready, 0),
            op("noc_async_write_multicast", where, *rectangle, where, size, others),
            op("noc_semaphore_set", there, 1),
            op("noc_semaphore_set_multicast", there, *rectangle, others),
            op("noc_async_write_barrier"),
        ]
        receive = [
            op("noc_semaphore_set", there, 0),
            op("noc_semaphore_inc", *sender, ready, 1),
            op("noc_semaphore_wait", there, 1),
        ]
        return tirx.IfThenElse(mine.equal(tirx.const(first, "int32")), seq(send), seq(receive))
