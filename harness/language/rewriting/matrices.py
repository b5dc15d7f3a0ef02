"""Tensors in the shape that a kernel's elementwise loops use them in.

``x[i * k + j]`` of a flat tensor is an element of a matrix with k columns, and ``y[i, m // L,
m % L]`` one of a matrix whose rows are the last two dimensions in one. Row-major elements have one
order whatever their shape, so such a tensor is the kernel's in that shape from here on, as one of
``T.Tensor(shape, dtype, x.data)`` is, if all that is done with it fits. So is one of several
dimensions whose indices are worked out of one number, ``x[n // W // H, n // W % H, n % W]``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import tvm
from tvm import tirx
from tvm.ir import TensorLoad, TensorRegion

from harness.language.blockformats import carried, dtype_of
from harness.language.regions import constant
from harness.language.rewriting.flat import DECLARED, resolved
from harness.language.rewriting.fromend import counted_from_end
from harness.language.walks import structural_map, structural_walk

_LEAST: Final = 32
"""Columns from which on a flat tensor is a matrix: fewer would leave most of a tile empty."""
_EXTENT: Final = "thread_extent"


@dataclass(frozen=True)
class _Shape:
    """A tensor's new shape and its indices for old ones."""

    sizes: tuple[int, ...]
    indices: Any


def in_used_shapes(func: tirx.PrimFunc) -> tirx.PrimFunc:
    """The function with every tensor in the shape it is used in, and indices from its beginning.

    Raises:
        LanguageError: a tensor that is used in several shapes, an index before the beginning.
    """
    return _as_matrices(counted_from_end(resolved(func)))


def _as_matrices(func: tirx.PrimFunc) -> tirx.PrimFunc:
    """The function with flat tensors, and those stored in halves, as matrices."""
    uses = _Uses(func)
    found = {p: shape for p in func.params if (shape := uses.shape(p)) is not None}
    if not found:
        return func
    new = {p: tirx.decl_buffer(list(shape.sizes), carried(dtype_of(p)), name=p.name)
           for p, shape in found.items()}  # fmt: skip

    def load(node: TensorLoad) -> Any:
        if node.source not in found:
            return node
        where = found[node.source].indices(node.indices[:])
        return tirx.BufferLoad(new[node.source], where, span=node.span)

    def store(node: tirx.BufferStore) -> Any:
        if node.buffer not in found:
            return node
        where = found[node.buffer].indices(node.indices[:])
        return tirx.BufferStore(new[node.buffer], node.value, where, span=node.span)

    body = structural_map(func.body, [(TensorLoad, load), (tirx.BufferStore, store)], order="post")
    before = dict((func.attrs or {}).get(DECLARED) or {})
    shapes = {str(p.name): [constant(d) for d in p.ty.shape] for p in found} | before
    params = [new.get(p, p) for p in func.params]
    made = tirx.PrimFunc(params, body, func.ret_type, attrs=func.attrs, span=func.span)
    return made.with_attr(DECLARED, shapes)


