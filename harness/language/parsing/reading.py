"""A kernel's source as TVM's parser walks it, read once.

TVM reads a source a second time, only to say where a kernel is not well-formed, and makes every
node of its tree through a table. Generator expressions are read as list comprehensions,
``sum(s // 32 for s in sizes)``: TVM leaves those to Python and walks into the others, whose names
it does not know. What consumes one in a kernel consumes all of it.
"""

from __future__ import annotations

import ast
import functools
from typing import Any

import tvm
from tvm.script.ir_builder import IRBuilder
from tvm.script.parser._core import doc
from tvm.script.parser.core.diagnostics import Source
from tvm.script.parser.core.error import ParserError
from tvm.script.parser.core.parser import Parser


class Text(Source):
    """A source, of a function or as text; ``tree`` is Python's, where there is one already."""

    def __init__(self, program: Any, tree: ast.Module | None = None) -> None:
        """Take the source; a function's is looked up."""
        super().__init__(program)
        self._tree = tree

    def as_ast(self) -> Any:
        """The syntax tree in TVM's classes."""
        return _as_doc(self._tree or ast.parse(self.source))


def read(text: Text, variables: dict[str, Any]) -> Any:
    """The function a source decorates, in IR; ``variables`` are names it may use.

    Raises:
        Exception: whatever the dialect refuses, often inside a DiagnosticError.
    """
    parser = Parser(text, {})
    with IRBuilder() as builder:
        try:
            parser.parse(variables)
        except ParserError as error:
            parser.report_error(error.node, error.args[0])
    made = builder.get()
    try:
        tvm.s_tir.analysis.verify_well_formed(tvm.IRModule.from_expr(made))
        tvm.tirx.analysis.verify_tirx_well_formed(made)
    except Exception as error:  # noqa: BLE001  (TVM says what is wrong, and not where)
        parser.report_error(text.as_ast(), f"the kernel is not well-formed: {error}")
    return made


def _as_doc(node: Any) -> Any:
    if isinstance(node, ast.AST):
        made, fields = _shape(type(node).__name__)
        out = made.__new__(made)
        for field in fields:
            setattr(out, field, _as_doc(getattr(node, field, None)))
        return out
    return [_as_doc(n) for n in node] if type(node) is list else node


@functools.cache
def _shape(kind: str) -> tuple[Any, tuple[str, ...]]:
    """TVM's class for a class of Python's, and its fields."""
    name = "ListComp" if kind == "GeneratorExp" else kind
    made = getattr(doc, name, None)
    if made is None:
        raise NotImplementedError(f"{name} has no place in a kernel")
    return made, tuple(made._FIELDS)  # noqa: SLF001  (the only list of them)
