"""The L1 map of a core: circular buffers upward from the base, sharded tensors downward.

Measured: first_cb_address and the allocator's addresses of ttnn's mock devices; error wording
follows tt-metal's ``Statically allocated circular buffers … grow to``.
"""

from __future__ import annotations

from collections.abc import Sequence

from simulator.arch import Arch
from simulator.plan.schema import CircularBuffer, CoreRange
from simulator.plan.tensors import round_up


def cores_of(ranges: Sequence[CoreRange]) -> set[tuple[int, int]]:
    """Cores of ranges, as (x, y)."""
    return {
        (r.start[0] + dx, r.start[1] + dy)
        for r in ranges
        for dx in range(r.extent[0])
        for dy in range(r.extent[1])
    }


def place_buffers(buffers: Sequence[CircularBuffer], arch: Arch) -> tuple[dict[int, int], int]:
    """Base address of each CB by id, and the first address after them.

    CBs lie one after another in the order of the plan, aligned to the L1 alignment, at the same
    address on every core; one that shares another's memory has its address.
    """
    at = arch.l1_base
    bases: dict[int, int] = {}
    for buffer in buffers:
        if buffer.alias_of is not None or buffer.tensor is not None:
            continue
        at = round_up(at, arch.l1_alignment)
        bases[buffer.id] = at
        at += buffer.page_bytes * buffer.depth
    for buffer in buffers:
        if buffer.alias_of is not None:
            bases[buffer.id] = bases.get(buffer.alias_of, arch.l1_base)
    return bases, at
