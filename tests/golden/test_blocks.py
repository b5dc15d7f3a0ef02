"""Block formats as the golden stores them: against real ttnn, and against their definition."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from golden.blocks import BLOCK_FORMATS, GROUP, stored_by_host
from golden.formats import find_format
from tests.vectors.cases import arrays, case_ids

SHORT = {"bfloat8_b": "bfp8", "bfloat4_b": "bfp4"}


@pytest.mark.parametrize("dtype", BLOCK_FORMATS)
@pytest.mark.parametrize("kind", case_ids("host_quant"))
def test_values_are_those_ttnn_stores(kind: str, dtype: str) -> None:
    """Golden rounds as ttnn's host does, on every kind of adversarial data."""
    given_values = arrays("host_quant")[f"{kind}.in"].view(np.float32).reshape(-1, GROUP)
    stored = arrays("host_quant")[f"{kind}.{SHORT[dtype]}_deq"].view(np.float32).reshape(-1, GROUP)
    ours = stored_by_host(given_values, dtype)
    finite = np.isfinite(given_values).all(axis=1)
    normal = np.abs(stored) >= 2.0**-126  # below, the device reads zero or a denormal
    assert finite.any()
    assert (ours[finite] == stored[finite])[normal[finite]].all()
    assert np.isnan(ours[~finite]).all()


@pytest.mark.parametrize("dtype", BLOCK_FORMATS)
@given(
    values=hnp.arrays(
        np.float32,
        st.tuples(st.integers(1, 3), st.integers(1, 40)),
        elements=st.floats(-1e6, 1e6, width=32),
    )
)
def test_no_value_moves_further_than_its_groups_unit(dtype: str, values: np.ndarray) -> None:
    """Values are off by at most a unit of their group; storing them again changes nothing."""
    bits = find_format(dtype).bits
    stored = stored_by_host(values, dtype)
    for first in range(0, values.shape[-1], GROUP):
        group = slice(first, first + GROUP)
        top = np.abs(values[:, group]).max(axis=-1, keepdims=True).astype(np.float64)
        unit = np.exp2(np.floor(np.log2(np.maximum(top, 2.0**-126))) - (bits - 1))
        assert (np.abs(stored[:, group] - values[:, group]) <= unit).all()
    assert (stored_by_host(stored.astype(np.float32), dtype) == stored).all()
