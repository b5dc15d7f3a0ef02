"""Reading TVM's nodes into the interpreter's tree, each once."""

from __future__ import annotations

from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final

import tvm
from tvm import tirx

from golden.interpret import tree
from golden.interpret.integers import INDEX_OPS
from golden.orderless import orderless
from golden.source import (
    COPY,
    CUMSUM,
    FILL,
    GEMM,
    REDUCE,
    BufferInfo,
    Kernel,
    constant,
    dtype_of,
    is_buffer,
    is_scalar,
    op_name,
)

_OPERANDS: Final = MappingProxyType({COPY: 2, FILL: 2, GEMM: 6, REDUCE: 5, CUMSUM: 4})
"""How many operands of a tile op say what it does."""


@lru_cache(maxsize=4)
def read_body(kernel: Kernel) -> tree.Stmt:
    """The statements of a kernel."""
    return Reader(kernel).stmt(kernel.body)


class Reader:
    """Reads nodes of one kernel."""

    def __init__(self, kernel: Kernel) -> None:
        self.names = kernel.names
        self.buffers = {info.var: info for info in kernel.buffers}
        known = [*(var for var, _ in kernel.grid), *(var for _, var in kernel.scalars)]
        self.variables = {var: var for var in known}

    def stmt(self, node: Any) -> tree.Stmt:
        """A statement."""
        kind, names = type(node), self.names
        if kind is tirx.SeqStmt:
            return tree.Sequence(node, names, tuple(self.stmt(part) for part in node.seq[:]))
        if kind is tirx.AttrStmt:
            return tree.Around(node, names, self.stmt(node.body))
        if kind is tirx.AllocBuffer:
            return tree.Allocate(node, names, self._buffer(node.buffer))
        if kind is tirx.For:
            return self._loop(node)
        if kind is tirx.BufferStore:
            return tree.Store(node, names, self._buffer(node.buffer), self._exprs(node.indices),
                              self.expr(node.value))  # fmt: skip
        if kind is tirx.IfThenElse:
            other = None if node.else_case is None else self.stmt(node.else_case)
            return tree.If(node, names, self.expr(node.condition), self.stmt(node.then_case), other)
        if kind is tirx.Evaluate:
            return self._tile_op(node)
        if kind is tirx.Bind:
            return tree.Bind(node, names, self._variable(node.var), self.expr(node.value))
        return tree.Stmt(node, names)

    def _loop(self, node: Any) -> tree.Loop:
        step = getattr(node, "step", None)
        return tree.Loop(
            node, self.names, self._variable(node.loop_var), self.expr(node.min),
            self.expr(node.extent), None if step is None else self.expr(step), int(node.kind),
            body := self.stmt(node.body), self._at_once(node, body),
        )  # fmt: skip

    def _at_once(self, node: Any, body: tree.Stmt) -> tree.AtOnce | None:
        """The loops of a nest whose order says nothing, made ones of T.Parallel."""
        found = None if int(node.kind) in tree.PARALLEL else orderless(node)
        if found is None:
            return None
        around, loops = found
        nest = body
        while isinstance(nest, tree.Loop):
            nest = nest.body
        for loop in reversed(loops):
            kind = tirx.ForKind.PARALLEL
            one = tirx.For(loop.loop_var, loop.min, loop.extent, kind, loop.body)
            nest = tree.Loop(one, self.names, self._variable(loop.loop_var), self.expr(loop.min),
                             self.expr(loop.extent), None, int(kind), nest, None)  # fmt: skip
        outer = tuple((self._variable(lo.loop_var), constant(lo.extent) or 0) for lo in around)
        return tree.AtOnce(outer, nest)

    def _tile_op(self, node: Any) -> tree.TileOp:
        call = node.value
        if not isinstance(call, tvm.ir.Call):
            return tree.TileOp(node, self.names, None, ())
        name = op_name(call)
        args = call.args[: _OPERANDS.get(name, 0)]
        if name == FILL:
            return tree.TileOp(node, self.names, name, (self._slice(args[0]), self.expr(args[1])))
        return tree.TileOp(node, self.names, name, tuple(map(self._operand, args)))

    def _operand(self, node: Any) -> tree.Slice | str | int | None:
        if isinstance(node, tvm.ir.TensorRegion):
            return self._slice(node)
        return str(node.value) if isinstance(node, tvm.ir.StringImm) else constant(node)

    def _slice(self, node: Any) -> tree.Slice:
        ranges = node.region[:]
        return tree.Slice(node, self._buffer(node.source),
                          tuple(self.expr(part.min) for part in ranges),
                          tuple(constant(part.extent) for part in ranges))  # fmt: skip

    def _exprs(self, nodes: Any) -> tuple[tree.Expr, ...]:
        return tuple(self.expr(node) for node in nodes[:])

    def expr(self, node: Any) -> tree.Expr:
        """An expression."""
        kind, name = type(node), type(node).__name__
        if kind is tirx.IntImm:
            return tree.Whole(node, int(node.value))
        if kind is tirx.FloatImm:
            return tree.Real(node, float(node.value))
        if kind is tvm.ir.Var:
            return tree.Name(node, self._variable(node))
        if kind is tvm.ir.TensorLoad:
            return self._load(node)
        if kind is tirx.Cast:
            return tree.Cast(node, self.expr(node.value))
        if kind is tirx.Select:
            return tree.Select(node, *map(self.expr, (node.condition, node.true_value,
                                                      node.false_value)))  # fmt: skip
        if name in INDEX_OPS:
            return tree.Binary(node, name, self.expr(node.a), self.expr(node.b))
        if name in ("And", "Or"):
            return tree.Logic(node, name, self.expr(node.a), self.expr(node.b))
        if name == "Not":
            return tree.Logic(node, name, inner := self.expr(node.a), inner)
        if name == "BitwiseNot":
            return tree.Inverted(node, self.expr(node.a))
        if kind is tvm.ir.Call:
            called = op_name(node).rsplit(".", 1)[-1]
            if called == "if_then_else":
                return tree.Select(node, *self._exprs(node.args))
            return tree.Call(node, called, self._exprs(node.args))
        return tree.Expr(node)

    def _load(self, node: Any) -> tree.Load:
        source, indices = node.source, self._exprs(node.indices)
        if not is_buffer(source):
            return tree.Load(node, None, indices, scalar=False)
        return tree.Load(node, self._buffer(source), indices, is_scalar(source))

    def _variable(self, var: Any) -> Any:
        return self.variables.setdefault(var, var)

    def _buffer(self, var: Any) -> BufferInfo:
        """What is known of a buffer; of one nobody allocates, what its type says."""
        known = self.buffers.get(var)
        if known is None:
            shape, dtype = tuple(constant(n) or 0 for n in var.ty.shape), dtype_of(var)
            known = BufferInfo(var, str(var.name), shape, dtype, is_tensor=False, stored=dtype)
            self.buffers[var] = known
        return known
