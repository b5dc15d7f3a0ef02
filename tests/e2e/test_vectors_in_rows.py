"""Vectors used element by element lie in rows of 32, 1024 numbers to a tile; others as they did."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tvm

import harness
import harness.language as T
from harness.compiler.diagnostics import as_module
from harness.compiler.passes.infer_layout import InferTTLayout
from harness.errors import CompileError
from harness.fuzz.stages import validate
from simulator.plan.views import ROWS

DEVICES = ["wormhole_n150", "blackhole_p150"]


def step(N: int, B: int) -> Any:
    """AdamW's, in place, of numbers that callers pass; decay last, of what was stored."""

    @T.prim_func
    def main(P: T.Tensor((N,), "float32"), G: T.Tensor((N,), "bfloat16"),
             M: T.Tensor((N,), "float32"), V: T.Tensor((N,), "float32"),
             rate: T.float32):  # fmt: skip
        with T.Kernel(T.ceildiv(N, B)) as bx:
            p, g, m, v = (T.alloc_fragment((B,), "float32") for _ in range(4))
            T.copy(P[bx * B : (bx + 1) * B], p)
            T.copy(G[bx * B], g)
            T.copy(M[bx * B], m)
            T.copy(V[bx * B], v)
            for i in T.Parallel(B):
                m[i] = 0.9 * m[i] + 0.1 * g[i]
                v[i] = 0.99 * v[i] + 0.01 * g[i] * g[i]
                p[i] = p[i] - rate * m[i] / (T.sqrt(T.abs(v[i])) + 1e-3)
            T.copy(p, P[bx * B])
            T.copy(m, M[bx * B])
            T.copy(v, V[bx * B])
            for i in T.Parallel(B):
                P[bx * B + i] = P[bx * B + i] * 0.5

    return main


def chunks(N: int, B: int) -> Any:
    """Chunk by chunk, in place; and what lies beyond the end, in a longer tensor."""

    @T.prim_func
    def main(X: T.Tensor((N,), "float32"), Y: T.Tensor((N + 40,), "bfloat16")):
        with T.Kernel(T.ceildiv(N, 2 * B)) as bx:
            x = T.alloc_shared((B,), "float32")
            for k in T.serial(2):
                T.copy(X[(bx * 2 + k) * B], x)
                for i in T.Parallel(B):
                    x[i] = x[i] + 3.0
                    Y[(bx * 2 + k) * B + i] = X[(bx * 2 + k) * B + i] * 2.0
                T.copy(x, X[(bx * 2 + k) * B])

    return main


def placed(N: int, B: int) -> Any:
    """Values and conditions that follow from the place, data and a number per block."""

    @T.prim_func
    def main(X: T.Tensor((N,), "int32"), K: T.Tensor((N,), "uint8"), S: T.Tensor((8,), "float32"),
             Y: T.Tensor((N,), "float32"), Z: T.Tensor((N,), "int32")):  # fmt: skip
        with T.Kernel(T.ceildiv(N, B)) as bx:
            for i in T.Parallel(B):
                k = bx * B + i
                if k < N:
                    Z[k] = X[k]
                    if K[k] > 0:
                        Y[k] = T.cast(X[k], "float32") * S[bx]
                    else:
                        Y[k] = T.if_then_else(k % 2 == 0, T.cast(k, "float32"), -1.0)

    return main


