"""Single numbers that a table names, one per place of a line: ``s[i] = S[P[i]]``."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import harness
from harness.errors import CompileError
from harness.fuzz.stages import validate
from tests.harness.compiler import samples

SOURCE = """
@T.prim_func
def main(S: T.Tensor({shape}, "{dtype}"), P: T.Tensor((64,), "int32"),
         X: T.Tensor((64, 64), "{dtype}"), Y: T.Tensor((64, 64), "{dtype}")):
    with T.Kernel(2) as b:
        s = T.alloc_fragment((32,), "{dtype}")
        x = T.alloc_fragment((32, 64), "{dtype}")
        T.copy(X[b * 32, 0], x)
        {body}
        T.copy(x, Y[b * 32, 0])
"""
LINE = """for i in T.Parallel(32): s[i] = {value}
        for i, j in T.Parallel(32, 64): x[i, j] = x[i, j] * s[i]"""
WORMHOLE, BLACKHOLE = "wormhole_n150", "blackhole_p150"
CASES: dict[str, tuple[tuple[int, ...], str, str, str, Any]] = {
    "line": ((100,), "float32", BLACKHOLE, LINE.format(value="S[P[b * 32 + i]]"),
             lambda s, p: s[p][:, None]),
    "narrow": ((256,), "bfloat16", BLACKHOLE, LINE.format(value="S[P[b * 32 + i]]"),
               lambda s, p: s[p][:, None]),
    "plane": ((3, 256), "float32", WORMHOLE, LINE.format(value="S[1, P[b * 32 + i] + 1] + 1.0"),
              lambda s, p: s[1][p + 1][:, None] + 1),
    "rows": ((256,), "float32", WORMHOLE,
             "for i, j in T.Parallel(32, 64): x[i, j] = x[i, j] * S[P[b * 32 + i]]",
             lambda s, p: s[p][:, None]),
    "columns": ((256,), "float32", WORMHOLE,
                "for i, j in T.Parallel(32, 64): x[i, j] = x[i, j] * S[P[j]]",
                lambda s, p: s[p][None]),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_single_numbers_are_gathered(name: str) -> None:
    """Each place gets the number its index names, in a line and beside a matrix, as NumPy does."""
    shape, dtype, device, body, reference = CASES[name]
    kernel = samples.from_text(SOURCE.format(shape=shape, dtype=dtype, body=body), "main")
    made = harness.compile(kernel, device=device)
    rng = np.random.default_rng(0)
    s, x = (rng.integers(-9, 10, size).astype(np.float32) for size in (shape, (64, 64)))
    p = rng.integers(0, shape[-1] - 1, 64).astype(np.int32)
    answer = made.run({"S": s, "P": p, "X": x}).outputs["Y"]
    np.testing.assert_array_equal(answer, x * reference(s, p))
    assert harness.check(made).passed
    assert validate(made, 0).name == ""


def test_whole_numbers_are_not_turned() -> None:
    """What cannot be turned is refused by its tensor's name, and no block of the compiler's."""
    body = "for i in T.Parallel(32): s[i] = S[P[b * 32 + i]]"
    text = SOURCE.format(shape=(256,), dtype="int32", body=body)
    with pytest.raises(CompileError, match="single numbers of 'S' of int32"):
        harness.compile(samples.from_text(text, "main"))
