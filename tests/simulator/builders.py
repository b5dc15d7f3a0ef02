"""Hand-made plans and programs for tests and benchmarks of the machine."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import ceil, prod
from typing import Any

from simulator.arch import find_arch
from simulator.formats.dataformat import DataFormat
from simulator.isa import OP_TABLE_VERSION
from simulator.plan.coords import core_key
from simulator.plan.schema import (
    BlockMap,
    CircularBuffer,
    ComputeConfig,
    CoreRange,
    Device,
    Kernel,
    Layout,
    Linear,
    Plan,
    WorkItem,
)
from simulator.program import If, Let, Loop, Op, Program, Stmt

Core = tuple[int, int]


def op(name: str, *args: Any) -> Op:
    """A device op call."""
    return Op(name=name, args=args, loc=None)


def loop(var: str, stop: Any, *body: Stmt, start: Any = 0) -> Loop:
    """``for var in range(start, stop)``."""
    return Loop(var=var, start=start, stop=stop, body=body)


def let(var: str, value: Any) -> Let:
    """A binding."""
    return Let(var=var, value=value)


def when(cond: Any, *then: Stmt, orelse: tuple[Stmt, ...] = ()) -> If:
    """A branch."""
    return If(cond=cond, then=then, orelse=orelse)


def times(a: Any, b: Any) -> list[Any]:
    """A * b."""
    return ["*", a, b]


def plus(*terms: Any) -> Any:
    """Sum of terms."""
    total = terms[0]
    for term in terms[1:]:
        total = ["+", total, term]
    return total


def layout(dtype: str, shape: tuple[int, ...], role: str, **extra: Any) -> Layout:
    """An interleaved DRAM tensor."""
    rows, columns = (1, *shape)[-2:]
    padded = (*shape[:-2], ceil(rows / 32) * 32, ceil(columns / 32) * 32)
    return Layout(dtype=dtype, logical_shape=shape, padded_shape=padded, role=role, **extra)  # type: ignore[arg-type]


def rows(dtype: str, shape: tuple[int, ...], role: str, width: int, **extra: Any) -> Layout:
    """A row-major tensor whose pages are rows of ``width`` datums, padding included."""
    whole = shape if len(shape) > 1 else (1, *shape)
    padded = (*whole[:-1], ceil(whole[-1] / width) * width)
    return Layout(dtype=dtype, logical_shape=shape, padded_shape=padded, role=role,  # type: ignore[arg-type]
                  tile_shape=(1, width), **extra)  # fmt: skip


@dataclass
class Sketch:
    """A plan in the making: what tests vary, with everything else filled in.

    ``buffers`` maps CB ids to (format, depth, producer, consumer), ``shapes`` to the shape of
    their pages where that is no 32x32 tile; ``args`` gives each program's runtime arguments.
    """

    tensors: dict[str, Layout]
    buffers: dict[int, tuple[str, int, str, str]]
    programs: dict[str, Program]
    cores: tuple[int, int] = (1, 1)
    device: str = "wormhole_n150"
    args: dict[str, dict[Core, tuple[int, ...]]] = field(default_factory=dict)
    fp32_dest: bool = True
    full_sync: bool = False
    fidelity: str = "HiFi4"
    unpack_to_dest: frozenset[int] = frozenset()
    aliases: dict[int, int] = field(default_factory=dict)
    shapes: dict[int, tuple[int, int]] = field(default_factory=dict)
    extra: dict[str, Any] = field(default_factory=dict)

    def plan(self) -> Plan:
        """The plan."""
        arch = find_arch(self.device)
        everywhere = (CoreRange(start=(0, 0), extent=self.cores),)
        cores = [(x, y) for y in range(self.cores[1]) for x in range(self.cores[0])]
        buffers = tuple(
            CircularBuffer(
                id=number,
                name=f"cb{number}",
                page_bytes=DataFormat.from_name(fmt).tile_bytes(self.shapes.get(number, (32, 32))),
                tile_shape=self.shapes.get(number, (32, 32)),
                depth=depth,
                data_format=fmt,
                producer=producer,  # type: ignore[arg-type]
                consumer=consumer,  # type: ignore[arg-type]
                core_ranges=everywhere,
                unpack_to_dest=number in self.unpack_to_dest,
                alias_of=self.aliases.get(number),
            )
            for number, (fmt, depth, producer, consumer) in self.buffers.items()
        )
        kernels = tuple(self._kernel(name, everywhere) for name in self.programs)
        whole: dict[str, Any] = {
            "schema_version": 1,
            "name": "sketch",
            "device": Device(name=arch.name, arch=arch.family, board=arch.board),
            "options": {},
            "kernel_grid": (1, 1, 1),
            "core_grid": self.cores,
            "core_ranges": everywhere,
            "work_partition": {core_key(core): () for core in cores},
            "work_descriptors": {
                core_key(core): Linear(order="row_major", start=0, count=0) for core in cores
            },
            "layouts": self.tensors,
            "output_blocks": {},
            "io": tuple(self.tensors),
            "circular_buffers": buffers,
            "kernels": kernels,
            "op_table_version": OP_TABLE_VERSION,
            "programs_sha256": "",
        }
        return Plan(**{**whole, **self.extra})

    def _kernel(self, name: str, ranges: tuple[CoreRange, ...]) -> Kernel:
        program = self.programs[name]
        compute = None
        if program.thread == "compute":
            compute = ComputeConfig(
                math_fidelity=self.fidelity,  # type: ignore[arg-type]
                fp32_dest_acc_en=self.fp32_dest,
                dst_full_sync_en=self.full_sync,
            )
        given = self.args.get(name, {})
        return Kernel(
            program=name,
            core_ranges=ranges,
            compute=compute,
            compile_args={tensor: {"accessor": tensor} for tensor in program.accessors},
            common_args={f"{tensor}_addr": {"addr": tensor} for tensor in program.accessors},
            runtime_args={core_key(core): values for core, values in given.items()},
        )

    def listed(self) -> tuple[Program, ...]:
        """The programs."""
        return tuple(self.programs.values())


def dealt(blocks: int, cores: tuple[int, int]) -> dict[Core, tuple[int, ...]]:
    """(start, count) of contiguous, balanced shares of work ids per core, row-major."""
    places = [(x, y) for y in range(cores[1]) for x in range(cores[0])]
    share, rest = divmod(blocks, len(places))
    out: dict[Core, tuple[int, ...]] = {}
    start = 0
    for number, core in enumerate(places):
        count = share + (number < rest)
        out[core] = (start, count)
        start += count
    return out


def _subblock(rows: int, columns: int, capacity: int) -> tuple[int, int]:
    """The largest (rows, columns) that divide a block and fit DST."""
    best = (1, 1)
    for r in range(1, rows + 1):
        for c in range(1, columns + 1):
            fits = rows % r == 0 and columns % c == 0 and r * c <= capacity
            if fits and (r * c, -abs(r - c)) > (prod(best), -abs(best[0] - best[1])):
                best = (r, c)
    return best


def gemm(
    m: int,
    n: int,
    k: int,
    block: tuple[int, int, int] = (64, 64, 32),
    cores: tuple[int, int] = (2, 2),
    *,
    device: str = "wormhole_n150",
    out_dtype: str = "float32",
    depth: int = 2,
    fp32_dest: bool = True,
    fidelity: str = "HiFi4",
) -> Sketch:
    """C = A @ B with bf16 inputs; accumulators larger than DST spill to CB 3, K step by K step."""
    bm, bn, bk = (edge // 32 for edge in block)
    mt, nt, kt = (ceil(extent / 32) for extent in (m, n, k))
    gx, gy, nk = ceil(nt / bn), ceil(mt / bm), ceil(kt / bk)
    if mt % bm or nt % bn or kt % bk:
        raise ValueError("the builder wants blocks that divide the padded shape")
    capacity = find_arch(device).dst_tiles(fp32_dest=fp32_dest, full_sync=False)
    hm, hn = _subblock(bm, bn, capacity)
    sub = hm * hn
    out_format = "Float32" if out_dtype == "float32" else "Float16_b"
    out_bytes = DataFormat.from_name(out_format).tile_bytes()
    spill_format = "Float32" if fp32_dest else "Float16_b"
    work = (
        let("id", plus("start", "t")),
        let("bx", ["%", "id", gx]),
        let("by", ["//", "id", gx]),
    )

    def tiles(cb: int, tensor: str, rows: int, columns: int, page: Any) -> Loop:
        address = plus(["get_write_ptr", cb], times(plus(times("i", columns), "j"), 2048))
        read = op("noc_async_read_page", page, tensor, address)
        return loop("i", rows, loop("j", columns, read))

    a_page = plus(times(plus(times("by", bm), "i"), kt), times("ko", bk), "j")
    b_page = plus(times(plus(times("ko", bk), "i"), nt), times("bx", bn), "j")
    reader = Program(
        name="reader",
        thread="ncrisc",
        accessors=("A", "B"),
        runtime_args=("start", "count"),
        body=(
            loop(
                "t",
                "count",
                *work,
                loop(
                    "ko",
                    nk,
                    op("cb_reserve_back", 0, bm * bk),
                    op("cb_reserve_back", 1, bk * bn),
                    tiles(0, "A", bm, bk, a_page),
                    tiles(1, "B", bk, bn, b_page),
                    op("noc_async_read_barrier"),
                    op("cb_push_back", 0, bm * bk),
                    op("cb_push_back", 1, bk * bn),
                ),
            ),
        ),
    )
    reload = (
        op("reconfig_data_format_srca", 3),
        op("copy_init", 3),
        op("cb_wait_front", 3, sub),
        loop("d", sub, op("copy_tile", 3, "d", "d")),
        op("cb_pop_front", 3, sub),
        op("reconfig_data_format", 1, 0),
        op("matmul_init", 0, 1, 0),
    )
    product = op(
        "matmul_tiles",
        0,
        1,
        plus(times(plus(times("sm", hm), "m"), bk), "k"),
        plus(times("k", bn), times("sn", hn), "n"),
        plus(times("m", hn), "n"),
    )

    def packed(cb: int) -> tuple[Stmt, ...]:
        return (
            op("cb_reserve_back", cb, sub),
            op("pack_reconfig_data_format", cb),
            op("tile_regs_wait"),
            loop("d", sub, op("pack_tile", "d", cb)),
            op("tile_regs_release"),
            op("cb_push_back", cb, sub),
        )

    cycle = (
        op("tile_regs_acquire"),
        when(["<", 0, "ko"], *reload),
        loop("m", hm, loop("n", hn, loop("k", bk, product))),
        op("tile_regs_commit"),
        when(["==", "ko", nk - 1], *packed(2), orelse=packed(3)),
    )
    spilling = loop(
        "ko",
        nk,
        op("cb_wait_front", 0, bm * bk),
        op("cb_wait_front", 1, bk * bn),
        loop("sm", bm // hm, loop("sn", bn // hn, *cycle)),
        op("cb_pop_front", 0, bm * bk),
        op("cb_pop_front", 1, bk * bn),
    )
    whole = op("matmul_tiles", 0, 1, plus(times("m", bk), "k"), plus(times("k", bn), "n"),
               plus(times("m", hn), "n"))  # fmt: skip
    resident = (
        op("tile_regs_acquire"),
        loop(
            "ko",
            nk,
            op("cb_wait_front", 0, bm * bk),
            op("cb_wait_front", 1, bk * bn),
            loop("m", hm, loop("n", hn, loop("k", bk, whole))),
            op("cb_pop_front", 0, bm * bk),
            op("cb_pop_front", 1, bk * bn),
        ),
        op("tile_regs_commit"),
        *packed(2),
    )
    block_body = resident if sub == bm * bn else (spilling,)
    compute = Program(
        name="compute",
        thread="compute",
        runtime_args=("count",),
        body=(
            op("compute_kernel_hw_startup", "Reverse", 0, 1, 2),
            op("matmul_init", 0, 1, 0),
            loop("t", "count", *block_body),
        ),
    )
    row = plus(times("by", bm), times("sm", hm), "m")
    column = plus(times("bx", bn), times("sn", hn), "n")
    address = plus(["get_read_ptr", 2], times(plus(times("m", hn), "n"), out_bytes))
    store = op("noc_async_write_page", plus(times(row, nt), column), "C", address)
    writer = Program(
        name="writer",
        thread="brisc",
        accessors=("C",),
        runtime_args=("start", "count"),
        body=(
            loop(
                "t",
                "count",
                *work,
                loop(
                    "sm",
                    bm // hm,
                    loop(
                        "sn",
                        bn // hn,
                        op("cb_wait_front", 2, sub),
                        loop("m", hm, loop("n", hn, store)),
                        op("noc_async_write_barrier"),
                        op("cb_pop_front", 2, sub),
                    ),
                ),
            ),
        ),
    )
    shares = dealt(gx * gy, cores)
    return Sketch(
        tensors={
            "A": layout("bfloat16", (m, k), "input", padding="zero"),
            "B": layout("bfloat16", (k, n), "input", padding="zero"),
            "C": layout(out_dtype, (m, n), "output"),
        },
        buffers={
            0: ("Float16_b", depth * bm * bk, "ncrisc", "compute"),
            1: ("Float16_b", depth * bk * bn, "ncrisc", "compute"),
            2: (out_format, 2 * sub, "compute", "brisc"),
            3: (spill_format, bm * bn, "compute", "compute"),
        },
        programs={"reader": reader, "compute": compute, "writer": writer},
        cores=cores,
        device=device,
        args={
            "reader": shares,
            "writer": shares,
            "compute": {core: (count,) for core, (_, count) in shares.items()},
        },
        fp32_dest=fp32_dest,
        fidelity=fidelity,
        unpack_to_dest=frozenset({3} if fp32_dest else ()),
        extra={
            "kernel_grid": (gx, gy, 1),
            "work_partition": {
                core_key(core): tuple(
                    WorkItem(io=i // gx, jo=i % gx, len_k=kt) for i in range(start, start + count)
                )
                for core, (start, count) in shares.items()
            },
            "work_descriptors": {
                core_key(core): Linear(order="row_major", start=start, count=count)
                for core, (start, count) in shares.items()
            },
            "output_blocks": {
                "C": BlockMap(base=(0, 0), x=(0, bn), y=(bm, 0), z=(0, 0), extent=(bm, bn))
            },
        },
    )
