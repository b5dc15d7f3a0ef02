"""Drawn inputs have what makes a fault show: signs, sizes, and no two parts alike.

Inputs that are too regular let a wrong answer equal the right one, and no test of a right kernel
notices.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from golden.exact_inputs import exact_inputs
from golden.inputs import INPUT_KINDS, draw_inputs, overflowing
from golden.source import read_kernel
from golden.tables.indices import drawn_indices, index_ranges
from golden.tagged import tagged_inputs
from harness.kernels.attention import flash_attention
from harness.kernels.elementwise import add
from harness.kernels.gathered import paged_attention
from harness.kernels.gemm import matmul
from harness.kernels.softmax import softmax

Doubles = npt.NDArray[np.float64]
SQUARE: dict[str, Any] = {"M": 64, "N": 64, "K": 64, "block_M": 32, "block_N": 32}


def drawn(kind: str, seed: int = 0) -> dict[str, Doubles]:
    """A and B of a square product, by a kind of inputs."""
    func = matmul(**SQUARE)
    arrays = exact_inputs(func, seed=seed).inputs if kind == "exact" else draw_inputs(
        func, kind, seed)  # fmt: skip
    return {n: np.nan_to_num(a.astype(np.float64)) for n, a in arrays.items()}


def tiles(array: Doubles) -> list[Doubles]:
    """The four tiles of a 64 x 64 array."""
    return [array[i : i + 32, j : j + 32] for i in (0, 32) for j in (0, 32)]


@pytest.mark.parametrize("kind", ["exact", *sorted(INPUT_KINDS)])
def test_no_two_parts_are_alike(kind: str) -> None:
    """Tiles, rows, columns, operands and transposes taken for one another are told apart."""
    arrays = drawn(kind)
    a, b = arrays["A"], arrays["B"]
    parts = [*tiles(a), *tiles(b)]
    for one, other in itertools.combinations(parts, 2):
        assert (one != other).any()
        assert (one != other.T).any()
    if kind != "one_hot":  # rows of one element are alike where it stands at one place
        for array in (a, a.T, b, b.T):
            assert len(np.unique(array, axis=0)) == len(array)
    assert (a != a.T).any()
    assert (drawn(kind, seed=1)["A"] != a).any()


def test_exact_inputs_use_the_whole_range() -> None:
    """Both signs, nearly every number up to the largest, and the largest that is exact."""
    found = exact_inputs(matmul(**SQUARE, out_dtype="float32"))
    assert found.largest == 31
    for array in found.inputs.values():
        assert set(np.unique(array)) == set(range(-31, 32))
        assert abs(float(array.mean())) < 2
    assert exact_inputs(add()).largest == 31


def share(values: Doubles, low: float, high: float) -> float:
    """Share of magnitudes from low up to high."""
    return float(((np.abs(values) >= low) & (np.abs(values) < high)).mean())


@pytest.mark.parametrize("name", ["A", "B"])
def test_kinds_are_what_they_say(name: str) -> None:
    """Every kind has the numbers it is drawn for."""
    of = {kind: drawn(kind)[name] for kind in INPUT_KINDS}
    assert 0.9 < of["random"].std() < 1.1
    assert ((of["uniform"] >= 0) & (of["uniform"] < 1)).all()
    assert share(of["wide"], 0, 2.0**-8) > 0.2
    assert share(of["wide"], 2.0**8, np.inf) > 0.2
    rows = np.abs(of["scaled"]).max(axis=1)
    assert rows.max() > 2.0**12 * rows.min()
    assert (of["scaled"] == of["scaled"][:, :1]).all(axis=1).any()
    assert (np.abs(of["cancel"][:, 0::2] + of["cancel"][:, 1::2]) < 16).all()
    assert share(of["cancel"], 64, np.inf) > 0.5
    assert share(of["tiny"], 2.0**-140, 2.0**-126) > 0.2
    assert (of["tiny"] == 0).any()
    assert share(of["huge"], 2.0**49, np.inf) > 0.5
    assert ((of["one_hot"] != 0).sum(axis=1) == 1).all()
    raw = draw_inputs(matmul(**SQUARE), "special", 0)[name]
    for test in (np.isposinf, np.isneginf, np.isnan):
        assert test(raw[:32, :32]).any()
        assert not test(raw[32:]).any()
    both = draw_inputs(matmul(**SQUARE), "special", 1).values()  # equal, for comparisons
    assert all(list(array[0, :2]) == [np.inf, -np.inf] for array in both)
    steep, hilly = (np.abs(of[kind]).max(axis=1) for kind in ("steep", "hilly"))
    assert {8.0, 128.0} <= set(steep)
    assert (of["steep"] == np.rint(of["steep"])).all()
    assert set(hilly) <= {4.0, 8.0, 16.0}
    assert len(set(hilly)) == 3
    fraction, _ = np.frexp(of["ties"])
    assert (np.abs(fraction) * 2.0**9 % 2 == 1).all()  # half a unit of bfloat16, odd


def test_what_overflows_is_found_in_any_kernel_of_a_sequence() -> None:
    """Products make numbers larger, wherever in a sequence they stand."""
    assert overflowing(softmax(M=32, N=32)) == "steep"
    assert overflowing(add()) is None
    assert overflowing(flash_attention()) == "hilly"
    assert overflowing(matmul(**SQUARE), softmax(M=32, N=32)) == "hilly"
    assert overflowing(add(), softmax(M=32, N=32)) == "steep"


def test_indices_reach_both_ends_of_what_there_is() -> None:
    """A gather that always takes the first page tests no gather."""
    kernel = read_kernel(paged_attention())
    for name, (low, high) in index_ranges(kernel).items():
        seen = np.concatenate([drawn_indices(kernel, seed)[name].ravel() for seed in range(40)])
        assert (seen.min(), seen.max()) == (low, high)
        assert high > low


def test_tags_differ_between_tiles_and_between_tensors() -> None:
    """Along rows and columns of tiles, and between operands at the same place."""
    arrays = tagged_inputs(add(M=96, N=128)).inputs
    corners = [a[::32, ::32].astype(float) for a in arrays.values()]
    for one in corners:
        assert (one[:, 1:] != one[:, :-1]).all()
        assert (one[1:] != one[:-1]).all()
    assert (corners[0] != corners[1]).all()
