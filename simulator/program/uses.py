"""What a program names: its circular buffers and its semaphores."""

from __future__ import annotations

from collections.abc import Iterator
from types import MappingProxyType
from typing import Any, Final

from simulator.isa import OPS
from simulator.program import If, Let, Loop, Op, Stmt, load_of

_POINTERS: Final = MappingProxyType(
    {"get_write_ptr": "cb", "get_read_ptr": "cb", "get_semaphore": "sem"}
)


def resources(body: tuple[Stmt, ...]) -> Iterator[tuple[str, int]]:
    """(``cb`` or ``sem``, id) of every operand below that is one or points into one."""
    stack: list[Any] = list(body)
    while stack:
        item = stack.pop()
        if isinstance(item, Op):
            spec = OPS.get(item.name)
            for operand, value in zip(spec.operands if spec else (), item.args, strict=False):
                if operand.kind in ("cb", "sem") and type(value) is int:
                    yield operand.kind, value
            stack.extend(item.args)
        elif isinstance(item, Loop):
            stack += [item.start, item.stop, *item.body]
        elif isinstance(item, If):
            stack += [item.cond, *item.then, *item.orelse]
        elif isinstance(item, Let):
            load = load_of(item.value)
            if load and type(load[0]) is int:
                yield "cb", load[0]
            stack.append(item.value)
        elif isinstance(item, (list, tuple)) and item:
            if isinstance(item[0], str) and item[0] in _POINTERS and type(item[-1]) is int:
                yield _POINTERS[item[0]], item[-1]
            stack.extend(item)
