"""``T.reshape`` and ``T.view`` of an on-chip block: its elements under other indices.

A view is the block itself: it is parsed under the view's shape, and its indices are then rewritten
to the block's. One that leaves out or adds dimensions of extent 1 has its block's tiles in its
block's order, so ops take it as they take the block. Where other extents change, elements lie in
other tiles: they are read and stored one by one, and ops take them as :mod:`viewoperands` says.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import tvm_ffi
from tvm import tirx
from tvm.ir import Call, Range, TensorLoad, TensorRegion
from tvm.tirx.script import builder as S

from harness.errors import LanguageError
from harness.language.blockformats import dtype_of
from harness.language.ops import CUMSUM, REDUCE
from harness.language.parsing.spans import location
from harness.language.regions import constant, is_buffer
from harness.language.rewriting.flat import without_declarations
from harness.language.rewriting.unitloops import without_unit_loops
from harness.language.rewriting.viewoperands import operands_taken
from harness.language.rewriting.viewroots import matrices
from harness.language.walks import structural_map

_STEP = "declare the block in the shape it is used in"


def reshape(src: Any, shape: Any) -> Any:
    """``T.reshape(block, shape)``: the block's elements in row-major order, in another shape.

    Raises:
        LanguageError: no on-chip block, or a shape of more or fewer elements.
    """
    return _viewed("T.reshape", src, shape)


def view(src: Any, shape: Any = None, dtype: Any = None) -> Any:
    """``T.view(block, shape, dtype)``: as :func:`reshape`, in the block's own dtype.

    Raises:
        LanguageError: as :func:`reshape`, or another dtype.
    """
    if dtype is not None and is_buffer(src) and str(dtype) != dtype_of(src):
        raise LanguageError(f"T.view of {src.name!r}, {dtype_of(src)}, as {dtype}",
                            code="UnsupportedDtype",
                            next_step="T.copy to a block of that dtype converts values;"
                            " bits cannot be reinterpreted")  # fmt: skip
    return _viewed("T.view", src, src.ty.shape if shape is None and is_buffer(src) else shape)


def _viewed(what: str, src: Any, shape: Any) -> Any:
    if not is_buffer(src) or src.ty.storage_scope in ("", "global"):
        raise LanguageError(f"{what} of what is no on-chip block",
                            next_step="write T.Tensor(shape, dtype, x.data) for a tensor x of the"
                            " kernel")  # fmt: skip
    dims = shape if isinstance(shape, (tuple, list, tvm_ffi.Array)) else (shape,)
    sizes, own = [constant(d) for d in dims], [constant(d) for d in src.ty.shape]
    if not sizes or None in sizes or math.prod(sizes) != math.prod(own):  # type: ignore[arg-type]
        raise LanguageError(f"{what} of {src.name!r}, of shape {tuple(own)}, to {tuple(sizes)}:"
                            " a view has as many elements as its block", code="ShapeMismatch",
                            next_step=_STEP)  # fmt: skip
    if sizes == own:
        return src
    return S.decl_buffer(sizes, dtype_of(src), data=src.data, scope=src.ty.storage_scope)


class _View:
    """Where a view's dimensions are its block's, or its elements, where it is ``regrouped``."""

    def __init__(self, shape: Sequence[Any], block: Any) -> None:
        self.block, self.shape = block, [constant(size) or 0 for size in shape]
        self.own = [constant(size) or 0 for size in block.ty.shape]
        wide = [d for d, size in enumerate(self.shape) if size != 1]
        self.regrouped = [self.shape[d] for d in wide] != [s for s in self.own if s != 1]
        self.units = [d for d in range(len(shape)) if d not in wide]
        if not self.regrouped:
            found = iter(wide)
            self.dims = [next(found) if s != 1 else None for s in self.own]

    def indices(self, given: Sequence[Any], nothing: Any) -> list[Any]:
        """The block's indices, or ranges, of the view's."""
        return [nothing if d is None else given[d] for d in self.dims]

    def element(self, given: Sequence[Any]) -> list[Any]:
        """The block's indices of an element of the view."""
        if not self.regrouped:
            return self.indices(given, tirx.const(0, "int32"))
        flat: Any = tirx.const(0, "int32")
        for index, size in zip(given, self.shape, strict=True):
            flat = flat * size + index
        found: list[Any] = []
        for size in reversed(self.own[1:]):
            found.insert(0, tirx.FloorMod(flat, tirx.const(size, "int32")))
            flat = tirx.FloorDiv(flat, tirx.const(size, "int32"))
        return [flat, *found]


_PLANE = 2
"""Dimensions of a block of tiles."""


def _without_units(shape: list[Any]) -> list[Any]:
    """A shape without dimensions of extent 1 between others and behind them; lines keep theirs."""
    wide = [d for d in shape if constant(d) != 1]
    if len(shape) <= _PLANE or len(wide) < _PLANE:
        return shape
    first = [] if constant(shape[0]) != 1 else shape[:1]
    return [*first, *wide]


