"""Two sound artifacts written by hand: a one-core copy, and a GEMM on two columns by three rows."""

from __future__ import annotations

from typing import Any

import msgspec

from simulator.isa import OP_TABLE_VERSION
from simulator.plan.load import programs_sha256
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
from simulator.program import Let, Loop, Op, Program, ProgramFile

N150 = Device(name="wormhole_n150", arch="wormhole", board="n150")


def op(name: str, *args: Any) -> Op:
    """A device op with a source location, as the compiler writes it."""
    return Op(name=name, args=args, loc="kernel.py:7:5")


def _read(page: Any, accessor: str, cb: int) -> tuple[Op, ...]:
    return (
        op("cb_reserve_back", cb, 1),
        op("noc_async_read_page", page, accessor, ["get_write_ptr", cb]),
        op("noc_async_read_barrier"),
        op("cb_push_back", cb, 1),
    )


def _write(page: Any, accessor: str, cb: int) -> tuple[Op, ...]:
    return (
        op("cb_wait_front", cb, 1),
        op("noc_async_write_page", page, accessor, ["get_read_ptr", cb]),
        op("noc_async_write_barrier"),
        op("cb_pop_front", cb, 1),
    )


def _blocks(*body: Any) -> Loop:
    """The persistent loop: ``ident`` runs over the core's work ids."""
    return Loop(
        var="i",
        start=0,
        stop="count",
        body=(Let(var="ident", value=["+", "start", "i"]), *body),
    )


def copy_programs() -> ProgramFile:
    """Reader and writer of a tile-by-tile copy."""
    reader = Program(
        name="reader",
        thread="ncrisc",
        accessors=("A",),
        common_args=("A_addr",),
        runtime_args=("start", "count"),
        body=(_blocks(*_read("ident", "A", 0)),),
    )
    writer = Program(
        name="writer",
        thread="brisc",
        accessors=("B",),
        common_args=("B_addr",),
        runtime_args=("start", "count"),
        body=(_blocks(*_write("ident", "B", 0)),),
    )
    return ProgramFile(op_table_version=OP_TABLE_VERSION, programs=(reader, writer))


def copy_artifact() -> tuple[Plan, ProgramFile]:
    """B = A, 60 x 90 in bfloat16, six blocks of one tile on core (0, 0)."""
    programs = copy_programs()
    core = (CoreRange(start=(0, 0), extent=(1, 1)),)
    items = tuple(
        WorkItem(io=io, jo=jo, tile_order="row_major") for io in range(2) for jo in range(3)
    )

    def layout(role: Any) -> Layout:
        return Layout(dtype="bfloat16", logical_shape=(60, 90), padded_shape=(64, 96), role=role)

    def kernel(program: str, accessor: str, noc: Any) -> Kernel:
        return Kernel(
            program=program,
            core_ranges=core,
            noc=noc,
            compile_args={accessor: {"accessor": accessor}},
            common_args={f"{accessor}_addr": {"addr": accessor}},
            runtime_args={"(0,0)": (0, 6)},
            work_args={"start": "start", "count": "count"},
        )

    plan = Plan(
        schema_version=1,
        name="copy",
        device=N150,
        options={"device": "wormhole_n150", "grid": [1, 1], "strategy": "row_major"},
        kernel_grid=(3, 2, 1),
        core_grid=(1, 1),
        core_ranges=core,
        work_partition={"(0,0)": items},
        work_descriptors={"(0,0)": Linear(order="row_major", start=0, count=6)},
        layouts={"A": layout("input"), "B": layout("output")},
        output_blocks={"B": BlockMap(base=(0, 0), x=(0, 1), y=(1, 0), z=(0, 0), extent=(1, 1))},
        io=("A", "B"),
        circular_buffers=(
            CircularBuffer(
                id=0,
                name="a",
                page_bytes=2048,
                depth=2,
                data_format="Float16_b",
                producer="ncrisc",
                consumer="brisc",
                core_ranges=core,
            ),
        ),
        kernels=(kernel("reader", "A", 0), kernel("writer", "B", 1)),
        op_table_version=OP_TABLE_VERSION,
        programs_sha256=programs_sha256(programs),
    )
    return plan, programs


K_TILES = 2


