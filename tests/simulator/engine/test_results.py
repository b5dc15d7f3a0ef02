"""Whole plans on the engine against NumPy, bit for bit on integers."""

from __future__ import annotations

import gc

import numpy as np
import pytest

from simulator.errors import InputError
from simulator.formats.dataformat import DataFormat
from simulator.run import RunOptions, Workspace, execute
from tests.simulator.builders import Sketch, gemm, layout
from tests.simulator.eltwise_builder import elementwise
from tests.simulator.pipes import codes, pipe, run


def integers(*shape: int, bound: int = 31, seed: int = 0) -> np.ndarray:
    """Integers that every path of the machine keeps exactly."""
    rng = np.random.default_rng(seed)
    return rng.integers(-bound, bound + 1, shape).astype(np.float32)


@pytest.mark.parametrize(
    ("shape", "block", "cores", "depth"),
    [
        ((32, 32, 32), (32, 32, 32), (1, 1), 1),
        ((64, 96, 160), (64, 96, 32), (1, 1), 2),
        ((128, 192, 160), (64, 96, 32), (3, 1), 1),
        ((128, 192, 96), (64, 64, 96), (2, 2), 2),
        ((256, 384, 64), (32, 32, 64), (7, 3), 2),
        ((128, 128, 128), (128, 128, 32), (2, 1), 2),
        ((96, 32, 64), (32, 32, 32), (2, 4), 2),
    ],
)
@pytest.mark.parametrize("fp32", [True, False])
def test_gemm_equals_numpy(
    shape: tuple[int, int, int],
    block: tuple[int, int, int],
    cores: tuple[int, int],
    depth: int,
    fp32: bool,
) -> None:
    """Spills, resident accumulators, idle cores and uneven shares give NumPy's product."""
    m, n, k = shape
    bound = 31 if fp32 else 1  # bf16 DST is exact only while partial sums stay below 2**8
    a, b = integers(m, k, bound=bound), integers(k, n, bound=bound, seed=1)
    sketch = gemm(m, n, k, block, cores, depth=depth, fp32_dest=fp32)
    result = execute(sketch.plan(), sketch.listed(), {"A": a, "B": b})
    assert codes(result) == []
    assert result.completed
    np.testing.assert_array_equal(result.outputs["C"], a @ b)
    assert result.stats.groups == 3
    assert result.stats.splits == 0
    assert result.determinate


@pytest.mark.parametrize("dtype", ["bfloat16", "float32", "float16"])
@pytest.mark.parametrize("zero", [True, False])
@pytest.mark.parametrize(
    ("function", "reference"),
    [
        ("add_tiles", np.add),
        ("sub_tiles", np.subtract),
        ("mul_tiles", np.multiply),
        ("add_binary_tile", np.add),
        ("binary_max_tile", np.maximum),
    ],
)
def test_elementwise_on_ragged_shapes(
    function: str, reference: np.ufunc, dtype: str, zero: bool
) -> None:
    """Padding nobody wrote flows through elementwise ops unharmed and never reaches the output."""
    a, b = integers(100, 70, bound=15), integers(100, 70, bound=15, seed=1)
    sketch = elementwise((100, 70), function, (3, 2), dtype=dtype, zero_padding=zero)
    result = execute(sketch.plan(), sketch.listed(), {"A": a, "B": b})
    assert codes(result) == []
    np.testing.assert_array_equal(result.outputs["C"], reference(a, b))
    assert result.written["C"].all()


def test_copy_of_random_bf16_is_bit_exact() -> None:
    """A copy neither rounds nor reorders."""
    a = np.random.default_rng(2).standard_normal((32, 128)).astype(np.float32)
    a = (a.view(np.uint32) & np.uint32(0xFFFF0000)).view(np.float32)
    result = run(pipe(4), A=a)
    assert result.completed
    np.testing.assert_array_equal(result.outputs["C"], a)


def test_protocol_only_needs_no_values() -> None:
    """Without arithmetic the same steps run and the same findings are made."""
    sketch = gemm(128, 128, 128, (64, 64, 32), (2, 2))
    a, b = integers(128, 128), integers(128, 128)
    full = execute(sketch.plan(), sketch.listed(), {"A": a, "B": b})
    bare = execute(sketch.plan(), sketch.listed(), {"A": a, "B": b}, RunOptions(arithmetic=False))
    assert bare.completed
    assert bare.stats.steps == full.stats.steps
    assert bare.stats.tile_ops == full.stats.tile_ops


def test_exact_model_agrees_on_integers() -> None:
    """The bit-level matrix unit gives the same integers."""
    sketch = gemm(64, 64, 64, (64, 64, 32), (1, 1))
    a, b = integers(64, 64), integers(64, 64, seed=3)
    result = execute(sketch.plan(), sketch.listed(), {"A": a, "B": b}, RunOptions(numbers="exact"))
    np.testing.assert_array_equal(result.outputs["C"], a @ b)


