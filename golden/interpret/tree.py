"""A kernel's statements and expressions as plain objects.

An attribute of a TVM node costs microseconds and gives a new object each time; statements of a
kernel are executed thousands of times. So every node is read once (golden.interpret.reader), and
what depends on the source alone is worked out once, when it is first asked for.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

from golden.errors import location_of
from golden.named import Named, loads_behind, told
from golden.source import BufferInfo, divides, dtype_of

PARALLEL: Final = (1, 2)
"""Kinds of loops all of whose iterations run at once: T.Parallel and vectorised ones."""


@dataclass(frozen=True, eq=False)
class Node:
    """Anything of the source; ``origin`` is the TVM node it was read from."""

    origin: Any = field(repr=False)

    @cached_property
    def where(self) -> str | None:
        """Its place in the source."""
        return location_of(self.origin)


@dataclass(frozen=True, eq=False)
class Expr(Node):
    """An expression; one of no class below has no meaning here."""

    @cached_property
    def dtype(self) -> str:
        """Its type."""
        return dtype_of(self.origin)

    @cached_property
    def follows(self) -> tuple[Any, int] | None:
        """(variable, offset) of ``variable`` and ``variable + constant``."""
        inner: Expr = self
        offset = 0
        if isinstance(self, Binary) and self.kind == "Add" and isinstance(self.b, Whole):
            inner, offset = self.a, self.b.value
        return (inner.var, offset) if isinstance(inner, Name) else None


@dataclass(frozen=True, eq=False)
class Whole(Expr):
    """A whole number."""

    value: int


@dataclass(frozen=True, eq=False)
class Real(Expr):
    """A real number."""

    value: float


@dataclass(frozen=True, eq=False)
class Name(Expr):
    """A variable; the same object for every mention of one."""

    var: Any


@dataclass(frozen=True, eq=False)
class Load(Expr):
    """An element of a buffer; of None where something else is indexed."""

    buffer: BufferInfo | None
    indices: tuple[Expr, ...]
    scalar: bool


@dataclass(frozen=True, eq=False)
class Cast(Expr):
    """A value in another type."""

    value: Expr


@dataclass(frozen=True, eq=False)
class Select(Expr):
    """One of two values."""

    condition: Expr
    yes: Expr
    no: Expr


@dataclass(frozen=True, eq=False)
class Binary(Expr):
    """An operation on two values, by the name of TVM's class."""

    kind: str
    a: Expr
    b: Expr

    @cached_property
    def choice(self) -> str | None:
        """A name for it, where it chooses between real numbers or asks which is larger."""
        ordered = self.kind in ("Max", "Min", "LT", "LE", "GT", "GE")
        real = "float" in self.a.dtype
        return f"{self.where} {self.origin}" if ordered and real else None


@dataclass(frozen=True, eq=False)
class Logic(Expr):
    """``And``, ``Or``, or ``Not`` of the first."""

    kind: str
    a: Expr
    b: Expr


@dataclass(frozen=True, eq=False)
class Inverted(Expr):
    """All bits the other way."""

    a: Expr


@dataclass(frozen=True, eq=False)
class Call(Expr):
    """A function of values, by the last part of its name."""

    name: str
    args: tuple[Expr, ...]


@dataclass(frozen=True, eq=False)
class Slice(Node):
    """A region operand of a tile op; an extent is None where it is not a constant."""

    buffer: BufferInfo
    starts: tuple[Expr, ...]
    extents: tuple[int | None, ...]

    @cached_property
    def anywhere(self) -> tuple[bool, ...]:
        """Of each dimension, whether rows or columns may begin between multiples of the extent."""
        many = [dim for dim, extent in enumerate(self.extents) if extent != 1][-2:]
        return tuple(
            dim in many and extent is not None and not divides(start.origin, extent)
            for dim, (start, extent) in enumerate(zip(self.starts, self.extents, strict=True))
        )


