"""The vocabulary of block programs: lists of statements on tile buffers.

Statements are mutable while passes rewrite them; expressions are immutable.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Final

from harness.compiler.block.region import Region
from harness.language.blockformats import BLOCK_FORMATS, VALUES
from simulator.formats.dataformat import DataFormat


@dataclass(eq=False)
class Buffer:
    """An on-chip block: ``lead x rows x cols`` tiles of 32x32 in row-major order.

    ``shape`` is the logical extent of the last two dimensions in elements. ``form`` says where a
    vector lives: ``full`` for matrices, ``row`` in row 0 of its tiles, ``col`` in column 0.
    """

    name: str
    dtype: str
    lead: int
    rows: int
    cols: int
    shape: tuple[int, int]
    form: str = "full"

    @property
    def tiles(self) -> int:
        """Tiles in the block."""
        return self.lead * self.rows * self.cols

    @property
    def format(self) -> DataFormat:
        """Storage format in L1."""
        return DataFormat.from_ir(self.dtype)

    @property
    def computed(self) -> str:
        """Dtype of values computed from it: block formats are for what is only loaded."""
        return VALUES if self.dtype in BLOCK_FORMATS else self.dtype

    def like(self, name: str, dtype: str | None = None) -> Buffer:
        """Another buffer of the same extent."""
        return Buffer(name, dtype or self.computed, self.lead, self.rows, self.cols, self.shape,
                      self.form)  # fmt: skip

    def turned(self, name: str) -> Buffer:
        """A buffer for the transpose."""
        form = {"row": "col", "col": "row"}.get(self.form, self.form)
        return Buffer(name, self.computed, self.lead, self.cols, self.rows, self.shape[::-1], form)


@dataclass(frozen=True)
class Leaf:
    """A buffer's element at the iteration's place.

    ``bcast`` ROW, COL or SCALAR repeats its first row, column or element over the tile; ``cut``
    takes float32 through SrcA, as a reduction does.
    """

    buffer: Buffer
    bcast: str | None = None
    cut: bool = False


@dataclass(frozen=True)
class Const:
    """A number."""

    value: float


@dataclass(frozen=True)
class Unary:
    """An SFPU function of one operand, by its op's stem (``exp``, ``gez``, ``recip`` …)."""

    op: str
    a: Expr


@dataclass(frozen=True)
class Binary:
    """``op`` in add, sub, mul, div, max, min, power of two operands."""

    op: str
    a: Expr
    b: Expr


@dataclass(frozen=True)
class Select:
    """``a`` where ``cond`` is not zero, else ``b``."""

    cond: Expr
    a: Expr
    b: Expr


@dataclass(frozen=True)
class Convert:
    """Rounded to another dtype on the way."""

    dtype: str
    a: Expr


Expr = Leaf | Const | Unary | Binary | Select | Convert


TESTS: Final = ("eqz", "nez", "ltz", "lez", "gtz", "gez")
"""Unary ops that answer 1 or 0."""

_OPERANDS: Final[dict[type[Any], tuple[str, ...]]] = {
    Unary: ("a",), Convert: ("a",), Binary: ("a", "b"), Select: ("cond", "a", "b"),
}  # fmt: skip


def operands(expr: Expr) -> tuple[Expr, ...]:
    """Direct operands."""
    return tuple(getattr(expr, name) for name in _OPERANDS.get(type(expr), ()))


def over_operands(expr: Expr, change: Callable[[Expr], Expr]) -> Expr:
    """The expression with its direct operands changed."""
    names = _OPERANDS.get(type(expr), ())
    changed: dict[str, Any] = {name: change(getattr(expr, name)) for name in names}
    return replace(expr, **changed)


def leaf_nodes(expr: Expr) -> Iterator[Leaf]:
    """Leaves, left to right, repeats included."""
    if isinstance(expr, Leaf):
        yield expr
    for operand in operands(expr):
        yield from leaf_nodes(operand)


def leaves(expr: Expr) -> Iterator[Buffer]:
    """Buffers an expression reads, left to right, repeats included."""
    for leaf in leaf_nodes(expr):
        yield leaf.buffer


def rebuilt(expr: Expr, leaf: Callable[[Leaf], Leaf]) -> Expr:
    """The expression with every leaf replaced."""
    if isinstance(expr, Leaf):
        return leaf(expr)
    return over_operands(expr, lambda operand: rebuilt(operand, leaf))


@dataclass(eq=False)
class Statement:
    """Base; ``node`` is the TIR statement it came from (for its span)."""

    node: Any = field(repr=False)

    def defs(self) -> tuple[Buffer, ...]:
        """Buffers it writes in full."""
        return ()

    def uses(self) -> tuple[Buffer, ...]:
        """Buffers it reads."""
        return ()

    def bodies(self) -> tuple[list[Statement], ...]:
        """Nested statement lists."""
        return ()


@dataclass(eq=False)
class Load(Statement):
    """Tensor region to buffer; out of bounds reads zero."""

    dst: Buffer
    region: Region

    def defs(self) -> tuple[Buffer, ...]:
        """Buffers it writes."""
        return (self.dst,)


@dataclass(eq=False)
class Store(Statement):
    """Buffer to tensor region; out of bounds is clipped."""

    region: Region
    src: Buffer

    def uses(self) -> tuple[Buffer, ...]:
        """Buffers it reads."""
        return (self.src,)


