"""A drawn kernel's text executed by NumPy as it stands: no parser, no dialect, no IR.

Whoever judges a kernel by its IR believes the dialect that made it. Here Python evaluates the
expressions of the text on whole arrays of indices, tile ops are what TileLang's documentation says
they are, and blocks run one after another. All reals are float64. The statements known are those of
:mod:`harness.fuzz.kernels.grammar`.
"""

from __future__ import annotations

import ast
import functools
import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from golden.blocks import stored_by_host
from harness.fuzz.tileops import UNARY

Arrays = dict[str, npt.NDArray[Any]]
Places = tuple[int, ...]
_WHOLE: Final = ("int32", "int8", "uint8")
_UPDATES: Final = {ast.Add: np.add, ast.Sub: np.subtract, ast.Mult: np.multiply}
_REDUCED: Final[Mapping[str, tuple[Callable[..., Any], Callable[..., Any]]]] = {
    "sum": (np.sum, np.add), "max": (np.max, np.maximum), "min": (np.min, np.minimum),
    "absmax": (lambda x, axis: np.max(np.abs(x), axis), np.maximum),
    "abssum": (lambda x, axis: np.sum(np.abs(x), axis), np.add),
}  # fmt: skip
_NOTHING: Final = {"sum": 0.0, "max": -math.inf, "min": math.inf}
"""What changes nothing that is reduced."""


class NotPlainError(Exception):
    """A text with something in it that the grammar does not draw."""


@dataclass
class Memory:
    """A tensor or a block: what lies where nobody wrote is zero beside a tensor, NaN in a block.

    ``reduces`` says by what a reducer does. A number is a tensor of no dimension.
    """

    data: npt.NDArray[Any]
    whole: bool
    written: npt.NDArray[np.bool_] | None = None
    reduces: str = ""
    shape: tuple[int, ...] = field(init=False)

    def __post_init__(self) -> None:
        """Keep the shape."""
        self.shape = self.data.shape

    def __getitem__(self, index: Any) -> Any:
        """Elements at index arrays of any shapes that go together."""
        places, inside = self._places(index)
        outside = 0.0 if self.written is not None else np.nan
        found = np.where(inside, self.data[places], outside)
        return found.astype(np.int64) if self.whole else found

    def store(self, index: Any, value: Any, where: Any = True) -> None:
        """Set elements; nothing happens beside a tensor."""
        found, inside = self._places(index)
        value, inside, *places = np.broadcast_arrays(value, inside & where, *found)
        kept = tuple(p[inside] for p in places)
        self.data[kept] = np.trunc(value[inside]) if self.whole else value[inside]
        if self.written is not None:
            self.written[kept] = True

    def _places(self, index: Any) -> tuple[tuple[Any, ...], Any]:
        parts = tuple(map(np.asarray, index if isinstance(index, tuple) else (index,)))
        limits = [(p >= 0) & (p < n) for p, n in zip(parts, self.shape, strict=True)]
        if all(each.all() for each in limits):
            return parts, np.True_
        inside = functools.reduce(np.logical_and, limits)
        return tuple(np.clip(p, 0, n - 1) for p, n in zip(parts, self.shape, strict=True)), inside


def run(text: str, arrays: Mapping[str, npt.NDArray[Any]]) -> tuple[Arrays, Arrays]:
    """Tensors after the run, and where each was written; absent ones begin as zeros.

    Raises:
        NotPlainError: a statement that the grammar does not draw.
    """
    (function,) = ast.parse(text).body
    if not isinstance(function, ast.FunctionDef):
        raise NotPlainError(ast.unparse(function))
    tensors: dict[str, Memory] = {}
    for arg in function.args.args:
        shape, dtype = _value(arg.annotation, {"T": _PARAMETERS})
        data = np.zeros(shape)
        if arg.arg in arrays:
            kept = "int8_bytes" if dtype == "int8" else dtype
            data[...] = stored_by_host(arrays[arg.arg], kept).reshape(shape)
        tensors[arg.arg] = Memory(data, dtype in _WHOLE, np.zeros(shape, bool))
    for part in function.body:
        if isinstance(part, ast.With):
            _grid(part, tensors)
        elif isinstance(part, ast.Assign) and isinstance(part.targets[0], ast.Name):
            shape, dtype = _value(part.value, {"T": SimpleNamespace(alloc_global=lambda *a: a)})
            made = Memory(np.full(shape, np.nan), dtype in _WHOLE, np.zeros(shape, bool))
            tensors[part.targets[0].id] = made
        else:
            raise NotPlainError(ast.unparse(part))
    left = {n: m for n, m in tensors.items() if m.shape}
    return ({n: m.data for n, m in left.items()},
            {n: m.written for n, m in left.items() if m.written is not None})  # fmt: skip