class _Uses:
    """How a kernel indexes its tensors."""

    def __init__(self, func: tirx.PrimFunc) -> None:
        self.analyzer = tvm.sym.Analyzer()
        self.parallel: list[Any] = []
        self.elements: dict[Any, list[list[Any]]] = {}
        self.stored: set[Any] = set()
        self.whole: set[Any] = set()
        """Tensors that are named otherwise than by an element."""
        structural_walk(func.body, [
            (tirx.For, self._loop), (tirx.AttrStmt, self._grid), (TensorLoad, self._load),
            (tirx.BufferStore, self._store), (TensorRegion, lambda n: self.whole.add(n.source)),
        ], order="pre")  # fmt: skip
        self.whole |= {v for v in func.params if str(v.name) in _annotated(func)}

    def _loop(self, node: tirx.For) -> None:
        self.analyzer.bind(node.loop_var, tvm.ir.Range.from_min_extent(node.min, node.extent))
        if node.kind == tirx.ForKind.PARALLEL:
            self.parallel.append(node.loop_var)

    def _grid(self, node: tirx.AttrStmt) -> None:
        if node.attr_key == _EXTENT:
            self.analyzer.bind(node.node.var, tvm.ir.Range.from_min_extent(0, node.value))

    def _load(self, node: TensorLoad) -> None:
        self.elements.setdefault(node.source, []).append(list(node.indices))

    def _store(self, node: tirx.BufferStore) -> None:
        self.elements.setdefault(node.buffer, []).append(list(node.indices))
        self.stored.add(node.buffer)

    def shape(self, tensor: Any) -> _Shape | None:
        """The shape that a tensor is used in, if that is another one."""
        sizes = [constant(d) for d in tensor.ty.shape]
        if tensor in self.whole or tensor not in self.elements or None in sizes:
            return None
        if len(sizes) == 1:
            return self._matrix(tensor, sizes[0] or 0)
        whole = [s or 0 for s in sizes]
        joined = self._joined(tensor, whole) if tensor in self.stored else None
        return joined or self._flat(tensor, whole)

    def _matrix(self, tensor: Any, size: int) -> _Shape | None:
        """A flat tensor as rows of as many elements as one loop variable strides over."""
        strides = {s for (e,) in self.elements[tensor] for s in self._strides(e)}
        if len(strides) != 1:
            return None
        (width,) = strides
        if width < _LEAST or size % width:
            return None

        def split(indices: Sequence[Any]) -> list[Any]:
            index, by = indices[0], tirx.const(width, "int32")
            return [self.analyzer.simplify(tirx.FloorDiv(index, by)),
                    self.analyzer.simplify(tirx.FloorMod(index, by))]  # fmt: skip

        if not all(self._plain(i) for e in self.elements[tensor] for i in split(e)):
            return None
        return _Shape((size // width, width), split)

    def _strides(self, index: Any) -> list[int]:
        """The stride of the rows of an element of a matrix; empty where it is none."""
        used = self._places(index)
        if len(used) != 2:
            return []
        steps = [constant(s) for s in tvm.sym.detect_linear_equation(index, used)[:-1]]
        return [s for s in steps if s not in (None, 1)] if 1 in steps else []

    def _joined(self, tensor: Any, sizes: list[int]) -> _Shape | None:
        """A stored tensor with two dimensions in one, where a quotient and a remainder are one."""
        for at in range(len(sizes) - 1):
            size, uses = sizes[at + 1], self.elements[tensor]

            def join(given: Sequence[Any], at: int = at, size: int = size) -> list[Any]:
                both = self.analyzer.simplify(given[at] * size + given[at + 1])
                return [*given[:at], both, *given[at + 2 :]]

            halves = any(isinstance(e[at + 1], tirx.FloorMod) and len(self._places(*e)) > 1
                         for e in uses)  # fmt: skip
            inside = all(self.analyzer.can_prove(t) for e in uses if halves
                         for t in (e[at + 1] >= 0, e[at + 1] < size))  # fmt: skip
            if halves and inside and all(self._plain(i) for e in uses for i in join(e)):
                return _Shape((*sizes[:at], sizes[at] * size, *sizes[at + 2 :]), join)
        return None

    def _flat(self, tensor: Any, sizes: list[int]) -> _Shape | None:
        """A tensor as a vector, where one number counts its elements: ``n % W``, ``n // W % H``."""
        uses = self.elements[tensor]
        if all(self._plain(index) for e in uses for index in e):
            return None

        def count(given: Sequence[Any]) -> list[Any]:
            number: Any = 0
            for index, size in zip(given, sizes, strict=True):
                number = number * size + index
            return [self.analyzer.simplify(number)]

        inside = (t for e in uses for index, size in zip(e[1:], sizes[1:], strict=True)
                  for t in (index >= 0, index < size))  # fmt: skip
        one = all(self._plain(n) and self._in_turn(n) for e in uses for n in count(e))
        if not one or not all(self.analyzer.can_prove(t) for t in inside):
            return None
        return _Shape((math.prod(sizes),), count)

    def _in_turn(self, index: Any) -> bool:
        """Whether a variable of T.Parallel, if any, counts one element after another."""
        used = self._places(index)
        steps = [constant(s) for s in tvm.sym.detect_linear_equation(index, used)[:-1]]
        return not used or (1 in steps and len(steps) <= 2)

    def _places(self, *indices: Any) -> list[Any]:
        """The variables of T.Parallel in indices."""
        used: list[Any] = []
        for index in indices:
            if isinstance(index, tvm.ir.Expr):
                structural_walk(index, [(tvm.ir.Var, used.append)])
        return [v for v in self.parallel if any(v.same_as(u) for u in used)]

    def _plain(self, index: Any) -> bool:
        """Whether an index takes no quotient or remainder of a variable of T.Parallel."""
        found: list[Any] = []
        if isinstance(index, tvm.ir.Expr):
            structural_walk(index, [((tirx.FloorDiv, tirx.FloorMod), found.append)])
        return not any(self._places(part) for part in found)


def _annotated(func: tirx.PrimFunc) -> set[str]:
    """Names that an attribute of the function says something of: its shape is settled."""
    named = [v for k, v in (func.attrs or {}).items() if hasattr(v, "keys") and k != DECLARED]
    return {str(name) for value in named for name in value}
