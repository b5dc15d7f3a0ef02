"""The multicast mode: the plain mode's bits for fewer DRAM reads, or a refusal."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import harness.language as T
from harness.checking import check
from harness.codegen import print_kernels
from harness.compiler import lower
from harness.errors import CompileError, OptionError
from harness.kernels.batched import batched_matmul
from harness.kernels.gathered import expert_gemm
from simulator.explore import explore
from simulator.run import execute
from tests.harness.compiler import samples


def arrays(sizes: tuple[int, int, int], seed: int) -> dict[str, np.ndarray]:
    """Real numbers: sums in another order would show."""
    rng = np.random.default_rng(seed)
    shapes = {"A": (sizes[0], sizes[2]), "B": (sizes[2], sizes[1])}
    return {n: rng.standard_normal(s).astype(np.float32) for n, s in shapes.items()}


def run(func: Any, inputs: dict[str, np.ndarray], **options: Any) -> Any:
    """A completed run without findings."""
    (kernel,) = lower(func, **options).kernels
    result = execute(kernel.plan, kernel.programs, inputs)
    assert result.completed
    assert not result.findings
    return result


@settings(max_examples=10, deadline=None)
@given(
    grid=st.tuples(st.integers(1, 4), st.integers(1, 4)).filter(lambda g: g != (1, 1)),
    each=st.tuples(st.integers(1, 2), st.integers(1, 2)),
    depth=st.integers(1, 3),
    cut=st.sampled_from([0, 7]),
    flags=st.fixed_dictionaries({"double_buffer": st.booleans(), "prefetch": st.booleans()}),
    seed=st.integers(0, 9),
)
def test_multicast_gives_the_plain_modes_bits(
    grid: tuple[int, int],
    each: tuple[int, int],
    depth: int,
    cut: int,
    flags: dict[str, bool],
    seed: int,
) -> None:
    """Bit for bit on real numbers; A is read once per row of cores, B once per column."""
    blocks = grid[0] * each[0], grid[1] * each[1]
    sizes = 32 * blocks[1] - cut, 32 * blocks[0] - cut, 32 * depth
    func, inputs = samples.gemm(*sizes), arrays(sizes, seed)
    options = {"grid": grid, "strategy": "block", **flags}
    plain = run(func, inputs, **options)
    shared = run(func, inputs, multicast=True, **options)
    np.testing.assert_array_equal(shared.outputs["C"], plain.outputs["C"])
    for name, cores in (("A", grid[0]), ("B", grid[1])):
        wide, narrow = (r.stats.dram_read_bytes[name] for r in (plain, shared))
        assert wide == narrow * cores


def test_multicast_holds_under_every_timing() -> None:
    """Semaphores order the cores: random interleavings and a late NoC change nothing."""
    sizes = (64, 96, 96)
    (kernel,) = lower(samples.gemm(*sizes), grid=(3, 2), strategy="block", multicast=True).kernels
    found = explore(kernel.plan, kernel.programs, arrays(sizes, 1), schedules=6)
    assert found.difference == ""
    assert not found.first.determinate
    assert found.tried == 7


def test_the_golden_judges_it_as_any_other() -> None:
    """A check with the option passes, on both architectures."""
    for device in ("wormhole_n150", "blackhole_p150"):
        verdict = check(samples.gemm(128, 96, 64), device=device, grid=(3, 4), strategy="block",
                        multicast=True)  # fmt: skip
        assert verdict.passed


def test_both_sides_of_the_handshake_are_printed() -> None:
    """Sender and receiver are branches of one reader, with coordinates from the host's tables."""
    (kernel,) = lower(samples.gemm(64, 64, 64), grid=(2, 2), strategy="block",
                      multicast=True).kernels  # fmt: skip
    reader = print_kernels(kernel)["reader"]
    assert "if (core_x == 0)" in reader
    assert "noc_async_write_multicast(" in reader
    assert [s.id for s in kernel.plan.semaphores] == [0, 1, 2, 3]
    assert all(set(k.work_args) <= {"x0", "y0", "width", "height"} for k in kernel.plan.kernels)


def triangle() -> Any:
    """Row block by of Out sums the row blocks of In up to its own."""

    @T.prim_func
    def main(In: T.Tensor((64, 64), "bfloat16"), Out: T.Tensor((64, 64), "bfloat16")):
        with T.Kernel(2, 2) as (bx, by):
            s = T.alloc_shared((32, 32), "bfloat16")
            t = T.alloc_shared((32, 32), "bfloat16")
            T.clear(t)
            for k in T.serial(by + 1):
                T.copy(In[k * 32, bx * 32], s)
                for i, j in T.Parallel(32, 32):
                    t[i, j] = t[i, j] + s[i, j]
            T.copy(t, Out[by * 32, bx * 32])

    return main


