"""Where a program runs: the circular buffers, semaphores and DST that its operands name."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, Final

import numpy as np

from simulator.arch import find_arch
from simulator.formats.dataformat import DataFormat, is_row, shape_name
from simulator.formats.errors import FormatError
from simulator.isa import Operand, OpSpec
from simulator.plan.facts import MAX_CORES, cells
from simulator.plan.schema import CircularBuffer, CoreRange, Layout, Plan
from simulator.plan.work import range_cores
from simulator.program import INFINITIES, LOAD, Program
from simulator.program.expr import MAX_DEPTH, MAX_INT, Range

Say = Callable[..., None]

PRODUCERS: Final = frozenset(
    {
        "cb_reserve_back",
        "cb_push_back",
        "pack_tile",
        "pack_tile_out_of_order",
        "zero_tile_region",
        "generate_reduce_scaler",
        "index_tile_l1",
        "fill_tile_l1",
        "copy_l1",
        "copy_datums_l1",
        "get_write_ptr",
    }
)
"""Ops (and pointer operators) that act on the producing end of their circular buffer."""

EITHER: Final = frozenset(
    {"compute_kernel_hw_startup", "reconfig_data_format", "reconfig_data_format_srca"}
)
"""Ops that take a circular buffer for its format only."""

NOT_FPU: Final = frozenset({*EITHER,
    "copy_init", "copy_tile", "cb_wait_front", "cb_pop_front",
    "unary_bcast_init", "unary_bcast", "unary_bcast_uninit",
})  # fmt: skip
"""Consuming compute ops that leave the matrix unit alone, so that 32-bit datums pass whole."""

OF_ROWS: Final = frozenset({LOAD, "cb_wait_front", "cb_pop_front"})
"""What a compute program may do with a circular buffer of rows: load integers from it."""

MOVERS: Final = frozenset({"copy_tile", "transpose_tile", "unary_bcast"})
"""Ops that unpack tiles of any format and compute nothing."""
ELTWISE: Final = ("add_tiles", "sub_tiles", "mul_tiles")
"""Stems of the FPU's elementwise ops."""


