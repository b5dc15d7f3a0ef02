"""What went into a wrong tile: hypotheses tried on the numbers until one fits every element.

A hypothesis is another tile in place of the right one, a K tile left out, doubled or replaced, an
accumulator not cleared. Exact inputs decide between them with certainty for practical purposes;
others do within their bounds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from golden.blocks import stored_by_host
from golden.formats import F64, TILE
from golden.judgement import Judgement, WrongTile
from golden.products import Product, find_product
from golden.result import GoldenResult, TensorResult
from golden.source import Kernel, read_kernel

_DESCRIBED: Final = 3
"""Wrong tiles explained."""
_SEARCHED: Final = 4096
"""Tiles of a tensor compared with a wrong one."""


@dataclass(frozen=True)
class _Case:
    """A wrong tile and what may explain it."""

    wrong: WrongTile
    got: F64
    want: F64
    slack: F64

    @property
    def name(self) -> str:
        return _label(self.wrong.tensor, self.wrong.tile)

    def is_(self, candidate: F64) -> bool:
        """Whether the machine's tile is this one, within the bound."""
        if candidate.shape != self.got.shape:
            return False
        with np.errstate(invalid="ignore"):
            return bool((np.abs(self.got - candidate) <= self.slack).all())


def explain(
    func: Any,
    inputs: Mapping[str, npt.NDArray[Any]],
    actual: Mapping[str, npt.NDArray[Any]],
    golden: GoldenResult,
    judgement: Judgement,
) -> tuple[str, ...]:
    """One sentence for each of the worst wrong tiles whose content is recognised."""
    kernel = read_kernel(func)
    stored = {
        t.name: stored_by_host(np.asarray(inputs[t.name]), t.stored)
        for t in kernel.tensors
        if t.name in inputs
    }
    product = find_product(func)
    sentences = []
    for wrong in judgement.worst[:_DESCRIBED]:
        if wrong.kind != "value":
            continue
        result = golden.outputs[wrong.tensor]
        case = _case(wrong, np.asarray(actual[wrong.tensor], np.float64), result)
        guesses = _guesses(case, kernel, stored, golden, product)
        sentence = next(guesses, None)
        if sentence is not None:
            sentences.append(sentence)
    return tuple(sentences)


def _case(wrong: WrongTile, actual: F64, result: TensorResult) -> _Case:
    bound = np.broadcast_to(np.asarray(result.answer.error, np.float64), actual.shape)
    got, want, slack = (
        _tile(_plane(x, wrong.lead), wrong.tile) for x in (actual, result.answer.value, bound)
    )
    return _Case(wrong, got, want, slack)


def _guesses(
    case: _Case,
    kernel: Kernel,
    stored: Mapping[str, F64],
    golden: GoldenResult,
    product: Product | None,
) -> Iterator[str]:
    if not case.got.any() and case.want.any():
        yield f"{case.name} is zero"
    if case.got.shape[0] == case.got.shape[1] and case.is_(case.want.T):
        yield f"{case.name} is right but transposed"
    output = _plane(golden.outputs[case.wrong.tensor].answer.value, case.wrong.lead)
    for place, tile in _tiles(output):
        if place != case.wrong.tile and case.is_(tile):
            yield f"{case.name} holds what belongs into {_label(case.wrong.tensor, place)}"
    if product is not None and product.c == case.wrong.tensor:
        yield from _product_guesses(case, product, stored)
    yield from _input_guesses(case, kernel, stored)
    for place, tile in _tiles(output):
        if tile.shape == case.want.shape and case.is_(case.want + tile):
            yield (
                f"{case.name} has {_label(case.wrong.tensor, place)} added:"
                " an accumulator was not cleared"
            )
    for factor in (2.0, 0.5, -1.0):
        if case.want.any() and case.is_(case.want * factor):
            yield f"{case.name} is {factor:g} times the right answer"


