"""TileLang's convolution in its eager style: called on images, it returns images."""

from __future__ import annotations

import numpy as np

import harness
from harness.frontend.jit import compile as compiled
from harness.kernels.convolution import conv2d_reference
from tests.harness.frontend.loading import kernel


def test_images_in_images_out() -> None:
    """Filter and output are used as matrices, and passed and returned in their own shapes."""
    sizes = {"N": 2, "H": 7, "W": 9, "C": 32, "K": 3, "F": 40}
    blocks = {"block_M": 64, "block_N": 64, "block_K": 32}
    func = kernel("convolution", **sizes, S=2, D=1, P=1, **blocks)
    assert harness.check(func).passed
    rng = np.random.default_rng(3)
    data = rng.integers(-1, 2, (2, 7, 9, 32)).astype(np.float32)
    weights = rng.integers(-1, 2, (3, 3, 32, 40)).astype(np.float32)
    got = compiled(func, out_idx=[2])(data, weights)
    wanted = conv2d_reference(data.astype(np.float64), weights.astype(np.float64), 2, 1)
    np.testing.assert_array_equal(got, wanted)
