"""Single numbers a kernel takes: ``alpha: T.float32`` beside its tensors.

Cores read numbers from memory, and each is a tensor of one element there. Its name stands for that
element throughout the kernel; callers pass the number itself.
"""

from __future__ import annotations

from typing import Any, Final

from tvm import tirx
from tvm.script.ir_builder import IRBuilder
from tvm.tirx.script import builder as S

from harness.language.dtypes import DType
from harness.language.rewriting.flat import SINGLE
from harness.language.tensors import DTYPES, TRUTH, Tensor, dtype_name

_FOUND: Final = "tt_single"
_DTYPES: Final = (*DTYPES, "int32", TRUTH)


def is_single(annotation: Any) -> bool:
    """Whether a parameter is annotated as one number."""
    return isinstance(annotation, DType)


def declare_single(parser: Any, name: str, annotation: DType) -> Any:
    """The parameter, and what its name stands for.

    Raises:
        LanguageError: a dtype that no number is passed in.
    """
    made = S.arg(name, Tensor((1,), dtype_name(annotation, accepted=_DTYPES)))
    IRBuilder.name(name, made)
    parser.__dict__.setdefault(_FOUND, []).append(name)
    return tirx.BufferLoad(made, [0])


def declare_singles(parser: Any) -> None:
    """Attach their names to the function whose parameters were just declared."""
    found = parser.__dict__.pop(_FOUND, [])
    if found:
        S.func_attr({SINGLE: found})
