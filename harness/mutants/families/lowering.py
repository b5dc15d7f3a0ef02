"""Pass 4 at work: planes, parts and accumulators after the first taken from the wrong place.

Applied by substitution while the pass runs, to kernels with several planes or outputs: in others
there is no place to get wrong.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from harness.compiler.block.emitting import transfer
from harness.compiler.block.emitting.emit import ComputeEmitter
from harness.compiler.block.emitting.transfer import TransferEmitter
from harness.mutants.registry import Mutant, Where, substitution

FAMILY: Final = "lowering"
Wrap = Callable[[Any], Any]


def _one(name: str, breaks: str, owner: Any, attribute: str, wrap: Wrap) -> Mutant:
    return substitution(FAMILY, f"lowered-{name}", Where.PASS4, breaks, (owner, attribute, wrap),
                        applies=_applies)  # fmt: skip


def _applies(base: Any) -> bool:
    layouts = base.artifact.plan.layouts.values()
    several = any(len(layout.logical_shape) > 2 for layout in layouts)
    return several or sum(layout.role != "input" for layout in layouts) > 1


def _told(change: Callable[[Any], Any]) -> Wrap:
    """An emitter's method, given another statement."""
    return lambda old: lambda self, stmt: old(self, change(stmt))


def changed(stmt: Any, **fields: Any) -> Any:
    """A statement with other fields; statements are the same only if they are one object."""
    other = copy.copy(stmt)
    for name, value in fields.items():
        setattr(other, name, value)
    return other


def _window(**change: Callable[[Any], Any]) -> Wrap:
    def moved(stmt: Any) -> Any:
        at = stmt.window
        new = {name: move(getattr(at, name)) for name, move in change.items()}
        return changed(stmt, window=replace(at, **new))

    return _told(moved)


def _first(lead: Any) -> Any:
    """Leading dimensions from their first index on."""
    return tuple((0, extent, size) for _, extent, size in lead)


def _flat(buffer: Any) -> Any:
    """A block whose planes are rows of tiles."""
    return replace(buffer, lead=1, rows=buffer.lead * buffer.rows)


def _dense(lead: Any) -> Any:
    """Leading dimensions as large as what is moved of them."""
    return [(start, extent, extent) for start, extent, _ in lead]


def _lead(change: Callable[[Any, Any], Any]) -> Wrap:
    return lambda old: lambda self, region, node: change(*old(self, region, node))


def _one_tile(old: Any) -> Any:
    """Accumulators after the first packed from DST tile 1 on."""

    def close(self: Any, stmt: Any) -> Any:
        accs = [changed(stmt.accs[0], rows=1, cols=1, lead=1), *stmt.accs[1:]]
        return old(self, changed(stmt, accs=accs))

    return close


MUTANTS: Final = (
    _one("part-row", "Parts are read from the first row of tiles on.",
         ComputeEmitter, "extract", _window(row=lambda r: 0)),
    _one("part-column", "Parts are read from the first column of tiles on.",
         ComputeEmitter, "extract", _window(col=lambda c: 0)),
    _one("part-plane", "Parts are read from the first plane on.",
         ComputeEmitter, "extract", _window(lead=_first)),
    _one("put-row", "Parts are written from the first row of tiles on.",
         ComputeEmitter, "insert", _window(row=lambda r: 0)),
    _one("put-column", "Parts are written from the first column of tiles on.",
         ComputeEmitter, "insert", _window(col=lambda c: 0)),
    _one("put-plane", "Parts are written from the first plane on.",
         ComputeEmitter, "insert", _window(lead=_first)),
    _one("sums-from-the-other-end", "Running sums begin at the other end.",
         ComputeEmitter, "cumsum", _told(lambda s: changed(s, reverse=not s.reverse))),
    _one("repeated-by-plane", "A column repeated in all planes goes on through them.",
         ComputeEmitter, "_repeated",
         lambda old: staticmethod(lambda dst, dim, tile: old(_flat(dst), dim, tile))),
    _one("accumulator-base", "The second accumulator is packed from DST tile 1.",
         ComputeEmitter, "accumulate_close", _one_tile),
    _one("planes-dense", "Planes are as many as are moved.", TransferEmitter, "_lead",
         _lead(lambda lead, inside: (_dense(lead), inside))),
    _one("planes-unbounded", "Planes beside the tensor are moved.", TransferEmitter, "_lead",
         _lead(lambda lead, inside: (lead, None))),
    _one("beside-not-zeroed", "Planes beside the tensor keep what the buffer held.",
         transfer, "_nothing_outside", lambda old: lambda inside, keep: keep),
)  # fmt: skip
