"""Kernels of running sums, scalars and waves, each with what NumPy says of it."""

import numpy as np

import harness.language as T


def cumsum_rows(M, N, dtype="float32"):
    """Running sums along rows of several tiles, from both ends, one of them in place."""

    @T.prim_func
    def main(A: T.Tensor((M, N), dtype), C: T.Tensor((M, N), dtype), D: T.Tensor((M, N), dtype)):
        with T.Kernel(T.ceildiv(M, 32)) as by:
            s = T.alloc_shared((32, 96), dtype)
            f = T.alloc_fragment((32, 96), dtype)
            T.copy(A[by * 32, 0], s)
            T.cumsum(s, f, dim=1, reverse=True)
            T.cumsum(s, dim=-1)
            T.copy(s, C[by * 32, 0])
            T.copy(f, D[by * 32, 0])

    return main, lambda A: (A.cumsum(1), A[:, ::-1].cumsum(1)[:, ::-1])


def cumsum_columns(M, N):
    """Running sums along columns, from both ends."""

    @T.prim_func
    def main(A: T.Tensor((M, N), "bfloat16"), C: T.Tensor((M, N), "float32"),
             D: T.Tensor((M, N), "float32")):  # fmt: skip
        with T.Kernel(T.ceildiv(N, 32)) as bx:
            s = T.alloc_shared((64, 32), "bfloat16")
            f = T.alloc_fragment((64, 32), "float32")
            T.copy(A[0, bx * 32], s)
            T.cumsum(s, f)
            T.copy(f, C[0, bx * 32])
            T.cumsum(s, f, dim=0, reverse=True)
            T.copy(f, D[0, bx * 32])

    def reference(A):
        A = A.astype(np.float64)
        return A.cumsum(0), A[::-1].cumsum(0)[::-1]

    return main, reference


def cumsum_vectors(M, N):
    """Running sums of vectors that lie in a row and in a column."""

    @T.prim_func
    def main(A: T.Tensor((M, 64), "float32"), R: T.Tensor((N,), "float32"),
             C: T.Tensor((M, 64), "float32"), D: T.Tensor((N,), "float32")):  # fmt: skip
        with T.Kernel(1):
            s = T.alloc_fragment((64, 64), "float32")
            v = T.alloc_fragment((64,), "float32")
            r = T.alloc_fragment((96,), "float32")
            T.copy(A[0:64, 0:64], s)
            T.copy(R[0:96], r)
            T.reduce_max(s, v, dim=1)
            T.cumsum(v)
            T.cumsum(r, reverse=True)
            for i, j in T.Parallel(64, 64):
                s[i, j] = s[i, j] - v[i]
            T.copy(s, C[0:64, 0:64])
            T.copy(r, D[0:96])

    return main, lambda A, R: (A - A.max(1).cumsum()[:, None], R[::-1].cumsum()[::-1])


RUNNING = (cumsum_rows, cumsum_columns, cumsum_vectors)


