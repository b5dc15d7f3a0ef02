"""Expressions of a kernel evaluated as their tree stands.

TVM's parser makes a Python syntax tree of every part of an expression, compiles it and runs it.
What kernels are made of needs none of that: names, numbers, operators, calls, attributes and
indices mean here what they mean there, under the same spans and with the same errors. ``x if t else
y``, ``and`` and ``or`` mean what they mean in Python where ``t`` is a value of Python's, of any
type. The rest is left to TVM's.
"""

from __future__ import annotations

import builtins
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from tvm.ir import TensorRegion
from tvm.script.parser._core import doc
from tvm.script.parser.core.error import ParserError
from tvm.script.parser.core.evaluator import ExprEvaluator, _eval_op

from harness.errors import LanguageError
from harness.language.elementwise import if_then_else, on_device, power
from harness.language.regions import is_buffer

_ASKING: Final = (doc.Is, doc.IsNot, doc.In, doc.NotIn, doc.Eq, doc.NotEq)
"""Operators that Python code of a kernel asks of anything."""
Table = dict[str, Any]
"""What names stand for."""
Thunk = Callable[[], Any]


def evaluate(parser: Any, table: Table, node: Any) -> Any:
    """The value of an expression.

    Raises:
        tvm.error.DiagnosticError: whatever fails, at the innermost expression it fails in.
        ParserError: a name nothing is known by.
    """
    kind = type(node)
    if kind is doc.Constant:
        return node.value
    if kind is doc.Name:
        return _named(table, node)
    with parser.with_source_span(node):
        ready = _READERS[kind](parser, table, node) if kind in _READERS else None
        if ready is None:
            return ExprEvaluator.eval(parser, dict(table), node)
        try:
            value = ready()
        except Exception as error:  # noqa: BLE001  (whatever it is, it is told with its place)
            parser.report_error(node, error)
        return parser.annotate_current_source_span(value)


def _named(table: Table, node: Any) -> Any:
    if node.id in table:
        return table[node.id]
    found = getattr(builtins, node.id, None)
    if not found:
        raise ParserError(node, f"Undefined variable: {node.id}")
    return found


def _call(parser: Any, table: Table, node: Any) -> Thunk | None:
    plain = not any(type(a) is doc.Starred for a in node.args) and all(k.arg for k in node.keywords)
    if not plain or any(_has_bounds(a) for a in node.args):
        return None
    function = evaluate(parser, table, node.func)
    args = [evaluate(parser, table, a) for a in node.args]
    keywords = {k.arg: evaluate(parser, table, k.value) for k in node.keywords}
    return lambda: function(*args, **keywords)


def _has_bounds(node: Any) -> bool:
    """Whether an operand is an index with slices, which TVM gives a step."""
    if type(node) is not doc.Subscript:
        return False
    items = node.slice.elts if type(node.slice) is doc.Tuple else [node.slice]
    return any(type(i) is doc.Slice for i in items)


def _binary(parser: Any, table: Table, node: Any) -> Thunk | None:
    return _operator(parser, table, node.op, [node.left, node.right])


def _unary(parser: Any, table: Table, node: Any) -> Thunk | None:
    return _operator(parser, table, node.op, [node.operand])


def _compare(parser: Any, table: Table, node: Any) -> Thunk | None:
    if len(node.ops) > 1:
        return None
    return _operator(parser, table, node.ops[0], [node.left, *node.comparators])


def _operator(parser: Any, table: Table, op: Any, operands: list[Any]) -> Thunk | None:
    if any(_has_bounds(o) for o in operands):
        return None
    values = [evaluate(parser, table, o) for o in operands]
    if type(op) not in _ASKING:
        for value in values:
            _check_one(value)
    if type(op) is doc.Pow and any(map(on_device, values)):
        return lambda: power(*values)
    return lambda: _eval_op(op, values)


