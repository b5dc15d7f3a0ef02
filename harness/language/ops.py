"""The tile ops of the source language, registered with TVM as ``tl.*``.

A tile op is a call statement whose buffer operands are ``TensorRegion``s, so that every pass, the
golden interpreter and the printer see the same thing. Operand orders are stated once, here.
"""

from __future__ import annotations

from typing import Final

import tvm
from tvm import tirx
from tvm.ir import Call, TensorRegion

from harness.errors import LanguageError
from harness.language.regions import Region, as_region

COPY: Final = "tl.copy"
"""``(src region, dst region)``; equal shapes once unit dimensions are dropped."""
FILL: Final = "tl.fill"
"""``(dst region, value)``."""
GEMM: Final = "tl.gemm"
"""``(A region, B region, C region, transpose_A, transpose_B, clear_accum)``; C += A·B."""

_EFFECT_OPAQUE: Final = 4  # tirx CallEffectKind: touches memory the op's operands do not show


def register_op(name: str, doc: str) -> None:
    """Make ``name`` an op that calls can name; harmless when done twice."""
    if name not in tvm.ir.Op.list_op_names():
        tvm.ir._ffi_api.RegisterOp(name, doc)  # noqa: SLF001  (the only door from Python)
    op = tvm.ir.Op.get(name)
    if op.get_attr("TCallEffectKind") is None:
        tvm.ir.register_op_attr(name, "TCallEffectKind", _EFFECT_OPAQUE)
        tvm.ir.register_op_attr(name, "TScriptPrinterName", name)


for _name, _doc in (
    (COPY, "Copy a region."),
    (FILL, "Set a region to a value."),
    (GEMM, "Tile matrix product, accumulating."),
):
    register_op(_name, _doc)


def _call(name: str, args: list[object]) -> Call:
    return Call(name, args, ret_ty="void")


def copy(src: object, dst: object, coalesced_width: int | None = None, **_: object) -> Call:
    """``T.copy(src, dst)``: whole buffers, slices, or start indices on one side.

    ``coalesced_width`` and the other GPU hints of TileLang are accepted and have no meaning here.

    Raises:
        LanguageError: the shapes cannot be matched.
    """
    del coalesced_width
    source, target = Region.of(src, "T.copy source"), Region.of(dst, "T.copy destination")
    if source.is_point and target.is_point:
        raise LanguageError(
            "T.copy between two single elements has no extent",
            next_step="give a buffer or a slice on at least one side",
        )
    source, target = source.sized_like(target), target.sized_like(source)
    if source.core_shape != target.core_shape:
        raise LanguageError(
            f"T.copy from shape {source.shape} to shape {target.shape}",
            code="ShapeMismatch",
            next_step="make both sides the same shape (unit dimensions aside)",
        )
    return _call(COPY, [source.node(), target.node()])


def fill(buffer: object, value: object) -> Call:
    """``T.fill(buffer, value)``."""
    region = Region.of(buffer, "T.fill destination")
    dtype = region.dtype
    if isinstance(value, tvm.ir.Expr):
        if str(value.ty.dtype) != dtype:
            value = tirx.Cast(dtype, value)
    elif isinstance(value, (bool, int, float)):
        value = tirx.const(value, dtype)
    else:
        raise LanguageError(f"T.fill value {value!r} is not a number")
    return _call(FILL, [region.node(), value])


def clear(buffer: object) -> Call:
    """``T.clear(buffer)``: fill with zero."""
    return fill(buffer, 0)


def gemm(
    A: object,
    B: object,
    C: object,
    transpose_A: bool = False,
    transpose_B: bool = False,
    policy: object = None,
    clear_accum: bool = False,
    **_: object,
) -> Call:
    """``T.gemm(A, B, C)``: C += A·B on on-chip blocks (``clear_accum`` zeroes C first).

    ``policy`` and the other warp hints of TileLang are accepted and have no meaning here.

    Raises:
        LanguageError: the operands' shapes do not fit.
    """
    del policy
    a, b, c = (Region.of(x, f"T.gemm operand {n}") for x, n in ((A, "A"), (B, "B"), (C, "C")))
    shapes = [r.core_shape for r in (a, b, c)]
    if any(len(s) != 2 for s in shapes):
        raise LanguageError(f"T.gemm needs matrices, got shapes {a.shape}, {b.shape}, {c.shape}",
                            code="ShapeMismatch")  # fmt: skip
    m, k = shapes[0][::-1] if transpose_A else shapes[0]
    k2, n = shapes[1][::-1] if transpose_B else shapes[1]
    if k != k2 or (m, n) != tuple(shapes[2]):
        raise LanguageError(
            f"T.gemm of A {m}x{k} and B {k2}x{n} into C {shapes[2][0]}x{shapes[2][1]}"
            " (after transposes)",
            code="ShapeMismatch",
            next_step="A is M x K, B is K x N, C is M x N",
        )
    flags = [tirx.const(bool(f), "bool") for f in (transpose_A, transpose_B, clear_accum)]
    return _call(GEMM, [a.node(), b.node(), c.node(), *flags])


__all__ = ["COPY", "FILL", "GEMM", "TensorRegion", "as_region", "clear", "copy", "fill", "gemm"]
