"""When each buffer of a block program holds something, as intervals of block numbers."""

from __future__ import annotations

from typing import Any

from harness.compiler.split.tree import Block, Cond, Loop, Node, touches

Span = tuple[int, int]


def lifetimes(nodes: list[Node]) -> dict[Any, Span]:
    """First and last block number at which each buffer is alive.

    A buffer that a loop carries around, or that is touched both inside and outside a loop, is alive
    over the whole loop. One that is there before a branch and used in it is alive to its end, where
    every path drops it.
    """
    first: dict[Any, int] = {}
    last: dict[Any, int] = {}
    closed: list[tuple[Loop | Cond, int, int]] = []
    count = 0

    def walk(items: list[Node]) -> None:
        nonlocal count
        for node in items:
            if isinstance(node, Block):
                for buffer in (*node.defs, *node.uses):
                    first.setdefault(buffer, count)
                    last[buffer] = count
                count += 1
            elif isinstance(node, Loop):
                start = count
                walk(node.body)
                closed.append((node, start, count - 1))
            elif isinstance(node, Cond):
                start = count
                walk(node.then)
                walk(node.orelse)
                closed.append((node, start, count - 1))

    walk(nodes)
    spans = {buffer: (first[buffer], last[buffer]) for buffer in first}
    for node, start, end in closed:  # innermost first
        for buffer, (a, b) in spans.items():
            inside = not (b < start or a > end)
            beyond = a < start or b > end
            if isinstance(node, Cond):
                if inside and a < start:
                    spans[buffer] = a, max(b, end)
            elif inside and (beyond or touches(node, buffer) == "use"):
                spans[buffer] = (min(a, start), max(b, end))
    return spans


def disjoint(a: Span, b: Span) -> bool:
    """Whether two spans share no block."""
    return a[1] < b[0] or b[1] < a[0]
