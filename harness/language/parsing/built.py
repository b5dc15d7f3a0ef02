"""Kernel text to IR without TVMScript's parser: Python evaluates expressions, builders do the rest.

A second reading of what fuzzing draws. Everything that judges a kernel starts from the IR the
parser made, so a parser that reads a kernel wrongly would be believed by all of them. Nothing of
the parser takes part here: neither its evaluator, nor its visitors, nor its scopes. The statements
known are those of :mod:`harness.fuzz.kernels.grammar`; others are refused.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from types import CodeType, SimpleNamespace
from typing import Any, Final

import tvm
import tvm_ffi
from tvm import tirx
from tvm.script.ir_builder import IRBuilder
from tvm.tirx.script import builder as S

from harness.errors import LanguageError
from harness.language.elementwise import same_dtype
from harness.language.layouts import declare_layouts
from harness.language.parsing.assign import has_load
from harness.language.parsing.frames import ParallelLoop, SteppedLoop, serial
from harness.language.parsing.located import PARSER
from harness.language.regions import is_buffer
from harness.language.rewriting.finished import finished
from harness.language.rewriting.inturn import Between, declare_between, declare_made
from harness.language.single import declare_single, declare_singles, is_single

_COMPARE: Final = {ast.Eq: "EQ", ast.NotEq: "NE", ast.Lt: "LT", ast.LtE: "LE", ast.Gt: "GT",
                   ast.GtE: "GE"}  # fmt: skip
_NOT_DRAWN: Final = (ast.BoolOp, ast.Not, ast.IfExp)
"""Where Python would ask an expression whether it is true, and what has no value."""


class NotDrawnError(LanguageError):
    """A text the grammar does not draw; this reading says nothing about it."""

    code = "SourceError"


def build(text: str, params: Mapping[str, Any] | None = None) -> Any:
    """The PrimFunc of a kernel's text, or the module of several T.Kernel in turn.

    ``params`` are names it may use.

    Raises:
        NotDrawnError: a statement or expression that is not of the grammar's.
    """
    import harness.language as T

    (function,) = ast.parse(text).body
    if not isinstance(function, ast.FunctionDef):
        raise _other(function)
    names = {**(params or {}), "T": T, "range": serial, "_compared": _compared}
    stated = SimpleNamespace()  # what T.annotate_layout writes to
    token = PARSER.set(stated)
    try:
        with IRBuilder() as builder, S.prim_func(is_private=False):
            S.func_name(function.name)
            scope = _Scope(names)
            for arg in function.args.args:
                tensor = scope.value(arg.annotation)
                single = is_single(tensor)
                scope.names[arg.arg] = (declare_single(stated, arg.arg, tensor) if single
                                        else S.arg(arg.arg, tensor))  # fmt: skip
            declare_singles(stated)
            scope.body(function.body)
            declare_layouts(stated)
            declare_made(stated)
        return finished(builder.get())
    finally:
        PARSER.reset(token)


class _Scope:
    """Names that hold at some place, and the statements there."""

    def __init__(self, names: Mapping[str, Any], *, parallel: bool = False) -> None:
        self.names, self.parallel = dict(names), parallel

    def value(self, node: ast.expr | None) -> Any:
        """What Python makes of an expression."""
        if node is None:
            raise NotDrawnError("a parameter has no type")
        return eval(_code(node), {"__builtins__": {}}, self.names)  # noqa: S307 - text the grammar drew; no builtins

    def body(self, statements: Sequence[ast.stmt]) -> None:
        """Statements in order."""
        for statement in statements:
            self.statement(statement)

    def statement(self, s: ast.stmt) -> None:
        """One statement."""
        if isinstance(s, ast.Expr):
            call = self.value(s.value)
            if call is not None:  # a hint returns nothing
                S.evaluate(call)
        elif isinstance(s, ast.Assign) and isinstance(s.targets[0], ast.Name):
            name, made = s.targets[0].id, self.value(s.value)
            if isinstance(made, Between):
                self.names[name] = declare_between(PARSER.get(), name, made)
                return
            if isinstance(made, tvm.ir.Expr) and has_load(made):  # what is read is read once
                if self.parallel:
                    raise _other(s)
                made = S.Bind(made)
            elif not is_buffer(made):  # an index stands for itself
                self.names[name] = made
                return
            self.names[name] = IRBuilder.name(name, made)
        elif isinstance(s, ast.Assign) and isinstance(s.targets[0], ast.Subscript):
            self.store(s.targets[0], self.value(s.value))
        elif isinstance(s, ast.AugAssign) and isinstance(s.target, ast.Subscript):
            old = ast.Subscript(s.target.value, s.target.slice, ast.Load())
            self.store(s.target, self.value(ast.BinOp(old, s.op, s.value)))
        elif isinstance(s, ast.If):
            with S.If(self.value(s.test)):
                for side, body in ((S.Then, s.body), (S.Else, s.orelse)):
                    if body:
                        with side():
                            _Scope(self.names, parallel=self.parallel).body(body)
        elif isinstance(s, ast.For):
            loop = self.value(s.iter)
            with _loop(loop) as variables:
                inner = self.named(s.target, variables)
                if isinstance(loop, SteppedLoop) and isinstance(s.target, ast.Name):
                    inner.names[s.target.id] = loop.start + variables[0] * loop.step
                inner.parallel |= isinstance(loop, ParallelLoop)
                inner.body(s.body)
        elif isinstance(s, ast.With) and s.items[0].optional_vars is not None:
            with self.value(s.items[0].context_expr) as ids:
                variables = ids if isinstance(ids, list) else [ids]
                self.named(s.items[0].optional_vars, variables).body(s.body)
        else:
            raise _other(s)

    def named(self, target: ast.expr, variables: Sequence[Any]) -> _Scope:
        """The scope in which the names of ``target`` are some variables."""
        targets = target.elts if isinstance(target, ast.Tuple) else [target]
        inner = _Scope(self.names, parallel=self.parallel)
        for item, variable in zip(targets, variables, strict=True):
            if not isinstance(item, ast.Name):
                raise _other(item)
            inner.names[item.id] = IRBuilder.name(item.id, variable)
        return inner

    def store(self, target: ast.Subscript, value: Any) -> None:
        """``buffer[indices] = value``, in the buffer's dtype."""
        buffer, indices = self.value(target.value), self.value(target.slice)
        dtype = str(buffer.ty.dtype)
        if isinstance(value, (int, float)):
            value = tirx.const(value, dtype)
        if str(value.ty.dtype) != dtype:
            value = tirx.Cast(dtype, value)
        S.buffer_store(buffer, value, list(indices) if isinstance(indices, tuple) else [indices])


