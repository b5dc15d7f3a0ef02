"""Circular buffers, semaphores, and whether everything fits into L1 and DRAM."""

from __future__ import annotations

from simulator.formats.dataformat import (
    LEGAL_TILES,
    MAX_ROW,
    DataFormat,
    is_row,
    rows_refused,
)
from simulator.formats.errors import FormatError
from simulator.plan.coords import Core
from simulator.plan.facts import MAX_CORES, Facts, cells, check_placed
from simulator.plan.placement import bank_bytes, cb_bytes, place
from simulator.plan.report import Report
from simulator.plan.schema import CircularBuffer
from simulator.plan.tensors import page_bytes, shard_pages

MAX_PAGES = 0xFFFF
"""The counters of pages received and acknowledged are compared as 16-bit numbers."""

CB_UNIT = 16
"""Circular buffers are addressed in units of 16 bytes (tt-metal, circular_buffer_config)."""


def check_buffers(facts: Facts, report: Report) -> None:
    """Check every circular buffer and semaphore by itself and against its neighbours."""
    seen: set[int] = set()
    names: set[str] = set()
    for index, cb in enumerate(facts.plan.circular_buffers):
        path = f"$.circular_buffers[{index}]"
        if cb.id >= facts.arch.num_cbs:
            report.add(f"{path}.id", f"exceeds the circular buffers of {facts.arch.name}",
                       found=cb.id, expected=f"< {facts.arch.num_cbs}")  # fmt: skip
        if cb.id in seen:
            report.add(f"{path}.id", "another circular buffer has this id", found=cb.id)
        if cb.name in names or not cb.name:
            report.add(f"{path}.name", "not a name of its own", found=cb.name)
        seen.add(cb.id)
        names.add(cb.name)
        _format(cb, path, report)
        cores = check_placed(cb.core_ranges, facts, f"{path}.core_ranges", report)
        _alias(cb, facts, path, report)
        _backing(cb, cores, facts, path, report)
    _semaphores(facts, report)


def _format(cb: CircularBuffer, path: str, report: Report) -> None:
    try:
        data_format = DataFormat.from_name(cb.data_format)
    except FormatError as error:
        report.add(f"{path}.data_format", str(error))
        return
    row = is_row(cb.tile_shape) and not data_format.is_bfp
    if cb.tile_shape not in LEGAL_TILES and not row:
        report.add(f"{path}.tile_shape", "not a tile shape of the hardware",
                   found=list(cb.tile_shape),
                   expected="height of 1, 2, 4, 8, 16, 32 by width of 16, 32, or a row"
                   f" [1, up to {MAX_ROW}] of a format without shared exponents")  # fmt: skip
        return
    why = rows_refused(data_format, cb.tile_shape, cb.producer, cb.consumer) if row else None
    if why is not None:
        report.add(f"{path}.tile_shape", why, found=list(cb.tile_shape), expected="a tile shape")
    want = data_format.tile_bytes(cb.tile_shape)
    if cb.page_bytes != want:
        report.add(f"{path}.page_bytes",
                   f"not one {cb.tile_shape[0]}x{cb.tile_shape[1]} tile of {cb.data_format}",
                   found=cb.page_bytes, expected=want)  # fmt: skip
    elif want % CB_UNIT:
        report.add(f"{path}.page_bytes", "pages are addressed in units of 16 bytes", found=want,
                   expected="a multiple of 16")  # fmt: skip
    if cb.depth > MAX_PAGES:
        report.add(f"{path}.depth", "more pages than the 16-bit counters tell apart",
                   found=cb.depth, expected=f"at most {MAX_PAGES}")  # fmt: skip
    if cb.unpack_to_dest and data_format is not DataFormat.Float32:
        report.add(f"{path}.unpack_to_dest", "only 32-bit floats are unpacked to DST directly",
                   found=cb.data_format, expected="Float32")  # fmt: skip
    if cb.unpack_to_dest and cb.consumer != "compute":
        report.add(f"{path}.unpack_to_dest", "nothing unpacks this circular buffer",
                   found=f"consumer {cb.consumer}", expected="consumer compute")  # fmt: skip


