"""Statements that happen once for a block, outside T.Parallel."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from harness.compiler.facts.statements import children
from harness.language.nests import is_parallel


def outside_parallel(stmt: Any) -> Iterator[Any]:
    """Every statement below that is no part of a T.Parallel loop, in program order."""
    if is_parallel(stmt):
        return
    yield stmt
    for child in children(stmt):
        yield from outside_parallel(child)