def gemm_programs() -> ProgramFile:
    """Reader, compute and writer of a GEMM with blocks of one tile and two K tiles."""
    column, row = ["%", "ident", "grid_x"], ["//", "ident", "grid_x"]
    reader = Program(
        name="reader",
        thread="ncrisc",
        accessors=("A", "B"),
        compile_args=("grid_x",),
        common_args=("A_addr", "B_addr"),
        runtime_args=("start", "count"),
        body=(
            _blocks(
                Loop(
                    var="k",
                    start=0,
                    stop=K_TILES,
                    body=(
                        *_read(["+", ["*", row, K_TILES], "k"], "A", 0),
                        *_read(["+", ["*", "k", "grid_x"], column], "B", 1),
                    ),
                )
            ),
        ),
    )
    compute = Program(
        name="compute",
        thread="compute",
        runtime_args=("count",),
        body=(
            op("compute_kernel_hw_startup", "Reverse", 0, 1, 16),
            op("matmul_init", 0, 1, 0),
            Loop(
                var="i",
                start=0,
                stop="count",
                body=(
                    op("tile_regs_acquire"),
                    Loop(
                        var="k",
                        start=0,
                        stop=K_TILES,
                        body=(
                            op("cb_wait_front", 0, 1),
                            op("cb_wait_front", 1, 1),
                            op("matmul_tiles", 0, 1, 0, 0, 0),
                            op("cb_pop_front", 0, 1),
                            op("cb_pop_front", 1, 1),
                        ),
                    ),
                    op("tile_regs_commit"),
                    op("cb_reserve_back", 16, 1),
                    op("tile_regs_wait"),
                    op("pack_tile", 0, 16),
                    op("tile_regs_release"),
                    op("cb_push_back", 16, 1),
                ),
            ),
        ),
    )
    writer = Program(
        name="writer",
        thread="brisc",
        accessors=("C",),
        common_args=("C_addr",),
        runtime_args=("start", "count"),
        body=(_blocks(*_write("ident", "C", 16)),),
    )
    return ProgramFile(op_table_version=OP_TABLE_VERSION, programs=(reader, compute, writer))


def gemm_artifact() -> tuple[Plan, ProgramFile]:
    """C = A B, 120 x 64 by 64 x 90 in bfloat16 to float32, twelve blocks on 2 x 3 cores."""
    programs = gemm_programs()
    cores = (CoreRange(start=(1, 2), extent=(2, 3)),)
    keys = [f"({x},{y})" for y in (2, 3, 4) for x in (1, 2)]
    runs = {key: (2 * index, 2) for index, key in enumerate(keys)}
    partition = {
        key: tuple(
            WorkItem(io=ident // 3, jo=ident % 3, len_k=K_TILES, tile_order="row_major")
            for ident in range(start, start + count)
        )
        for key, (start, count) in runs.items()
    }

    def layout(role: Any, dtype: str, *shape: int) -> Layout:
        padded = tuple(-(-n // 32) * 32 for n in shape)
        return Layout(dtype=dtype, logical_shape=shape, padded_shape=padded, role=role)

    def buffer(ident: int, name: str, data_format: str, producer: Any, consumer: Any) -> Any:
        return CircularBuffer(
            id=ident,
            name=name,
            page_bytes=4096 if data_format == "Float32" else 2048,
            depth=2,
            data_format=data_format,
            producer=producer,
            consumer=consumer,
            core_ranges=cores,
        )

    def mover(program: str, noc: Any, tensors: str, **compile_args: Any) -> Kernel:
        accessors: dict[str, Any] = {name: {"accessor": name} for name in tensors}
        return Kernel(
            program=program,
            core_ranges=cores,
            noc=noc,
            compile_args=accessors | compile_args,
            common_args={f"{name}_addr": {"addr": name} for name in tensors},
            runtime_args=dict(runs),
            work_args={"start": "start", "count": "count"},
        )

    compute = Kernel(
        program="compute",
        core_ranges=cores,
        compute=ComputeConfig(math_fidelity="HiFi3", fp32_dest_acc_en=True),
        runtime_args={key: (count,) for key, (_, count) in runs.items()},
        work_args={"count": "count"},
    )
    plan = Plan(
        schema_version=1,
        name="gemm",
        device=N150,
        options={
            "device": "wormhole_n150",
            "grid": [3, 5],
            "core_ranges": [{"start": [1, 2], "extent": [2, 3]}],
            "fidelity": "HiFi3",
            "fp32_dest": True,
        },
        kernel_grid=(3, 4, 1),
        core_grid=(3, 5),
        core_ranges=cores,
        work_partition=partition,
        work_descriptors={
            key: Linear(order="row_major", start=start, count=count)
            for key, (start, count) in runs.items()
        },
        layouts={
            "A": layout("input", "bfloat16", 120, 64),
            "B": layout("input", "bfloat16", 64, 90),
            "C": layout("output", "float32", 120, 90),
        },
        output_blocks={"C": BlockMap(base=(0, 0), x=(0, 1), y=(1, 0), z=(0, 0), extent=(1, 1))},
        io=("A", "B", "C"),
        circular_buffers=(
            buffer(0, "a", "Float16_b", "ncrisc", "compute"),
            buffer(1, "b", "Float16_b", "ncrisc", "compute"),
            buffer(16, "c", "Float32", "compute", "brisc"),
        ),
        kernels=(mover("reader", 0, "AB", grid_x=3), compute, mover("writer", 1, "C")),
        op_table_version=OP_TABLE_VERSION,
        programs_sha256=programs_sha256(programs),
    )
    return plan, programs


def with_changes(plan: Plan, **fields: Any) -> Plan:
    """``plan`` with top-level fields replaced, none of them checked."""
    return msgspec.structs.replace(plan, **fields)
