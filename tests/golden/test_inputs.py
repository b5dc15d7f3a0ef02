"""Inputs: exact ones are exact, tags are unambiguous, every kind is reproducible."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from golden import GoldenError, contract_for, evaluate, judge
from golden.exact_inputs import ExactInputs, exact_inputs, widest
from golden.inputs import INPUT_KINDS, draw_inputs
from golden.products import find_product, freivalds
from golden.tagged import tagged_inputs
from harness import language as T
from harness.kernels.gemm import matmul
from tests.golden.device import device_gemm, mode_for
from tests.golden.kernels import batched, copy, elementwise, triangular
from tests.golden.more_kernels import masked, softmax

TYPES = {"A": "bfloat16", "B": "bfloat16"}


@pytest.mark.parametrize("out", ["float32", "bfloat16"])
@pytest.mark.parametrize("fidelity", ["LoFi", "HiFi4"])
@pytest.mark.parametrize("wide", [True, False])
def test_exact_inputs_are_exact_on_the_machine(out: str, fidelity: str, wide: bool) -> None:
    """Protects the strongest oracle: one right answer, which the bit-exact machine gives."""
    func = matmul(64, 64, 160, 32, 32, 32, out_dtype=out)
    contract = contract_for(func, "blackhole", fidelity, wide)
    drawn = exact_inputs(func, contract, seed=1)
    assert drawn.golden.is_exact
    mode = mode_for("blackhole", fidelity, contract.dest)
    actual = device_gemm(drawn.inputs["A"], drawn.inputs["B"], "bfloat16", out, mode)
    assert judge({"C": actual}, drawn.golden, oracle="exact").passed


def test_the_default_range_holds_to_a_long_k() -> None:
    """Protects the promise that |a|, |b| <= 31 is exact with 32-bit DST."""
    func = matmul(32, 32, 16384, 32, 32, 512, out_dtype="float32")
    assert exact_inputs(func).largest == 31


def test_no_exact_range_is_refused_with_the_reason() -> None:
    """Keeps a kernel with divisions and exponentials from passing as exact."""
    with pytest.raises(GoldenError, match="no exact inputs: 100% of C") as caught:
        exact_inputs(softmax())
    assert caught.value.code == "NoExactRange"


@pytest.mark.parametrize(("first", "last", "tried"), [
    ("rounds", "rounds", [5, 1]), ("rounds", "is zero", [5, 1, 4, 3]),
    ("is NaN", "rounds", [5, 1]), ("is NaN", "is zero", [5, 1, 4, 3]),
    ("rounds", "", [5, 1, 4, 3]), ("", "rounds", [5]),
])  # fmt: skip
def test_ranges_between_two_that_round_are_not_tried(
    first: str, last: str, tried: list[int]
) -> None:
    """Ten evaluations are saved where all would round, and no other reason stops the search."""
    known: ExactInputs = exact_inputs(matmul(32, 32, 32, 32, 32, 32))
    why = {5: first, 4: "rounds", 3: "", 2: "", 1: last}
    words: dict[str, Any] = {"": known, "rounds": "may be rounded even for integers up to 1"}
    asked: list[int] = []

    def attempt(one: int) -> Any:
        asked.append(one)
        return words.get(why[one], why[one])

    found = widest([5, 4, 3, 2, 1], attempt)
    assert asked == tried
    assert (found is known) == (len(tried) != 2)


def test_an_answer_of_zeros_is_no_exact_answer() -> None:
    """Keeps inputs so sparse that nothing is left from passing for a proof."""

    @T.prim_func
    def gated(A: T.Tensor((32, 32), "float32"), B: T.Tensor((32, 32), "float32"),
              C: T.Tensor((32, 32), "float32")):  # fmt: skip
        with T.Kernel(1) as _:
            a = T.alloc_shared((32, 32), "float32")
            b = T.alloc_shared((32, 32), "float32")
            T.copy(A, a)
            T.copy(B, b)
            for i, j in T.Parallel(32, 32):
                a[i, j] = a[i, j] * T.sigmoid(a[i, j]) * b[i, j]
            T.copy(a, C)

    with pytest.raises(GoldenError, match="C is exact only where it is zero"):
        exact_inputs(gated)


def test_masks_and_maxima_have_exact_inputs() -> None:
    """Protects exactness through selects, maxima and broadcasts."""
    drawn = exact_inputs(masked())
    assert drawn.golden.is_exact
    assert drawn.largest == 31


def test_tags_name_tiles() -> None:
    """Protects the reading of tagged answers: neighbouring tiles differ."""
    tagged = tagged_inputs(copy((96, 128), (32, 32)))
    corners = tagged.inputs["A"][::32, ::32]
    assert len(np.unique(corners)) == 12
    assert tagged_inputs(matmul(64, 64, 64, 32, 32, 32, out_dtype="float32")).golden.is_exact


@pytest.mark.parametrize("kind", sorted(INPUT_KINDS))
def test_kinds_are_reproducible(kind: str) -> None:
    """Protects replay: the same seed gives the same bits, another seed does not."""
    func = elementwise("add")
    first, again, other = (draw_inputs(func, kind, seed) for seed in (1, 1, 2))
    for name in ("A", "B"):
        np.testing.assert_array_equal(first[name], again[name])
        assert not np.array_equal(first[name], other[name])
        assert first[name].dtype == np.float32
    evaluate(func, first)


def test_unknown_kind_is_refused() -> None:
    """Keeps a misspelt kind from drawing something else."""
    with pytest.raises(GoldenError, match="kind"):
        draw_inputs(elementwise("add"), "nice")


def test_products_are_recognised() -> None:
    """Protects the fast check from judging anything but a whole product."""
    plain = find_product(matmul(96, 64, 80, 64, 32, 32))
    assert plain is not None
    assert (plain.a, plain.b, plain.c, plain.trans_a) == ("A", "B", "C", False)
    swapped = find_product(matmul(96, 64, 80, 64, 32, 32, trans_A=True, trans_B=True))
    assert swapped is not None
    assert swapped.trans_a
    assert swapped.trans_b
    assert find_product(batched(2, 64, 64, 64)) is not None
    for func in (copy((64, 64), (32, 32)), triangular(64), elementwise("mul"), softmax()):
        assert find_product(func) is None


@pytest.mark.parametrize(("trans_a", "trans_b"), [(False, False), (True, True)])
def test_freivalds_accepts_products_and_nothing_else(trans_a: bool, trans_b: bool) -> None:
    """Protects the cheap first pass from accepting a wrong element."""
    func = matmul(96, 64, 80, 32, 32, 32, out_dtype="float32", trans_A=trans_a, trans_B=trans_b)
    drawn = exact_inputs(func)
    product = find_product(func)
    assert product is not None
    right = drawn.golden.outputs["C"].answer.value
    assert freivalds(product, TYPES, drawn.inputs, right) is True
    for _ in range(50):
        wrong = right.copy()
        wrong[np.random.default_rng(_).integers(96), 5] += 1
        assert freivalds(product, TYPES, drawn.inputs, wrong) is False
    assert freivalds(product, TYPES, draw_inputs(func), right) is None
