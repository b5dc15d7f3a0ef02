"""Pass 1, InferTTLayout: the kernel's grid, and a layout for every tensor it takes.

Reads the body and the user's annotations (``tt.layout_desc`` or ``tt.user_layout``, possibly
partial); writes ``tt.core_grid``, ``tt.kernel_grid`` and a complete ``tt.layout_desc``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import tvm
from tvm import tirx

from harness.compiler import attrs, ir_sugar
from harness.compiler.block.names import INDEX
from harness.compiler.diagnostics import TTPass, refuse
from harness.compiler.facts.infinities import check_infinities
from harness.compiler.facts.kernel import Kernel, read_kernel
from harness.compiler.facts.lookups import check_control, check_gathers, index_tensors
from harness.compiler.facts.signed import INT8, stored_dtype
from harness.compiler.facts.unordered import check_unordered
from harness.compiler.facts.views import View, find_views, with_views
from harness.compiler.layouts import Conflict, merged, normalised
from harness.compiler.rewrite.assembled import assembled
from harness.compiler.rewrite.bits import without_bits
from harness.compiler.rewrite.collected import collected
from harness.compiler.rewrite.decidednumbers import with_choices
from harness.compiler.rewrite.elementloops import parallelised
from harness.compiler.rewrite.folded import folded, row_lengths
from harness.compiler.rewrite.fusedloops import fused
from harness.compiler.rewrite.guards import narrowed, unguarded
from harness.compiler.rewrite.idle import without_idle
from harness.compiler.rewrite.innerloops import interchanged
from harness.compiler.rewrite.linestores import lines_stored
from harness.compiler.rewrite.masks import unmasked
from harness.compiler.rewrite.numbers import with_numbers
from harness.compiler.rewrite.places import placed
from harness.compiler.rewrite.planewise import planewise
from harness.compiler.rewrite.recalled import recalled
from harness.compiler.rewrite.scalars import without_scalars
from harness.compiler.rewrite.separate import separated
from harness.compiler.rewrite.splitloops import split_loops
from harness.compiler.rewrite.staging import staged
from harness.compiler.rewrite.variables import with_variables
from harness.compiler.rewrite.waves import spread
from harness.errors import OptionError
from harness.language.blockformats import BLOCK_FORMATS, VALUES, dtype_of
from harness.language.regions import constant
from harness.language.rewriting.handed import handed
from harness.language.tensors import MASKS, TENSOR_DTYPES, TRUTH
from simulator.arch import TILE
from simulator.plan.tensors import padded_shape
from simulator.plan.views import ROWS, restored_shape


def touched(kernel: Kernel) -> tuple[set[str], set[str]]:
    """Names of the parameters the body reads, and of those it writes."""
    read = set(index_tensors(kernel))
    written: set[str] = set()
    params = {p.name for p in kernel.params}
    for access in kernel.accesses:
        name = access.buffer.name
        if name in params:
            (written if access.write else read).add(name)
    return read, written


def roles(kernel: Kernel) -> dict[str, str]:
    """input, output or inout per parameter, from what the body reads and writes.

    A parameter it does neither to is an input that no program will name.

    Raises:
        CompileError: no parameter is written.
    """
    read, written = touched(kernel)
    if not written:
        refuse(f"kernel {kernel.name!r} writes no tensor", code="NoOutput", node=kernel.body,
               next_step="copy a result to a tensor parameter")  # fmt: skip
    names = [p.name for p in kernel.params]
    return {n: "input" if n not in written else "inout" if n in read else "output" for n in names}


def _viewed_before(func: tirx.PrimFunc) -> dict[str, View]:
    """Views of tensors that are in stored order already: the pass may run again."""
    layouts = attrs.get(func, attrs.TT_LAYOUT_DESC, {})
    return {n: tuple(d["view"]) for n, d in layouts.items() if d.get("view")}


def _settles(annotation: Mapping[str, Any]) -> bool:
    """Whether an annotation says how a tensor's elements lie, and not only where."""
    shaped = annotation.keys() & {"sharding", "nd_shard", "padded_shape", "view"}
    return bool(shaped) or "sharded" in str(annotation.get("layout", ""))


