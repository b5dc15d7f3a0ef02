"""Pass 2, PropagateTTLayout: data format, page and tile grid of every on-chip buffer.

Reads ``tt.layout_desc`` and the body; writes ``tt.onchip_desc``. A buffer whose accesses disagree
about its form is an error with both places.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import tvm
from tvm import tirx
from tvm.ir import Call

from harness.compiler import attrs
from harness.compiler.block.reading.conditions import HELD
from harness.compiler.block.reading.held import KEPT, computed_integers
from harness.compiler.diagnostics import TTPass, refuse
from harness.compiler.facts.forms import infer_forms
from harness.compiler.facts.kernel import Kernel, read_kernel
from harness.compiler.facts.signed import INT8, stored_dtype
from harness.language.blockformats import BLOCK_FORMATS, VALUES, dtype_of
from harness.language.ops import COPY
from harness.language.regions import constant
from harness.language.tensors import BLOCK_DTYPES, TRUTH
from simulator.arch import TILE
from simulator.formats.dataformat import DataFormat
from simulator.plan.tensors import padded_shape


def tile_grid(shape: tuple[int, ...]) -> tuple[int, int, int]:
    """(leading, row tiles, column tiles) of an on-chip shape; 1-D is one row."""
    *lead, rows, columns = padded_shape(shape)
    return math.prod(lead), rows // TILE, columns // TILE


@lru_cache(maxsize=8)
def onchip_dtypes(kernel: Kernel) -> Mapping[str, str]:
    """Dtype of every on-chip buffer as it is kept.

    A buffer filled by copies from tensors of one block format, and by nothing else, keeps their
    format: what reads it sees the same values, in half the space or less. Conditions are numbers,
    and whole numbers that are computed are real ones.
    """
    sources: dict[str, set[str]] = {}
    params = {p.name for p in kernel.params}
    for access in kernel.accesses:
        if access.write:
            call = access.node
            is_copy = isinstance(call, Call) and call.op.name == COPY
            whole = access.extents == tuple(constant(d) for d in access.buffer.ty.shape)
            loaded = is_copy and whole and call.args[0].source.name in params
            made = dtype_of(call.args[0].source) if loaded else ""
            sources.setdefault(access.buffer.name, set()).add(made)
    out, computed = {}, computed_integers(kernel)
    for buffer in kernel.onchip:
        own, found = dtype_of(buffer), sources.get(buffer.name, set())
        (only,) = found if len(found) == 1 else ("",)
        kept = only if own == VALUES and only in BLOCK_FORMATS else own
        kept = stored_dtype(buffer, kernel.signed) if own == INT8 else kept
        kept = KEPT if buffer.name in computed else kept
        out[buffer.name] = HELD if own == TRUTH else kept
    return out


@lru_cache(maxsize=8)
def describe_onchip(kernel: Kernel) -> Mapping[str, Mapping[str, Any]]:
    """What ``tt.onchip_desc`` must say of a kernel; LowerTTTileIntrinsics holds it to that."""
    forms, dtypes = infer_forms(kernel), onchip_dtypes(kernel)
    out: dict[str, dict[str, Any]] = {}
    for buffer in kernel.onchip:
        shape = tuple(constant(d) for d in buffer.ty.shape)
        fmt = DataFormat.from_ir(dtypes[buffer.name])
        out[buffer.name] = {
            "data_format": fmt.value,
            "page_bytes": fmt.tile_bytes(),
            "tiles": list(tile_grid(shape)),  # type: ignore[arg-type]
            "shape": list(shape),
            "form": forms[buffer.name],
        }
    return out


def multiplies_integers(func: tirx.PrimFunc) -> bool:
    """Whether T.gemm reads int8, which is kept as sign and magnitude for nothing else."""
    described = attrs.get(func, attrs.TT_ONCHIP_DESC, {})
    return any(desc["data_format"] == DataFormat.Int8.value for desc in described.values())


class PropagateTTLayout(TTPass):
    """Formats and pages from tensors to on-chip buffers."""

    name = "PropagateTTLayout"

    def transform_function(
        self, var: tvm.ir.GlobalVar, func: tirx.PrimFunc
    ) -> list[tuple[tvm.ir.GlobalVar, tirx.PrimFunc]]:
        """Describe every on-chip buffer."""
        if attrs.get(func, attrs.TT_LAYOUT_DESC) is None:
            refuse("tt.layout_desc is missing", code="PassOrder", node=func.body,
                   next_step="run InferTTLayout first")  # fmt: skip
        kernel = read_kernel(func)
        found = kernel.accesses
        written = {a.buffer.name for a in found if a.write}
        for buffer in kernel.onchip:
            dtype = dtype_of(buffer)
            if dtype not in BLOCK_DTYPES:
                known = ", ".join(BLOCK_DTYPES)
                refuse(f"buffer {buffer.name!r} has dtype {dtype}", code="UnsupportedDtype",
                       node=kernel.body, next_step=f"use one of {known}")  # fmt: skip
            first = next((a for a in found if a.buffer.same_as(buffer)), None)
            if first is not None and buffer.name not in written:
                refuse(f"buffer {buffer.name!r} is read but never written",
                       code="UninitialisedBuffer", node=first.node)  # fmt: skip
        return [(var, func.with_attr(attrs.TT_ONCHIP_DESC, describe_onchip(kernel)))]