@dataclass(frozen=True)
class Place:
    """What a plan says about the place of one program; empty when there is no plan.

    Attributes:
        thread: the program's thread.
        cbs: circular buffers that exist on every core of the program, by id; None without a plan.
        elsewhere: ids of circular buffers that exist on some other cores only.
        semaphores: ids that exist on every core of the program; None without a plan.
        dst_tiles: tiles DST holds, for compute programs.
        values: known integer arguments, as ranges.
        tensors: tensors bound to accessors, by accessor; empty without a plan.
    """

    thread: str
    cbs: Mapping[int, CircularBuffer] | None = None
    elsewhere: frozenset[int] = frozenset()
    semaphores: frozenset[int] | None = None
    dst_tiles: int | None = None
    values: Mapping[str, Range] = field(default_factory=dict)
    tensors: Mapping[str, Layout] = field(default_factory=dict)

    def check_cb(self, name: str, operand: str, value: Any, say: Say) -> None:
        """``value`` must be the literal id of a buffer this thread owns the right end of."""
        if not _is_id(value):
            say(f"{str(value)[:40]!r} is not a literal circular buffer id")
            return
        if self.cbs is None:
            return
        cb = self.cbs.get(value)
        if cb is None:
            where = "not on all cores of the program" if value in self.elsewhere else "not declared"
            say(f"circular buffer {value} is {where}")
            return
        producing = name in PRODUCERS or operand == "out"
        ends = {cb.producer, cb.consumer} if name in EITHER else (
            {cb.producer} if producing else {cb.consumer})  # fmt: skip
        if self.thread not in ends:
            side = "either end" if name in EITHER else "producer" if producing else "consumer"
            say(f"{self.thread} is not the {side} of circular buffer {value}"
                f" ({cb.producer} to {cb.consumer})", "CBEndpoint")  # fmt: skip
        elif self.thread == "compute" and is_row(cb.tile_shape) and name not in OF_ROWS:
            say(f"circular buffer {value} has rows {list(cb.tile_shape)}; unpacker and packer know"
                " tiles", "ShapeMismatch")  # fmt: skip
        elif cb.unpack_to_dest and not producing and name not in NOT_FPU:
            say(f"circular buffer {value} is unpacked to DST and cannot feed the matrix unit;"
                " the result would silently be wrong")  # fmt: skip

    def check_formats(self, spec: OpSpec, args: Sequence[Any], say: Say) -> None:
        """The matrix unit computes with reals, or multiplies Int8 by Int8.

        Datums that are added or multiplied one by one have exponents of one width; the models of
        the other ops know what becomes of Float16 beside wider exponents.
        """
        ids = [a for a, o in zip(args, spec.operands, strict=True) if o.kind == "cb"]
        if spec.effect != "unpack_math" or spec.name in MOVERS or not all(map(_is_id, ids)):
            return
        held = [cb for cb in map((self.cbs or {}).get, ids) if cb is not None]
        wrong = [cb for cb in held if not _is_real(cb)]
        integers = [cb for cb in held if cb.data_format == DataFormat.Int8.value]
        if wrong and not (spec.config == "matmul" and len(integers) == len(ids)):
            listed = ", ".join(f"circular buffer {cb.id} of {cb.data_format}" for cb in wrong)
            say(f"{spec.name} reads {listed}, a format the matrix unit cannot compute with",
                "ShapeMismatch")  # fmt: skip
        elif (
            spec.name.startswith(ELTWISE)
            and len({cb.data_format == DataFormat.Float16.value for cb in held}) > 1
        ):
            listed = " and ".join(f"circular buffer {cb.id} of {cb.data_format}" for cb in held)
            say(f"{spec.name} reads {listed}; SrcA and SrcB hold exponents of one width",
                "ShapeMismatch")  # fmt: skip

    def check_semaphore(self, value: Any, say: Say) -> None:
        """``value`` must be the literal id of a semaphore on the program's cores."""
        if not _is_id(value):
            say(f"{str(value)[:40]!r} is not a literal semaphore id")
        elif self.semaphores is not None and value not in self.semaphores:
            say(f"semaphore {value} is not declared on all cores of the program")

    def check_pointer(self, operator: str, value: Any, say: Say) -> None:
        """The operand of get_write_ptr, get_read_ptr or get_semaphore."""
        if operator == "get_semaphore":
            self.check_semaphore(value, say)
        else:
            self.check_cb(
                operator, "cb", value, lambda text, *code: say(f"{operator}: {text}", *code)
            )

    def check_load(self, value: Any, reach: Range, say: Say) -> None:
        """``value`` is a buffer of integer rows this thread consumes; ``reach`` lies in a row."""
        self.check_cb(LOAD, "cb", value, lambda text, *code: say(f"{LOAD}: {text}", *code))
        cb = (self.cbs or {}).get(value) if _is_id(value) else None
        if cb is None:
            return
        if cb.data_format != DataFormat.Int32.value or cb.tile_shape[0] != 1:
            say(f"{LOAD}: circular buffer {cb.id} has {cb.data_format} {shape_name(cb.tile_shape)},"
                " and loads are of rows of Int32", "ShapeMismatch")  # fmt: skip
        elif reach is not None and (reach[1] < 0 or reach[0] >= cb.tile_shape[1]):
            say(f"{LOAD}: datum {reach[0]} of a row of {cb.tile_shape[1]}", "OutOfBounds")

    def check_written(self, accessor: Any, say: Say) -> None:
        """Only outputs are written: the host counts on its inputs."""
        layout = self.tensors.get(accessor) if isinstance(accessor, str) else None
        if layout is not None and layout.role not in ("output", "inout"):
            say(f"tensor {accessor} is written, its role is {layout.role}", "PlanInconsistent")

    def check_page(self, accessor: Any, address: Any, say: Say) -> None:
        """Pages of a tensor and of the circular buffer they move through have one format."""
        layout = self.tensors.get(accessor) if isinstance(accessor, str) else None
        ids = list(_pointers(address))
        cb = (self.cbs or {}).get(ids[0]) if len(ids) == 1 and _is_id(ids[0]) else None
        if layout is None or cb is None:
            return
        try:
            held = DataFormat.from_ir(layout.dtype).value
        except FormatError:
            return  # said of the plan
        if held != cb.data_format or layout.tile_shape != cb.tile_shape:
            say(f"tensor {accessor} has {held} tiles {list(layout.tile_shape)}, circular buffer"
                f" {cb.id} has {cb.data_format} tiles {list(cb.tile_shape)}",
                "ShapeMismatch")  # fmt: skip

    def check_range(
        self, spec: OpSpec, operand: Operand, reach: Range, args: Sequence[Any], say: Say
    ) -> None:
        """Values that are out of range whatever the arguments."""
        if reach is None:
            return
        low, high = reach
        if operand.kind == "dst" and self.dst_tiles is not None:
            if low >= self.dst_tiles or high < 0:
                say(f"DST tile {low} is beyond the {self.dst_tiles} of this mode", "DstCapacity")
        elif operand.name == "n" and spec.effect == "cb":
            cb = (self.cbs or {}).get(args[0]) if _is_id(args[0]) else None
            if high < 0:
                say(f"{high} pages cannot be moved")
            elif cb is not None and low > cb.depth:
                say(f"{low} pages are more than circular buffer {cb.id} holds ({cb.depth})",
                    "CBCapacity")  # fmt: skip
        elif operand.name in ("index", "index0", "index1", "scaler_index", "page") and high < 0:
            say(f"index {high} is negative", "OutOfBounds")