def test_k_steps_are_rounded_one_by_one() -> None:
    """Deferred products are added in program order: the bits are those of a plain loop."""
    rng = np.random.default_rng(5)
    a, b = (rng.standard_normal((64, 64 * 6)).astype(np.float32) for _ in range(2))
    a, b = ((x.view(np.uint32) & np.uint32(0xFFFF0000)).view(np.float32) for x in (a, b))
    sketch = gemm(64, 64, 64 * 6, (64, 64, 64), (1, 1))
    result = execute(sketch.plan(), sketch.listed(), {"A": a, "B": b.T.copy()})
    want = np.zeros((64, 64), np.float32)
    for i in (0, 32):
        for j in (0, 32):
            acc = np.zeros((32, 32), np.float32)
            for k in range(0, 64 * 6, 32):
                acc += a[i : i + 32, k : k + 32] @ b.T[k : k + 32, j : j + 32].copy()
            want[i : i + 32, j : j + 32] = acc
    np.testing.assert_array_equal(result.outputs["C"], want)


def test_a_workspace_lends_memory_and_nothing_else() -> None:
    """Runs that share memory give what runs alone give, and leave earlier outputs alone."""
    workspace = Workspace()
    sketch = gemm(64, 64, 64, (64, 64, 32), (1, 1))
    kept = []
    for seed in range(3):
        a, b = integers(64, 64, seed=seed), integers(64, 64, seed=seed + 9)
        inputs = {"A": a, "B": b}
        result = execute(sketch.plan(), sketch.listed(), inputs, workspace=workspace)
        kept.append((result.outputs["C"], a @ b))
    for got, want in kept:
        np.testing.assert_array_equal(got, want)


def test_a_run_gives_its_memory_back_at_once() -> None:
    """Later runs live on the memory of the first, without waiting for the garbage collector."""
    workspace, sketch = Workspace(), gemm(128, 128, 64, (64, 64, 32), (2, 2))
    inputs = {"A": integers(128, 64), "B": integers(64, 128)}
    sizes = []
    gc.disable()
    try:
        for _ in range(3):
            execute(sketch.plan(), sketch.listed(), inputs, workspace=workspace)
            sizes.append(workspace.bytes)
    finally:
        gc.enable()
    assert sizes[0] == sizes[2]


def _copy_of(dtype: str, shape: tuple[int, int]) -> Sketch:
    """A copy of a tensor through two buffers of its format."""
    fmt = DataFormat.from_ir(dtype)
    return pipe(
        4,
        buffers={
            0: (fmt.value, 2, "ncrisc", "compute"),
            1: (fmt.value, 2, "compute", "brisc"),
        },
        tensors={"A": layout(dtype, shape, "input"), "C": layout(dtype, shape, "output")},
    )


@pytest.mark.parametrize("dtype", ["int32", "uint32", "uint16", "uint8", "int8"])
@pytest.mark.parametrize("columns", [128, 100])
def test_copies_of_integers(dtype: str, columns: int) -> None:
    """Integers pass through buffers and DST as they are, ragged padding included."""
    fmt = DataFormat.from_ir(dtype)
    sketch = _copy_of(dtype, (32, columns))
    high = min(fmt.spec.high, 2**31 - 1)
    a = np.random.default_rng(0).integers(max(fmt.spec.low, 0), high, (32, columns))
    result = run(sketch, A=a)
    assert codes(result) == []
    assert result.outputs["C"].dtype.kind in "iu"
    np.testing.assert_array_equal(result.outputs["C"], a)


@pytest.mark.parametrize("dtype", ["bfloat8_b", "bfloat4_b", "float16"])
def test_copies_of_narrow_floats(dtype: str) -> None:
    """Small integers survive every float format; block formats pad with zeros."""
    sketch = _copy_of(dtype, (32, 100))
    a = (np.arange(3200).reshape(32, 100) % 5).astype(np.float32)
    result = run(sketch, A=a)
    assert codes(result) == []
    np.testing.assert_array_equal(result.outputs["C"], a)


def test_wrong_inputs_are_all_named() -> None:
    """One error lists every array that is missing, misshapen, of another type or unknown."""
    sketch = gemm(64, 64, 64, (64, 64, 32), (1, 1))
    inputs = {"B": np.zeros((64, 32), np.float32), "D": np.zeros(3, np.float32)}
    with pytest.raises(InputError) as caught:
        execute(sketch.plan(), sketch.listed(), inputs)
    for name in ("A: missing", "B: float32 (64, 32)", "D: not a tensor"):
        assert name in str(caught.value)
    with pytest.raises(InputError, match="float64"):
        execute(sketch.plan(), sketch.listed(),
                {"A": np.zeros((64, 64)), "B": np.zeros((64, 64), np.float32)})  # fmt: skip
