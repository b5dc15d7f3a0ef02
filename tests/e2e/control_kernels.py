"""Kernels of conditions and parts of blocks, each with what NumPy says of it."""

import numpy as np

import harness.language as T


def guarded(M, N):
    """Bounds written out, as on a GPU."""

    @T.prim_func
    def main(A: T.Tensor((M, N), "float32"), C: T.Tensor((M, N), "float32")):
        with T.Kernel(T.ceildiv(N, 32), T.ceildiv(M, 32)) as (bx, by):
            for i, j in T.Parallel(32, 32):
                if by * 32 + i < M and bx * 32 + j < N:
                    C[by * 32 + i, bx * 32 + j] = A[by * 32 + i, bx * 32 + j] * 2.0

    return main, lambda A: 2 * A


def masked_update(M, N):
    """A mask over places and values, three ways."""

    @T.prim_func
    def main(A: T.Tensor((M, N), "float32"), C: T.Tensor((M, N), "float32")):
        with T.Kernel(T.ceildiv(N, 32), T.ceildiv(M, 32)) as (bx, by):
            s = T.alloc_fragment((32, 32), "float32")
            T.copy(A[by * 32, bx * 32], s)
            for i, j in T.Parallel(32, 32):
                if by * 32 + i >= bx * 32 + j:
                    s[i, j] = s[i, j] * 2.0
                elif s[i, j] > 0 or j == 3:
                    s[i, j] = 0.5
                else:
                    s[i, j] = -1.0
                if not (i + by * 32 < 5):
                    s[i, j] += 1.0
            T.copy(s, C[by * 32, bx * 32])

    def reference(A):
        i, j = np.arange(M)[:, None], np.arange(N)[None]
        s = np.where(i >= j, 2 * A, np.where((A > 0) | (j % 32 == 3), 0.5, -1.0))
        return s + (i >= 5)

    return main, reference


def mask_overwritten(M, N):
    """A condition on what its own branch changes, beside one on the block."""

    @T.prim_func
    def main(A: T.Tensor((M, N), "float32"), C: T.Tensor((M, N), "float32")):
        with T.Kernel(T.ceildiv(N, 32), T.ceildiv(M, 32)) as (bx, by):
            s = T.alloc_fragment((32, 32), "float32")
            t = T.alloc_fragment((32, 32), "float32")
            T.copy(A[by * 32, bx * 32], s)
            T.clear(t)
            for i, j in T.Parallel(32, 32):
                if s[i, j] > 0:
                    s[i, j] = -1.0
                    t[i, j] = 1.0
                else:
                    t[i, j] = s[i, j]
                if bx > 0:
                    t[i, j] = t[i, j] + 3.0
            for i, j in T.Parallel(32, 32):
                t[i, j] += s[i, j] * 8.0
            T.copy(t, C[by * 32, bx * 32])

    def reference(A):
        t = np.where(A > 0, 1.0, A) + 3.0 * (np.arange(N) >= 32)
        return t + 8 * np.where(A > 0, -1.0, A)

    return main, reference


def kept_in_memory(M, N):
    """A tensor of which only some elements are stored: the others stay."""

    @T.prim_func
    def main(A: T.Tensor((M, N), "float32"), C: T.Tensor((M, N), "float32")):
        with T.Kernel(T.ceildiv(N, 32), T.ceildiv(M, 32)) as (bx, by):
            for i, j in T.Parallel(32, 32):
                if A[by * 32 + i, bx * 32 + j] > 0:
                    C[by * 32 + i, bx * 32 + j] = A[by * 32 + i, bx * 32 + j]

    return main, lambda A, C: np.where(A > 0, A, C)


def masked_vector(M, N):
    """A vector with a tail that the source cuts off."""

    @T.prim_func
    def main(A: T.Tensor((M,), "float32"), C: T.Tensor((M,), "float32")):
        with T.Kernel(T.ceildiv(M, 64)) as bx:
            v = T.alloc_fragment((64,), "float32")
            for i in T.Parallel(64):
                if bx * 64 + i < M - 10:
                    v[i] = A[bx * 64 + i]
                else:
                    v[i] = -7.0
            for i in T.Parallel(64):
                if v[i] > 0 or i == 3:
                    C[bx * 64 + i] = v[i]
                else:
                    C[bx * 64 + i] = v[i] * 0.5

    def reference(A):
        n = np.arange(M)
        v = np.where(n < M - 10, A, -7.0)
        return np.where((v > 0) | (n % 64 == 3), v, v / 2)

    return main, reference


def masked_small_blocks(M, N):
    """Blocks smaller than a tile under a mask of places."""
    N = 64

    @T.prim_func
    def main(A: T.Tensor((M, N), "float32"), C: T.Tensor((M, N), "float32")):
        with T.Kernel(T.ceildiv(M, 8)) as by:
            s = T.alloc_fragment((8, N), "float32")
            T.copy(A[by * 8, 0], s)
            for i, j in T.Parallel(8, N):
                if by * 8 + i < j:
                    s[i, j] = 0.0
            T.copy(s, C[by * 8, 0])

    return main, np.tril


