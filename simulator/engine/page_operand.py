"""The page operand of a NoC transfer: which pages of a tensor, on every lane."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from simulator.engine import expr
from simulator.engine.code import OpContext, uniform
from simulator.engine.expr import Poly
from simulator.engine.gather import Pattern, page_ids
from simulator.engine.group import Group
from simulator.engine.lanes import Lanes
from simulator.engine.violation import Violation
from simulator.memory.dram import Tensor

Shape = tuple[int, int, int, int]
"""(count, step, count, step) of pages over a nest of two loops."""


class Pages:
    """A page operand: the part that varies by lane, found once, and the part that does not.

    Attributes:
        common: the part that does not. register: the one register that the part that varies
            depends on (the group's own where there is none), None for several.
    """

    def __init__(self, c: OpContext, operand: int, tensor: Tensor) -> None:
        base, slopes = c.slopes(c.poly(operand))
        varying, common = expr.split(base, c.names.is_varying)
        self._patterns = c.machine.patterns
        self._inputs = [c.names.registers[item] for item in expr.names_in(varying)]
        self.register = None if len(self._inputs) > 1 else (*self._inputs, 0)[0]
        self._varying = c.names.compile(varying)
        self.common = c.names.compile(common)
        self.fixed_steps: tuple[int, int] | None = None
        self._steps = self._slopes(c, slopes)
        self._tensor = tensor
        self._lanes: Lanes | None = None
        self._seen: list[Any] = []
        self._pattern: Pattern | None = None

    def _slopes(self, c: OpContext, slopes: list[Poly]) -> Callable[[list[Any]], Any]:
        pad = (0,) * (2 - len(slopes))
        known = [expr.value_of(s) for s in slopes]
        if all(k is not None for k in known):
            fixed: Any = (*pad, *known)
            self.fixed_steps = fixed
            return lambda _: fixed
        scalars = [c.names.compile(s) for s in slopes]
        return lambda r: (*pad, *(uniform(r[0], s(r)) for s in scalars))

    def __call__(self, group: Group, n1: int, n2: int) -> tuple[Pattern, int, Shape]:
        """(pattern, uniform part, (n1, step, n2, step)), all pages inside the tensor.

        Raises:
            Violation: a page is outside.
        """
        regs = group.regs
        pattern = self.current(group)
        common = self.common(regs)
        if type(common) is not int:
            common = uniform(group, common)
        s1, s2 = self._steps(regs)
        low, high = pattern.low + common, pattern.high + common
        reach1, reach2 = s1 * (n1 - 1), s2 * (n2 - 1)
        if reach1 < 0 or reach2 < 0:
            low += min(reach1, 0) + min(reach2, 0)
            reach1, reach2 = max(reach1, 0), max(reach2, 0)
        high += reach1 + reach2
        if low < 0 or high >= self._tensor.pages:
            self._outside(pattern, common, (n1, s1, n2, s2), group)
        return pattern, common, (n1, s1, n2, s2)

    def current(self, group: Group) -> Pattern:
        """The part of the pages that varies by lane."""
        pattern = self._pattern
        regs = group.regs
        if pattern is not None and group.lanes is self._lanes:
            seen = self._seen
            for number, reg in enumerate(self._inputs):
                if regs[reg] is not seen[number]:
                    break
            else:
                return pattern
        pattern = self._patterns.of(self._varying(regs), group.lanes)
        self._pattern, self._lanes = pattern, group.lanes
        self._seen = [regs[reg] for reg in self._inputs]
        return pattern

    def _outside(self, pattern: Pattern, common: int, shape: Shape, group: Group) -> None:
        ids = page_ids(pattern, common, *shape)
        bad = ((ids < 0) | (ids >= self._tensor.pages)).any(axis=1)
        worst = ids[bad][0]
        page = int(worst[(worst < 0) | (worst >= self._tensor.pages)][0])
        raise Violation(
            "OutOfBounds",
            f"page {page} of tensor {self._tensor.name}, which has {self._tensor.pages}",
            group.lanes.ids[bad],
        )
