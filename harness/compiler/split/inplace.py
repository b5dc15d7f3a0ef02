"""Finding operands that need no copy: a core's work touches exactly its own shard, in its order.

Then the circular buffer is backed by the tensor. The reader only announces pages that are there
already, or compute packs to where the output lies and the writer only takes note.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from tvm import tirx

from harness.compiler.dealing.matching import plan_layout
from harness.compiler.facts.statements import statements
from harness.compiler.facts.values import value_of
from harness.compiler.split.tree import Block, Cond, Loop, Node, calls, walk
from harness.compiler.tt_ops import TILE_ADDR
from harness.language.blockformats import dtype_of
from harness.language.regions import constant
from simulator.plan.coords import core_key
from simulator.plan.schema import Layout
from simulator.plan.shards import resident_pages
from simulator.plan.tensors import shard_pages

_OPS: Final = {"reader": "tt.noc_async_read_page", "writer": "tt.noc_async_write_page"}


@dataclass(frozen=True)
class Backed:
    """A block buffer that is a tensor's shards: the tensor's name and pages of a shard."""

    tensor: str
    pages: int


@dataclass(frozen=True)
class Work:
    """What the cores do: items (bx, by, bz) of each, the grid's variables, and the core ranges."""

    items: Mapping[str, Sequence[tuple[int, int, int]]]
    block_vars: Sequence[Any]
    ranges: Sequence[Mapping[str, Any]]


def backed_buffers(
    nodes: list[Node], layouts: Mapping[str, Mapping[str, Any]], work: Work
) -> dict[Any, Backed]:
    """Buffers to back by a tensor; their block ops are marked as in place."""
    candidates: dict[Any, list[tuple[Block, list[Node]]]] = {}
    _collect(nodes, [], candidates)
    out: dict[Any, Backed] = {}
    used: set[str] = set()
    for buffer, places in candidates.items():
        for block, around in places if _once(nodes, buffer) else ():
            name = _tensor(block)
            desc = layouts.get(name or "")
            if name is None or desc is None or desc["role"] == "inout" or name in used:
                continue
            if (desc.get("sharding") or {}).get("core_ranges") != list(work.ranges):
                continue
            layout = plan_layout(desc)
            if dtype_of(buffer) == desc["dtype"] and _exact(block, around, layout, work):
                out[buffer] = Backed(name, shard_pages(layout))
                block.in_place = True
                used.add(name)
                break  # what comes in place and leaves in place has to be copied once
    return out


def _collect(nodes: list[Node], around: list[Node], out: dict[Any, Any]) -> None:
    for node in nodes:
        if isinstance(node, Loop):
            _collect(node.body, [*around, node], out)
        elif isinstance(node, Cond):
            _collect([*node.then, *node.orelse], [*around, node], out)
        elif node.thread in _OPS:
            for buffer in node.defs if node.thread == "reader" else node.uses:
                out.setdefault(buffer, []).append((node, around))


def _once(nodes: list[Node], buffer: Any) -> bool:
    """Whether each end touches a buffer in one place only."""
    blocks = [n for n in walk(nodes) if isinstance(n, Block)]
    written = sum(buffer in b.defs for b in blocks)
    stored = sum(b.thread == "writer" and buffer in b.uses for b in blocks)
    return written == 1 and stored <= 1


def _tensor(block: Block) -> str | None:
    """The one tensor a transfer moves, if it moves whole pages and nothing else."""
    names = {
        str(c.args[1].name) if c.op.name == _OPS[block.thread] else ""
        for c in calls(block.stmt) if not c.op.name.endswith("_barrier")
    }  # fmt: skip
    conditional = any(isinstance(s, tirx.IfThenElse) for s in statements(block.stmt))
    (name,) = names if len(names) == 1 else ("",)
    return None if conditional or not name else name


def _exact(block: Block, around: list[Node], layout: Layout, work: Work) -> bool:
    """Whether every core moves the pages of its shard, all of them, once, in their order."""
    loops = _loops(block, around)
    if loops is None:
        return False
    (call,) = [c for c in calls(block.stmt) if c.op.name in _OPS.values()]
    trips = [extent for _, _, extent, _ in loops]
    inner = [extent for _, _, extent, mine in loops if mine]
    pages = shard_pages(layout)
    for core, resident in resident_pages(layout).items():
        items = np.array(work.items.get(core_key(core), ()), np.int64).reshape(-1, 3)
        if len(resident) != pages or len(items) * int(np.prod(trips)) != pages:
            return False
        env: dict[Any, Any] = {}
        shape = (len(items), *trips)
        for axis, var in enumerate(work.block_vars):
            if var is not None:
                env[var] = items[:, axis].reshape(-1, *(1 for _ in trips))
        for axis, (var, start, extent, _) in enumerate(loops):
            env[var] = (start + np.arange(extent)).reshape(
                *(1 for _ in range(axis + 1)), -1, *(1 for _ in trips[axis + 1 :])
            )
        found = value_of(call.args[0], env)
        index = value_of(_tile_index(call), env)
        if found is None or index is None:
            return False
        order = np.broadcast_to(index, shape).reshape(-1, int(np.prod(inner)))
        if (np.broadcast_to(found, shape).ravel() != np.array(resident)).any():
            return False
        if (order != np.arange(order.shape[1])).any():
            return False
    return True


def _loops(block: Block, around: list[Node]) -> list[tuple[Any, int, int, bool]] | None:
    """(variable, start, trips, part of the transfer) outermost first; None if not constant."""
    found = [(n.node, False) for n in around if isinstance(n, Loop)]
    found += [(s, True) for s in statements(block.stmt) if isinstance(s, tirx.For)]
    out = []
    for node, mine in found:
        start, extent = constant(node.min), constant(node.extent)
        if start is None or extent is None:
            return None
        out.append((node.loop_var, start, extent, mine))
    return None if any(isinstance(n, Cond) for n in around) else out


def _tile_index(call: Any) -> Any:
    where = call.args[2]
    return where.args[1] if getattr(where.op, "name", "") == TILE_ADDR else None
