"""Circular buffers for the named L1 buffers of a block program: ids, depths, formats, ends."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from harness.compiler.diagnostics import refuse
from harness.compiler.options import CompileOptions
from harness.compiler.split.tree import Block, Cond, Loop, Node, calls, walk
from harness.language.frames import NUM_STAGES
from harness.language.regions import constant
from simulator.formats.dataformat import DataFormat

PROCESSORS: Final = (("reader", "ncrisc"), ("compute", "compute"), ("writer", "brisc"))
"""Which RISC-V runs which thread: tt-metal's reader and writer defaults."""
_FPU_OPS: Final = ("matmul_tiles", "transpose_tile", "add_tiles", "sub_tiles", "mul_tiles",
                   "reduce_tile")  # fmt: skip
FIRST_OUTPUT: Final = 16
"""First circular buffer id of outputs (tt-metal's c_16 convention)."""


@dataclass(frozen=True)
class Circular:
    """One circular buffer: ``tiles`` pages per block, ``blocks`` blocks deep."""

    id: int
    name: str
    buffer: Any
    format: DataFormat
    tiles: int
    blocks: int
    producer: str
    consumer: str
    unpack_to_dest: bool

    @property
    def depth(self) -> int:
        """Pages."""
        return self.tiles * self.blocks

    @property
    def page_bytes(self) -> int:
        """Bytes of one tile."""
        return self.format.tile_bytes()


def processor(thread: str) -> str:
    """The RISC-V of a thread."""
    return dict(PROCESSORS)[thread]


def allocate(nodes: list[Node], options: CompileOptions, *, several_items: bool) -> list[Circular]:
    """Circular buffers in id order.

    ``several_items`` says whether any core visits more than one block, which is when reading ahead
    of the current one is worth a second block.

    Raises:
        CompileError: more buffers than the device has, or more L1.
    """
    order: dict[Any, None] = {}
    producers: dict[Any, set[str]] = {}
    consumers: dict[Any, set[str]] = {}
    in_place: set[Any] = set()
    fpu: set[Any] = set()
    exact: set[Any] = set()
    stages: dict[Any, int] = {}

    def visit(items: list[Node], around: int | None) -> None:
        for node in items:
            if isinstance(node, Loop):
                annotated = node.node.annotations.get(NUM_STAGES)
                visit(node.body, max(around or 0, 0 if annotated is None else int(annotated)))
            elif isinstance(node, Cond):
                visit(node.then, around)
                visit(node.orelse, around)
            else:
                _block(node, around)

    def _block(node: Block, around: int | None) -> None:
        for buffer in (*node.defs, *node.uses):
            order[buffer] = None
        for buffer in node.defs:
            producers.setdefault(buffer, set()).add(node.thread)
            if buffer in node.uses:
                in_place.add(buffer)
            if around is not None:
                stages[buffer] = max(stages.get(buffer, 0), around)
        for buffer in node.uses:
            consumers.setdefault(buffer, set()).add(node.thread)
        for call in calls(node.stmt):
            name = call.op.name.removeprefix("tt.")
            if name in _FPU_OPS or "_tiles_" in name:
                fpu.update(a for a in call.args if a in order)
            elif name in ("copy_tile", "unary_bcast"):
                exact.update(a for a in call.args if a in order)

    visit(nodes, None)
    out = []
    next_input, next_output = 0, FIRST_OUTPUT
    for buffer in order:
        ends = producers.get(buffer, set()), consumers.get(buffer, set())
        if len(ends[0]) != 1 or len(ends[1]) != 1:
            raise AssertionError(f"{buffer.name}: producers {ends[0]}, consumers {ends[1]}")
        (producer,), (consumer,) = ends
        fmt = DataFormat.from_ir(str(buffer.ty.dtype))
        if producer == "compute":
            number, next_output = next_output, next_output + 1
        else:
            number, next_input = next_input, next_input + 1
        out.append(Circular(
            id=number,
            name=str(buffer.name),
            buffer=buffer,
            format=fmt,
            tiles=constant(buffer.ty.shape[0]) or 1,
            blocks=_blocks(producer, consumer, buffer in in_place, stages.get(buffer), options,
                           several_items=several_items),
            producer=producer,
            consumer=consumer,
            unpack_to_dest=fmt is DataFormat.Float32 and options.use_fp32_dest
            and buffer in exact and buffer not in fpu,
        ))  # fmt: skip
    if next_input > FIRST_OUTPUT or next_output > options.arch.num_cbs:
        out = _renumber(out)
    _check(out, options)
    return sorted(out, key=lambda c: c.id)


def _renumber(buffers: list[Circular]) -> list[Circular]:
    from dataclasses import replace

    return [replace(c, id=i) for i, c in enumerate(buffers)]


def _blocks(
    producer: str,
    consumer: str,
    in_place: bool,  # noqa: FBT001  (a fact about the buffer, passed by one caller)
    stages: int | None,
    options: CompileOptions,
    *,
    several_items: bool,
) -> int:
    if producer == "compute" and consumer == "compute":
        return 2 if in_place else 1
    if producer == "reader":
        if stages is None:  # read once per work item
            return 2 if options.prefetch and several_items else 1
        return max(2, stages) if options.double_buffer else 1
    return 2 if options.double_buffer else 1


def _check(buffers: list[Circular], options: CompileOptions) -> None:
    arch = options.arch
    if len(buffers) > arch.num_cbs:
        refuse(f"the kernel needs {len(buffers)} circular buffers, {arch.name} has {arch.num_cbs}",
               code="CBCapacity", next_step="use fewer on-chip buffers")  # fmt: skip
    total = sum(c.depth * c.page_bytes for c in buffers)
    room = arch.l1_bytes - arch.l1_base
    if total > room:
        largest = max(buffers, key=lambda c: c.depth * c.page_bytes)
        refuse(
            f"circular buffers take {total} B of L1, {arch.name} has {room} B per core; the largest,"
            f" {largest.name!r}, takes {largest.depth * largest.page_bytes} B",
            code="L1Overflow",
            next_step="use smaller blocks, fewer stages, or --no-double-buffer",
        )


__all__ = ["Circular", "allocate", "processor", "walk"]
