"""More kernels no packaged one resembles: broadcasts, branches, values carried around loops."""

import harness.language as T


def vec_direct(N=101, dtype="float32", b=64):
    @T.prim_func
    def main(A: T.Tensor((N,), dtype), C: T.Tensor((N,), dtype)):
        with T.Kernel(T.ceildiv(N, b)) as bx:
            for i in T.Parallel(b):
                C[bx * b + i] = A[bx * b + i] * 2.0

    return main


def three_d(B=3, M=50, N=40):
    @T.prim_func
    def main(A: T.Tensor((B, M, N), "bfloat16"), C: T.Tensor((B, M, N), "float32")):
        with T.Kernel(T.ceildiv(N, 32), T.ceildiv(M, 32), B) as (bx, by, bz):
            s = T.alloc_shared((32, 32), "bfloat16")
            f = T.alloc_fragment((32, 32), "float32")
            T.copy(A[bz, by * 32, bx * 32], s)
            for i, j in T.Parallel(32, 32):
                f[i, j] = s[i, j] * 3.0
            T.copy(f, C[bz, by * 32, bx * 32])

    return main


def loop_batch(B=3, M=64, N=40):
    @T.prim_func
    def main(A: T.Tensor((B, M, N), "bfloat16"), C: T.Tensor((M, N), "float32")):
        with T.Kernel(T.ceildiv(N, 32), T.ceildiv(M, 32)) as (bx, by):
            s = T.alloc_shared((32, 32), "bfloat16")
            f = T.alloc_fragment((32, 32), "float32")
            T.clear(f)
            for b in T.serial(B):
                T.copy(A[b, by * 32, bx * 32], s)
                for i, j in T.Parallel(32, 32):
                    f[i, j] += s[i, j]
            T.copy(f, C[by * 32, bx * 32])

    return main


def softmax_masked(M=50, N=96):
    @T.prim_func
    def main(A: T.Tensor((M, N), "float32"), C: T.Tensor((M, N), "float32")):
        with T.Kernel(T.ceildiv(M, 32)) as bx:
            x = T.alloc_fragment((32, N), "float32")
            m = T.alloc_fragment((32,), "float32")
            s = T.alloc_fragment((32,), "float32")
            T.copy(A[bx * 32, 0], x)
            for i, j in T.Parallel(32, N):
                x[i, j] = T.if_then_else(bx * 32 + i >= j, x[i, j], -T.infinity("float32"))
            T.reduce_max(x, m, dim=1)
            for i, j in T.Parallel(32, N):
                x[i, j] = T.exp(x[i, j] - m[i])
            T.reduce_sum(x, s, dim=1)
            for i, j in T.Parallel(32, N):
                x[i, j] = x[i, j] / s[i]
            T.copy(x, C[bx * 32, 0])

    return main


