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


def multiplications(func: Any) -> int | None:
    """Scalar multiplications of all T.gemm calls of a kernel, over its whole grid.

    None where a loop or condition around one depends on what is not known from the grid.
    """
    import numpy as np

    from harness.compiler.kernel import read_kernel

    kernel = read_kernel(func)
    z, y, x = (
        axis.reshape(-1)
        for axis in np.meshgrid(*(np.arange(g) for g in reversed(kernel.grid)), indexing="ij")
    )
    env = {v: at for v, at in zip(kernel.block_vars, (x, y, z), strict=True) if v is not None}
    times = np.ones(math.prod(kernel.grid), np.int64)
    return _Counter().count(kernel.body, env, times)


class _Counter:
    """Walks a kernel's body with how often each block of the grid comes by."""

    def count(self, stmt: Any, env: Mapping[Any, Any], times: Any) -> int | None:
        """Multiplications below a statement."""
        import numpy as np
        from tvm import tirx

        from harness.compiler.kernel import children
        from harness.compiler.values import value_of

        parts: list[int | None] = [_gemm(stmt, times)]
        if isinstance(stmt, tirx.For):
            extent = value_of(stmt.extent, env)
            inner = self.count(stmt.body, env, times if extent is None
                               else times * np.maximum(extent, 0))  # fmt: skip
            parts.append(inner if extent is not None or inner == 0 else None)
        elif isinstance(stmt, tirx.IfThenElse):
            taken = value_of(stmt.condition, env)
            known = taken if taken is not None else np.ones(1, np.bool_)
            for child, share in zip(children(stmt), (known, np.logical_not(known)), strict=False):
                inner = self.count(child, env, times * share if taken is not None else times)
                parts.append(inner if taken is not None or inner == 0 else None)
        else:
            parts += [self.count(child, env, times) for child in children(stmt)]
        return None if None in parts else sum(p for p in parts if p is not None)


def _gemm(stmt: Any, times: Any) -> int:
    """Multiplications of one statement, if it is a gemm."""
    from tvm import tirx
    from tvm.ir import Call

    from harness.language.ops import GEMM

    call = stmt.value if isinstance(stmt, tirx.Evaluate) else None
    if not isinstance(call, Call) or getattr(call.op, "name", "") != GEMM:
        return 0
    a, b, c = (math.prod(int(r.extent) for r in region.region) for region in list(call.args)[:3])
    return math.isqrt(a * b * c) * int(times.sum())
