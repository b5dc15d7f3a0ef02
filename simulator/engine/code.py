"""A program as a flat list of closures, and the context in which each is made."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import gcd, prod
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

import numpy as np

from simulator.engine import expr
from simulator.engine.expr import ExprError, Poly, Scalar
from simulator.engine.group import Diverge, Group
from simulator.engine.semaphores import semaphore_address
from simulator.engine.violation import Violation
from simulator.engine.waits import Wait
from simulator.formats.dataformat import is_row, shape_name
from simulator.program import INFINITIES, Op

if TYPE_CHECKING:
    from simulator.engine.cb import CircularBuffer
    from simulator.engine.cursors import Cursor
    from simulator.engine.machine import Machine
    from simulator.engine.src import Port
    from simulator.memory.dram import Tensor

Step: TypeAlias = "Callable[[Group], int]"
"""Executes one op: the index of the next one, or -1 when it must wait."""

BLOCKED = -1

POINTERS: Final = ("get_read_ptr", "get_write_ptr")
"""Atoms of polynomials that stand for addresses of circular buffers."""


class Place(NamedTuple):
    """Where an op stands: path in the program tree and source location."""

    path: str
    loc: str | None
    text: str


@dataclass
class Code:
    """One compiled program.

    ``key`` names the kernel, of which several may run one program. ``loops`` lists (first op, last
    op, variable register, state register) of every loop; ``number`` is the kernel's;
    ``waits`` what a blocking op waits for; ``cursor`` which part of a compute program this is.
    """

    key: str
    program: str
    thread: str
    number: int = 0
    cursor: Cursor = "all"
    steps: list[Step] = field(default_factory=list)
    places: list[Place] = field(default_factory=list)
    loops: list[tuple[int, int, int, int]] = field(default_factory=list)
    waits: dict[int, Wait] = field(default_factory=dict)
    registers: int = 1

    def live_loops(self, pc: int) -> frozenset[int]:
        """Registers of the loops around an op."""
        return frozenset(
            reg for first, last, var, stop in self.loops if first <= pc <= last
            for reg in (var, stop)
        )  # fmt: skip


def uniform(_: Group, value: Any) -> int:
    """A value all lanes must agree on; makes the group split where they do not."""
    if type(value) is int:
        return value
    first = int(value[0])
    if 0 not in (value == first).tobytes():
        return first
    raise Diverge(value)


class Names:
    """Scope and registers of the program being compiled."""

    def __init__(self, machine: Machine, code: Code) -> None:
        self.machine = machine
        self.code = code
        self.scope: dict[str, Poly] = {}
        self.registers: dict[str, int] = {}
        self.varying: set[str] = set()
        self.pointers: dict[str, tuple[str, int]] = {}
        self.multiples: dict[Any, int] = {}

    def register(self, name: str) -> int:
        """A new register for a name."""
        number = self.code.registers
        self.code.registers += 1
        self.registers[name] = number
        return number

    def text(self, item: Any) -> str:
        """Python text of a name or pointer atom."""
        if isinstance(item, str):
            return f"r[{self.registers[item]}]"
        if item[0] == "get_semaphore":
            return str(semaphore_address(self.machine.arch, item[1]))
        write, cb = item[0] == "get_write_ptr", self.machine.cbs.get(item[1])
        if cb is not None and self.code.thread != (cb.producer if write else cb.consumer):
            return str(cb.base)  # every RISC-V has pointers of its own, and never moved this one
        return f"P({item[1]}, {write}, r[0])"

    def compile(self, poly: Poly) -> Scalar:
        """A closure over the registers."""
        constant = expr.value_of(poly)
        if constant is not None:
            return lambda _: constant
        text = expr.source_of(poly, self.text)
        return expr.compile_text(text, {"P": self.machine.pointer})

    def multiple(self, poly: Poly) -> int:
        """A number that the polynomial, pointers left out, is always a multiple of; 0 for zero."""
        out = 0
        for monomial, factor in poly.items():
            if any(not isinstance(item, str) and item[0] in POINTERS for item in monomial):
                continue
            out = gcd(out, factor * prod(self.multiples.get(item, 1) for item in monomial))
        return out

    def is_varying(self, item: Any) -> bool:
        """Whether a name may differ by lane."""
        return item in self.varying if isinstance(item, str) else False


@dataclass(frozen=True)
class Level:
    """One loop of a fused nest: the index name in polynomials, and the trip count."""

    index: str
    count: Poly


class OpContext:
    """What the builder of one op's closure needs.

    A fused op stands in a nest of loops, outermost first; indices are polynomials in the levels'
    index names, each counting from 0.
    """

    def __init__(
        self,
        names: Names,
        op: Op,
        number: int,
        levels: tuple[Level, ...],
        scope: dict[str, Poly],
        place: str,
    ) -> None:
        self.place = place
        self.names = names
        self.machine = names.machine
        self.code = names.code
        self.op = op
        self.number = number
        self.next = number + 1
        self.levels = levels
        self.scope = scope
        self.ports: list[Port] = []
        self._polys: dict[int, Poly] = {}

    def poly(self, operand: int) -> Poly:
        """The polynomial of an expression operand."""
        poly = self._polys.get(operand)
        if poly is None:
            poly = self._polys[operand] = expr.poly_of(self.op.args[operand], self.scope)
        return poly

    def scalar(self, operand: int) -> Scalar:
        """A closure for an operand that does not depend on the nest."""
        return self.names.compile(self.poly(operand))

    def constant(self, operand: int) -> int | None:
        """The value of an operand, where it is a constant."""
        return expr.value_of(self.poly(operand))

    def cb(self, operand: int) -> CircularBuffer:
        """The circular buffer an operand names."""
        number = self.op.args[operand]
        found = self.machine.cbs.get(number) if isinstance(number, int) else None
        if found is None:
            raise ExprError(f"there is no circular buffer {number!r}")
        rows = self.code.thread == "compute" and is_row(found.tile)
        if rows and self.op.name not in ("cb_wait_front", "cb_pop_front"):
            raise ExprError(f"circular buffer {number} has {shape_name(found.tile)}, no tiles")
        return found

    def tensor(self, operand: int) -> Tensor:
        """The tensor an accessor operand names."""
        return self.machine.accessor(self.code.key, str(self.op.args[operand]))

    def counts(self, depth: int) -> Callable[[list[Any]], tuple[int, ...]]:
        """Trip counts of the nest, padded with 1 to ``depth`` levels on the outside."""
        pad = (1,) * (depth - len(self.levels))
        known = [expr.value_of(level.count) for level in self.levels]
        if all(k is not None for k in known):
            fixed = (*pad, *(max(k, 0) for k in known if k is not None))
            if prod(fixed) > MAX_FUSED:
                raise ExprError(f"a tile loop of {prod(fixed)} iterations")
            return lambda _: fixed
        scalars = [self.names.compile(level.count) for level in self.levels]
        return lambda r: _bounded((*pad, *(max(uniform(r[0], s(r)), 0) for s in scalars)))

    def fixed_counts(self, depth: int) -> tuple[int, ...] | None:
        """Trip counts as for :meth:`counts`, where they are constants."""
        known = [expr.value_of(level.count) for level in self.levels]
        if any(k is None for k in known):
            return None
        return (1,) * (depth - len(known)) + tuple(max(k, 0) for k in known if k is not None)

    def fixed_form(self, poly: Poly, depth: int) -> Any:
        """(base, steps) as for :meth:`form`, where they are constants."""
        base, slopes = self.slopes(poly)
        known = [expr.value_of(p) for p in (base, *slopes)]
        if any(k is None for k in known):
            return None
        return (known[0], *(0,) * (depth - len(slopes)), *known[1:])

    def affine(self, operand: int, depth: int) -> tuple[Scalar, tuple[int, ...]] | None:
        """(base, steps) as for :meth:`form` of an operand, where the steps are constants."""
        base, slopes = self.slopes(self.poly(operand))
        known = [value for value in map(expr.value_of, slopes) if value is not None]
        if len(known) < len(slopes):
            return None
        return self.names.compile(base), ((0,) * (depth - len(slopes))) + tuple(known)

    def form(self, poly: Poly, depth: int) -> Callable[[list[Any]], tuple[Any, ...]]:
        """(base, step per level) of an index that is affine in the nest, padded outside by 0."""
        base, slopes = self.slopes(poly)
        pad = (0,) * (depth - len(self.levels))
        known = [expr.value_of(s) for s in slopes]
        start = self.names.compile(base)
        constant = expr.value_of(base)
        if all(k is not None for k in known):
            steps = (*pad, *known)
            if constant is not None:
                fixed = (constant, *steps)
                return lambda _: fixed
            return lambda r: (start(r), *steps)
        scalars = [self.names.compile(s) for s in slopes]
        return lambda r: (start(r), *pad, *(uniform(r[0], s(r)) for s in scalars))

    def slopes(self, poly: Poly) -> tuple[Poly, list[Poly]]:
        """(base, coefficient per level) of a polynomial; it was checked to be affine."""
        coefficients = []
        for level in self.levels:
            parts = expr.slope(poly, level.index)
            if parts is None:
                raise ExprError("the index is not affine in its loops")
            coefficients.append(parts[0])
            poly = parts[1]
        return poly, coefficients

    def index(self, operand: int, depth: int = 2) -> Callable[[list[Any]], tuple[Any, ...]]:
        """The affine form of an index operand."""
        return self.form(self.poly(operand), depth)

    def real(self, operand: int) -> float:
        """A literal float operand, as float32."""
        value = self.op.args[operand]
        if value in INFINITIES:
            return float(value)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ExprError(f"{value!r} is no number")
        with np.errstate(over="ignore"):
            return float(np.float32(value))


MAX_FUSED: Final = 1 << 20
"""Iterations of a fused nest; no memory on the chip holds as many tiles."""


def _bounded(counts: tuple[int, ...]) -> tuple[int, ...]:
    if prod(counts) > MAX_FUSED:
        raise Violation("BudgetSpent", f"a tile loop of {prod(counts)} iterations")
    return counts


def refusal(code: str, message: str) -> Step:
    """A step that breaks a rule whenever it is executed."""

    def step(_: Group) -> int:
        raise Violation(code, message)

    return step


Builders: TypeAlias = "Mapping[str, Callable[[OpContext], Step]]"
