"""Replay and relations against the bit-exact machine: two implementations, one set of bits."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from golden import contract_for, judge
from golden.inputs import draw_inputs
from golden.metamorphic import changed_rows, marked, product_relations
from golden.products import find_product
from golden.replay import replay
from harness.kernels.gemm import matmul
from tests.golden.device import KINDS, device_gemm, mode_for
from tests.golden.kernels import copy

DATA = st.sampled_from(sorted(KINDS))
SIZES = st.sampled_from([16, 32, 50, 64])


@given(
    m=SIZES, n=SIZES, k=SIZES, fidelity=st.sampled_from(["LoFi", "HiFi2", "HiFi3", "HiFi4"]),
    wide=st.booleans(), dtype=st.sampled_from(["bfloat16", "float32"]),
    out=st.sampled_from(["bfloat16", "float32"]), kinds=st.tuples(DATA, DATA),
    seed=st.integers(0, 2**32 - 1),
)  # fmt: skip
def test_replayed_bits_equal_the_machines(
    m: int, n: int, k: int, fidelity: str, wide: bool, dtype: str, out: str,
    kinds: tuple[str, str], seed: int,
) -> None:  # fmt: skip
    """Protects machine and replay from each other's mistakes."""
    func = matmul(m, n, k, 32, 32, 32, dtype=dtype, out_dtype=out)
    contract = contract_for(func, "blackhole", fidelity, wide)
    rng = np.random.default_rng(seed)
    a = KINDS[kinds[0]](rng, (m, k)).astype(np.float32)
    b = KINDS[kinds[1]](rng, (k, n)).astype(np.float32)
    golden = replay(func, {"A": a, "B": b}, contract)
    assert golden is not None
    actual = device_gemm(a, b, dtype, out, mode_for("blackhole", fidelity, contract.dest))
    judgement = judge({"C": actual}, golden, oracle="exact")
    assert judgement.passed, judgement.worst


def test_replay_sees_a_last_bit_and_the_order_of_k() -> None:
    """Protects the sharpest oracle's teeth."""
    func = matmul(32, 32, 96, 32, 32, 32, out_dtype="float32")
    contract = contract_for(func, "blackhole")
    inputs = draw_inputs(func, seed=5)
    golden = replay(func, inputs, contract)
    assert golden is not None
    mode = mode_for("blackhole", contract.fidelity, contract.dest)
    order = np.r_[64:96, 0:64]  # the last K tile first
    swapped = device_gemm(inputs["A"][:, order], inputs["B"][order], "bfloat16", "float32", mode)
    assert judge({"C": swapped}, golden).wrong > 10


def test_only_plain_products_are_replayed() -> None:
    """Keeps replay from guessing the order of a kernel it does not know."""
    func = copy((32, 32), (32, 32))
    assert replay(func, draw_inputs(func), contract_for(func)) is None
    half = matmul(32, 32, 32, 32, 32, 32, dtype="float16")
    assert replay(half, draw_inputs(half), contract_for(half)) is None


@pytest.mark.parametrize("wide", [True, False])
def test_relations_hold_on_the_machine(wide: bool) -> None:
    """Protects the relations themselves: a right machine never breaks one."""
    func = matmul(64, 96, 64, 32, 32, 32)
    contract = contract_for(func, "blackhole", "HiFi2", wide)
    mode = mode_for("blackhole", "HiFi2", contract.dest)
    inputs = draw_inputs(func, seed=3)
    product = find_product(func)
    assert product is not None

    def run(arrays: dict[str, np.ndarray]) -> np.ndarray:
        return np.asarray(device_gemm(arrays["A"], arrays["B"], "bfloat16", "bfloat16", mode))

    first = run(inputs)
    for relation in product_relations(product, inputs):
        assert relation.holds(first, run(relation.inputs)), relation.name
        assert not relation.holds(first, run(relation.inputs) + 1)
    scaled, *others = product_relations(product, inputs)
    assert "times 2" in scaled.name
    assert [r.name for r in product_relations(product, inputs, roomy=False)] == [
        r.name for r in others
    ]


def test_a_marker_changes_its_row_of_tiles_only() -> None:
    """Protects the check that a tile of A reaches exactly the outputs it belongs to."""
    func = matmul(96, 64, 64, 32, 32, 32)
    mode = mode_for("blackhole", "HiFi4", "float32")
    inputs = draw_inputs(func, seed=3)
    product = find_product(func)
    assert product is not None
    second, row = marked(product, inputs, (2, 1))
    outputs = [device_gemm(x["A"], x["B"], "bfloat16", "bfloat16", mode) for x in (inputs, second)]
    assert changed_rows(*outputs) == {row}