def shares(N: int, B: int) -> Any:
    """One vector both element by element and for every row of a matrix."""

    @T.prim_func
    def main(X: T.Tensor((64, N), "float32"), V: T.Tensor((N,), "float32"),
             Y: T.Tensor((64, N), "float32"), W: T.Tensor((N,), "float32")):  # fmt: skip
        with T.Kernel(64 // B) as by:
            x = T.alloc_fragment((B, N), "float32")
            v = T.alloc_fragment((N,), "float32")
            T.copy(X[by * B, 0], x)
            T.copy(V, v)
            for i, j in T.Parallel(B, N):
                x[i, j] += v[j]
            T.copy(x, Y[by * B, 0])
            if by == 0:
                for j in T.Parallel(N):
                    W[j] = v[j] * 2.0

    return main


def summed(N: int, B: int) -> Any:
    """Blocks that are changed element by element, and summed."""

    @T.prim_func
    def main(X: T.Tensor((N,), "float32"), Y: T.Tensor((N,), "float32"),
             S: T.Tensor((N // B,), "float32")):  # fmt: skip
        with T.Kernel(N // B) as bx:
            x = T.alloc_fragment((B,), "float32")
            s = T.alloc_fragment((1,), "float32")
            T.copy(X[bx * B], x)
            for i in T.Parallel(B):
                Y[bx * B + i] = x[i] * 2.0
            T.reduce_sum(x, s, dim=0)
            S[bx] = s[0]

    return main


def shifted(N: int, B: int) -> Any:
    """Elements of runs that begin inside a row."""

    @T.prim_func
    def main(X: T.Tensor((N,), "float32"), Y: T.Tensor((N,), "float32")):
        with T.Kernel(T.ceildiv(N, B)) as bx:
            for i in T.Parallel(B):
                Y[bx * B + i] = X[bx * B + i + 16]

    return main


CASES: dict[str, tuple[Any, set[str]]] = {
    "step in a part of a tile": (step(1000, 1024), {"P", "G", "M", "V"}),
    "step of one more": (step(1025, 1024), {"P", "G", "M", "V"}),
    "step in joined blocks": (step(1100, 256), {"P", "G", "M", "V"}),
    "chunks": (chunks(3000, 1024), {"X", "Y"}),
    "chunks of half tiles": (chunks(1000, 512), set()),
    "placed": (placed(2049, 1024), {"X", "K", "Y", "Z"}),
    "shared with a matrix": (shares(64, 32), set()),
    "summed": (summed(2048, 1024), set()),
    "shifted": (shifted(1000, 512), set()),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("device", DEVICES)
def test_vectors_are_dense_where_every_use_is_of_elements(name: str, device: str) -> None:
    """Ragged ends, updates in place, other dtypes, loops and conditions; nothing else is moved."""
    kernel, rows = CASES[name]
    made = harness.compile(kernel, device=device)
    assert {n for n, la in made.plan.layouts.items() if la.view == ROWS} == rows
    verdict = harness.check(made)
    assert verdict.passed, verdict.reason
    assert not verdict.findings
    assert validate(made, 0).name == ""


@pytest.mark.parametrize("device", DEVICES)
def test_a_tile_holds_1024_numbers(device: str) -> None:
    """Ends that fill no row come back as they are, and nothing is moved twice over."""
    made = harness.compile(chunks(1990, 1024), device=device)
    x = np.arange(1990, dtype=np.float32) % 64
    outputs = made.run({"X": x}).outputs
    np.testing.assert_array_equal(outputs["X"], x + 3)
    np.testing.assert_array_equal(outputs["Y"], np.pad(2 * x, (0, 40)))
    assert harness.check(made, {"X": x}).quality["dram_write"]["bytes"] == 2 * (4096 + 2048)


def test_what_was_stored_beyond_the_end_is_read_by_nobody() -> None:
    """A longer tensor has zeros there, and not what was computed for no element."""

    def handed(n: int, m: int) -> Any:
        @T.prim_func
        def main(X: T.Tensor((n,), "float32"), Y: T.Tensor((m,), "float32")):
            with T.Kernel(1):
                for i in T.Parallel(1024):
                    X[i] = X[i] + 1.0
                for i in T.Parallel(1024):
                    Y[i] = X[i] * 2.0

        return main

    assert harness.check(handed(1000, 1000)).passed
    with pytest.raises(CompileError, match="InPlaceOrder"):
        harness.compile(handed(1000, 1010))


def test_what_kernels_hand_on_lies_one_way() -> None:
    """A vector that another kernel of a sequence uses as a row is left as one; inputs are not."""

    @T.prim_func
    def double(X: T.Tensor((2048,), "float32"), Y: T.Tensor((2048,), "float32")):
        with T.Kernel(2) as bx:
            for i in T.Parallel(1024):
                Y[bx * 1024 + i] = X[bx * 1024 + i] * 2.0

    @T.prim_func
    def total(Y: T.Tensor((2048,), "float32"), S: T.Tensor((1,), "float32")):
        with T.Kernel(1):
            y, s = T.alloc_fragment((2048,), "float32"), T.alloc_fragment((1,), "float32")
            T.copy(Y, y)
            T.reduce_sum(y, s)
            T.copy(s, S)

    steps = harness.sequence(double, total)
    assert harness.check(steps).passed
    assert harness.compile(double).plan.layouts["Y"].view == ROWS
    assert not harness.compile(steps, function="double").plan.layouts["Y"].view


def test_an_annotated_shape_is_kept() -> None:
    """A vector whose shards somebody gave stays a row, and the ones beside it with it."""
    kernel = chunks(2048, 1024).with_attr("tt.layout_desc", {"X": {"padded_shape": [32, 2048]}})
    assert not any(la.view for la in harness.compile(kernel).plan.layouts.values())


def test_the_pass_runs_again_on_what_it_left() -> None:
    """A length that fills no row is remembered, and rows are not laid out anew."""
    once = InferTTLayout()(as_module(chunks(1990, 1024)))
    tvm.ir.assert_structural_equal(InferTTLayout()(once), once)
