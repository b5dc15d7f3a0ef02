"""Kernels whose vectors are columns of tensors, or come from tensors and run along rows."""

import harness.language as T


def rows_by_a_tensor(M=75, N=64):
    """A vector read element by element scales rows; its tensor is added to sums of columns."""

    @T.prim_func
    def main(
        A: T.Tensor((M, N), "float32"),
        G: T.Tensor((M,), "float32"),
        C: T.Tensor((M, N), "float32"),
        R: T.Tensor((M,), "float32"),
    ):
        with T.Kernel(T.ceildiv(M, 32)) as bx:
            a = T.alloc_shared((32, N), "float32")
            v = T.alloc_fragment((32,), "float32")
            T.copy(A[bx * 32, 0], a)
            for i in T.Parallel(32):
                v[i] = G[bx * 32 + i] + 2
            for i, j in T.Parallel(32, N):
                a[i, j] = a[i, j] * v[i]
            T.copy(a, C[bx * 32, 0])
            T.reduce_sum(a, v, dim=1)
            for i in T.Parallel(32):
                R[bx * 32 + i] = v[i] + G[bx * 32 + i]

    return main


def rows_by_a_column(M=64, H=2, N=64):
    """A column of a tensor scales rows: the head's where there are several, else the only one."""

    @T.prim_func
    def main(
        A: T.Tensor((H, M, N), "float32"),
        G: T.Tensor((M, H), "float32"),
        C: T.Tensor((H, M, N), "float32"),
        R: T.Tensor((M, H), "float32"),
    ):
        with T.Kernel(T.ceildiv(M, 32), H) as (bx, by):
            a = T.alloc_shared((32, N), "float32")
            v = T.alloc_fragment((32,), "float32")
            w = T.alloc_fragment((32,), "float32")
            T.copy(A[by, bx * 32 : (bx + 1) * 32, 0:N], a)
            for i in T.Parallel(32):
                v[i] = G[bx * 32 + i, by]
                w[i] = v[i] + G[bx * 32 + i, by]
            for i, j in T.Parallel(32, N):
                a[i, j] = a[i, j] * v[i] + w[i]
            T.copy(a, C[by, bx * 32 : (bx + 1) * 32, 0:N])
            for i in T.Parallel(32):
                R[bx * 32 + i, by] = w[i]

    return main


def copied_column(B=2, M=64, H=3, N=64, rows=32):
    """A column of a tensor is copied to a vector, which scales rows, and back changed."""

    @T.prim_func
    def main(
        A: T.Tensor((B, M, H, N), "float32"),
        G: T.Tensor((B, M, H), "float32"),
        C: T.Tensor((B, M, H, N), "float32"),
        R: T.Tensor((B, M, H), "float32"),
    ):
        with T.Kernel(M // rows, H, B) as (bx, by, bz):
            a = T.alloc_shared((rows, N), "float32")
            v = T.alloc_fragment((rows,), "float32")
            T.copy(A[bz, bx * rows : (bx + 1) * rows, by, 0:N], a)
            T.copy(G[bz, bx * rows : (bx + 1) * rows, by], v)
            for i, j in T.Parallel(rows, N):
                a[i, j] = a[i, j] * v[i]
            T.copy(a, C[bz, bx * rows : (bx + 1) * rows, by, 0:N])
            for i in T.Parallel(rows):
                v[i] = v[i] + 1
            T.copy(v, R[bz, bx * rows : (bx + 1) * rows, by])

    return main


def copied_column_of_small_blocks():
    """The same by blocks of 16 rows, two of which make a tile."""
    return copied_column(rows=16)


def copied_last_column(M=64, H=1, N=64):
    """The one column of a matrix, which stays a column of its tiles, by blocks that number it."""

    @T.prim_func
    def main(
        A: T.Tensor((M, N), "float32"),
        G: T.Tensor((M, H), "float32"),
        C: T.Tensor((H, N, M), "float32"),
    ):
        with T.Kernel(M // 32, H) as (bx, by):
            a = T.alloc_shared((32, N), "float32")
            t = T.alloc_shared((N, 32), "float32")
            v = T.alloc_fragment((32,), "float32")
            T.copy(A[bx * 32, 0], a)
            T.copy(G[bx * 32 : (bx + 1) * 32, by], v)
            for j, i in T.Parallel(N, 32):
                t[j, i] = a[i, j] + v[i]
            T.copy(t, C[by, 0:N, bx * 32 : (bx + 1) * 32])

    return main


def columns_to_rows(M=64, H=2, rows=32):
    """Columns of one tensor become rows of another, two of them by number."""

    @T.prim_func
    def main(
        G: T.Tensor((M, H), "float32"),
        P: T.Tensor((5, M), "float32"),
        R: T.Tensor((H, M), "float32"),
        Q: T.Tensor((H, M, 7), "float32"),
    ):
        with T.Kernel(M // rows, H) as (bx, by):
            v = T.alloc_fragment((rows,), "float32")
            w = T.alloc_fragment((rows,), "float32")
            T.copy(G[bx * rows : bx * rows + rows, by], v)
            T.copy(v, R[by, bx * rows : bx * rows + rows])
            T.copy(P[3, bx * rows : bx * rows + rows], w)
            T.copy(w, Q[by, bx * rows : bx * rows + rows, 4])

    return main


def one_column(M=64, N=64):
    """The same with the one column there is, which stays a column of its tiles."""
    return rows_by_a_column(M, 1, N)