def no_place() -> Place:
    """The place of programs that are checked without a plan."""
    return Place("")


def place_of(program: Program, plan: Plan) -> Place:
    """Where ``plan`` puts ``program``; what the plan leaves unclear is not checked."""
    kernel = next((k for k in plan.kernels if k.program == program.name), None)
    cores = _cores(() if kernel is None else kernel.core_ranges)
    cbs = {cb.id: cb for cb in plan.circular_buffers if cores <= _cores(cb.core_ranges)}
    semaphores = [s.id for s in plan.semaphores if cores <= _cores(s.core_ranges)]
    values: dict[str, Range] = {}
    tensors: dict[str, Layout] = {}
    dst_tiles = None
    if kernel is not None:
        for name, value in chain(kernel.compile_args.items(), kernel.common_args.items()):
            if type(value) is int and 0 <= value <= MAX_INT:
                values[name] = value, value
            elif isinstance(value, dict) and isinstance(value.get("accessor"), str):
                layout = plan.layouts.get(value["accessor"])
                tensors |= {} if layout is None else {name: layout}
        if kernel.compute is not None:
            try:
                dst_tiles = find_arch(plan.device.name).dst_tiles(
                    fp32_dest=kernel.compute.fp32_dest_acc_en,
                    full_sync=kernel.compute.dst_full_sync_en,
                )
            except (KeyError, ValueError):
                dst_tiles = None  # said of the plan
    return Place(
        program.thread,
        cbs,
        frozenset(cb.id for cb in plan.circular_buffers) - set(cbs),
        frozenset(semaphores),
        dst_tiles,
        values,
        tensors,
    )


def check_operand(spec: OpSpec, operand: Operand, value: Any, place: Place, say: Say) -> None:
    """Operands that must be literals: ids, numbers, names of a choice."""
    if operand.kind == "cb":
        place.check_cb(spec.name, operand.name, value, say)
    elif operand.kind == "sem":
        place.check_semaphore(value, say)
    elif operand.kind == "float":
        if value not in INFINITIES and (type(value) not in (int, float) or not _is_float32(value)):
            say(f'{str(value)[:40]!r} is not a float32 literal (a number, "inf" or "-inf")')
    elif operand.kind == "enum":
        if value not in operand.choices:
            say(f"{str(value)[:40]!r} is not one of {', '.join(operand.choices)}")
    elif operand.kind == "format":
        try:
            DataFormat.from_name(value)
        except (FormatError, TypeError):
            say(f"{str(value)[:40]!r} is not a data format")


def _pointers(expr: Any, depth: int = 0) -> Iterable[Any]:
    """Ids that get_write_ptr and get_read_ptr take anywhere in an expression."""
    if isinstance(expr, (list, tuple)) and len(expr) > 1 and depth < MAX_DEPTH:
        if expr[0] in ("get_write_ptr", "get_read_ptr"):
            yield expr[1]
        else:
            for item in expr[1:]:
                yield from _pointers(item, depth + 1)


def _is_float32(value: float) -> bool:
    return abs(value) <= float(np.finfo(np.float32).max) and math.isfinite(value)


def _is_real(cb: CircularBuffer) -> bool:
    try:
        return DataFormat.from_name(cb.data_format).is_float
    except FormatError:
        return True  # said of the plan


def _is_id(value: Any) -> bool:
    return type(value) is int and value >= 0


def _cores(ranges: Sequence[CoreRange]) -> frozenset[tuple[int, int]]:
    if cells(ranges) > MAX_CORES:
        return frozenset()
    return frozenset(range_cores(ranges))
