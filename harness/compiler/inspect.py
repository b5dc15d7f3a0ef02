"""What a pass left behind, as plain data: for those who check passes without reading TIR."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import tvm
import tvm_ffi
from tvm import tirx
from tvm.ir import Call, StringImm

from harness.compiler import attrs
from harness.compiler.block.names import L1_SCOPE
from harness.compiler.facts.kernel import read_kernel
from harness.compiler.facts.statements import statements
from harness.language.blockformats import dtype_of
from harness.language.regions import constant, is_buffer

Node = tuple[Any, ...]
"""``("thread", name, body)``, ``("for", var, start, extent, body)``, ``("if", condition, then,
else)``, ``("let", var, value)`` or ``("op", name, arguments)``. Expressions are numbers, names or
``[operator, …]``; a buffer is ``("buffer", name)``."""


L1Buffers = dict[str, tuple[tuple[int, ...], str]]
"""((tiles, height, width), dtype) by name."""


def block_program(func: Any) -> tuple[list[Node], tuple[str | None, ...], L1Buffers]:
    """A function after LowerTTTileIntrinsics: statements, grid variables, L1 buffers.

    Two variables of one name get names of their own.
    """
    kernel = read_kernel(func)
    reader = _Reader()
    axes = tuple(None if v is None else reader.name(v) for v in kernel.block_vars)
    buffers: L1Buffers = {}
    for s in statements(kernel.body):
        if isinstance(s, tirx.AllocBuffer) and s.buffer.ty.storage_scope == L1_SCOPE:
            shape = tuple(constant(d) or 1 for d in s.buffer.ty.shape)
            buffers[reader.name(s.buffer)] = shape, dtype_of(s.buffer)
    for param in kernel.params:
        reader.name(param)
    return reader.body(kernel.body), axes, buffers


def attributes(func: Any) -> dict[str, Any]:
    """Every ``tt.*`` attribute of a function as plain data."""
    return {
        str(k): attrs.as_py(v) for k, v in (func.attrs or {}).items() if str(k).startswith("tt.")
    }


def same_body(one: Any, other: Any) -> bool:
    """Whether two functions have the same body, names of variables aside."""
    return bool(tvm_ffi.structural_equal(
        tirx.PrimFunc(one.params, one.body), tirx.PrimFunc(other.params, other.body)
    ))  # fmt: skip


def function(module: tvm.IRModule, name: str) -> Any:
    """The function called ``name``."""
    return next(f for v, f in module.functions_items() if v.name_hint == name)


class _Reader:
    def __init__(self) -> None:
        self.names: dict[Any, str] = {}
        self.taken: set[str] = set()

    def name(self, var: Any) -> str:
        if var not in self.names:
            stem = name = str(var.name) or "v"
            number = 1
            while name in self.taken:
                name, number = f"{stem}_{number}", number + 1
            self.taken.add(name)
            self.names[var] = name
        return self.names[var]

    def body(self, stmt: Any) -> list[Node]:
        return list(self._statements(stmt))

    def _statements(self, stmt: Any) -> Iterator[Node]:
        if isinstance(stmt, tirx.SeqStmt):
            for child in stmt.seq[:]:
                yield from self._statements(child)
        elif isinstance(stmt, tirx.AttrStmt):
            if stmt.attr_key == attrs.TT_THREAD:
                yield ("thread", str(stmt.node.value), self.body(stmt.body))
            else:
                yield from self._statements(stmt.body)
        elif isinstance(stmt, tirx.For):
            yield ("for", self.name(stmt.loop_var), self.expr(stmt.min), self.expr(stmt.extent),
                   self.body(stmt.body))  # fmt: skip
        elif isinstance(stmt, tirx.IfThenElse):
            other = [] if stmt.else_case is None else self.body(stmt.else_case)
            yield ("if", self.expr(stmt.condition), self.body(stmt.then_case), other)
        elif isinstance(stmt, tirx.Bind):
            yield ("let", self.name(stmt.var), self.expr(stmt.value))
        elif isinstance(stmt, tirx.Evaluate) and isinstance(stmt.value, Call):
            call = stmt.value
            yield (
                "op",
                str(call.op.name).removeprefix("tt."),
                [self.expr(a) for a in call.args[:]],
            )
        elif not isinstance(stmt, tirx.AllocBuffer):
            raise TypeError(f"{type(stmt).__name__} has no place in a block program")

    def expr(self, value: Any) -> Any:
        if isinstance(value, StringImm):
            return ("text", str(value.value))
        if isinstance(value, tirx.FloatImm):
            return float(value.value)
        if isinstance(value, tirx.IntImm):
            return int(value.value)
        if isinstance(value, tvm.ir.Var):
            return ("buffer", self.name(value)) if is_buffer(value) else self.name(value)
        if isinstance(value, Call):
            return [str(value.op.name).removeprefix("tt."), *(self.expr(a) for a in value.args[:])]
        if isinstance(value, tirx.Not):
            return ["!", self.expr(value.a)]
        if isinstance(value, tirx.Select):
            return ["?", *(self.expr(v) for v in (value.condition, value.true_value,
                                                  value.false_value))]  # fmt: skip
        if isinstance(value, tirx.Cast):
            return self.expr(value.value)
        kind = type(value).__name__
        if hasattr(value, "a") and hasattr(value, "b"):
            return [kind, self.expr(value.a), self.expr(value.b)]
        number = constant(value)
        if number is not None:
            return number
        raise TypeError(f"{kind} has no form in a block program")


__all__ = ["Node", "attributes", "block_program", "function", "same_body"]
