"""Circular buffers for the named L1 buffers of a block program: ids, depths, formats, ends."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Final

from harness.compiler.block.names import is_index_row
from harness.compiler.dealing.matching import row_width
from harness.compiler.diagnostics import refuse
from harness.compiler.options import CompileOptions
from harness.compiler.split.inplace import Backed
from harness.compiler.split.lifetimes import Span, disjoint, lifetimes
from harness.compiler.split.tree import Block, Cond, Loop, Node, calls
from harness.language.blockformats import dtype_of
from harness.language.parsing.frames import NUM_STAGES
from harness.language.regions import constant
from simulator.arch import TILE
from simulator.formats.dataformat import DataFormat

PROCESSORS: Final = (("reader", "ncrisc"), ("compute", "compute"), ("writer", "brisc"))
"""Which RISC-V runs which thread: tt-metal's reader and writer defaults."""
_FPU_OPS: Final = ("matmul_tiles", "transpose_tile", "add_tiles", "sub_tiles", "mul_tiles",
                   "reduce_tile")  # fmt: skip
FIRST_OUTPUT: Final = 16
"""First circular buffer id of outputs (tt-metal's c_16 convention)."""

_COMPUTED: Final = 1 << 16
"""First number, until ids are given, of what the compute thread fills."""


@dataclass(frozen=True)
class Circular:
    """A block buffer and its circular buffer: ``tiles`` pages per block, ``blocks`` blocks deep.

    Block buffers that take turns have one ``id`` and ``name``. ``tensor`` is the sharded tensor
    whose memory it is, ``page`` the shape of its pages.
    """

    id: int
    name: str
    buffer: Any
    format: DataFormat
    tiles: int
    blocks: int
    producer: str
    consumer: str
    unpack_to_dest: bool
    tensor: str | None = None
    page: tuple[int, int] = (TILE, TILE)

    def may_share(self, other: Circular, *, tight: bool = False) -> bool:
        """Whether two buffers may take turns in one circular buffer.

        Those of the compute thread may, and rows of indices between the same threads: both ends
        come to them in one order. So do all between the same threads, which where it is ``tight``
        give up that one is filled while the other is in use.
        """
        mine = (self.format, self.tiles, self.blocks, self.unpack_to_dest, self.page)
        theirs = (other.format, other.tiles, other.blocks, other.unpack_to_dest, other.page)
        ends = (self.producer, self.consumer), (other.producer, other.consumer)
        rows = is_index_row(self.buffer) and is_index_row(other.buffer)
        alike = set(ends) == {("compute", "compute")} or ((rows or tight) and ends[0] == ends[1])
        return mine == theirs and alike and self.tensor is None is other.tensor

    @property
    def depth(self) -> int:
        """Pages."""
        return self.tiles * self.blocks

    @property
    def page_bytes(self) -> int:
        """Bytes of one tile, or of one row of indices."""
        return self.format.tile_bytes(self.page)


def processor(thread: str) -> str:
    """The RISC-V of a thread."""
    return dict(PROCESSORS)[thread]


