"""Reading a source kernel: its tensors, its grid, its on-chip buffers."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import tvm
from tvm import tirx

from golden.errors import GoldenError, location_of
from golden.formats import find_format
from golden.named import Named, named, scalars
from golden.tables.kept import kept
from golden.walks import structural_walk

GRID_AXES: Final = ("blockIdx.x", "blockIdx.y", "blockIdx.z")
COPY: Final = "tl.copy"
FILL: Final = "tl.fill"
GEMM: Final = "tl.gemm"
REDUCE: Final = "tl.reduce"
CUMSUM: Final = "tl.cumsum"
PERSISTENT: Final = "tl.persistent"
CUT_BEFORE: Final = "tt.cut_before"
REDUCER: Final = "tl.reducer"
"""What a block of a source as written reduces by; so annotated, its elements take values in."""
REDUCER_INIT: Final = "tl.reducer_init"
REDUCER_UPDATE: Final = "tl.reducer_update"


@dataclass(frozen=True, eq=False)
class BufferInfo:
    """One buffer of the source: a tensor parameter or an on-chip allocation.

    ``stored`` is the dtype its elements lie in on the device: conditions are bytes, and int8 that
    no product reads is two's complement.
    """

    var: Any
    name: str
    shape: tuple[int, ...]
    dtype: str
    is_tensor: bool
    stored: str


@dataclass(frozen=True, eq=False)
class Kernel:
    """A source kernel taken apart.

    Attributes:
        name: the function's name.
        tensors: parameters in order.
        buffers: every buffer, parameters first, in order of appearance.
        scalars: scalar parameters, name to variable.
        grid: (variable, extent) of each axis of T.Kernel.
        body: the statement below the grid.
        inputs: names of tensors whose elements are read, or kept where others are stored.
        outputs: names of tensors that are written, in parameter order.
        cut: names of tensors that hold what reductions of a kernel before this one left.
    """

    name: str
    tensors: tuple[BufferInfo, ...]
    buffers: tuple[BufferInfo, ...]
    scalars: tuple[tuple[str, Any], ...]
    grid: tuple[tuple[Any, int], ...]
    body: Any
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    cut: frozenset[str] = frozenset()

    @functools.cached_property
    def statements(self) -> tuple[Any, ...]:
        """Every statement of the body, outer ones first."""
        return tuple(statements(self.body))

    @functools.cached_property
    def singles(self) -> set[Any]:
        """On-chip buffers that hold one number (golden.named)."""
        return scalars(self.body)

    @functools.cached_property
    def names(self) -> Named:
        """What every name and scalar is ever given (golden.named)."""
        return named(self.body)

    @property
    def work_grid(self) -> tuple[int, ...]:
        """Extents of the blocks dealt to cores: of the grid, or of a T.Persistent loop's domain."""
        for stmt in self.statements:
            if isinstance(stmt, tirx.For) and PERSISTENT in stmt.annotations:
                _, *domain = (int(n) for n in stmt.annotations[PERSISTENT])
                used: list[Any] = []
                structural_walk(stmt.body.condition, [(tvm.ir.Var, used.append)])
                others = [e for v, e in self.grid if not any(v.same_as(u) for u in used)]
                return (*reversed(domain), *others)
        return tuple(extent for _, extent in self.grid)

    def calls(self, name: str) -> list[Any]:
        """Every call statement of the tile op ``name``."""
        return _calls(self.statements, name)

    def tensor(self, name: str) -> BufferInfo:
        """The parameter called ``name``.

        Raises:
            GoldenError: there is none.
        """
        for info in self.tensors:
            if info.name == name:
                return info
        raise GoldenError(
            f"no tensor {name!r}",
            code="InvalidInputs",
            next_step=f"one of {[t.name for t in self.tensors]}",
        )


def is_buffer(value: Any) -> bool:
    """Whether a value is a buffer variable."""
    return isinstance(value, tvm.ir.Var) and isinstance(value.ty, tirx.buffer.BufferType)


def is_scalar(buffer: Any) -> bool:
    """Whether a buffer is a T.alloc_var scalar."""
    return str(buffer.ty.storage_scope) == "local.var"


@functools.cache
def _analyzer() -> Any:
    return tvm.sym.Analyzer()


def constant(expr: Any) -> int | None:
    """The integer an index expression is, if it is one whatever its variables are."""
    if isinstance(expr, int):
        return expr
    if isinstance(expr, tirx.IntImm):
        return int(expr.value)
    simplified = _analyzer().simplify(expr)
    return int(simplified) if isinstance(simplified, tirx.IntImm) else None


def divides(expr: Any, number: int) -> bool:
    """Whether an index expression is a multiple of a number, whatever its variables are."""
    rest = tirx.FloorMod(expr, tirx.const(number, "int32"))
    return bool(_analyzer().can_prove(rest.equal(0)))


def dtype_of(value: Any) -> str:
    """Dtype of a buffer or expression; TVM spells one it does not know itself ``custom[name]``."""
    text = str(value.ty.dtype)
    return text[len("custom[") : text.index("]")] if text.startswith("custom[") else text


def mentions(expr: Any, variables: list[Any]) -> bool:
    """Whether an expression mentions any of some variables; a plain number mentions none."""
    found: list[Any] = []
    if isinstance(expr, tvm.ir.Expr):
        structural_walk(expr, [(tvm.ir.Var, found.append)])
    return any(f.same_as(v) for f in found for v in variables)


def op_name(call: Any) -> str:
    """Name of the op a call names, ``""`` where it calls something else."""
    return str(getattr(call.op, "name", ""))


