"""Stores whose places data say: to other rows, of other rows, more of them, fewer, or anywhere."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

import numpy as np
from tvm import tirx

from golden.interpret.expressions import Evaluator
from golden.interpret.tensors import Tensor
from harness.compiler.block.emitting import lookup
from harness.compiler.block.reading import scatter
from harness.compiler.rewrite import masks
from harness.mutants.edit import edit, with_arg
from harness.mutants.edit import replace as edited
from harness.mutants.families.decided import conditions, row_ends
from harness.mutants.registry import Mutant, Where, in_built, on_kernels, substitution
from simulator.program import is_load

FAMILY: Final = "scatters"
KERNELS: Final = ("unpermute", "grouped_gemm", "paged", "routed")
WRITER: Final = "brisc"
WRITE: Final = "noc_async_write_partial_page"


def _built(name: str, breaks: str, apply: Callable[..., Any]) -> Mutant:
    return in_built(FAMILY, f"scatter-{name}", breaks, apply)


def _loads(change: Callable[[Any], Any]) -> Any:
    """What the writer loads of its rows of indices."""
    return lambda b: edit(b, lambda s: (edited(s, value=[*s.value[:2], change(s.value[2])]),)
                          if is_load(s) else None, thread=WRITER)  # fmt: skip


def _writes(operand: int, change: Callable[[Any], Any]) -> Any:
    """An operand of the writes of parts of pages."""
    return lambda b: edit(b, with_arg(WRITE, operand, change), thread=WRITER)


def _no_less(cond: Any) -> Any:
    """A condition that holds for one more."""
    if not isinstance(cond, (list, tuple)):
        return cond
    return ["<=" if cond[0] == "<" else cond[0], *map(_no_less, cond[1:])]


def _other(name: str, where: Where, breaks: str, owner: Any, attribute: str, wrap: Any) -> Mutant:
    return substitution(FAMILY, f"scatter-{name}", where, breaks, (owner, attribute, wrap),
                        applies=on_kernels(KERNELS))  # fmt: skip


def _everywhere(old: Any) -> Any:
    """Stores whose conditions are gone."""

    def masked(self: Any, store: Any) -> Any:
        made = old(self, store)
        return made.then_case if isinstance(made, tirx.IfThenElse) else made

    return masked


def _of_first_row(old: Any) -> Any:
    """Every run is of the block's first row."""

    def run(self: Any, r: Any, c: Any, places: Any, told: Any) -> Any:
        del r
        return old(self, tirx.const(0, "int32"), c, places, told)

    return run


def _one_further(old: Any) -> Any:
    """Rows are stored one further, the last one in place of the first."""

    def run(self: Any, r: Any, c: Any, places: Any, told: Any) -> Any:
        *outer, row, column = places
        size = tirx.const(self.sizes[-2], "int32")
        return old(self, r, c, [*outer, tirx.FloorMod(row + 1, size), column], told)

    return run


def _row_0(old: Any) -> Any:
    """Every datum is looked for in the first row of its table."""
    return lambda *args: (tirx.const(0, "int32"), old(*args)[1])


def _datum_0(old: Any) -> Any:
    """Every datum is the first of its row."""

    def asked_of(*args: Any) -> Any:
        found, told = old(*args)
        return [replace(one, index=tirx.const(0, "int32")) for one in found], told

    return asked_of


def _of_first_block(old: Any) -> Any:
    """All blocks store where the first one does."""

    def place(self: Any, expr: Any) -> Any:
        found = old(self, expr)
        return np.broadcast_to(found[:1], found.shape) if np.ndim(found) and self.asked else found

    return place


def _unmasked(old: Any) -> Any:
    """All iterations store, whatever the conditions say."""

    def write(self: Any, indices: Any, new: Any, mask: Any, writer: Any) -> Any:
        del mask
        return old(self, indices, new, None, writer)

    return write


MUTANTS: Final = (
    _built("datum-0", "The writer takes the first index for every row.", _loads(lambda _: 0)),
    _built("datum-of-the-next", "The writer takes the index of the row after.",
           _loads(lambda i: ["+", i, 1])),
    _built("always", "Rows are stored that data leave out.", conditions(lambda _: 1, WRITER)),
    _built("never", "No row is stored that data say.", conditions(lambda _: 0, WRITER)),
    _built("one-row-more", "A row is stored that is another's.", conditions(_no_less, WRITER)),
    _built("half-a-run", "Half of every run is stored.", _writes(4, lambda n: n // 2)),
    _built("page-of-row-0", "All rows go to pages of the first.", _writes(0, lambda _: 0)),
    _built("first-row-of-a-page", "Rows go to the first of their page.", _writes(3, lambda _: 0)),
    _built("row-not-waited", "The writer loads what may not be there.",
           row_ends("cb_wait_front", WRITER)),
    _built("row-not-popped", "The writer keeps its rows.", row_ends("cb_pop_front", WRITER)),
    _other("everywhere", Where.PASS1, "Conditions of stores that data place are dropped.",
           masks._Masks, "masked", _everywhere),  # noqa: SLF001 - what is mutated
    _other("of-the-first-row", Where.PASS4, "Every row stores the block's first.",
           scatter._Scatter, "_run", _of_first_row),  # noqa: SLF001
    _other("one-further", Where.PASS4, "Rows are stored one further.",
           scatter._Scatter, "_run", _one_further),  # noqa: SLF001
    _other("first-condition-only", Where.PASS4, "Of several conditions the first one counts.",
           scatter, "conjuncts", lambda old: lambda test: old(test)[:1]),
    _other("index-0", Where.PASS4, "The writer takes the first index of all.",
           scatter, "asked_of", _datum_0),
    _other("row-0-of-tables", Where.PASS4, "Indices are looked up in the table's first row.",
           lookup, "_place", _row_0),
    _other("golden-as-the-first", Where.GOLDEN, "Golden stores where the first block does.",
           Evaluator, "place", _of_first_block),
    _other("golden-everywhere", Where.GOLDEN, "Golden stores whatever conditions say.",
           Tensor, "write_points", _unmasked),
)  # fmt: skip
