"""Vector-unit ops: functions of DST tiles."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from types import MappingProxyType
from typing import Any, Final

import numpy as np

from simulator.engine.code import Builders, OpContext, Step, uniform
from simulator.engine.dst import Section
from simulator.engine.expr import ExprError
from simulator.engine.group import Group
from simulator.engine.kinds import checked
from simulator.engine.ops_config import checker, sfpu_key
from simulator.engine.ops_move import math_section, readable, row_major
from simulator.engine.segs import Seg, normal, with_width
from simulator.engine.violation import Violation
from simulator.formats.dataformat import DataFormat
from simulator.formats.errors import FormatError
from simulator.isa import SFPU_BINARY, SFPU_SCALAR, SFPU_UNARY
from simulator.numerics.sfpu import fill, sfpu, typecast, where

Function = Callable[..., Any]


def _build(
    c: OpContext,
    sources: tuple[int, ...],
    out: int,
    function: Function,
    *,
    takes: DataFormat = DataFormat.Float32,
    gives: DataFormat = DataFormat.Float32,
) -> Step:
    """A step computing tiles ``out`` of tiles ``sources``, operand numbers of DST indices."""
    counts, following, name, machine = c.counts(2), c.next, c.op.name, c.machine
    forms = [c.index(number) for number in sources]
    target = c.index(out)
    check = checker(name, sfpu=sfpu_key(c))
    tally, slot = machine.tally, machine.slot(name)

    def run(group: Group, section: Section, at: list[Any], d: int, shape: tuple[int, ...]) -> None:
        n1, n2, d1, d2 = shape
        pages = n1 * n2
        if pages > 1 and not _independent(at, (d, d1, d2), n1, n2):
            for a in range(n1):
                for b in range(n2):
                    one = [(i + a * i1 + b * i2, 0, 0) for i, i1, i2 in at]
                    run(group, section, one, d + a * d1 + b * d2, (1, 1, 0, 0))
            return
        section.check(d, d + pages - 1)
        segs = []
        for i, _, _ in at:
            section.check(i, i + pages - 1)
            seg = section.get(i, pages, group.lanes, machine.pool)
            segs.append(readable(seg, group, f"DST tile {i}"))
            checked(seg, name, f"DST tile {i}", integers=takes.is_integer)
        valid = None
        for seg in segs:
            if seg.valid is not None:
                valid = seg.valid if valid is None else normal(np.minimum(valid, seg.valid))
        blocks = [seg.values() for seg in segs]
        if len({block.shape for block in blocks}) > 1:
            shape6 = (*blocks[0].shape[:2], n1, n2, *blocks[0].shape[4:])
            blocks = [with_width(block, shape6[1]).reshape(shape6) for block in blocks]
        if machine.arithmetic:
            try:
                result = function(*blocks)
            except FormatError as error:
                raise Violation("ShapeMismatch", f"{name}: {error}") from error
        else:
            result = machine.pool.dummy(blocks[0].shape, gives.value_dtype)
        section.put(d, Seg(pages, result, valid))
        tally[slot] += pages * group.lanes.n

    def step(group: Group) -> int:
        section = math_section(group, name)
        check(group.local.config)
        regs = group.regs
        n1, n2 = counts(regs)
        if not (n1 and n2):
            return following
        at = []
        for form in forms:
            i, i1, i2 = form(regs)
            at.append((uniform(group, i), i1, i2))
        d, d1, d2 = target(regs)
        run(group, section, at, uniform(group, d), (n1, n2, d1, d2))
        return following

    return step


def _independent(at: list[Any], out: tuple[int, int, int], n1: int, n2: int) -> bool:
    """Whether all iterations may run at once: contiguous tiles, none read after it is written."""
    d, d1, d2 = out
    if not row_major(n1, d1, n2, d2):
        return False
    pages = n1 * n2
    for i, i1, i2 in at:
        if not row_major(n1, i1, n2, i2):
            return False
        if i != d and abs(i - d) < pages:
            return False
    return True


def build_unary(c: OpContext) -> Step:
    """Functions of one tile."""
    name, mode = c.op.name.removesuffix("_tile"), c.machine.mode(c.code.key)
    return _build(c, (0,), 0, lambda x: sfpu(name, x, mode=mode))


def build_scalar(c: OpContext) -> Step:
    """Functions of a tile and an immediate."""
    name, mode = c.op.name.removesuffix("_tile"), c.machine.mode(c.code.key)
    value = c.real(1)
    return _build(c, (0,), 0, lambda x: sfpu(name, x, value, mode=mode))


def build_binary(c: OpContext) -> Step:
    """Functions of two tiles."""
    name, mode = c.op.name.removesuffix("_tile"), c.machine.mode(c.code.key)
    return _build(c, (0, 1), 2, lambda x, y: sfpu(name, x, y, mode=mode))


def build_where(c: OpContext) -> Step:
    """where_tile."""
    return _build(c, (0, 1, 2), 3, where)


def build_typecast(c: OpContext) -> Step:
    """typecast_tile."""
    try:
        source, target = (DataFormat.from_name(str(c.op.args[i])) for i in (1, 2))
    except FormatError as error:
        raise ExprError(str(error)) from error
    mode = c.machine.mode(c.code.key)
    function = partial(typecast, source=source, target=target, mode=mode)
    return _build(c, (0,), 0, function, takes=source, gives=target)


def build_fill(c: OpContext) -> Step:
    """fill_tile."""
    counts, target, following, machine = c.counts(2), c.index(0), c.next, c.machine
    check = checker("fill_tile", sfpu=sfpu_key(c))
    one = fill((32, 32), c.real(1), machine.mode(c.code.key))
    tally, slot = machine.tally, machine.slot("fill_tile")

    def step(group: Group) -> int:
        section = math_section(group, "fill_tile")
        check(group.local.config)
        n1, n2 = counts(group.regs)
        d, d1, d2 = target(group.regs)
        d = uniform(group, d)
        width = group.lanes.width
        for a in range(n1):
            for b in range(n2):
                at = d + a * d1 + b * d2
                section.check(at, at)
                shape = (group.lanes.n // width, width, 1, 1, 32, 32)
                section.put(at, Seg(1, np.broadcast_to(one, shape)))
        tally[slot] += n1 * n2 * group.lanes.n
        return following

    return step


def _builders() -> dict[str, Any]:
    table: dict[str, Any] = {f"{name}_tile": build_unary for name in SFPU_UNARY}
    table |= {f"{name}_tile": build_binary for name in SFPU_BINARY}
    table |= {f"{name}_tile": build_scalar for name in SFPU_SCALAR}
    table |= {
        "fill_tile": build_fill,
        "where_tile": build_where,
        "typecast_tile": build_typecast,
    }
    return table


BUILDERS: Final[Builders] = MappingProxyType(_builders())
"""Op name to builder."""