def scalars(M, N):
    """A start that advances, a factor that is halved now and then, and a count of turns."""
    N = 128

    @T.prim_func
    def main(A: T.Tensor((M, N), "float32"), C: T.Tensor((M, N), "float32")):
        with T.Kernel(N // 32, T.ceildiv(M, 32)) as (bx, by):
            s = T.alloc_shared((32, 32), "float32")
            f = T.alloc_fragment((32, 32), "float32")
            T.clear(f)
            column = T.alloc_var("int32", init=0)
            scale = T.alloc_var("float32", 1.0)
            n = T.alloc_var(T.int32, init=0)
            for k in T.serial(N // 32):
                T.copy(A[by * 32, column], s)
                column += 32
                if k % 2 == 0:
                    scale = scale * 0.5
                    n = n + k
                for i, j in T.Parallel(32, 32):
                    f[i, j] += s[i, j] * scale + n
            if n == 2:
                for i, j in T.Parallel(32, 32):
                    f[i, j] += bx
            T.copy(f, C[by * 32, bx * 32])

    def reference(A):
        a = A.reshape(M, 4, 32)
        sums = a[:, 0] / 2 + a[:, 1] / 2 + a[:, 2] / 4 + a[:, 3] / 4 + 4
        return np.concatenate([sums + b for b in range(4)], 1)

    return main, reference


def scalars_of_blocks(M, N):
    """A stage that turns, a start chosen by the block, and the last value of a loop."""
    N = 128

    @T.prim_func
    def main(A: T.Tensor((M, N), "float32"), C: T.Tensor((M, N), "float32")):
        with T.Kernel(N // 32, T.ceildiv(M, 32)) as (bx, by):
            s = T.alloc_shared((2, 32, 32), "float32")
            f = T.alloc_fragment((32, 32), "float32")
            T.clear(f)
            stage = T.alloc_var("int32", 0)
            start = T.alloc_var("int32")
            start = 1 if bx > 1 else 0
            for k in T.serial(start, bx + 1):
                T.copy(A[by * 32, k * 32], s[stage, :, :])
                for i, j in T.Parallel(32, 32):
                    f[i, j] += s[stage, i, j] * (stage + 1)
                stage = (stage + 1) % 2
            last = T.alloc_var("int32")
            for k in T.serial(3):
                last = k * by
            for i, j in T.Parallel(32, 32):
                f[i, j] += last + stage
            T.copy(f, C[by * 32, bx * 32])

    def reference(A):
        out = np.zeros((M, N))
        for bx in range(4):
            stage = 0
            for k in range(1 if bx > 1 else 0, bx + 1):
                out[:, bx * 32 :][:, :32] += A[:, k * 32 :][:, :32] * (stage + 1)
                stage = (stage + 1) % 2
            out[:, bx * 32 :][:, :32] += 2 * (np.arange(M) // 32)[:, None] + stage
        return out

    return main, reference


SCALARS = (scalars, scalars_of_blocks)


def persistent(M, N):
    """A gemm by seven blocks that share the places, with a bias read before."""
    waves = 7

    @T.prim_func
    def main(A: T.Tensor((M, 64), "bfloat16"), B: T.Tensor((64, N), "bfloat16"),
             R: T.Tensor((32,), "float32"), C: T.Tensor((M, N), "float32")):  # fmt: skip
        with T.Kernel(waves, threads=128) as block:
            a = T.alloc_shared((32, 32), "bfloat16")
            b = T.alloc_shared((32, 32), "bfloat16")
            c = T.alloc_fragment((32, 32), "float32")
            r = T.alloc_shared((32,), "float32")
            T.copy(R, r)
            for bx, by in T.Persistent([T.ceildiv(M, 32), T.ceildiv(N, 32)], waves, block):
                T.clear(c)
                for k in T.Pipelined(2, num_stages=2):
                    T.copy(A[bx * 32, k * 32], a)
                    T.copy(B[k * 32, by * 32], b)
                    T.gemm(a, b, c)
                for i, j in T.Parallel(32, 32):
                    c[i, j] += r[i]
                T.copy(c, C[bx * 32, by * 32])

    return main, lambda A, B, R: A.astype(float) @ B + np.resize(R, M)[:, None]


def persistent_in_batches(M, N):
    """A line of places beside another axis of the grid."""

    @T.prim_func
    def main(A: T.Tensor((3, M, N), "float32"), C: T.Tensor((3, M, N), "float32")):
        with T.Kernel(2, 3) as (block, batch):
            s = T.alloc_shared((32, 96), "float32")
            for row in T.Persistent([T.ceildiv(M, 32)], 2, block, group_size=4):
                T.copy(A[batch, row * 32, 0], s)
                for i, j in T.Parallel(32, 96):
                    s[i, j] = s[i, j] * (row + 1)
                T.copy(s, C[batch, row * 32, 0])

    return main, lambda A: A * (np.arange(M) // 32 + 1)[:, None]


WAVES = (persistent, persistent_in_batches)


def small_k(M, N, K=96, bk=16, dtype="bfloat16"):
    """A gemm whose steps over K are below a tile, one operand changed on the way."""

    @T.prim_func
    def main(A: T.Tensor((M, K), dtype), B: T.Tensor((K, N), dtype),
             C: T.Tensor((M, N), "float32")):  # fmt: skip
        with T.Kernel(T.ceildiv(N, 32), T.ceildiv(M, 32)) as (bx, by):
            a = T.alloc_shared((32, bk), dtype)
            b = T.alloc_shared((bk, 32), dtype)
            c = T.alloc_fragment((32, 32), "float32")
            T.clear(c)
            for k in T.Pipelined(T.ceildiv(K, bk), num_stages=2):
                T.copy(A[by * 32, k * bk], a)
                T.copy(B[k * bk, bx * 32], b)
                for i, j in T.Parallel(32, bk):
                    a[i, j] = a[i, j] * 2.0
                T.gemm(a, b, c)
            T.copy(c, C[by * 32, bx * 32])

    return main, lambda A, B: 2 * A.astype(float) @ B


def small_k_ragged(M, N, K=72, bk=8):
    """Steps over K that end in the middle of a tile, B transposed."""

    @T.prim_func
    def main(A: T.Tensor((M, K), "bfloat16"), B: T.Tensor((N, K), "bfloat16"),
             C: T.Tensor((M, N), "float32")):  # fmt: skip
        with T.Kernel(T.ceildiv(N, 32), T.ceildiv(M, 32)) as (bx, by):
            a = T.alloc_shared((32, bk), "bfloat16")
            b = T.alloc_shared((32, bk), "bfloat16")
            c = T.alloc_fragment((32, 32), "float32")
            T.clear(c)
            for k in T.serial(T.ceildiv(K, bk)):
                T.copy(A[by * 32, k * bk], a)
                T.copy(B[bx * 32, k * bk], b)
                T.gemm(a, b, c, transpose_B=True)
            T.copy(c, C[by * 32, bx * 32])

    return main, lambda A, B: A.astype(float) @ B.T


SMALL_K = (small_k, small_k_ragged)
