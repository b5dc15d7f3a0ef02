"""Kernels in TileLang idiom that the language tests compile, run and judge."""

import harness.language as T


def colreduce(M=128, N=64, dtype="float32"):
    @T.prim_func
    def main(X: T.Tensor((M, N), dtype), S: T.Tensor((N,), dtype), Mx: T.Tensor((N,), dtype)):
        with T.Kernel(T.ceildiv(N, 32), threads=128) as bx:
            x = T.alloc_shared((M, 32), dtype)
            s = T.alloc_fragment((32,), "float32")
            m = T.alloc_fragment((32,), "float32")
            T.copy(X[0, bx * 32], x)
            T.reduce_sum(x, s, dim=0)
            T.reduce_max(x, m, dim=0)
            T.copy(s, S[bx * 32])
            T.copy(m, Mx[bx * 32])

    return main


def absmin(M=64, N=64, dtype="float32"):
    @T.prim_func
    def main(X: T.Tensor((M, N), dtype), A: T.Tensor((M,), dtype), B: T.Tensor((M,), dtype)):
        with T.Kernel(T.ceildiv(M, 32), threads=128) as bx:
            x = T.alloc_shared((32, N), dtype)
            s = T.alloc_fragment((32,), "float32")
            m = T.alloc_fragment((32,), "float32")
            T.copy(X[bx * 32, 0], x)
            T.reduce_absmax(x, s, dim=1)
            T.reduce_min(x, m, dim=1)
            T.copy(s, A[bx * 32])
            T.copy(m, B[bx * 32])

    return main


def ssm(M=64, dtype="float32"):
    @T.prim_func
    def main(X: T.Tensor((M,), dtype), Y: T.Tensor((M,), dtype)):
        with T.Kernel(T.ceildiv(M, 32), threads=128) as bx:
            x = T.alloc_fragment((32,), dtype)
            T.copy(X[bx * 32], x)
            for i in T.Parallel(32):
                x[i] = T.max(x[i], 0.0) * 2.0 + 1.0
            T.copy(x, Y[bx * 32])

    return main


