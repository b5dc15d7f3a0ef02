"""Memory of the interpreter: what is stored in parts is read as it was, with what it claims."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from golden.approx import FREE, Approx, exact
from golden.interpret.memory import OnChip, Planes
from golden.interpret.tensors import Tensor
from tests.golden.intervals import Doubles, drawn, missed, point

SHAPE = (3, 4, 8)


def stored(new: Approx, at: Any, mask: Any, before: Doubles, got: Doubles) -> Doubles:
    """A device's memory after it stores numbers of its own there."""
    after = before.copy()
    after[at] = got if mask is None else np.where(mask, got, after[at])
    assert new.value.shape == got.shape
    return after


@given(seed=st.integers(0, 2**32 - 1), stores=st.integers(1, 4), masked=st.booleans())
def test_parts_are_read_as_they_were_stored(seed: int, stores: int, masked: bool) -> None:
    """Errors, alternatives and taint of each element, whoever was stored beside it before."""
    rng = np.random.default_rng(seed)
    planes, memory = Planes(SHAPE), np.zeros(SHAPE)
    for _ in range(stores):
        row, column = (int(rng.integers(0, n)) for n in SHAPE[1:])
        at = (slice(None), slice(row, None), slice(0, column + 1))
        new = drawn(rng, memory[at].shape)
        mask = rng.random(memory[at].shape) < 0.5 if masked else None
        planes.store(at, new, mask)
        memory = stored(new, at, mask, memory, point(rng, new))
    read = planes.load((...,))
    assert not missed(read, memory).any()
    # Of elements that may be anything, whatever is computed may be anything: no peak is owed.
    known = True if read.taint is None else read.taint != FREE
    finite = np.abs(memory[np.isfinite(memory) & (np.abs(memory) < 2.0**90) & known])
    assert read.peak >= finite.max(initial=0.0) * (1 - 2.0**-40)


@given(seed=st.integers(0, 2**32 - 1))
def test_exact_parts_claim_no_coarser_grain_than_all_of_them(seed: int) -> None:
    """Quarters beside whole numbers are quarters, on chip and in tensors."""
    rng = np.random.default_rng(seed)
    fine, coarse = (rng.integers(1, 9, (4, 4)) * unit for unit in (0.25, 64.0))
    planes, chip = Planes((4, 8)), OnChip(1, (4, 8), "float32")
    tensor = Tensor("A", exact(np.zeros((4, 8))), "float32")
    block = np.zeros(1, np.int32)
    for start, values in ((0, fine), (4, coarse)):
        planes.store((slice(None), slice(start, start + 4)), exact(values))
        chip.write(slice(None), (0, start), (4, 4), exact(values[None]))
        tensor.write((0, start), (4, 4), exact(values[None]), block)
    reads = (planes.load((...,)), chip.read(slice(None), (0, 0), (4, 8)),
             tensor.read((0, 0), (4, 8), block))  # fmt: skip
    for read in reads:
        assert (read.value % read.grain == 0).all()
        assert read.grain <= 2.0
        assert read.peak >= read.value.max()
