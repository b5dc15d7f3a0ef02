"""Plans and programs made without the compiler, and what they must answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from simulator.arch import TILE, find_arch
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
    Semaphore,
)
from simulator.program import If, Loop, Op, Program, Stmt

DEVICE = "wormhole_n150"
Core = tuple[int, int]


@dataclass(frozen=True)
class Buffer:
    """A circular buffer: pages, and the threads at its ends."""

    depth: int
    producer: str
    consumer: str
    to_dest: bool = False


@dataclass(frozen=True)
class Made:
    """A plan in the making.

    Attributes:
        cores: columns and rows.
        dtype: of the tensors and of every buffer.
        buffers: circular buffers by id.
        programs: reader, compute and writer.
        args: runtime arguments per program and core.
        meaning: for each page of C the pages of A it is the sum of.
        pages: pages of A.
        semaphores: initial values by id, on all cores.
    """

    cores: tuple[int, int]
    dtype: str
    buffers: tuple[Buffer, ...]
    programs: tuple[Program, ...]
    args: Mapping[str, Mapping[Core, tuple[int, ...]]]
    meaning: tuple[tuple[int, ...], ...]
    pages: int
    semaphores: tuple[int, ...] = field(default=())

    def changed(self, **fields: Any) -> Made:
        """A copy with other fields."""
        return replace(self, **fields)

    def places(self) -> list[Core]:
        """All cores, along rows."""
        return [(x, y) for y in range(self.cores[1]) for x in range(self.cores[0])]

    def inputs(self, seed: int) -> npt.NDArray[np.float32]:
        """A: integers whose sums every dtype holds."""
        most = 128 // max(len(pages) for pages in self.meaning)
        drawn = np.random.default_rng(seed).integers(-most, most + 1, (TILE, TILE * self.pages))
        return drawn.astype(np.float32)

    def answer(self, a: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """C."""
        tiles = a.reshape(TILE, self.pages, TILE)
        return np.concatenate([tiles[:, list(p)].sum(axis=1) for p in self.meaning], axis=1)

    def plan(self) -> Plan:
        """The plan."""
        arch = find_arch(DEVICE)
        everywhere = (CoreRange(start=(0, 0), extent=self.cores),)
        fmt = DataFormat.from_ir(self.dtype)
        sizes: tuple[tuple[str, Any, int], ...] = (
            ("A", "input", self.pages), ("C", "output", len(self.meaning)),
        )  # fmt: skip
        layouts = {
            name: Layout(dtype=self.dtype, logical_shape=(TILE, TILE * pages),
                         padded_shape=(TILE, TILE * pages), role=role)
            for name, role, pages in sizes
        }  # fmt: skip
        buffers = tuple(
            CircularBuffer(
                id=i,
                name=f"cb{i}",
                page_bytes=fmt.tile_bytes(),
                depth=buffer.depth,
                data_format=fmt.value,
                producer=buffer.producer,  # type: ignore[arg-type]  # one of the three threads
                consumer=buffer.consumer,  # type: ignore[arg-type]  # likewise
                core_ranges=everywhere,
                unpack_to_dest=buffer.to_dest and self.dtype == "float32",
                alias_of=None,
            )
            for i, buffer in enumerate(self.buffers)
        )
        kernels = tuple(
            Kernel(
                program=p.name,
                core_ranges=everywhere,
                compute=ComputeConfig(math_fidelity="HiFi4", fp32_dest_acc_en=True,
                                      dst_full_sync_en=False) if p.thread == "compute" else None,
                compile_args={t: {"accessor": t} for t in p.accessors},
                common_args={f"{t}_addr": {"addr": t} for t in p.accessors},
                runtime_args={core_key(c): v for c, v in self.args.get(p.name, {}).items()},
            )
            for p in self.programs
        )  # fmt: skip
        return Plan(
            schema_version=1,
            name="made",
            device=Device(name=arch.name, arch=arch.family, board=arch.board),
            options={},
            kernel_grid=(1, 1, 1),
            core_grid=self.cores,
            core_ranges=everywhere,
            work_partition={core_key(c): () for c in self.places()},
            work_descriptors={core_key(c): Linear(order="row_major", start=0, count=0)
                              for c in self.places()},
            layouts=layouts,
            output_blocks={},
            io=("A", "C"),
            circular_buffers=buffers,
            kernels=kernels,
            op_table_version=OP_TABLE_VERSION,
            programs_sha256="",
            semaphores=tuple(Semaphore(id=i, core_ranges=everywhere, initial=value)
                             for i, value in enumerate(self.semaphores)),
        )  # fmt: skip


def programs(
    reader: Sequence[Stmt], compute: Sequence[Stmt], writer: Sequence[Stmt],
    args: Sequence[str], compute_args: Sequence[str] = (),
) -> tuple[Program, ...]:  # fmt: skip
    """The three programs; reader and writer take the arguments ``args``."""
    return (
        Program(name="reader", thread="ncrisc", accessors=("A",), runtime_args=tuple(args),
                body=tuple(reader)),
        Program(name="compute", thread="compute", runtime_args=tuple(compute_args),
                body=tuple(compute)),
        Program(name="writer", thread="brisc", accessors=("C",), runtime_args=tuple(args),
                body=tuple(writer)),
    )  # fmt: skip


def op(name: str, *args: Any) -> Op:
    """A device op."""
    return Op(name=name, args=args, loc=None)


def loop(var: str, stop: Any, *body: Stmt) -> Loop:
    """``for var in range(stop)``."""
    return Loop(var=var, start=0, stop=stop, body=body)


def when(cond: Any, then: Sequence[Stmt], orelse: Sequence[Stmt] = ()) -> If:
    """A branch."""
    return If(cond=cond, then=tuple(then), orelse=tuple(orelse))


def plus(*terms: Any) -> Any:
    """Their sum."""
    total = terms[0]
    for term in terms[1:]:
        total = ["+", total, term]
    return total


def slot(pointer: str, cb: int, page: int, index: Any) -> Any:
    """The address of a page of a window."""
    return plus([pointer, cb], ["*", index, page])


def fetched(page: Any, address: Any) -> list[Stmt]:
    """A page of A read and waited for."""
    return [op("noc_async_read_page", page, "A", address), op("noc_async_read_barrier")]


def stored(page: Any, cb: int, count: int, size: int) -> list[Stmt]:
    """``count`` pages from the front of a buffer to C."""
    number = plus(page, "i")
    return [
        op("cb_wait_front", cb, count),
        loop("i", count, op("noc_async_write_page", number, "C",
                            slot("get_read_ptr", cb, size, "i"))),
        op("noc_async_write_barrier"),
        op("cb_pop_front", cb, count),
    ]  # fmt: skip


def hop(source: int, target: int, count: int) -> list[Stmt]:
    """A block from a circular buffer to another, a tile of DST at a time."""
    tile = (
        op("tile_regs_acquire"),
        op("copy_tile", source, "i", 0),
        op("tile_regs_commit"),
        op("tile_regs_wait"),
        op("pack_tile", 0, target),
        op("tile_regs_release"),
    )
    return [
        op("reconfig_data_format_srca", source),
        op("copy_init", source),
        op("pack_reconfig_data_format", target),
        op("cb_wait_front", source, count),
        op("cb_reserve_back", target, count),
        loop("i", count, *tile),
        op("cb_push_back", target, count),
        op("cb_pop_front", source, count),
    ]


def startup(source: int, target: int) -> Op:
    """What every compute program begins with."""
    return op("compute_kernel_hw_startup", "Regular", source, source, target)
