"""Computed and chosen places: rows beside the right one, faces exchanged, wrong picks, edges."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np
from tvm import tirx

from golden.interpret import access
from golden.interpret.tensors import Tensor
from harness.compiler.block.emitting import transfer
from harness.compiler.block.emitting.pieces import FACE
from harness.compiler.block.emitting.transfer import TransferEmitter
from harness.compiler.block.model import Const
from harness.compiler.block.reading import choose, gather, nest
from harness.compiler.block.reading.choose import Pick
from harness.compiler.passes import lower_tiles
from harness.compiler.rewrite.assembled import _Assembly
from harness.mutants.families.lowering import changed
from harness.mutants.registry import Kind, Mutant, Where, on_kernels, substitution
from harness.mutants.subjects import places
from harness.mutants.tir import change_calls, change_stmts, drop, integer, op_name
from simulator.engine import ops_partial

FAMILY: Final = "places"
READ: Final = "noc_async_read_partial_page"
Wrap = Callable[[Any], Any]


def _other_store(dim: int, change: Wrap) -> Wrap:
    """Stores to a block that is put together, with one index changed."""

    def wrap(old: Callable[..., Any]) -> Any:
        def together(self: Any, stores: Any, ranges: Any) -> Any:
            swapped, fill, copy = old(self, stores, ranges)

            def other(stmt: Any) -> Any:
                new = swapped(stmt)
                if new.same_as(stmt):
                    return stmt
                indices = list(new.indices)
                indices[dim] = change(indices[dim])
                return tirx.BufferStore(new.buffer, new.value, indices, span=new.span)

            return other, fill, copy

        return together

    return wrap


def _last_lost(old: Callable[..., Any]) -> Any:
    def together(self: Any, stores: Any, ranges: Any) -> Any:
        swapped, fill, copy = old(self, stores, ranges)
        lost = stores[-1].node

        def other(stmt: Any) -> Any:
            new = swapped(stmt)
            if not stmt.same_as(lost):
                return new
            zero = tirx.const(0, new.value.ty.dtype)
            return tirx.BufferStore(new.buffer, zero, new.indices, span=new.span)

        return other, fill, copy

    return together


def _one(name: str, where: Where, breaks: str, *parts: tuple[Any, str, Wrap]) -> Mutant:
    return substitution(FAMILY, name, where, breaks, *parts, applies=on_kernels(places.KERNELS))


def _computed(name: str, breaks: str, *parts: tuple[Any, str, Wrap]) -> Mutant:
    return _one(f"computed-{name}", Where.PASS4, breaks, *parts)


def _chosen(name: str, breaks: str, *parts: tuple[Any, str, Wrap]) -> Mutant:
    return _one(f"chosen-{name}", Where.PASS4, breaks, *parts)


def _lowered(name: str, breaks: str, apply: Callable[[Any], Any]) -> Mutant:
    """A change of what pass 4 left."""
    return Mutant(f"computed-{name}", FAMILY, Where.PASS4, Kind.FUNC, breaks, apply)


def _from(change: Callable[[list[Any]], Sequence[Any]]) -> Wrap:
    """Reads of runs with other indices."""
    return lambda old: lambda self, at, to: old(self, change(list(at)), to)


def _to(change: Callable[..., Any]) -> Wrap:
    """Reads of runs to another row and column of the block."""
    return lambda old: lambda self, at, to: old(self, at, change(*to))


def of_region(**fields: Any) -> Wrap:
    """Gathers of another region."""

    def wrap(old: Any) -> Any:
        def emit(names: Any, ranges: Any, stmt: Any, *more: Any) -> Any:
            return old(names, ranges, changed(stmt, region=replace(stmt.region, **fields)), *more)

        return emit

    return wrap


def _unguarded(func: Any) -> Any:
    """Runs are read whether they exist or not."""

    def visit(stmt: Any) -> Any:
        if isinstance(stmt, tirx.IfThenElse) and op_name(stmt.then_case) == READ:
            return [stmt.then_case]
        return None

    return change_stmts(func, visit)


def _argument(index: int, change: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda f: change_calls(f, READ, lambda a: [*a[:index], change(a[index]),
                                                      *a[index + 1 :]])  # fmt: skip


def _at(change: Callable[[Pick], Pick]) -> Wrap:
    """Picks elsewhere."""

    def wrap(old: Any) -> Any:
        return lambda block, picks, *rest: old(block, [change(pick) for pick in picks], *rest)

    return wrap


def _from_zero(old: Any) -> Any:
    """Conditions of tiles, without those that a tile is not before the first."""

    def inside(self: Any, ana: Any, axis: Any, i: Any) -> Any:
        return [test for test in old(self, ana, axis, i) if not isinstance(test, tirx.GE)]

    return inside


def _kept(old: Any) -> Any:
    """What is kept of tiles, which are all taken to lie behind the first."""
    return lambda self, ana, axis: old(
        self, ana, replace(axis, first=tirx.Max(axis.first, integer(0))))  # fmt: skip


def _across(row: Any, column: Any) -> list[Any]:
    """The same place of the face across the diagonal of its tile."""
    down, right = row % (2 * FACE) // FACE, column % (2 * FACE) // FACE
    return [row + (right - down) * FACE, column + (down - right) * FACE]


def _wrapped(old: Any) -> Any:
    """Points before a tensor are counted from its end, as NumPy does."""

    def points(self: Any, indices: Any, *others: Any) -> Any:
        around = [np.where(np.asarray(i) < 0, np.asarray(i) + n, i)
                  for i, n in zip(indices, self.shape, strict=True)]  # fmt: skip
        return old(self, around, *others)

    return points


def _next_line(old: Any) -> Any:
    return lambda space, cell, lines: old(space, cell, [
        min(line + 1, size - 1) if isinstance(line, int) else line
        for line, size in zip(lines, cell.shape, strict=True)])  # fmt: skip


def _first_block(old: Any) -> Any:
    """Picks that blocks choose are those of the first block."""

    def points(space: Any, cell: Any, indices: Any) -> Any:
        first = [np.full_like(i, np.ravel(i)[0]) if np.size(i) == len(space.chunk.numbers) else i
                 for i in indices]  # fmt: skip
        return old(space, cell, first)

    return points


def _part(change: Callable[..., Any]) -> Wrap:
    """What the machine moves of a part of a page: pages, offset, size and the rest."""
    return lambda old: lambda self, group: change(*old(self, group))


RUNS = gather._Gather  # noqa: SLF001  (what emits one gather)

MUTANTS: Final = (
    _computed("next-row", "Elements come from the row after theirs.",
              (RUNS, "piece", _from(lambda at: [*at[:-2], at[-2] + 1, at[-1]]))),
    _computed("next-run", "Elements come from the run of columns after theirs.",
              (RUNS, "piece", _from(lambda at: [*at[:-1], at[-1] + FACE]))),
    _computed("first-plane", "Elements come from the first plane.",
              (RUNS, "piece", _from(lambda at: [0] * (len(at) - 2) + at[-2:]))),
    _computed("planes-dense", "Planes are as far apart as columns.",
              (RUNS, "piece", _from(lambda at: [*(i * 2 for i in at[:-2]), *at[-2:]]))),
    _computed("row-and-column", "Rows and columns of the tensor are exchanged.",
              (RUNS, "piece", _from(lambda at: [*at[:-2], at[-1], at[-2]]))),
    _computed("faces-turned", "Runs go to the face across the diagonal.",
              (RUNS, "piece", _to(_across))),
    _computed("row-of-face-0", "Runs go to the first row of a face.",
              (RUNS, "piece", _to(lambda row, column: [row // FACE * FACE, column]))),
    _computed("condition-ignored", "Elements are read where the kernel reads none.",
              (lower_tiles, "emit_gather", of_region(inside=None))),
    _computed("not-zeroed", "What is not read keeps what the buffer held.",
              (gather, "zeros", lambda old: lambda *a: [])),
    _lowered("unguarded", "Runs are read whether they exist or not.", _unguarded),
    _lowered("offset-0", "Every run is the first of its page.", _argument(3, lambda e: integer(0))),
    _lowered("half-runs", "Half of a run is moved.",
             _argument(4, lambda e: integer(int(e.value) // 2))),
    _lowered("page-0", "Every run is one of page 0.", _argument(0, lambda e: integer(0))),
    _lowered("runs-dropped", "Nothing is read from computed places.", drop(READ)),
    _chosen("next", "The row or column after the chosen one.",
            (nest, "picked", _at(lambda p: replace(p, at=p.at + 1)))),
    _chosen("first", "The first row or column, whichever is chosen.",
            (nest, "picked", _at(lambda p: replace(p, at=tirx.const(0, "int32"))))),
    _chosen("from-the-other-side", "The place is counted against the axis.",
            (nest, "picked", _at(lambda p: replace(p, at=tirx.const(0, "int32") - p.at)))),
    _chosen("other-axis", "A row for a column and a column for a row.",
            (nest, "picked", _at(lambda p: replace(p, axis=1 - p.axis)))),
    _chosen("zero-for-the-rest", "What is not chosen counts as zero, not as least.",
            (choose, "Const", lambda old: lambda value: Const(0.0))),
    _chosen("summed", "What is kept is added up, where all but one are infinite.",
            (choose, "pooled", lambda old: lambda kept, kind, *a: old(kept, "SUM", *a))),
    _one("around-before-unguarded", Where.PASS4, "Tiles before the first are read.",
         (TransferEmitter, "_inside", _from_zero)),
    _one("around-before-not-zeroed", Where.PASS4, "Tiles before the first keep what was there.",
         (TransferEmitter, "_keep", _kept)),
    _one("around-never-read", Where.PASS4, "Whatever may lie outside is taken to lie outside.",
         (transfer, "_apart", lambda old: lambda ana, axis: axis.tiles > 1)),
    _one("strided-pairs", Where.PASS1, "Neighbours that are stored apart change places.",
         (_Assembly, "together", _other_store(1, lambda i: i + 1 - 2 * (i % 2)))),
    _one("strided-rows", Where.PASS1, "Rows that are stored apart are stored upside down.",
         (_Assembly, "together", _other_store(0, lambda i: 31 - i))),
    _one("strided-first-alone", Where.PASS1, "Of stores that belong together the last is lost.",
         (_Assembly, "together", _last_lost)),
    _one("golden-points-wrap", Where.GOLDEN, "Places before a tensor are counted from its end.",
         (Tensor, "read_points", _wrapped)),
    _one("golden-next-line", Where.GOLDEN, "Chosen rows and columns are those after theirs.",
         (access, "_load_lines", _next_line)),
    _one("golden-first-block-s-pick", Where.GOLDEN, "Blocks choose what the first one chooses.",
         (access, "_load_points", _first_block)),
    _one("machine-part-offset", Where.SIMULATOR, "Parts of pages are read from their beginning.",
         (ops_partial.Part, "of", _part(lambda ids, offset, *rest: (ids, 0 * offset, *rest)))),
    _one("machine-part-of-one-page", Where.SIMULATOR, "All cores take a part of the first's page.",
         (ops_partial.Part, "of", _part(lambda ids, *rest: (0 * ids + ids[0], *rest)))),
    _one("machine-half-parts", Where.SIMULATOR, "Half of a part arrives.",
         (ops_partial.Part, "of",
          _part(lambda ids, offset, size, *rest: (ids, offset, size // 2, *rest)))),
)  # fmt: skip
