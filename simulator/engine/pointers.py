"""L1 operands: an address as a page of a circular buffer's window."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from simulator.engine import expr
from simulator.engine.cb import CircularBuffer
from simulator.engine.code import OpContext, Step, refusal, uniform
from simulator.engine.expr import ExprError, Poly
from simulator.engine.group import Group
from simulator.engine.violation import Violation


class Pointer:
    """An L1 operand that points into a circular buffer.

    Attributes:
        cb: the buffer. write: it is relative to the write pointer.
    """

    def __init__(
        self,
        cb: CircularBuffer,
        form: Callable[[list[Any]], tuple[Any, ...]],
        *,
        write: bool,
        absolute: bool,
        constant: tuple[int, int, int] | None = None,
    ) -> None:
        self.cb = cb
        self.write = write
        self._form = form
        self._absolute = absolute
        self._constant = constant

    def fixed(self) -> tuple[int, int, int] | None:
        """:meth:`pages` where it is the same at every execution."""
        size = self.cb.page_bytes
        if self._absolute or self._constant is None or any(v % size for v in self._constant):
            return None
        at, q1, q2 = (v // size for v in self._constant)
        return (at, q1, q2) if at >= 0 else None

    def pages(self, group: Group) -> tuple[int, int, int]:
        """(first page relative to the window, step, step) over the nest.

        Raises:
            Violation: the address is not the start of a page.
        """
        at, q1, q2 = self._bytes(group)
        cb = self.cb
        size = cb.page_bytes
        if at % size or q1 % size or q2 % size:
            raise Violation(
                "CBWindow",
                f"byte {at} of the window of circular buffer {cb.number} is not the start of a"
                f" page of {size} bytes",
            )
        return at // size, q1 // size, q2 // size

    def offset(self, group: Group) -> int:
        """Bytes from the window's first one."""
        return self._bytes(group)[0]

    def _bytes(self, group: Group) -> tuple[int, int, int]:
        """(first byte relative to the window, step, step) over the nest."""
        at, q1, q2 = self._form(group.regs)
        if self._absolute:
            at = at - self.cb.pointer(group.lanes, write=self.write)
        if type(at) is not int:
            at = uniform(group, at)
        return at, q1, q2


def grain_of(c: OpContext, *operands: int) -> int:
    """What the offsets of ``l1`` operands and the values of the others are multiples of."""
    return math.gcd(*(c.names.multiple(c.poly(operand)) for operand in operands))


def pointer_of(c: OpContext, operand: int) -> Pointer:
    """The pointer an ``l1`` operand is.

    Raises:
        ExprError: the address is not derived from the pointer of one circular buffer.
    """
    poly = c.poly(operand)
    found: list[tuple[Any, tuple[str, int], bool]] = []
    for item in expr.names_in(poly):
        if not isinstance(item, str):
            found.append((item, item, False))
        elif item in c.names.pointers:
            found.append((item, c.names.pointers[item], True))
    if len(found) != 1 or poly.get((found[0][0],)) != 1:
        raise ExprError("an L1 address must be get_read_ptr or get_write_ptr of one circular buffer"
                        " plus an offset")  # fmt: skip
    item, (kind, number), absolute = found[0]
    cb = c.machine.cbs.get(number)
    if cb is None:
        raise ExprError(f"there is no circular buffer {number}")
    offset: Poly = dict(poly)
    if not absolute:
        del offset[(item,)]
    return Pointer(
        cb,
        c.form(offset, 2),
        write=kind == "get_write_ptr",
        absolute=absolute,
        constant=c.fixed_form(offset, 2),
    )


def misused(c: OpContext, pointer: Pointer, *, fills: bool) -> Step | None:
    """A refusal, if the thread owns another end, or the op ``fills`` what is there to be read.

    On the chip every RISC-V has pointers of its own, and only the end's own thread moves them.
    """
    cb, thread = pointer.cb, c.code.thread
    owner = cb.producer if pointer.write or fills else cb.consumer
    if owner != thread:
        end = "into" if owner == cb.producer else "from"
        role = "producer" if end == "into" else "consumer"
        return refusal("CBEndpoint", f"{c.op.name} on {thread} {end} circular buffer {cb.number},"
                       f" whose {role} is {owner}")  # fmt: skip
    if fills and not pointer.write:
        return refusal("CBWindow", f"{c.op.name} writes at get_read_ptr of circular buffer"
                       f" {cb.number}: what may be written begins at get_write_ptr")  # fmt: skip
    return None