def masked_by_quotients(M, N):
    """A mask over groups of rows and columns, and one over alternate places."""

    @T.prim_func
    def main(A: T.Tensor((M, N), "float32"), C: T.Tensor((M, N), "float32")):
        with T.Kernel(T.ceildiv(N, 32), T.ceildiv(M, 32)) as (bx, by):
            s = T.alloc_fragment((32, 32), "float32")
            T.copy(A[by * 32, bx * 32], s)
            for i, j in T.Parallel(32, 32):
                if (by * 32 + i) // 12 != (bx * 32 + j) // 7:
                    s[i, j] = (i + 3 * j) % 5
                if (i + j) % 2 == 0:
                    s[i, j] += i * j
            T.copy(s, C[by * 32, bx * 32])

    def reference(A):
        i, j = np.arange(M)[:, None], np.arange(N)[None]
        a, b = i % 32, j % 32
        s = np.where(i // 12 != j // 7, (a + 3 * b) % 5, A)
        return np.where((a + b) % 2 == 0, s + a * b, s)

    return main, reference


CONDITIONS = (guarded, masked_update, mask_overwritten, kept_in_memory, masked_vector,
              masked_small_blocks, masked_by_quotients)  # fmt: skip


def halves(M, N):
    """Rows and columns of a block read and written from offsets."""

    @T.prim_func
    def main(A: T.Tensor((M, N), "float32"), C: T.Tensor((M, N), "float32")):
        with T.Kernel(T.ceildiv(N, 64), T.ceildiv(M, 64)) as (bx, by):
            s = T.alloc_shared((64, 64), "float32")
            f = T.alloc_fragment((64, 64), "float32")
            T.copy(A[by * 64, bx * 64], s)
            for i, j in T.Parallel(32, 64):
                f[i, j] = s[i + 32, j] * 2.0
            for i, j in T.Parallel(32, 32):
                f[i + 32, j + 32] = s[i, j] + s[i + 32, j]
                f[i + 32, j] = f[i, j + 32] - s[32, j] + s[i, 32]
            T.copy(f, C[by * 64, bx * 64])

    def reference(A):
        out = np.zeros((64 * -(-M // 64), 64 * -(-N // 64)))
        padded = np.zeros_like(out)
        padded[:M, :N] = A
        for r in range(0, len(out), 64):
            for c in range(0, out.shape[1], 64):
                s, f = padded[r : r + 64, c : c + 64], out[r : r + 64, c : c + 64]
                f[:32] = 2 * s[32:]
                f[32:, 32:] = s[:32, :32] + s[32:, :32]
                f[32:, :32] = f[:32, 32:] - s[32, :32] + s[:32, 32:33]
        return out[:M, :N]

    return main, reference


def sliced(M, N):
    """Slices on both sides of a copy, and as operands and result of a gemm."""

    @T.prim_func
    def main(A: T.Tensor((M, 96), "bfloat16"), B: T.Tensor((96, N), "bfloat16"),
             C: T.Tensor((M, N), "float32")):  # fmt: skip
        with T.Kernel(T.ceildiv(N, 32), T.ceildiv(M, 64)) as (bx, by):
            a = T.alloc_shared((64, 96), "bfloat16")
            b = T.alloc_shared((96, 32), "bfloat16")
            c = T.alloc_fragment((64, 32), "float32")
            T.copy(A[by * 64, 0], a[:, 0:32])
            T.copy(A[by * 64 : by * 64 + 64, 32:96], a[0:64, 32:96])
            for k in T.serial(3):
                T.copy(B[k * 32, bx * 32], b[k * 32 : k * 32 + 32, :])
            T.clear(c)
            for k in T.serial(3):
                T.gemm(a[0:32, k * 32 : (k + 1) * 32], b[k * 32 : (k + 1) * 32, :], c[0:32, :])
            T.gemm(a[32:64, :], b, c[32:64, :], clear_accum=True)
            for h in T.serial(2):
                T.copy(c[h * 32 : h * 32 + 32, :], C[by * 64 + h * 32, bx * 32])

    return main, lambda A, B: A.astype(float) @ B


def stacked(M, N):
    """A block of several planes, used one at a time and by an index that turns."""

    @T.prim_func
    def main(A: T.Tensor((4, M, N), "float32"), C: T.Tensor((M, N), "float32")):
        with T.Kernel(T.ceildiv(N, 32), T.ceildiv(M, 32)) as (bx, by):
            s = T.alloc_shared((2, 32, 32), "float32")
            f = T.alloc_fragment((32, 32), "float32")
            T.clear(f)
            for k in T.serial(4):
                T.copy(A[k, by * 32, bx * 32], s[k % 2, :, :])
                for i, j in T.Parallel(32, 32):
                    f[i, j] = f[i, j] * 2.0 + s[k % 2, i, j]
            for i, j in T.Parallel(32, 32):
                f[i, j] -= s[0, i, j]
            T.copy(f, C[by * 32, bx * 32])

    return main, lambda A: 8 * A[0] + 4 * A[1] + 2 * A[2] + A[3] - A[2]


def vector_parts(M, N):
    """Parts of vectors, lying in rows and in columns."""
    M, N = 64, 64

    @T.prim_func
    def main(A: T.Tensor((M, N), "float32"), R: T.Tensor((N,), "float32"),
             C: T.Tensor((M, N), "float32")):  # fmt: skip
        with T.Kernel(1):
            s = T.alloc_fragment((64, 64), "float32")
            v = T.alloc_fragment((64,), "float32")
            r = T.alloc_shared((64,), "float32")
            T.copy(A, s)
            T.copy(R, r)
            T.reduce_max(s, v, dim=1)
            for i, j in T.Parallel(32, 64):
                s[i, j] = s[i, j] + v[i + 32]
            for i, j in T.Parallel(64, 32):
                s[i, j + 32] = s[i, j + 32] * r[j]
            for i in T.Parallel(32):
                r[i + 32] = r[i] * 2.0
            for i, j in T.Parallel(64, 64):
                s[i, j] += r[j]
            T.copy(s, C)

    def reference(A, R):
        s, v, r = A.copy(), A.max(1), R.copy()
        s[:32] += v[32:, None]
        s[:, 32:] *= r[:32]
        r[32:] = 2 * r[:32]
        return s + r

    return main, reference


PARTS = (halves, sliced, stacked, vector_parts)
