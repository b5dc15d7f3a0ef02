"""T.copy between tensors and blocks, whatever lies which way and in which dtype."""

from __future__ import annotations

from typing import Any

from tvm import tirx
from tvm.ir import Call, TensorRegion

from harness.compiler.block.emitting.pieces import FACE
from harness.compiler.block.lattice import Lattice, Run
from harness.compiler.block.model import (
    Buffer,
    Convert,
    Eltwise,
    Leaf,
    Load,
    Statement,
    Store,
    Transpose,
    Unary,
)
from harness.compiler.block.moved import Moved, zero
from harness.compiler.block.parts import Parts
from harness.compiler.block.reading.blocks import Blocks
from harness.compiler.block.reading.gather import Gathered
from harness.compiler.block.reading.held import KEPT, WHOLES
from harness.compiler.block.region import Region
from harness.compiler.block.whole import NARROW, NUMBERS, WHOLE, copied, in_parts, total
from harness.compiler.diagnostics import refuse
from harness.compiler.facts.accesses import loads_of
from harness.language.blockformats import BLOCK_FORMATS, dtype_of
from harness.language.regions import constant
from harness.language.tensors import DTYPES, TRUTH


class Copies(Blocks):
    """Blocks, and how they are loaded, stored and copied."""

    def copy(
        self, call: Call, src: TensorRegion, dst: TensorRegion, parts: Parts
    ) -> list[Statement]:  # fmt: skip
        """A T.copy: a load, a store, or a block into another."""
        from_tensor, to_tensor = src.source.name in self.params, dst.source.name in self.params
        if dtype_of(src.source) in DTYPES and dtype_of(dst.source) in WHOLES:
            return self.cut(call, src, dst, parts)
        if from_tensor:
            region = self.region(src, call, gathers=True)
            return self.load(call, self.block(dst, call, parts.write), region)
        if to_tensor:
            region = self.region(dst, call, gathers=True)
            return self.unload(call, region, self.block(src, call, parts.read))
        a, b = self.block(src, call, parts.read), self.block(dst, call, parts.write)
        if (a.lead, a.shape) == (b.lead, b.shape):
            return [Eltwise(call, b, copied(a, b))]
        if (a.lead, a.shape) == (b.lead, b.shape[::-1]) and 1 in a.shape:
            return self.converted(call, b, a)
        refuse(f"T.copy between on-chip shapes {a.shape} and {b.shape}", node=call,
               code="ShapeMismatch", next_step="copy blocks of one shape")  # fmt: skip

    def cut(
        self, call: Call, src: TensorRegion, dst: TensorRegion, parts: Parts
    ) -> list[Statement]:  # fmt: skip
        """A copy of real numbers to integers, which cuts them."""
        to_tensor, dtype = dst.source.name in self.params, dtype_of(dst.source)
        made: list[Statement] = []
        target = None if to_tensor else self.block(dst, call, parts.write)
        if src.source.name in self.params:
            region = self.region(src, call, gathers=True)
            if target is None:
                refuse("T.copy of real numbers between tensors, the second of integers", node=call,
                       next_step="copy them to a block first")  # fmt: skip
            real = target.like(self.temp(f"{target.name}_real"), dtype_of(src.source))
            made += self.load(call, real, region)
        else:
            real = self.block(src, call, parts.read)
        whole = real.like(self.temp(f"{dst.source.name}_cut"), KEPT)
        self.whole[whole] = dtype
        cut = Convert(dtype if dtype in NARROW else WHOLE, Leaf(real))
        made.append(Eltwise(call, whole, Convert(KEPT, cut)))
        if target is None:
            return [*made, *self.unload(call, self.region(dst, call), whole)]
        if (whole.lead, whole.shape) == (target.lead, target.shape):
            return [*made, Eltwise(call, target, copied(whole, target))]
        if (whole.lead, whole.shape) == (target.lead, target.shape[::-1]) and 1 in whole.shape:
            return [*made, *self.converted(call, target, whole)]
        refuse(f"T.copy between on-chip shapes {whole.shape} and {target.shape}", node=call,
               code="ShapeMismatch", next_step="copy blocks of one shape")  # fmt: skip

    def converted(self, node: Any, dst: Buffer, src: Buffer) -> list[Statement]:
        """``dst = src`` where one lies in a row and the other in a column."""
        made: list[Statement] = []
        parts = [src]
        if src.dtype in NUMBERS and not dst.format.is_integer:
            made, parts = in_parts(src, node, self.temp)
        turned = [part.turned(self.temp(f"{part.name}_t")) for part in parts]
        made += [Transpose(node, t, part) for t, part in zip(turned, parts, strict=True)]
        return [*made, Eltwise(node, dst, total(map(Leaf, turned)))]

    def unload(self, node: Any, region: Region, buffer: Buffer) -> list[Statement]:
        """A store; a vector that lies the other way in its tensor is turned first."""
        if isinstance(region, Gathered):
            return [Store(node, region, buffer)]
        if {buffer.form, lies(region)} == {"row", "col"}:
            turned = buffer.turned(self.temp(f"{buffer.name}_t"))
            return [Transpose(node, turned, buffer), *self.unload(node, region, turned)]
        _fit(region, buffer, node)
        return [Store(node, region, buffer)]

    def load(self, node: Any, buffer: Buffer, region: Region) -> list[Statement]:
        """A load; where tensor and buffer differ in dtype, through a buffer of the tensor's.

        A vector that lies the other way in its tensor is turned once it is there.
        """
        dtype = self.stored(region.tensor)
        if {buffer.form, lies(region)} == {"row", "col"}:
            raw = buffer.turned(self.temp(f"{buffer.name}_{region.tensor.name}"))
            raw.dtype = dtype
            return [*self.load(node, raw, region), *self.converted(node, buffer, raw)]
        _fit(region, buffer, node)
        if self.begins_in_a_run(region, buffer):
            return self.windowed(node, buffer, region)
        if dtype == buffer.dtype:
            return [Load(node, buffer, region)]
        raw = buffer.like(self.temp(f"{buffer.name}_{region.tensor.name}"), dtype)
        expr = copied(raw, buffer)
        truth = dtype_of(region.tensor) == TRUTH
        return [
            Load(node, raw, region),
            Eltwise(node, buffer, Unary("nez", expr) if truth else expr),
        ]

    def begins_in_a_run(self, region: Region, buffer: Buffer) -> bool:
        """Whether the columns of a region begin inside a row of a face, where no piece does."""
        start = region.starts[-1]
        if loads_of(*region.starts) or dtype_of(region.tensor) in BLOCK_FORMATS or buffer.lead > 1:
            return False
        return not self.parts().proves(tirx.FloorMod(start, tirx.const(FACE, "int32")).equal(0))

    def window(self, parts: Parts, start: Any, extent: int) -> tuple[Any, Any, int]:
        """The multiple of 16 before a column, how far it is from there, and whole runs to read."""
        runs, analyzer = tirx.const(FACE, "int32"), parts.analyzer()
        first = analyzer.simplify(tirx.FloorDiv(start, runs) * runs)
        shift = analyzer.simplify(start - first)
        most = constant(shift)
        most = FACE - 1 if most is None else most
        return first, shift, -(-(most + extent) // FACE) * FACE

    def windowed(self, node: Any, buffer: Buffer, region: Region) -> list[Statement]:
        """A load of columns from anywhere: of the runs they lie in, from which they are moved."""
        first, shift, wide = self.window(self.parts(), region.starts[-1], region.extents[-1])
        rows, columns = buffer.shape
        dtype = self.stored(region.tensor)
        wanted = Region(region.tensor, [*region.starts[:-1], first], [*region.extents[:-1], wide])
        window = self.block_of(f"{region.tensor.name}_window", dtype, (rows, wide))
        raw = buffer if dtype == buffer.dtype else buffer.like(
            self.temp(f"{buffer.name}_{region.tensor.name}"), dtype)  # fmt: skip
        all_of_it = Lattice(Run(0, 1, rows), Run(0, 1, columns), 0, 0, 1, 0, 1)
        made = [*self.load(node, window, wanted),
                Moved(node, raw, window, None, (all_of_it,), zero(), shift)]  # fmt: skip
        return made if raw is buffer else [*made, Eltwise(node, buffer, copied(raw, buffer))]


def lies(region: Region) -> str:
    """How a vector of a tensor lies in its tiles, ``row`` or ``col``; ``full`` where it is none."""
    *lead, last = region.extents
    if all(e == 1 for e in lead):
        return "row"
    return "col" if last == 1 and all(e == 1 for e in lead[:-1]) else "full"


def _fit(region: Region, buffer: Buffer, node: Any) -> None:
    """A region's leading and tile extents are the buffer's."""
    extents = region.extents if len(region.extents) > 1 else [1, *region.extents]
    lead = 1
    for e in extents[:-2]:
        lead *= e
    if (lead, tuple(extents[-2:])) != (buffer.lead, buffer.shape):
        refuse(f"T.copy between region {tuple(region.extents)} and block of"
               f" {buffer.lead}x{buffer.shape}", node=node, code="ShapeMismatch",
               next_step="unit dimensions may only lead")  # fmt: skip
