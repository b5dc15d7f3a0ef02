"""``@T.prim_func``: TVMScript's parser under a dialect of its own.

The dispatch token ``tt`` keeps every override out of plain TVMScript. Statements this language does
not have are refused where they stand; every error leaves as a :class:`LanguageError` with the line.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import PurePath
from typing import Any

import tvm
from tvm.script.ir_builder import IRBuilder
from tvm.script.parser._core import doc
from tvm.tirx.script import builder as S
from tvm.tirx.script.parser.parser import bind_for_value, bind_with_value

from harness.errors import LanguageError
from harness.language.dynamic import DynamicKernel, open_sizes, used_values
from harness.language.elementwise import truth
from harness.language.layouts import declare_layouts
from harness.language.parsing import assign, comparisons, eager, frames, macros, typed
from harness.language.parsing.branches import Else, If, Then, check_parts
from harness.language.parsing.expressions import directly
from harness.language.parsing.frames import GridLoop, Kernel, ParallelLoop
from harness.language.parsing.locals import Locals, branch, outdate_before, part
from harness.language.parsing.located import (
    PARSER,
    TOKEN,
    at,
    language_error,
    refuse_foreign,
    refuse_statement,
    register,
)
from harness.language.parsing.reading import Text, read
from harness.language.parsing.scopes import inner, names_known
from harness.language.parsing.spans import innermost_spans
from harness.language.regions import is_buffer
from harness.language.rewriting.finished import finished
from harness.language.rewriting.inturn import declare_made
from harness.language.single import declare_single, declare_singles, is_single


@register("FunctionDef")
def _visit_function(self: Any, node: Any) -> None:
    """A kernel: annotated tensor parameters and a body in this dialect; inside one, a macro."""
    if PARSER.get() is self:
        macros.define_inside(self, node)
        return
    self.function_annotations = None
    token = PARSER.set(self)
    try:
        with (
            innermost_spans(self, node),
            directly(self),
            self.var_table.with_frame(),
            S.prim_func(is_private=False),
        ):
            S.func_name(node.name)
            refuse_foreign(self, node.body)
            with self.with_dispatch_token(TOKEN):
                _declare_parameters(self, node.args)
                self.visit_body(node.body)
            declare_layouts(self)
            declare_made(self)
    finally:
        PARSER.reset(token)


def _declare_parameters(self: Any, arguments: Any) -> None:
    for extra in ("posonlyargs", "kwonlyargs", "defaults"):
        if getattr(arguments, extra, None):
            raise LanguageError(
                "a kernel takes plain positional tensor parameters only",
                next_step="take other values in the function around it",
            )
    if arguments.vararg or arguments.kwarg:
        raise LanguageError("a kernel takes no * or ** parameters",
                            next_step="name every tensor")  # fmt: skip
    for arg in arguments.args:
        with at(self, arg.annotation or arg):
            self.var_table.add(arg.arg, _parameter(self, arg))
    declare_singles(self)


def _parameter(self: Any, arg: Any) -> Any:
    """What a parameter's name stands for: the tensor, or the number, it is annotated as."""
    if arg.annotation is None:
        raise LanguageError(f"parameter {arg.arg!r} has no type annotation",
                            next_step=f"write {arg.arg}: T.Tensor(shape, dtype)")  # fmt: skip
    annotation = self.eval_expr(arg.annotation)
    if is_single(annotation):
        return declare_single(self, arg.arg, annotation)
    if not is_buffer(annotation):
        raise LanguageError(
            f"parameter {arg.arg!r} is not a tensor",
            next_step=f"write {arg.arg}: T.Tensor(shape, dtype), or T.float32 or T.int32 for a"
            " number that callers pass",
        )
    return S.arg(arg.arg, annotation)


