"""Which writes of a kernel happen in any case, and which under a condition."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import tvm_ffi
from tvm import tirx

from harness.compiler.facts.accesses import Access, accesses
from harness.compiler.facts.affine import Loop
from harness.compiler.facts.statements import children
from harness.language.regions import constant

Write = tuple[Access, tuple[Loop, ...]]


def sure_writes(stmt: Any, around: tuple[Loop, ...] = ()) -> Iterator[Write]:
    """Writes below, with the loops around them, that happen whatever the conditions say.

    Those under no condition, and those both sides of one have. A loop whose steps are not
    counted may have none.
    """
    if isinstance(stmt, tirx.IfThenElse):
        if stmt.else_case is not None:
            there = list(sure_writes(stmt.else_case, around))
            yield from (
                write
                for write in sure_writes(stmt.then_case, around)
                if any(_same_place(write[0], other) for other, _ in there)
            )
        return
    if isinstance(stmt, tirx.For):
        loop = Loop(stmt.loop_var, constant(stmt.min), constant(stmt.extent))
        if loop.extent is None:
            return
        around = (*around, loop)
    inner = children(stmt)
    for child in inner:
        yield from sure_writes(child, around)
    if not inner:
        yield from ((access, around) for access in accesses(stmt) if access.write)


def _same_place(one: Access, other: Access) -> bool:
    places = ((*one.starts, *one.extents), (*other.starts, *other.extents))
    return one.buffer.same_as(other.buffer) and all(
        tvm_ffi.structural_equal(a, b) for a, b in zip(*places, strict=True)
    )
