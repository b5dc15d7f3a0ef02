"""A valid plan and its programs: tiles stream through a chain of buffers on every core."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from simulator.arch import find_arch
from simulator.formats.dataformat import DataFormat
from simulator.isa import OP_TABLE_VERSION
from simulator.plan.coords import core_key
from simulator.plan.schema import (
    CircularBuffer,
    ComputeConfig,
    CoreRange,
    Device,
    Kernel,
    Layout,
    Linear,
    Plan,
)
from simulator.program import Loop, Op, Program, Stmt

DEVICE = "wormhole_n150"


@dataclass(frozen=True)
class Stream:
    """A plan in the making.

    Attributes:
        tiles: tiles per core.
        depths: pages per circular buffer, in the order of the chain.
        cores: columns and rows.
        dtype: of the tensors and of every buffer.
        programs: reader, compute and writer.
    """

    tiles: int
    depths: tuple[int, ...]
    cores: tuple[int, int]
    dtype: str
    programs: tuple[Program, ...] = ()

    def changed(self, **fields: Any) -> Stream:
        """A copy with other fields."""
        return replace(self, **fields)

    @property
    def shape(self) -> tuple[int, int]:
        """Of A and C: one row of tiles."""
        return 32, 32 * self.tiles * self.cores[0] * self.cores[1]

    def plan(self) -> Plan:
        """The plan."""
        arch = find_arch(DEVICE)
        everywhere = (CoreRange(start=(0, 0), extent=self.cores),)
        cores = [(x, y) for y in range(self.cores[1]) for x in range(self.cores[0])]
        fmt = DataFormat.from_ir(self.dtype)
        roles: tuple[tuple[str, Any], ...] = (("A", "input"), ("C", "output"))
        layouts = {
            name: Layout(dtype=self.dtype, logical_shape=self.shape, padded_shape=self.shape,
                         role=role)
            for name, role in roles
        }  # fmt: skip
        last = len(self.depths) - 1
        buffers = tuple(
            CircularBuffer(
                id=i,
                name=f"cb{i}",
                page_bytes=fmt.tile_bytes(),
                depth=depth,
                data_format=fmt.value,
                producer="ncrisc" if i == 0 else "compute",
                consumer="brisc" if i == last else "compute",
                core_ranges=everywhere,
                unpack_to_dest=self.dtype == "float32" and i < last,
                alias_of=None,
            )
            for i, depth in enumerate(self.depths)
        )
        starts: dict[str, tuple[Any, ...]] = {
            core_key(core): (i * self.tiles,) for i, core in enumerate(cores)
        }
        kernels = tuple(
            Kernel(
                program=p.name,
                core_ranges=everywhere,
                compute=ComputeConfig(math_fidelity="HiFi4", fp32_dest_acc_en=True,
                                      dst_full_sync_en=False) if p.thread == "compute" else None,
                compile_args={t: {"accessor": t} for t in p.accessors},
                common_args={f"{t}_addr": {"addr": t} for t in p.accessors},
                runtime_args=starts if p.runtime_args else {},
            )
            for p in self.programs
        )  # fmt: skip
        return Plan(
            schema_version=1,
            name="stream",
            device=Device(name=arch.name, arch=arch.family, board=arch.board),
            options={},
            kernel_grid=(1, 1, 1),
            core_grid=self.cores,
            core_ranges=everywhere,
            work_partition={core_key(c): () for c in cores},
            work_descriptors={core_key(c): Linear(order="row_major", start=0, count=0)
                              for c in cores},
            layouts=layouts,
            output_blocks={},
            io=("A", "C"),
            circular_buffers=buffers,
            kernels=kernels,
            op_table_version=OP_TABLE_VERSION,
            programs_sha256="",
        )  # fmt: skip


def stream(
    tiles: int, block: int, depths: Sequence[int], cores: tuple[int, int], dtype: str
) -> Stream:
    """A valid stream; ``tiles`` and every depth are multiples of ``block``."""
    page = DataFormat.from_ir(dtype).tile_bytes()
    turns, last = tiles // block, len(depths) - 1

    def at(pointer: str, cb: int) -> list[Any]:
        return ["+", [pointer, cb], ["*", "i", page]]

    number = ["+", "start", ["+", ["*", "t", block], "i"]]
    reader = (
        _op("cb_reserve_back", 0, block),
        _loop("i", block, _op("noc_async_read_page", number, "A", at("get_write_ptr", 0))),
        _op("noc_async_read_barrier"),
        _op("cb_push_back", 0, block),
    )
    writer = (
        _op("cb_wait_front", last, block),
        _loop("i", block, _op("noc_async_write_page", number, "C", at("get_read_ptr", last))),
        _op("noc_async_write_barrier"),
        _op("cb_pop_front", last, block),
    )
    hops: list[Stmt] = []
    for cb in range(last):
        hops += _hop(cb, block)
    compute = (_op("compute_kernel_hw_startup", "Regular", 0, 0, last), _loop("t", turns, *hops))
    names = {"reader": ("ncrisc", ("A",), ("start",), (_loop("t", turns, *reader),)),
             "compute": ("compute", (), (), compute),
             "writer": ("brisc", ("C",), ("start",), (_loop("t", turns, *writer),))}  # fmt: skip
    programs = tuple(
        Program(name=name, thread=thread, accessors=accessors, runtime_args=runtime, body=body)
        for name, (thread, accessors, runtime, body) in names.items()
    )
    return Stream(tiles, tuple(depths), cores, dtype, programs)


def _hop(cb: int, block: int) -> list[Stmt]:
    """One block from a circular buffer to the next, a tile of DST at a time."""
    tile = (
        _op("tile_regs_acquire"),
        _op("copy_tile", cb, "i", 0),
        _op("tile_regs_commit"),
        _op("tile_regs_wait"),
        _op("pack_tile", 0, cb + 1),
        _op("tile_regs_release"),
    )
    return [
        _op("reconfig_data_format_srca", cb),
        _op("copy_init", cb),
        _op("pack_reconfig_data_format", cb + 1),
        _op("cb_wait_front", cb, block),
        _op("cb_reserve_back", cb + 1, block),
        _loop("i", block, *tile),
        _op("cb_push_back", cb + 1, block),
        _op("cb_pop_front", cb, block),
    ]


def _op(name: str, *args: Any) -> Op:
    return Op(name=name, args=args, loc=None)


def _loop(var: str, stop: int, *body: Stmt) -> Loop:
    return Loop(var=var, start=0, stop=stop, body=body)
