# A user's file, not a module of ours:
# ruff: noqa: ANN001, ANN201, D102, D103, T201
# mypy: ignore-errors
"""Kernels written as TileLang users write them; loaded as a file, never imported."""

import math

import tilelang
import tilelang.language as T
import torch
import torch.nn.functional as F
from tilelang.autotuner import autotune
from tilelang.profiler import do_bench

PASSES = {
    tilelang.PassConfigKey.TL_DISABLE_TMA_LOWER: True,
    "tl.disable_warp_specialized": True,
}


@tilelang.jit(out_idx=[-1], pass_configs=PASSES, target="cuda", execution_backend="cython")
def matmul_relu(M, N, K, block_M=64, block_N=64, block_K=32, dtype=T.float16, accum=T.float32):
    @T.prim_func
    def main(A: T.Tensor((M, K), dtype), B: T.Tensor((K, N), dtype), C: T.Tensor((M, N), dtype)):
        with T.Kernel(T.ceildiv(N, block_N), T.ceildiv(M, block_M), threads=128) as (bx, by):
            A_shared = T.alloc_shared((block_M, block_K), dtype)
            B_shared = T.alloc_shared((block_K, block_N), dtype)
            C_local = T.alloc_fragment((block_M, block_N), accum)
            T.annotate_layout({A_shared: tilelang.layout.make_swizzled_layout(A_shared)})
            T.use_swizzle(panel_size=10, enable=True)
            T.clear(C_local)
            for ko in T.Pipelined(T.ceildiv(K, block_K), num_stages=3):
                T.copy(A[by * block_M, ko * block_K], A_shared)
                T.copy(B[ko * block_K, bx * block_N], B_shared)
                T.gemm(A_shared, B_shared, C_local, policy=T.GemmWarpPolicy.FullRow)
            for i, j in T.Parallel(block_M, block_N):
                C_local[i, j] = T.max(C_local[i, j], 0)
            T.copy(C_local, C[by * block_M, bx * block_N])

    return main


@tilelang.jit
def matmul_eager(A, B, block_M: int = 64, block_N: int = 64, block_K: int = 32):
    """The eager style: sizes from the arguments, tensors declared in the body."""
    M, N, K = T.const("M, N, K")
    dtype = T.bfloat16
    A: T.Tensor((M, K), dtype)
    B: T.Tensor[[K, N], dtype]
    C = T.empty((M, N), T.float32)
    assert block_K % 32 == 0, "whole tiles"
    with T.Kernel(T.ceildiv(N, block_N), T.ceildiv(M, block_M), threads=128) as (bx, by):
        A_shared = T.alloc_shared((block_M, block_K), dtype)
        B_shared = T.alloc_shared((block_K, block_N), dtype)
        C_local = T.alloc_fragment((block_M, block_N), T.float32)
        T.clear(C_local)
        for ko in T.Pipelined(T.ceildiv(K, block_K), num_stages=2):
            T.copy(A[by * block_M, ko * block_K], A_shared)
            T.copy(B[ko * block_K, bx * block_N], B_shared)
            T.gemm(A_shared, B_shared, C_local)
        T.copy(C_local, C[by * block_M, bx * block_N])
    return C


@tilelang.jit
def scale_in_place(X, factor: T.float32, block: int):
    M, N = T.const("M N")
    X: T.Tensor((M, N), "float32")
    Y = T.empty(M, N, dtype="float32")
    with T.Kernel(T.ceildiv(N, block), T.ceildiv(M, block), threads=256) as (bx, by):
        tile = T.alloc_fragment((block, block), "float32")
        T.copy(X[by * block, bx * block], tile)
        for i, j in T.Parallel(block, block):
            tile[i, j] *= factor
        T.copy(tile, Y[by * block, bx * block])
    return Y


@tilelang.jit
def convolution(data, kernel, S: int, D: int, P: int, block_M: int, block_N: int, block_K: int):
    """Patches by T.im2col; the filter and the output used as matrices."""
    N, H, W, C, K, F = T.const("N, H, W, C, K, F")
    OH = (H + 2 * P - D * (K - 1) - 1) // S + 1
    OW = (W + 2 * P - D * (K - 1) - 1) // S + 1
    data: T.Tensor((N, H, W, C), "float16")
    kernel: T.Tensor((K, K, C, F), "float16")
    out = T.empty((N, OH, OW, F), "float16")
    with T.Kernel(T.ceildiv(F, block_N), T.ceildiv(N * OH * OW, block_M), threads=256) as (bx, by):
        data_shared = T.alloc_shared((block_M, block_K), "float16")
        kernel_shared = T.alloc_shared((block_K, block_N), "float16")
        out_local = T.alloc_fragment((block_M, block_N), "float32")
        out_shared = T.alloc_shared((block_M, block_N), "float16")
        kernel_flat = T.Tensor((K * K * C, F), "float16", kernel.data)
        out_flat = T.Tensor((N * OH * OW, F), "float16", out.data)
        T.clear(out_local)
        for k_iter in T.Pipelined(T.ceildiv(K * K * C, block_K), num_stages=3):
            T.im2col(data, data_shared, by, k_iter, K, S, D, P)
            T.copy(kernel_flat[k_iter * block_K, bx * block_N], kernel_shared)
            T.gemm(data_shared, kernel_shared, out_local)
        T.copy(out_local, out_shared)
        T.copy(out_shared, out_flat[by * block_M, bx * block_N])
    return out


