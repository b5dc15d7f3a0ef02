"""Assignments and expression statements of a kernel."""

from __future__ import annotations

from typing import Any

import tvm
from tvm import tirx
from tvm.script.parser._core import doc
from tvm.tirx.script import builder as S
from tvm.tirx.script.parser.parser import bind_assign_value

from harness.errors import LanguageError
from harness.language import variables
from harness.language.parsing.eager import Empty, declare_output
from harness.language.parsing.locals import outdate
from harness.language.parsing.located import register
from harness.language.parsing.scopes import check_rebinding
from harness.language.regions import is_buffer
from harness.language.rewriting.inturn import Between, declare_between
from harness.language.tensors import TRUTH
from harness.language.variables import Variable, is_variable
from harness.language.walks import structural_walk


def has_load(expr: Any) -> bool:
    """Whether an expression reads memory."""
    found: list[Any] = []
    structural_walk(expr, [(tvm.ir.TensorLoad, found.append)])
    return bool(found)


def _bind_local(self: Any, node: Any, name: str, value: Any) -> Any:
    """Meaning of ``name = value``.

    Buffers get the name, constants and index expressions stand for themselves, anything that reads
    memory is bound with ``T.Bind``.
    """
    nest = getattr(self, "tt_locals", None)
    if nest is not None:
        nest.reads.pop(name, None)
    if isinstance(value, Empty):
        return declare_output(name, value)
    if isinstance(value, Between):
        return declare_between(self, name, value)
    if isinstance(value, Variable):
        return value.named(name)
    if is_buffer(value):
        return bind_assign_value(self, node, name, value)
    if isinstance(value, tvm.ir.Expr) and not isinstance(value, tvm.ir.TensorRegion):
        if nest is not None and has_load(value):
            nest.note(name, value)
            return value
        if has_load(value):
            var = S.Bind(value)
            tvm.script.ir_builder.IRBuilder.name(name, var)
            return var
        return value
    return value


@register("Assign")
def _visit_assign(self: Any, node: Any) -> None:
    """``buffer[i, j] = value`` or ``name = value``."""
    value = self.eval_expr(node.value)
    # An expression would be evaluated once per target, after the stores before it.
    if len(node.targets) != 1 and not isinstance(value, int | float | str):
        raise LanguageError("a = b = c is not supported of what is computed on the device",
                            next_step="use one target")  # fmt: skip
    for target in node.targets:
        assign(self, target, value)


def assign(self: Any, target: Any, value: Any) -> None:
    """Give ``value`` to a target: an element, a name, or a tuple of names."""
    if isinstance(target, doc.Subscript):
        _store(self, target, value)
        return
    if isinstance(target, doc.Name):
        known = self.var_table.get().get(target.id)
        if is_variable(known):
            _assign_variable(self, known, value)
            return
        check_rebinding(self, target.id, value)
    elif isinstance(target, (doc.Tuple, doc.List)):
        for element in target.elts:
            if isinstance(element, doc.Subscript):
                raise LanguageError("an element of a buffer in a tuple that is assigned to",
                                    next_step="store one after another; to exchange two, keep one"
                                    " in a name first")  # fmt: skip
            if isinstance(element, doc.Name):
                check_rebinding(self, element.id, None)
    self.eval_assign(target=target, source=value, bind_value=_bind_local, allow_shadowing=True)


def _assign_variable(self: Any, variable: Any, value: Any) -> None:
    nest, scalar = getattr(self, "tt_locals", None), variable.source
    if nest is not None and not any(scalar.same_as(own) for own in nest.own):
        raise LanguageError(
            f"scalar {scalar.name!r} is assigned inside T.Parallel, whose iterations have no order",
            next_step="allocate it inside, where every iteration has its own, or store to a block",
        )
    variables.assign(variable, value)
    if nest is not None:
        outdate(self, scalar)


def _store(self: Any, target: Any, value: Any) -> None:
    buffer = self.eval_expr(target.value)
    if not is_buffer(buffer):
        raise LanguageError("only buffers can be stored to")
    items = target.slice.elts if isinstance(target.slice, doc.Tuple) else [target.slice]
    if any(isinstance(i, doc.Slice) for i in items):
        raise LanguageError("a slice cannot be assigned to",
                            next_step="use T.copy, T.fill or a T.Parallel loop")  # fmt: skip
    indices = [self.eval_expr(i) for i in items]
    if len(indices) != len(buffer.ty.shape):
        raise LanguageError(
            f"{len(indices)} indices into a buffer of rank {len(buffer.ty.shape)}",
            code="ShapeMismatch",
        )
    dtype = str(buffer.ty.dtype)
    if isinstance(value, (bool, int, float)):
        value = tirx.const(bool(value) if dtype == TRUTH else value, dtype)
    elif hasattr(value, "asobject"):  # a condition, or a name that went stale
        value = value.asobject()
    if not isinstance(value, tvm.ir.Expr):
        raise LanguageError(f"cannot store a {type(value).__name__}")
    if str(value.ty.dtype) != dtype:
        value = tirx.Cast(dtype, value)
    S.buffer_store(buffer, value, indices)
    if getattr(self, "tt_locals", None) is not None:
        outdate(self, buffer)


@register("AugAssign")
def _visit_aug_assign(self: Any, node: Any) -> None:
    """``buffer[i, j] op= value``, and ``name op= value`` of a scalar."""
    where = (node.lineno, node.col_offset, node.end_lineno, node.end_col_offset)
    if isinstance(node.target, doc.Subscript):
        node.target.ctx = doc.Load()
        value = self.eval_expr(doc.BinOp(node.target, node.op, node.value, *where))
        _store(self, node.target, value)
        return
    if isinstance(node.target, doc.Name):
        loaded = doc.Name(node.target.id, doc.Load(), *where)
        assign(self, node.target, self.eval_expr(doc.BinOp(loaded, node.op, node.value, *where)))
        return
    raise LanguageError(
        "this cannot be assigned to", next_step="name it, or an element of a buffer"
    )


@register("Expr")
def _visit_expr(self: Any, node: Any) -> None:
    """A call of a tile op; a docstring or a hint that returns nothing is passed over."""
    value = self.eval_expr(node.value)
    if value is None or isinstance(value, str) or value is Ellipsis:
        return
    if isinstance(value, tvm.ir.Call) and value.op.name.startswith("tl."):
        S.evaluate(value)
        return
    raise LanguageError("this expression has no effect", next_step="remove it or store its value")
