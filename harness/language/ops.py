"""The tile ops of the source language, registered with TVM as ``tl.*``.

A tile op is a call statement whose buffer operands are ``TensorRegion``s, so that every pass, the
golden interpreter and the printer see the same thing. Operand orders are stated once, here.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from types import MappingProxyType
from typing import Any, Final

import tvm
from tvm import tirx
from tvm.ir import Call, StringImm
from tvm.tirx.script import builder as S

from harness.errors import LanguageError
from harness.language.regions import Region
from harness.language.rewriting.varying import copy_varying, varies
from harness.language.tensors import TRUTH

COPY: Final = "tl.copy"
"""``(src region, dst region)``; equal shapes once unit dimensions are dropped."""
FILL: Final = "tl.fill"
"""``(dst region, value)``."""
GEMM: Final = "tl.gemm"
"""``(A region, B region, C region, transpose_A, transpose_B, clear_accum)``; C += A·B."""

REDUCE: Final = "tl.reduce"
"""``(src region, dst region, kind, dim, clear)``: kind one of REDUCTIONS, dim >= 0."""
REDUCTIONS: Final = ("sum", "max", "min", "absmax", "abssum")

CUMSUM: Final = "tl.cumsum"
"""``(src region, dst region, dim, reverse)``: running sums, dim >= 0."""

READS: Final = MappingProxyType({COPY: (0,), FILL: (), GEMM: (0, 1), REDUCE: (0,), CUMSUM: (0,)})
"""Which operands an op reads, beside what it adds to."""
WRITES: Final = MappingProxyType({COPY: 1, FILL: 0, GEMM: 2, REDUCE: 1, CUMSUM: 1})
"""Which operand an op writes."""
CLEARS: Final = MappingProxyType({GEMM: 5, REDUCE: 4})
"""Which operand says that an op starts anew; one that does not reads what it writes as well."""

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
    (REDUCE, "Reduce a block along one dimension."),
    (CUMSUM, "Running sums of a block along one dimension."),
):
    register_op(_name, _doc)


def new_call(op: Any, args: Sequence[Any], ty: Any, span: Any = None) -> Call:
    """``Call(op, args, ret_ty=ty, span=span)``, whose constructor imports modules every time.

    Those take four fifths of it, and a kernel is made of hundreds of calls. ``op`` and ``ty`` may
    be names.
    """
    found = _op(op) if isinstance(op, str) else op
    of = _type(ty) if isinstance(ty, str) else ty
    return tvm.ir._ffi_api.Call(of, found, args, None, [], span)  # noqa: SLF001  (as the constructor)


@functools.cache
def _op(name: str) -> Any:
    return tvm.ir.Op.get(name)


@functools.cache
def _type(name: str) -> Any:
    return tvm.ir.PrimType(name)


def _call(name: str, args: list[object]) -> Call:
    return new_call(name, args, "void")


def _ignore(what: str, given: dict[str, object], *accepted: str) -> None:
    """Pass over arguments that steer a GPU; refuse the ones nothing is known about.

    Raises:
        LanguageError: an argument that is not one of ``accepted``.
    """
    for name in given:
        if name not in accepted:
            raise LanguageError(f"T.{what} has no argument {name!r} here",
                                next_step="leave it out where it only steers a GPU, as"
                                f" {', '.join(accepted)} do; what changes values is written as"
                                " tile ops")  # fmt: skip


def copy(
    src: object, dst: object, coalesced_width: int | None = None, **hints: object
) -> Call | None:
    """``T.copy(src, dst)``: whole buffers, slices, or start indices on one side; or two elements.

    Slices whose size is an expression are copied up to there, element by element in T.Parallel.

    ``coalesced_width`` and the other GPU hints of TileLang are accepted and have no meaning here.

    Raises:
        LanguageError: the shapes cannot be matched.
    """
    del coalesced_width
    _ignore("copy", hints, "disable_tma", "eviction_policy", "prefer_instruction", "annotations",
            "loop_layout")  # fmt: skip
    if varies(src, dst):
        copy_varying(src, dst)
        return None
    source, target = Region.of(src, "T.copy source"), Region.of(dst, "T.copy destination")
    if source.is_point and target.is_point:  # as TileLang has it: one element
        dtype = str(target.buffer.ty.dtype)
        value: Any = src if str(source.buffer.ty.dtype) == dtype else tirx.Cast(dtype, src)
        S.buffer_store(target.buffer, value, list(target.starts))
        return None
    source, target = source.sized_like(target), target.sized_like(source)
    if source.wide != target.wide:
        raise LanguageError(
            f"T.copy from shape {source.shape} to shape {target.shape}",
            code="ShapeMismatch",
            next_step="make both sides the same shape (unit dimensions aside)",
        )
    return _call(COPY, [source.node(), target.node()])


def fill(buffer: object, value: Any) -> Call:
    """``T.fill(buffer, value)``."""
    region = Region.of(buffer, "T.fill destination")
    dtype = region.dtype
    if isinstance(value, tvm.ir.Expr):
        known = _number(value)
        if known is not None and (str(value.ty.dtype) == dtype or not math.isfinite(known)):
            value = tirx.const(known, dtype)
        if str(value.ty.dtype) != dtype:
            value = tirx.Cast(dtype, value)
    elif isinstance(value, (bool, int, float)):
        value = tirx.const(bool(value) if dtype == TRUTH else value, dtype)
    else:
        raise LanguageError(f"T.fill value {value!r} is not a number")
    return _call(FILL, [region.node(), value])


def _number(value: Any) -> float | None:
    """The number an expression is, its sign with it, which TVM leaves alone in 16-bit types."""
    if isinstance(value, tirx.FloatImm):
        return float(value.value)
    if isinstance(value, tirx.Mul) and _number(value.b) == -1:
        found = _number(value.a)
        return None if found is None else -found
    return None


def clear(buffer: object) -> Call:
    """``T.clear(buffer)``: fill with zero."""
    return fill(buffer, 0)


def _matrix(region: Region) -> tuple[int, ...]:
    """The last two extents where the others are 1: a single row is a matrix too."""
    *lead, rows, columns = (1, 1, *region.extents)
    return (rows, columns) if all(e == 1 for e in lead) else region.core_shape


def gemm(
    A: object,
    B: object,
    C: object,
    transpose_A: bool = False,
    transpose_B: bool = False,
    policy: object = None,
    clear_accum: bool = False,
    **hints: object,
) -> Call:
    """``T.gemm(A, B, C)``: C += A·B on on-chip blocks (``clear_accum`` zeroes C first).

    ``policy`` and the other warp hints of TileLang are accepted and have no meaning here.

    Raises:
        LanguageError: the operands' shapes do not fit.
    """
    del policy
    _ignore("gemm", hints, "k_pack", "wg_wait", "mbar", "annotations")
    a, b, c = (Region.of(x, f"T.gemm operand {n}") for x, n in ((A, "A"), (B, "B"), (C, "C")))
    shapes = [_matrix(r) for r in (a, b, c)]
    if any(len(s) != 2 for s in shapes):
        raise LanguageError(f"T.gemm needs matrices, got shapes {a.shape}, {b.shape}, {c.shape}",
                            code="ShapeMismatch",
                            next_step="give blocks of two dimensions")  # fmt: skip
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


def _reduce(
    src: object, dst: object, kind: str, dim: Any, clear: bool, hints: dict[str, object]
) -> Call:
    _ignore(f"reduce_{kind}", hints, "batch", "nan_propagate", "annotations")
    source, target = Region.of(src, "T.reduce source"), Region.of(dst, "T.reduce destination")
    rank = len(source.extents)
    if not isinstance(dim, int) or not -rank <= dim < rank:
        raise LanguageError(f"T.reduce_{kind} dim {dim!r} of a block of rank {rank}")
    dim %= rank
    kept = [e for i, e in enumerate(source.extents) if i != dim]
    if [e for e in target.extents if e != 1] != [e for e in kept if e != 1]:
        raise LanguageError(
            f"T.reduce_{kind} of shape {source.shape} over dim {dim} into shape {target.shape}",
            code="ShapeMismatch",
            next_step=f"the destination is of shape {tuple(kept)}",
        )
    args = [source.node(), target.node(), StringImm(kind), tirx.const(dim, "int32"),
            tirx.const(bool(clear), "bool")]  # fmt: skip
    return _call(REDUCE, args)


def reduce_sum(
    buffer: object, out: object, dim: int = -1, clear: bool = True, **hints: object
) -> Call:
    """``T.reduce_sum(buffer, out, dim, clear)``; without clear, out is added to."""
    return _reduce(buffer, out, "sum", dim, clear, hints)


def reduce_max(
    buffer: object, out: object, dim: int = -1, clear: bool = True, **hints: object
) -> Call:
    """``T.reduce_max(buffer, out, dim, clear)``; without clear, out takes part."""
    return _reduce(buffer, out, "max", dim, clear, hints)


def reduce_min(
    buffer: object, out: object, dim: int = -1, clear: bool = True, **hints: object
) -> Call:
    """``T.reduce_min(buffer, out, dim, clear)``; without clear, out takes part."""
    return _reduce(buffer, out, "min", dim, clear, hints)


def reduce_absmax(buffer: object, out: object, dim: int = -1, clear: bool = True,
                  **hints: object) -> Call:  # fmt: skip
    """``T.reduce_absmax(buffer, out, dim, clear)``: largest absolute value."""
    return _reduce(buffer, out, "absmax", dim, clear, hints)


def reduce_abssum(buffer: object, out: object, dim: int = -1, **hints: object) -> Call:
    """``T.reduce_abssum(buffer, out, dim)``: sum of absolute values."""
    return _reduce(buffer, out, "abssum", dim, True, hints)


def reduce(buffer: object, out: object, reduce_type: str, dim: int = -1, clear: bool = True,
           **hints: object) -> Call:  # fmt: skip
    """``T.reduce(buffer, out, "sum", dim, clear)``: the reductions by name."""
    if reduce_type not in REDUCTIONS:
        raise LanguageError(f"T.reduce of kind {reduce_type!r}",
                            next_step=f"use one of {', '.join(REDUCTIONS)}")  # fmt: skip
    return _reduce(buffer, out, reduce_type, dim, clear, hints)


def cumsum(src: object, dst: object = None, dim: Any = 0, reverse: bool = False) -> Call:
    """``T.cumsum(src, dst, dim, reverse)``: running sums, into src itself without dst.

    Raises:
        LanguageError: no such dimension, or blocks of different shapes.
    """
    source = Region.of(src, "T.cumsum source")
    target = source if dst is None else Region.of(dst, "T.cumsum destination")
    rank = len(source.extents)
    if not isinstance(dim, int) or not -rank <= dim < rank:
        raise LanguageError(f"T.cumsum dim {dim!r} of a block of rank {rank}")
    if source.extents != target.extents:
        raise LanguageError(f"T.cumsum of shape {source.shape} into shape {target.shape}",
                            code="ShapeMismatch", next_step="use one shape")  # fmt: skip
    flags = [tirx.const(dim % rank, "int32"), tirx.const(bool(reverse), "bool")]
    return _call(CUMSUM, [source.node(), target.node(), *flags])