def _grid(grid: ast.With, tensors: Mapping[str, Memory]) -> None:
    """One T.Kernel, block after block."""
    call, ids = grid.items[0].context_expr, grid.items[0].optional_vars
    extents = [_value(a, {"T": _T}) for a in call.args]  # type: ignore[attr-defined]
    names = [n.id for n in ast.walk(ids) if isinstance(n, ast.Name)]  # type: ignore[arg-type]
    with np.errstate(all="ignore"):
        known = {n: m if m.shape else m[()] for n, m in tensors.items()}
        for place in itertools.product(*(range(n) for n in extents)):
            _Block({**known, "T": _T, **dict(zip(names, place, strict=True))}).run(grid.body)


def _value(node: Any, names: Mapping[str, Any]) -> Any:
    code = getattr(node, "code", None)
    if code is None:  # the first time: blocks and iterations come back to it
        folded = ast.Expression(_Folded().visit(node))
        code = node.code = compile(ast.fix_missing_locations(folded), "<kernel>", "eval")
    try:
        return eval(code, {"__builtins__": {}}, dict(names))  # noqa: S307 - text the grammar drew; no builtins
    except (AttributeError, NameError, TypeError, ValueError) as error:
        raise NotPlainError(f"{ast.unparse(node)}: {error}") from None


_COMPUTED: Final = ("T.cast", "T.abs", "T.floor", "T.ceil")


class _Folded(ast.NodeTransformer):
    """Zero times anything is zero, of infinities too, as TVM folds it where it is written."""

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        """Zero for a product with a number that is zero, and for one divided by anything."""
        self.generic_visit(node)
        sides = {ast.Mult: (node.left, node.right), ast.Div: (node.left,)}.get(type(node.op), ())
        return next((side for side in sides if _is_zero(side)), node)


def _is_zero(node: ast.expr) -> bool:
    """Whether it is a number, also by what TVM computes of numbers, and zero."""
    known = (ast.Constant, ast.BinOp, ast.UnaryOp, ast.operator, ast.unaryop)
    calls = [n for n in ast.walk(node) if isinstance(n, ast.Call)]
    if any(ast.unparse(call.func) not in _COMPUTED for call in calls):
        return False
    said = {id(part) for call in calls for part in (call, *ast.walk(call.func))}
    rest = (n for n in ast.walk(node) if id(n) not in said)
    return all(isinstance(n, known) for n in rest) and not _value(node, {"T": _T})