@register("For")
def _visit_for(self: Any, node: Any) -> None:
    """``range``, T.serial, T.Pipelined: one frame; T.Parallel, T.grid: one frame per extent."""
    if node.orelse:
        raise LanguageError("for … else is not supported", next_step="put it after the loop")
    if (
        isinstance(node.iter, doc.Call)
        and isinstance(node.iter.func, doc.Name)
        and (node.iter.func.id == "range")
    ):
        args = [self.eval_expr(a) for a in node.iter.args]
        loop: Any = frames.serial(*args)
    else:
        loop = self.eval_expr(node.iter)
    if getattr(self, "tt_locals", None) is not None and not isinstance(loop, ParallelLoop):
        outdate_before(self, node.body)
    with inner(self):
        if isinstance(loop, (ParallelLoop, GridLoop)):
            outer = getattr(self, "tt_locals", None)
            if isinstance(loop, ParallelLoop):
                self.tt_locals = outer or Locals()
            try:
                _enter_nest(self, node, loop, list(loop.extents), [])
            finally:
                self.tt_locals = outer
            return
        if isinstance(loop, frames.PersistentLoop):
            _enter_waves(self, node, loop)
            return
        if isinstance(loop, frames.SteppedLoop):
            with S.serial(0, loop.trips) as trip:
                IRBuilder.name(getattr(node.target, "id", "trip"), trip)
                value = loop.start + trip * loop.step
                self.eval_assign(target=node.target, source=value, bind_value=_bind_step)
                self.visit_body(node.body)
            return
        if not isinstance(loop, S.frame.ForFrame):
            raise LanguageError(
                f"cannot loop over {type(loop).__name__}",
                next_step="use range, T.serial, T.Pipelined, T.Parallel or T.unroll",
            )
        with loop as iters:
            self.eval_assign(target=node.target, source=iters, bind_value=bind_for_value)
            self.visit_body(node.body)


def _bind_step(self: Any, node: Any, name: str, value: Any) -> Any:
    """The variable of a loop with a step stands for its expression."""
    del self, node, name
    return value


