"""Block formats as element types of tensors: sixteen values share an exponent.

TVM has no such type of its own; it has room for types others name, and these are two of them.
``carried`` and ``dtype_of`` translate between ttnn's names and TVM's spelling.
"""

from __future__ import annotations

import re
from typing import Any, Final

import tvm_ffi

BLOCK_FORMATS: Final = {"bfloat8_b": 8, "bfloat4_b": 4}
"""ttnn's names and the bits of one element, the shared exponent aside."""
VALUES: Final = "bfloat16"
"""What elements of a block format are, once read: every one of them is such a number."""

_FIRST_CODE: Final = 200  # TVM leaves type codes from 130 on to others
_SPELLING: Final = re.compile(r"custom\[(\w+)\]\d*")


def carried(name: str) -> str:
    """A dtype's spelling in TVM."""
    return f"custom[{name}]{BLOCK_FORMATS[name]}" if name in BLOCK_FORMATS else name


def dtype_of(value: Any) -> str:
    """The dtype of a buffer or expression, block formats by ttnn's name."""
    text = str(value.ty.dtype)
    found = _SPELLING.fullmatch(text)
    return found[1] if found else text


def _code(name: str) -> int:
    return _FIRST_CODE + [*BLOCK_FORMATS].index(name)


def _name(code: int) -> str:
    return [*BLOCK_FORMATS][code - _FIRST_CODE]


tvm_ffi.register_global_func("dtype.get_custom_type_code", _code, override=True)
tvm_ffi.register_global_func("dtype.get_custom_type_name", _name, override=True)
