"""``tilelang.quantize``: numbers of a few bits out of the bytes they are packed in.

Every converter takes the byte's type and gives a function of a number's width, the byte, the
number's place in it and the type of the result, for use in T.Parallel.
"""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType
from typing import Any, Final

from harness.errors import LanguageError

_Convert = Callable[..., Any]


def _bits(storage: str, nbit: int, val: Any, pos: Any) -> Any:
    """Number ``pos`` of a byte, without a sign, as int32.

    Raises:
        LanguageError: the byte is of another type than the converter was made for.
    """
    if str(val.dtype) != storage:
        raise LanguageError(f"a number packed in {storage} is taken out of {val.dtype}",
                            code="UnsupportedDtype",
                            next_step="make the converter for the type of the block")  # fmt: skip
    return (val.astype("int32") >> (pos * nbit)) & ((1 << nbit) - 1)


def unsigned(storage_type: str = "uint", storage_nbit: int = 8) -> _Convert:
    """Numbers from 0 on."""

    def convert(nbit: int, val: Any, pos: Any, dtype: str) -> Any:
        return _bits(f"{storage_type}{storage_nbit}", nbit, val, pos).astype(dtype)

    return convert


def shifted(storage_type: str = "uint", storage_nbit: int = 8) -> _Convert:
    """Numbers from ``-2**(nbit - 1)`` on, packed that much larger."""

    def convert(nbit: int, val: Any, pos: Any, dtype: str) -> Any:
        found = _bits(f"{storage_type}{storage_nbit}", nbit, val, pos)
        return (found - (1 << (nbit - 1))).astype(dtype)

    return convert


def with_zeros(storage_type: str = "uint", storage_nbit: int = 8) -> _Convert:
    """Numbers less a zero point."""

    def convert(nbit: int, val: Any, pos: Any, zero: Any, dtype: str) -> Any:
        found = _bits(f"{storage_type}{storage_nbit}", nbit, val, pos)
        return found.astype(dtype) - zero.astype(dtype)

    return convert


def complement(storage_type: str = "uint", storage_nbit: int = 8) -> _Convert:
    """Numbers in two's complement."""

    def convert(nbit: int, val: Any, pos: Any, dtype: str) -> Any:
        half = 1 << (nbit - 1)
        found = _bits(f"{storage_type}{storage_nbit}", nbit, val, pos)
        return ((found ^ half) - half).astype(dtype)

    return convert


CONVERTERS: Final = MappingProxyType({
    "_tir_packed_to_unsigned_convert": unsigned,
    "_tir_packed_to_signed_convert": shifted,
    "_tir_packed_to_unsigned_convert_with_zeros": with_zeros,
    "_tir_packed_int_to_int_convert": complement,
})  # fmt: skip
"""By TileLang's names for them."""
