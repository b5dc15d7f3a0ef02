"""Element types as TileLang spells them: ``T.float16`` names a dtype and, called, casts."""

from __future__ import annotations

from typing import Any, Final

_BITS: Final = {
    "float64": 64,
    "float32": 32,
    "bfloat16": 16,
    "float16": 16,
    "int64": 64,
    "int32": 32,
    "int16": 16,
    "int8": 8,
    "uint64": 64,
    "uint32": 32,
    "uint16": 16,
    "uint8": 8,
    "bool": 8,
}
"""Storage of one element."""

ALIASES: Final = {"float": "float32", "half": "float16", "double": "float64", "short": "int16",
                  "int": "int32", "long": "int64", "uint": "uint32"}  # fmt: skip
"""TileLang's C spellings."""


class DType(str):
    """The name of an element type; calling it casts a value to the type."""

    __slots__ = ()

    def __call__(self, value: Any = 0) -> Any:
        """``T.float32(x)``: ``x`` as a value of this type, a constant where ``x`` is a number."""
        from harness.language.elementwise import cast

        return cast(value, self)

    @property
    def bits(self) -> int:
        """Bits of one element in memory."""
        return _BITS[self]

    @property
    def bytes(self) -> int:
        """Bytes of one element in memory."""
        return self.bits // 8

    itemsize = bytes


def dtype(name: object) -> DType:
    """``T.dtype("float16")``: a dtype given by name, ``T.float16`` or a NumPy or torch type.

    Raises:
        LanguageError: no such dtype.
    """
    from harness.language.tensors import dtype_name

    return DType(dtype_name(name, accepted=tuple(_BITS)))


def get_tvm_dtype(value: object) -> str:
    """``T.get_tvm_dtype(dtype)``: the plain name of a dtype."""
    return str(dtype(value))


NAMES: Final = {name: DType(name) for name in _BITS} | {a: DType(n) for a, n in ALIASES.items()}
"""Every name that stands for a dtype in the language."""
