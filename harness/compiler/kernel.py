"""What every early pass asks of a kernel: grid, tensors, on-chip buffers, accesses.

Everything is read from IR: roles come from what the body reads and writes, never from names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from types import MappingProxyType
from typing import Any

import tvm
import tvm_ffi
from tvm import tirx
from tvm.ir import Call, TensorLoad, TensorRegion

from harness.compiler.diagnostics import refuse
from harness.compiler.signed import signed_bytes
from harness.language.ops import COPY, CUMSUM, FILL, GEMM, REDUCE
from harness.language.regions import constant, is_buffer
from harness.language.tensors import VAR
from harness.language.walks import structural_map, structural_walk

AXES = ("blockIdx.x", "blockIdx.y", "blockIdx.z")
TENSORS = ("", "global")
"""Storage scopes of tensors in device memory."""
LEAVES = frozenset({tvm.ir.Var, tirx.IntImm, tirx.FloatImm, int, float})
"""Expressions without parts, which most are: no walk is set up for them."""
ARITHMETIC = frozenset({tirx.Add, tirx.Sub, tirx.Mul, tirx.FloorDiv, tirx.FloorMod})
"""Expressions of two parts, which most others are: looking at both is cheaper than a walk."""


@dataclass(frozen=True)
class Access:
    """One read or write of a buffer: start expressions and constant extents."""

    buffer: tvm.ir.Var
    starts: tuple[Any, ...]
    extents: tuple[int, ...]
    write: bool
    node: Any


@dataclass(frozen=True, eq=False)
class Kernel:
    """A kernel function, taken apart.

    Two are one and the same that have one body, whatever attributes their functions have: what an
    analysis says of one holds of the other, as analyses ask the body and no attribute.

    Attributes:
        func: the function itself.
        grid: T.Kernel extents (gx, gy, gz), 1 where an axis is absent.
        block_vars: the grid variables (bx, by, bz), None where absent.
        params: tensor parameters in order.
        onchip: allocated buffers in order.
        body: the statement under the grid.
    """

    func: tirx.PrimFunc
    grid: tuple[int, int, int]
    block_vars: tuple[Any, Any, Any]
    params: tuple[tvm.ir.Var, ...]
    onchip: tuple[tvm.ir.Var, ...]
    body: Any

    @property
    def name(self) -> str:
        """The function's global symbol."""
        return _name(self.func)

    def __hash__(self) -> int:
        """Of the body."""
        return hash(self.body)

    def __eq__(self, other: object) -> bool:
        """Whether body, grid and tensors are the same objects."""
        return isinstance(other, Kernel) and (
            self.body.same_as(other.body)
            and self.grid == other.grid
            and len(self.params) == len(other.params)
            and all(a.same_as(b) for a, b in zip(self.params, other.params, strict=True))
        )

    @property
    def statements(self) -> tuple[Any, ...]:
        """Every statement of the body, in program order, parents first."""
        return _below(self.body)

    @property
    def accesses(self) -> tuple[Access, ...]:
        """Every buffer access of the body, as :func:`accesses` finds them.

        Raises:
            CompileError: a call that is no tile op, or an index nothing can place.
        """
        return _accesses(self.body)

    @cached_property
    def signed(self) -> frozenset[str]:
        """Names of int8 tensors and blocks whose bytes are in two's complement."""
        return signed_bytes(self)


def _name(func: tirx.PrimFunc) -> str:
    return str((func.attrs or {}).get("global_symbol", "main"))


@lru_cache(maxsize=8)
def read_kernel(func: tirx.PrimFunc) -> Kernel:
    """Take a kernel apart; a function never changes, and one analysis after another asks for it.

    Raises:
        CompileError: no T.Kernel, a parameter that is not a tensor, two buffers of one name.
    """
    grid, block_vars = [1, 1, 1], [None, None, None]
    stmt = func.body
    found = False
    while True:
        if isinstance(stmt, tirx.AttrStmt) and stmt.attr_key == "thread_extent":
            tag = str(stmt.node.thread_tag)
            if tag in AXES:
                axis = AXES.index(tag)
                extent = constant(stmt.value)
                if extent is None:
                    refuse("a grid extent is not a constant", node=stmt, code="DynamicGrid")
                grid[axis], block_vars[axis] = extent, stmt.node.var
                found = True
            elif not tag.startswith("threadIdx"):
                refuse(f"thread axis {tag!r} has no meaning on a tile machine", node=stmt)
            stmt = stmt.body
        elif isinstance(stmt, tirx.SeqStmt) and len(stmt.seq) == 1:
            stmt = stmt.seq[0]
        else:
            break
    if not found:
        refuse(
            f"kernel {_name(func)!r} has no T.Kernel grid around its body",
            code="NoKernel",
            node=func.body,
            next_step="put the body under `with T.Kernel(grid_x, …) as …:`",
        )
    params, onchip = tuple(func.params), []
    for param in params:
        if not is_buffer(param):
            refuse(f"parameter {param.name!r} is not a tensor", node=param)
    for node in statements(stmt):
        kind = type(node)
        if kind is tirx.AllocBuffer:
            onchip.append(node.buffer)
        elif kind is tirx.AttrStmt and node.attr_key == "thread_extent":
            refuse("T.Kernel inside a kernel body", node=node,
                   next_step="use one T.Kernel per kernel")  # fmt: skip
    names: set[str] = set()
    for buffer in (*params, *onchip):
        name = buffer.name
        if name in names:
            refuse(f"two buffers are named {name!r}", code="DuplicateName",
                   next_step="give every buffer a name of its own")  # fmt: skip
        if not (name.isascii() and name.isidentifier()):
            refuse(f"buffer name {name!r} cannot be a name in C++", code="InvalidName",
                   node=stmt, next_step="use ASCII letters, digits and _")  # fmt: skip
        names.add(name)
    sizes, variables = tuple(grid), tuple(block_vars)
    return Kernel(func, sizes, variables, params, tuple(onchip), stmt)  # type: ignore[arg-type]