@pytest.mark.parametrize(
    ("func", "options", "words"),
    [
        (samples.gemm(96, 96, 32), {"grid": (2, 3), "strategy": "block"}, "have 1 to 2 blocks"),
        (samples.gemm(96, 96, 32), {}, "have 0 to 1 blocks"),
        (samples.copy(), {"grid": (3, 2), "strategy": "block"}, "no two cores"),
        (samples.gemm(64, 64, 32), {"core_ranges": (*samples.CORNER, *samples.FAR)},
         "over 2 core ranges"),
        (triangle(), {"grid": (2, 2), "strategy": "block"}, "depends on the block"),
    ],
)  # fmt: skip
def test_grids_that_cannot_multicast_are_refused(
    func: Any, options: dict[str, Any], words: str
) -> None:
    """The reason and a remedy are given; nothing falls back to the plain mode in silence."""
    with pytest.raises(CompileError, match=words) as caught:
        lower(func, multicast=True, **options)
    assert caught.value.code == "NoMulticast"
    assert caught.value.next_step


def test_the_option_is_a_truth_value() -> None:
    """As every flag."""
    with pytest.raises(OptionError):
        lower(samples.gemm(), multicast="yes")


CHOSEN = """
@T.prim_func
def main(X: T.Tensor((4, 32, 64), "bfloat16"), B: T.Tensor((64, 64), "bfloat16"),
         expert: T.Tensor((2,), "int32"), Y: T.Tensor((64, 64), "float32")):
    with T.Kernel(2, 2) as (bx, by):
        x = T.alloc_shared((32, 64), "bfloat16")
        b = T.alloc_shared((64, 32), "bfloat16")
        y = T.alloc_fragment((32, 32), "float32")
        T.copy(X[expert[by], 0, 0], x)
        T.copy(B[0, bx * 32], b)
        T.clear(y)
        T.gemm(x, b, y)
        T.copy(y, Y[by * 32, bx * 32])
"""
SHARED = [
    # cores of a row, or of a column, differ in their plane alone and have nothing in common
    (lambda: batched_matmul(2, 32, 32, 64, block_M=32, block_N=32), (2, 1), "row_major", None),
    (lambda: batched_matmul(2, 64, 32, 64, block_M=32, block_N=32), (2, 2), "row_major", {"B"}),
    (lambda: batched_matmul(2, 32, 64, 64, block_M=32, block_N=32), (2, 2), "row_major", {"A"}),
    (lambda: batched_matmul(2, 64, 64, 64, block_M=32, block_N=32), (2, 2), "block", {"A", "B"}),
    # which matrix of W a row of cores reads is told by data; X is shared all the same
    (lambda: expert_gemm(64, 64, 64), (2, 2), "block", {"X"}),
    (lambda: expert_gemm(64, 64, 64), (2, 1), "block", {"X"}),
    (lambda: expert_gemm(64, 64, 64), (1, 2), "block", None),
    (lambda: samples.from_text(CHOSEN, "main"), (2, 2), "block", {"B"}),
    (lambda: samples.from_text(CHOSEN, "main"), (2, 1), "block", None),
]  # fmt: skip


@pytest.mark.parametrize(("make", "grid", "strategy", "fewer"), SHARED)
def test_what_differs_by_plane_or_data_is_not_shared(
    make: Any, grid: tuple[int, int], strategy: str, fewer: set[str] | None
) -> None:
    """The plain mode's answer, with fewer reads of just the tensors that cores have in common."""
    func = make()
    options: dict[str, Any] = {"grid": grid, "strategy": strategy}
    if fewer is None:
        with pytest.raises(CompileError) as caught:
            lower(func, **options, multicast=True)
        assert caught.value.code == "NoMulticast"
        return
    assert check(func, **options, multicast=True).passed
    (kernel,) = lower(func, **options).kernels
    rng = np.random.default_rng(0)
    inputs: dict[str, Any] = {
        name: rng.standard_normal(layout.logical_shape).astype(np.float32)
        for name, layout in kernel.plan.layouts.items()
        if layout.role != "output" and "float" in layout.dtype
    }
    if "expert" in kernel.plan.layouts:
        inputs["expert"] = np.array([3, 1], np.int32)
    plain, shared = run(func, inputs, **options), run(func, inputs, **options, multicast=True)
    for name, values in plain.outputs.items():
        np.testing.assert_array_equal(shared.outputs[name], values)
    reads = plain.stats.dram_read_bytes, shared.stats.dram_read_bytes
    assert {name for name in inputs if reads[1][name] < reads[0][name]} == fewer
