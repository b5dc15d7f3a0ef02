"""Pass 1, InferTTLayout: the kernel's grid, and a layout for every tensor it takes.

Reads the body and the user's annotations (``tt.layout_desc`` or ``tt.user_layout``, possibly
partial); writes ``tt.core_grid``, ``tt.kernel_grid`` and a complete ``tt.layout_desc``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import tvm
from tvm import tirx

from harness.compiler import attrs, ir_sugar
from harness.compiler.diagnostics import TTPass, refuse
from harness.compiler.kernel import Kernel, accesses, read_kernel
from harness.errors import OptionError
from harness.language.regions import constant
from harness.language.tensors import DTYPES
from simulator.arch import TILE

MEMORIES: Final = {"DRAM": "DRAM", "DDR": "DRAM"}
"""Spellings of ``shard``/``memory`` this version places tensors in."""
_KNOWN: Final = frozenset(
    ("memory", "layout", "shard", "interleave", "tile_id_order", "tile_shape", "dtype", "role",
     "logical_shape", "padded_shape", "padding")
)  # fmt: skip


def roles(kernel: Kernel) -> dict[str, str]:
    """input, output or inout per parameter, from what the body reads and writes.

    Raises:
        CompileError: a parameter the body never touches.
    """
    read: set[str] = set()
    written: set[str] = set()
    params = {p.name for p in kernel.params}
    for access in accesses(kernel.body):
        name = access.buffer.name
        if name in params:
            (written if access.write else read).add(name)
    out = {}
    for param in kernel.params:
        name = param.name
        if name in written:
            out[name] = "inout" if name in read else "output"
        elif name in read:
            out[name] = "input"
        else:
            refuse(f"tensor {name!r} is neither read nor written", code="UnusedTensor",
                   node=kernel.body, next_step="remove the parameter")  # fmt: skip
    if not written:
        refuse(f"kernel {kernel.name!r} writes no tensor", code="NoOutput", node=kernel.body,
               next_step="copy a result to a tensor parameter")  # fmt: skip
    return out


def padded(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Shape with its last two dimensions rounded up to tiles; a 1-D shape is 1 x N."""
    if len(shape) == 1:
        shape = (1, *shape)
    return (*shape[:-2], *(-(-d // TILE) * TILE for d in shape[-2:]))


class InferTTLayout(TTPass):
    """Grid and layouts from IR, merged with the user's annotations."""

    name = "InferTTLayout"

    def __init__(self, defaults: Mapping[str, Any] | None = None) -> None:
        """``defaults`` fill what annotations leave open: ``{"shard": "DRAM", "interleave": True}``.

        Raises:
            OptionError: another key.
        """
        self.defaults = {"shard": "DRAM", "interleave": True, **(defaults or {})}
        if len(self.defaults) > 2:
            unknown = min(set(self.defaults) - {"shard", "interleave"})
            raise OptionError(f"unknown default {unknown!r}", location="defaults",
                              next_step="use shard and interleave")  # fmt: skip

    def transform_function(
        self, var: tvm.ir.GlobalVar, func: tirx.PrimFunc
    ) -> list[tuple[tvm.ir.GlobalVar, tirx.PrimFunc]]:
        """Write the grid and the layouts."""
        kernel = read_kernel(func)
        given = attrs.get(func, attrs.TT_CORE_GRID)
        if given is not None and list(given) != list(kernel.grid[:2]):
            refuse(
                f"tt.core_grid {given} contradicts T.Kernel({', '.join(map(str, kernel.grid))})",
                code="LayoutConflict",
                node=kernel.body,
                next_step="drop the attribute, or make it equal to the kernel's grid",
            )
        user: dict[str, dict[str, Any]] = {}
        for key in (attrs.TT_LAYOUT_DESC, attrs.TT_USER_LAYOUT):
            for name, desc in attrs.get(func, key, {}).items():
                user.setdefault(name, {}).update(desc)
        names = {p.name for p in kernel.params}
        for name in user:
            if name not in names:
                refuse(f"layout annotation for {name!r}, which is no tensor of the kernel",
                       code="LayoutConflict", location=attrs.TT_LAYOUT_DESC,
                       next_step=f"annotate one of {', '.join(sorted(names))}")  # fmt: skip
        inferred = roles(kernel)
        layouts = {
            p.name: self._layout(p, inferred[p.name], user.get(p.name, {})) for p in kernel.params
        }
        func = ir_sugar.with_core_grid(func, kernel.grid[0], kernel.grid[1])
        func = func.with_attr(attrs.TT_KERNEL_GRID, list(kernel.grid))
        return [(var, ir_sugar.with_layout_desc(func, layouts))]

    def _layout(self, param: Any, role: str, user: Mapping[str, Any]) -> dict[str, Any]:
        name, where = param.name, f"{attrs.TT_LAYOUT_DESC}.{param.name}"

        def conflict(message: str, accepted: str) -> None:
            refuse(f"{name}: {message}", code="LayoutConflict", location=where, next_step=accepted)

        unknown = set(user) - _KNOWN
        if unknown:
            conflict(f"unknown layout key {min(unknown)!r}", f"use {', '.join(sorted(_KNOWN))}")
        dtype = str(param.ty.dtype)
        if dtype not in DTYPES:
            refuse(f"tensor {name!r} has dtype {dtype}", code="UnsupportedDtype", location=where,
                   next_step=f"use one of {', '.join(DTYPES)}")  # fmt: skip
        shape = tuple(constant(d) for d in param.ty.shape)
        if any(d is None or d < 1 for d in shape):
            refuse(f"tensor {name!r} has a dimension that is not a positive constant",
                   code="DynamicShape", location=where)  # fmt: skip
        named = [user[key] for key in ("memory", "shard") if key in user]
        for memory in named or [self.defaults["shard"]]:
            if not isinstance(memory, str) or memory.upper() not in MEMORIES:
                conflict(f"memory {memory!r}", "tensors live in interleaved DRAM")
        kind = user.get("layout")
        if kind is not None and kind != "interleaved":
            conflict(f"layout {kind!r}", "tensors live in interleaved DRAM")
        default = True if kind else self.defaults["interleave"]
        if not user.get("interleave", default):
            conflict("interleave false", "tensors live in interleaved DRAM")
        if user.get("padding", "unspecified") != "unspecified":
            conflict(f"padding {user['padding']!r}", "the host leaves padding unspecified, and the"
                     " reader zeroes what a copy reads out of bounds")  # fmt: skip
        order = user.get("tile_id_order", "row_major")
        if order != "row_major":
            conflict(f"tile_id_order {order!r}", "pages of a tensor are numbered row_major")
        if list(user.get("tile_shape", (TILE, TILE))) != [TILE, TILE]:
            conflict(f"tile_shape {user['tile_shape']}", "tiles are 32x32")
        facts = {"dtype": dtype, "role": role, "logical_shape": list(shape),
                 "padded_shape": list(padded(shape))}  # type: ignore[arg-type]  # fmt: skip
        for key, fact in facts.items():
            if key in user and user[key] != fact:
                conflict(f"{key} {user[key]} contradicts the kernel's {fact}",
                         "drop the annotation")  # fmt: skip
        return {
            **facts,
            "memory": "DRAM",
            "layout": "interleaved",
            "shard": "DRAM",
            "interleave": True,
            "tile_id_order": "row_major",
            "tile_shape": [TILE, TILE],
            "padding": "unspecified",
        }
