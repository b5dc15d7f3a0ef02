"""Reading and storing elements of blocks at computed places in T.Parallel: what becomes a move.

An index is a base, the same all over the block, and a number per place, which is counted. What a
tensor is asked for so comes to L1 first, in a window of whole runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
import tvm
from tvm import tirx

from harness.compiler.block.emitting.pieces import FACE
from harness.compiler.block.lattice import MOST, Lattice, Numbers, lattices
from harness.compiler.block.model import Buffer, Const, Eltwise, Expr, Select, Statement
from harness.compiler.block.moved import Moved, zero
from harness.compiler.block.reading.access import no_index
from harness.compiler.block.reading.conditions import condition
from harness.compiler.block.reading.gather import is_gathered
from harness.compiler.block.region import Region
from harness.compiler.diagnostics import refuse
from harness.compiler.facts.accesses import loads_of
from harness.compiler.facts.affine import mentions
from harness.compiler.facts.values import value_of
from harness.language.blockformats import BLOCK_FORMATS, dtype_of
from harness.language.regions import constant
from harness.language.walks import replaced

if TYPE_CHECKING:
    from harness.compiler.block.reading.nest import Nest


@dataclass(frozen=True)
class Index:
    """``base`` plus a number per place of the block, (rows, columns)."""

    base: Any
    numbers: Numbers


def is_moved(nest: Nest, buffer: Any, indices: Sequence[Any]) -> bool:
    """Whether an on-chip block is used at places that are no part of it in whole tiles."""
    if is_gathered(indices, nest.variables):
        return True
    for index, size in list(zip(indices, buffer.ty.shape, strict=True))[-2:]:
        used = [k for k, v in enumerate(nest.variables) if mentions(index, [v])]
        if not used:
            continue
        start = tvm.sym.Analyzer().simplify(index - nest.variables[used[0]])
        if not nest.parts.is_aligned(start):
            return True
        last = start + nest.extents[used[0]] <= size
        if nest.guards and not (nest.parts.proves(start >= 0) and nest.parts.proves(last)):
            return True
    return False


def moved_leaf(nest: Nest, buffer: Any, indices: list[Any], node: Any) -> Expr:
    """The operand that elements of an on-chip block at computed places are."""
    block, row, col = _block(nest, buffer, indices, node)
    guard = _guard(nest, row.numbers.shape)
    places = _inside(nest, block, (row, col), guard, buffer, node)
    return _made(nest, block, _found(row, col, places, buffer, node), row, col, node)


def moved_tensor(
    nest: Nest, buffer: Any, indices: list[Any], node: Any, inside: Any
) -> Expr | None:  # fmt: skip
    """The operand that elements of a tensor at computed places are; None where another way is it.

    It is zero where ``inside``, unless None, does not hold. Runs of 16 that begin so are read as
    they are; what a tensor of indices says is asked per row.
    """
    if loads_of(*indices) or dtype_of(buffer) in BLOCK_FORMATS or len(nest.variables) > 2:
        return None
    *lead, last = indices
    above, lead = (lead[-1], lead[:-1]) if lead else (zero(), [])
    if any(mentions(i, nest.variables) for i in lead):
        return None
    row, col = _index(nest, above), _index(nest, last)
    if row is None or col is None or (len(indices) > 1 and _in_runs(nest, row, col)):
        return None
    guard = _guard(nest, row.numbers.shape, *([] if inside is None else [inside]))
    if not guard.any():
        guard[:] = True
    low, left = row.numbers[guard].min(), col.numbers[guard].min()
    down = int(row.numbers[guard].max() - low) + 1
    across = int(col.numbers[guard].max() - left) + 1
    first, shift, wide = nest.reader.window(nest.parts, col.base + int(left), across)
    starts, extents = [*lead, row.base + int(low), first], [*(1 for _ in lead), down, wide]
    if len(indices) == 1:
        starts, extents = [first], [wide]
    window = nest.reader.block_of(f"{buffer.name}_window", nest.reader.stored(buffer), (down, wide))
    nest.before += nest.reader.load(node, window, Region(buffer, starts, extents))
    row, col = Index(zero(), row.numbers - low), Index(shift, col.numbers - left)
    places = ((row.numbers >= 0) & (row.numbers < down)
              & (col.numbers >= 0) & (col.numbers < across))  # fmt: skip
    made = _made(nest, window, _found(row, col, places, buffer, node), row, col, node)
    return made if inside is None else Select(condition(nest, inside), made, Const(0.0))


def moved_store(nest: Nest, stmt: tirx.BufferStore) -> list[Statement]:
    """The statements of a store to computed places of an on-chip block."""
    buffer = stmt.buffer
    if len(buffer.ty.shape) > 2:
        no_index(buffer, stmt)
    block, row, col = _block(nest, buffer, stmt.indices[:], stmt)
    everywhere = np.ones(row.numbers.shape, np.bool_)
    _inside(nest, block, (row, col), everywhere, buffer, stmt)
    if len(np.unique(row.numbers * (1 << 32) + col.numbers)) < row.numbers.size:
        refuse(f"several places of a T.Parallel store to one element of {buffer.name!r}", node=stmt,
               code="UnsupportedIndex", next_step="store to each element once")  # fmt: skip
    found = [part for one in _found(row, col, everywhere, buffer, stmt) for part in one.straight()]
    if len(found) > MOST:
        _irregular(buffer, stmt)
    form = "row" if len(nest.extents) == 1 else "full"
    value = nest.reader.block_of(f"{buffer.name}_new", block.dtype, tuple(nest.extents), form)
    nest.target = value
    if buffer.name in nest.reader.held:
        nest.reader.whole[value] = dtype_of(buffer)
        nest.check_whole(stmt)
    expr = nest.expr(stmt.value)
    store = Moved(stmt, block, value, block, tuple(found), row.base, col.base, scatters=True)
    return [*nest.before, Eltwise(stmt, value, expr), store]


def _block(
    nest: Nest, buffer: Any, indices: list[Any], node: Any
) -> tuple[Buffer, Index, Index]:  # fmt: skip
    """The block of two dimensions that is asked, and where."""
    if len(nest.variables) > 2 or any(mentions(i, nest.variables) for i in indices[:-2]):
        no_index(buffer, node)
    sizes = [constant(d) or 0 for d in buffer.ty.shape]
    lead = max(len(indices) - 2, 0)
    starts = [*indices[:lead], *(zero() for _ in indices[lead:])]
    block = nest.parts.read(buffer, starts, [1] * lead + sizes[lead:], node)
    if block.dtype in BLOCK_FORMATS:
        refuse(f"elements of {buffer.name!r} of {block.dtype} at computed places", node=node,
               code="UnsupportedDtype", next_step="copy it to a bfloat16 block first")  # fmt: skip
    pair = indices[lead:]
    if len(pair) == 1:
        pair = [pair[0], zero()] if block.form == "col" else [zero(), pair[0]]
    row, col = (_index(nest, i) for i in pair)
    if row is None or col is None:
        _irregular(buffer, node)
    return block, row, col


def _index(nest: Nest, index: Any) -> Index | None:
    """An index as base and numbers; None where it is not a sum of the two."""
    analyzer = nest.parts.analyzer()
    shape = tuple(nest.extents) if len(nest.extents) > 1 else (1, *nest.extents)
    axes = np.ogrid[: shape[0], : shape[1]][-len(nest.variables) :]
    for var, extent in zip(nest.variables, nest.extents, strict=True):
        analyzer.bind(var, tvm.ir.Range.from_min_extent(0, extent))
    first = dict.fromkeys(nest.variables, zero())
    base = analyzer.simplify(replaced(index, first))
    rest = analyzer.simplify(index - base)
    numbers = value_of(rest, dict(zip(nest.variables, axes, strict=True)))
    if numbers is None:
        return None
    return Index(base, np.broadcast_to(np.asarray(numbers, np.int64), shape))


def _guard(nest: Nest, shape: tuple[int, ...], *more: Any) -> Any:
    """Places where the conditions around an operand, and ``more``, may hold."""
    axes = np.ogrid[: shape[0], : shape[1]][-len(nest.variables) :]
    known = dict(zip(nest.variables, axes, strict=True))
    out = np.ones(shape, np.bool_)
    for test in (*nest.guards, *more):
        holds = value_of(test, known)
        if holds is not None:
            out &= np.broadcast_to(holds, shape).astype(np.bool_)
    return out


def _inside(
    nest: Nest, block: Buffer, at: tuple[Index, Index], guard: Any, buffer: Any, node: Any
) -> Any:  # fmt: skip
    """Places of the block that lie in the other; refuses where one that is asked may not."""
    there = np.ones(guard.shape, np.bool_)
    for index, size in zip(at, block.shape, strict=True):
        base = constant(index.base)
        asked = index.numbers[guard]
        if base is not None:
            own = (index.numbers + base >= 0) & (index.numbers + base < size)
            there &= own
            sure = bool(own[guard].all())
        else:
            first, last = (index.base + int(f(asked, initial=0)) for f in (np.min, np.max))
            sure = nest.parts.proves(first >= 0) and nest.parts.proves(last < size)
            there &= guard
        if not sure:
            refuse(f"on-chip buffer {buffer.name!r} may be used outside its {size} elements at a"
                   " computed place", node=node, code="OutOfBounds",
                   next_step="allocate as many as are used, or choose with T.if_then_else where"
                   " there are any")  # fmt: skip
    return there


def _found(row: Index, col: Index, places: Any, buffer: Any, node: Any) -> list[Lattice]:
    found = lattices(row.numbers, col.numbers, places)
    if found is None:
        _irregular(buffer, node)
    return found


def _made(
    nest: Nest, source: Buffer, found: Sequence[Lattice], row: Index, col: Index, node: Any
) -> Expr:  # fmt: skip
    """The operand made of elements of a block."""
    form = "row" if len(nest.extents) == 1 else "full"
    made = nest.reader.block_of(f"{source.name}_moved", source.dtype, tuple(nest.extents), form)
    nest.before.append(Moved(node, made, source, None, tuple(found), row.base, col.base))
    turned = len(nest.extents) == 1 and nest.target is not None and nest.side(nest.target) == "col"
    return nest.operand(made, None, node, turned=turned)


def _in_runs(nest: Nest, row: Index, col: Index) -> bool:
    """Whether rows of 16 from a multiple of 16 on are what is asked, which the NoC moves."""
    rows, columns = col.numbers.shape
    if columns % FACE or len(nest.variables) != 2:
        return False
    runs = col.numbers.reshape(rows, -1, FACE)
    even = (runs == runs[..., :1] + np.arange(FACE)).all() and (runs[..., 0] % FACE == 0).all()
    apart = (row.numbers == row.numbers[:, :1]).all()
    return bool(even and apart) and nest.parts.proves(
        tirx.FloorMod(col.base, tirx.const(FACE, "int32")).equal(0)
    )


def _irregular(buffer: Any, node: Any) -> NoReturn:
    refuse(f"{buffer.name!r} is indexed in a way that is neither elementwise, nor a broadcast, nor"
           f" by rows and columns at even steps, in {MOST} groups at most", node=node,
           code="UnsupportedIndex",
           next_step="index by sums, products, // and % of the loop variables and numbers, beside"
           " which a term of block indices or outer loops stands alone")  # fmt: skip
