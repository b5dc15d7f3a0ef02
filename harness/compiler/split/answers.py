"""What tensors of indices decide, told to every thread that takes part.

The block program asks once: the reader fetches a row, and a variable is a datum of it. The threads
of a core share no variables, so each thread that decides by it gets the row in a circular buffer of
its own and loads the datum itself.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import tvm
import tvm_ffi
from tvm import tirx

from harness.compiler.affine import mentions
from harness.compiler.split.tree import EVERY, THREADS, Block, Cond, Loop, Node, block, walk

Ends = dict[Any, set[str]]


def answered(nodes: list[Node]) -> list[Node]:
    """The tree with every question as block ops of the threads it decides for."""
    users: Ends = {}
    for node in walk(nodes):
        if isinstance(node, Block):
            for buffer in node.uses:
                users.setdefault(buffer, set()).add(node.thread)
    return _answered(nodes, users) if any(map(_asks, walk(nodes))) else nodes


def told(nodes: list[Node]) -> list[Any]:
    """Variables that threads load, in order: what they hold is known to nobody before."""
    binds = (n.stmt for n in walk(nodes) if isinstance(n, Block) and isinstance(n.stmt, tirx.Bind))
    return list(dict.fromkeys(bind.var for bind in binds))


def _answered(nodes: list[Node], users: Ends) -> list[Node]:
    out: list[Node] = []
    for position, node in enumerate(nodes):
        if isinstance(node, Loop):
            node.body = _answered(node.body, users)
        elif isinstance(node, Cond):
            node.then, node.orelse = (_answered(s, users) for s in (node.then, node.orelse))
        if isinstance(node, Block) and _asks(node):
            fetch = out.pop()  # the block op that reads the row
            deciding = _deciding(nodes[position + 1 :], node.stmt.var, users)
            for number, thread in enumerate(t for t in THREADS if t in deciding):
                out += _told(node, fetch, thread, number)
        else:
            out.append(node)
    return out


def _deciding(nodes: list[Node], var: Any, users: Ends) -> set[str]:
    """Threads that do something where a variable decides whether, or how often."""
    out: set[str] = set()
    for node in nodes:
        if isinstance(node, Loop):
            asked = [node.node.min, node.node.extent]
        elif isinstance(node, Cond):
            asked = [node.node.condition]
        else:
            continue
        if any(mentions(expr, [var]) for expr in asked):
            out |= _taking_part([node], users)
        else:
            inner = node.body if isinstance(node, Loop) else [*node.then, *node.orelse]
            out |= _deciding(inner, var, users)
    return out


def _taking_part(nodes: Iterable[Node], users: Ends) -> set[str]:
    """Threads of block ops, and of those that wait for what is made there or give it back."""
    out: set[str] = set()
    for node in walk(list(nodes)):
        if isinstance(node, Block):
            out.add(node.thread)
            for buffer in (*node.defs, *node.uses):
                out |= users.get(buffer, set())
    return out


def _asks(node: Node) -> bool:
    return isinstance(node, Block) and node.thread == EVERY


def _told(ask: Block, fetch: Node, thread: str, number: int) -> list[Node]:
    """A row read for a thread, and the datum loaded there."""
    if not isinstance(fetch, Block):
        raise TypeError("nothing reads the row that is asked")
    (row,), bind = ask.uses, ask.stmt
    if not number:
        return [fetch, block(thread, bind)]
    own = tirx.decl_buffer(row.ty.shape, row.ty.dtype, name=f"{row.name}_{thread}",
                           scope=row.ty.storage_scope)  # fmt: skip

    def renamed(stmt: Any) -> Any:
        return tvm_ffi.structural_map(
            stmt, [(tvm.ir.Var, lambda v: own if v.same_as(row) else v)], order="pre"
        )

    value = renamed(bind.value)
    return [block(fetch.thread, renamed(fetch.stmt)), block(thread, tirx.Bind(bind.var, value))]
