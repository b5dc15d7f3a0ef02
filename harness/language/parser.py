"""``@T.prim_func``: TVMScript's parser under a dialect of its own.

The dispatch token ``tt`` keeps every override out of plain TVMScript. Statements this language does
not have are refused where they stand; every error leaves as a :class:`LanguageError` with the line.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from pathlib import PurePath
from typing import Any, Final

import tvm
from tvm.tirx.script import builder as S
from tvm import tirx
from tvm.error import DiagnosticError
from tvm.script.parser._core import dispatch, doc, parse, utils
from tvm.tirx.script.parser.parser import bind_assign_value, bind_for_value, bind_with_value

from harness.errors import LanguageError
from harness.language import frames
from harness.language.frames import Kernel, ParallelLoop
from harness.language.regions import is_buffer

TOKEN: Final = "tt"


def _place(parser: Any, node: Any) -> str:
    line, column, _, _ = parser.diag.source.location(node)
    return f"{PurePath(parser.diag.source.source_name).name}:{line}:{column}"


def _language_error(err: BaseException) -> LanguageError:
    """The LanguageError behind an exception of TVM's parser, or one made of it."""
    seen: BaseException | None = err
    while seen is not None:
        if isinstance(seen, LanguageError):
            return seen
        seen = seen.__cause__ or seen.__context__
    root = err
    while isinstance(root, DiagnosticError) and root.__context__ is not None:
        root = root.__context__
    if isinstance(root, DiagnosticError):
        text = str(root).strip().splitlines()
        detail = next((t for t in text if "error:" in t), text[0] if text else "cannot be parsed")
        return LanguageError(detail.split("error:", 1)[-1].strip(), code="SourceError")
    name = type(root).__name__
    last = (str(root).strip().splitlines() or [name])[-1]
    return LanguageError(last if name == "ParserError" else f"{name}: {last}", code="SourceError")


def _located(visit: Callable[[Any, Any], None]) -> Callable[[Any, Any], None]:
    @functools.wraps(visit)
    def inner(self: Any, node: Any) -> None:
        try:
            visit(self, node)
        except Exception as err:  # noqa: BLE001  (everything becomes one located LanguageError)
            wrapped = _language_error(err)
            if wrapped.location is None:
                wrapped.location = _place(self, node)
            raise wrapped from None

    return inner


def _register(name: str) -> Callable[[Callable[[Any, Any], None]], Callable[[Any, Any], None]]:
    def register(visit: Callable[[Any, Any], None]) -> Callable[[Any, Any], None]:
        located = _located(visit)
        dispatch.register(token=TOKEN, type_name=name)(located)
        return located

    return register


@_register("FunctionDef")
def _visit_function(self: Any, node: Any) -> None:
    """A kernel: annotated tensor parameters and a body in this dialect."""
    self.function_annotations = None
    with self.var_table.with_frame(), S.prim_func(is_private=False):
        S.func_name(node.name)
        with self.with_dispatch_token(TOKEN):
            arguments = node.args
            for extra in ("posonlyargs", "kwonlyargs", "defaults"):
                if getattr(arguments, extra, None):
                    raise LanguageError("a kernel takes plain positional tensor parameters only")
            if arguments.vararg or arguments.kwarg:
                raise LanguageError("a kernel takes no * or ** parameters")
            for arg in arguments.args:
                if arg.annotation is None:
                    raise LanguageError(f"parameter {arg.arg!r} has no type annotation",
                                        next_step=f"write {arg.arg}: T.Tensor(shape, dtype)")  # fmt: skip
                annotation = self.eval_expr(arg.annotation)
                if not is_buffer(annotation):
                    raise LanguageError(
                        f"parameter {arg.arg!r} is not a tensor",
                        next_step=f"write {arg.arg}: T.Tensor(shape, dtype)",
                    )
                self.var_table.add(arg.arg, S.arg(arg.arg, annotation))
            self.visit_body(node.body)


