"""Getting coded errors out of TVM passes.

TVM turns an exception raised inside a pass into a bare RuntimeError without class, code or cause.
So a pass puts its error into a context-local sink before it raises; whoever called TVM takes it
from there and raises it again.
"""

from __future__ import annotations

import contextlib
import contextvars
import functools
from collections.abc import Callable, Iterator
from pathlib import PurePath
from typing import Any, NoReturn

import tvm
from tvm.ir.transform import PassContext

from harness.codes.refusals import remedy
from harness.errors import CompileError, HarnessError

_SINK: contextvars.ContextVar[list[HarnessError] | None] = contextvars.ContextVar(
    "tt_diagnostics", default=None
)


def place(node: Any) -> str | None:
    """``file:line:column`` of an IR node, or None where it carries no span.

    A sequence has no span of its own; its first statement's is taken.
    """
    while isinstance(node, tvm.tirx.SeqStmt):
        node = node.seq[0]
    span = getattr(node, "span", None)
    if span is None or span.source_name is None:
        return None
    return f"{_file(span.source_name.name)}:{span.line}:{span.column}"


@functools.lru_cache(maxsize=64)
def _file(path: str) -> str:
    """A path's last part; every op of a kernel asks for the same one's."""
    return PurePath(path).name


def refuse(
    message: str,
    *,
    code: str = "UnsupportedConstruct",
    node: Any = None,
    location: str | None = None,
    next_step: str | None = None,
) -> NoReturn:
    """Raise a located CompileError.

    Raises:
        CompileError: always.
    """
    raise CompileError(message, code=code, location=location or place(node),
                       next_step=next_step or remedy(code))  # fmt: skip


@contextlib.contextmanager
def delivering() -> Iterator[None]:
    """Run TVM code; an error a pass recorded leaves as itself instead of as RuntimeError."""
    if _SINK.get() is not None:  # an outer caller delivers
        yield
        return
    sink: list[HarnessError] = []
    token = _SINK.set(sink)
    try:
        yield
    except Exception:
        if sink:
            raise sink[0] from None
        raise
    finally:
        _SINK.reset(token)


def record(error: HarnessError) -> None:
    """Put an error where :func:`delivering` finds it."""
    sink = _SINK.get()
    if sink is not None and not any(error is known for known in sink):
        sink.append(error)


def module_pass(name: str, transform: Callable[[tvm.IRModule], tvm.IRModule]) -> tvm.transform.Pass:
    """A function from module to module as a named TVM pass that records what it refuses."""

    @tvm.transform.module_pass(opt_level=0, name=name)
    def run(mod: tvm.IRModule, ctx: PassContext) -> tvm.IRModule:
        del ctx
        try:
            return transform(mod)
        except HarnessError as error:
            record(error)
            raise

    return run


class TTPass:
    """A module pass of the pipeline: callable on a module, usable in ``Sequential``.

    Subclasses implement :meth:`transform_function`; functions without a kernel grid that are not
    kernels are not passed over silently: the pipeline compiles kernels only.
    """

    name = "TTPass"

    def as_pass(self) -> tvm.transform.Pass:
        """The TVM pass object, named, so that instruments (timing, dumps) see it."""
        return module_pass(self.name, self.transform_module)

    def __call__(self, mod: tvm.IRModule) -> tvm.IRModule:
        """Apply to a module; the module given is not changed.

        Raises:
            HarnessError: whatever the pass refuses, with code and source location.
        """
        with delivering():
            return self.as_pass()(mod)

    def transform_module(self, mod: tvm.IRModule) -> tvm.IRModule:
        """Rewrite every PrimFunc, in name order so that results do not depend on hashing."""
        functions = dict(mod.functions_items())
        out: dict[Any, Any] = {}
        for var in sorted(functions, key=lambda v: v.name_hint):
            func = functions[var]
            if isinstance(func, tvm.tirx.PrimFunc):
                out.update(self._located(var, func))
            else:
                out[var] = func
        return tvm.IRModule(out, attrs=mod.attrs)

    def _located(
        self, var: tvm.ir.GlobalVar, func: tvm.tirx.PrimFunc
    ) -> list[tuple[tvm.ir.GlobalVar, tvm.tirx.PrimFunc]]:
        """As transform_function; an error without a place gets the kernel's."""
        try:
            return self.transform_function(var, func)
        except HarnessError as error:
            error.location = error.location or place(func.body)
            raise

    def transform_function(
        self, var: tvm.ir.GlobalVar, func: tvm.tirx.PrimFunc
    ) -> list[tuple[tvm.ir.GlobalVar, tvm.tirx.PrimFunc]]:
        """One function to one or more."""
        raise NotImplementedError


def as_module(
    mod_or_func: tvm.IRModule | tvm.tirx.PrimFunc | Callable[..., Any],
) -> tvm.IRModule:
    """A module of what the user gave.

    Raises:
        CompileError: neither a module nor a PrimFunc, or a module without one.
    """
    if isinstance(mod_or_func, tvm.tirx.PrimFunc):
        name = str((mod_or_func.attrs or {}).get("global_symbol", "main"))
        return tvm.IRModule({name: mod_or_func})
    if isinstance(mod_or_func, tvm.IRModule):
        if not any(isinstance(f, tvm.tirx.PrimFunc) for f in mod_or_func.functions.values()):
            refuse("the module has no kernel", code="NoKernel",
                   next_step="give a module with at least one PrimFunc")  # fmt: skip
        return mod_or_func
    refuse(
        f"cannot compile a {type(mod_or_func).__name__}",
        code="NoKernel",
        next_step="give a PrimFunc (a factory's result) or an IRModule",
    )
