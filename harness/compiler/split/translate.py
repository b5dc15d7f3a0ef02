"""TIR made of device ops to programs: one statement to one statement, names made unique."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

import tvm
from tvm import tirx
from tvm.ir import Call, StringImm

from harness.compiler.diagnostics import place, refuse
from harness.compiler.split.arguments import accessor_name, address_name
from harness.language.regions import constant, is_buffer
from simulator.isa import OPS
from simulator.program import If, Let, Loop, Op, Program, Stmt

_BINARY: Final = MappingProxyType({
    tirx.Add: "+", tirx.Sub: "-", tirx.Mul: "*", tirx.FloorDiv: "//", tirx.FloorMod: "%",
    tirx.Min: "min", tirx.Max: "max", tirx.LT: "<", tirx.LE: "<=", tirx.EQ: "==",
    tirx.NE: "!=", tirx.And: "&&", tirx.Or: "||",
})  # fmt: skip


def translate(func: tirx.PrimFunc, name: str, thread: str) -> Program:
    """The program of a split function.

    Buffer parameters become accessors with an address as common argument each, scalar parameters
    runtime arguments.
    """
    accessors = tuple(accessor_name(str(p.name)) for p in func.params if is_buffer(p))
    runtime = tuple(str(p.name) for p in func.params if not is_buffer(p))
    addresses = tuple(address_name(a) for a in accessors)
    taken = {*accessors, *runtime, *addresses}
    names = {p: accessor_name(str(p.name)) if is_buffer(p) else str(p.name) for p in func.params}
    body = _Translator(names, taken).body(func.body)
    return Program(
        name=name,
        thread=thread,
        accessors=accessors,
        common_args=addresses,
        runtime_args=runtime,
        body=tuple(body),
    )


class _Translator:
    def __init__(self, names: Mapping[Any, str], taken: set[str]) -> None:
        self.names = dict(names)
        self.taken = taken

    def name(self, var: Any) -> str:
        stem = name = str(var.name) or "v"
        n = 1
        while name in self.taken:
            name, n = f"{stem}{n}", n + 1
        self.taken.add(name)
        self.names[var] = name
        return name

    def body(self, stmt: Any) -> list[Stmt]:
        kind = type(stmt)  # node classes have no subclasses, and isinstance of them is slow
        if kind is tirx.SeqStmt:
            return [s for child in stmt.seq[:] for s in self.body(child)]
        if kind is tirx.For:
            start, extent = self.expr(stmt.min), self.expr(stmt.extent)
            if start == 0:
                stop = extent
            elif isinstance(start, int) and isinstance(extent, int):
                stop = start + extent
            else:
                stop = ["+", start, extent]
            var = self.name(stmt.loop_var)
            inner = tuple(self.body(stmt.body))
            self.taken.discard(var)
            return [Loop(loc=place(stmt), var=var, start=start, stop=stop, body=inner)]
        if kind is tirx.IfThenElse:
            other = () if stmt.else_case is None else tuple(self.body(stmt.else_case))
            return [If(loc=place(stmt), cond=self.expr(stmt.condition),
                       then=tuple(self.body(stmt.then_case)), orelse=other)]  # fmt: skip
        if kind is tirx.Bind:
            value = self.expr(stmt.value)
            return [Let(var=self.name(stmt.var), value=value)]
        if kind is tirx.Evaluate and isinstance(stmt.value, Call):
            return [self.op(stmt.value)]
        raise TypeError(f"{type(stmt).__name__} has no place in a device program")

    def op(self, call: Call) -> Op:
        name = call.op.name.removeprefix("tt.")
        spec = OPS[name]
        args: list[Any] = []
        for value, operand in zip(call.args[:], spec.operands, strict=True):
            kind = type(value)
            if kind is tirx.IntImm and operand.kind != "tensor":
                args.append(int(value.value))
            elif kind is StringImm:
                args.append(str(value.value))
            elif kind is tirx.FloatImm:
                number = float(value.value)
                args.append(str(number) if math.isinf(number) else number)
            elif operand.kind == "tensor":
                args.append(self.names[value])
            else:
                args.append(self.expr(value))
        return Op(loc=place(call), name=name, args=tuple(args))

    def expr(self, value: Any) -> Any:
        number = constant(value)
        if number is not None:
            return number
        kind = type(value)
        if kind is tvm.ir.Var:
            return self.names[value]
        if kind in _BINARY:
            return [_BINARY[kind], self.expr(value.a), self.expr(value.b)]
        if isinstance(value, Call):
            name = value.op.name.removeprefix("tt.")
            name = "?" if name.endswith(".if_then_else") else name
            return [name, *(self.expr(a) for a in value.args[:])]
        if isinstance(value, tirx.Not):
            return ["!", self.expr(value.a)]
        if isinstance(value, (tirx.GT, tirx.GE)):
            return ["<" if isinstance(value, tirx.GT) else "<=", self.expr(value.b),
                    self.expr(value.a)]  # fmt: skip
        if isinstance(value, tirx.Select):
            return ["?", *(self.expr(v) for v in (value.condition, value.true_value,
                                                  value.false_value))]  # fmt: skip
        if isinstance(value, tirx.Cast):
            return self.expr(value.value)
        refuse(
            f"an index is computed with {type(value).__name__}, which device programs do not have",
            node=value,
            code="UnsupportedIndex",
            next_step="use + - * // %, T.min, T.max, T.if_then_else and comparisons",
        )
