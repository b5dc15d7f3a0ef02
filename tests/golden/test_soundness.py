"""Bounds against the bit-exact machine: a correct answer is never called wrong."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from golden import contract_for, evaluate, judge
from golden.approx import exact
from golden.arithmetic import Arithmetic
from golden.matmul import Operand, multiply_accumulate
from harness.kernels.gemm import matmul
from simulator.formats.dataformat import DataFormat
from simulator.numerics.sfpu import sfpu
from tests.golden.device import KINDS, MODEL, device_gemm, mode_for, on_host
from tests.golden.kernels import elementwise

FIDELITIES = st.sampled_from(["LoFi", "HiFi2", "HiFi3", "HiFi4"])
FAMILIES = st.sampled_from(["wormhole", "blackhole"])
DTYPES = st.sampled_from(["bfloat16", "float32", "float16"])
DATA = st.sampled_from(sorted(KINDS))
SEEDS = st.integers(0, 2**32 - 1)


@given(
    m=st.sampled_from([32, 40]), n=st.sampled_from([32, 50]),
    k=st.sampled_from([16, 32, 50, 96, 160]), fidelity=FIDELITIES, wide=st.booleans(),
    family=FAMILIES, dtype=DTYPES, narrow_out=st.booleans(), kinds=st.tuples(DATA, DATA),
    seed=SEEDS,
)  # fmt: skip
def test_gemm(
    m: int, n: int, k: int, fidelity: str, wide: bool, family: str, dtype: str, narrow_out: bool,
    kinds: tuple[str, str], seed: int,
) -> None:  # fmt: skip
    """Protects the soundness of the product's bound for every fidelity, DST and data kind."""
    out = {"float16": "float16"}.get(dtype, "bfloat16") if narrow_out else "float32"
    func = matmul(m, n, k, 32, 32, 32, dtype=dtype, out_dtype=out)
    contract = contract_for(func, family, fidelity, wide)
    rng = np.random.default_rng(seed)
    a = KINDS[kinds[0]](rng, (m, k)).astype(np.float32)
    b = KINDS[kinds[1]](rng, (k, n)).astype(np.float32)
    golden = evaluate(func, {"A": a, "B": b}, contract)
    assume(not golden.outputs["C"].free.all())  # float16 that overflows everywhere
    mode = mode_for(family, fidelity, contract.dest, dtype == "float16")
    judgement = judge({"C": device_gemm(a, b, dtype, out, mode)}, golden)
    assert judgement.passed, judgement.worst


def test_small_sums_in_float16_dst() -> None:
    """Keeps a false alarm away: low phases of small products vanish in Float16 DST."""
    func = matmul(32, 32, 16, 32, 32, 32, dtype="float16", out_dtype="float16")
    contract = contract_for(func, "wormhole", "HiFi3", fp32_dest=False)
    mode = mode_for("wormhole", "HiFi3", contract.dest, half=True)
    for seed in range(100):
        rng = np.random.default_rng(seed)
        a, b = (KINDS[kind](rng, shape).astype(np.float32)
                for kind, shape in (("normal", (32, 16)), ("sparse", (16, 32))))  # fmt: skip
        golden = evaluate(func, {"A": a, "B": b}, contract)
        judgement = judge({"C": device_gemm(a, b, "float16", "float16", mode)}, golden)
        assert judgement.passed, judgement.worst


@given(
    op=st.sampled_from(["add", "sub", "mul"]), fidelity=FIDELITIES, wide=st.booleans(),
    family=FAMILIES, dtype=DTYPES, same_out=st.booleans(), matrix=st.booleans(),
    kinds=st.tuples(DATA, DATA), seed=SEEDS,
)  # fmt: skip
def test_elementwise(
    op: str, fidelity: str, wide: bool, family: str, dtype: str, same_out: bool, matrix: bool,
    kinds: tuple[str, str], seed: int,
) -> None:  # fmt: skip
    """Protects the soundness of elementwise bounds, whichever unit the compiler chose."""
    assume(not (matrix and dtype == "float32" and wide))  # full float32 is owed there
    out = dtype if same_out or dtype == "float16" else "float32"
    func = elementwise(op, dtype, out)
    contract = contract_for(func, family, fidelity, wide)
    rng = np.random.default_rng(seed)
    a, b = (KINDS[kind](rng, (32, 32)).astype(np.float32) for kind in kinds)
    golden = evaluate(func, {"A": a, "B": b}, contract)
    mode = mode_for(family, fidelity, contract.dest, dtype == "float16")
    fmt, tf32 = DataFormat.from_ir(dtype), dtype != "float16"
    tiles = [on_host(x, dtype) for x in (a, b)]
    direct = dtype == "float32" and wide  # past SrcA and SrcB
    operands = tiles if direct else [MODEL.to_src(x, fmt, mode, tf32) for x in tiles]
    if matrix:
        dst = MODEL.eltwise(op, operands[0], operands[1], mode)
    else:
        copied = operands if direct else [MODEL.copy(x, mode) for x in operands]
        dst = sfpu(f"{op}_binary", *copied, mode=mode)
    actual = MODEL.pack(dst, DataFormat.from_ir(out), mode)
    judgement = judge({"C": actual}, golden)
    assert judgement.passed, judgement.worst


