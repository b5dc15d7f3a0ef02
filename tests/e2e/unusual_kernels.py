"""Kernels a new user might write: whatever the packaged ones do not do."""

import harness.language as T
from harness.kernels import gemm


def chain_acc(M=96, N=64):
    @T.prim_func
    def main(
        A: T.Tensor((M, N), "bfloat16"),
        B: T.Tensor((N, N), "bfloat16"),
        C: T.Tensor((M, N), "bfloat16"),
    ):
        with T.Kernel(1, T.ceildiv(M, 32)) as (bx, by):
            a = T.alloc_shared((32, N), "bfloat16")
            b = T.alloc_shared((N, N), "bfloat16")
            acc = T.alloc_fragment((32, N), "float32")
            T.copy(A[by * 32, 0], a)
            T.copy(B, b)
            for k in T.serial(3):
                T.clear(acc)
                T.gemm(a, b, acc)
                for i, j in T.Parallel(32, N):
                    a[i, j] = acc[i, j] * 0.125
            T.copy(a, C[by * 32, 0])

    return main


def epilogue(M=70, N=100, K=64):
    @T.prim_func
    def main(
        A: T.Tensor((M, K), "bfloat16"),
        B: T.Tensor((K, N), "bfloat16"),
        R: T.Tensor((M, N), "bfloat16"),
        C: T.Tensor((M, N), "bfloat16"),
    ):
        with T.Kernel(T.ceildiv(N, 64), T.ceildiv(M, 64)) as (bx, by):
            a = T.alloc_shared((64, 32), "bfloat16")
            b = T.alloc_shared((32, 64), "bfloat16")
            r = T.alloc_shared((64, 64), "bfloat16")
            c = T.alloc_fragment((64, 64), "float32")
            T.clear(c)
            for k in T.Pipelined(K // 32, num_stages=3):
                T.copy(A[by * 64, k * 32], a)
                T.copy(B[k * 32, bx * 64], b)
                T.gemm(a, b, c)
            T.copy(R[by * 64, bx * 64], r)
            for i, j in T.Parallel(64, 64):
                c[i, j] = T.max(c[i, j] * 0.5 + r[i, j], 0.0)
            T.copy(c, C[by * 64, bx * 64])

    return main


def ping(M=64, N=64):
    @T.prim_func
    def main(A: T.Tensor((M, N), "float32"), C: T.Tensor((M, N), "float32")):
        with T.Kernel(N // 32, M // 32) as (bx, by):
            s = T.alloc_shared((32, 32), "float32")
            f = T.alloc_fragment((32, 32), "float32")
            s2 = T.alloc_shared((32, 32), "float32")
            T.copy(A[by * 32, bx * 32], s)
            T.copy(s, f)
            T.copy(f, s2)
            T.copy(s2, f)
            T.copy(f, s)
            T.copy(s, C[by * 32, bx * 32])

    return main


def inplace_twice(M=64, N=64, dtype="bfloat16"):
    @T.prim_func
    def main(A: T.Tensor((M, N), dtype), C: T.Tensor((M, N), dtype), D: T.Tensor((M, N), dtype)):
        with T.Kernel(N // 32, M // 32) as (bx, by):
            s = T.alloc_shared((32, 32), dtype)
            T.copy(A[by * 32, bx * 32], s)
            for i, j in T.Parallel(32, 32):
                s[i, j] = s[i, j] + s[i, j]
            T.copy(s, C[by * 32, bx * 32])
            for i, j in T.Parallel(32, 32):
                s[i, j] = s[i, j] - 1.0
            for i, j in T.Parallel(32, 32):
                s[i, j] += s[i, j] * 2.0
            T.copy(s, D[by * 32, bx * 32])

    return main


def filled(M=50, N=70, v=3.5, dtype="float32"):
    @T.prim_func
    def main(A: T.Tensor((M, N), dtype), C: T.Tensor((M, N), dtype)):
        with T.Kernel(T.ceildiv(N, 32), T.ceildiv(M, 32)) as (bx, by):
            s = T.alloc_shared((32, 32), dtype)
            f = T.alloc_fragment((32, 32), dtype)
            T.fill(f, v)
            T.copy(A[by * 32, bx * 32], s)
            for i, j in T.Parallel(32, 32):
                f[i, j] = f[i, j] - s[i, j]
            T.copy(f, C[by * 32, bx * 32])

    return main


def const_only(M=50, N=70, v=-1.25):
    @T.prim_func
    def main(C: T.Tensor((M, N), "float32")):
        with T.Kernel(T.ceildiv(N, 32), T.ceildiv(M, 32)) as (bx, by):
            f = T.alloc_fragment((32, 32), "float32")
            T.fill(f, v)
            T.copy(f, C[by * 32, bx * 32])

    return main


def fill_acc(M=64, N=64, K=96):
    @T.prim_func
    def main(
        A: T.Tensor((M, K), "bfloat16"),
        B: T.Tensor((K, N), "bfloat16"),
        C: T.Tensor((M, N), "float32"),
    ):
        with T.Kernel(T.ceildiv(N, 64), T.ceildiv(M, 32)) as (bx, by):
            a = T.alloc_shared((32, 32), "bfloat16")
            b = T.alloc_shared((32, 64), "bfloat16")
            c = T.alloc_fragment((32, 64), "float32")
            T.fill(c, 5.0)
            for k in T.Pipelined(K // 32, num_stages=1):
                T.copy(A[by * 32, k * 32], a)
                T.copy(B[k * 32, bx * 64], b)
                T.gemm(a, b, c)
            T.copy(c, C[by * 32, bx * 64])

    return main


def one_d_grid(M=96, N=64):
    @T.prim_func
    def main(A: T.Tensor((M, N), "bfloat16"), C: T.Tensor((M, N), "bfloat16")):
        with T.Kernel(M // 32) as b:
            s = T.alloc_shared((32, N), "bfloat16")
            T.copy(A[b * 32, 0], s)
            T.copy(s, C[b * 32, 0])

    return main


def outer_serial(M=64, N=96, R=2):
    @T.prim_func
    def main(
        A: T.Tensor((M, N), "bfloat16"),
        B: T.Tensor((N, N), "bfloat16"),
        C: T.Tensor((M, N), "float32"),
    ):
        with T.Kernel(M // 32) as by:
            a = T.alloc_shared((32, 32), "bfloat16")
            b = T.alloc_shared((32, 32), "bfloat16")
            c = T.alloc_fragment((32, 32), "float32")
            for n in T.serial(N // 32):
                T.clear(c)
                for r in range(R):
                    for k in T.Pipelined(N // 32, num_stages=2):
                        T.copy(A[by * 32, k * 32], a)
                        T.copy(B[k * 32, n * 32], b)
                        T.gemm(a, b, c)
                T.copy(c, C[by * 32, n * 32])

    return main


def one_iter(M=32, N=32, K=20):
    @T.prim_func
    def main(
        A: T.Tensor((M, K), "bfloat16"),
        B: T.Tensor((K, N), "bfloat16"),
        C: T.Tensor((M, N), "float32"),
    ):
        with T.Kernel(1, 1) as (bx, by):
            a = T.alloc_shared((32, 64), "bfloat16")
            b = T.alloc_shared((64, 32), "bfloat16")
            c = T.alloc_fragment((32, 32), "float32")
            T.clear(c)
            for k in T.Pipelined(1, num_stages=4):
                T.copy(A[by * 32, k * 64], a)
                T.copy(B[k * 64, bx * 32], b)
                T.gemm(a, b, c)
            T.copy(c, C[by * 32, bx * 32])

    return main


def two_reads(M=64, N=64):
    @T.prim_func
    def main(A: T.Tensor((M, N), "bfloat16"), C: T.Tensor((M, N // 2), "bfloat16")):
        with T.Kernel(1, M // 32) as (bx, by):
            s = T.alloc_shared((32, 32), "bfloat16")
            t = T.alloc_shared((32, 32), "bfloat16")
            T.copy(A[by * 32, 0], s)
            T.copy(A[by * 32, 32], t)
            for i, j in T.Parallel(32, 32):
                s[i, j] = s[i, j] * t[i, j]
            T.copy(s, C[by * 32, 0])

    return main


def square(M=64):
    @T.prim_func
    def main(A: T.Tensor((M, M), "bfloat16"), C: T.Tensor((M, M), "float32")):
        with T.Kernel(M // 32, M // 32) as (bx, by):
            a = T.alloc_shared((32, 32), "bfloat16")
            b = T.alloc_shared((32, 32), "bfloat16")
            c = T.alloc_fragment((32, 32), "float32")
            T.clear(c)
            for k in T.Pipelined(M // 32, num_stages=2):
                T.copy(A[by * 32, k * 32], a)
                T.copy(A[k * 32, bx * 32], b)
                T.gemm(a, b, c)
            T.copy(c, C[by * 32, bx * 32])

    return main


def self_square(M=64):
    @T.prim_func
    def main(A: T.Tensor((M, M), "bfloat16"), C: T.Tensor((M, M), "float32")):
        with T.Kernel(1) as bx:
            a = T.alloc_shared((M, M), "bfloat16")
            c = T.alloc_fragment((M, M), "float32")
            T.copy(A, a)
            T.gemm(a, a, c, clear_accum=True)
            T.gemm(a, a, c, transpose_B=True)
            T.gemm(a, a, c, transpose_A=True)
            T.copy(c, C)

    return main


def inout(M=64, N=64):
    @T.prim_func
    def main(A: T.Tensor((M, N), "bfloat16"), X: T.Tensor((M, N), "float32")):
        with T.Kernel(N // 32, M // 32) as (bx, by):
            s = T.alloc_shared((32, 32), "bfloat16")
            x = T.alloc_shared((32, 32), "float32")
            T.copy(A[by * 32, bx * 32], s)
            T.copy(X[by * 32, bx * 32], x)
            for i, j in T.Parallel(32, 32):
                x[i, j] = x[i, j] + s[i, j]
            T.copy(x, X[by * 32, bx * 32])

    return main


def inout_direct(M=64, N=64):
    @T.prim_func
    def main(A: T.Tensor((M, N), "float32"), X: T.Tensor((M, N), "float32")):
        with T.Kernel(N // 32, M // 32) as (bx, by):
            for i, j in T.Parallel(32, 32):
                X[by * 32 + i, bx * 32 + j] += A[by * 32 + i, bx * 32 + j]

    return main


def prime(M=37, N=101, K=67):
    return gemm.matmul(M, N, K, 64, 96, 32, out_dtype="float32")


def vec(N=101, dtype="bfloat16", b=32):
    @T.prim_func
    def main(A: T.Tensor((N,), dtype), B: T.Tensor((N,), dtype), C: T.Tensor((N,), dtype)):
        with T.Kernel(T.ceildiv(N, b)) as bx:
            a = T.alloc_shared((b,), dtype)
            c = T.alloc_shared((b,), dtype)
            T.copy(A[bx * b], a)
            T.copy(B[bx * b], c)
            for i in T.Parallel(b):
                c[i] = a[i] * c[i] + a[i]
            T.copy(c, C[bx * b])

    return main
