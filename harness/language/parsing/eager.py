"""Kernels that declare their tensors in the body: the eager style of ``@tilelang.jit``.

``M, N = T.const("M, N")`` names sizes, ``A: T.Tensor((M, N), dtype)`` says what a parameter is,
``C = T.empty((M, N), dtype)`` makes an output and ``return C`` gives it back.
"""

from __future__ import annotations

import contextvars
import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import tvm
from tvm.script.ir_builder import IRBuilder
from tvm.script.parser._core import doc, utils
from tvm.script.parser.core.parser import Parser
from tvm.tirx.script import builder as S

from harness.errors import LanguageError
from harness.language.dynamic import (
    check_size,
    dynamic,
    known_sizes,
    open_sizes,
    sizes_known,
    split_names,
    with_sizes,
)
from harness.language.layouts import declare_layouts
from harness.language.parsing.expressions import directly
from harness.language.parsing.located import PARSER, TOKEN, language_error, place_of
from harness.language.parsing.reading import Text
from harness.language.parsing.spans import innermost_spans
from harness.language.regions import is_buffer
from harness.language.rewriting.finished import finished
from harness.language.rewriting.inturn import declare_made
from harness.language.tensors import Tensor


@dataclass(frozen=True)
class Empty:
    """``T.empty(shape, dtype)`` before it has a name."""

    buffer: Any


@dataclass
class EagerCall:
    """One reading of an eager kernel.

    Attributes:
        values: parameters that are plain values.
        shapes: declared shapes by tensor, inputs first; open sizes stand as variables.
        outputs: tensors made with T.empty, in order.
        returned: tensors the kernel gives back.
        sizes: sizes to be given: of T.const, and of T.dynamic in the shape of a tensor.
        reading: only declarations are read; nothing is built.
    """

    values: Mapping[str, Any]
    reading: bool
    shapes: dict[str, tuple[Any, ...]] = field(default_factory=dict)
    outputs: list[str] = field(default_factory=list)
    returned: list[str] = field(default_factory=list)
    sizes: list[str] = field(default_factory=list)

    def need(self, *names: str) -> None:
        """Note sizes that must be given."""
        self.sizes += [n for n in names if n not in self.sizes]


class _DeclarationsRead(Exception):  # noqa: N818  (a jump, not an error)
    """Raised at T.Kernel when only declarations are wanted."""


_CALL: contextvars.ContextVar[EagerCall | None] = contextvars.ContextVar("tt_eager", default=None)


def current() -> EagerCall | None:
    """The reading under way, if the kernel is eager."""
    return _CALL.get()


def is_reading() -> bool:
    """Whether only the declarations of an eager kernel are being read."""
    call = _CALL.get()
    return call is not None and call.reading


def const(names: str) -> Any:
    """``M, N = T.const("M, N")``: sizes taken from the arguments' shapes, or given by name.

    Raises:
        LanguageError: outside an eager kernel.
    """
    call = _CALL.get()
    if call is None:
        raise LanguageError("T.const is for @tilelang.jit functions that declare their tensors",
                            next_step="in a factory, take sizes as parameters")  # fmt: skip
    call.need(*split_names(names))
    return dynamic(names)


def empty(*shape: Any, dtype: object = "float32") -> Any:
    """``C = T.empty((M, N), dtype)`` or ``T.empty(M, N, dtype=…)``: an output of an eager kernel.

    Raises:
        LanguageError: outside an eager kernel.
    """
    if _CALL.get() is None:
        raise LanguageError("T.empty is for @tilelang.jit functions that declare their tensors",
                            next_step="declare the output as a parameter")  # fmt: skip
    if shape and isinstance(shape[0], (tuple, list)):
        return Empty(Tensor(shape[0], *shape[1:2] or (dtype,)))
    if len(shape) > 1 and isinstance(shape[-1], str):
        return Empty(Tensor(shape[:-1], shape[-1]))
    return Empty(Tensor(shape, dtype))


def declare_output(name: str, made: Empty) -> Any:
    """Give a T.empty its name; it becomes a parameter of the kernel."""
    call = _CALL.get()
    if call is None:
        raise AssertionError("T.empty outside an eager kernel")
    call.outputs.append(name)
    if call.reading:
        call.need(*open_sizes(tuple(made.buffer.ty.shape)))
        return made.buffer
    return S.arg(name, made.buffer)


def declare_input(parser: Any, name: str, annotation: Any) -> None:
    """``A: T.Tensor((M, N), dtype)`` in an eager kernel.

    Raises:
        LanguageError: not a parameter, or not a tensor.
    """
    call = _CALL.get()
    if call is None:
        raise LanguageError("an annotated declaration is for @tilelang.jit functions",
                            next_step="assign without annotation")  # fmt: skip
    if not is_buffer(annotation):
        raise LanguageError(f"{name!r} is not declared as a tensor",
                            next_step=f"write {name}: T.Tensor(shape, dtype)")  # fmt: skip
    if call.reading:
        call.shapes[name] = tuple(annotation.ty.shape)
        call.need(*open_sizes(call.shapes[name]))
        buffer = annotation
    else:
        buffer = S.arg(name, annotation)
    parser.var_table.add(name, buffer, allow_shadowing=True)


