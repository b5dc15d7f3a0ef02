"""Declarations: tensors a kernel takes, and the on-chip buffers it allocates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import tvm
from tvm.tirx.script import builder as S

from harness.errors import LanguageError
from harness.language.blockformats import BLOCK_FORMATS, VALUES, carried
from harness.language.dynamic import open_sizes
from harness.language.parsing.located import calling_line
from harness.language.regions import constant
from harness.language.rewriting.flat import reshaped

DTYPES = ("float32", "bfloat16", "float16")
"""Element types the pipeline computes with."""
INTEGERS = ("int8", "int32")
"""Element types of integer products, operands and sums, and of numbers."""
TRUTH = "bool"
"""Element type of on-chip blocks of conditions, and of tensors that are only read."""
MASKS = ("uint8", TRUTH)
"""Element types of bytes, numbers or conditions; bool is kept as uint8."""
BLOCK_DTYPES = (*DTYPES, *INTEGERS, *MASKS)
"""Element types of on-chip blocks."""
TENSOR_DTYPES = (*DTYPES, *INTEGERS, *MASKS, *BLOCK_FORMATS)
"""Element types of tensors."""

_PACKED: Final = ("pass packed numbers as uint8, four for each word along the last dimension, or"
                  " let the host store weights as bfloat8_b or bfloat4_b, which T.copy reads as"
                  " bfloat16")  # fmt: skip
_INSTEAD: Final = {"uint32": _PACKED}
"""What to use instead of some dtypes; the others are told what there is."""

SHARED, FRAGMENT, LOCAL, VAR = "shared.dyn", "local.fragment", "local", "local.var"
"""Storage scopes of T.alloc_shared, T.alloc_fragment, T.alloc_local and T.alloc_var."""

LARGEST = 2**63 - 1
"""The largest dimension the IR can hold."""


def dtype_name(dtype: object, *, accepted: Sequence[str] = DTYPES) -> str:
    """The spelling of a dtype given as a string, a ``T.float32``-like name or a NumPy type.

    Raises:
        LanguageError: no such dtype, or one the pipeline does not compute with.
    """
    name = dtype if isinstance(dtype, str) else getattr(dtype, "dtype_name", None)
    if name is None:
        name = getattr(dtype, "__name__", str(dtype))
    name = str(name).removeprefix("torch.")
    name = {"float": "float32", "bf16": "bfloat16", "fp16": "float16", "fp32": "float32",
            "half": "float16"}.get(str(name), str(name))  # fmt: skip
    if name not in accepted:
        if name in BLOCK_FORMATS:
            raise LanguageError(f"{name} is how a tensor may be stored; no block or value has it",
                                code="UnsupportedDtype",
                                next_step=f"use {VALUES}, which holds its values")  # fmt: skip
        known = f"use one of {', '.join(accepted)}"
        raise LanguageError(f"dtype {name!r} is not supported", code="UnsupportedDtype",
                            next_step=_INSTEAD.get(name, known))  # fmt: skip
    return name


def dims_of(shape: object, what: str) -> tuple[int, ...]:
    """The extents of a shape, or of one number.

    Raises:
        LanguageError: one that is not a positive number known at compile time.
    """
    dims = tuple(shape) if isinstance(shape, (tuple, list, tvm.ir.Array)) else (shape,)
    out = []
    for dim in dims:
        value = constant(dim)
        if value is None or value < 1:
            raise LanguageError(f"{what} has dimension {dim!r}, no positive whole number",
                                next_step="make every dimension a compile-time number")  # fmt: skip
        if value > LARGEST:
            raise LanguageError(f"{what} has dimension {value}, beyond 64 bits",
                                next_step="use smaller dimensions")  # fmt: skip
        out.append(value)
    if not out:
        raise LanguageError(f"{what} has no dimensions")
    return tuple(out)


class _TensorType:
    """``T.Tensor``: called, or with brackets as in ``T.Tensor[[M, K], dtype]``."""

    def __call__(self, shape: object, dtype: object = "float32", data: object = None, *_: object,
                 **__: object) -> Any:  # fmt: skip
        """``A: T.Tensor((M, K), dtype)``: a tensor in device memory, row-major on the host.

        With ``data``, which is ``x.data`` of a tensor, that tensor's elements in another shape.

        Raises:
            LanguageError: no such tensor, at the line that asks for it.
        """
        try:
            name = dtype_name(dtype, accepted=TENSOR_DTYPES)
            if data is not None:
                return reshaped(dims_of(shape, "T.Tensor"), name, data)
            return S.buffer(_tensor_shape(shape), carried(name))
        except LanguageError as error:
            error.location = error.location or calling_line()
            raise

    def __getitem__(self, item: Any) -> Any:
        """``A: T.Tensor[[M, K], dtype]``: the same."""
        shape, dtype = (
            item
            if isinstance(item, tuple) and isinstance(item[0], (tuple, list))
            else (item, "float32")
        )
        return self(shape, dtype)


Tensor = _TensorType()


def _tensor_shape(shape: object) -> tuple[Any, ...]:
    """A tensor's shape; sizes may still be open (T.dynamic)."""
    dims = tuple(shape) if isinstance(shape, (tuple, list, tvm.ir.Array)) else (shape,)
    if any(open_sizes(d) for d in dims):
        return dims
    return dims_of(dims, "T.Tensor")


def block_dtype(dtype: object) -> str:
    """The dtype of a block."""
    return dtype_name(dtype, accepted=BLOCK_DTYPES)


def alloc_shared(shape: object, dtype: object, scope: str = SHARED) -> Any:
    """``T.alloc_shared(shape, dtype)``: an on-chip block shared by the threads of a block."""
    if scope not in ("shared", SHARED):
        raise LanguageError(f"T.alloc_shared scope {scope!r}", next_step="leave scope out")
    return S.alloc_buffer(dims_of(shape, "T.alloc_shared"), block_dtype(dtype), scope=SHARED)


def alloc_fragment(shape: object, dtype: object, scope: str = FRAGMENT) -> Any:
    """``T.alloc_fragment(shape, dtype)``: an on-chip block held in registers on a GPU.

    With the scope of a shared block it is one, as in TileLang.
    """
    if scope in ("shared", SHARED):
        return alloc_shared(shape, dtype, scope)
    if scope != FRAGMENT:
        raise LanguageError(f"T.alloc_fragment scope {scope!r}", next_step="leave scope out")
    return S.alloc_buffer(dims_of(shape, "T.alloc_fragment"), block_dtype(dtype), scope=FRAGMENT)


def alloc_local(shape: object, dtype: object, scope: str = LOCAL) -> Any:
    """``T.alloc_local(shape, dtype)``: a small on-chip block, treated as a fragment."""
    if scope != LOCAL:
        raise LanguageError(f"T.alloc_local scope {scope!r}", next_step="leave scope out")
    return S.alloc_buffer(dims_of(shape, "T.alloc_local"), block_dtype(dtype), scope=LOCAL)