@_register("For")
def _visit_for(self: Any, node: Any) -> None:
    """``range``, T.serial, T.Pipelined, T.unroll: one frame; T.Parallel: one frame per extent."""
    if node.orelse:
        raise LanguageError("for … else is not supported")
    if isinstance(node.iter, doc.Call) and isinstance(node.iter.func, doc.Name) and (
        node.iter.func.id == "range"
    ):
        args = [self.eval_expr(a) for a in node.iter.args]
        loop: Any = frames.serial(*args)
    else:
        loop = self.eval_expr(node.iter)
    with self.var_table.with_frame():
        if isinstance(loop, ParallelLoop):
            _enter_parallel(self, node, list(loop.extents), [])
            return
        if not isinstance(loop, S.frame.ForFrame):
            raise LanguageError(
                f"cannot loop over {type(loop).__name__}",
                next_step="use range, T.serial, T.Pipelined, T.Parallel or T.unroll",
            )
        with loop as iters:
            self.eval_assign(target=node.target, source=iters, bind_value=bind_for_value)
            self.visit_body(node.body)


def _enter_parallel(self: Any, node: Any, extents: list[Any], variables: list[Any]) -> None:
    if extents:
        with S.parallel(0, extents[0]) as var:
            _enter_parallel(self, node, extents[1:], [*variables, var])
        return
    source = variables[0] if len(variables) == 1 else tuple(variables)
    targets = len(node.target.elts) if isinstance(node.target, (doc.Tuple, doc.List)) else 1
    if targets != len(variables):
        raise LanguageError(f"T.Parallel has {len(variables)} extents but {targets} loop variables")
    self.eval_assign(target=node.target, source=source, bind_value=bind_for_value)
    self.visit_body(node.body)


@_register("With")
def _visit_with(self: Any, node: Any) -> None:
    """``with T.Kernel(…) as …``: the only context a kernel body may enter."""
    if len(node.items) != 1:
        raise LanguageError("one context per with-statement", next_step="use T.Kernel alone")
    item = node.items[0]
    context = self.eval_expr(item.context_expr)
    if not isinstance(context, Kernel):
        raise LanguageError("only T.Kernel can be entered with a with-statement")
    with self.var_table.with_frame(), context as ids:
        if item.optional_vars is not None:
            target = item.optional_vars
            wanted = len(target.elts) if isinstance(target, (doc.Tuple, doc.List)) else 1
            given = len(ids) if isinstance(ids, list) else 1
            if wanted != given:
                raise LanguageError(f"T.Kernel has {given} grid axes but {wanted} names after 'as'")
            self.eval_assign(target=target, source=ids, bind_value=bind_with_value)
        self.visit_body(node.body)


def _has_load(expr: Any) -> bool:
    found = False

    def seen(_: Any) -> None:
        nonlocal found
        found = True

    import tvm_ffi

    tvm_ffi.structural_walk(expr, [(tvm.ir.TensorLoad, seen)])
    return found


def _bind_local(self: Any, node: Any, name: str, value: Any) -> Any:
    """Meaning of ``name = value``: buffers get the name, constants and index expressions stand for
    themselves, anything that reads memory is bound once with ``T.Bind``.
    """
    if isinstance(value, (bool, int, float, str)) or value is None:
        return value
    if isinstance(value, (list, tuple)):
        return type(value)(value)
    if is_buffer(value):
        return bind_assign_value(self, node, name, value)
    if isinstance(value, tvm.ir.TensorRegion):
        return value
    if isinstance(value, tvm.ir.Expr):
        if _has_load(value):
            var = S.Bind(value)
            tvm.script.ir_builder.IRBuilder.name(name, var)
            return var
        return value
    return value


@_register("Assign")
def _visit_assign(self: Any, node: Any) -> None:
    """``buffer[i, j] = value`` or ``name = value``; names are bound once."""
    if len(node.targets) != 1:
        raise LanguageError("a = b = c is not supported", next_step="use one target")
    target = node.targets[0]
    if isinstance(target, doc.Subscript):
        _store(self, target, self.eval_expr(node.value))
        return
    value = self.eval_expr(node.value)
    if isinstance(target, doc.Name):
        known = self.var_table.get()
        if target.id in known and isinstance(known[target.id], tvm.ir.Expr):
            raise LanguageError(f"{target.id!r} is assigned a second time",
                                next_step="names are bound once; keep running values in a buffer")  # fmt: skip
    self.eval_assign(target=target, source=value, bind_value=_bind_local, allow_shadowing=True)


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
        value = tirx.const(value, dtype)
    elif not isinstance(value, tvm.ir.Expr):
        raise LanguageError(f"cannot store a {type(value).__name__}")
    elif str(value.ty.dtype) != dtype:
        value = tirx.Cast(dtype, value)
    S.buffer_store(buffer, value, indices)


