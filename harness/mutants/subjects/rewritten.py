"""Kernels that the compiler rewrites before tiles are: planes, reducers, loops, lines, numbers."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any, Final

import numpy as np

import harness.language as T
from harness.fuzz.text import parse_kernel
from harness.kernels.table import Packaged

MANY: Final = 17
"""Blocks of each of two formats: together more than a device has circular buffers."""


def layered(M: int = 64, N: int = 32) -> Any:
    """Every plane with a row and a column of its own."""

    @T.prim_func
    def main(A: T.Tensor((3, M, N), "float32"), S: T.Tensor((3, N), "float32"),
             R: T.Tensor((3, M), "float32"), C: T.Tensor((3, M, N), "float32")):  # fmt: skip
        with T.Kernel(T.ceildiv(M, 32)) as by:
            a = T.alloc_fragment((3, 32, N), "float32")
            s = T.alloc_shared((3, N), "float32")
            r = T.alloc_shared((3, 32), "float32")
            T.copy(A[0, by * 32, 0], a)
            T.copy(S, s)
            T.copy(R[0, by * 32], r)
            for p, i, j in T.Parallel(3, 32, N):
                a[p, i, j] = a[p, i, j] * s[p, j] + r[p, i]
            T.copy(a, C[0, by * 32, 0])

    return main


def layered_reference(A: Any, S: Any, R: Any) -> Any:
    """In float64."""
    return A * S[:, None, :] + R[:, :, None]


def given(M: int = 64, N: int = 32) -> Any:
    """Sums less what is taken away, the largest per column, and the least per row, reduced."""

    @T.prim_func
    def main(X: T.Tensor((M, N), "float32"), S: T.Tensor((M,), "float32"),
             C: T.Tensor((M // 32, N), "float32"), L: T.Tensor((M,), "float32")):  # fmt: skip
        with T.Kernel(M // 32) as by:
            x = T.alloc_fragment((32, N), "float32")
            s = T.alloc_reducer((32,), "float32", op="sum")
            c = T.alloc_reducer((N,), "float32", op="max")
            low = T.alloc_reducer((32,), "float32", op="min")
            made = T.alloc_fragment((32,), "float32")
            T.copy(X[by * 32, 0], x)
            T.reducer_init(s, 1.5)
            T.reducer_init(c)
            T.reducer_init(low)
            for k in T.serial(2):
                for i, j in T.Parallel(32, N):
                    T.reducer_update(s[i], x[i, j] * 2.0)
                    s[i] -= x[i, j] * (k + 1.0)
            for i, j in T.Parallel(32, N):
                T.reducer_update(c[j], x[i, j] - 100.0)
            for p, i, j in T.Parallel(2, 32, N):
                T.reducer_update(low[i], x[i, j] + 100.0 + p)
            T.finalize_reducer(s, made)
            T.finalize_reducer(c)
            T.finalize_reducer(low)
            T.copy(made, S[by * 32])
            T.copy(c, C[by, 0])
            T.copy(low, L[by * 32])

    return main


def given_reference(X: Any) -> Any:
    """In float64."""
    return 1.5 + X.sum(1), X.reshape(-1, 32, X.shape[1]).max(1) - 100, X.min(1) + 100


def crowded(M: int = 64, N: int = 32) -> Any:
    """More blocks than circular buffers, of two formats, each read while the one before is used."""
    held = [(f"{name}{n}", name, dtype, n) for name, dtype in (("A", "bfloat16"), ("B", "float32"))
            for n in range(MANY)]  # fmt: skip
    lines = [f'{block} = T.alloc_shared((32, {N}), "{dtype}")' for block, _, dtype, _ in held]
    reads = [f"T.copy({name}[{n}, by * 32, 0], {block})" for block, name, _, n in held]
    added = [(f"for i, j in T.Parallel(32, {N}):", f"    total[i, j] += {block}[i, j]")
             for block, *_ in held]  # fmt: skip
    lines += [f'total = T.alloc_fragment((32, {N}), "float32")', "T.clear(total)", reads[0]]
    for more, sums in zip([*reads[1:], ""], added, strict=True):
        lines += [more, *sums] if more else sums
    body = "\n".join(f"        {line}" for line in [*lines, "T.copy(total, C[by * 32, 0])"])
    return parse_kernel(f"""@T.prim_func
