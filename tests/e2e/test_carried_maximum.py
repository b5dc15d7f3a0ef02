"""Comparisons with maxima that went on: over chunks, through other blocks, joined with others."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import harness
from golden import evaluate, judge
from simulator.run import RunOptions
from tests.harness.compiler import samples

ROWS, CHUNK = 32, 32
NONE = 200
SOURCE = """
@T.prim_func
def main(X: T.Tensor(({rows}, {two}), "{dtype}"), Y: T.Tensor(({rows},), "int32")):
    with T.Kernel(1):
        x = T.alloc_fragment(({rows}, {n}), "{dtype}")
        w = T.alloc_fragment(({rows}, {n}), "{dtype}")
        m = T.alloc_fragment(({rows},), "{dtype}")
        t = T.alloc_fragment(({rows},), "{dtype}")
        c = T.alloc_fragment(({rows}, {n}), "int32")
        k = T.alloc_fragment(({rows},), "int32")
        y = T.alloc_fragment(({rows},), "int32")
        T.fill(y, {none})
        T.fill(m, {start})
        for s in T.serial(2):
            T.copy(X[0, s * {n}], x)
            {first}
        for s in T.serial(2):
            T.copy(X[0, s * {n}], x)
            {second}
            for i, j in T.Parallel({rows}, {n}):
                c[i, j] = T.if_then_else({test}, s * {n} + j, {none})
            T.reduce_min(c, k, dim=1)
            for i in T.Parallel({rows}):
                y[i] = T.min(y[i], k[i])
        T.copy(y, Y)
"""
LEAST = '-T.infinity("float32")'
JOINED = """T.reduce_max(x, t, dim=1)
            for i in T.Parallel({rows}): m[i] = T.max(m[i], t[i])"""
REPEATED = "for i, j in T.Parallel({rows}, {n}): w[i, j] = m[i]"
ELEMENTS = """T.copy(X[0, (1 - s) * {n}], w)
            for i, j in T.Parallel({rows}, {n}): w[i, j] = T.max(w[i, j], x[i, j])
            T.reduce_max(w, m, dim=1)"""
SAME = "x[i, j] == m[i]"
FORMS: dict[str, tuple[str, str, str, str]] = {
    # start, first pass, second pass, test
    "carried": (LEAST, "T.reduce_max(x, m, dim=1, clear=False)", "", SAME),
    "joined": (LEAST, JOINED, "", "m[i] <= x[i, j]"),
    "smallest": ('T.infinity("float32")', "T.reduce_min(x, m, dim=1, clear=False)", "",
                 "not (x[i, j] > m[i])"),
    "magnitude": ("0.0", "T.reduce_absmax(x, m, dim=1, clear=False)", "", "T.abs(x[i, j]) == m[i]"),
    "repeated": (LEAST, "T.reduce_max(x, m, dim=1, clear=False)", REPEATED, "x[i, j] >= w[i, j]"),
    "elements": (LEAST, ELEMENTS, "", SAME),
    "difference": (LEAST, "T.reduce_max(x, m, dim=1, clear=False)", "", "x[i, j] - m[i] == 0.0"),
    "picked": ("0.0", "", "", "x[i, j] == x[i, 7]"),
    "started": ("-1000.1", "T.reduce_max(x, m, dim=1, clear=False)", "", SAME),
}  # fmt: skip
BEST: dict[str, Any] = {
    "picked": lambda x, axis: np.full(len(x), 7),  # noqa: ARG005
    "smallest": np.argmin,
    "magnitude": lambda x, axis: np.abs(x).argmax(axis),
}
CASES = [(form, "float32", ("wormhole_n150", "blackhole_p150")[at % 2])
         for at, form in enumerate(FORMS)]  # fmt: skip
CASES += [("carried", dtype, "blackhole_p150") for dtype in ("float32", "bfloat16", "float16")]


def kernel(form: str, dtype: str) -> Any:
    """The kernel that looks for the extremum of each row in a second pass over it."""
    start, first, second, test = FORMS[form]
    sizes = {"rows": ROWS, "n": CHUNK}
    text = SOURCE.format(
        **sizes, two=2 * CHUNK, dtype=dtype, none=NONE, test=test, start=start,
        first=first.format(**sizes), second=second.format(**sizes),
    )  # fmt: skip
    return samples.from_text(text, "main")


RANKS: dict[str, Any] = {
    "x[i, k] > x[i, j]": lambda x, k: x[:, k, None] > x,
    "x[k, j] == x[i, j]": lambda x, k: x[k] == x,
    "X[k, 7] <= x[i, j] - 0.0": lambda x, k: x[k, 7] <= x,
    "2.0 * x[j, k] >= x[i, j]": lambda x, k: 2 * x[:, k] >= x,
}
RANKED = """
@T.prim_func
def main(X: T.Tensor((32, 32), "float32"), Y: T.Tensor((32, 32), "int32")):
    with T.Kernel(1):
        x = T.alloc_fragment((32, 32), "float32")
        y = T.alloc_fragment((32, 32), "int32")
        T.copy(X, x)
        T.clear(y)
        for k in T.serial(4, 12):
            for i, j in T.Parallel(32, 32):
                y[i, j] += T.if_then_else({test}, 1, 0)
        T.copy(y, Y)
"""


@pytest.mark.parametrize(("at", "test"), list(enumerate(RANKS)))
def test_what_a_loop_chooses_is_compared_whole(at: int, test: str) -> None:
    """Numbers nearer than the matrix unit tells, and infinities, in the order that they have."""
    x = np.random.default_rng(1).standard_normal((32, 32)).astype(np.float32)
    x[:, 5] = x[:, 9] * np.float32(1 + 2.0**-20)
    x[5] = x[9] * np.float32(1 - 2.0**-21)
    x[6, :2] = np.inf, -np.inf
    device = ("wormhole_n150", "blackhole_p150")[at % 2]
    made = harness.compile(samples.from_text(RANKED.format(test=test), "main"), device=device)
    counts = [
        sum(RANKS[test](a, k).astype(np.int32) for k in range(4, 12)) for a in (x, x[:, ::-1])
    ]
    np.testing.assert_array_equal(made.run({"X": x}).outputs["Y"], counts[0])
    assert harness.check(made, {"X": x}).passed
    golden = evaluate(made.source, {"X": x[:, ::-1]})
    assert judge({"Y": counts[1]}, golden).passed
    assert judge({"Y": counts[1] + 1}, golden).wrong == x.size


@pytest.mark.parametrize(("form", "dtype", "device"), CASES)
def test_the_extremum_is_found_again(form: str, dtype: str, device: str) -> None:
    """However a maximum came there, the largest element equals it, as the number types store it."""
    exact = RunOptions(numbers="exact")
    source = kernel(form, dtype)
    made = harness.compile(source, device=device)
    x = np.random.default_rng(1).standard_normal((ROWS, 2 * CHUNK)).astype(np.float32)
    if dtype != "float32":  # a type holds few numbers: no two elements of a row are one
        x = np.random.default_rng(1).permuted(np.tile(np.arange(64) - 30.0, (ROWS, 1)), axis=1)
        x = (x * (1.0 if dtype == "bfloat16" else 1 + 2.0**-4)).astype(np.float32)
    found = made.run({"X": x}, exact).outputs["Y"]
    np.testing.assert_array_equal(found, BEST.get(form, np.argmax)(x, axis=1))
    assert harness.check(source, device=device, numbers="exact").passed
