"""Attention over sequences of unequal lengths, laid end to end in their tensors."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import harness
import harness.language as T
from simulator.run import execute

BM = BN = 32


def varlen(
    causal: bool, batch: int = 3, heads: int = 2, total_q: int = 90, total_k: int = 130,
    longest: int = 64, dim: int = 32, dtype: str = "float32",
) -> Any:  # fmt: skip
    """Y of (batch, heads, longest, dim): attention of each sequence to its own keys alone."""
    scale = 1.44269504 / math.sqrt(dim)

    @T.prim_func
    def main(
        Q: T.Tensor((total_q, heads, dim), dtype),
        K: T.Tensor((total_k, heads, dim), dtype),
        V: T.Tensor((total_k, heads, dim), dtype),
        cu_q: T.Tensor((batch + 1,), "int32"),
        cu_k: T.Tensor((batch + 1,), "int32"),
        Y: T.Tensor((batch, heads, longest, dim), dtype),
    ):
        with T.Kernel(T.ceildiv(longest, BM), heads, batch, threads=128) as (bx, by, bz):
            q = T.alloc_shared((BM, dim), dtype)
            k = T.alloc_shared((BN, dim), dtype)
            v = T.alloc_shared((BN, dim), dtype)
            s = T.alloc_fragment((BM, BN), "float32")
            sc = T.alloc_fragment((BM, BN), dtype)
            o = T.alloc_fragment((BM, dim), "float32")
            top = T.alloc_fragment((BM,), "float32")
            prev = T.alloc_fragment((BM,), "float32")
            fac = T.alloc_fragment((BM,), "float32")
            add = T.alloc_fragment((BM,), "float32")
            tot = T.alloc_fragment((BM,), "float32")
            q_start = cu_q[bz]
            k_start = cu_k[bz]
            q_len = cu_q[bz + 1] - q_start
            k_len = cu_k[bz + 1] - k_start
            T.copy(Q[q_start + bx * BM : q_start + (bx + 1) * BM, by, :], q)
            T.clear(o)
            T.clear(tot)
            T.fill(top, -T.infinity("float32"))
            offset = k_len - q_len
            seen = (
                T.max(0, T.min(T.ceildiv(offset + (bx + 1) * BM, BN), T.ceildiv(k_len, BN)))
                if causal
                else T.ceildiv(k_len, BN)
            )
            for n in T.Pipelined(seen, num_stages=2):
                T.copy(K[k_start + n * BN : k_start + (n + 1) * BN, by, :], k)
                for i, j in T.Parallel(BM, BN):
                    if causal:
                        s[i, j] = T.if_then_else(
                            (bx * BM + i + offset < n * BN + j)
                            or (bx * BM + i >= q_len)
                            or (n * BN + j >= k_len),
                            -1e9,
                            0,
                        )
                    else:
                        s[i, j] = T.if_then_else(
                            (bx * BM + i >= q_len) or (n * BN + j >= k_len), -1e9, 0
                        )
                T.gemm(q, k, s, transpose_B=True)
                T.copy(top, prev)
                T.reduce_max(s, top, dim=1, clear=False)
                for i in T.Parallel(BM):
                    fac[i] = T.exp2(prev[i] * scale - top[i] * scale)
                for i, j in T.Parallel(BM, BN):
                    s[i, j] = T.exp2(s[i, j] * scale - top[i] * scale)
                T.reduce_sum(s, add, dim=1)
                T.copy(s, sc)
                for i in T.Parallel(BM):
                    tot[i] = tot[i] * fac[i] + add[i]
                for i, j in T.Parallel(BM, dim):
                    o[i, j] *= fac[i]
                T.copy(V[k_start + n * BN : k_start + (n + 1) * BN, by, :], v)
                T.gemm(sc, v, o)
            for i, j in T.Parallel(BM, dim):
                o[i, j] = T.if_then_else(bx * BM + i < q_len, o[i, j] / T.max(tot[i], 1e-20), 0)
            T.copy(o, Y[bz, by, bx * BM : (bx + 1) * BM, :])

    return main


def reference(x: dict[str, Any], *, causal: bool, longest: int) -> Any:
    """Softmax in float64 over the rows each sequence has; zero where it has none."""
    cu_q, cu_k = x["cu_q"], x["cu_k"]
    _, heads, dim = x["Q"].shape
    out = np.zeros((len(cu_q) - 1, heads, longest, dim))
    for b in range(len(cu_q) - 1):
        q, k, v = (x[n][c[b] : c[b + 1]].astype(float).transpose(1, 0, 2)
                   for n, c in (("Q", cu_q), ("K", cu_k), ("V", cu_k)))  # fmt: skip
        s = q @ k.transpose(0, 2, 1) / math.sqrt(dim)
        if causal:
            late = np.arange(s.shape[1])[:, None] + s.shape[2] - s.shape[1] < np.arange(s.shape[2])
            s = np.where(late, -np.inf, s)
        p = np.exp(s - s.max(-1, keepdims=True))
        out[b, :, : q.shape[1]] = (p / p.sum(-1, keepdims=True) @ v)[:, :longest]
    return out


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("device", ["wormhole_n150", "blackhole_p150"])
def test_each_sequence_sees_its_own_keys(causal: bool, device: str) -> None:
    """Loops, masks and places follow two tables; answers are NumPy's, and golden's as drawn."""
    kernel = varlen(causal)
    made = harness.compile(kernel, device=device)
    rng = np.random.default_rng(0)
    x: dict[str, Any] = {n: rng.standard_normal((s, 2, 32)).astype(np.float32)
                         for n, s in (("Q", 90), ("K", 130), ("V", 130))}  # fmt: skip
    x |= {"cu_q": np.array([0, 17, 77, 90], np.int32), "cu_k": np.array([0, 21, 95, 130], np.int32)}
    result = execute(made.plan, made.programs, x)
    assert result.findings == ()
    assert result.determinate
    wanted = reference(x, causal=causal, longest=64)
    assert np.abs(result.outputs["Y"] - wanted).max() < 0.02
    assert harness.check(kernel, device=device).passed