class _Block:
    """One block of the grid."""

    def __init__(self, names: dict[str, Any]) -> None:
        self.names = names
        self.where: Any = True  # which places of T.Parallel a condition leaves
        self.sizes: tuple[int, ...] = ()  # of the T.Parallel there is

    def value(self, node: Any) -> Any:
        return _value(node, self.names)

    def run(self, body: Sequence[ast.stmt]) -> None:
        for stmt in body:
            self.statement(stmt)

    def statement(self, s: ast.stmt) -> None:
        if isinstance(s, ast.Expr) and isinstance(s.value, ast.Call):
            self.op(s.value)
        elif isinstance(s, ast.Assign) and isinstance(s.targets[0], ast.Name):
            self.names[s.targets[0].id] = self.value(s.value)
        elif isinstance(s, ast.Assign) and isinstance(s.targets[0], ast.Subscript):
            self.store(s.targets[0], self.value(s.value))
        elif isinstance(s, ast.AugAssign) and isinstance(s.target, ast.Subscript):
            if self.value(s.target.value).reduces:
                return self.reduce(s.target, self.value(s.value))
            old = self.value(s.target.value)[self.value(s.target.slice)]
            value = self.value(s.value)
            lost = isinstance(s.op, ast.Mult) and _is_zero(s.value)
            self.store(s.target, value if lost else _UPDATES[type(s.op)](old, value))
        elif isinstance(s, ast.If):
            self.branch(self.value(s.test), s)
        elif isinstance(s, ast.For) and isinstance(s.iter, ast.Call):
            self.loop(s, s.iter)
        else:
            raise NotPlainError(ast.unparse(s))
        return None

    def reduce(self, target: ast.Subscript, value: Any) -> None:
        """Every element of T.Parallel gives a value to the element of a reducer it names."""
        memory, place = self.value(target.value), np.asarray(self.value(target.slice))
        value, where, _ = np.broadcast_arrays(value, self.where, np.empty(self.sizes))
        nothing, (make, join) = _NOTHING[memory.reduces], _REDUCED[memory.reduces]
        axes = tuple(k for k, n in enumerate(place.shape) if n == 1)
        made = make(np.where(where, value, nothing), axes)
        memory.data[place.ravel()] = join(memory.data[place.ravel()], made)

    def branch(self, test: Any, s: ast.If) -> None:
        around = self.where
        for body, holds in ((s.body, test), (s.orelse, np.logical_not(test))):
            self.where = around & holds
            if np.any(self.where):
                self.run(body)
        self.where = around

    def store(self, target: ast.Subscript, value: Any) -> None:
        self.value(target.value).store(self.value(target.slice), value, self.where)

    def loop(self, s: ast.For, call: ast.Call) -> None:
        name = call.func.attr if isinstance(call.func, ast.Attribute) else ast.unparse(call.func)
        sizes = [self.value(a) for a in call.args]
        if name == "Parallel":  # all at once: a variable is an array along an axis of its own
            targets = [n.id for n in ast.walk(s.target) if isinstance(n, ast.Name)]
            axes = np.ix_(*(np.arange(n) for n in sizes))
            self.names |= dict(zip(targets, axes, strict=True))
            self.sizes = tuple(sizes)
            return self.run(s.body)
        if name not in ("serial", "Pipelined", "range") or not isinstance(s.target, ast.Name):
            raise NotPlainError(ast.unparse(call))
        bounds = sizes if name != "Pipelined" else sizes[:1]
        for i in range(*map(int, bounds)):
            self.names[s.target.id] = i
            self.run(s.body)
        return None

    def op(self, call: ast.Call) -> None:
        name = call.func.attr if isinstance(call.func, ast.Attribute) else ""
        flags = {k.arg: self.value(k.value) for k in call.keywords}
        if name == "copy":
            return self.copy(*call.args)
        if name == "annotate_layout":
            return None
        if name == "reducer_update":
            return self.reduce(call.args[0], self.value(call.args[1]))  # type: ignore[arg-type]
        args = [self.value(a) for a in call.args]
        if name == "reducer_init":
            args[0].data[...] = args[1] if len(args) > 1 else _NOTHING[args[0].reduces]
        elif name == "finalize_reducer":
            args[1].data[...] = args[0].data
        elif name in ("fill", "clear"):
            args[0].data[...] = args[1] if name == "fill" else 0.0
        elif name == "gemm":
            a, b, c = (m.data for m in args)
            a = a.T if flags.get("transpose_A") else a
            c += a @ (b.T if flags.get("transpose_B") else b)
        elif name.startswith("reduce_"):
            make, join = _REDUCED[name.removeprefix("reduce_")]
            made = make(args[0].data, flags["dim"]).reshape(args[1].shape)
            args[1].data[...] = made if flags.get("clear", True) else join(args[1].data, made)
        elif name == "cumsum":
            data, axis = args[0].data, flags["dim"]
            turned = np.flip(data, axis) if flags.get("reverse") else data
            made = turned.cumsum(axis)
            args[1].data[...] = np.flip(made, axis) if flags.get("reverse") else made
        elif name in ("im2col", "c2d_im2col"):
            _im2col(*args)
        else:
            raise NotPlainError(ast.unparse(call))
        return None

    def copy(self, source: ast.expr, target: ast.expr) -> None:
        """One of both says how much is moved; the other's dimensions before are 1."""
        (a, at_a, size_a), (b, at_b, size_b) = self.region(source), self.region(target)
        shape = size_a or size_b or (b.shape if at_b is None else a.shape)
        taken, put = size_a or _extents(a, at_a, shape), size_b or _extents(b, at_b, shape)
        b.store(_box(b, at_b, put), a[_box(a, at_a, taken)].reshape(put))

    def region(self, node: ast.expr) -> tuple[Memory, Places | None, Places]:
        """A buffer, where in it, None for all of it, and how much of it where slices say so."""
        if not isinstance(node, ast.Subscript):
            return self.value(node), None, ()
        parts = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        spans = [(p.lower, p.upper) if isinstance(p, ast.Slice) else (p, None) for p in parts]
        starts = tuple(int(self.value(start)) for start, _ in spans)
        if not any(isinstance(p, ast.Slice) for p in parts):
            return self.value(node.value), starts, ()
        ends = (start + 1 if end is None else int(self.value(end))
                for start, (_, end) in zip(starts, spans, strict=True))  # fmt: skip
        return self.value(node.value), starts, tuple(
            end - start for start, end in zip(starts, ends, strict=True))  # fmt: skip


