"""What tensors of indices decide, told to every thread that takes part.

The block program asks once: the reader fetches a row, and a variable is a datum of it. The threads
of a core share no variables, so each thread that decides by it gets the row in a circular buffer of
its own and loads the datum itself.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeGuard

from tvm import tirx

from harness.compiler.facts.affine import mentions
from harness.compiler.split.tree import EVERY, THREADS, Block, Cond, Loop, Node, block, walk
from harness.language.walks import replaced

Ends = dict[Any, set[str]]
Rows = dict[Any, dict[str, Any]]


def answered(nodes: list[Node]) -> list[Node]:
    """The tree with every question as block ops of the threads it decides for."""
    if not any(map(_asks, walk(nodes))):
        return nodes
    users: Ends = {}
    for node in walk(nodes):
        if isinstance(node, Block):
            for buffer in node.uses:
                users.setdefault(buffer, set()).add(node.thread)
    rows: Rows = {}
    _decide(nodes, users, rows)
    return _told(nodes, rows)


def told(nodes: list[Node]) -> list[Any]:
    """Variables that threads load, in order: what they hold is known to nobody before."""
    binds = (n.stmt for n in walk(nodes) if isinstance(n, Block) and isinstance(n.stmt, tirx.Bind))
    return list(dict.fromkeys(bind.var for bind in binds))


def _decide(nodes: list[Node], users: Ends, rows: Rows) -> None:
    """The rows that are asked, each with the row of every thread that decides by it."""
    for position, node in enumerate(nodes):
        if isinstance(node, Loop):
            _decide(node.body, users, rows)
        elif isinstance(node, Cond):
            _decide([*node.then, *node.orelse], users, rows)
        elif _asks(node):
            (row,), deciding = node.uses, _deciding(nodes[position + 1 :], node.stmt.var, users)
            own = rows.setdefault(row, {})
            for thread in (t for t in THREADS if t in deciding and t not in own):
                own[thread] = row if not own else tirx.decl_buffer(
                    row.ty.shape, row.ty.dtype, name=f"{row.name}_{thread}",
                    scope=row.ty.storage_scope)  # fmt: skip


def _told(nodes: list[Node], rows: Rows) -> list[Node]:
    """Rows read for each thread, and data loaded by each."""
    out: list[Node] = []
    for node in nodes:
        if isinstance(node, Loop):
            node.body = _told(node.body, rows)
        elif isinstance(node, Cond):
            node.then, node.orelse = (_told(side, rows) for side in (node.then, node.orelse))
        elif len(node.defs) == 1 and node.defs[0] in rows:
            (row,) = node.defs
            out += [
                block(node.thread, replaced(node.stmt, {row: own})) for own in rows[row].values()
            ]
            continue
        elif _asks(node):
            (row,), bind = node.uses, node.stmt
            out += [block(thread, tirx.Bind(bind.var, replaced(bind.value, {row: own})))
                    for thread, own in rows[row].items()]  # fmt: skip
            continue
        out.append(node)
    return out


def _deciding(nodes: list[Node], var: Any, users: Ends) -> set[str]:
    """Threads that do something where a variable decides whether, or how often."""
    out: set[str] = set()
    for position, node in enumerate(nodes):
        if _asks(node) and mentions(node.stmt.value, [var]):  # it places another
            out |= _deciding(nodes[position + 1 :], node.stmt.var, users)
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


def _asks(node: Node) -> TypeGuard[Block]:
    return isinstance(node, Block) and node.thread == EVERY