def configs():
    return [{"block_M": m, "block_N": n} for m in (32, 64) for n in (64,)]


@autotune(configs=configs(), warmup=3, rep=20)
@tilelang.jit(out_idx=[2])
def add_tuned(M, N, block_M=None, block_N=None, in_dtype="bfloat16", out_dtype="float"):
    @T.prim_func
    def elem_add(A: T.Tensor((M, N), in_dtype), B: T.Tensor((M, N), in_dtype),
                 C: T.Tensor((M, N), out_dtype)):  # fmt: skip
        with T.Kernel(T.ceildiv(N, block_N), T.ceildiv(M, block_M), threads=128) as (bx, by):
            a = T.alloc_shared((block_M, block_N), in_dtype)
            b = T.alloc_shared((block_M, block_N), in_dtype)
            c = T.alloc_fragment((block_M, block_N), out_dtype)
            T.copy(A[by * block_M, bx * block_N], a)
            T.copy(B[by * block_M, bx * block_N], b)
            for row, col in T.Parallel(block_M, block_N):
                c[row, col] = a[row, col] + b[row, col]
            T.copy(c, C[by * block_M, bx * block_N])

    return elem_add


def rms_norm(M, N, blk_m, dtype="float32"):
    @T.prim_func
    def main(A: T.Tensor((M, N), dtype), B: T.Tensor((M, N), dtype)):
        with T.Kernel(T.ceildiv(M, blk_m), threads=128) as bx:
            rows = T.alloc_shared((blk_m, N), dtype)
            squares = T.alloc_fragment((blk_m, N), dtype)
            local = T.alloc_fragment((blk_m, N), dtype)
            mean = T.alloc_fragment((blk_m,), dtype)
            T.copy(A[bx * blk_m : (bx + 1) * blk_m, :], rows)
            T.copy(rows, local)
            for i, j in T.Parallel(blk_m, N):
                squares[i, j] = local[i, j] * local[i, j]
            T.reduce_sum(squares, mean, dim=1)
            for i in T.Parallel(blk_m):
                mean[i] = T.rsqrt(mean[i] / N + 1e-12)
            for i, j in T.Parallel(blk_m, N):
                local[i, j] *= mean[i]
            T.copy(local, B[bx * blk_m : (bx + 1) * blk_m, :])

    return main


def softmax(M, N, blk_m=32, dtype=T.bfloat16):
    log2e = 1.44269504

    @T.macro
    def exponentials(scores, peak, weights):
        for i, j in T.Parallel(blk_m, N):
            weights[i, j] = T.exp2(scores[i, j] * log2e - peak[i] * log2e)

    @T.prim_func
    def main(X: T.Tensor((M, N), dtype), Y: T.Tensor((M, N), dtype)):
        with T.Kernel(T.ceildiv(M, blk_m), threads=128) as (bx,):
            x = T.alloc_fragment((blk_m, N), T.float32)
            e = T.alloc_fragment((blk_m, N), T.float32)
            peak = T.alloc_fragment((blk_m,), T.float32)
            total = T.alloc_fragment((blk_m,), T.float32)
            T.copy(X[bx * blk_m, 0], x)
            T.fill(peak, -T.infinity(T.float32))
            T.reduce_max(x, peak, dim=1, clear=False)
            exponentials(x, peak, weights=e)
            T.reduce(e, total, "sum", dim=1, clear=True)
            for i, j in T.Parallel(blk_m, N):
                e[i, j] = e[i, j] / total[i]
            T.sync_threads()
            T.copy(e, Y[bx * blk_m, 0])

    return main


