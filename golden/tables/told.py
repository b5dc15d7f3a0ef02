"""Tensors that say how far: bounds of loops, of masks, and where sequences laid end to end begin.

Values are proposed and tried: a walk over the kernel with nothing computed tells whether a loop
that such a tensor bounds leaves what it copies. The largest that fits is taken, so that loops
differ in how often they run and masks end inside their blocks.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache, partial
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import tvm
from tvm import tirx

from golden.approx import Approx
from golden.contract import NumericContract
from golden.errors import GoldenError
from golden.interpret import tree
from golden.interpret.expressions import Evaluator
from golden.interpret.machine import Chunk, Machine
from golden.interpret.reader import read_body
from golden.interpret.space import Space
from golden.interpret.statements import Statements
from golden.interpret.tensors import Tensor
from golden.named import loads_behind
from golden.source import COPY, Kernel, constant, dtype_of, mentions
from golden.tables.asked import ask, chooses
from golden.tables.stored import Stored, matters
from golden.walks import structural_walk

Array = npt.NDArray[Any]

_COMPARISONS: Final = (tirx.LT, tirx.LE, tirx.GT, tirx.GE, tirx.EQ, tirx.NE)
_INDICES: Final = ("int32", "int64")
_COUNTS: Final = ("int32", "uint8", "int8")
_CONTRACT: Final = NumericContract("wormhole", "HiFi4", fp32_dest=True, dest="float32",
                                   float32_source="tfloat32")  # fmt: skip
"""Any: places are exact whatever it is."""
_MOST: Final = 1 << 20
"""Largest value tried."""
_STEPS: Final = 1 << 14
"""Most statements gone through for one try."""
_DECIDED: Final = 1 << 9
"""Most of them within what memory decides: more iterations tell no more."""
_FEW: Final = 4
"""From as many values on, one of them is none at all."""


def drawn_bounds(
    kernel: Kernel, given: Mapping[str, Array], seed: int, *, empty: bool
) -> dict[str, Array]:  # fmt: skip
    """Values for tensors that bound loops, masks and sequences, by name.

    Args:
        kernel: the source.
        given: tensors of indices that choose.
        seed: of the draws.
        empty: whether one of several may be zero, or one sequence be empty.
    """
    names = [n for n in telling(kernel) if n not in given]
    if not names:
        return {}
    values = {n: np.zeros(kernel.tensor(n).shape, kernel.tensor(n).dtype) for n in names}
    sizes = {s for t in kernel.tensors if t.name not in (*names, *given) for s in t.shape}
    products = {a * b for a in sizes for b in sizes if a * b <= _MOST}
    ends = _laid_out(kernel)
    for number, name in enumerate(names):
        draw = partial(_offsets if name in ends else _lengths, shape=values[name].shape,
                       rng=np.random.default_rng([seed, 7, number]), empty=empty)  # fmt: skip
        if not (sizes and products):
            continue
        found = _largest(kernel, {**given, **values}, name, draw, products)
        if found is not None and found.max() == max(products):
            found = draw(max(sizes))  # nothing bounds it but where masks end
        if found is not None:
            if name != names[-1] and found.max() > 1:  # leave something for the others
                half = draw(int(found.max()) // 2)
                found = half if _fits(kernel, {**given, **values, name: half}) else found
            values[name] = found.astype(values[name].dtype)
    return values


def _largest(
    kernel: Kernel, tables: Mapping[str, Array], name: str, draw: Callable[[int], Array],
    sizes: set[int],
) -> Array | None:  # fmt: skip
    """Values up to the largest size, or what halving sizes leaves, that fit; None where none do."""
    fitting: dict[int, Array] = {}

    def fails(top: int) -> bool:
        proposed = draw(top)
        if _fits(kernel, {**tables, name: proposed}):
            fitting[top] = proposed
        return top not in fitting

    tops = sorted(_halves(sizes))
    if fails(tops[-1]):
        bisect_left(tops, True, key=fails)
    return fitting[max(fitting)] if fitting else None


def _halves(sizes: set[int]) -> set[int]:
    """Sizes, and what halving them leaves."""
    return {s >> n for s in sizes for n in range(s.bit_length())}


@lru_cache(maxsize=4)
def telling(kernel: Kernel) -> tuple[str, ...]:
    """Names of the int32 tensors that bound loops and conditions, or that places are held against.

    Directly, by a name, or through a scalar.
    """
    names = kernel.names
    places = [s.loop_var for s in kernel.statements
              if isinstance(s, tirx.For) and int(s.kind) in (1, 2)]  # fmt: skip
    found: dict[str, None] = {}
    for expr in _bounds(kernel):
        loads = list(loads_behind(expr, names))
        if not any(mentions(index, places) for load in loads for index in load.indices[:]):
            found |= {str(load.source.name): None for load in loads}
    tensors = {t.name for t in kernel.tensors if t.dtype in _COUNTS} - set(kernel.outputs)
    return tuple(sorted(tensors & set(found)))


def _bounds(kernel: Kernel) -> Iterator[Any]:
    """Bounds of loops, and whole numbers that are compared."""
    for stmt in kernel.statements:
        if isinstance(stmt, tirx.For):
            yield from (stmt.min, stmt.extent)
        compared: list[Any] = []
        asked = {tirx.IfThenElse: "condition", tirx.BufferStore: "value"}.get(type(stmt))
        if asked is not None:
            kinds = [(kind, compared.append) for kind in _COMPARISONS]
            structural_walk(getattr(stmt, asked), kinds)
        for node in compared:
            if dtype_of(node.a) in _INDICES:
                yield from (node.a, node.b)


def _laid_out(kernel: Kernel) -> set[str]:
    """Tensors asked at neighbouring places, ``t[b]`` and ``t[b + 1]``: where sequences meet."""
    asked: dict[str, list[Any]] = {}

    def seen(load: Any) -> None:
        asked.setdefault(str(load.source.name), []).append(load.indices[:][-1])

    structural_walk(kernel.body, [(tvm.ir.TensorLoad, seen)])
    return {name for name, found in asked.items()
            for a in found for b in found if constant(a - b) not in (None, 0)}  # fmt: skip


def _lengths(
    top: int, shape: tuple[int, ...], rng: np.random.Generator, *, empty: bool
) -> Array:  # fmt: skip
    """From 1 to ``top``, which one of them is."""
    values = rng.integers(min(1, top), top + 1, shape)
    flat = values.reshape(-1)
    first, second = rng.permutation(len(flat))[:2] if len(flat) > 1 else (0, 0)
    flat[first] = top
    if empty and len(flat) >= _FEW:
        flat[second] = 0
    return values


def _offsets(
    top: int, shape: tuple[int, ...], rng: np.random.Generator, *, empty: bool
) -> Array:  # fmt: skip
    """Rising from 0 to ``top`` along the last dimension."""
    count = shape[-1] - 1
    lengths = rng.multinomial(max(top - count, 0), np.full(max(count, 1), 1 / max(count, 1)),
                              shape[:-1])[..., :count] + (top >= count)  # fmt: skip
    values = np.zeros(shape, np.int64)
    if empty and count >= _FEW:
        into = int(rng.integers(count - 1))
        lengths[..., into + 1] += lengths[..., into]
        lengths[..., into] = 0
    values[..., 1:] = np.cumsum(lengths, axis=-1)
    return values


class _Walk(Statements):
    """Goes through a kernel and computes nothing but places.

    Attributes:
        deep: loops and conditions around that memory decides.
        left: whether something lay outside its tensor.
        steps: statements that were run. decided: those under a bound or condition of memory.
        stored: the places of stores that memory decides.
    """

    def __init__(self, chunk: Chunk) -> None:
        super().__init__(chunk)
        self.deep, self.left, self.steps, self.decided = 0, False, 0, 0
        kernel = chunk.machine.kernel
        self.scalars = {info for info in kernel.buffers if info.var in kernel.singles}
        self.stored = Stored()

    def run(self, stmt: tree.Stmt, space: Space) -> None:
        """See Statements; too many are none that fit."""
        self.steps += 1
        self.decided += self.deep > 0
        if self.steps > _STEPS or self.decided > _DECIDED:
            raise GoldenError("loops that go on too long")
        super().run(stmt, space)

    def _allocate(self, stmt: tree.Allocate) -> None:
        if stmt.buffer in self.scalars:
            super()._allocate(stmt)

    def _store(self, stmt: tree.Store, space: Space) -> None:
        if stmt.buffer in self.scalars:
            super()._store(stmt, space)
        elif stmt.scatters:
            self.stored.store(stmt, space)
        elif self.deep or chooses(stmt):
            ask(stmt, space)

    def _parallel(self, stmt: tree.Loop, space: Space, start: Any, extent: Any) -> None:
        """Nothing is computed but where memory decides what is read and stored."""
        if stmt.scatters:
            rows = extent if matters(stmt) else 1
            super()._parallel(stmt, space, start, rows)
        elif self.deep or chooses(stmt):
            ask(stmt, space)

    def _loop(self, stmt: tree.Loop, space: Space) -> None:
        self.deep += stmt.asks
        super()._loop(stmt, space)
        self.deep -= stmt.asks

    def _if(self, stmt: tree.If, space: Space) -> None:
        if space.rank and not stmt.scatters:
            return
        self.deep += stmt.asks
        super()._if(stmt, space)
        self.deep -= stmt.asks

    def _tile_op(self, stmt: tree.TileOp, space: Space) -> None:
        if stmt.name != COPY:
            return
        for region in stmt.args:
            if not region.buffer.is_tensor:
                continue
            parts = zip(region.starts, region.extents, region.buffer.shape, strict=True)
            for first, extent, size in parts:
                start = np.asarray(Evaluator(space).integer(first))
                beyond = (self.deep > 0 or extent == 1) and (start >= size).any()
                self.left |= bool((start < 0).any() or beyond)
        self.stored.copied(stmt, space)


def tried(kernel: Kernel, tables: Mapping[str, Array]) -> int | None:
    """How many places are stored that tables say; None where they do not fit.

    Loops that tensors bound copy from inside theirs, tables are asked inside, and no element is
    stored twice or outside.
    """
    tensors = {}
    for info in kernel.tensors:
        values = tables.get(info.name, np.zeros(info.shape, np.int8)).astype(np.float64)
        tensors[info] = Tensor(info.name, Approx(values), info.dtype)
    machine = Machine(kernel, _CONTRACT, False, tensors)
    total = int(np.prod([extent for _, extent in kernel.grid], dtype=np.int64))
    chunk = Chunk(machine, np.arange(total, dtype=np.int32))
    rest = chunk.numbers.astype(np.int64)
    for var, extent in kernel.grid:
        chunk.env[var] = rest % extent
        rest = rest // extent
    walk = _Walk(chunk)
    try:
        walk.run(read_body(kernel), Space(chunk))
        count = walk.stored.count()
    except GoldenError:
        return None
    inside = all(tensors[i].low == tensors[i].high == (0,) * len(i.shape)
                 for i in kernel.tensors)  # fmt: skip
    return count if inside and not walk.left else None


def _fits(kernel: Kernel, tables: Mapping[str, Array]) -> bool:
    return tried(kernel, tables) is not None
