"""Scalars that a kernel assigns again and again: ``x = T.alloc_var("int32", init=0)``.

The name stands for a load of a buffer of one element, and assigning to it is a store.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import tvm
from tvm import tirx
from tvm.ir import TensorLoad
from tvm.script.ir_builder import IRBuilder
from tvm.tirx.script import builder as S

from harness.errors import LanguageError
from harness.language.parsing.located import PARSER
from harness.language.tensors import VAR, dtype_name

_DTYPES = ("int32", "float32")


@dataclass(frozen=True)
class Variable:
    """``T.alloc_var`` before it has a name."""

    buffer: Any
    init: Any

    def named(self, name: str) -> TensorLoad:
        """Give it its name and first value; what the name stands for."""
        IRBuilder.name(name, self.buffer)
        value = tirx.BufferLoad(self.buffer, [0])
        if self.init is not None:
            assign(value, self.init)
        return value


def alloc_var(dtype: object, *args: Any, scope: str = VAR, init: Any = None) -> Any:
    """``T.alloc_var(dtype, init)``: a scalar whose values follow from indices and parameters.

    Raises:
        LanguageError: another dtype or scope, or more than one first value.
    """
    for extra in args:
        if isinstance(extra, str):
            scope = extra
        elif init is None:
            init = extra
        else:
            raise LanguageError("T.alloc_var takes one init")
    if scope != VAR:
        raise LanguageError(f"T.alloc_var scope {scope!r}", next_step="leave scope out")
    name = dtype_name(dtype, accepted=_DTYPES)
    buffer = S.alloc_buffer((1,), name, scope=VAR)
    nest = getattr(PARSER.get(), "tt_locals", None)
    if nest is not None:
        nest.own.append(buffer)
    return Variable(buffer, init)


def is_variable(value: Any) -> bool:
    """Whether a value is the load that a scalar's name stands for."""
    return isinstance(value, TensorLoad) and value.source.ty.storage_scope == VAR


def assign(variable: TensorLoad, value: Any) -> None:
    """``x = value``.

    Raises:
        LanguageError: a value that is no number.
    """
    dtype = str(variable.source.ty.dtype)
    if isinstance(value, (bool, int, float)):
        if dtype == "int32" and value != int(value):
            raise LanguageError(f"scalar {variable.source.name!r} is int32, the value {value!r}",
                                next_step="use T.alloc_var of float32")  # fmt: skip
        value = tirx.const(int(value) if dtype == "int32" else float(value), dtype)
    elif hasattr(value, "asobject"):
        value = value.asobject()
    if not isinstance(value, tvm.ir.Expr):
        raise LanguageError(f"a {type(value).__name__} is no value of a scalar")
    if str(value.ty.dtype) != dtype:
        value = tirx.Cast(dtype, value)
    S.buffer_store(variable.source, value, [0])