def with_body(
    func: tirx.PrimFunc, body: Any, extents: Mapping[Any, int] = MappingProxyType({})
) -> tirx.PrimFunc:  # fmt: skip
    """The function with another body under its grid; ``extents`` of grid variables that change."""

    def under(stmt: Any) -> Any:
        if isinstance(stmt, tirx.SeqStmt) and len(stmt.seq) == 1:
            return under(stmt.seq[0])
        if not (isinstance(stmt, tirx.AttrStmt) and stmt.attr_key == "thread_extent"):
            return body
        node, value = stmt.node, stmt.value
        if node.var in extents:
            extent = extents[node.var]
            value = tirx.const(extent, "int32")
            node = tirx.IterVar(tvm.ir.Range(0, extent), node.var, node.iter_type, node.thread_tag)
        return tirx.AttrStmt(node, stmt.attr_key, value, under(stmt.body), stmt.span)

    return func.with_body(under(func.body))


def statements(stmt: Any) -> Iterator[Any]:
    """Every statement below, in program order, parents first."""
    ahead = [stmt]
    while ahead:
        node = ahead.pop()
        yield node
        ahead += reversed(children(node))


def children(stmt: Any) -> tuple[Any, ...]:
    """Direct child statements."""
    kind = type(stmt)  # node classes have no subclasses, and isinstance of them is slow
    if kind is tirx.SeqStmt:
        return tuple(stmt.seq[:])  # a slice asks for each once; iterating asks for much more
    if kind in (tirx.For, tirx.AttrStmt, tirx.While):
        return (stmt.body,)
    if kind is tirx.IfThenElse:
        return (stmt.then_case,) if stmt.else_case is None else (stmt.then_case, stmt.else_case)
    return ()


def over_children(stmt: Any, change: Callable[[Any], Any]) -> Any:
    """A statement with its direct child statements changed; itself where none is."""
    old = children(stmt)
    new = [change(child) for child in old]
    if all(a.same_as(b) for a, b in zip(new, old, strict=True)):
        return stmt
    if isinstance(stmt, tirx.SeqStmt):
        return tirx.SeqStmt(new)
    if isinstance(stmt, tirx.For):
        return tirx.For(stmt.loop_var, stmt.min, stmt.extent, stmt.kind, new[0],
                        annotations=stmt.annotations, span=stmt.span)  # fmt: skip
    if isinstance(stmt, tirx.IfThenElse):
        return tirx.IfThenElse(stmt.condition, *new, *[None][: 2 - len(new)], stmt.span)
    return tirx.AttrStmt(stmt.node, stmt.attr_key, stmt.value, new[0], stmt.span)


@lru_cache(maxsize=8)
def _below(body: Any) -> tuple[Any, ...]:
    return tuple(statements(body))


@lru_cache(maxsize=8)
def _accesses(body: Any) -> tuple[Access, ...]:
    return tuple(accesses(body))


def calls(stmt: Any) -> Iterator[Call]:
    """Every tile op below, in program order."""
    for node in statements(stmt):
        if type(node) is tirx.Evaluate and isinstance(node.value, Call):
            yield node.value


def accesses(stmt: Any) -> Iterator[Access]:
    """Every buffer access below, in program order, reads of a statement before its writes.

    What bounds of loops, and conditions on tile ops, ask tensors is not among them, as what places
    of copies ask is not: :mod:`harness.compiler.lookups` says what they may ask.
    """
    for node in statements(stmt):
        kind = type(node)
        if kind is tirx.Evaluate:
            yield from _call_accesses(node)
        elif kind is tirx.BufferStore:
            yield from loads(node.value)
            indices = tuple(node.indices[:])
            check_placed(indices, node, gathers=node.buffer.ty.storage_scope in TENSORS)
            yield Access(node.buffer, indices, (1,) * len(indices), True, node)
        elif kind is tirx.Bind:
            yield from loads(node.value)
        elif kind is tirx.IfThenElse:
            inside = loads(node.condition)
            yield from inside if of_elements(node) else _onchip(inside)
        elif kind is tirx.For:
            yield from _onchip((*loads(node.min), *loads(node.extent)))