def _input_guesses(case: _Case, kernel: Kernel, stored: Mapping[str, F64]) -> Iterator[str]:
    """An input's tile in place of another: copies."""
    found = wanted = None
    for info in kernel.tensors:
        if info.name not in stored or stored[info.name].ndim != max(2, 2 + len(case.wrong.lead)):
            continue
        for place, tile in _tiles(_plane(stored[info.name], case.wrong.lead)):
            if found is None and case.is_(tile):
                found = _label(info.name, place)
            if wanted is None and tile.shape == case.want.shape and (tile == case.want).all():
                wanted = _label(info.name, place)
    if found is not None:
        yield f"{case.name} holds {found}" + (f" instead of {wanted}" if wanted else "")


def _product_guesses(case: _Case, product: Product, stored: Mapping[str, F64]) -> Iterator[str]:
    a, b = (_plane(stored[n], case.wrong.lead) for n in (product.a, product.b))
    a, b = a.T if product.trans_a else a, b.T if product.trans_b else b
    row, column = case.wrong.tile
    rows = slice(row * TILE, (row + 1) * TILE)
    columns = slice(column * TILE, (column + 1) * TILE)
    count = -(-a.shape[1] // TILE)
    left = [a[rows, k * TILE : (k + 1) * TILE] for k in range(count)]
    right = [b[k * TILE : (k + 1) * TILE, columns] for k in range(count)]
    parts = [x @ y for x, y in zip(left, right, strict=True)]
    names = _Names(product, case.wrong.tile)
    for k, part in enumerate(parts):
        if case.is_(case.want - part):
            yield f"{case.name} never took {names.pair(k)}"
        if case.is_(case.want + part):
            yield f"{case.name} took {names.pair(k)} twice"
    for k in range(2, count):
        if case.is_(sum(parts[k:], np.zeros_like(case.want))):
            yield f"{case.name} holds only k = {k}..{count - 1}: the accumulator was lost before"
        if case.is_(sum(parts[:k], np.zeros_like(case.want))):
            yield f"{case.name} holds only k = 0..{k - 1}"
    for k, part in enumerate(parts):
        if case.is_(part):
            yield f"{case.name} holds only {names.pair(k)}"
    for k in range(count):
        for other in range(count):
            if k == other:
                continue
            if case.is_(case.want - parts[k] + parts[other]):
                yield (f"{case.name} took {names.pair(other)} twice and never {names.pair(k)}")
            if left[other].shape == left[k].shape and case.is_(
                case.want - parts[k] + left[other] @ right[k]
            ):
                yield f"{case.name} took {names.a(other)} in place of {names.a(k)}"
            if right[other].shape == right[k].shape and case.is_(
                case.want - parts[k] + left[k] @ right[other]
            ):
                yield f"{case.name} took {names.b(other)} in place of {names.b(k)}"


@dataclass(frozen=True)
class _Names:
    """Labels of the operand tiles of one output tile, as the tensors are stored."""

    product: Product
    tile: tuple[int, int]

    def a(self, k: int) -> str:
        place = (k, self.tile[0]) if self.product.trans_a else (self.tile[0], k)
        return _label(self.product.a, place)

    def b(self, k: int) -> str:
        place = (self.tile[1], k) if self.product.trans_b else (k, self.tile[1])
        return _label(self.product.b, place)

    def pair(self, k: int) -> str:
        return f"{self.a(k)}·{self.b(k)}"


def _label(tensor: str, tile: tuple[int, int]) -> str:
    return f"{tensor}[{tile[0]},{tile[1]}]"


def _plane(values: F64, lead: tuple[int, ...]) -> F64:
    """The matrix at a leading index; one-dimensional tensors are one row."""
    matrix = np.atleast_2d(values)
    return matrix[lead] if lead and matrix.ndim == len(lead) + 2 else matrix


def _tile(matrix: F64, tile: tuple[int, int]) -> F64:
    row, column = tile
    return matrix[row * TILE : (row + 1) * TILE, column * TILE : (column + 1) * TILE]


def _tiles(matrix: F64) -> Iterator[tuple[tuple[int, int], F64]]:
    rows, columns = (-(-n // TILE) for n in matrix.shape)
    for number in range(min(rows * columns, _SEARCHED)):
        place = divmod(number, columns)
        yield place, _tile(matrix, place)
