"""Kernels by file and name, from Python."""

from pathlib import Path

import numpy as np
import pytest

import harness
from harness.kernelfile import SourceError
from harness.parameters import ParameterError

EXAMPLE = Path(__file__).parents[1] / "e2e" / "plugin_example" / "gated.py"


def test_a_file_that_imports_tilelang_is_loaded_and_runs() -> None:
    """A TileLang file gives a kernel that compiles and answers, TileLang installed or not."""
    artifact = harness.compile(harness.load(f"{EXAMPLE}:gated", M=33, N=40))
    rng = np.random.default_rng(1)
    arrays = {name: rng.standard_normal((33, 40), np.float32) for name in "XG"}
    x, g = arrays.values()
    got = artifact.run(arrays).outputs["Y"]
    np.testing.assert_allclose(got, x * g / (1 + np.exp(-g)), rtol=0.05, atol=0.02)


def test_what_does_not_fit_is_said() -> None:
    """A wrong file or parameter is a coded error that names it."""
    with pytest.raises(SourceError, match="cannot be read"):
        harness.load("none.py:gated")
    with pytest.raises(ParameterError, match="no parameter 'K'"):
        harness.load(f"{EXAMPLE}:gated", M=33, N=40, K=1)