def allocate(
    nodes: list[Node], options: CompileOptions, *, several_items: bool,
    tensors: Mapping[str, int], backed: Mapping[Any, Backed] = MappingProxyType({}),
    tight: bool = False,
) -> list[Circular]:  # fmt: skip
    """Circular buffers in id order.

    Where they are more than the device has, and every core fills them alone, more of them take
    turns: it is ``tight``.

    ``several_items`` says whether any core visits more than one block, which is when reading ahead
    of the current one is worth a second block; ``tensors`` holds the bytes that tensors in L1 take
    on every core, by name; ``backed`` the buffers that are tensors' own memory.

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
                fpu.update(a for a in call.args[:] if a in order)
            elif name in ("copy_tile", "unary_bcast"):
                exact.update(a for a in call.args[:] if a in order)

    visit(nodes, None)
    spans = lifetimes(nodes)
    out: list[Circular] = []
    taken: dict[int, list[Span]] = {}
    numbers = {True: 0, False: _COMPUTED}
    for buffer in order:
        ends = producers.get(buffer, set()), consumers.get(buffer, set())
        if len(ends[0]) != 1 or len(ends[1]) != 1:
            filled, used = (" and ".join(sorted(end)) or "nobody" for end in ends)
            refuse(f"buffer {buffer.name!r} is filled by {filled} and used by {used}; each end"
                   " belongs to one thread", code="UnpairedBuffer",
                   next_step="give the block program one producer and one consumer per"
                   " buffer")  # fmt: skip
        (producer,), (consumer,) = ends
        fmt = DataFormat.from_ir(dtype_of(buffer))
        made = Circular(
            id=-1,
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
        )  # fmt: skip
        if is_index_row(buffer):
            width = row_width(constant(buffer.ty.shape[2]) or 1, fmt, options.arch)
            made = replace(made, page=(1, width))
        if buffer in backed:
            own = backed[buffer]
            made = replace(made, tensor=own.tensor, blocks=own.pages // made.tiles)
        host = next((c for c in out if made.may_share(c, tight=tight) and all(
            disjoint(spans[buffer], span) for span in taken[c.id])), None)  # fmt: skip
        if host is None:
            from_reader = producer != "compute"
            number = numbers[from_reader]
            numbers[from_reader] += 1
        else:
            number = host.id
        taken.setdefault(number, []).append(spans[buffer])
        out.append(replace(made, id=number, name=made.name if host is None else host.name))
    if len(distinct(out)) > options.arch.num_cbs and not tight and not options.multicast:
        return allocate(nodes, options, several_items=several_items, tensors=tensors,
                        backed=backed, tight=True)  # fmt: skip
    out = _renumber(out, options.arch.num_cbs)
    _check(distinct(out), options, tensors)
    return sorted(out, key=lambda c: c.id)


def distinct(buffers: Iterable[Circular]) -> list[Circular]:
    """One entry per circular buffer, where several block buffers share one."""
    return list({c.id: c for c in reversed(list(buffers))}.values())[::-1]


def _renumber(buffers: list[Circular], most: int) -> list[Circular]:
    """Ids from 0 for what the reader fills and FIRST_OUTPUT for the rest; from 0 where many."""
    used = dict.fromkeys(c.id for c in buffers)
    computed = [n for n in used if n >= _COMPUTED]
    order = {n: n if n < _COMPUTED else n - _COMPUTED + FIRST_OUTPUT for n in used}
    if len(used) - len(computed) > FIRST_OUTPUT or FIRST_OUTPUT + len(computed) > most:
        order = {old: new for new, old in enumerate(used)}
    return [replace(c, id=order[c.id]) for c in buffers]


def _blocks(
    producer: str,
    consumer: str,
    in_place: bool,
    stages: int | None,
    options: CompileOptions,
    *,
    several_items: bool,
) -> int:
    if producer == "compute" and consumer == "compute":
        return 2 if in_place else 1
    if producer == consumer:
        return 1  # nobody else works meanwhile
    if producer == "reader":
        if stages is None:  # read once per work item
            return 2 if options.prefetch and several_items else 1
        return max(2, stages) if options.double_buffer else 1
    return 2 if options.double_buffer else 1


def _check(buffers: list[Circular], options: CompileOptions, tensors: Mapping[str, int]) -> None:
    arch = options.arch
    if len(buffers) > arch.num_cbs:
        refuse(f"the kernel needs {len(buffers)} circular buffers, {arch.name} has {arch.num_cbs}",
               code="CBCapacity", next_step="use fewer on-chip buffers")  # fmt: skip
    buffers = [c for c in buffers if c.tensor is None]
    total = sum(c.depth * c.page_bytes for c in buffers)
    room = arch.l1_bytes - arch.l1_base - sum(tensors.values())
    if total > room:
        largest = max(buffers, key=lambda c: c.depth * c.page_bytes)
        refuse(
            f"circular buffers take {total} B of L1, {arch.name} has {room} B per core"
            f"{_beside(tensors)}; the largest, {largest.name!r}, takes"
            f" {largest.depth * largest.page_bytes} B",
            code="L1Overflow",
            next_step="use smaller blocks, fewer stages, or --no-double-buffer"
            + (", or leave tensors in DRAM" if tensors else ""),
        )


def _beside(tensors: Mapping[str, int]) -> str:
    """What tensors in L1 leave of it, in words."""
    taken = ", ".join(f"{name} {size} B" for name, size in tensors.items())
    return f" beside its tensors ({taken})" if tensors else ""
