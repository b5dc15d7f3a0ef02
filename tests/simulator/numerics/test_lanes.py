"""Tiles worked on together get the bits they get alone: how lanes are grouped is chance."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.formats.bits import Floats, words_of
from simulator.formats.dataformat import DataFormat
from simulator.numerics.models import NUMBER_MODELS, number_model
from simulator.numerics.modes import Chip, Dest, Fidelity, Mode, Pool, ReduceDim
from simulator.numerics.sfpu import sfpu
from simulator.numerics.sfpu_table import SFPU

SPECIAL = np.array(
    [0, 1, 0x007FFFFF, 0x00800000, 0x3F808000, 0x7F7F8000, 0x7F7FFFFF, 0x7F800000, 0x7FC12345],
    np.uint32,
)
SMALL = SPECIAL[:5]
FORMATS = [fmt for fmt in DataFormat if fmt.is_float]
ONES = np.ones((1, 32, 32), np.float32)
modes = st.builds(
    Mode,
    fidelity=st.sampled_from(Fidelity),
    dest=st.sampled_from(Dest),
    chip=st.sampled_from(Chip),
)


def _tiles(rng: np.random.Generator, special: int) -> Floats:
    """Three tiles with small numbers and zeros of both signs; one has the largest and NaN too."""
    words = rng.standard_normal((3, 32, 32), np.float32).view(np.uint32)
    for index, tile in enumerate(words):
        chosen = rng.random(tile.shape) < 0.1
        kinds = SPECIAL if index == special else SMALL
        signs = rng.integers(0, 2, int(chosen.sum()), np.uint32) << np.uint32(31)
        tile[chosen] = rng.choice(kinds, int(chosen.sum())) | signs
    return words.view(np.float32)


def _same_alone(function: Callable[..., Floats], *operands: Floats) -> None:
    with np.errstate(all="ignore"):
        together = function(*(operand.copy() for operand in operands))
        for index in range(len(together)):
            alone = function(*(operand[index : index + 1].copy() for operand in operands))
            assert np.array_equal(words_of(alone[0]), words_of(together[index]))


@given(seed=st.integers(0, 2**32 - 1), mode=modes)
@pytest.mark.parametrize("name", NUMBER_MODELS)
def test_the_neighbours_of_a_tile_change_no_bit_of_it(name: str, seed: int, mode: Mode) -> None:
    """Infinity or NaN in one lane leaves the zeros and denormals of the others as they are."""
    rng = np.random.default_rng(seed)
    a, b, c = (_tiles(rng, int(rng.integers(3))) for _ in range(3))
    model = number_model(name)
    _same_alone(lambda x, y, z: model.matmul(z, x, y, mode), a, b, c)
    for op in ("add", "sub", "mul"):
        _same_alone(lambda x, y, z, op=op: model.eltwise(op, x, y, mode, acc=z), a, b, c)
    for fmt in FORMATS:
        _same_alone(lambda x, fmt=fmt: model.pack(x, fmt, mode), a)
        _same_alone(lambda x, fmt=fmt: model.to_src(x, fmt, mode), a)
    _same_alone(lambda x: model.copy(x, mode), a)
    for pool in Pool:
        for dim in ReduceDim:
            _same_alone(
                lambda x, pool=pool, dim=dim: model.reduce(x, ONES, pool, dim, mode),
                a,
            )


@given(seed=st.integers(0, 2**32 - 1), mode=modes)
def test_the_vector_unit_sees_one_datum_at_a_time(seed: int, mode: Mode) -> None:
    """Every function, zeros and denormals beside infinity and NaN."""
    rng = np.random.default_rng(seed)
    operands = [_tiles(rng, int(rng.integers(3))) for _ in range(2)]
    for name, row in SFPU.items():
        _same_alone(lambda *x, name=name: sfpu(name, *x, mode=mode), *operands[: row.arity])