def give_back(value: Any) -> None:
    """``return C`` at the end of an eager kernel.

    Raises:
        LanguageError: something that is not a tensor.
    """
    call = _CALL.get()
    if call is None:
        raise LanguageError("return is not supported",
                            next_step="write results to an output tensor")  # fmt: skip
    for item in value if isinstance(value, (tuple, list)) else [value]:
        if not is_buffer(item) or item.name not in call.outputs:
            raise LanguageError("an eager kernel returns the tensors it made with T.empty",
                                next_step="what is passed is written in place")  # fmt: skip
        call.returned.append(item.name)


def at_kernel() -> None:
    """Called where T.Kernel is entered: declarations are over."""
    call = _CALL.get()
    if call is not None and call.reading:
        raise _DeclarationsRead


@contextmanager
def _calling(call: EagerCall) -> Iterator[None]:
    token = _CALL.set(call)
    try:
        yield
    finally:
        _CALL.reset(token)


def read_declarations(func: Callable[..., Any], values: Mapping[str, Any],
                      sizes: Mapping[str, int] | None = None) -> EagerCall:  # fmt: skip
    """Tensors and sizes an eager kernel declares, given its plain parameters."""
    call = EagerCall(values, reading=True)
    with sizes_known(sizes or {}), _calling(call):
        try:
            _parse(func, call)
        except _DeclarationsRead:
            return call
        except Exception as err:
            if _is_jump(err):
                return call
            raise
    raise LanguageError(f"{func.__name__!r} has no T.Kernel", code="NoKernel",
                        next_step="put the body under `with T.Kernel(…) as …:`")  # fmt: skip


def _is_jump(err: BaseException | None) -> bool:
    while err is not None:
        if isinstance(err, _DeclarationsRead):
            return True
        err = err.__cause__ or err.__context__
    return False


def build(func: Callable[..., Any], values: Mapping[str, Any],
          sizes: Mapping[str, int]) -> tuple[Any, list[str]]:  # fmt: skip
    """The PrimFunc of an eager kernel for concrete sizes, and the tensors it returns.

    Raises:
        LanguageError: a construct that is refused, or a size that is not given.
    """
    missing = [n for n in read_declarations(func, values).sizes if n not in sizes]
    if missing:
        raise LanguageError(f"{func.__name__!r} needs the size {missing[0]!r}", code="OpenSize",
                            next_step=f"give {', '.join(missing)}")  # fmt: skip
    for name, value in sizes.items():
        check_size(name, value)
    call = EagerCall(values, reading=False)
    with sizes_known(sizes), _calling(call):
        made = _parse(func, call)
    return made, call.returned


def _parse(func: Callable[..., Any], call: EagerCall) -> Any:
    source = Text(func)
    parser = Parser(source, {func.__name__: {}})
    nodes = [n for n in source.as_ast().body if isinstance(n, doc.FunctionDef)]
    token = PARSER.set(parser)
    try:
        with IRBuilder() as builder, parser.var_table.with_frame():
            for name, value in utils.inspect_function_capture(func).items():
                parser.var_table.add(name, with_sizes(value, known_sizes()))
            with parser.with_dispatch_token(TOKEN), parser.var_table.with_frame():
                _visit(parser, nodes[0], func, call)
        made = builder.get()
        tvm.s_tir.analysis.verify_well_formed(tvm.IRModule.from_expr(made))
        made = finished(made)
    except Exception as err:  # noqa: BLE001  (everything becomes one located LanguageError)
        if isinstance(err, _DeclarationsRead) or _is_jump(err):
            raise _DeclarationsRead from None
        error = language_error(err)
        error.location = error.location or place_of(parser, nodes[0])
        raise error from None
    else:
        return made
    finally:
        PARSER.reset(token)


def _visit(parser: Any, node: Any, func: Callable[..., Any], call: EagerCall) -> None:
    with innermost_spans(parser, node), directly(parser), S.prim_func(is_private=False):
        S.func_name(node.name)
        for name in inspect.signature(func).parameters:
            if name in call.values:
                parser.var_table.add(name, call.values[name])
        parser.visit_body(node.body)
        declare_layouts(parser)
        declare_made(parser)


def declares_tensors(func: Callable[..., Any]) -> list[str]:
    """Parameters an eager kernel declares as tensors in its body; empty for a factory."""
    nodes = [n for n in Text(func).as_ast().body if isinstance(n, doc.FunctionDef)]
    names = list(inspect.signature(func).parameters)
    found = [s.target.id for s in _own_statements(nodes[0].body if nodes else [])
             if isinstance(s, doc.AnnAssign) and isinstance(s.target, doc.Name)]  # fmt: skip
    return [n for n in names if n in found]


def enters_kernel(func: Callable[..., Any]) -> bool:
    """Whether a function enters T.Kernel in its own body, so is a kernel and no factory."""
    nodes = [n for n in Text(func).as_ast().body if isinstance(n, doc.FunctionDef)]
    for statement in _own_statements(nodes[0].body if nodes else []):
        if isinstance(statement, doc.With):
            call = statement.items[0].context_expr
            name = getattr(call, "func", None)
            if getattr(name, "attr", getattr(name, "id", "")) == "Kernel":
                return True
    return False


def _own_statements(body: Any) -> Iterator[Any]:
    for statement in body or []:
        yield statement
        if isinstance(statement, doc.If):
            yield from _own_statements(statement.body)
            yield from _own_statements(statement.orelse)
