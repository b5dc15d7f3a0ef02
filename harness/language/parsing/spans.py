"""One source span per IR node: the innermost, also inside an expanded macro.

TVM stacks spans and gives a node of an inline expansion all of them as one object without a line.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tvm.script.ir_builder import IRBuilder
from tvm.script.ir_builder import base as _base

_push = _base._ffi_api.IRBuilderPushSourceSpan  # noqa: SLF001  (what with_source_span calls)
_pop = _base._ffi_api.IRBuilderPopSourceSpan  # noqa: SLF001


@contextmanager
def innermost_spans(parser: Any, node: Any) -> Iterator[None]:
    """Let the parser keep one span at a time while it visits ``node``, a function."""
    builder = IRBuilder.current()
    outer = parser.diag.source.to_span(node)
    depth = 0
    while True:
        try:
            _pop(builder)
        except Exception:  # noqa: BLE001  (the stack is empty; its depth cannot be asked for)
            break
        depth += 1
    active: list[Any] = []

    @contextmanager
    def with_source_span(at: Any) -> Iterator[None]:
        if getattr(at, "lineno", None) is None or getattr(at, "col_offset", None) is None:
            yield
            return
        span = parser.diag.source.to_span(at)
        if active:
            _pop(builder)
        active.append(span)
        _push(builder, span)
        try:
            yield
        finally:
            _pop(builder)
            active.pop()
            if active:
                _push(builder, active[-1])

    parser.with_source_span = with_source_span
    try:
        yield
    finally:
        del parser.with_source_span
        for _ in range(depth):
            _push(builder, outer)


def location(node: Any) -> str | None:
    """Where a node stands in its source, ``file:line:column``."""
    span = getattr(node, "span", None)
    return f"{span.source_name.name}:{span.line}:{span.column}" if span else None