def _check_one(value: Any) -> None:
    """Refuse a block, or a row of one, where an element is asked for."""
    part = isinstance(value, TensorRegion)
    if part or is_buffer(value):
        source = value.source if part else value
        rank = len(source.ty.shape)
        raise LanguageError(
            f"an operator on {'a part' if part else 'all'} of {source.name!r}, not on an element",
            next_step=f"give an index for {'each of ' * (rank > 1)}its {rank} dimension"
            f"{'s' * (rank > 1)} in T.Parallel, or use a tile op",
        )


def _attribute(parser: Any, table: Table, node: Any) -> Thunk:
    value = evaluate(parser, table, node.value)
    return lambda: getattr(value, node.attr)


def _subscript(parser: Any, table: Table, node: Any) -> Thunk | None:
    if _has_bounds(node):
        return None
    value, index = evaluate(parser, table, node.value), evaluate(parser, table, node.slice)
    return lambda: value[index]


def _tuple(parser: Any, table: Table, node: Any) -> Thunk | None:
    values = _elements(parser, table, node)
    return None if values is None else lambda: tuple(values)


def _list(parser: Any, table: Table, node: Any) -> Thunk | None:
    values = _elements(parser, table, node)
    return None if values is None else lambda: values


def _elements(parser: Any, table: Table, node: Any) -> list[Any] | None:
    if any(type(e) in (doc.Starred, doc.Slice) for e in node.elts):
        return None
    return [evaluate(parser, table, e) for e in node.elts]


def _choice(parser: Any, table: Table, node: Any) -> Thunk:
    test = evaluate(parser, table, node.test)
    if not on_device(test):
        chosen = evaluate(parser, table, node.body if test else node.orelse)
        return lambda: chosen
    parts = [evaluate(parser, table, part) for part in (node.body, node.orelse)]
    return lambda: if_then_else(test, *parts)


def _join(parser: Any, table: Table, node: Any) -> Thunk:
    value = evaluate(parser, table, node.values[0])
    for operand in node.values[1:]:
        if not on_device(value):
            if bool(value) is (type(node.op) is doc.Or):
                break  # the rest is not asked, as in Python
            value = evaluate(parser, table, operand)
        else:
            value = _eval_op(node.op, [value, evaluate(parser, table, operand)])
    return lambda: value


_READERS: Final[dict[type, Callable[[Any, Table, Any], Thunk | None]]] = {
    doc.Call: _call, doc.BinOp: _binary, doc.UnaryOp: _unary, doc.Compare: _compare,
    doc.Attribute: _attribute, doc.Subscript: _subscript, doc.Tuple: _tuple, doc.List: _list,
    doc.IfExp: _choice, doc.BoolOp: _join,
}  # fmt: skip
"""Evaluates the parts of an expression; what is returned does the last step, None gives it up."""


@contextmanager
def directly(parser: Any) -> Iterator[None]:
    """Let the parser evaluate expressions, and bind names to them, here."""

    def eval_expr(node: Any, extra_vars: Table | None = None) -> Any:
        table = {**parser.var_table.get(), **(extra_vars or {})}
        return parser.annotate_current_source_span(evaluate(parser, table, node))

    def eval_assign(
        target: Any, source: Any, bind_value: Any, allow_shadowing: bool = False
    ) -> Any:
        values = _bound(target, source)
        if values is None:
            return type(parser).eval_assign(parser, target, source, bind_value, allow_shadowing)
        for name, value in values.items():
            made = bind_value(parser, target, name, value)
            parser.var_table.add(name, made, allow_shadowing)
        return values

    parser.eval_expr, parser.eval_assign = eval_expr, eval_assign
    try:
        yield
    finally:
        del parser.eval_expr, parser.eval_assign


def _bound(target: Any, source: Any) -> Table | None:
    """What a name, or names for as many values, stand for from here on; None of another target."""
    if type(target) is doc.Name:
        return {target.id: source}
    if type(target) in (doc.Tuple, doc.List) and isinstance(source, (tuple, list)):
        names = [e.id for e in target.elts if type(e) is doc.Name]
        if len(names) == len(target.elts) == len(source) == len(set(names)):
            return dict(zip(names, source, strict=True))
    return None