def gemm_reduce(M=64, N=64, K=64):
    @T.prim_func
    def main(
        A: T.Tensor((M, K), "bfloat16"),
        B: T.Tensor((K, N), "bfloat16"),
        C: T.Tensor((M,), "float32"),
    ):
        with T.Kernel(M // 32) as bx:
            a = T.alloc_shared((32, K), "bfloat16")
            b = T.alloc_shared((K, N), "bfloat16")
            c = T.alloc_fragment((32, N), "float32")
            r = T.alloc_fragment((32,), "float32")
            T.copy(A[bx * 32, 0], a)
            T.copy(B, b)
            T.gemm(a, b, c, clear_accum=True)
            T.reduce_sum(c, r, dim=1)
            T.copy(r, C[bx * 32])

    return main


def swap(M=64, N=64):
    @T.prim_func
    def main(
        A: T.Tensor((M, N), "float32"),
        B: T.Tensor((M, N), "float32"),
        C: T.Tensor((M, N), "float32"),
        D: T.Tensor((M, N), "float32"),
    ):
        with T.Kernel(N // 32, M // 32) as (bx, by):
            a = T.alloc_shared((32, 32), "float32")
            b = T.alloc_shared((32, 32), "float32")
            t = T.alloc_shared((32, 32), "float32")
            T.copy(A[by * 32, bx * 32], a)
            T.copy(B[by * 32, bx * 32], b)
            for r in T.serial(3):
                T.copy(a, t)
                T.copy(b, a)
                T.copy(t, b)
            T.copy(a, C[by * 32, bx * 32])
            T.copy(b, D[by * 32, bx * 32])

    return main


def fib(M=32, N=64):
    @T.prim_func
    def main(A: T.Tensor((M, N), "float32"), C: T.Tensor((M, N), "float32")):
        with T.Kernel(N // 32, M // 32) as (bx, by):
            a = T.alloc_fragment((32, 32), "float32")
            b = T.alloc_fragment((32, 32), "float32")
            t = T.alloc_fragment((32, 32), "float32")
            T.copy(A[by * 32, bx * 32], a)
            T.clear(b)
            for r in T.serial(5):
                for i, j in T.Parallel(32, 32):
                    t[i, j] = a[i, j] + b[i, j]
                T.copy(b, a)
                T.copy(t, b)
            T.copy(b, C[by * 32, bx * 32])

    return main


def cond_out(M=96, N=64):
    @T.prim_func
    def main(A: T.Tensor((M, N), "float32"), C: T.Tensor((M, N), "float32")):
        with T.Kernel(N // 32, M // 32) as (bx, by):
            s = T.alloc_shared((32, 32), "float32")
            T.copy(A[by * 32, bx * 32], s)
            if by > bx:
                T.fill(s, 7.0)
            T.copy(s, C[by * 32, bx * 32])

    return main


def cond_acc(M=64, N=64, K=128):
    @T.prim_func
    def main(
        A: T.Tensor((M, K), "bfloat16"),
        B: T.Tensor((K, N), "bfloat16"),
        C: T.Tensor((M, N), "float32"),
    ):
        with T.Kernel(N // 32, M // 32) as (bx, by):
            a = T.alloc_shared((32, 32), "bfloat16")
            b = T.alloc_shared((32, 32), "bfloat16")
            c = T.alloc_fragment((32, 32), "float32")
            T.clear(c)
            for k in T.Pipelined(K // 32, num_stages=2):
                T.copy(A[by * 32, k * 32], a)
                T.copy(B[k * 32, bx * 32], b)
                if k % 2 == 0:
                    T.gemm(a, b, c)
            T.copy(c, C[by * 32, bx * 32])

    return main


def bias_bcast(M=64, N=96):
    @T.prim_func
    def main(
        A: T.Tensor((M, N), "float32"),
        r: T.Tensor((M,), "float32"),
        b: T.Tensor((N,), "float32"),
        C: T.Tensor((M, N), "float32"),
    ):
        with T.Kernel(N // 32, M // 32) as (bx, by):
            s = T.alloc_shared((32, 32), "float32")
            rv = T.alloc_shared((32,), "float32")
            bv = T.alloc_shared((32,), "float32")
            T.copy(A[by * 32, bx * 32], s)
            T.copy(r[by * 32], rv)
            T.copy(b[bx * 32], bv)
            for i, j in T.Parallel(32, 32):
                s[i, j] = s[i, j] * rv[i] + bv[j]
            T.copy(s, C[by * 32, bx * 32])

    return main


def float16_to_bfloat16(M=40):
    @T.prim_func
    def main(A: T.Tensor((M, M), "float16"), C: T.Tensor((M, M), "bfloat16")):
        with T.Kernel(T.ceildiv(M, 32), T.ceildiv(M, 32)) as (bx, by):
            s = T.alloc_shared((32, 32), "float16")
            T.copy(A[by * 32, bx * 32], s)
            T.copy(s, C[by * 32, bx * 32])

    return main


def loop_carried_gemm(M=32, K=64):
    @T.prim_func
    def main(
        A: T.Tensor((M, K), "bfloat16"),
        B: T.Tensor((K, K), "bfloat16"),
        C: T.Tensor((M, K), "float32"),
    ):
        with T.Kernel(1) as bx:
            a = T.alloc_shared((M, K), "bfloat16")
            b = T.alloc_shared((K, K), "bfloat16")
            acc = T.alloc_fragment((M, K), "float32")
            T.copy(A, a)
            T.copy(B, b)
            T.copy(A, acc)
            for r in T.serial(4):
                T.gemm(a, b, acc)
                for i, j in T.Parallel(M, K):
                    acc[i, j] = acc[i, j] * 0.5
            T.copy(acc, C)

    return main


def int_scalars(M=64):
    @T.prim_func
    def main(A: T.Tensor((M, M), "float32"), C: T.Tensor((M, M), "float32")):
        with T.Kernel(2, 2) as (bx, by):
            s = T.alloc_shared((32, 32), "float32")
            T.copy(A[by * 32, bx * 32], s)
            for k in T.serial(1, 4):
                for i, j in T.Parallel(32, 32):
                    s[i, j] = s[i, j] + k * (bx + 1)
            T.copy(s, C[by * 32, bx * 32])

    return main


def loaded_in_a_loop_used_after(M=64):
    @T.prim_func
    def main(A: T.Tensor((M, M), "float32"), C: T.Tensor((M, M), "float32")):
        with T.Kernel(2, 2) as (bx, by):
            s = T.alloc_shared((32, 32), "float32")
            u = T.alloc_shared((32, 32), "float32")
            for k in T.serial(3):
                T.copy(A[by * 32, bx * 32], s)
                T.copy(A[bx * 32, by * 32], u)
            T.copy(s, C[by * 32, bx * 32])

    return main


def left_by_nested_loops(M=50):
    @T.prim_func
    def main(
        A: T.Tensor((M, M), "bfloat16"), B: T.Tensor((M, M), "bfloat16"),
        C: T.Tensor((M, M), "float32"), D: T.Tensor((M, M), "float32"),
    ):  # fmt: skip
        with T.Kernel(2, 2) as (bx, by):
            a = T.alloc_shared((32, 32), "bfloat16")
            b = T.alloc_shared((32, 32), "bfloat16")
            c = T.alloc_fragment((32, 32), "float32")
            d = T.alloc_fragment((32, 32), "float32")
            for r in T.serial(2):
                for k in T.Pipelined(2, num_stages=2):
                    T.copy(A[by * 32, k * 32], a)
                    T.copy(B[k * 32, bx * 32], b)
                    T.gemm(a, b, c, clear_accum=True)
                for i, j in T.Parallel(32, 32):
                    d[i, j] = c[i, j] * (r + 1) + a[i, j]
            T.copy(c, C[by * 32, bx * 32])
            T.copy(d, D[by * 32, bx * 32])

    return main


def left_by_a_triangle(M=96):
    @T.prim_func
    def main(A: T.Tensor((M, M), "float32"), C: T.Tensor((M, M), "float32")):
        with T.Kernel(M // 32, M // 32) as (bx, by):
            s = T.alloc_shared((32, 32), "float32")
            f = T.alloc_fragment((32, 32), "float32")
            for k in T.serial(bx, by + bx + 1):
                T.copy(A[by * 32, (k - bx) * 32], s)
                for i, j in T.Parallel(32, 32):
                    f[i, j] = s[i, j] * k
            for i, j in T.Parallel(32, 32):
                f[i, j] += s[i, j]
            T.copy(f, C[by * 32, bx * 32])

    return main


def left_by_branches(M=64):
    @T.prim_func
    def main(A: T.Tensor((M, M), "float32"), C: T.Tensor((M, M), "float32")):
        with T.Kernel(2, 2) as (bx, by):
            s = T.alloc_shared((32, 32), "float32")
            for k in T.serial(3):
                if k == bx:
                    T.copy(A[by * 32, bx * 32], s)
                else:
                    T.fill(s, 3.0)
            T.copy(s, C[by * 32, bx * 32])

    return main


def last_wins(M=64):
    @T.prim_func
    def main(A: T.Tensor((M, M), "float32"), C: T.Tensor((M, M), "float32")):
        with T.Kernel(2, 2) as (bx, by):
            s = T.alloc_shared((32, 32), "float32")
            T.copy(A[by * 32, bx * 32], s)
            T.copy(s, C[by * 32, bx * 32])
            for i, j in T.Parallel(32, 32):
                s[i, j] = s[i, j] * 2.0
            T.copy(s, C[by * 32, bx * 32])

    return main


def wide(M=32, N=320):
    @T.prim_func
    def main(
        A: T.Tensor((M, N), "float32"),
        B: T.Tensor((M, N), "float32"),
        C: T.Tensor((M, N), "float32"),
    ):
        with T.Kernel(1) as bx:
            a = T.alloc_shared((M, N), "float32")
            b = T.alloc_shared((M, N), "float32")
            T.copy(A, a)
            T.copy(B, b)
            for i, j in T.Parallel(M, N):
                a[i, j] = (
                    (a[i, j] + b[i, j])
                    * (a[i, j] - b[i, j])
                    * (b[i, j] * 2.0 + 1.0)
                    * (a[i, j] * 3.0 - 1.0)
                )
            T.copy(a, C)

    return main
