"""Other cores as operands: coordinates and rectangles, per lane.

Loops name the same cores again and again, so what cores operands mean is found once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np

from simulator.engine.code import OpContext
from simulator.engine.expr import Scalar
from simulator.engine.group import Group
from simulator.engine.lanes import Lanes, Vector
from simulator.engine.values import Value, spread
from simulator.engine.violation import Violation

Resolve = Callable[[Group], "tuple[Vector, Vector]"]
"""(row of the sending lane, number of the receiving core) for every pair of a step."""

KEPT: Final = 64
"""Meanings an op remembers."""
Find = Callable[[Lanes, "list[Value]"], "tuple[Vector, Vector]"]
"""The same of the values of all operands."""


def _once(operands: list[Scalar], find: Find) -> Resolve:
    """What ``find`` finds, kept by the lanes and the values; nobody may write to it."""
    known: dict[tuple[Any, ...], tuple[Vector, Vector]] = {}

    def resolve(group: Group) -> tuple[Vector, Vector]:
        regs, lanes = group.regs, group.lanes
        values = [operand(regs) for operand in operands]
        key = lanes, *(v if isinstance(v, int) else v.tobytes() for v in values)
        found = known.get(key)
        if found is None:
            if len(known) == KEPT:
                known.clear()
            found = known[key] = find(lanes, values)
            for side in found:
                side.flags.writeable = False
        return found

    return resolve


def one_core(c: OpContext, x_at: int, y_at: int) -> Resolve:
    """The core at operands (x, y)."""
    machine = c.machine

    def find(lanes: Lanes, values: list[Value]) -> tuple[Vector, Vector]:
        x, y = (spread(value, lanes.n) for value in values)
        return np.arange(lanes.n), machine.core_numbers(x, y, lanes.ids)

    return _once([c.scalar(x_at), c.scalar(y_at)], find)


def rectangle(c: OpContext, first: int, count_at: int, *, loopback: bool) -> Resolve:
    """The cores of a rectangle x0 y0 x1 y1 from operand ``first``, the sender only by loopback.

    NOC 0 wants the first corner top left, NOC 1 bottom right; ``num_dests`` at operand
    ``count_at`` must be the number of receivers, which is not 0 (tt-metal's dataflow_api.h).

    Raises:
        Violation: when executed, corners in the wrong order or another number of receivers.
    """
    machine = c.machine
    edge = max(max(core) for core in machine.cores)
    swapped = machine.noc(c.code.key) == 1

    def find(lanes: Lanes, values: list[Value]) -> tuple[Vector, Vector]:
        n, ids = lanes.n, lanes.ids
        x0, y0, x1, y1, wanted = (spread(value, n) for value in values)
        if swapped:
            x0, y0, x1, y1 = x1, y1, x0, y0
        bad = (x1 < x0) | (y1 < y0)
        if bad.any():
            at = int(bad.argmax())
            raise Violation(
                "OutOfBounds",
                f"multicast rectangle ({x0[at]}, {y0[at]})..({x1[at]}, {y1[at]}) has its corners in"
                f" the order of NOC {0 if swapped else 1}",
                ids[bad],
            )
        far = (x0 < 0) | (y0 < 0) | (x1 > edge) | (y1 > edge)
        if far.any():
            at = int(far.argmax())
            raise Violation("OutOfBounds", f"multicast rectangle ({x0[at]}, {y0[at]})..({x1[at]},"
                            f" {y1[at]}) leaves the grid", ids[far])  # fmt: skip
        rows: list[Any] = []
        cores: list[Any] = []
        for row in range(n):
            xs = np.arange(x0[row], x1[row] + 1)
            ys = np.arange(y0[row], y1[row] + 1)
            grid_x, grid_y = np.tile(xs, len(ys)), np.repeat(ys, len(xs))
            numbers = machine.core_numbers(grid_x, grid_y, ids[row : row + 1])
            if not loopback:
                numbers = numbers[numbers != ids[row]]
            if len(numbers) != wanted[row]:
                raise Violation(
                    "OutOfBounds",
                    f"num_dests is {wanted[row]}, the rectangle has {len(numbers)} receivers",
                    ids[row : row + 1],
                )
            if not len(numbers):
                raise Violation(
                    "OutOfBounds",
                    "the rectangle has no core but the sender: the number of destinations of a"
                    " multicast must not be 0",
                    ids[row : row + 1],
                )
            rows.append(np.full(len(numbers), row))
            cores.append(numbers)
        return np.concatenate(rows), np.concatenate(cores)

    return _once([*(c.scalar(first + i) for i in range(4)), c.scalar(count_at)], find)
