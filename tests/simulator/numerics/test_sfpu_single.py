"""Functions evaluated in float32 give what float64 rounded to float32 gives."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from simulator.numerics.modes import Chip, Dest, Mode
from simulator.numerics.sfpu import sfpu
from simulator.numerics.sfpu_table import SFPU

NAMES = [name for name, row in SFPU.items() if row.single]


@pytest.mark.parametrize("chip", Chip)
@pytest.mark.parametrize("name", NAMES)
def test_float32_evaluation_changes_no_bit(
    name: str, chip: Chip, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The cheap evaluation is the definition's, on every kind of number, in every DST width."""
    rng = np.random.default_rng(7)
    words = rng.integers(0, 1 << 32, (2, 8, 32, 32), dtype=np.uint64).astype(np.uint32)
    tiles = words.view(np.float32)
    tiles[0, 0] = rng.standard_normal((32, 32))
    tiles[1, :2] = 0.0
    operands = [tiles[0], tiles[1]][: SFPU[name].arity]
    slow = replace(SFPU[name], single=False)
    for dest in (Dest.FP32, Dest.BF16):
        mode = Mode(dest=dest, chip=chip)
        got = sfpu(name, *operands, mode=mode)
        with monkeypatch.context() as patch:
            patch.setattr("simulator.numerics.sfpu.SFPU", {name: slow})
            want = sfpu(name, *operands, mode=mode)
        same = (got.view(np.uint32) == want.view(np.uint32)) | (np.isnan(got) & np.isnan(want))
        if name in ("binary_max", "binary_min", "relu"):  # NumPy leaves open which zero wins
            same |= (got == 0) & (want == 0)
        assert same.all()