def unwrapped(func: tirx.PrimFunc) -> tirx.PrimFunc:
    """The function with every view of a block replaced by the block.

    A block with dimensions of extent 1 between others or behind them is a view of one without.

    Raises:
        LanguageError: a view used beside its only place along a dimension of extent 1, or reduced
            along one its block does not have.
    """
    views: dict[Any, _View] = {}
    lone: set[Any] = set()  # variables that are always 0

    def declared(node: tirx.DeclBuffer) -> Any:
        block = node.data.args[0]
        if node.buffer.ty.storage_scope in ("", "global"):
            return node
        root = views[block].block if block in views else block
        views[node.buffer] = _View(list(node.buffer.ty.shape), root)
        return tirx.Evaluate(0)

    def loop(node: tirx.For) -> tirx.For:
        if constant(node.extent) == 1 and constant(node.min) == 0:
            lone.add(node.loop_var)
        return node

    def allocated(node: tirx.AllocBuffer) -> tirx.AllocBuffer:
        block = node.buffer
        shape = list(block.ty.shape)
        kept = _without_units(roots.get(block, shape))
        if block.ty.storage_scope in ("", "global") or len(kept) == len(shape):
            return node
        plain = tirx.decl_buffer(kept, str(block.ty.dtype), name=block.name,
                                 scope=block.ty.storage_scope)  # fmt: skip
        views[block] = _View(shape, plain)
        return tirx.AllocBuffer(plain, node.annotations, node.span)

    callbacks: list[Any] = [(tirx.DeclBuffer, declared), (tirx.AllocBuffer, allocated),
                            (tirx.For, loop)]  # fmt: skip
    func = without_unit_loops(func)
    roots = matrices(func.body)
    body = structural_map(func.body, callbacks, order="post")
    if not views:
        return func
    refused: list[LanguageError] = []  # raised inside structural_map, they would lose their type

    def no(node: Any, text: str, code: str, step: str) -> None:
        refused.append(LanguageError(text, code=code, location=location(node), next_step=step))

    def place(node: Any, source: Any, given: Sequence[Any]) -> _View:
        seen = views[source]
        for d in seen.units:
            index = given[d]
            if constant(index) != 0 and index not in lone:
                no(node, f"a view of {seen.block.name!r} is used at {index} along a dimension of"
                   " extent 1", "OutOfBounds", "write 0 there")  # fmt: skip
        return seen

    def operands(node: Call) -> Call:
        for arg in node.args:
            if isinstance(arg, TensorRegion) and arg.source in views:
                seen = place(node, arg.source, [r.min for r in arg.region])
                if seen.regrouped:
                    no(node, f"a view of {seen.block.name!r}, of shape {tuple(seen.own)}, as"
                       f" {tuple(seen.shape)} is an operand of {node.op.name}: its elements lie in"
                       " other tiles than a block's of that shape", "UnsupportedConstruct",
                       "allocate a block of that shape, and fill it in T.Parallel: block[i, j] ="
                       " view[i, j]")  # fmt: skip
                    return node
        at = {REDUCE: 3, CUMSUM: 2}.get(getattr(node.op, "name", ""))
        if at is None or node.args[0].source not in views:
            return node
        seen, dim = views[node.args[0].source], constant(node.args[at])
        if dim not in seen.dims:
            no(node, f"a view of {seen.block.name!r} is taken along a dimension of extent 1 that"
               " its block does not have", "UnsupportedConstruct", _STEP)  # fmt: skip
            return node
        args = [tirx.const(seen.dims.index(dim), "int32") if n == at else a
                for n, a in enumerate(node.args)]  # fmt: skip
        return Call(node.op, args, ret_ty="void", span=node.span)

    def region(node: TensorRegion) -> TensorRegion:
        if node.source not in views or views[node.source].regrouped:
            return node  # refused as an operand
        seen = views[node.source]
        one = Range.from_min_extent(tirx.const(0, "int32"), tirx.const(1, "int32"))
        return TensorRegion(seen.block, seen.indices(node.region, one), node.ty, node.span)

    def load(node: TensorLoad) -> TensorLoad:
        if node.source not in views:
            return node
        seen = place(node, node.source, node.indices)
        return tirx.BufferLoad(seen.block, seen.element(node.indices), span=node.span)

    def store(node: tirx.BufferStore) -> tirx.BufferStore:
        if node.buffer not in views:
            return node
        seen = place(node, node.buffer, node.indices)
        where = seen.element(node.indices)
        return tirx.BufferStore(seen.block, node.value, where, span=node.span)

    body = operands_taken(body, views, [str(param.name) for param in func.params])
    body = structural_map(body, [(Call, operands)], order="post")
    callbacks = [(TensorRegion, region), (TensorLoad, load), (tirx.BufferStore, store),
                 (tirx.SeqStmt, without_declarations)]  # fmt: skip
    body = structural_map(body, callbacks, order="post")
    if refused:
        raise refused[0]
    return tirx.PrimFunc(func.params, body, func.ret_type, attrs=func.attrs, span=func.span)
