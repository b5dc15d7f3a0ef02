"""TVM's structural walks, asked for by the names of their functions.

``tvm_ffi.structural_walk`` and ``tvm_ffi.structural_map`` work out in every call which types their
callbacks are for, which takes several times as long as most walks.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

import tvm
import tvm_ffi
from tvm import tirx

Visitors = Sequence[tuple[Any, Callable[..., Any]]]
"""Node classes, or tuples of them, and what is called for their nodes; the first that fits is."""

_WALK: Final = tvm_ffi.get_global_func("ffi.StructuralWalk")
_MAP: Final = tvm_ffi.get_global_func("ffi.StructuralMap")
_ORDERS: Final = MappingProxyType({
    "pre": int(tvm_ffi.WalkOrder.PREORDER), "post": int(tvm_ffi.WalkOrder.POSTORDER),
})  # fmt: skip


def structural_walk(root: Any, visitors: Visitors, order: str = "post") -> Any:
    """``tvm_ffi.structural_walk``."""
    return _WALK(root, _entries(visitors), [], _ORDERS[order])


def structural_map(root: Any, visitors: Visitors, order: str = "post") -> Any:
    """``tvm_ffi.structural_map``."""
    return _MAP(root, _entries(visitors), [], _ORDERS[order])


def replaced(root: Any, values: Mapping[Any, Any]) -> Any:
    """A statement, or an expression or int, with what stands for variables in their places."""
    if not values or isinstance(root, int):
        return root
    return structural_map(root, [(tvm.ir.Var, lambda var: values.get(var, var))])


def on_buffers(of: Callable[[Any], Any]) -> list[tuple[Any, Callable[..., Any]]]:
    """Callbacks that put ``of(buffer)`` for every buffer, but where it is allocated."""
    return [
        (tvm.ir.TensorRegion, lambda n: tvm.ir.TensorRegion(of(n.source), n.region, n.ty, n.span)),
        (tvm.ir.TensorLoad, lambda n: tirx.BufferLoad(of(n.source), n.indices, span=n.span)),
        (tirx.BufferStore, lambda n: tirx.BufferStore(of(n.buffer), n.value, n.indices,
                                                      span=n.span)),
    ]  # fmt: skip


def _entries(visitors: Visitors) -> list[tuple[int, Callable[..., Any]]]:
    return [(index, call) for kinds, call in visitors for index in _indices(kinds)]


@functools.cache
def _indices(kinds: Any) -> tuple[int, ...]:
    """TVM's numbers of node classes."""
    each = kinds if isinstance(kinds, tuple) else (kinds,)
    return tuple(tvm_ffi.core.TypeSchema.from_annotation(k).origin_type_index for k in each)
