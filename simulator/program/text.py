"""Programs as text a person reads: indented, expressions in the usual notation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from simulator.program import If, Let, Loop, Stmt


def program_lines(body: Sequence[Stmt], indent: str = "") -> Iterator[str]:
    """The statements of a body, one per line."""
    for stmt in body:
        if isinstance(stmt, Loop):
            start = "" if stmt.start == 0 and stmt.step == 1 else f"{_text(stmt.start)}, "
            step = "" if stmt.step == 1 else f", {stmt.step}"
            yield f"{indent}for {stmt.var} in range({start}{_text(stmt.stop)}{step}):"
            yield from program_lines(stmt.body, indent + "    ")
        elif isinstance(stmt, If):
            yield f"{indent}if {_text(stmt.cond)}:"
            yield from program_lines(stmt.then, indent + "    ")
            if stmt.orelse:
                yield f"{indent}else:"
                yield from program_lines(stmt.orelse, indent + "    ")
        elif isinstance(stmt, Let):
            yield f"{indent}{stmt.var} = {_text(stmt.value)}"
        else:
            yield f"{indent}{stmt.name}({', '.join(map(_text, stmt.args))})"


def _text(value: Any) -> str:
    if not isinstance(value, list | tuple) or not value:
        return str(value)
    name, *rest = value
    parts = [_text(item) for item in rest]
    if str(name).isidentifier() or len(parts) == 1:
        return f"{name}({', '.join(parts)})"
    if name == "?":
        return f"({parts[1]} if {parts[0]} else {parts[2]})"
    return "(" + f" {name} ".join(parts) + ")"
