"""The blocks that statements work on: a kernel's own, and more where a statement needs them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tvm.ir import TensorRegion

from harness.compiler.block.model import Buffer, Expr
from harness.compiler.block.parts import Parts
from harness.compiler.block.reading.held import computed_integers
from harness.compiler.block.region import Region
from harness.compiler.diagnostics import refuse
from harness.compiler.facts.accesses import region_access
from harness.compiler.facts.affine import block_ranges
from harness.compiler.facts.forms import infer_forms
from harness.compiler.facts.kernel import Kernel
from harness.compiler.facts.lookups import index_tensors
from harness.compiler.facts.signed import stored_dtype
from harness.compiler.passes.propagate_layout import onchip_dtypes, tile_grid
from harness.language.regions import constant
from simulator.arch import TILE


class Blocks:
    """What the statements of one kernel work on, as they are read one after another."""

    def __init__(self, kernel: Kernel, fp32_dest: bool) -> None:
        self.fp32_dest = fp32_dest
        forms, dtypes = infer_forms(kernel), onchip_dtypes(kernel)
        self.params = {p.name: p for p in kernel.params}
        self.buffers: dict[str, Buffer] = {}
        self.whole: dict[Buffer, str] = {}
        self.exact: list[tuple[Any, Expr]] = []
        self.held = computed_integers(kernel)
        self.signed = kernel.signed
        self.tables = frozenset(index_tensors(kernel))
        self.names: set[str] = set()
        self.ranges = block_ranges(kernel)
        for b in kernel.onchip:
            shape = tuple(constant(d) or 0 for d in b.ty.shape)
            self.buffers[b.name] = make_buffer(b.name, dtypes[b.name], shape, forms[b.name])

    def stored(self, buffer: Any) -> str:
        """The dtype elements of a tensor or block lie in memory in."""
        return stored_dtype(buffer, self.signed)

    def parts(self) -> Parts:
        """For the parts of blocks that one statement uses."""
        return Parts(self.buffers, self.ranges, self.temp)

    def block(
        self, region: TensorRegion, node: Any, use: Callable[[Any, Any, Any, Any], Buffer]
    ) -> Buffer:  # fmt: skip
        """The on-chip block of a region; ``use`` is one of the ways of :class:`Parts`."""
        name = region.source.name
        if name not in self.buffers:
            refuse(f"{name!r} is a tensor in device memory; this op works on on-chip blocks",
                   node=node, next_step="T.copy it to an on-chip buffer first")  # fmt: skip
        access = region_access(region, node, write=False)
        return use(region.source, access.starts, access.extents, node)

    def block_of(
        self, stem: str, dtype: str, shape: tuple[int, ...], form: str = "full"
    ) -> Buffer:  # fmt: skip
        """A block of its own for what a statement needs."""
        return make_buffer(self.temp(stem), dtype, shape, form)

    def temp(self, stem: str) -> str:
        """A name no buffer has yet."""
        name, n = stem, 1
        while name in self.names or name in self.buffers or name in self.params:
            name, n = f"{stem}_{n}", n + 1
        self.names.add(name)
        return name

    def region(self, region: TensorRegion, node: Any, *, gathers: bool = False) -> Region:
        """The rectangle of a tensor that a copy names; where it starts, it may ask tensors."""
        access = region_access(region, node, write=False, gathers=gathers)
        return Region(region.source, list(access.starts), list(access.extents))


def make_buffer(name: str, dtype: str, shape: tuple[int, ...], form: str = "full") -> Buffer:
    """A block buffer of a shape in elements; a vector lies as its form says."""
    if len(shape) == 1:
        last = (shape[0], 1) if form == "col" else (1, shape[0])
        return Buffer(name, dtype, 1, -(-last[0] // TILE), -(-last[1] // TILE), last,
                      "row" if form == "full" else form)  # fmt: skip
    lead, rows, cols = tile_grid(shape)
    return Buffer(name, dtype, lead, rows, cols, (shape[-2], shape[-1]), form)