@dataclass(frozen=True, eq=False)
class Stmt(Node):
    """A statement; one of no class below has no meaning here."""

    names: Named = field(repr=False)

    def _told(self, *exprs: Expr) -> bool:
        """Whether what an expression reads, directly or by names, is memory."""
        return any(True for expr in exprs for _ in loads_behind(expr.origin, self.names))

    @property
    def inside(self) -> tuple[Stmt, ...]:
        """Statements right below."""
        return ()

    @cached_property
    def scatters(self) -> bool:
        """Whether memory decides where a store below goes."""
        return any(stmt.scatters for stmt in self.inside)


@dataclass(frozen=True, eq=False)
class Sequence(Stmt):
    """One after another."""

    parts: tuple[Stmt, ...]

    @property
    def inside(self) -> tuple[Stmt, ...]:
        """The parts."""
        return self.parts


@dataclass(frozen=True, eq=False)
class Around(Stmt):
    """What says something about its body that has no meaning here."""

    body: Stmt

    @property
    def inside(self) -> tuple[Stmt, ...]:
        """The body."""
        return (self.body,)


@dataclass(frozen=True, eq=False)
class Allocate(Stmt):
    """A buffer begins."""

    buffer: BufferInfo


@dataclass(frozen=True, eq=False)
class Bind(Stmt):
    """A name is given a value."""

    var: Any
    value: Expr


@dataclass(frozen=True, eq=False)
class Store(Stmt):
    """An element of a buffer is set."""

    buffer: BufferInfo
    indices: tuple[Expr, ...]
    value: Expr

    @cached_property
    def told(self) -> tuple[bool, ...]:
        """Of each index of a tensor, whether a tensor says it."""
        tensor = self.buffer.is_tensor
        return tuple(tensor and told(index.origin, self.names) for index in self.indices)

    @cached_property
    def scatters(self) -> bool:
        """Whether memory decides where it goes."""
        return any(self.told)

    @cached_property
    def target(self) -> tuple[BufferInfo, str]:
        """What is set, to be compared."""
        return self.buffer, str(self.origin.indices[:])


@dataclass(frozen=True, eq=False)
class TileOp(Stmt):
    """A tile op by its name, empty for what is no op, None for what is no call.

    ``args`` are Slices, words and numbers; what a fill sets is an expression.
    """

    name: str | None
    args: tuple[Any, ...]

    @cached_property
    def told(self) -> tuple[bool, ...]:
        """Of each start of what a copy sets of a tensor, whether a tensor says it."""
        target = self.args[1]
        return tuple(target.buffer.is_tensor and told(start.origin, self.names)
                     for start in target.starts)  # fmt: skip


@dataclass(frozen=True, eq=False)
class If(Stmt):
    """Either of two statements."""

    condition: Expr
    then: Stmt
    orelse: Stmt | None

    @property
    def inside(self) -> tuple[Stmt, ...]:
        """Both sides."""
        return (self.then,) if self.orelse is None else (self.then, self.orelse)

    @cached_property
    def asks(self) -> bool:
        """Whether memory decides which."""
        return self._told(self.condition)


@dataclass(frozen=True, eq=False)
class Loop(Stmt):
    """A loop of one of TVM's kinds."""

    var: Any
    start: Expr
    extent: Expr
    step: Expr | None
    kind: int
    body: Stmt
    at_once: AtOnce | None

    @property
    def inside(self) -> tuple[Stmt, ...]:
        """The body."""
        return (self.body,)

    @cached_property
    def asks(self) -> bool:
        """Whether memory decides how often it runs."""
        return self._told(self.start, self.extent)


@dataclass(frozen=True, eq=False)
class AtOnce:
    """A sequential nest whose order says nothing: loops one by one around one that runs at once.

    ``around`` are variables and how often each loop runs.
    """

    around: tuple[tuple[Any, int], ...]
    nest: Stmt


def below(stmt: Stmt) -> Iterator[Stmt]:
    """A statement and all below it, outer ones first."""
    yield stmt
    for part in stmt.inside:
        yield from below(part)
