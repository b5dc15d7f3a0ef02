"""Hypothesis strategies: a packaged kernel with parameters, and compile options that suit it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

from harness.compiler.attrs import CoreRange
from harness.kernels import batched, elementwise, gemm
from simulator.arch import find_arch

DEVICES = ("wormhole_n150", "wormhole_n300", "blackhole_p100", "blackhole_p150", "grayskull_e150")
STRATEGIES = ("row_major", "column_major", "block", "z_order")
DTYPES = ("bfloat16", "float32", "float16")
FACTORIES: Mapping[str, Callable[..., Any]] = {
    "matmul": gemm.matmul,
    "copy": elementwise.copy,
    "add": elementwise.add,
    "multiply_add": elementwise.multiply_add,
    "batched_matmul": batched.batched_matmul,
}
SIZES = st.one_of(st.sampled_from([32, 64, 96, 128, 160]), st.integers(1, 170))
"""Extents of a tensor: whole tiles, and anything."""
BLOCKS = st.sampled_from([32, 32, 64, 96, 128, 8, 16, 1])
"""Extents of a block along an axis of the grid: whole tiles, or a divisor of one."""


@dataclass(frozen=True)
class Case:
    """A kernel's factory, its parameters, and how to compile it."""

    kernel: str
    params: dict[str, Any]
    options: dict[str, Any] = field(default_factory=dict)

    def source(self) -> Any:
        """The kernel, made anew."""
        return FACTORIES[self.kernel](**self.params)

    @property
    def extents(self) -> tuple[int, int, int]:
        """Blocks of the source's grid along x, y and z."""
        p = self.params
        return -(-p["N"] // p["block_N"]), -(-p["M"] // p["block_M"]), p.get("batch", 1)


@st.composite
def _blocks(draw: st.DrawFn, size: int) -> int:
    """A block extent for a tensor extent: few enough blocks to stay quick."""
    block = draw(BLOCKS)
    return block if -(-size // block) <= 40 else 32


@st.composite
def params(draw: st.DrawFn, kernel: str) -> dict[str, Any]:
    """Parameters of a packaged kernel."""
    M, N, K = draw(SIZES), draw(SIZES), draw(SIZES)
    out: dict[str, Any] = {
        "M": M,
        "N": N,
        "block_M": draw(_blocks(M)),
        "block_N": draw(_blocks(N)),
        "dtype": draw(st.sampled_from(DTYPES)),
    }
    if kernel == "multiply_add":
        out["out_dtype"] = draw(st.sampled_from(DTYPES))
        out["alpha"] = draw(st.sampled_from([2.0, -1.0, 0.5]))
    if kernel in ("matmul", "batched_matmul"):
        out |= {"K": K, "block_K": draw(st.sampled_from([32, 64, 96]))}
        out["out_dtype"] = draw(st.sampled_from(DTYPES))
    if kernel == "matmul":
        out["num_stages"] = draw(st.integers(0, 4))
        out["trans_A"], out["trans_B"] = draw(st.booleans()), draw(st.booleans())
    if kernel == "batched_matmul":
        out["batch"] = draw(st.integers(1, 4))
    return out


@st.composite
def placements(draw: st.DrawFn, device: str) -> dict[str, Any]:
    """Grid, core ranges and strategy on a device."""
    out: dict[str, Any] = {}
    width, height = find_arch(device).grid
    if draw(st.booleans()):
        width, height = draw(st.integers(1, width)), draw(st.integers(1, height))
        out["grid"] = (width, height)
    out["strategy"] = draw(st.sampled_from(STRATEGIES))
    if draw(st.booleans()):
        out["core_ranges"] = draw(_ranges(width, height, out["strategy"] == "block"))
    return out


@st.composite
def _ranges(draw: st.DrawFn, width: int, height: int, stacked: bool) -> tuple[CoreRange, ...]:
    """Disjoint rectangles: one per band of rows, of one width where they must stack."""
    ranges, y = [], 0
    same = draw(st.integers(1, width))
    for _ in range(draw(st.integers(1, 3))):
        y += draw(st.integers(0, 1))
        if y >= height:
            break
        h = draw(st.integers(1, min(3, height - y)))
        w = same if stacked else draw(st.integers(1, width))
        ranges.append(CoreRange((draw(st.integers(0, width - w)), y), (w, h)))
        y += h
    if not ranges:
        ranges.append(CoreRange((0, 0), (same, 1)))
    return tuple(draw(st.permutations(ranges)))


@st.composite
def modes(draw: st.DrawFn, device: str) -> dict[str, Any]:
    """Buffering and numeric options a device has."""
    out: dict[str, Any] = {
        "double_buffer": draw(st.booleans()),
        "prefetch": draw(st.booleans()),
    }
    if device.startswith("grayskull"):
        out["fp32_dest"] = False  # float32 accumulators are accepted only when asked so
    elif draw(st.booleans()):
        out["fp32_dest"] = draw(st.booleans())
    if draw(st.booleans()):
        out["fidelity"] = draw(st.sampled_from(["LoFi", "HiFi2", "HiFi3", "HiFi4"]))
    return out


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """A packaged kernel on a device with options it accepts."""
    kernel = draw(st.sampled_from(sorted(FACTORIES)))
    device = draw(st.sampled_from(DEVICES))
    options = {"device": device} | draw(placements(device)) | draw(modes(device))
    return Case(kernel, draw(params(kernel)), options)
