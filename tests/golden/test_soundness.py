"""Bounds against the bit-exact machine: a correct answer is never called wrong."""

from __future__ import annotations

import numpy as np
from hypothesis import assume, given
from hypothesis import strategies as st

from golden import contract_for, evaluate, judge
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
