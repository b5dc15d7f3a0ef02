"""Two-dimensional convolution as a sum of matrix products, one per tap of the filter."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

import harness.language as T


def conv2d(N: int = 64, H: int = 6, W: int = 5, C: int = 64, F: int = 64, KH: int = 3, KW: int = 3,
           stride: int = 1, pad: int = 1, block_N: int = 32, block_F: int = 32, block_C: int = 32,
           dtype: str = "bfloat16", out_dtype: str = "float32") -> Any:  # fmt: skip
    """Y[n, y, x] = sum of X[n, y * stride + kh - pad, x * stride + kw - pad] @ K[kh, kw] over taps.

    The columns of im2col are never stored: of every tap, a block of images at one pixel is a matrix
    of images by channels, so shifts and strides only choose among whole tiles. Outside an image
    they read zero.
    """
    OH, OW = (H + 2 * pad - KH) // stride + 1, (W + 2 * pad - KW) // stride + 1

    @T.prim_func
    def main(
        X: T.Tensor((N, H, W, C), dtype),
        K: T.Tensor((KH, KW, C, F), dtype),
        Y: T.Tensor((N, OH, OW, F), out_dtype),
    ):
        with T.Kernel(T.ceildiv(F, block_F), OH, T.ceildiv(N, block_N)) as (bf, row, bn):
            x = T.alloc_shared((block_N, block_C), dtype)
            k = T.alloc_shared((block_C, block_F), dtype)
            y = T.alloc_fragment((block_N, block_F), "float32")
            n = bn * block_N
            f = bf * block_F
            for column in T.serial(OW):
                T.clear(y)
                for tap in T.serial(KH * KW):
                    for cb in T.Pipelined(T.ceildiv(C, block_C), num_stages=2):
                        c = cb * block_C
                        kh, kw = tap // KW, tap % KW
                        h = row * stride + kh - pad
                        w = column * stride + kw - pad
                        T.copy(X[n : n + block_N, h, w, c : c + block_C], x)
                        T.copy(K[kh, kw, c : c + block_C, f : f + block_F], k)
                        T.gemm(x, k, y)
                T.copy(y, Y[n : n + block_N, row, column, f : f + block_F])

    return main


def conv2d_reference(
    X: npt.NDArray[np.float64], K: npt.NDArray[np.float64], stride: int = 1, pad: int = 1
) -> npt.NDArray[np.float64]:
    """The convolution in float64, from its definition."""
    X = np.pad(X, ((0, 0), (pad, pad), (pad, pad), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(X, K.shape[:2], axis=(1, 2))
    result: npt.NDArray[np.float64] = np.einsum(
        "nyxchw,hwcf->nyxf", windows[:, ::stride, ::stride], K
    )
    return result