def gelu_bias(M, N, block=64, dtype="float16"):
    @T.prim_func
    def main(X: T.Tensor((M, N), dtype), bias: T.Tensor((N,), dtype), Y: T.Tensor((M, N), dtype)):
        with T.Kernel(T.ceildiv(N, block), T.ceildiv(M, block), threads=128) as (bx, by):
            x = T.alloc_fragment((block, block), "float32")
            b = T.alloc_fragment((block,), dtype)
            T.copy(X[by * block, bx * block], x)
            T.copy(bias[bx * block], b)
            for i, j in T.Parallel(block, block):
                v = x[i, j] + b[j]
                x[i, j] = 0.5 * v * (1 + T.erf(v * math.sqrt(0.5)))
            T.copy(x, Y[by * block, bx * block])

    return main


def clip_mix(M, N, block=32, dtype="bfloat16"):
    """Numbers and dtypes mixed as users mix them."""

    @T.prim_func
    def main(A: T.Tensor((M, N), dtype), B: T.Tensor((M, N), "float32")):
        with T.Kernel(T.ceildiv(N, block), T.ceildiv(M, block), threads=128) as (bx, by):
            for i, j in T.Parallel(block, block):
                B[by * block + i, bx * block + j] = (
                    T.clamp(A[by * block + i, bx * block + j], 0, 6) * 2
                    + T.abs(A[by * block + i, bx * block + j])
                    - T.float32(A[by * block + i, bx * block + j]) * 0.25
                    + T.Cast("float32", T.min(A[by * block + i, bx * block + j], 1))
                )

    return main


def causal_mask(N, block=32):
    @T.prim_func
    def main(S: T.Tensor((N, N), "float32"), P: T.Tensor((N, N), "float32")):
        with T.Kernel(T.ceildiv(N, block), T.ceildiv(N, block), threads=128) as (bx, by):
            s = T.alloc_fragment((block, block), "float32")
            T.copy(S[by * block, bx * block], s)
            for i, j in T.Parallel(block, block):
                s[i, j] = T.if_then_else(by * block + i >= bx * block + j, s[i, j], 0)
            T.copy(s, P[by * block, bx * block])

    return main


@tilelang.jit(out_idx=-1)
def attention(batch, heads, seq_len, dim, is_causal=False, block_M=32, block_N=32):
    scale = (1.0 / dim) ** 0.5 * 1.44269504
    shape = [batch, heads, seq_len, dim]
    dtype, accum_dtype = "bfloat16", "float"

    @T.macro
    def scores(Q_shared, K_shared, acc_s, k, bx):
        if is_causal:
            for i, j in T.Parallel(block_M, block_N):
                acc_s[i, j] = T.if_then_else(
                    bx * block_M + i >= k * block_N + j, 0, -T.infinity(acc_s.dtype)
                )
        else:
            T.clear(acc_s)
        T.gemm(Q_shared, K_shared, acc_s, transpose_B=True, policy=T.GemmWarpPolicy.FullRow)

    @T.prim_func
    def main(Q: T.Tensor(shape, dtype), K: T.Tensor(shape, dtype), V: T.Tensor(shape, dtype),
             Output: T.Tensor(shape, dtype)):  # fmt: skip
        with T.Kernel(T.ceildiv(seq_len, block_M), heads, batch, threads=128) as (bx, by, bz):
            Q_shared = T.alloc_shared([block_M, dim], dtype)
            K_shared = T.alloc_shared([block_N, dim], dtype)
            V_shared = T.alloc_shared([block_N, dim], dtype)
            acc_s = T.alloc_fragment([block_M, block_N], accum_dtype)
            acc_s_cast = T.alloc_fragment([block_M, block_N], dtype)
            acc_o = T.alloc_fragment([block_M, dim], accum_dtype)
            peak = T.alloc_fragment([block_M], accum_dtype)
            peak_prev = T.alloc_fragment([block_M], accum_dtype)
            rescale = T.alloc_fragment([block_M], accum_dtype)
            row_sum = T.alloc_fragment([block_M], accum_dtype)
            logsum = T.alloc_fragment([block_M], accum_dtype)
            T.copy(Q[bz, by, bx * block_M : (bx + 1) * block_M, :], Q_shared)
            T.fill(acc_o, 0)
            T.fill(logsum, 0)
            T.fill(peak, -T.infinity(accum_dtype))
            steps = (T.min(T.ceildiv(seq_len, block_N), T.ceildiv((bx + 1) * block_M, block_N))
                     if is_causal else T.ceildiv(seq_len, block_N))  # fmt: skip
            for k in T.Pipelined(steps, num_stages=1):
                T.copy(K[bz, by, k * block_N : (k + 1) * block_N, :], K_shared)
                scores(Q_shared, K_shared, acc_s, k, bx)
                T.copy(peak, peak_prev)
                T.fill(peak, -T.infinity(accum_dtype))
                T.reduce_max(acc_s, peak, dim=1, clear=False)
                for i in T.Parallel(block_M):
                    peak[i] = T.max(peak[i], peak_prev[i])
                for i in T.Parallel(block_M):
                    rescale[i] = T.exp2(peak_prev[i] * scale - peak[i] * scale)
                for i, j in T.Parallel(block_M, block_N):
                    acc_s[i, j] = T.exp2(acc_s[i, j] * scale - peak[i] * scale)
                T.reduce_sum(acc_s, row_sum, dim=1)
                for i in T.Parallel(block_M):
                    logsum[i] = logsum[i] * rescale[i] + row_sum[i]
                T.copy(acc_s, acc_s_cast)
                for i, j in T.Parallel(block_M, dim):
                    acc_o[i, j] *= rescale[i]
                T.copy(V[bz, by, k * block_N : (k + 1) * block_N, :], V_shared)
                T.gemm(acc_s_cast, V_shared, acc_o, policy=T.GemmWarpPolicy.FullRow)
            for i, j in T.Parallel(block_M, dim):
                acc_o[i, j] /= logsum[i]
            T.copy(acc_o, Output[bz, by, bx * block_M : (bx + 1) * block_M, :])

    return main


