"""Integer products: exact over their whole range, simulated only, refused everywhere else."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import harness
import harness.language as T
from golden import GoldenError
from harness.codegen import CodegenError, print_kernels
from harness.errors import CompileError
from harness.kernels.quantised import int8_gemm
from simulator.errors import InputError

HIGH: dict[str, Any] = {"fidelity": "HiFi4"}


def _drawn(M: int, K: int, N: int, seed: int = 0) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    shapes = {"A": (M, K), "B": (K, N)}
    return {n: rng.integers(-127, 128, shape).astype(np.int8) for n, shape in shapes.items()}


@pytest.mark.parametrize("device", ["wormhole_n150", "blackhole_p150"])
@pytest.mark.parametrize("numbers", ["fast", "exact"])
@pytest.mark.parametrize("shape", [(64, 64, 64), (100, 50, 70)])
def test_products_are_exact(device: str, numbers: str, shape: tuple[int, int, int]) -> None:
    """Judged by equality over the whole range of the type, aligned and ragged."""
    M, K, N = shape
    kernel = int8_gemm(M=M, K=K, N=N)
    verdict = harness.check(kernel, _drawn(M, K, N), device=device, numbers=numbers, **HIGH)
    assert verdict.passed
    assert verdict.oracle == "exact"
    assert harness.check(kernel, device=device, numbers=numbers, **HIGH).passed


def test_sums_beyond_what_float32_counts() -> None:
    """The accumulator is an integer: sums above 2**24 are exact."""
    ones = {n: np.full(s, 127, np.int8) for n, s in (("A", (32, 2048)), ("B", (2048, 32)))}
    ones["A"][:, 0] = 1
    ones["B"][0, :] = 1
    artifact = harness.compile(int8_gemm(M=32, K=2048, N=32), **HIGH)
    result = artifact.run(ones)
    assert (result.outputs["C"] == 1 + 127 * 127 * 2047).all()
    assert result.outputs["C"].dtype == np.int32
    assert int(result.outputs["C"][0, 0]) > 2**24


def test_minus_128_is_refused_on_both_sides() -> None:
    """The device holds sign and magnitude, so the least int8 does not exist there."""
    arrays = _drawn(64, 32, 32)
    arrays["A"][3, 3] = -128
    kernel = int8_gemm(M=64, K=32, N=32)
    with pytest.raises(InputError, match="-128 is outside Int8"):
        harness.compile(kernel, **HIGH).run(arrays)
    with pytest.raises(GoldenError, match="outside int8"):
        harness.check(kernel, arrays, **HIGH)


def test_no_cpp_is_printed_for_integer_products() -> None:
    """No call of tt-metal is known to multiply integers, so none is made up."""
    artifact = harness.compile(int8_gemm(), **HIGH)
    with pytest.raises(CodegenError, match="no call of tt-metal is known to multiply integers"):
        print_kernels(artifact)


def _misused(how: str) -> Any:
    @T.prim_func
    def main(
        A: T.Tensor((32, 32), "int8"),
        B: T.Tensor((32, 32), "bfloat16"),
        C: T.Tensor((32, 32), "int32"),
        D: T.Tensor((32, 32), "float32"),
    ):
        with T.Kernel(1):
            a = T.alloc_shared((32, 32), "int8")
            b = T.alloc_shared((32, 32), "bfloat16")
            c = T.alloc_fragment((32, 32), "int32")
            d = T.alloc_fragment((32, 32), "float32")
            T.copy(A, a)
            T.copy(B, b)
            T.clear(c)
            if how == "mixed":
                T.gemm(a, b, c)
            else:
                T.gemm(a, a, c)
            if how == "float":
                T.copy(c, d)
            elif how == "scaled":
                for i, j in T.Parallel(32, 32):
                    d[i, j] = T.cast(c[i, j], "float32") * 2.0
            else:
                T.copy(b, d)
            T.copy(c, C)
            T.copy(d, D)

    return main


@pytest.mark.parametrize("how", ["float", "scaled"])
def test_sums_become_real_numbers(how: str) -> None:
    """A product of int8 is scaled in float32, as dequantising kernels do."""
    verdict = harness.check(_misused(how), **HIGH)
    assert verdict.passed, verdict
    assert verdict.oracle.startswith("exact")


def test_mixed_products_are_refused() -> None:
    """Nothing multiplies integers by floats: the use names its line and what to write."""
    with pytest.raises(CompileError, match="gemm of int8 by bfloat16 into int32") as error:
        harness.compile(_misused("mixed"), **HIGH)
    assert error.value.location is not None
    assert error.value.location.startswith("test_int8.py:")
    assert error.value.next_step


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"fidelity": "HiFi3"}, "at HiFi3"),
        ({"fidelity": "LoFi"}, "at LoFi"),
        ({**HIGH, "fp32_dest": False}, "16-bit"),
    ],
)
def test_options_that_would_lose_bits_are_refused(options: dict[str, Any], words: str) -> None:
    """Fewer phases leave bits of the operands out, and 16 bits hold no sum."""
    with pytest.raises(CompileError, match=words):
        harness.compile(int8_gemm(), device="wormhole_n150", **options)


def test_accumulators_that_leave_the_register_are_refused() -> None:
    """A sum too large for DST would be filled and spilled, which has no integer way."""
    with pytest.raises(CompileError, match="is filled") as error:
        harness.compile(int8_gemm(M=128, N=128, block_M=128, block_N=128), **HIGH)
    assert "smaller blocks" in str(error.value.next_step)
