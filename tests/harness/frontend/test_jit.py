from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.artifact import compile as compile_plan
from harness.errors import HarnessError, LanguageError
from harness.frontend.jit import compile as compile_kernel
from harness.frontend.jit import jit
from harness.kernelfile import SourceError, _execute
from harness.parameters import ParameterError
from tests.harness.frontend.loading import KERNELS, kernel, load

MODULE = _execute(KERNELS, "matmul_relu")
RNG = np.random.default_rng(0)


def integers(*shape: int) -> np.ndarray:
    """Small integers as float32."""
    return RNG.integers(-3, 4, shape).astype(np.float32)


def test_a_factory_gives_a_kernel_to_call() -> None:
    """Allocates and returns the tensor of out_idx, computed on the simulator."""
    made = MODULE.matmul_relu(64, 64, 32)
    a, b = integers(64, 32), integers(32, 64)
    np.testing.assert_array_equal(made(a, b), np.maximum(a @ b, 0))
    assert made is MODULE.matmul_relu(64, 64, 32)


def test_jit_above_prim_func_compiles_the_kernel() -> None:
    """Takes a kernel where a factory may stand, from Python and from the command line."""
    a = integers(48, 64)
    np.testing.assert_array_equal(MODULE.stacked()(a), a)
    assert compile_plan(kernel("stacked", M=40)).plan.layouts["A"].logical_shape == (40, 64)


def test_an_eager_kernel_runs_when_called() -> None:
    """Takes sizes from the arrays, keeps a kernel per set of sizes, and returns what it made."""
    for m in (64, 40):
        a, b = integers(m, 32), integers(32, 64)
        np.testing.assert_array_equal(MODULE.matmul_eager(a, b, block_M=32), a @ b)
    one = MODULE.matmul_eager.compile(M=64, N=64, K=32, block_M=32)
    assert one is MODULE.matmul_eager.compile(M=64, N=64, K=32, block_M=32)
    assert "main" not in str(one.prim_func.attrs["global_symbol"])


def test_an_eager_kernel_refuses_arrays_that_contradict_each_other() -> None:
    """Names the array whose shape does not fit the declared sizes."""
    with pytest.raises(LanguageError, match="B is of shape"):
        MODULE.matmul_eager(integers(32, 32), integers(64, 64))


def test_arrays_are_filled_in_place_without_out_idx() -> None:
    """Writes results into the arrays a kernel without out_idx is given, as TileLang does."""
    made = compile_kernel(MODULE.rms_norm(32, 64, 32))
    x, out = integers(32, 64) + 5, np.zeros((32, 64), np.float32)
    assert made(x, out) is None
    np.testing.assert_allclose(out, x / np.sqrt((x * x).mean(1, keepdims=True)), rtol=2e-2)


def test_a_dynamic_size_gives_one_plan_per_size() -> None:
    """Compiles an open size when called, once per concrete size."""
    made = compile_kernel(MODULE.dynamic_copy(), out_idx=[1])
    for m in (32, 45, 32):
        x = integers(m, 64)
        np.testing.assert_array_equal(made(x), x)
    assert len(made._artifacts) == 2
    with pytest.raises(LanguageError, match="needs the size 'm'"):
        made.prim_func  # noqa: B018  (the look-up is what raises)


def test_open_sizes_are_parameters_of_the_command_line() -> None:
    """Says which sizes are open, and refuses names that are neither parameter nor size."""
    with pytest.raises(SourceError, match="open sizes m"):
        kernel("dynamic_copy")
    with pytest.raises(ParameterError, match="no parameter 'q'"):
        kernel("dynamic_copy", q=1)
    with pytest.raises(HarnessError, match="not a positive number"):
        kernel("dynamic_copy", m=0)


def test_missing_sizes_of_an_eager_kernel_are_named() -> None:
    """Names every size an eager kernel needs, and its other parameters."""
    with pytest.raises(ParameterError, match="parameter 'N' is missing") as info:
        kernel("matmul_eager", M=32)
    assert "block_M=64" in str(info.value)


