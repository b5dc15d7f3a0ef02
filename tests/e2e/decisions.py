"""Kernels that turn on one decision of the lowering each."""

import harness.language as T


def tile_shared():
    """An output written half a tile at a time."""

    @T.prim_func
    def main(A: T.Tensor((64, 64), "float32"), C: T.Tensor((64, 64), "float32")):
        with T.Kernel(2) as by:
            f = T.alloc_fragment((32, 16), "float32")
            T.copy(A[by * 32, 32], f)
            T.copy(f, C[by * 32, 32])

    return main


def changed_between():
    """A sum that starts from what a clear, and then an addition, left."""

    @T.prim_func
    def main(
        A: T.Tensor((64, 64), "bfloat16"),
        B: T.Tensor((64, 64), "bfloat16"),
        C: T.Tensor((64, 64), "float32"),
    ):
        with T.Kernel(2, 2) as (bx, by):
            a = T.alloc_shared((32, 64), "bfloat16")
            b = T.alloc_shared((64, 32), "bfloat16")
            c = T.alloc_fragment((32, 32), "float32")
            T.copy(A[by * 32, 0], a)
            T.copy(B[0, bx * 32], b)
            T.clear(c)
            for i, j in T.Parallel(32, 32):
                c[i, j] += 5.0
            T.gemm(a, b, c)
            T.copy(c, C[by * 32, bx * 32])

    return main


def from_a_number():
    """A block subtracted from a number."""

    @T.prim_func
    def main(A: T.Tensor((64, 64), "float32"), C: T.Tensor((64, 64), "float32")):
        with T.Kernel(2, 2) as (bx, by):
            c = T.alloc_fragment((32, 32), "float32")
            T.copy(A[by * 32, bx * 32], c)
            for i, j in T.Parallel(32, 32):
                c[i, j] = 3.0 - c[i, j]
            T.copy(c, C[by * 32, bx * 32])

    return main


def from_a_row():
    """A block subtracted from a row that is repeated."""

    @T.prim_func
    def main(
        A: T.Tensor((64, 64), "bfloat16"),
        R: T.Tensor((64,), "bfloat16"),
        C: T.Tensor((64, 64), "bfloat16"),
    ):
        with T.Kernel(2, 2) as (bx, by):
            a = T.alloc_shared((32, 32), "bfloat16")
            r = T.alloc_shared((32,), "bfloat16")
            c = T.alloc_fragment((32, 32), "bfloat16")
            T.copy(A[by * 32, bx * 32], a)
            T.copy(R[bx * 32], r)
            for i, j in T.Parallel(32, 32):
                c[i, j] = r[j] - a[i, j]
            T.copy(c, C[by * 32, bx * 32])

    return main


def sum_of_sums():
    """An accumulator that is an operand of the next product."""

    @T.prim_func
    def main(A: T.Tensor((32, 32), "bfloat16"), C: T.Tensor((32, 32), "bfloat16")):
        with T.Kernel(1) as bx:
            a = T.alloc_shared((32, 32), "bfloat16")
            c = T.alloc_fragment((32, 32), "bfloat16")
            d = T.alloc_fragment((32, 32), "bfloat16")
            T.copy(A, a)
            T.clear(c)
            T.clear(d)
            for k in T.serial(2):
                T.gemm(a, a, c)
                T.gemm(c, a, d)
            T.copy(d, C)

    return main


def part_written():
    """One part written, the rest of the block never: it holds zeros."""

    @T.prim_func
    def main(A: T.Tensor((32, 32), "float32"), C: T.Tensor((64, 64), "float32")):
        with T.Kernel(1) as bx:
            a = T.alloc_shared((32, 32), "float32")
            c = T.alloc_fragment((64, 64), "float32")
            T.copy(A, a)
            for i, j in T.Parallel(32, 32):
                c[i, j + 32] = a[i, j]
            T.copy(c, C)

    return main


def uneven_product():
    """A product over an extent that ends in a tile, both operands computed."""

    @T.prim_func
    def main(
        A: T.Tensor((32, 40), "bfloat16"),
        B: T.Tensor((40, 32), "bfloat16"),
        C: T.Tensor((32, 32), "float32"),
    ):
        with T.Kernel(1) as bx:
            a = T.alloc_shared((32, 40), "bfloat16")
            b = T.alloc_shared((40, 32), "bfloat16")
            c = T.alloc_fragment((32, 32), "float32")
            T.copy(A, a)
            T.copy(B, b)
            for i, j in T.Parallel(32, 40):
                a[i, j] = a[i, j] + 1.0
            for i, j in T.Parallel(40, 32):
                b[i, j] = b[i, j] + 1.0
            T.gemm(a, b, c, clear_accum=True)
            T.copy(c, C)

    return main