def main(A: T.Tensor(({MANY}, {M}, {N}), "bfloat16"), B: T.Tensor(({MANY}, {M}, {N}), "float32"),
         C: T.Tensor(({M}, {N}), "float32")):
    with T.Kernel({M // 32}) as by:
{body}
""")


def crowded_reference(A: Any, B: Any) -> Any:
    """In float64."""
    return A.sum(0) + B.sum(0)


def momentum(M: int = 64, N: int = 32) -> Any:
    """An optimiser's step in place, in two, which goes on from what it stored last."""

    @T.prim_func
    def main(G: T.Tensor((M, N), "float32"), V: T.Tensor((2, M, N), "bfloat16"),
             P: T.Tensor((M, N), "float32")):  # fmt: skip
        with T.Kernel(T.ceildiv(M, 32)) as by:
            for i, j in T.Parallel(32, N):
                V[1, by * 32 + i, j] = V[1, by * 32 + i, j] * 0.5 + G[by * 32 + i, j]
            for i, j in T.Parallel(32, N):
                V[1, by * 32 + i, j] = V[1, by * 32 + i, j] + 1.0
            for i, j in T.Parallel(32, N):
                P[by * 32 + i, j] = P[by * 32 + i, j] - V[1, by * 32 + i, j] + V[0, by * 32 + i, j]

    return main


def momentum_reference(G: Any, V: Any, P: Any) -> Any:
    """In float64."""
    second = V[1] / 2 + G + 1
    return np.stack([V[0], second]), P - second + V[0]


def cut(M: int = 64, N: int = 32) -> Any:
    """Loops longer than what they store, each to a length of its own."""
    blocks = M // 32

    @T.prim_func
    def main(X: T.Tensor((M, N), "float32"), Y: T.Tensor((blocks * 16, N), "float32"),
             Z: T.Tensor((blocks * 24, N), "float32")):  # fmt: skip
        with T.Kernel(blocks) as by:
            x = T.alloc_fragment((32, N), "float32")
            T.copy(X[by * 32, 0], x)
            for i, j in T.Parallel(32, N):
                if i < 16:
                    Y[by * 16 + i, j] = x[i, j]
            for i, j in T.Parallel(32, N):
                if i < 24:
                    Z[by * 24 + i, j] = x[i, j] * 2.0

    return main


def cut_reference(X: Any) -> Any:
    """In float64."""
    blocks = X.reshape(-1, 32, X.shape[1])
    first, second = blocks[:, :16], 2 * blocks[:, :24]
    return first.reshape(-1, X.shape[1]), second.reshape(-1, X.shape[1])


def numbered(M: int = 64, N: int = 32) -> Any:
    """Two numbers beside a tensor, one real and one whole."""

    @T.prim_func
    def main(X: T.Tensor((M, N), "float32"), alpha: T.float32, beta: T.int32,
             Y: T.Tensor((M, N), "float32")):  # fmt: skip
        with T.Kernel(T.ceildiv(M, 32)) as by:
            x = T.alloc_fragment((32, N), "float32")
            T.copy(X[by * 32, 0], x)
            for i, j in T.Parallel(32, N):
                x[i, j] = x[i, j] * alpha + beta
            T.copy(x, Y[by * 32, 0])

    return main


def numbered_reference(X: Any, alpha: Any, beta: Any) -> Any:
    """In float64."""
    return X * alpha + beta


def winners(M: int = 64, N: int = 32) -> Any:
    """Where a row has its largest and its least, and where what became of it is as large."""

    @T.prim_func
    def main(X: T.Tensor((M, N), "float32"), Y: T.Tensor((M, N), "float32"),
             Z: T.Tensor((M, N), "float32"), W: T.Tensor((M, N), "float32")):  # fmt: skip
        with T.Kernel(T.ceildiv(M, 32)) as by:
            x = T.alloc_fragment((32, N), "float32")
            most = T.alloc_fragment((32,), "float32")
            least = T.alloc_fragment((32,), "float32")
            y = T.alloc_fragment((32, N), "float32")
            T.copy(X[by * 32, 0], x)
            T.reduce_max(x, most, dim=1)
            T.reduce_min(x, least, dim=1)
            for i, j in T.Parallel(32, N):
                y[i, j] = T.if_then_else(x[i, j] == most[i], 1.0, 0.0)
            T.copy(y, Y[by * 32, 0])
            for i, j in T.Parallel(32, N):
                y[i, j] = T.if_then_else(x[i, j] == least[i], 2.0, 0.0)
            T.copy(y, Z[by * 32, 0])
            for i, j in T.Parallel(32, N):
                x[i, j] = x[i, j] - 0.25
            for i, j in T.Parallel(32, N):
                y[i, j] = T.if_then_else(x[i, j] == least[i], 3.0, 0.0)
            T.copy(y, W[by * 32, 0])

    return main


def winners_reference(X: Any) -> Any:
    """In float64."""
    most, least = X.max(1, keepdims=True), X.min(1, keepdims=True)
    return (most == X) * 1.0, (least == X) * 2.0, (least == X - 0.25) * 3.0


def parted(M: int = 32, N: int = 64) -> Any:
    """Two blocks of an output, between which other blocks write."""

    @T.prim_func
    def main(X: T.Tensor((M, N), "float32"), Y: T.Tensor((M, 2 * N), "float32")):
        with T.Kernel(N // 32) as bx:
            x = T.alloc_fragment((M, 32), "float32")
            T.copy(X[0, bx * 32], x)
            for i, j in T.Parallel(M, 32):
                Y[i, bx * 32 + j] = x[i, j]
            for i, j in T.Parallel(M, 32):
                Y[i, N + bx * 32 + j] = x[i, j] * 2.0

    return main


def parted_reference(X: Any) -> Any:
    """In float64."""
    return np.concatenate([X, 2 * X], axis=1)


def lined(M: int = 64, N: int = 32) -> Any:
    """Columns of a block stored one per turn, of one filled before and of one that is not."""

    @T.prim_func
    def main(V: T.Tensor((M,), "float32"), Y: T.Tensor((M, N), "float32"),
             Z: T.Tensor((M, 4), "float32")):  # fmt: skip
        with T.Kernel(T.ceildiv(M, 32)) as by:
            v = T.alloc_fragment((32,), "float32")
            y = T.alloc_fragment((32, N), "float32")
            z = T.alloc_fragment((32, 4), "float32")
            T.copy(V[by * 32], v)
            T.fill(y, 1.0)
            for k in T.serial(4):
                for i in T.Parallel(32):
                    y[i, k * 2 + 1] = v[i] + y[i, k * 2 + 1]
                for i in T.Parallel(32):
                    z[i, k] = v[i] * 2.0
                for i in T.Parallel(32):
                    v[i] = v[i] - 1.0
            T.copy(y, Y[by * 32, 0])
            T.copy(z, Z[by * 32, 0])

    return main


def lined_reference(V: Any, N: int = 32) -> Any:
    """In float64."""
    steps = V[:, None] - np.arange(4)
    wide = np.ones((len(V), N))
    wide[:, 1:8:2] += steps
    return wide, 2 * steps


def tallied(M: int = 64, N: int = 32) -> Any:
    """Steps of a thousand that elements of other signs take in turns, there and back."""

    @T.prim_func
    def main(X: T.Tensor((M, N), "float32"), Y: T.Tensor((M, N), "int32")):
        with T.Kernel(T.ceildiv(M, 32)) as by:
            x = T.alloc_fragment((32, N), "float32")
            count = T.alloc_fragment((32, N), "int32")
            T.copy(X[by * 32, 0], x)
            T.clear(count)
            for _ in T.serial(33):
                for i, j in T.Parallel(32, N):
                    count[i, j] += T.if_then_else(x[i, j] > 0.5, 1001, -3)
            T.copy(count, Y[by * 32, 0])

    return main


def tallied_reference(X: Any) -> Any:
    """In float64."""
    return np.where(X > 0.5, 33 * 1001, -99)


def downwards(M: int = 64, N: int = 32) -> Any:
    """Planes joined from the last one on, and others by a loop that never runs."""

    @T.prim_func
    def main(A: T.Tensor((4, M, N), "float32"), B: T.Tensor((4, M, N), "float32"),
             C: T.Tensor((M, N), "float32")):  # fmt: skip
        with T.Kernel(T.ceildiv(M, 32)) as by:
            a = T.alloc_shared((32, N), "float32")
            c = T.alloc_fragment((32, N), "float32")
            b = T.alloc_shared((32, N), "float32")
            never = T.alloc_fragment((32, N), "float32")
            T.clear(c)
            for k in range(3, -1, -1):
                T.copy(A[k, by * 32, 0], a)
                for i, j in T.Parallel(32, N):
                    c[i, j] = c[i, j] * 0.5 + a[i, j]
            for _ in range(1):
                T.copy(B[3, by * 32, 0], b)
                for i, j in T.Parallel(32, N):
                    c[i, j] += b[i, j]
            for _ in range(3, 3):
                T.copy(A[3, by * 32, 0], a)
                for i, j in T.Parallel(32, N):
                    c[i, j] += never[i, j]
            T.copy(c, C[by * 32, 0])

    return main


def downwards_reference(A: Any, B: Any) -> Any:
    """In float64."""
    return A[0] + A[1] / 2 + A[2] / 4 + A[3] / 8 + B[3]


def strung(M: int = 64, N: int = 32) -> Any:
    """Vectors in place, into a longer one, at the place's number, and from amid a row on."""
    long = M * N
    size = long - 24

    @T.prim_func
    def main(P: T.Tensor((size,), "float32"), X: T.Tensor((size,), "float32"),
             W: T.Tensor((size,), "float32"), Y: T.Tensor((long,), "float32"),
             Z: T.Tensor((size,), "float32")):  # fmt: skip
        with T.Kernel(T.ceildiv(long, 1024)) as bx:
            x = T.alloc_fragment((1024,), "float32")
            w = T.alloc_fragment((1024,), "float32")
            T.copy(X[bx * 1024], x)
            for i in T.Parallel(1024):
                P[bx * 1024 + i] = P[bx * 1024 + i] * 0.5 + x[i]
            for i in T.Parallel(1024):
                Y[bx * 1024 + i] = x[i] + T.cast(bx * 1024 + i, "float32")
            T.copy(W[bx * 1024 + 16], w)
            for i in T.Parallel(1024):
                Z[bx * 1024 + i] = w[i] * 2.0

    return main


def strung_reference(P: Any, X: Any, W: Any) -> Any:
    """In float64."""
    beyond = np.pad(X, (0, 24))
    return P * 0.5 + X, beyond + np.arange(len(beyond)), 2 * np.pad(W[16:], (0, 16))


KERNELS: Final = MappingProxyType({
    f.__name__: Packaged(f, reference)
    for f, reference in (
        (layered, layered_reference),
        (given, given_reference),
        (crowded, crowded_reference),
        (momentum, momentum_reference),
        (cut, cut_reference),
        (numbered, numbered_reference),
        (winners, winners_reference),
        (parted, parted_reference),
        (lined, lined_reference),
        (tallied, tallied_reference),
        (downwards, downwards_reference),
        (strung, strung_reference),
    )
})  # fmt: skip
"""Name to kernel and NumPy reference."""
