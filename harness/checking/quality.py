"""How near a run came to what no compilation could do without."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from simulator.outcome import RunStats
    from simulator.plan.schema import Plan

TILE_PRODUCT: Final = 32 * 32 * 32
"""Multiplications of one tile product."""
_MATMULS: Final = ("matmul_tiles", "matmul_block")


def quality(func: Any, plan: Plan, stats: RunStats) -> dict[str, Any]:
    """A run's traffic, tile products and memory, each beside its minimum.

    ``dram_read`` and ``dram_write``: bytes; the minimum counts every page that is moved at all
    once. ``dram_read.without_multicast``: what the plain mode reads, in a multicasting plan
    that takes all its tensors from DRAM.
    ``tile_matmuls``: the minimum is the source's multiplications in whole tile products, None where
    its loops do not tell. ``l1``: high water against a core's memory, in bytes.
    """
    from simulator.arch import find_arch

    arch = find_arch(plan.device.name)
    read = _against(stats.dram_read_bytes, stats.dram_read_minimum)
    if stats.multicast_bytes and not stats.l1_read_bytes:
        read["without_multicast"] = read["bytes"] + stats.multicast_bytes
    from harness.compiler.facts.multiplications import multiplications

    least = multiplications(func)
    return {
        "dram_read": read,
        "dram_write": _against(stats.dram_write_bytes, stats.dram_write_minimum),
        "tile_matmuls": {
            "executed": sum(stats.tile_ops.get(name, 0) for name in _MATMULS),
            "minimum": None if least is None else math.ceil(least / TILE_PRODUCT),
        },
        "l1": {"high_water": stats.l1_high_water_bytes, "room": arch.l1_bytes - arch.l1_base},
    }


def _against(moved: Mapping[str, int], least: Mapping[str, int]) -> dict[str, int]:
    return {"bytes": sum(moved.values()), "minimum": sum(least.values())}
