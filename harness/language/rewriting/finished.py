"""What every way to write a kernel ends with, once the dialect has said all of it.

Golden and the compiler read what comes out of here. What went in is kept beside it for a while: who
asks whether both mean the same asks about :func:`as_written`.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any, Final

import tvm

from harness.language.rewriting.blockviews import unwrapped
from harness.language.rewriting.inturn import in_turn, steps
from harness.language.rewriting.matrices import in_used_shapes
from harness.language.rewriting.private import spread
from harness.language.rewriting.reducers import combined

_MANY: Final = 256
_WRITTEN: Final[OrderedDict[Any, Any]] = OrderedDict()
"""Bodies of the last kernels that were rewritten here, to the functions as they were written."""


def finished(func: Any) -> Any:
    """Iterations' own scalars, reducers, views and flat tensors resolved; several kernels apart."""
    whole = in_used_shapes(unwrapped(combined(spread(func))))
    made = in_turn(whole)
    if not whole.same_as(func):
        for new, old in zip(steps(made), steps(in_turn(func)), strict=True):
            _WRITTEN[new.body] = old
        while len(_WRITTEN) > _MANY:
            _WRITTEN.popitem(last=False)
    return made


def as_written(func: tvm.tirx.PrimFunc) -> Any | None:
    """A kernel before it was rewritten; None if it was not, or if very many were read since."""
    return _WRITTEN.get(func.body)
