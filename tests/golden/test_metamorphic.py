"""Relations between two runs change something, and hold to the last bit or not at all."""

from __future__ import annotations

import numpy as np
import pytest

from golden.metamorphic import product_relations
from golden.products import Product, find_product, freivalds
from harness.kernels.gemm import matmul

RNG = np.random.default_rng(0)
INPUTS = {"A": RNG.integers(-9, 10, (64, 48)).astype(np.float32),
          "B": RNG.integers(-9, 10, (48, 96)).astype(np.float32)}  # fmt: skip
TYPES = {"A": "bfloat16", "B": "bfloat16"}


def product() -> Product:
    """A plain product of these."""
    found = find_product(matmul(64, 96, 48, 32, 32, 16, out_dtype="float32"))
    assert found is not None
    return found


PRODUCT = product()
RELATIONS = product_relations(PRODUCT, INPUTS)


@pytest.mark.parametrize("number", range(len(RELATIONS)))
def test_a_relation_asks_something_and_takes_nothing_else(number: int) -> None:
    """The second run has other inputs; one unit off in one element breaks the relation."""
    relation = RELATIONS[number]
    first = INPUTS["A"] @ INPUTS["B"]
    second = relation.inputs["A"] @ relation.inputs["B"]
    assert any((relation.inputs[n] != INPUTS[n]).any() for n in INPUTS)
    assert relation.holds(first, second)
    for place in ((0, 0), (63, 95), (31, 40)):
        wrong = second.copy()
        wrong[place] = np.nextafter(wrong[place], np.float32(np.inf))
        assert not relation.holds(first, wrong)
    if "permuted" in relation.name or "times" in relation.name:
        assert not relation.holds(first, first)


def test_relations_tell_rows_columns_and_sizes_apart() -> None:
    """All four are asked, and a plan that takes one row for another breaks one of them."""
    assert len(RELATIONS) == 4
    assert (RELATIONS[0].inputs["A"] == 8 * INPUTS["A"]).all()
    moved = (RELATIONS[1].inputs["A"] != INPUTS["A"]).any(axis=1)
    across = (RELATIONS[2].inputs["B"] != INPUTS["B"]).any(axis=0)
    assert moved.mean() > 0.9
    assert across.mean() > 0.9
    assert len(product_relations(PRODUCT, INPUTS, roomy=False)) == 3


def test_random_vectors_reach_every_element() -> None:
    """One wrong element is seen wherever it is."""
    right = INPUTS["A"] @ INPUTS["B"]
    assert freivalds(PRODUCT, TYPES, INPUTS, right) is True
    for row, column in zip(range(0, 64, 5), range(0, 96, 7), strict=False):
        wrong = right.copy()
        wrong[row, column] += 1
        wrong[63 - row, 95 - column] += 2
        assert freivalds(PRODUCT, TYPES, INPUTS, wrong) is False
    for column in range(96):
        wrong = right.copy()
        wrong[7, column] -= 1
        assert freivalds(PRODUCT, TYPES, INPUTS, wrong) is False
