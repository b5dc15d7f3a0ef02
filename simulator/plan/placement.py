"""Addresses, as the host's allocator would choose them (tt-metal, measured with ttnn 0.81.1).

DRAM tensors grow up from ``dram_base``, L1 tensors down from the top of L1, all banks in lockstep;
circular buffers grow up from ``l1_base``, one at a time in the plan's order, each at the highest
end so far over its cores and aligned as DRAM is.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

from simulator.arch import Arch
from simulator.plan.coords import Core
from simulator.plan.schema import CircularBuffer, Layout, Plan
from simulator.plan.tensors import (
    ceil_div,
    page_bytes,
    page_count,
    round_up,
    shard_count,
    shard_pages,
)
from simulator.plan.work import range_cores


@dataclass(frozen=True)
class Placement:
    """Where everything lies.

    Attributes:
        tensors: address of each tensor in every bank it occupies.
        cbs: L1 address of each circular buffer, by id; the same on all its cores.
        cb_end: first L1 address past the circular buffers, by core.
        l1_floor: lowest L1 address a tensor occupies (``l1_bytes`` when there is none).
        dram_end: first DRAM bank address past the tensors.
    """

    tensors: MappingProxyType[str, int]
    cbs: MappingProxyType[int, int]
    cb_end: MappingProxyType[Core, int]
    l1_floor: int
    dram_end: int


def bank_bytes(layout: Layout, arch: Arch) -> int:
    """Bytes a tensor takes in each bank: a DRAM bank, or one core's L1.

    Raises:
        FormatError: unknown dtype or illegal tile shape.
    """
    page = round_up(page_bytes(layout), arch.alignment(layout.memory))
    if layout.shard is not None:
        cores = sum(r.extent[0] * r.extent[1] for r in layout.shard.core_ranges)
        return ceil_div(shard_count(layout), max(cores, 1)) * shard_pages(layout) * page
    banks = arch.dram_banks if layout.memory == "DRAM" else arch.grid[0] * arch.grid[1]
    return ceil_div(page_count(layout), banks) * page


def cb_bytes(cb: CircularBuffer) -> int:
    """Bytes of a circular buffer."""
    return cb.page_bytes * cb.depth


def place(plan: Plan, arch: Arch) -> Placement:
    """Addresses of every tensor and circular buffer of ``plan`` on ``arch``.

    Never fails for lack of room: compare ``cb_end`` with ``l1_floor``, and ``dram_end`` with the
    bank's size.

    Raises:
        FormatError: a tensor of unknown dtype or illegal tile shape.
    """
    tensors: dict[str, int] = {}
    dram, floor = arch.dram_base, arch.l1_bytes
    for name, layout in plan.layouts.items():
        size = bank_bytes(layout, arch)
        if layout.memory == "DRAM":
            tensors[name] = dram
            dram += round_up(size, arch.dram_alignment)
        else:
            floor = (floor - size) // arch.l1_alignment * arch.l1_alignment
            tensors[name] = floor
    cbs: dict[int, int] = {}
    end: dict[Core, int] = {}
    for cb in plan.circular_buffers:
        if cb.tensor is not None:
            cbs[cb.id] = tensors.get(cb.tensor, floor)
        elif cb.alias_of is None:
            cores = range_cores(cb.core_ranges)
            start = max((end.get(core, arch.l1_base) for core in cores), default=arch.l1_base)
            start = round_up(start, arch.dram_alignment)
            cbs[cb.id] = start
            end.update(dict.fromkeys(cores, start + cb_bytes(cb)))
    for cb in plan.circular_buffers:
        if cb.alias_of is not None and cb.tensor is None:
            cbs[cb.id] = cbs.get(cb.alias_of, arch.l1_base)
    return Placement(
        MappingProxyType(tensors), MappingProxyType(cbs), MappingProxyType(end), floor, dram
    )
