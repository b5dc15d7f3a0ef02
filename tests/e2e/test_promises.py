"""What issue 2 promises, a test each: shapes that hide nothing, every device, exact and bounded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import tvm

import harness
from golden import contract_for, evaluate, judge
from golden.explain import explain
from harness.compiler.attrs import CoreRange
from harness.errors import OptionError
from harness.kernels import batched, elementwise, gemm
from tests.harness.compiler import samples
from tests.properties.drawing import DEVICES

Arrays = dict[str, npt.NDArray[Any]]
TYPES = ("bfloat16", "float32", "float16")


def on(device: str, **options: Any) -> dict[str, Any]:
    """Options for a device; Grayskull takes float32 accumulators only when asked to."""
    narrow = {"fp32_dest": False} if device.startswith("grayskull") else {}
    return {"device": device} | narrow | options


def drawn(shapes: Mapping[str, tuple[int, ...]], limit: int, seed: int = 0) -> Arrays:
    """Integers without symmetry in [-limit, limit]."""
    rng = np.random.default_rng(seed)
    return {n: rng.integers(-limit, limit + 1, s).astype(np.float32) for n, s in shapes.items()}


def limit_of(options: Mapping[str, Any], K: int) -> int:
    """Largest integers whose products a destination of the device sums exactly."""
    return 1 if options.get("fp32_dest") is False else 7 if K <= 160 else 3


def product(M: int, N: int, K: int, compiled: Mapping[str, Any], **params: Any) -> harness.Artifact:
    """Run a GEMM on exact inputs: bits equal to NumPy's, no finding; then within the bound."""
    func = gemm.matmul(M, N, K, out_dtype="float32", **params)
    artifact = harness.compile(func, **compiled)
    a = (K, M) if params.get("trans_A") else (M, K)
    b = (N, K) if params.get("trans_B") else (K, N)
    arrays = drawn({"A": a, "B": b}, limit_of(compiled, K))
    result = artifact.run(arrays)
    assert result.findings == ()
    wide = {n: x.astype(np.float64) for n, x in arrays.items()}
    flags = [params.get(n, False) for n in ("trans_A", "trans_B")]
    want = gemm.reference(wide["A"], wide["B"], *flags)
    assert result.outputs["C"].tobytes() == want.astype(np.float32).tobytes()
    verdict = harness.check(func, **compiled)
    assert verdict.passed, (verdict, verdict.reason, verdict.findings)
    return artifact


def busy(artifact: harness.Artifact) -> list[int]:
    """Blocks per core."""
    return [len(items) for items in artifact.plan.work_partition.values()]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("k_tiles", [1, 2, 3, 5])
def test_k_tiles(device: str, k_tiles: int) -> None:
    """M, N and K differ, and the K loop has one, two, three and five steps, on every device."""
    product(96, 64, 32 * k_tiles, on(device), block_M=32, block_N=32)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("device", DEVICES)
def test_types_and_ragged_sizes(device: str, dtype: str) -> None:
    """100 x 70 x 50 in every type on every device; nothing of the padding reaches the answer."""
    product(100, 70, 50, on(device), dtype=dtype, block_M=64, block_N=32)


@pytest.mark.parametrize("trans_A", [False, True])
@pytest.mark.parametrize("trans_B", [False, True])
@pytest.mark.parametrize("dtype", TYPES)
def test_transposed_operands(trans_A: bool, trans_B: bool, dtype: str) -> None:
    """Operands stored transposed, of data without symmetry, in multi-tile blocks."""
    product(96, 160, 70, {}, dtype=dtype, trans_A=trans_A, trans_B=trans_B)


@pytest.mark.parametrize("blocks", [(128, 128, 32), (64, 96, 64), (96, 64, 32), (256, 32, 32)])
@pytest.mark.parametrize("device", DEVICES)
def test_blocks_larger_than_the_destination(blocks: tuple[int, int, int], device: str) -> None:
    """Accumulators that spill: exact for float32, over several K steps, and with ragged edges."""
    m, n, k = blocks
    artifact = product(200, 230, 3 * k + 20, on(device, grid=(3, 2)),
                       block_M=m, block_N=n, block_K=k)  # fmt: skip
    assert max(c.depth for c in artifact.plan.circular_buffers) >= m // 32 * n // 32