@dataclass(eq=False)
class Eltwise(Statement):
    """``dst[i, j] = expr[i, j]``."""

    dst: Buffer
    expr: Expr

    def defs(self) -> tuple[Buffer, ...]:
        """Buffers it writes."""
        return (self.dst,)

    def uses(self) -> tuple[Buffer, ...]:
        """Buffers it reads."""
        return tuple(dict.fromkeys(leaves(self.expr)))


@dataclass(eq=False)
class IndexTiles(Statement):
    """``dst[i, j] = base + row_step * i + col_step * j``, written by the reader; float32, exact."""

    dst: Buffer
    base: Any
    row_step: int
    col_step: int

    def defs(self) -> tuple[Buffer, ...]:
        """Buffers it writes."""
        return (self.dst,)


@dataclass(eq=False)
class Scaler(Statement):
    """A reduction's scaler tile: ones in the first row of each face, written by the reader."""

    dst: Buffer

    def defs(self) -> tuple[Buffer, ...]:
        """Buffers it writes."""
        return (self.dst,)


@dataclass(eq=False)
class Reduce(Statement):
    """``dst = pool(src)`` over columns (``axis`` 1, result in column 0) or rows (0, in row 0)."""

    dst: Buffer
    src: Buffer
    scaler: Buffer
    pool: str
    axis: int

    def defs(self) -> tuple[Buffer, ...]:
        """Buffers it writes."""
        return (self.dst,)

    def uses(self) -> tuple[Buffer, ...]:
        """Buffers it reads."""
        return (self.src, self.scaler)


@dataclass(eq=False)
class Cumsum(Statement):
    """``dst`` = running sums of ``src`` along an axis: products with a triangle and with ones.

    ``ones`` is two tiles: a triangle of ones, and all ones.
    """

    dst: Buffer
    src: Buffer
    ones: Buffer
    axis: int
    reverse: bool

    def defs(self) -> tuple[Buffer, ...]:
        """Buffers it writes."""
        return (self.dst,)

    def uses(self) -> tuple[Buffer, ...]:
        """Buffers it reads."""
        return (self.src, self.ones)


@dataclass(eq=False)
class Transpose(Statement):
    """``dst[i, j] = src[j, i]`` for whole blocks."""

    dst: Buffer
    src: Buffer

    def defs(self) -> tuple[Buffer, ...]:
        """Buffers it writes."""
        return (self.dst,)

    def uses(self) -> tuple[Buffer, ...]:
        """Buffers it reads."""
        return (self.src,)


@dataclass(eq=False)
class Gemm(Statement):
    """``c = acc + a . b`` (b transposed if ``trans_b``); without ``acc`` from zero.

    ``resident`` gemms add to an accumulator that an enclosing :class:`Accumulate` keeps in DST.
    """

    a: Buffer
    b: Buffer
    c: Buffer
    trans_a: bool
    trans_b: bool
    acc: Buffer | None
    resident: bool = False

    def defs(self) -> tuple[Buffer, ...]:
        """Buffers it writes."""
        return () if self.resident else (self.c,)

    def uses(self) -> tuple[Buffer, ...]:
        """Buffers it reads."""
        wanted = (self.a, self.b) if self.resident else (self.a, self.b, self.acc)
        return tuple(dict.fromkeys(b for b in wanted if b is not None))


@dataclass(eq=False)
class Accumulate(Statement):
    """Gemms whose accumulators stay in DST over ``body``, packed to ``outs`` at its end.

    ``body`` holds only loops, loads and gemms; ``accs`` are the accumulators, in DST order. Those
    to which perhaps nothing is added are ``bare``: DST is zero from the first product on only.
    """

    body: list[Statement]
    accs: list[Buffer]
    outs: list[Buffer]
    bare: frozenset[Buffer] = frozenset()

    def defs(self) -> tuple[Buffer, ...]:
        """Buffers it writes."""
        return tuple(self.outs)

    def bodies(self) -> tuple[list[Statement], ...]:
        """Nested statement lists."""
        return (self.body,)


@dataclass(eq=False)
class For(Statement):
    """A sequential loop; ``node`` is the TIR loop (variable, bounds, annotations)."""

    body: list[Statement]

    def bodies(self) -> tuple[list[Statement], ...]:
        """Nested statement lists."""
        return (self.body,)


@dataclass(eq=False)
class If(Statement):
    """A condition on block and loop indices; ``node`` is the TIR statement."""

    then: list[Statement]
    orelse: list[Statement]

    def bodies(self) -> tuple[list[Statement], ...]:
        """Nested statement lists."""
        return (self.then, self.orelse)


def walk(body: list[Statement]) -> Iterator[Statement]:
    """Every statement, parents first, in program order."""
    for stmt in body:
        yield stmt
        for inner in stmt.bodies():
            yield from walk(inner)


@dataclass(eq=False)
class BlockProgram:
    """One block's statements."""

    body: list[Statement]
    names: set[str] = field(default_factory=set)
    held: dict[Buffer, str] = field(default_factory=dict)
    """Blocks of whole numbers kept as float32, and what the source declares them to be of."""
    signed: frozenset[str] = frozenset()
    """Names of the int8 tensors that hold two's complement."""
    cut_before: frozenset[str] = frozenset()
    """Names of the tensors that hold what reductions of an earlier kernel left."""
    exact: list[tuple[Any, Expr]] = field(default_factory=list)
    """Whole numbers of whose bits something is made, and where: they have to be exact."""

    def fresh_name(self, stem: str) -> str:
        """A buffer name not in use yet."""
        name, n = stem, 1
        while name in self.names:
            name, n = f"{stem}_{n}", n + 1
        self.names.add(name)
        return name
