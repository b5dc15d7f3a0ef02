"""Matrix products with quantised operands."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

import harness.language as T


def dequantised_gemm(
    M: int = 256,
    N: int = 192,
    K: int = 160,
    block_M: int = 64,
    block_N: int = 64,
    block_K: int = 32,
    dtype: str = "bfloat16",
    weights: str = "bfloat8_b",
    out_dtype: str = "float32",
) -> Any:
    """C = A B, where the host stores the weights B in a block format."""

    @T.prim_func
    def main(
        A: T.Tensor((M, K), dtype),
        B: T.Tensor((K, N), weights),
        C: T.Tensor((M, N), out_dtype),
    ):
        with T.Kernel(T.ceildiv(N, block_N), T.ceildiv(M, block_M), threads=128) as (bx, by):
            A_shared = T.alloc_shared((block_M, block_K), dtype)
            B_shared = T.alloc_shared((block_K, block_N), "bfloat16")
            C_local = T.alloc_fragment((block_M, block_N), "float32")
            T.clear(C_local)
            for ko in T.Pipelined(T.ceildiv(K, block_K), num_stages=2):
                T.copy(A[by * block_M, ko * block_K], A_shared)
                T.copy(B[ko * block_K, bx * block_N], B_shared)
                T.gemm(A_shared, B_shared, C_local)
            T.copy(C_local, C[by * block_M, bx * block_N])

    return main


def dequantised_gemm_reference(
    A: npt.NDArray[np.float64], B: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """A B in float64, of the weights as they are stored."""
    return A @ B


def int8_gemm(M: int = 128, N: int = 96, K: int = 160, block_M: int = 64, block_N: int = 32,
              block_K: int = 32, dtype: str = "int8") -> Any:  # fmt: skip
    """C = A B in int32, of integers from -127 to 127."""

    @T.prim_func
    def main(
        A: T.Tensor((M, K), dtype),
        B: T.Tensor((K, N), dtype),
        C: T.Tensor((M, N), "int32"),
    ):
        with T.Kernel(T.ceildiv(N, block_N), T.ceildiv(M, block_M), threads=128) as (bx, by):
            A_shared = T.alloc_shared((block_M, block_K), dtype)
            B_shared = T.alloc_shared((block_K, block_N), dtype)
            C_local = T.alloc_fragment((block_M, block_N), "int32")
            T.clear(C_local)
            for ko in T.Pipelined(T.ceildiv(K, block_K), num_stages=2):
                T.copy(A[by * block_M, ko * block_K], A_shared)
                T.copy(B[ko * block_K, bx * block_N], B_shared)
                T.gemm(A_shared, B_shared, C_local)
            T.copy(C_local, C[by * block_M, bx * block_N])

    return main


def per_token_quantise(M: int = 160, N: int = 96, block_M: int = 32, dtype: str = "bfloat16",
                       limit: float = 127.0) -> Any:  # fmt: skip
    """Rows in int8 and a scale for each: the largest magnitude of a row becomes ``limit``."""

    @T.prim_func
    def main(
        X: T.Tensor((M, N), dtype),
        X_q: T.Tensor((M, N), "int8"),
        X_scale: T.Tensor((M,), "float32"),
    ):
        with T.Kernel(T.ceildiv(M, block_M), threads=128) as bx:
            x = T.alloc_fragment((block_M, N), dtype)
            x_q = T.alloc_fragment((block_M, N), "int8")
            largest = T.alloc_fragment((block_M,), dtype)
            scale = T.alloc_fragment((block_M,), "float32")
            T.copy(X[bx * block_M, 0], x)
            T.reduce_absmax(x, largest, dim=1)
            for i in T.Parallel(block_M):
                scale[i] = T.max(T.cast(largest[i], "float32"), 1e-4) / limit
            for i, j in T.Parallel(block_M, N):
                x_q[i, j] = T.cast(T.round(T.clamp(T.cast(x[i, j], "float32") / scale[i],
                                                   -128.0, 127.0)), "int8")  # fmt: skip
            T.copy(x_q, X_q[bx * block_M, 0])
            T.copy(scale, X_scale[bx * block_M])

    return main


def per_token_quantise_reference(X: npt.NDArray[np.float64]) -> tuple[Any, ...]:
    """Rounded quotients and scales, in float64."""
    scale = np.maximum(np.abs(X).max(axis=1), 1e-4) / 127
    return np.rint(np.clip(X / scale[:, None], -128, 127)), scale


def weight_only_gemm(M: int = 96, N: int = 128, K: int = 160, block_M: int = 32, block_N: int = 64,
                     block_K: int = 32, dtype: str = "bfloat16",
                     out_dtype: str = "float32") -> Any:  # fmt: skip
    """C = A B^T of int8 weights B with one scale for each of its rows."""

    @T.prim_func
    def main(
        A: T.Tensor((M, K), dtype),
        B: T.Tensor((N, K), "int8"),
        B_scale: T.Tensor((N,), "float32"),
        C: T.Tensor((M, N), out_dtype),
    ):
        with T.Kernel(T.ceildiv(N, block_N), T.ceildiv(M, block_M), threads=128) as (bx, by):
            A_shared = T.alloc_shared((block_M, block_K), dtype)
            B_shared = T.alloc_shared((block_N, block_K), "int8")
            B_local = T.alloc_fragment((block_N, block_K), dtype)
            C_local = T.alloc_fragment((block_M, block_N), "float32")
            T.clear(C_local)
            for ko in T.Pipelined(T.ceildiv(K, block_K), num_stages=2):
                T.copy(A[by * block_M, ko * block_K], A_shared)
                T.copy(B[bx * block_N, ko * block_K], B_shared)
                for i, j in T.Parallel(block_N, block_K):
                    B_local[i, j] = T.cast(B_shared[i, j], dtype)
                T.gemm(A_shared, B_local, C_local, transpose_B=True)
            for i, j in T.Parallel(block_M, block_N):
                C_local[i, j] = C_local[i, j] * B_scale[bx * block_N + j]
            T.copy(C_local, C[by * block_M, bx * block_N])

    return main


def weight_only_gemm_reference(
    A: npt.NDArray[np.float64], B: npt.NDArray[np.float64], B_scale: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """A B^T in float64, columns scaled."""
    return A @ B.T * B_scale


def scaled_int8_gemm(M: int = 128, N: int = 96, K: int = 160, block_M: int = 64, block_N: int = 32,
                     block_K: int = 32, out_dtype: str = "bfloat16") -> Any:  # fmt: skip
    """C = A B of int8 with a scale for each row of A and each column of B."""

    @T.prim_func
    def main(
        A: T.Tensor((M, K), "int8"),
        B: T.Tensor((K, N), "int8"),
        A_scale: T.Tensor((M,), "float32"),
        B_scale: T.Tensor((N,), "float32"),
        C: T.Tensor((M, N), out_dtype),
    ):
        with T.Kernel(T.ceildiv(N, block_N), T.ceildiv(M, block_M), threads=128) as (bx, by):
            A_shared = T.alloc_shared((block_M, block_K), "int8")
            B_shared = T.alloc_shared((block_K, block_N), "int8")
            C_local = T.alloc_fragment((block_M, block_N), "int32")
            C_scaled = T.alloc_fragment((block_M, block_N), "float32")
            T.clear(C_local)
            for ko in T.Pipelined(T.ceildiv(K, block_K), num_stages=2):
                T.copy(A[by * block_M, ko * block_K], A_shared)
                T.copy(B[ko * block_K, bx * block_N], B_shared)
                T.gemm(A_shared, B_shared, C_local)
            for i, j in T.Parallel(block_M, block_N):
                C_scaled[i, j] = (T.cast(C_local[i, j], "float32") * A_scale[by * block_M + i]
                                  * B_scale[bx * block_N + j])  # fmt: skip
            T.copy(C_scaled, C[by * block_M, bx * block_N])

    return main


def scaled_int8_gemm_reference(
    A: npt.NDArray[np.float64], B: npt.NDArray[np.float64],
    A_scale: npt.NDArray[np.float64], B_scale: npt.NDArray[np.float64],
) -> npt.NDArray[np.float64]:  # fmt: skip
    """A B in float64, rows and columns scaled."""
    return A @ B * A_scale[:, None] * B_scale


def packed_gemm(M: int = 64, N: int = 64, K: int = 256, block_M: int = 32, block_N: int = 32,
                block_K: int = 128, group: int = 64, dtype: str = "bfloat16",
                out_dtype: str = "float32") -> Any:  # fmt: skip
    """C = A B^T of weights of 4 bits, two in a byte, with a scale and a zero per group of K."""

    @T.prim_func
    def main(
        A: T.Tensor((M, K), dtype),
        B: T.Tensor((N, K // 2), "uint8"),
        B_scale: T.Tensor((N, K // group), dtype),
        B_zero: T.Tensor((N, K // group), "uint8"),
        C: T.Tensor((M, N), out_dtype),
    ):
        with T.Kernel(T.ceildiv(N, block_N), T.ceildiv(M, block_M), threads=128) as (bx, by):
            A_shared = T.alloc_shared((block_M, block_K), dtype)
            B_shared = T.alloc_shared((block_N, block_K // 2), "uint8")
            B_local = T.alloc_fragment((block_N, block_K), dtype)
            C_local = T.alloc_fragment((block_M, block_N), "float32")
            T.clear(C_local)
            for ko in T.Pipelined(T.ceildiv(K, block_K), num_stages=2):
                T.copy(A[by * block_M, ko * block_K], A_shared)
                T.copy(B[bx * block_N, ko * block_K // 2], B_shared)
                for i, j in T.Parallel(block_N, block_K):
                    B_local[i, j] = (
                        T.cast((B_shared[i, j // 2] >> ((j % 2) * 4)) & 0xF, "float32")
                        - T.cast(B_zero[bx * block_N + i, (ko * block_K + j) // group], "float32")
                    ) * T.cast(B_scale[bx * block_N + i, (ko * block_K + j) // group], "float32")
                T.gemm(A_shared, B_local, C_local, transpose_B=True)
            T.copy(C_local, C[by * block_M, bx * block_N])

    return main


def packed_gemm_reference(
    A: npt.NDArray[np.float64], B: npt.NDArray[np.float64],
    B_scale: npt.NDArray[np.float64], B_zero: npt.NDArray[np.float64],
) -> npt.NDArray[np.float64]:  # fmt: skip
    """A B^T in float64, of weights unpacked, moved and scaled."""
    packed = B.astype(np.int64)
    weights = np.stack([packed & 15, packed >> 4], axis=-1).reshape(len(B), -1)
    group = weights.shape[1] // B_scale.shape[1]
    scale, zero = (np.repeat(part, group, axis=1) for part in (B_scale, B_zero))
    return A @ ((weights - zero) * scale).T
