"""Names that steer a GPU and change no value: accepted, and without effect here.

``docs/language.md`` says for each why ignoring it is safe.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import Any, Final

import tvm
from tvm import tirx

from harness.errors import LanguageError


class GemmWarpPolicy(enum.IntEnum):
    """How a GPU splits a gemm over warps; accepted, without meaning on a tile machine."""

    Square = 0
    FullRow = 1
    FullCol = 2


REASONS: Final = {
    "use_swizzle": "orders blocks for a GPU cache; results do not depend on the order of blocks",
    "annotate_l2_hit_ratio": "a GPU cache hint",
    "annotate_restrict_buffers": "says that tensors do not alias, which holds here for all tensors",
    "annotate_min_blocks_per_sm": "occupancy of a GPU",
    "annotate_producer_reg_dealloc": "registers of GPU warps",
    "annotate_consumer_reg_alloc": "registers of GPU warps",
    "annotate_pass_configs": "switches of GPU passes",
    "annotate_compile_flags": "flags of a GPU compiler",
    "annotate_ws_pipeline_depth": "depth of a GPU pipeline; --double-buffer sets the depth here",
    "no_set_max_nreg": "registers of GPU warps",
    "set_max_nreg": "registers of GPU warps",
    "inc_max_nreg": "registers of GPU warps",
    "dec_max_nreg": "registers of GPU warps",
    "disable_warp_group_reg_alloc": "registers of GPU warps",
    "sync_threads": "threads of a block; tile ops run in program order here",
    "sync_warp": "threads of a warp; tile ops run in program order here",
    "fence_proxy_async": "orders GPU copies; tile ops run in program order here",
    "pdl_trigger": "overlap of GPU kernel launches",
    "pdl_sync": "overlap of GPU kernel launches",
    "ignore_loop_partition": "a loop transformation of a GPU pass",
    "assume": "a promise for a GPU optimiser; nothing here relies on it",
    "print": "debug output of a GPU; outputs are compared instead",
}
"""Statement hints by name: why each may be ignored."""


def _hint(name: str, reason: str) -> Callable[..., None]:
    def ignored(*_: object, **__: object) -> None:
        return None

    ignored.__name__ = ignored.__qualname__ = name
    ignored.__doc__ = f"``T.{name}``: accepted and ignored: {reason}."
    return ignored


HINTS: Final = {name: _hint(name, reason) for name, reason in REASONS.items()}


class Layout:
    """A GPU memory layout, ``T.Layout(…)``: an opaque hint for ``T.annotate_layout``."""

    def __init__(self, *_: object, **__: object) -> None:
        """Keep nothing: on-chip blocks are kept in tiles whatever a GPU layout says."""

    def __getattr__(self, name: str) -> Any:
        """Derived layouts are as opaque."""
        if name.startswith("_"):
            raise AttributeError(name)
        return lambda *_, **__: self


class Annotation:
    """A type for parameters of macros: ``T.Ref``, ``T.SharedBuffer((M, N), dtype)``."""

    def __call__(self, *_: object, **__: object) -> Annotation:
        """A type with arguments; macros are expanded, so nothing checks it."""
        return self

    def __getitem__(self, _: object) -> Annotation:
        """Likewise with brackets."""
        return self

    def __or__(self, _: object) -> Annotation:
        """Likewise in a union."""
        return self


def annotate_safe_value(values: object = None, **_: object) -> None:
    """``T.annotate_safe_value({tensor: value})``: what reads outside a tensor give; only 0 here.

    Raises:
        LanguageError: a value that is not 0.
    """
    if not isinstance(values, dict):
        raise LanguageError("T.annotate_safe_value takes a dictionary from tensors to values")
    for value in values.values():
        number = value.value if isinstance(value, (tirx.IntImm, tirx.FloatImm)) else value
        if isinstance(number, tvm.ir.Expr) or number != 0:
            raise LanguageError("reads outside a tensor give 0, no other value",
                                next_step="select the value with T.if_then_else")  # fmt: skip