@_register("AugAssign")
def _visit_aug_assign(self: Any, node: Any) -> None:
    """``buffer[i, j] op= value``."""
    if not isinstance(node.target, doc.Subscript):
        raise LanguageError("augmented assignment needs a buffer element",
                            next_step="names are bound once; keep running values in a buffer")  # fmt: skip
    node.target.ctx = doc.Load()
    where = (node.lineno, node.col_offset, node.end_lineno, node.end_col_offset)
    value = self.eval_expr(doc.BinOp(node.target, node.op, node.value, *where))
    _store(self, node.target, value)


@_register("Expr")
def _visit_expr(self: Any, node: Any) -> None:
    """A call of a tile op; a docstring or a hint that returns nothing is passed over."""
    value = self.eval_expr(node.value)
    if value is None or isinstance(value, str):
        return
    if isinstance(value, tvm.ir.Call) and value.op.name.startswith("tl."):
        S.evaluate(value)
        return
    raise LanguageError("this expression has no effect", next_step="remove it or store its value")


@_register("If")
def _visit_if(self: Any, node: Any) -> None:
    """``if`` on compile-time values picks a branch; on block or loop indices it stays in the IR."""
    test = self.eval_expr(node.test)
    if isinstance(test, (bool, int)):
        self.visit_body(node.body if test else node.orelse)
        return
    if not isinstance(test, tvm.ir.Expr) and not hasattr(test, "asobject"):
        raise LanguageError(f"if-condition is a {type(test).__name__}")
    with S.If(test):
        with S.Then(), self.var_table.with_frame():
            self.visit_body(node.body)
        if node.orelse:
            with S.Else(), self.var_table.with_frame():
                self.visit_body(node.orelse)


def _refused(name: str, what: str, instead: str) -> None:
    @_register(name)
    def visit(self: Any, node: Any) -> None:
        del self, node
        raise LanguageError(f"{what} is not supported", next_step=instead)


_refused("While", "while", "use a for loop with a bound known from block and loop indices")
_refused("Break", "break", "bound the loop instead")
_refused("Continue", "continue", "guard the statements with if")
_refused("Return", "return", "write results to an output tensor")
_refused("AnnAssign", "an annotated assignment", "assign without annotation")
_refused("Assert", "assert", "check parameters outside the kernel")


def prim_func(func: Callable[..., Any] | None = None, **options: object) -> Any:
    """``@T.prim_func``: the decorated function becomes a tirx ``PrimFunc``.

    Raises:
        LanguageError: the function is not a kernel of this language; the error names the line.
    """
    if options:
        raise LanguageError(f"T.prim_func has no option {sorted(options)[0]!r}")
    if func is None:
        return prim_func
    if not inspect.isfunction(func):
        raise LanguageError(f"T.prim_func decorates functions, not {type(func).__name__}")
    # Annotations belong to the scope the function is defined in, which is the caller's; names used
    # only there are not in the function's closure.
    scope = inspect.currentframe()
    caller = scope.f_back if scope is not None else None
    variables = {**(caller.f_locals if caller is not None else {}),
                 **utils.inspect_function_capture(func)}  # fmt: skip
    try:
        return parse(func, variables, check_well_formed=True)
    except Exception as err:  # noqa: BLE001  (everything becomes one located LanguageError)
        error = _language_error(err)
        if error.location is None:
            code = func.__code__
            error.location = f"{PurePath(code.co_filename).name}:{code.co_firstlineno}:0"
        raise error from None


prim_func.dispatch_token = TOKEN  # type: ignore[attr-defined]
