"""``T.Tensor(shape, dtype, x.data)``: a tensor's elements under another shape.

Row-major elements have one order whatever their shape, so a kernel that uses a tensor only under
another shape takes it in that shape: it is the parameter's own from here on. The declared shape is
kept beside it, for callers that pass arrays of it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final, NoReturn

from tvm import tirx
from tvm.ir import Call
from tvm.tirx.script import builder as S

from harness.errors import LanguageError
from harness.language.blockformats import carried, dtype_of
from harness.language.regions import constant
from harness.language.walks import on_buffers, structural_map

DECLARED: Final = "tt.declared_shapes"
"""Attribute of a function: declared shape per tensor that is used under another one."""


SINGLE: Final = "tt.single_numbers"
"""Attribute of a function: names of the tensors that are single numbers to its callers."""


def reshaped(shape: tuple[int, ...], dtype: str, data: Any) -> Any:
    """The view of the tensor whose ``.data`` is given.

    Raises:
        LanguageError: no tensor's data, another dtype, or another number of elements.
    """
    if not isinstance(data, Call) or data.op.name != "tirx.buffer_data":
        raise LanguageError(f"T.Tensor of {type(data).__name__} as data",
                            next_step="give the .data of a tensor of the kernel")  # fmt: skip
    tensor = data.args[0]
    sizes = [constant(d) or 0 for d in tensor.ty.shape]
    if tensor.ty.storage_scope not in ("", "global") or dtype != dtype_of(tensor):
        raise LanguageError(f"{tensor.name!r} as {dtype}: only a tensor of the kernel has other"
                            " shapes, and in its own dtype", code="ShapeMismatch",
                            next_step="give the tensor's dtype")  # fmt: skip
    if math.prod(sizes) != math.prod(shape):
        raise LanguageError(f"{tensor.name!r} of shape {tuple(sizes)} as {shape}",
                            code="ShapeMismatch",
                            next_step="give as many elements")  # fmt: skip
    return S.decl_buffer(shape, carried(dtype), data=data)


def resolved(func: tirx.PrimFunc) -> tirx.PrimFunc:
    """The function with every tensor in the shape it is used in.

    Raises:
        LanguageError: a tensor that is used in several shapes.
    """
    views: dict[Any, Any] = {}

    def declared(node: tirx.DeclBuffer) -> tirx.Evaluate:
        views[node.buffer] = node.data.args[0]
        return tirx.Evaluate(0)

    body = structural_map(func.body, [(tirx.DeclBuffer, declared)], order="post")
    if not views:
        return func
    new: dict[Any, Any] = {}
    for view, tensor in views.items():
        shape = [constant(d) or 0 for d in view.ty.shape]
        again = new.get(tensor)
        if again is not None and [constant(d) for d in again.ty.shape] != shape:
            _several(tensor)
        if again is None:
            new[tensor] = tirx.decl_buffer(shape, carried(dtype_of(tensor)), name=tensor.name)
        new[view] = new[tensor]

    mixed: list[Any] = []  # an error raised inside structural_map would lose its type

    def whole(source: Any) -> Any:
        if source in new and source not in views:
            mixed.append(source)
            return source
        return new.get(source, source)

    callbacks = [*on_buffers(whole), (tirx.SeqStmt, without_declarations)]
    body = structural_map(body, callbacks, order="post")
    if mixed:
        _several(mixed[0])
    params = [new.get(p, p) for p in func.params]
    shapes = {str(t.name): [constant(d) for d in t.ty.shape] for t in func.params if t in new}
    made = tirx.PrimFunc(params, body, func.ret_type, attrs=func.attrs, span=func.span)
    return made.with_attr(DECLARED, shapes)


def declared_shapes(func: tirx.PrimFunc) -> Mapping[str, tuple[int, ...]]:
    """Declared shape per tensor that is used under another one; a single number has none."""
    attrs = func.attrs or {}
    singles: dict[str, tuple[int, ...]] = {str(name): () for name in attrs.get(SINGLE) or ()}
    found = attrs.get(DECLARED) or {}
    return singles | {str(name): tuple(int(d) for d in shape) for name, shape in found.items()}


def _several(tensor: Any) -> NoReturn:
    raise LanguageError(f"tensor {tensor.name!r} is used in several shapes, and its tiles lie in"
                        " one only", code="LayoutConflict",
                        next_step="use one shape throughout, or two parameters")  # fmt: skip


def without_declarations(node: tirx.SeqStmt) -> Any:
    """A sequence less the numbers that took the place of declarations."""
    kept = [s for s in node.seq if not (isinstance(s, tirx.Evaluate)
                                        and isinstance(s.value, tirx.IntImm))]  # fmt: skip
    return kept[0] if len(kept) == 1 else tirx.SeqStmt(kept)
