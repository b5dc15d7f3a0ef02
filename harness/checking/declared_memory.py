"""What a plan says about memory, against what the source and the user's options ask for.

Where tensors lie, how deep and how precise circular buffers are, and that nothing lies idle.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from simulator.findings import Finding, finding
from simulator.formats.dataformat import DataFormat
from simulator.isa import OPS
from simulator.plan.schema import CircularBuffer, Layout, Plan, Shard
from simulator.program import If, Loop, Op, ProgramFile, Stmt
from simulator.program.uses import resources

if TYPE_CHECKING:
    from golden import NumericContract
    from harness.compiler.options import CompileOptions

_WINDOW: Final = ("cb_reserve_back", "cb_wait_front", "cb_push_back")
_EXACT: Final = ("copy_tile", "unary_bcast")
"""Ops that can unpack 32-bit datums past SrcA and SrcB."""


def declared_memory(
    plan: Plan, source: Any, options: CompileOptions, contract: NumericContract,
    programs: ProgramFile,
) -> Iterator[Finding]:  # fmt: skip
    """Where plan and programs treat memory otherwise than source and options ask for."""
    yield from _places(plan, source)
    yield from _depths(plan, options, programs)
    yield from _exponents(plan, contract)
    if contract.fp32_dest:
        yield from _precision(plan, programs)
    yield from _idle(plan, programs)


def _places(plan: Plan, source: Any) -> Iterator[Finding]:
    """Tensors lie where their annotations put them: in DRAM, page by page, where they have none."""
    from harness.compiler.annotations import annotations_of
    from harness.compiler.layouts import merged

    for name, layout in plan.layouts.items():
        if layout.role == "table":
            continue
        asked = merged(name, layout.padded_shape, annotations_of(source, name))
        shard = asked.get("sharding")
        wanted = {
            "memory": asked.get("memory", "DRAM"),
            "layout": asked.get("layout", "interleaved"),
            "shard": None if shard is None else msgspec.convert(shard, Shard, from_attributes=True),
        }
        for field, value in wanted.items():
            if getattr(layout, field) != value:
                yield _inconsistent(
                    f"$.layouts.{name}.{field}",
                    f"tensor {name!r}: {field} is {_shown(layout, field)}, the source asks for"
                    f" {value}",
                )


def _shown(layout: Layout, field: str) -> str:
    return str(getattr(layout, field))


class _Moves(NamedTuple):
    """How a circular buffer is handed over: pages at once, and whether inside a loop of a block."""

    pages: int
    looped: bool


def _moves(programs: ProgramFile) -> dict[int, _Moves]:
    """By circular buffer of a compute program's, the most pages of one handshake of any thread."""
    found: dict[int, _Moves] = {}
    computed: set[int] = set()
    for program in programs.programs:
        for op, loops in _looped(program.body, 0):
            if op.name not in _WINDOW or type(op.args[1]) is not int:
                continue
            number, pages = op.args
            before = found.get(number, _Moves(0, looped=False))
            inner = program.thread == "ncrisc" and loops > 1
            found[number] = _Moves(max(before.pages, pages), before.looped or inner)
            if program.thread == "compute":
                computed.add(number)
    return {number: moves for number, moves in found.items() if number in computed}


def _looped(body: tuple[Stmt, ...], loops: int) -> Iterator[tuple[Op, int]]:
    """Device ops with the number of loops around them."""
    for stmt in body:
        if isinstance(stmt, Op):
            yield stmt, loops
        elif isinstance(stmt, Loop):
            yield from _looped(stmt.body, loops + 1)
        elif isinstance(stmt, If):
            yield from _looped((*stmt.then, *stmt.orelse), loops)


def _depths(plan: Plan, options: CompileOptions, programs: ProgramFile) -> Iterator[Finding]:
    """Blocks in flight between data movement and compute, and whole blocks only."""
    several = max((len(items) for items in plan.work_partition.values()), default=0) > 1
    moved = _moves(programs)
    for index, cb in enumerate(plan.circular_buffers):
        block, looped = moved.get(cb.id, _Moves(0, looped=False))
        if block < 1 or cb.alias_of is not None or cb.tensor is not None:
            continue  # no handshake, or one of no pages, which the machine answers for
        least, most = _blocks(cb, options, several=several, looped=looped)
        low, high = least * block, None if most is None else most * block
        if cb.depth < low or (high is not None and cb.depth > high) or cb.depth % block:
            flags = f"double_buffer={options.double_buffer}, prefetch={options.prefetch}"
            yield _inconsistent(
                f"$.circular_buffers[{index}].depth",
                f"circular buffer {cb.id} holds {cb.depth} pages, blocks have {block}, and the"
                f" options are {flags}",
            )


def _blocks(
    cb: CircularBuffer, options: CompileOptions, *, several: bool, looped: bool
) -> tuple[int, int | None]:
    """Blocks a circular buffer has to hold at least and at most; ``looped`` in a reader's loop."""
    if cb.producer == cb.consumer:
        return 1, None
    if cb.producer == "compute" or looped:
        return (2, None) if options.double_buffer else (1, 1)
    if options.prefetch:
        return 2 if several else 1, None
    return 1, 1


def _exponents(plan: Plan, contract: NumericContract) -> Iterator[Finding]:
    """Exponents of 5 bits stay where the source has some: no kernel is built of both widths."""
    if "float16" in contract.storage.values():
        return
    for index, cb in enumerate(plan.circular_buffers):
        if cb.data_format == DataFormat.Float16.value:
            yield finding(
                "NumericModeMismatch",
                f"circular buffer {cb.id} holds Float16, and nothing in the source is float16",
                location=f"$.circular_buffers[{index}].data_format",
            )


def _precision(plan: Plan, programs: ProgramFile) -> Iterator[Finding]:
    """A 32-bit datum that nothing multiplies reaches DST whole, as the contract counts on."""
    readers: dict[int, set[str]] = {}
    for program in programs.programs:
        for op, _ in _looped(program.body, 0):
            spec = OPS.get(op.name)
            if spec is not None and spec.effect == "unpack_math":
                for operand, value in zip(spec.operands, op.args, strict=True):
                    if operand.kind == "cb":
                        readers.setdefault(value, set()).add(op.name)
    for index, cb in enumerate(plan.circular_buffers):
        names = readers.get(cb.id, set())
        exact = bool(names) and names <= set(_EXACT)
        if exact and cb.data_format == DataFormat.Float32.value and not cb.unpack_to_dest:
            yield finding(
                "NumericModeMismatch",
                f"circular buffer {cb.id} of Float32 reaches DST through SrcA, which keeps 19 bits;"
                f" {' and '.join(sorted(names))} could take it whole",
                location=f"$.circular_buffers[{index}].unpack_to_dest",
            )


def _idle(plan: Plan, programs: ProgramFile) -> Iterator[Finding]:
    """Circular buffers and semaphores that no program names."""
    named = {use for program in programs.programs for use in resources(program.body)}
    for field, kind, what in (("circular_buffers", "cb", "circular buffer"),
                              ("semaphores", "sem", "semaphore")):  # fmt: skip
        for index, item in enumerate(getattr(plan, field)):
            if (kind, item.id) not in named:
                yield _inconsistent(f"$.{field}[{index}].id", f"no program uses {what} {item.id}")


def _inconsistent(place: str, message: str) -> Finding:
    return finding("PlanInconsistent", message, location=place)