@pytest.mark.parametrize("strategy", ["row_major", "column_major", "block"])
@pytest.mark.parametrize("grid", [(1, 1), (3, 2), (2, 5), (8, 1), (1, 8), (5, 3)])
def test_grids_that_are_not_square(grid: tuple[int, int], strategy: str) -> None:
    """Blocks that cores do not divide: uneven shares, several blocks a core, each exactly right."""
    artifact = product(224, 160, 64, {"grid": grid, "strategy": strategy},
                       block_M=32, block_N=32)  # fmt: skip
    assert sum(busy(artifact)) == 35
    if strategy != "block":
        assert max(busy(artifact)) - min(busy(artifact)) <= 1
    assert max(busy(artifact)) > 1


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("strategy", ["row_major", "column_major", "block"])
def test_idle_cores(device: str, strategy: str) -> None:
    """Six blocks on a whole chip: idle cores have empty lists and harm nothing."""
    artifact = product(96, 64, 64, on(device, strategy=strategy), block_M=32, block_N=32)
    assert busy(artifact).count(0) == len(busy(artifact)) - 6


@pytest.mark.parametrize(
    "ranges",
    [
        [((0, 0), (2, 2)), ((4, 4), (2, 2))],
        [((7, 7), (1, 1)), ((0, 0), (1, 1)), ((3, 2), (2, 1))],
        [((5, 0), (3, 1))],
    ],
)
def test_several_core_ranges(ranges: list[Any]) -> None:
    """Work goes to the named rectangles only, and every block to one of their cores."""
    chosen = tuple(CoreRange(start, extent) for start, extent in ranges)
    artifact = product(224, 160, 64, {"core_ranges": chosen}, block_M=32, block_N=32)
    assert len(busy(artifact)) == sum(w * h for _, (w, h) in ranges)
    assert sum(busy(artifact)) == 35


@pytest.mark.parametrize("device", DEVICES)
def test_batch_on_the_third_axis(device: str) -> None:
    """Every matrix of a batch is its own product, ragged ones included."""
    func = batched.batched_matmul(5, 70, 40, 64)
    arrays = drawn({"A": (5, 70, 64), "B": (5, 64, 40)}, 1)
    result = harness.compile(func, **on(device)).run(arrays)
    want = batched.reference(*(arrays[n].astype(np.float64) for n in "AB"))
    np.testing.assert_array_equal(result.outputs["C"], want)
    assert harness.check(func, **on(device)).passed


@pytest.mark.parametrize("device", DEVICES)
def test_two_outputs(device: str) -> None:
    """Both outputs of a kernel are written, each with its own values."""
    arrays = drawn({"A": (64, 96), "B": (64, 96)}, 31)
    result = harness.compile(samples.sum_and_difference(), **on(device)).run(arrays)
    np.testing.assert_array_equal(result.outputs["Sum"], arrays["A"] + arrays["B"])
    np.testing.assert_array_equal(result.outputs["Diff"], arrays["A"] - arrays["B"])


def test_two_kernels_in_a_module() -> None:
    """Each kernel has a plan of its own, and one must be named."""
    module = tvm.IRModule({"first": gemm.matmul(64, 96, 32), "second": elementwise.add(64, 32)})
    for name in ("first", "second"):
        assert harness.compile(module, function=name).name == name
        assert harness.check(module, function=name).passed
    with pytest.raises(OptionError, match="several kernels"):
        harness.compile(module)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("shape", [(100, 70), (1, 1), (33, 257), (20, 10)])
def test_elementwise_answers_equal_numpy(device: str, dtype: str, shape: tuple[int, int]) -> None:
    """Copy, sum and the fused chain, smaller and larger than a tile, on every device."""
    arrays = drawn(dict.fromkeys("ABC", shape), 7)
    params: dict[str, Any] = {"block_M": 32, "block_N": 64, "dtype": dtype}
    wide = {n: a.astype(np.float64) for n, a in arrays.items()}
    for func, inputs, want in (
        (elementwise.copy(*shape, **params), "A", wide["A"]),
        (elementwise.add(*shape, **params), "AB", wide["A"] + wide["B"]),
        (elementwise.multiply_add(*shape, **params), "ABC",
         elementwise.multiply_add_reference(wide["A"], wide["B"], wide["C"])),
    ):  # fmt: skip
        result = harness.compile(func, **on(device)).run({n: arrays[n] for n in inputs})
        (got,) = result.outputs.values()
        np.testing.assert_array_equal(got, want)
        assert result.findings == ()