def of_elements(stmt: tirx.IfThenElse) -> bool:
    """Whether a condition is one on elements, in T.Parallel or on scalars, and not on tile ops."""
    return not any(
        type(s) is tirx.Evaluate or (type(s) is tirx.For and s.kind == tirx.ForKind.PARALLEL)
        for s in statements(stmt)
    )


def _onchip(found: Iterable[Access]) -> Iterator[Access]:
    return (access for access in found if access.buffer.ty.storage_scope not in TENSORS)


def loads(expr: Any) -> Iterator[Access]:
    """Element reads inside an expression; what tensors their indices ask is not among them."""
    if reads_nothing(expr):
        return
    found: list[TensorLoad] = []
    structural_walk(expr, [(TensorLoad, found.append)])
    if any(loads_of(*load.indices[:]) for load in found):
        found = _outermost(expr)
    for load in found:
        indices = tuple(load.indices[:])
        check_placed(indices, load, gathers=load.source.ty.storage_scope in TENSORS)
        yield Access(load.source, indices, (1,) * len(indices), False, load)


def _outermost(expr: Any) -> list[TensorLoad]:
    """Loads that are not part of another's indices."""
    found: list[TensorLoad] = []

    def seen(load: TensorLoad) -> Any:
        found.append(load)
        return tirx.Var("read", str(load.ty.dtype))  # beneath which nothing is looked at

    structural_map(expr, [(TensorLoad, seen)], order="pre")
    return found


def reads_nothing(expr: Any) -> bool:
    """Whether an expression is arithmetic of variables and numbers; False says nothing."""
    kind = type(expr)
    if kind in ARITHMETIC:
        return reads_nothing(expr.a) and reads_nothing(expr.b)
    return kind in LEAVES


def loads_of(*exprs: Any) -> list[TensorLoad]:
    """What expressions read from memory, each once, in order of appearance."""
    found: list[TensorLoad] = []

    def seen(load: TensorLoad) -> None:
        if not any(tvm_ffi.structural_equal(load, known) for known in found):
            found.append(load)

    for expr in exprs:
        if isinstance(expr, tvm.ir.Expr) and not reads_nothing(expr):
            structural_walk(expr, [(TensorLoad, seen)])
    return found


def check_placed(indices: Sequence[Any], node: Any, *, gathers: bool = False) -> None:
    """Refuse indices that are themselves read from memory; scalars are none, they have values.

    What ``gathers``, or scatters, may ask tensors where it starts, and they others in turn;
    :mod:`harness.compiler.lookups` says how.

    Raises:
        CompileError: at the access.
    """
    for index in indices:
        if not reads_nothing(index) and isinstance(index, tvm.ir.Expr):
            for inner in loads(index):
                scope = inner.buffer.ty.storage_scope
                if scope == VAR or (gathers and scope in TENSORS):
                    check_placed(inner.starts, node, gathers=gathers)
                    continue
                refuse(f"an index is read from {inner.buffer.name!r}: readers ask a tensor of"
                       " indices for what they fetch, and nothing else has a way to read an index"
                       " from memory",
                       node=node, code="UnsupportedIndex",
                       next_step="read by elements of an int32 tensor, a parameter, or rearrange on"
                       " the host")  # fmt: skip


def region_access(
    region: TensorRegion, node: Any, *, write: bool, gathers: bool = False
) -> Access:  # fmt: skip
    """The access a region operand makes."""
    ranges = region.region[:]
    starts = tuple(r.min for r in ranges)
    check_placed(starts, node, gathers=gathers)
    extents = tuple(constant(r.extent) for r in ranges)
    if any(e is None for e in extents):
        refuse("a region's extent is not a constant", node=node)
    return Access(
        region.source,
        starts,
        extents,  # type: ignore[arg-type]
        write,
        node,
    )


def _call_accesses(stmt: tirx.Evaluate) -> Iterator[Access]:
    call = stmt.value
    if not isinstance(call, Call) or not hasattr(call.op, "name"):
        return
    args, name = call.args[:], call.op.name
    if name in (COPY, CUMSUM):
        yield region_access(args[0], call, write=False, gathers=name == COPY)
        yield region_access(args[1], call, write=True, gathers=name == COPY)
    elif name == FILL:
        yield from loads(args[1])
        yield region_access(args[0], call, write=True)
    elif name == GEMM:
        yield region_access(args[0], call, write=False)
        yield region_access(args[1], call, write=False)
        if not constant(args[5]):
            yield region_access(args[2], call, write=False)
        yield region_access(args[2], call, write=True)
    elif name == REDUCE:
        yield region_access(args[0], call, write=False)
        if not constant(args[4]):
            yield region_access(args[1], call, write=False)
        yield region_access(args[1], call, write=True)
    elif name.startswith("tt."):
        return
    else:
        refuse(f"call of {name!r} is not a tile op", node=call,
               next_step=f"use {COPY}, {FILL}, {GEMM} or a T.Parallel loop")  # fmt: skip
