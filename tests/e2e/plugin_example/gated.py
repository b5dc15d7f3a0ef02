# A user's file, not a module of ours:
# ruff: noqa: ANN001, ANN201, D103
# mypy: ignore-errors
"""A kernel as it stands in a TileLang project."""

import tilelang
import tilelang.language as T


@tilelang.jit(out_idx=[-1])
def gated(M, N, block_M=32, block_N=64, dtype="bfloat16", accum_dtype="float32"):
    @T.prim_func
    def main(
        X: T.Tensor((M, N), dtype),
        G: T.Tensor((M, N), dtype),
        Y: T.Tensor((M, N), dtype),
    ):
        with T.Kernel(T.ceildiv(N, block_N), T.ceildiv(M, block_M), threads=128) as (bx, by):
            x = T.alloc_fragment((block_M, block_N), accum_dtype)
            g = T.alloc_fragment((block_M, block_N), accum_dtype)
            T.copy(X[by * block_M, bx * block_N], x)
            T.copy(G[by * block_M, bx * block_N], g)
            for i, j in T.Parallel(block_M, block_N):
                x[i, j] = x[i, j] * g[i, j] / (1.0 + T.exp(-g[i, j]))
            T.copy(x, Y[by * block_M, bx * block_N])

    return main