def if_blocks(M=128, N=64):
    @T.prim_func
    def main(X: T.Tensor((M, N), "float32"), Y: T.Tensor((M, N), "float32")):
        with T.Kernel(M // 32) as bx:
            x = T.alloc_shared((32, N), "float32")
            y = T.alloc_fragment((32, N), "float32")
            T.copy(X[bx * 32, 0], x)
            if bx % 2 == 0:
                for i, j in T.Parallel(32, N):
                    y[i, j] = x[i, j] * 2.0
            else:
                for i, j in T.Parallel(32, N):
                    y[i, j] = x[i, j] + 1.0
            T.copy(y, Y[bx * 32, 0])

    return main


def if_loop(M=64, N=256):
    @T.prim_func
    def main(X: T.Tensor((M, N), "float32"), Y: T.Tensor((M, 64), "float32")):
        with T.Kernel(M // 32) as bx:
            x = T.alloc_shared((32, 64), "float32")
            y = T.alloc_fragment((32, 64), "float32")
            T.clear(y)
            for k in T.Pipelined(N // 64, num_stages=2):
                T.copy(X[bx * 32, k * 64], x)
                if k >= bx:
                    for i, j in T.Parallel(32, 64):
                        y[i, j] += x[i, j]
            T.copy(y, Y[bx * 32, 0])

    return main


def chained(M=64, N=64, K=64, P=96):
    @T.prim_func
    def main(
        A: T.Tensor((M, K), "bfloat16"),
        B: T.Tensor((K, N), "bfloat16"),
        C: T.Tensor((N, P), "bfloat16"),
        D: T.Tensor((M, P), "float32"),
    ):
        with T.Kernel(M // 32) as bx:
            a = T.alloc_shared((32, K), "bfloat16")
            b = T.alloc_shared((K, N), "bfloat16")
            c = T.alloc_shared((N, P), "bfloat16")
            s = T.alloc_fragment((32, N), "float32")
            sc = T.alloc_fragment((32, N), "bfloat16")
            d = T.alloc_fragment((32, P), "float32")
            T.copy(A[bx * 32, 0], a)
            T.copy(B, b)
            T.copy(C, c)
            T.clear(s)
            T.gemm(a, b, s)
            T.copy(s, sc)
            T.gemm(sc, c, d, clear_accum=True)
            T.copy(d, D[bx * 32, 0])

    return main


def two_gemms(M=64, N=64, K=64):
    @T.prim_func
    def main(
        A: T.Tensor((M, K), "bfloat16"),
        B: T.Tensor((K, N), "bfloat16"),
        A2: T.Tensor((M, K), "bfloat16"),
        B2: T.Tensor((K, N), "bfloat16"),
        D: T.Tensor((M, N), "float32"),
    ):
        with T.Kernel(N // 32, M // 32) as (bx, by):
            a = T.alloc_shared((32, 32), "bfloat16")
            b = T.alloc_shared((32, 32), "bfloat16")
            a2 = T.alloc_shared((32, 32), "bfloat16")
            b2 = T.alloc_shared((32, 32), "bfloat16")
            d = T.alloc_fragment((32, 32), "float32")
            T.clear(d)
            for k in T.Pipelined(K // 32):
                T.copy(A[by * 32, k * 32], a)
                T.copy(B[k * 32, bx * 32], b)
                T.copy(A2[by * 32, k * 32], a2)
                T.copy(B2[k * 32, bx * 32], b2)
                T.gemm(a, b, d)
                T.gemm(a2, b2, d)
            T.copy(d, D[by * 32, bx * 32])

    return main


def inplace(M=64, N=64):
    @T.prim_func
    def main(X: T.Tensor((M, N), "bfloat16")):
        with T.Kernel(M // 32) as bx:
            x = T.alloc_shared((32, N), "bfloat16")
            T.copy(X[bx * 32, 0], x)
            for i, j in T.Parallel(32, N):
                x[i, j] = x[i, j] * 2.0
            T.copy(x, X[bx * 32, 0])

    return main


def out_loop(M=64, N=256):
    @T.prim_func
    def main(
        X: T.Tensor((M, N), "bfloat16"),
        Y: T.Tensor((M, N), "bfloat16"),
        Z: T.Tensor((M, N), "float32"),
    ):
        with T.Kernel(M // 32) as bx:
            x = T.alloc_shared((32, 64), "bfloat16")
            for k in T.serial(N // 64):
                T.copy(X[bx * 32, k * 64], x)
                T.copy(x, Y[bx * 32, k * 64])
                for i, j in T.Parallel(32, 64):
                    Z[bx * 32 + i, k * 64 + j] = x[i, j] + k

    return main


def transposed(M=64, N=96):
    @T.prim_func
    def main(X: T.Tensor((M, N), "float32"), Y: T.Tensor((N, M), "float32")):
        with T.Kernel(N // 32, M // 32) as (bx, by):
            x = T.alloc_shared((32, 32), "float32")
            y = T.alloc_shared((32, 32), "float32")
            T.copy(X[by * 32, bx * 32], x)
            for i, j in T.Parallel(32, 32):
                y[i, j] = x[j, i]
            T.copy(y, Y[bx * 32, by * 32])

    return main


def small(M=20, N=10):
    @T.prim_func
    def main(X: T.Tensor((M, N), "float32"), Y: T.Tensor((M, N), "float32")):
        with T.Kernel(1) as bx:
            x = T.alloc_shared((M, N), "float32")
            T.copy(X, x)
            for i, j in T.Parallel(M, N):
                x[i, j] = x[i, j] * 3.0
            T.copy(x, Y)

    return main


def batch3(B=3, M=64, N=64):
    @T.prim_func
    def main(X: T.Tensor((B, M, N), "float32"), Y: T.Tensor((B, M, N), "float32")):
        with T.Kernel(M // 32) as bx:
            x = T.alloc_shared((B, 32, N), "float32")
            T.copy(X[0:B, bx * 32 : bx * 32 + 32, 0:N], x)
            for b, i, j in T.Parallel(B, 32, N):
                x[b, i, j] = x[b, i, j] * 3.0
            T.copy(x, Y[0, bx * 32, 0])

    return main


def casts(M=64, N=64):
    @T.prim_func
    def main(
        X: T.Tensor((M, N), "float32"),
        Y: T.Tensor((M, N), "bfloat16"),
        Z: T.Tensor((M, N), "float16"),
    ):
        with T.Kernel(M // 32) as bx:
            x = T.alloc_shared((32, N), "float32")
            T.copy(X[bx * 32, 0], x)
            T.copy(x, Y[bx * 32, 0])
            T.copy(x, Z[bx * 32, 0])

    return main


def preload(M=64, N=64, K=64):
    @T.prim_func
    def main(
        A: T.Tensor((M, K), "bfloat16"),
        B: T.Tensor((K, N), "bfloat16"),
        C: T.Tensor((M, N), "float32"),
        D: T.Tensor((M, N), "float32"),
    ):
        with T.Kernel(N // 32, M // 32) as (bx, by):
            a = T.alloc_shared((32, 32), "bfloat16")
            b = T.alloc_shared((32, 32), "bfloat16")
            d = T.alloc_fragment((32, 32), "float32")
            T.copy(C[by * 32, bx * 32], d)
            for k in T.Pipelined(K // 32, num_stages=2):
                T.copy(A[by * 32, k * 32], a)
                T.copy(B[k * 32, bx * 32], b)
                T.gemm(a, b, d)
            T.copy(d, D[by * 32, bx * 32])

    return main


def onlineload(M=64, N=256):
    @T.prim_func
    def main(X: T.Tensor((M, N), "float32"), Y: T.Tensor((M, N), "float32")):
        with T.Kernel(M // 32) as bx:
            x = T.alloc_shared((32, 64), "float32")
            acc = T.alloc_fragment((32, 64), "float32")
            T.copy(X[bx * 32, 0], acc)
            for k in T.serial(3):
                T.copy(X[bx * 32, (k + 1) * 64], x)
                for i, j in T.Parallel(32, 64):
                    acc[i, j] = T.max(acc[i, j], x[i, j])
            for k in T.serial(4):
                T.copy(acc, Y[bx * 32, k * 64])

    return main
