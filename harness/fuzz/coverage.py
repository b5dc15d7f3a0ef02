"""Which cells a case covers: op x layout x dtype x grid class."""

from __future__ import annotations

import re
from typing import Final

from harness.fuzz.case import Case
from simulator.arch import find_arch

OPS: Final = ("gemm", "reduce_sum", "reduce_max", "reduce_min", "reduce_absmax", "reduce_abssum",
              "Parallel", "Pipelined", "fill", "copy", "exp", "sigmoid", "sqrt", "max",
              "if_then_else")  # fmt: skip
DTYPES: Final = ("bfloat16", "float16", "float32")
LAYOUTS: Final = ("tiled", "ragged", "subtile")
GRIDS: Final = ("one block", "one wave", "many waves")
TOTAL: Final = len(OPS) * len(DTYPES) * len(LAYOUTS) * len(GRIDS)
"""Cells there are for kernels."""
_AXIS: Final = re.compile(r"T\.ceildiv\((\d+), (\d+)\)")


def cells(case: Case) -> set[str]:
    """Names of the cells a case covers."""
    if case.plan:
        depths = len(case.plan.get("depths", ()))
        kind = (case.plan.get("damage") or {}).get("kind", "valid")
        return {f"plan/{kind}/{case.plan.get('dtype')}/{depths} buffers"}
    axes = [(int(a), int(b)) for a, b in _AXIS.findall(case.kernel)]
    layout = "tiled"
    if any(b % 32 for _, b in axes):
        layout = "subtile"
    elif any(a % b for a, b in axes):
        layout = "ragged"
    blocks = 1
    for extent, block in axes:
        blocks *= -(-extent // block)
    grid = GRIDS[0] if blocks == 1 else GRIDS[1] if blocks <= cores(case) else GRIDS[2]
    found = [op for op in OPS if f"T.{op}(" in case.kernel]
    dtypes = [d for d in DTYPES if f'"{d}"' in case.kernel]
    return {f"{op}/{layout}/{dtype}/{grid}" for op in found for dtype in dtypes}


def cores(case: Case) -> int:
    """Cores a case may use."""
    ranges = case.options.get("core_ranges")
    if ranges:
        return sum(int(r["extent"][0]) * int(r["extent"][1]) for r in ranges)
    width, height = case.options.get("grid") or find_arch(str(case.options["device"])).grid
    return int(width) * int(height)