def _info(var: Any, is_tensor: bool, multiplied: frozenset[str]) -> BufferInfo:
    shape = tuple(constant(s) for s in var.ty.shape)
    if any(s is None for s in shape):
        raise GoldenError(
            f"buffer {var.name} has a size that is not a constant",
            next_step="give every dynamic size a value",
        )
    dtype, name = dtype_of(var), str(var.name)
    find_format(dtype)
    stored = "uint8" if dtype == "bool" else dtype
    if dtype == "int8" and name not in multiplied:
        stored = "int8_bytes"
    return BufferInfo(var, name, tuple(s for s in shape if s is not None), dtype, is_tensor, stored)


def _multiplied(body: Any) -> frozenset[str]:
    """Names of buffers that T.gemm reads, and of all that copies of elements join to them."""
    pairs = [[str(r.source.name) for r in call.args[:2]] for call in calls(body, COPY)]
    stores = [s for s in statements(body) if isinstance(s, tirx.BufferStore)]
    pairs += [[str(s.buffer.name), str(s.value.source.name)] for s in stores
              if isinstance(s.value, tvm.ir.TensorLoad)]  # fmt: skip
    found = {str(r.source.name) for call in calls(body, GEMM) for r in call.args[:2]}
    while more := {n for pair in pairs if found & set(pair) for n in pair} - found:
        found |= more
    return frozenset(found)


def statements(body: Any) -> Iterator[Any]:
    """Every statement below a body, outer ones first."""
    found: list[Any] = []
    structural_walk(body, [(tirx.Stmt, found.append)], order="pre")
    yield from found


@functools.lru_cache(maxsize=4)
def lists(kernel: Kernel) -> Mapping[Any, set[str]]:
    """Names of the tensors that on-chip buffers are copied from, by elements or whole."""
    tensors = {info.var for info in kernel.tensors}
    out: dict[Any, set[str]] = {}

    def add(target: Any, source: Any) -> None:
        if source in tensors and target not in tensors:
            out.setdefault(target, set()).add(str(source.name))

    for stmt in kernel.statements:
        if isinstance(stmt, tirx.BufferStore) and isinstance(stmt.value, tvm.ir.TensorLoad):
            add(stmt.buffer, stmt.value.source)
    for call in kernel.calls(COPY):
        add(call.args[1].source, call.args[0].source)
    return out


def calls(body: Any, name: str) -> list[Any]:
    """Every call statement of the tile op ``name``."""
    return _calls(statements(body), name)


def _calls(stmts: Iterable[Any], name: str) -> list[Any]:
    return [
        s.value
        for s in stmts
        if isinstance(s, tirx.Evaluate)
        and isinstance(s.value, tvm.ir.Call)
        and op_name(s.value) == name
    ]


def _accesses(body: Any) -> tuple[set[str], set[str]]:
    """Names of buffers read and buffers written."""
    read: set[str] = set()
    written: set[str] = set()

    def load(node: Any) -> None:
        read.add(str(node.source.name))

    structural_walk(body, [(tvm.ir.TensorLoad, load)])
    for stmt in statements(body):
        if isinstance(stmt, tirx.BufferStore):
            written.add(str(stmt.buffer.name))
        elif isinstance(stmt, tirx.Evaluate) and isinstance(stmt.value, tvm.ir.Call):
            args = stmt.value.args
            name = op_name(stmt.value)
            regions = [a for a in args if isinstance(a, tvm.ir.TensorRegion)]
            names = [str(r.source.name) for r in regions]
            if name == FILL:
                written.update(names[:1])
            elif name in (COPY, REDUCE, CUMSUM):
                read.update(names[:1])
                written.update(names[1:2])
            elif name == GEMM:
                read.update(names)
                written.update(names[2:3])
            else:
                read.update(names)
                written.update(names)
    return read, written


def read_kernel(func: Any) -> Kernel:
    """Take a source PrimFunc apart.

    Raises:
        GoldenError: not a PrimFunc, or a buffer of a size not known.
    """
    if not isinstance(func, tirx.PrimFunc):
        raise GoldenError(
            f"{type(func).__name__} is not a kernel",
            next_step="give the PrimFunc a factory returns",
        )
    return _read(func)


@functools.lru_cache(maxsize=4)
def _read(func: tirx.PrimFunc) -> Kernel:
    """A function never changes, and whoever judges one asks for the same one a dozen times."""
    products = _multiplied(func.body)
    tensors = tuple(_info(p, True, products) for p in func.params if is_buffer(p))
    scalars = tuple((str(p.name), p) for p in func.params if not is_buffer(p))
    local = tuple(
        _info(s.buffer, False, products)
        for s in statements(func.body)
        if isinstance(s, tirx.AllocBuffer)
    )
    grid: dict[int, tuple[Any, int]] = {}
    for stmt in statements(func.body):
        if not isinstance(stmt, tirx.AttrStmt) or str(stmt.attr_key) != "thread_extent":
            continue
        tag = str(stmt.node.thread_tag)
        extent = constant(stmt.value)
        if extent is None:
            raise GoldenError(f"{tag} has no constant extent", location=location_of(stmt))
        if tag in GRID_AXES:
            grid[GRID_AXES.index(tag)] = (stmt.node.var, extent)
    read, written = _accesses(func.body)
    read |= kept(func.body, grid.values())
    attrs = func.attrs
    name = str(attrs["global_symbol"]) if attrs and "global_symbol" in attrs else "main"
    return Kernel(
        name=name,
        tensors=tensors,
        buffers=tensors + local,
        scalars=scalars,
        grid=tuple(grid[i] for i in sorted(grid)),
        body=func.body,
        inputs=tuple(t.name for t in tensors if t.name in read),
        outputs=tuple(t.name for t in tensors if t.name in written),
        cut=frozenset(str(n) for n in (attrs or {}).get(CUT_BEFORE) or ()),
    )