@given(
    bits0=st.integers(1, 8), bits1=st.integers(1, 8), k=st.sampled_from([32, 96, 256]),
    fidelity=FIDELITIES, wide=st.booleans(), seed=SEEDS,
)  # fmt: skip
def test_exactness_of_integers(
    bits0: int, bits1: int, k: int, fidelity: str, wide: bool, seed: int
) -> None:
    """Protects the condition under which a product has one right answer, at its boundary.

    Where golden claims exactness the machine must agree to the last bit.
    """
    rng = np.random.default_rng(seed)
    a = rng.integers(1 - 2**bits0, 2**bits0, (32, k)).astype(np.float32)
    b = rng.integers(1 - 2**bits1, 2**bits1, (k, 32)).astype(np.float32)
    func = matmul(32, 32, k, 32, 32, 32, out_dtype="float32")
    contract = contract_for(func, "blackhole", fidelity, wide)
    golden = evaluate(func, {"A": a, "B": b}, contract)
    actual = device_gemm(
        a, b, "bfloat16", "float32", mode_for("blackhole", fidelity, contract.dest)
    )
    judgement = judge({"C": actual}, golden)
    assert judgement.passed, judgement.worst
    if wide and fidelity == "HiFi4" and bits0 + bits1 <= 10:
        assert golden.is_exact
        np.testing.assert_array_equal(actual, a.astype(np.float64) @ b.astype(np.float64))


@pytest.mark.parametrize("fidelity", ["LoFi", "HiFi2", "HiFi3", "HiFi4"])
@pytest.mark.parametrize("wide", [True, False])
def test_the_edge_of_exactness(fidelity: str, wide: bool) -> None:
    """Whole numbers of every width, with neighbours an alignment would cut, onto every sum.

    Where golden says that nothing rounds the machine must be right to the last bit; and it must say
    so for all that ``docs/oracles.md`` promises.
    """
    contract = contract_for(matmul(32, 32, 32, 32, 32, 32), "blackhole", fidelity, wide)
    mode = mode_for("blackhole", fidelity, contract.dest)
    for bits0, bits1, start in itertools.product(range(1, 9), range(1, 9), (0, 7, 23, 24)):
        a, b = np.zeros((32, 32), np.float32), np.zeros((32, 32), np.float32)
        a[:, 0], a[:, 1] = 2**bits0 - 1, -1
        b[0, :], b[1, :] = 2**bits1 - 1, 1
        old = np.full((1, 32, 32), 2.0**start if start else 0.0)
        in0, in1 = (Operand(exact(x[None].astype(np.float64)), "bfloat16") for x in (a, b))
        golden = multiply_accumulate(exact(old), in0, in1, contract)
        left, right = (MODEL.matmul_operand(x, DataFormat.Float16_b, mode, i, True)
                       for i, x in enumerate((a, b)))  # fmt: skip
        actual = MODEL.matmul(old[0].astype(np.float32), left, right, mode)
        if golden.is_exact:
            np.testing.assert_array_equal(actual, golden.value[0])
        largest = 2.0**start * bool(start) + (2**bits0 - 1) * (2**bits1 - 1) + 1
        fits = bits1 <= (5 if fidelity == "LoFi" else 8)
        fits &= bits0 <= (7 if fidelity in ("LoFi", "HiFi2") else 8)
        fits &= bits0 + bits1 <= 12 and largest <= 2.0 ** (24 if wide else 8)
        assert golden.is_exact or not fits, (bits0, bits1, start)


@pytest.mark.parametrize("fidelity", ["LoFi", "HiFi2", "HiFi3", "HiFi4"])
@pytest.mark.parametrize("wide", [True, False])
@pytest.mark.parametrize("op", ["add", "mul"])
def test_the_edge_of_exact_elementwise_work(op: str, fidelity: str, wide: bool) -> None:
    """Whole numbers of every width on the matrix unit: what golden calls exact is, to the bit."""
    contract = contract_for(matmul(32, 32, 32, 32, 32, 32), "blackhole", fidelity, wide)
    mode = mode_for("blackhole", fidelity, contract.dest)
    arithmetic = Arithmetic(contract, bounded=True)
    for bits0, bits1 in itertools.product(range(1, 9), repeat=2):
        values = [np.full((32, 32), 2.0**bits - 1) for bits in (bits0, bits1)]
        x, y = (exact(v[None]) for v in values)
        golden = getattr(arithmetic, op)(x, y, "bfloat16" if not wide else "float32", False,
                                         "bfloat16")  # fmt: skip
        left, right = (MODEL.to_src(v.astype(np.float32), DataFormat.Float16_b, mode, True)
                       for v in values)  # fmt: skip
        actual = MODEL.eltwise(op, left, right, mode)
        if golden.is_exact:
            np.testing.assert_array_equal(actual, golden.value[0])
        if wide and fidelity == "HiFi4":
            assert golden.is_exact