def _extents(memory: Memory, at: Any, shape: tuple[int, ...]) -> tuple[int, ...]:
    return memory.shape if at is None else (1,) * (len(memory.shape) - len(shape)) + shape


def _box(memory: Memory, at: Any, shape: tuple[int, ...]) -> tuple[Any, ...]:
    starts = (0,) * len(memory.shape) if at is None else at
    spans = zip(starts, shape, strict=True)
    return np.ix_(*(np.asarray(int(s)) + np.arange(n) for s, n in spans))


def _im2col(image: Memory, block: Memory, row: int, column: int, kernel: int, stride: int,
            dilation: int, pad: int) -> None:  # fmt: skip
    """Row i of the block is the patch of output pixel i, its elements by tap and channel."""
    _, height, width, channels = image.shape
    down, across = ((n + 2 * pad - dilation * (kernel - 1) - 1) // stride + 1
                    for n in (height, width))  # fmt: skip
    i, j = np.ix_(*(np.arange(n) for n in block.shape))
    m = row * block.shape[0] + i
    tap, channel = np.divmod(column * block.shape[1] + j, channels)
    h = m // across % down * stride + tap // kernel * dilation - pad
    w = m % across * stride + tap % kernel * dilation - pad
    block.data[...] = image[m // (down * across), h, w, channel]


def _namespace() -> SimpleNamespace:
    def alloc(shape: tuple[int, ...], dtype: str) -> Memory:
        return Memory(np.full(shape, np.nan), dtype in _WHOLE)

    def reducer(shape: tuple[int, ...], dtype: str, op: str) -> Memory:
        return Memory(np.full(shape, np.nan), dtype in _WHOLE, reduces=op)

    def cast(value: Any, dtype: str) -> Any:
        if dtype in _WHOLE:
            return np.trunc(value).astype(np.int64)
        return np.asarray(value, np.float64)

    return SimpleNamespace(
        **UNARY, alloc_shared=alloc, alloc_fragment=alloc, alloc_reducer=reducer, cast=cast,
        max=np.maximum, min=np.minimum, if_then_else=np.where, And=np.logical_and, Or=np.logical_or,
        Not=np.logical_not, clamp=np.clip, ceildiv=lambda a, b: math.ceil(a / b),
    )  # fmt: skip


_T: Final = _namespace()
_NUMBERS: Final = {dtype: ((), dtype) for dtype in ("float32", "bfloat16", "int32")}
_PARAMETERS: Final = SimpleNamespace(Tensor=lambda *a: a, **_NUMBERS)
"""What parameters are annotated with: (shape, dtype)."""
