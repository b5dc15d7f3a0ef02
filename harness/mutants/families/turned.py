"""Blocks in turn: pieces of other tiles, turns left out, rows of other choices, planes lost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

import tvm_ffi
from tvm import tirx

from harness.compiler.block.emitting import pieces
from harness.compiler.block.emitting.pieces import FACE, Pieces
from harness.compiler.block.reading import planes
from harness.compiler.joining import coalesce, turns
from harness.mutants.registry import Kind, Mutant, Where, on_kernels, substitution
from harness.mutants.subjects import turned
from harness.mutants.tir import change_stmts, integer

FAMILY: Final = "blocks in turn"
Wrap = Callable[[Any], Any]


def _one(name: str, where: Where, breaks: str, *parts: tuple[Any, str, Wrap]) -> Mutant:
    return substitution(FAMILY, name, where, breaks, *parts, applies=on_kernels(turned.KERNELS))


def _piece(name: str, breaks: str, attribute: str, wrap: Wrap, owner: Any = Pieces) -> Mutant:
    return _one(f"piece-{name}", Where.PASS4, breaks, (owner, attribute, wrap))


def _plane(name: str, breaks: str, attribute: str, wrap: Wrap) -> Mutant:
    return _one(f"pooled-{name}", Where.PASS4, breaks, (planes, attribute, wrap))


def _joined(name: str, breaks: str, attribute: str, wrap: Wrap) -> Mutant:
    return _one(name, Where.PASS3, breaks, (coalesce, attribute, wrap))


def _turn(name: str, breaks: str, change: Callable[[Any], Any]) -> Mutant:
    """The loop over blocks in turn changed in what pass 3 left."""

    def visit(stmt: Any) -> Any:
        if isinstance(stmt, tirx.For) and turns.TURNS in stmt.annotations:
            return [change(stmt)]
        return None

    return Mutant(f"turn-{name}", FAMILY, Where.PASS3, Kind.FUNC, breaks,
                  lambda func: change_stmts(func, visit))  # fmt: skip


def _loop(start: Callable[[int], int], count: Callable[[int], int]) -> Callable[[Any], Any]:
    def change(stmt: Any) -> Any:
        number = int(stmt.extent.value)
        return tirx.For(stmt.loop_var, integer(start(number)), integer(count(number)), stmt.kind,
                        stmt.body, annotations=stmt.annotations, span=stmt.span)  # fmt: skip

    return change


def _always_first(stmt: Any) -> Any:
    body = tvm_ffi.structural_map(
        stmt.body,
        [(type(stmt.loop_var), lambda v: integer(0) if v.same_as(stmt.loop_var) else v)],
    )
    return tirx.For(stmt.loop_var, stmt.min, stmt.extent, stmt.kind, body,
                    annotations=stmt.annotations, span=stmt.span)  # fmt: skip


def _choices(change: Callable[[Any], Any]) -> Wrap:
    """Choices between a new value of a row and the old one, changed."""
    return lambda old: lambda kernel, var: tvm_ffi.structural_map(
        old(kernel, var), [(tirx.Select, change)], order="post")  # fmt: skip


def _sixteen(old: Any) -> Any:
    """Sixteen rows of a face are one piece, wherever they begin."""

    def new(self: Any, *args: Any) -> None:
        old(self, *args)
        if self.rows.extent % FACE == 0:
            self.lines = FACE

    return new


def _next_row(old: Any) -> Any:
    """Pieces are looked for a row further on."""

    def new(self: Any, *args: Any) -> Any:
        rows = self.rows
        self.rows = replace(rows, start=rows.start + 1)
        try:
            return old(self, *args)
        finally:
            self.rows = rows

    return new


def _with(index: int, change: Callable[[Any], Any]) -> Wrap:
    """A function given another argument."""
    return lambda old: lambda *args, **kw: old(
        *args[:index], change(args[index]), *args[index + 1 :], **kw)  # fmt: skip


def _faces(old: Any) -> Any:
    """The faces beside the diagonal take each other's place."""

    def new(place: Any) -> Any:
        row, column = place
        return old([column // FACE * FACE + row % FACE,
                    row // FACE * FACE + column % FACE])  # fmt: skip

    return new


MUTANTS: Final = (
    _piece("faces-turned", "Pieces come from the face across the diagonal.", "datum_of", _faces,
           pieces),
    _piece("first-row", "Pieces come from the first row of their face.", "datum_of",
           lambda old: lambda place: old([place[0] // FACE * FACE, place[1]]), pieces),
    _piece("tile-after", "Pieces that begin inside a tile come from the tile after.", "tile_of",
           lambda old: lambda index: old(index + 31), pieces),
    _piece("sixteen-rows", "A face is moved whole wherever it begins.", "__init__", _sixteen),
    _piece("not-zeroed", "Blocks beyond the edge keep what they held.", "inside",
           lambda old: lambda self: True),
    _piece("first-plane", "Pieces come from the first plane.", "moves",
           _with(4, lambda outer: (integer(0), outer[1]))),
    _piece("next-row", "Pieces come from the row after theirs.", "_move", _next_row),
    _turn("last-left-out", "The last block of a turn is left out.",
          _loop(lambda _: 0, lambda n: n - 1)),
    _turn("first-left-out", "The first block of a turn is left out.",
          _loop(lambda _: 1, lambda n: n - 1)),
    _turn("one-too-many", "A turn goes on with the next one's first block.",
          _loop(lambda _: 0, lambda n: n + 1)),
    _turn("always-the-first", "Every turn does its first block again.", _always_first),
    _joined("turns-of-one", "Blocks that share tiles are done by cores of their own.", "turns",
            lambda old: lambda *a: 1),
    _joined("turns-halved", "Half the blocks that share a tile are done by one core.",
            "in_turns", _with(2, lambda n: max(n // 2, 1))),
    _joined("lone-writer-unseen", "Nobody sees that one block writes for all.", "lone",
            lambda old: lambda *a: set()),
    _joined("row-choice-reversed", "Rows take the branch the others should.", "chosen_rows",
            _choices(lambda s: tirx.Select(s.condition, s.false_value, s.true_value))),
    _joined("row-choice-ignored", "All rows take a branch that some should.", "chosen_rows",
            _choices(lambda s: s.true_value)),
    _joined("row-choice-never", "No row takes a branch.", "chosen_rows",
            _choices(lambda s: s.false_value)),
    _joined("row-choice-zero", "Rows that take no branch are zero.", "chosen_rows",
            _choices(lambda s: tirx.Select(s.condition, s.true_value,
                                           tirx.const(0.0, "float32")))),
    _plane("first-plane", "Every plane is the first.", "_plane", _with(1, lambda _: 0)),
    _plane("kind-forgotten", "Planes are joined by their maximum.", "JOIN", lambda old: {}),
    _plane("before-forgotten", "Signs are kept where they should not be.", "BEFORE",
           lambda old: {}),
    _plane("old-value-lost", "What the result held is lost.", "_joined",
           lambda old: lambda *a, clear: old(*a, clear=True)),
    _plane("rows-shifted", "Every row of a result is the next plane's.", "IndexTiles",
           _with(2, lambda base: base + 1)),
    _plane("other-axis", "Planes are reduced along their other axis.", "line",
           _with(4, lambda axis: 1 - axis)),
    _plane("minimum-negated", "Minima keep the sign they are pooled with.", "negated",
           lambda old: lambda x: x),
)  # fmt: skip
