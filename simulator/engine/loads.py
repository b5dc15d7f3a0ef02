"""Integers that RISCs load from L1: datums of a row that they have waited for.

A data movement RISC loads for itself. Of the compute trio the unpacker does, and sends the value to
math and packer by their mailboxes, so that all three go the same way.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from simulator.engine.carriers import BYTES
from simulator.engine.code import BLOCKED, Names, Step, refusal
from simulator.engine.expr import ExprError, Poly, poly_of
from simulator.engine.group import Group
from simulator.engine.segs import UNHELD
from simulator.engine.values import highest, lowest, spread, squeeze
from simulator.engine.violation import Violation
from simulator.formats.dataformat import DataFormat, shape_name
from simulator.program import LOAD

_SIZE = 4
"""Bytes of a datum."""

MAILBOX = 4
"""Values that a mailbox between two RISCs holds; its writer waits for room."""


def build_load(
    names: Names, operands: list[Any], scope: Mapping[str, Poly], register: int, following: int
) -> Step:  # fmt: skip
    """The step that loads a datum, each lane its own, into a register.

    Only what was waited for is loaded. Pages are pushed behind the barrier of their reads, so a
    load needs no rule of its own to come after it.
    """
    if len(operands) != 2:
        raise ExprError(f"{LOAD} takes 2 operands, not {len(operands)}")
    number, index = operands
    cb = names.machine.cbs.get(number) if type(number) is int else None
    if cb is None:
        raise ExprError(f"there is no circular buffer {number!r}")
    value, cursor = names.compile(poly_of(index, scope)), names.code.cursor
    if cb.consumer != names.code.thread:
        return refusal("CBEndpoint", f"{LOAD} on {names.code.thread} from circular buffer"
                       f" {number}, whose consumer is {cb.consumer}")  # fmt: skip
    if cb.fmt is not DataFormat.Int32 or cb.tile[0] != 1:
        return refusal("ShapeMismatch", f"{LOAD} from circular buffer {number} of {cb.fmt.value}"
                       f" {shape_name(cb.tile)}: loads are of rows of Int32")  # fmt: skip
    width = cb.tile[1]
    if cursor in ("math", "pack"):
        return _received(register, following)

    def step(group: Group) -> int:
        mail = group.local.mail if cursor == "unpack" else ()
        if any(len(box) >= MAILBOX for box in mail):
            return BLOCKED
        lanes, at = group.lanes, value(group.regs)
        if lowest(at) < 0 or highest(at) >= width:
            at = np.asarray(at)
            outside = (at < 0) | (at >= width)
            raise Violation(
                "OutOfBounds",
                f"{LOAD} of datum {int(at[outside][0])} of a row of {width} in circular buffer"
                f" {number}",
                lanes.ids[np.broadcast_to(outside, lanes.n)],
            )
        if cb.far:
            raise Violation("InvalidProgram", f"{LOAD} from circular buffer {number}, which other"
                            " cores write or read: that is not modelled")  # fmt: skip
        loads: list[Any] = []
        for strand, rows in cb.at(lanes):
            cb.check_readable(strand, 0, 0)
            loads.append((BYTES.taken(cb, strand, 0, cb.page_bytes, write=False), rows))
        page = BYTES.joined(loads, lanes)
        if isinstance(at, int):
            datum_of: Any = (slice(None), slice(at * _SIZE, (at + 1) * _SIZE))
        else:
            datum_of = (np.arange(lanes.n)[:, None], at.reshape(-1, 1) * _SIZE + np.arange(_SIZE))
        lost = (page.when[datum_of] == UNHELD).any(axis=1)
        if lost.any():
            datum = int(spread(at, lanes.n)[lost][0])
            raise Violation("UninitialisedRead", f"{LOAD} of datum {datum} of a page of circular"
                            f" buffer {number}: nobody wrote it", lanes.ids[lost])  # fmt: skip
        datums = np.ascontiguousarray(page.data[datum_of]).view("<i4")[:, 0]
        group.regs[register] = loaded = squeeze(datums.astype(np.int64))
        for box in mail:
            box.append(loaded)
        return following

    return step


def _received(register: int, following: int) -> Step:
    """What math and packer do of a load: take what the unpacker has sent."""

    def step(group: Group) -> int:
        (box,) = group.local.mail
        if not box:
            return BLOCKED
        group.regs[register] = box.pop(0)
        return following

    return step