def _enter_waves(self: Any, node: Any, loop: frames.PersistentLoop) -> None:
    """The places a block visits, as indices computed from its number and the wave's."""
    waves = -(-loop.places // loop.wave_size)
    notes = {frames.PERSISTENT: [loop.wave_size, *loop.domain]}
    several = isinstance(node.target, (doc.Tuple, doc.List))
    if (len(node.target.elts) if several else 1) != len(loop.domain):
        raise LanguageError(f"T.Persistent has {len(loop.domain)} extents",
                            next_step="name one variable per extent")  # fmt: skip
    with S.serial(0, waves, annotations=notes) as wave:
        IRBuilder.name("wave", wave)
        place = wave * loop.wave_size + loop.index
        with S.If(place < loop.places), S.Then():
            found = loop.coordinates(place)
            source = found if several else found[0]
            self.eval_assign(target=node.target, source=source, bind_value=_bind_step)
            self.visit_body(node.body)


def _enter_nest(self: Any, node: Any, loop: Any, extents: list[Any], variables: list[Any]) -> None:
    if extents:
        frame = S.parallel if isinstance(loop, ParallelLoop) else S.serial
        with frame(0, extents[0]) as var:
            _enter_nest(self, node, loop, extents[1:], [*variables, var])
        return
    source = variables[0] if len(variables) == 1 else tuple(variables)
    targets = len(node.target.elts) if isinstance(node.target, (doc.Tuple, doc.List)) else 1
    if targets != len(variables):
        name = "T.Parallel" if isinstance(loop, ParallelLoop) else "T.grid"
        raise LanguageError(f"{name} has {len(variables)} extents but {targets} loop variables",
                            next_step="name one variable per extent")  # fmt: skip
    self.eval_assign(target=node.target, source=source, bind_value=bind_for_value)
    self.visit_body(node.body)


@register("With")
def _visit_with(self: Any, node: Any) -> None:
    """``with T.Kernel(…) as …``, or a branch: ``with T.If(…):`` and ``with T.If(…), T.Then():``."""
    _enter(self, node, list(node.items))


def _enter(self: Any, node: Any, items: list[Any]) -> None:
    """The first of the contexts around the rest and the body."""
    item, *rest = items
    call = getattr(item.context_expr, "func", None)
    if getattr(call, "attr", getattr(call, "id", "")) == "Kernel":
        eager.at_kernel()
    context = self.eval_expr(item.context_expr)
    if isinstance(context, If | Then | Else) and item.optional_vars is None:
        if eager.is_reading():
            return
        with context, branch(self) if isinstance(context, If) else part(self), inner(self):
            if rest:
                _enter(self, node, rest)
            else:
                if isinstance(context, If):
                    check_parts(node.body)
                self.visit_body(node.body)
        return
    if rest:
        raise LanguageError("one context per with-statement", next_step="use T.Kernel alone")
    if not isinstance(context, Kernel):
        raise LanguageError("only T.Kernel and T.If can be entered with a with-statement",
                            next_step="write with T.Kernel(…) as …")  # fmt: skip
    with self.var_table.with_frame(), context as ids:
        if item.optional_vars is not None:
            target = item.optional_vars
            is_tuple = isinstance(target, (doc.Tuple, doc.List))
            wanted = len(target.elts) if is_tuple else 1
            given = len(ids) if isinstance(ids, list) else 1
            if wanted != given:
                raise LanguageError(f"T.Kernel has {given} grid axes but {wanted} names after 'as'",
                                    next_step="name every axis")  # fmt: skip
            source = [ids] if is_tuple and not isinstance(ids, list) else ids
            self.eval_assign(target=target, source=source, bind_value=bind_with_value)
        self.visit_body(node.body)


@register("If")
def _visit_if(self: Any, node: Any) -> None:
    """``if`` on compile-time values picks a branch; on block or loop indices it stays in the IR."""
    test = self.eval_expr(node.test)
    if isinstance(test, (bool, int, str, list, tuple, dict, float)) or test is None:
        self.visit_body(node.body if test else node.orelse)
        return
    if not isinstance(test, tvm.ir.Expr) and not hasattr(test, "asobject"):
        raise LanguageError(f"if-condition is a {type(test).__name__}")
    if eager.is_reading():
        return
    with S.If(truth(test)), branch(self):
        with S.Then(), part(self), inner(self):
            self.visit_body(node.body)
        if node.orelse:
            with S.Else(), part(self), inner(self):
                self.visit_body(node.orelse)


@register("AnnAssign")
def _visit_annotated(self: Any, node: Any) -> None:
    """``A: T.Tensor(…)`` in an eager kernel; ``name: type = value`` is an assignment."""
    if node.value is not None:
        assign.assign(self, node.target, self.eval_expr(node.value))
    elif isinstance(node.target, doc.Name):
        eager.declare_input(self, node.target.id, self.eval_expr(node.annotation))
    else:
        raise LanguageError("an annotated assignment needs a name")


@register("Return")
def _visit_return(self: Any, node: Any) -> None:
    """``return C`` of an eager kernel, or the value of a macro."""
    value = None if node.value is None else self.eval_expr(node.value)
    if not macros.give_back(self, value):
        eager.give_back(value)


@register("Assert")
def _visit_assert(self: Any, node: Any) -> None:
    """``assert`` on compile-time values."""
    test = self.eval_expr(node.test)
    if eager.is_reading() and isinstance(test, tvm.ir.Expr):
        return
    if isinstance(test, tvm.ir.Expr) or hasattr(test, "asobject"):
        raise LanguageError("assert on a value known only on the device is not supported",
                            next_step="check parameters outside the kernel")  # fmt: skip
    if not test:
        message = "" if node.msg is None else f": {self.eval_expr(node.msg)}"
        raise LanguageError(f"assertion failed{message}", code="AssertionFailed")


comparisons.register()
typed.register()
refuse_statement("While", "while", "use a for loop with a bound known from block and loop indices")
refuse_statement("Break", "break", "bound the loop instead")
refuse_statement("Continue", "continue", "guard the statements with if")


def prim_func(func: Callable[..., Any] | None = None, **options: object) -> Any:
    """``@T.prim_func``: the decorated function becomes a tirx ``PrimFunc``.

    A kernel that uses ``T.dynamic`` sizes becomes a :class:`DynamicKernel`.

    Raises:
        LanguageError: the function is not a kernel of this language; the error names the line.
    """
    for name in options:
        if name != "private":
            raise LanguageError(f"T.prim_func has no option {name!r}")
    if func is None:
        return prim_func
    if not inspect.isfunction(func):
        raise LanguageError(f"T.prim_func decorates functions, not {type(func).__name__}")
    scope = inspect.currentframe()
    variables = names_known(func, scope.f_back if scope is not None else None)
    if open_sizes(used_values(func, variables)):
        return DynamicKernel(func, variables, _parse)
    return _parse(func, variables)


def _parse(func: Callable[..., Any], variables: dict[str, Any]) -> Any:
    try:
        return finished(read(Text(func), variables))
    except Exception as err:  # noqa: BLE001  (everything becomes one located LanguageError)
        error = language_error(err)
        if error.location is None:
            code = func.__code__
            error.location = f"{PurePath(code.co_filename).name}:{code.co_firstlineno}:0"
        raise error from None


prim_func.dispatch_token = TOKEN  # type: ignore[attr-defined]