def uneven_region():
    """A sum over a region that ends in a tile, where the tensor goes on."""

    @T.prim_func
    def main(A: T.Tensor((64, 64), "float32"), C: T.Tensor((64,), "float32")):
        with T.Kernel(2) as by:
            a = T.alloc_shared((32, 40), "float32")
            r = T.alloc_fragment((32,), "float32")
            T.copy(A[by * 32, 0], a)
            T.reduce_sum(a, r, dim=1)
            T.copy(r, C[by * 32])

    return main


def written_backwards():
    """An output written from its end to its start."""

    @T.prim_func
    def main(A: T.Tensor((64, 128), "float32"), C: T.Tensor((64, 128), "float32")):
        with T.Kernel(2) as by:
            a = T.alloc_shared((32, 32), "float32")
            for k in T.serial(4):
                T.copy(A[by * 32, k * 32], a)
                T.copy(a, C[by * 32, (3 - k) * 32])

    return main


def first_row_used():
    """The first row of small blocks used for all their rows."""

    @T.prim_func
    def main(A: T.Tensor((64, 64), "float32"), C: T.Tensor((64, 64), "float32")):
        with T.Kernel(8) as by:
            a = T.alloc_shared((8, 64), "float32")
            c = T.alloc_fragment((8, 64), "float32")
            T.copy(A[by * 8, 0], a)
            for i, j in T.Parallel(8, 64):
                c[i, j] = a[i, j] + a[0, j]
            T.copy(c, C[by * 8, 0])

    return main


def stored_and_used():
    """A value that is stored and read again."""

    @T.prim_func
    def main(
        A: T.Tensor((64, 64), "float32"),
        C: T.Tensor((64, 64), "float32"),
        D: T.Tensor((64, 64), "float32"),
    ):
        with T.Kernel(2) as by:
            a = T.alloc_shared((32, 64), "float32")
            x = T.alloc_fragment((32, 64), "float32")
            T.copy(A[by * 32, 0], a)
            for i, j in T.Parallel(32, 64):
                x[i, j] = a[i, j] * 2.0
            T.copy(x, D[by * 32, 0])
            for i, j in T.Parallel(32, 64):
                x[i, j] = x[i, j] * a[i, j] + x[i, j]
            T.copy(x, C[by * 32, 0])

    return main


def two_sums():
    """Two reductions in a loop, of blocks of two dtypes."""

    @T.prim_func
    def main(
        A: T.Tensor((64, 64), "float32"),
        B: T.Tensor((64, 64), "bfloat16"),
        C: T.Tensor((64,), "float32"),
    ):
        with T.Kernel(2) as by:
            a = T.alloc_shared((32, 32), "float32")
            b = T.alloc_shared((32, 32), "bfloat16")
            r = T.alloc_fragment((32,), "float32")
            s = T.alloc_fragment((32,), "float32")
            c = T.alloc_fragment((32,), "float32")
            T.clear(c)
            for k in T.serial(2):
                T.copy(A[by * 32, k * 32], a)
                T.copy(B[by * 32, k * 32], b)
                T.reduce_sum(a, r, dim=1)
                T.reduce_sum(b, s, dim=1)
                for i in T.Parallel(32):
                    c[i] = c[i] + r[i] - s[i]
            T.copy(c, C[by * 32])

    return main


def summed_rows():
    """The rows of small blocks summed, each block's own."""

    @T.prim_func
    def main(A: T.Tensor((64, 64), "float32"), C: T.Tensor((64, 64), "float32")):
        with T.Kernel(8) as by:
            a = T.alloc_shared((8, 64), "float32")
            r = T.alloc_fragment((64,), "float32")
            T.copy(A[by * 8, 0], a)
            T.reduce_sum(a, r, dim=0)
            for i, j in T.Parallel(8, 64):
                a[i, j] = a[i, j] - r[j]
            T.copy(a, C[by * 8, 0])

    return main


def own_number():
    """The number of a small block added to its elements."""

    @T.prim_func
    def main(A: T.Tensor((64, 64), "float32"), C: T.Tensor((64, 64), "float32")):
        with T.Kernel(8) as by:
            a = T.alloc_shared((8, 64), "float32")
            T.copy(A[by * 8, 0], a)
            for i, j in T.Parallel(8, 64):
                a[i, j] = a[i, j] + by
            T.copy(a, C[by * 8, 0])

    return main


KERNELS = (changed_between, sum_of_sums, from_a_number, from_a_row, part_written, uneven_product,
           uneven_region, written_backwards, stored_and_used, two_sums, tile_shared, first_row_used,
           summed_rows, own_number)  # fmt: skip
