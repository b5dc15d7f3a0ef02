"""``T.im2col``: the patches of an image as rows of a block, written as the loop that it is."""

from __future__ import annotations

from typing import Any

from tvm import tirx
from tvm.script.ir_builder import IRBuilder
from tvm.tirx.script import builder as S

from harness.errors import LanguageError
from harness.language.elementwise import if_then_else
from harness.language.regions import constant, is_buffer


def im2col(img: Any, col: Any, nhw_step: Any, c_step: Any, kernel: int, stride: int,
           dilation: int, pad: int, eviction_policy: object = None,
           annotations: object = None) -> None:  # fmt: skip
    """``T.im2col(img, col, nhw_step, c_step, kernel, stride, dilation, pad)``.

    ``img`` is a tensor (batch, height, width, channels). Row ``i`` of the block ``col`` belongs to
    output pixel ``nhw_step * rows + i``, counted over images, rows and columns; column ``j`` to
    element ``c_step * columns + j`` of the patch there, counted over filter rows, filter columns
    and channels. What lies outside an image is zero.

    Raises:
        LanguageError: no such tensor or block, or sizes that give no output.
    """
    del eviction_policy, annotations
    if not is_buffer(img) or not is_buffer(col) or len(img.ty.shape) != 4 or len(col.ty.shape) != 2:
        raise LanguageError("T.im2col takes a tensor of four dimensions and a block of two",
                            code="ShapeMismatch",
                            next_step="give (batch, height, width, channels) and a whole"
                            " block")  # fmt: skip
    _, height, width, channels = (constant(d) or 0 for d in img.ty.shape)
    rows, columns = (constant(d) or 0 for d in col.ty.shape)
    reach = dilation * (kernel - 1) + 1
    down, across = ((size + 2 * pad - reach) // stride + 1 for size in (height, width))
    if min(down, across) < 1:
        raise LanguageError(f"T.im2col of a {height}x{width} image has no output pixel",
                            code="ShapeMismatch", next_step="use more padding")  # fmt: skip
    with S.parallel(0, rows) as i, S.parallel(0, columns) as j:
        IRBuilder.name("i", i)
        IRBuilder.name("j", j)
        m, k = nhw_step * rows + i, c_step * columns + j
        h = m % (down * across) // across * stride + k // (kernel * channels) * dilation - pad
        w = m % across * stride + k // channels % kernel * dilation - pad
        inside = tirx.all(h >= 0, w >= 0, h < height, w < width)
        value = img[m // (down * across), h, w, k % channels]
        S.buffer_store(col, if_then_else(inside, value, 0), [i, j])


c2d_im2col = im2col
"""The older name."""
