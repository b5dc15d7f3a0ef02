"""Which cells a case covers: op or form x layout x dtype x grid class."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from harness.fuzz.case import Case
from simulator.arch import find_arch

OPS: Final = ("gemm", "reduce_sum", "reduce_max", "reduce_min", "reduce_absmax", "reduce_abssum",
              "cumsum", "Parallel", "Pipelined", "fill", "copy", "exp", "sigmoid", "sqrt", "max",
              "if_then_else")  # fmt: skip
FORMS: Final[Mapping[str, re.Pattern[str]]] = MappingProxyType({
    "reducer": re.compile(r"T\.alloc_reducer\("),
    "planes": re.compile(r"in T\.Parallel\(\d+, \d+, \d+\)"),
    "number": re.compile(r": T\.\w+,$", re.MULTILINE),
    "backwards": re.compile(r", -1, -\d+\):"),
    "short": re.compile(r"if [ij] < \d+:"),
})  # fmt: skip
"""What shows in a text, but is no op."""
DTYPES: Final = ("bfloat16", "float16", "float32")
SHARDS: Final = ("height", "width", "block", "nd")
STATED: Final = "T.annotate_layout"
"""What begins the line of a kernel that states layouts."""
LAYOUTS: Final = ("dram", "l1", *SHARDS)
"""Where a tensor lies: interleaved over DRAM or L1, or in shards."""
GRIDS: Final = ("one block", "one wave", "many waves", "multicast")
EDGES: Final = ("tiled", "ragged", "subtile")
"""Blocks that fill their tensors, blocks cut at an edge, blocks below a tile."""
TOTAL: Final = (len(OPS) + len(FORMS)) * len(DTYPES) * len(LAYOUTS) * len(GRIDS) * len(EDGES)
"""Cells there are for kernels."""
_AXIS: Final = re.compile(r"T\.ceildiv\((\d+), (\d+)\)")
_SHARD: Final = re.compile(r"'strategy': '(\w+)'")


def cells(case: Case) -> set[str]:
    """Names of the cells a case covers."""
    if case.plan:
        return plan_cells(case)
    grid = f"{_grid(case)}, {_edge(case)}"
    found = [op for op in OPS if f"T.{op}(" in case.kernel]
    found += [form for form, shown in FORMS.items() if shown.search(case.kernel)]
    dtypes = [d for d in DTYPES if f'"{d}"' in case.kernel]
    return {f"{op}/{where}/{dtype}/{grid}"
            for op in found for dtype in dtypes for where in _layouts(case.kernel)}  # fmt: skip


def plan_cells(case: Case) -> set[str]:
    """Of a plan: topology, damage, dtype, and whether its schedule is its own."""
    kind = (case.plan.get("damage") or {}).get("kind", "valid")
    form = case.plan.get("topology", "stream")
    turns = next(iter(case.schedule), "in turn")
    return {f"plan/{form}/{kind}/{case.plan.get('dtype')}/{turns}"}


def _layouts(kernel: str) -> set[str]:
    stated = next((line for line in kernel.splitlines() if STATED in line), "")
    found = set(_SHARD.findall(stated)) | ({"l1"} if "'memory': 'L1'" in stated else set())
    tensors = kernel.count("T.Tensor(")
    annotated = stated.count("'memory'") + stated.count("'sharding'")
    return found | ({"dram"} if annotated < tensors else set())


def _axes(case: Case) -> list[tuple[int, int]]:
    return [(int(a), int(b)) for a, b in _AXIS.findall(case.kernel)]


def _edge(case: Case) -> str:
    axes = _axes(case)
    if any(b % 32 for _, b in axes):
        return "subtile"
    return "ragged" if any(a % b for a, b in axes) else "tiled"


def _grid(case: Case) -> str:
    if case.options.get("multicast"):
        return "multicast"
    blocks = 1
    for extent, block in _axes(case):
        blocks *= -(-extent // block)
    return GRIDS[0] if blocks == 1 else GRIDS[1] if blocks <= cores(case) else GRIDS[2]


def cores(case: Case) -> int:
    """Cores a case may use."""
    ranges = case.options.get("core_ranges")
    if ranges:
        return sum(int(r["extent"][0]) * int(r["extent"][1]) for r in ranges)
    width, height = case.options.get("grid") or find_arch(str(case.options["device"])).grid
    return int(width) * int(height)
