"""Relations between two runs of a product, which need no golden.

Inputs change in a known way, and the outputs must follow, bit for bit on the device's arithmetic,
for any data that stays in range: each element of a product sees only its row and column, in one
order.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from golden.formats import TILE
from golden.products import Product

Array = npt.NDArray[Any]
Arrays = Mapping[str, Array]

_SHIFT: Final = 3
_MARKER: Final = 2.0**20


@dataclass(frozen=True)
class Relation:
    """A second run and what it must answer.

    Attributes:
        name: one phrase.
        inputs: of the second run.
        expected: the second run's output, from the first run's.
    """

    name: str
    inputs: dict[str, Array]
    expected: Callable[[Array], Array]

    def holds(self, first: Array, second: Array) -> bool:
        """Whether two runs' outputs obey the relation, to the last bit."""
        return bool(np.array_equal(self.expected(first), second, equal_nan=True))


def product_relations(
    product: Product, inputs: Arrays, seed: int = 0, *, roomy: bool = True
) -> tuple[Relation, ...]:
    """Relations of C = A B: permuted rows and columns, and scaling by powers of two.

    ``roomy`` says that exponents have room for scaling, which float16 ones have not: numbers near
    its least are cut to zero, and scaled ones are not.
    """
    rng = np.random.default_rng(seed)
    row_axis = -1 if product.trans_a else -2
    column_axis = -2 if product.trans_b else -1
    rows = rng.permutation(inputs[product.a].shape[row_axis])
    columns = rng.permutation(inputs[product.b].shape[column_axis])

    def changed(name: str, array: Array) -> dict[str, Array]:
        return {**inputs, name: array}

    factor = inputs[product.a].dtype.type(2**_SHIFT)
    scaled = Relation(
        f"A times 2**{_SHIFT}: C times 2**{_SHIFT}",
        changed(product.a, inputs[product.a] * factor),
        lambda c: c * c.dtype.type(2**_SHIFT),
    )
    return (
        *([scaled] if roomy else []),
        Relation(
            "rows of A permuted: rows of C permuted",
            changed(product.a, inputs[product.a].take(rows, row_axis)),
            lambda c: c.take(rows, -2),
        ),
        Relation(
            "columns of B permuted: columns of C permuted",
            changed(product.b, inputs[product.b].take(columns, column_axis)),
            lambda c: c.take(columns, -1),
        ),
        Relation(
            "A negated and B negated: C unchanged",
            {**inputs, product.a: -inputs[product.a], product.b: -inputs[product.b]},
            lambda c: c,
        ),
    )


def marked(product: Product, inputs: Arrays, tile: tuple[int, int]) -> tuple[dict[str, Array], int]:
    """Inputs with a large number added along one column of tile (row, k) of A.

    Every element of the tile's row of C must change and no other may. Returns the inputs and the
    row of tiles.
    """
    array = inputs[product.a].copy()
    matrix = array.swapaxes(-1, -2) if product.trans_a else array
    row, k = tile
    matrix[..., row * TILE : (row + 1) * TILE, k * TILE] += array.dtype.type(_MARKER)
    return {**inputs, product.a: array}, row


def changed_rows(first: Array, second: Array) -> set[int]:
    """Rows of tiles in which two outputs differ anywhere."""
    rows = np.argwhere(first != second)[:, -2] // TILE
    return {int(r) for r in rows}
