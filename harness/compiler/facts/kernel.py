"""What every early pass asks of a kernel: grid, tensors, on-chip buffers, accesses.

Everything is read from IR: roles come from what the body reads and writes, never from names.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from types import MappingProxyType
from typing import Any

import tvm
from tvm import tirx

from harness.compiler.diagnostics import refuse
from harness.compiler.facts.accesses import Access, accesses
from harness.compiler.facts.signed import signed_bytes
from harness.compiler.facts.statements import statements
from harness.language.regions import constant, is_buffer

AXES = ("blockIdx.x", "blockIdx.y", "blockIdx.z")


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


@lru_cache(maxsize=8)
def _below(body: Any) -> tuple[Any, ...]:
    return tuple(statements(body))


@lru_cache(maxsize=8)
def _accesses(body: Any) -> tuple[Access, ...]:
    return tuple(accesses(body))