class InferTTLayout(TTPass):
    """Grid and layouts from IR, merged with the user's annotations."""

    name = "InferTTLayout"

    def __init__(self, defaults: Mapping[str, Any] | None = None) -> None:
        """``defaults`` fill what annotations leave open: ``{"shard": "DRAM", "interleave": True}``.

        Tensors of indices, by which blocks are gathered, lie interleaved in DRAM.

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
        """Write the grid and the layouts, of kernels whose tensors meet in on-chip blocks only.

        Scalars and masks become expressions first.
        """
        given_kernel = read_kernel(func)
        check_unordered(given_kernel)
        check_infinities(given_kernel)
        func = without_idle(func)
        func = with_numbers(with_choices(recalled(with_variables(separated(without_bits(func))))))
        func = fused(parallelised(without_scalars(spread(staged(func)))))
        func = unguarded(narrowed(func))
        func = assembled(split_loops(func))
        func = planewise(unmasked(interchanged(placed(func))))
        func = lines_stored(collected(func))
        kernel = read_kernel(func)
        check_control(kernel)
        given = attrs.get(func, attrs.TT_CORE_GRID)
        if given is not None and list(given) != list(kernel.grid[:2]):
            refuse(
                f"tt.core_grid {given} contradicts T.Kernel({', '.join(map(str, kernel.grid))})",
                code="LayoutConflict",
                node=kernel.body,
                next_step="drop the attribute, or make it equal to the kernel's grid",
            )
        user: dict[str, dict[str, dict[str, Any]]] = {}
        for key in (attrs.TT_LAYOUT_DESC, attrs.TT_USER_LAYOUT, attrs.TT_KERNEL_LAYOUT):
            for name, desc in attrs.get(func, key, {}).items():
                user.setdefault(name, {})[key] = desc
        names = {p.name for p in kernel.params}
        for name in user:
            if name not in names:
                refuse(f"layout annotation for {name!r}, which is no tensor of the kernel",
                       code="LayoutConflict", location=attrs.TT_LAYOUT_DESC,
                       next_step=f"annotate one of {', '.join(sorted(names))}")  # fmt: skip
        inferred = roles(kernel)
        before = row_lengths(func)
        settled = {n for n, d in user.items() if any(map(_settles, d.values()))}
        func, lengths = folded(func, settled | handed(func))
        lengths |= before
        kernel = read_kernel(func)
        views = self._views(func, kernel, lengths)
        turned = {n: v for n, v in views.items() if v != ROWS and n not in _viewed_before(func)}
        func = with_views(func, turned)
        kernel = read_kernel(func)
        check_gathers(kernel)
        indices = index_tensors(kernel)
        layouts = {
            p.name: self._layout(p, inferred[p.name], user.get(p.name, {}), views.get(p.name, ()),
                                 kernel.signed, lengths.get(p.name), is_index=p.name in indices)
            for p in kernel.params
        }  # fmt: skip
        func = ir_sugar.with_core_grid(func, kernel.grid[0], kernel.grid[1])
        func = func.with_attr(attrs.TT_KERNEL_GRID, list(kernel.grid))
        return [(var, ir_sugar.with_layout_desc(func, layouts))]

    @staticmethod
    def _views(func: tirx.PrimFunc, kernel: Kernel, lengths: Mapping[str, int]) -> dict[str, View]:
        """Views found now, and those an earlier run of the pass gave the tensors."""
        return {**find_views(kernel), **_viewed_before(func), **dict.fromkeys(lengths, ROWS)}

    def _layout(
        self, param: Any, role: str, sources: Mapping[str, Mapping[str, Any]], view: View,
        signed: frozenset[str], length: int | None, *, is_index: bool,
    ) -> dict[str, Any]:  # fmt: skip
        name, where = param.name, f"{attrs.TT_LAYOUT_DESC}.{param.name}"
        conflict = Conflict(name)
        dtype = dtype_of(param)
        if dtype not in TENSOR_DTYPES:
            refuse(f"tensor {name!r} has dtype {dtype}", code="UnsupportedDtype", location=where,
                   next_step=f"use one of {', '.join(TENSOR_DTYPES)}")  # fmt: skip
        if dtype in BLOCK_FORMATS and role != "input":
            refuse(f"tensor {name!r} is written, and {dtype} is for tensors the host stores",
                   code="UnsupportedDtype", location=where,
                   next_step=f"write {VALUES}")  # fmt: skip
        if dtype in BLOCK_FORMATS and view and view[-1] != max(view):
            refuse(f"tensor {name!r} is used along other dimensions than its last, and {dtype}"
                   " shares exponents along the last", code="LayoutConflict", location=where,
                   next_step="pass the tensor with its dimensions in another order")  # fmt: skip
        if dtype == TRUTH and role != "input":
            refuse(f"tensor {name!r} is written, and {dtype} is for tensors that are only read",
                   code="UnsupportedDtype", location=where,
                   next_step=f"write uint8 or {VALUES}, of 0 and 1")  # fmt: skip
        shape = tuple(constant(d) for d in param.ty.shape)
        if any(d is None or d < 1 for d in shape):
            refuse(f"tensor {name!r} has a dimension that is not a positive constant",
                   code="DynamicShape", location=where)  # fmt: skip
        tile, whole = (TILE, TILE), padded_shape(shape)  # type: ignore[arg-type]
        user = merged(name, whole, sources)
        if not is_index and not user.keys() & {"memory", "layout"}:
            user |= normalised(name, whole, self.defaults)
        memory, kind = user.get("memory", "DRAM"), user.get("layout", "interleaved")
        if kind == "sharded" and "sharding" not in user:
            conflict("sharded, and nothing says how", "annotate the tensor with a sharding")
        if is_index and (memory, kind) != ("DRAM", "interleaved"):
            conflict("a tensor of indices that is not interleaved in DRAM", "leave it there")
        padding = "zero" if dtype in BLOCK_FORMATS else "unspecified"  # which shares exponents
        if user.get("padding", padding) != padding:
            conflict(f"padding {user['padding']!r}", f"the host leaves padding {padding}, and the"
                     " reader zeroes what a copy reads out of bounds")  # fmt: skip
        if is_index:  # rows, which the device aligns
            tile, whole = (1, shape[-1]), (1, *shape)[-max(2, len(shape)) :]  # type: ignore[assignment]
        order = user.get("tile_id_order", "row_major")
        if order != "row_major":
            conflict(f"tile_id_order {order!r}", "pages of a tensor are numbered row_major; the"
                     " order of blocks is the option strategy")  # fmt: skip
        if list(user.get("tile_shape", tile)) != list(tile):
            conflict(f"tile_shape {user['tile_shape']}",
                     "tiles are 32x32, and tensors of indices row-major")  # fmt: skip
        if view == ROWS and (length is None or len(shape) != len(ROWS)):
            conflict(f"view {list(view)} of shape {list(shape)}", "drop the annotation")
        hosts = restored_shape(shape, view) if length is None else (length,)  # type: ignore[arg-type]
        kept = INDEX if is_index and dtype in (INT8, *MASKS) else stored_dtype(param, signed)
        facts = {"dtype": kept, "role": role, "logical_shape": list(hosts),
                 "padded_shape": list(whole), "view": list(view)}  # fmt: skip
        for key, fact in facts.items():
            if key in user and user[key] != fact:
                conflict(f"{key} {user[key]} contradicts the kernel's {fact}",
                         "drop the annotation")  # fmt: skip
        return {
            **facts,
            "memory": memory,
            "layout": kind,
            "shard": memory,
            "interleave": kind == "interleaved",
            "tile_id_order": "row_major",
            "tile_shape": list(tile),
            "padding": padding,
            **({"sharding": user["sharding"]} if kind == "sharded" else {}),
        }