@contextmanager
def _loop(loop: Any) -> Iterator[list[Any]]:
    """The variables of a loop, within it."""
    frames = [loop]
    if isinstance(loop, ParallelLoop):
        frames = [S.parallel(0, extent) for extent in loop.extents]
    elif isinstance(loop, SteppedLoop):
        frames = [S.serial(0, loop.trips)]
    with ExitStack() as stack:
        yield [stack.enter_context(frame) for frame in frames]


class _Comparisons(ast.NodeTransformer):
    """Comparisons as calls: TVM's own compare operands of one dtype only."""

    def visit_Compare(self, node: ast.Compare) -> ast.expr:
        """``a > b`` as ``_compared("GT", a, b)``."""
        if len(node.ops) != 1:
            raise _other(node)
        kind = ast.Constant(_COMPARE[type(node.ops[0])])
        operands = [self.visit(node.left), self.visit(node.comparators[0])]
        return ast.Call(ast.Name("_compared", ast.Load()), [kind, *operands], [])

    def visit(self, node: ast.AST) -> Any:
        """Any other node, with its parts."""
        if isinstance(node, _NOT_DRAWN):
            raise _other(node)
        return super().visit(node)


def _compared(kind: str, *operands: Any) -> Any:
    """A comparison in the operands' common dtype; a real number beside a block is float32."""
    a, b = (tirx.const(v, "float32") if isinstance(v, float) else v for v in operands)
    return getattr(tirx, kind)(*same_dtype(a, b))


def _code(node: ast.expr) -> CodeType:
    tree = ast.Expression(_Comparisons().visit(node))
    return compile(ast.fix_missing_locations(tree), "<kernel>", "eval")


def _other(node: ast.AST) -> NotDrawnError:
    return NotDrawnError(f"{ast.unparse(node)!r} is nothing the grammar draws")


def difference(parsed: Any, made: Any) -> str:
    """How two readings of a kernel differ, in structure or in a name; empty if they do not."""
    equal = tvm_ffi.structural_equal(parsed, made, map_free_vars=True)
    return _first_line(parsed.script(), made.script()) or ("" if equal else "a type differs")


def _first_line(parsed: str, made: str) -> str:
    if parsed == made:
        return ""
    pairs = zip(parsed.splitlines(), made.splitlines(), strict=False)
    lines = next(((a.strip(), b.strip()) for a, b in pairs if a != b), ("less", "more"))
    return f"the parser reads {lines[0]!r}, Python {lines[1]!r}"