@pytest.mark.parametrize(("block_M", "block_N", "block_K"),
                         [(48, 48, 48), (48, 32, 32), (32, 40, 24), (24, 80, 40)])  # fmt: skip
def test_blocks_that_are_no_tiles_are_joined(block_M: int, block_N: int, block_K: int) -> None:
    """48 x 48 and its like: as many blocks, or steps of K, at once as are whole tiles."""
    product(100, 90, 130, {}, block_M=block_M, block_N=block_N, block_K=block_K)


@pytest.mark.parametrize("rows", [1, 2, 4, 8, 16])
@pytest.mark.parametrize("M", [1, 8, 16, 31, 32, 70])
def test_blocks_smaller_than_a_tile(rows: int, M: int) -> None:
    """Sub-tile blocks join to tiles, also where one block is all there is (was refused)."""
    product(M, 64, 64, {}, block_M=rows, block_N=32)
    assert harness.check(elementwise.add(M, 40, block_M=rows, block_N=32)).passed


@pytest.mark.parametrize("accum", ["bfloat16", "float16"])
@pytest.mark.parametrize("fp32_dest", [True, False])
@pytest.mark.parametrize("K", [32, 64, 160])
def test_narrow_accumulators(accum: str, fp32_dest: bool, K: int) -> None:
    """An accumulator narrower than the destination is rounded, and golden knows it."""
    func = gemm.matmul(64, 96, K, 32, 32, dtype=accum, accum_dtype=accum, out_dtype="float32")
    verdict = harness.check(func, fp32_dest=fp32_dest)
    assert verdict.passed, (verdict, verdict.reason)


@pytest.mark.parametrize("fidelity", ["LoFi", "HiFi2", "HiFi3", "HiFi4"])
@pytest.mark.parametrize("device", ["wormhole_n150", "blackhole_p100"])
def test_fidelities(fidelity: str, device: str) -> None:
    """Every fidelity computes within the bound it promises, and the plan says which it is."""
    func = gemm.matmul(96, 64, 160)
    artifact = harness.compile(func, device=device, fidelity=fidelity)
    modes = {k.compute.math_fidelity for k in artifact.plan.kernels if k.compute is not None}
    assert modes == {fidelity}
    for numbers in ("fast", "exact"):
        assert harness.check(func, device=device, fidelity=fidelity, numbers=numbers).passed


def test_buffering_changes_depths_and_nothing_else() -> None:
    """Double buffering doubles the depths of a loop's buffers; the answer keeps its bits."""
    func = gemm.matmul(96, 64, 160, 32, 32)
    single, double = (harness.compile(func, double_buffer=flag) for flag in (False, True))
    depths = [{c.name: c.depth for c in a.plan.circular_buffers} for a in (single, double)]
    assert depths[1]["A_shared"] == 2 * depths[0]["A_shared"]
    arrays = drawn({"A": (96, 160), "B": (160, 64)}, 7)
    answers = [a.run(arrays).outputs["C"].tobytes() for a in (single, double)]
    assert answers[0] == answers[1]


def test_a_wrong_tile_beside_a_ragged_one_is_explained() -> None:
    """The explanation of a wrong answer copes with tiles of unequal shape (was a ValueError)."""
    func = elementwise.add(64, 87, 32, 96, dtype="float32")
    artifact = harness.compile(func)
    arrays = drawn({"A": (64, 87), "B": (64, 87)}, 7)
    golden_result = evaluate(func, arrays, contract_for(func, "wormhole", None, None))
    wrong = dict(artifact.run(arrays).outputs)
    wrong["C"] = wrong["C"].copy()
    wrong["C"][:32, 32:64] += 1
    judgement = judge(wrong, golden_result)
    assert not judgement.passed
    assert isinstance(explain(func, arrays, wrong, golden_result, judgement), tuple)