def _alias(cb: CircularBuffer, facts: Facts, path: str, report: Report) -> None:
    if cb.alias_of is None:
        return
    path = f"{path}.alias_of"
    if cb.tensor is not None:
        report.add(path, "a circular buffer has either a tensor or another's memory")
    target = next((o for o in facts.plan.circular_buffers if o.id == cb.alias_of), None)
    if target is None or cb.alias_of == cb.id:
        report.add(path, "no other circular buffer has this id", found=cb.alias_of)
    elif target.alias_of is not None:
        report.add(path, "names an alias", found=cb.alias_of,
                   expected="the circular buffer that owns the memory")  # fmt: skip
    elif target.core_ranges != cb.core_ranges:
        report.add(path, f"circular buffer {target.id} lies on other cores",
                   expected="equal core_ranges")  # fmt: skip
    elif cb_bytes(target) != cb_bytes(cb):
        report.add(path, f"circular buffer {target.id} has another size",
                   found=f"{cb_bytes(cb)} bytes here, {cb_bytes(target)} there",
                   expected="equal sizes")  # fmt: skip


def _backing(
    cb: CircularBuffer, cores: tuple[Core, ...], facts: Facts, path: str, report: Report
) -> None:
    if cb.tensor is None:
        return
    path = f"{path}.tensor"
    layout = facts.plan.layouts.get(cb.tensor)
    if layout is None or layout.memory != "L1" or layout.shard is None:
        report.add(path, "not a tensor sharded over L1", found=cb.tensor)
        return
    try:
        same = DataFormat.from_ir(layout.dtype).value == cb.data_format
        same &= page_bytes(layout) == cb.page_bytes
    except FormatError:
        return  # said of the layout
    if not same or layout.tile_shape != cb.tile_shape:
        report.add(path, f"the pages of tensor {cb.tensor} have another format",
                   found=f"{cb.data_format} {cb.tile_shape} here, {layout.dtype}"
                   f" {layout.tile_shape} there", code="PlanInconsistent")  # fmt: skip
    elif len(layout.shard.shape) >= 2 and shard_pages(layout) != cb.depth:
        report.add(path, f"the shards of tensor {cb.tensor} have another size",
                   found=f"{cb.depth} pages here, {shard_pages(layout)} there",
                   code="PlanInconsistent")  # fmt: skip
    if cores and layout.shard.core_ranges != cb.core_ranges:
        report.add(path, f"tensor {cb.tensor} lies on other cores", expected="equal core_ranges",
                   code="PlanInconsistent")  # fmt: skip


def _semaphores(facts: Facts, report: Report) -> None:
    owner: dict[tuple[int, Core], int] = {}
    for index, semaphore in enumerate(facts.plan.semaphores):
        path = f"$.semaphores[{index}]"
        if semaphore.id >= facts.arch.num_semaphores:
            report.add(f"{path}.id", "exceeds the semaphores of a core", found=semaphore.id,
                       expected=f"< {facts.arch.num_semaphores}")  # fmt: skip
        for core in check_placed(semaphore.core_ranges, facts, f"{path}.core_ranges", report):
            other = owner.setdefault((semaphore.id, core), index)
            if other != index:
                report.add(f"{path}.id", f"already in use on core {core} by $.semaphores[{other}]",
                           found=semaphore.id, core=core)  # fmt: skip
                break


def check_capacity(facts: Facts, report: Report) -> None:
    """Circular buffers below tensors in L1, tensors within DRAM; layouts must be sound."""
    arch = facts.arch
    if any(cells(cb.core_ranges) > MAX_CORES for cb in facts.plan.circular_buffers):
        return  # said of the circular buffer
    try:
        placement = place(facts.plan, arch)
        sizes = {name: bank_bytes(la, arch) for name, la in facts.plan.layouts.items()}
    except FormatError:
        return  # said of the layout
    if placement.dram_end > arch.dram_bank_bytes:
        report.add("$.layouts", "the tensors exceed DRAM",
                   found=f"{placement.dram_end} bytes per bank, the largest for"
                   f" {max(sizes, key=lambda name: sizes[name])}",
                   expected=f"at most {arch.dram_bank_bytes} on {arch.name}",
                   code="InvalidPlan")  # fmt: skip
    if not placement.cb_end:
        core, end = (0, 0), arch.l1_base
    else:
        core, end = max(placement.cb_end.items(), key=lambda pair: pair[1])
    where = f"core range [({core[0]},{core[1]}) - ({core[0]},{core[1]})]"
    if end > arch.l1_bytes:
        report.add("$.circular_buffers", f"Statically allocated circular buffers on {where} grow"
                   f" to {end} B which is beyond max L1 size of {arch.l1_bytes} B",
                   code="L1Overflow", core=core)  # fmt: skip
    elif placement.l1_floor < end:
        report.add("$.circular_buffers", f"Statically allocated circular buffers on {where} clash"
                   f" with L1 buffers. L1 buffer allocated at {placement.l1_floor} and static"
                   f" circular buffer region ends at {end}",
                   code="L1Overflow", core=core)  # fmt: skip