EAGER = """
import tilelang
import tilelang.language as T

@tilelang.jit
def k(A, block: int, dtype, flip: bool):
    {sizes}
    A: T.Tensor((N, M) if flip else (M, N), dtype)
    B = T.empty((M, N), dtype)
    with T.Kernel(T.ceildiv(M, block)) as bx:
        t = T.alloc_shared((block, N), dtype)
        T.copy(A[bx * block, 0], t)
        T.copy(t, B[bx * block, 0])
    return B
"""


@pytest.mark.parametrize(
    "sizes",
    ['M, N = T.const("M, N")', 'M = T.dynamic("M")\n    N = T.dynamic("N")'],
    ids=["const", "dynamic"],
)
def test_sizes_are_known_of_a_kernel_whose_dtype_is_a_parameter(tmp_path: Path, sizes: str) -> None:
    """Takes sizes by name from the command line though the declarations need other parameters."""
    text = EAGER.format(sizes=sizes)
    plain: dict[str, Any] = {"block": 32, "dtype": "float16", "flip": False}
    made = load(tmp_path, text, M=100, N=70, **plain)
    layouts = compile_plan(made).plan.layouts
    assert [layouts[n].logical_shape for n in "AB"] == [(100, 70)] * 2
    with pytest.raises(ParameterError, match="parameter 'N' is missing"):
        load(tmp_path, text, M=100, **plain)


def test_one_number_may_have_several_names(tmp_path: Path) -> None:
    """Takes ``rows = block = 32`` of a kernel's sizes; what the device computes has one target."""
    text = EAGER.format(sizes='M, N = T.const("M, N")\n    rows = both = block')
    text = text.replace("alloc_shared((block", "alloc_shared((both").replace(
        "bx * block", "bx * rows"
    )
    plain: dict[str, Any] = {"block": 32, "dtype": "float16", "flip": False}
    made = load(tmp_path, text, M=64, N=64, **plain)
    assert compile_plan(made).plan.layouts["A"].logical_shape == (64, 64)
    twice = text.replace("    return B", "        t[0, 0] = t[1, 0] = t[0, 0] + 1.0\n    return B")
    with pytest.raises(LanguageError, match="computed on the device"):
        load(tmp_path, twice, M=64, N=64, **plain)


REDUCED = """
import tilelang
import tilelang.language as T

@tilelang.jit
def k(A):
    M = T.const("M")
    A: T.Tensor((M, 32), "float32")
    B = T.empty((M,), "float32")
    with T.Kernel(T.ceildiv(M, 32)) as bx:
        t = T.alloc_shared((32, 32), "float32")
        most = T.alloc_reducer((32,), "float32", op="max")
        T.copy(A[bx * 32, 0], t)
        T.reducer_init(most)
        for i, j in T.Parallel(32, 32):
            T.reducer_update(most[i], t[i, j])
        T.finalize_reducer(most)
        T.copy(most, B[bx * 32])
    return B
"""


def test_an_eager_kernel_has_reducers(tmp_path: Path) -> None:
    """However a kernel is written, what its text stands for is resolved alike."""
    path = tmp_path / "reduced.py"
    path.write_text(REDUCED)
    a = integers(64, 32)
    np.testing.assert_array_equal(_execute(path, "k").k(a), a.max(1))


def test_an_autotuned_kernel_takes_its_first_configuration() -> None:
    """Fills parameters a call leaves open from the first configuration."""
    made = MODULE.add_tuned(64, 64)
    a, b = integers(64, 64), integers(64, 64)
    np.testing.assert_array_equal(made(a, b), a + b)
    assert "shared.dyn" in made.prim_func.script()
    assert "(32, 64)" in made.prim_func.script()


def test_unknown_arguments_of_jit_are_refused() -> None:
    """Refuses an argument of jit that nothing is known about."""
    with pytest.raises(LanguageError, match="no argument 'fast'"):
        jit(fast=True)


def test_the_wrong_number_of_arrays_is_refused() -> None:
    """Names the tensors a kernel takes."""
    with pytest.raises(LanguageError, match="1 arrays for the tensors A, B"):
        MODULE.matmul_relu(64, 64, 32)(integers(64, 32))


def test_the_programs_can_be_read() -> None:
    """Shows what the threads of a core run where TileLang shows GPU source."""
    assert "matmul_tiles" in MODULE.matmul_relu(64, 64, 32).get_kernel_source()