def dynamic_copy(block=32):
    m = T.dynamic("m")
    n = 64

    @T.prim_func
    def main(A: T.Tensor((m, n), "float32"), B: T.Tensor((m, n), "float32")):
        with T.Kernel(T.ceildiv(n, block), T.ceildiv(m, block), threads=128) as (bx, by):
            tile = T.alloc_shared((block, block), "float32")
            T.copy(A[by * block, bx * block], tile)
            T.copy(tile, B[by * block, bx * block])

    return main


def unrolled_sum(M, N, block=32, dtype="float32"):
    """T.unroll, T.grid and a loop with a step."""

    @T.prim_func
    def main(A: T.Tensor((M, N), dtype), B: T.Tensor((M, block), dtype)):
        with T.Kernel(T.ceildiv(M, block), threads=128) as bx:
            total = T.alloc_fragment((block, block), dtype)
            part = T.alloc_fragment((block, block), dtype)
            T.clear(total)
            for k in T.unroll(N // block):
                T.copy(A[bx * block, k * block], part)
                for i, j in T.Parallel(block, block):
                    total[i, j] += part[i, j]
            for _, k in T.grid(1, N // block):
                T.copy(A[bx * block, k * block], part)
                for i, j in T.Parallel(block, block):
                    total[i, j] += part[i, j]
            for k in T.serial(0, N, block):
                T.copy(A[bx * block, k], part)
                for i, j in T.Parallel(block, block):
                    total[i, j] -= part[i, j]
            T.copy(total, B[bx * block, 0])

    return main


def flat_scaled(M, N, block=32, dtype="float32"):
    """A tensor used under another shape, scaled by a number that depends on the block."""

    @T.prim_func
    def main(A: T.Tensor((M, N), dtype), B: T.Tensor((M * N,), dtype)):
        with T.Kernel(T.ceildiv(M, block), threads=128) as bx:
            flat = T.Tensor((M * N,), dtype, A.data)
            times = T.alloc_var("int32", init=1)
            scale = T.alloc_var("float32")
            row = T.alloc_fragment((block * N,), dtype)
            scale = 0.5
            if bx > 0:
                times = 3
            T.copy(flat[bx * block * N : (bx + 1) * block * N], row)
            for _ in T.serial(times):
                for i in T.Parallel(block * N):
                    row[i] = row[i] * scale + 1.0
            T.copy(row, B[bx * block * N : (bx + 1) * block * N])

    return main


class Reference(torch.nn.Module):
    """A reference in torch, which is not needed."""

    def forward(self, q: torch.Tensor) -> torch.Tensor | None:
        return F.softmax(q, dim=-1)


@torch.no_grad()
def reference(a: torch.Tensor, b: torch.Tensor):
    return (a @ b).relu()


if __name__ == "__main__":
    print(do_bench(lambda: matmul_relu(1024, 1024, 1024)))


@tilelang.jit
def eager_copy(A, back: int = 0):
    M, N = T.const("M, N")
    A: T.Tensor((M, N), "float32")
    B = T.empty((M, N), "float32")
    with T.Kernel(1) as _:
        T.copy(A, B)
    return A if back else B


def stacked(M=48, N=64):
    @tilelang.jit(out_idx=-1)
    @T.prim_func
    def main(A: T.Tensor((M, N), "float32"), B: T.Tensor((M, N), "float32")):
        with T.Kernel(T.ceildiv(M, 32)) as bx:
            T.copy(A[bx * 32 : bx * 32 + 32, :], B[bx * 32 : bx * 32 + 32, :])

    return main
