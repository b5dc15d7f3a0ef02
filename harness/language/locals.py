"""Names for values inside T.Parallel: they stand for their expression while what it reads holds.

``x = a[i, j] * 2`` gives no statement: ``x`` is put in where it is used. Once a store changes a
block the expression reads, the name would mean something else: from there on it is refused.
"""

from __future__ import annotations

from typing import Any, NoReturn

import tvm
import tvm_ffi

from harness.errors import LanguageError


def buffers_read(expr: Any) -> list[Any]:
    """Buffers an expression reads."""
    found: list[Any] = []
    tvm_ffi.structural_walk(expr, [(tvm.ir.TensorLoad, lambda load: found.append(load.source))])
    return found


class Stale:
    """A name whose expression reads a buffer that was stored to since."""

    def __init__(self, name: str, buffer: str) -> None:
        """``name`` of the value, ``buffer`` that changed."""
        self.name = name
        self.buffer = buffer

    def refuse(self, *_: object) -> NoReturn:
        """Refuse any use.

        Raises:
            LanguageError: always.
        """
        raise LanguageError(
            f"{self.name!r} is used after {self.buffer!r}, which it reads, was stored to",
            next_step="keep the value in a block of its own, or use it before the store",
        )

    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = refuse
    __rtruediv__ = __floordiv__ = __mod__ = __neg__ = __lt__ = __le__ = __gt__ = __ge__ = refuse
    __bool__ = asobject = refuse


class Locals:
    """The named values of one T.Parallel nest."""

    def __init__(self) -> None:
        """None yet."""
        self.reads: dict[Any, list[Any]] = {}

    def note(self, key: Any, value: Any) -> None:
        """A name and the value it stands for."""
        self.reads[key] = buffers_read(value)

    def stored(self, buffer: Any) -> list[Any]:
        """Names that a store to ``buffer`` makes stale."""
        stale = [k for k, read in self.reads.items() if any(b.same_as(buffer) for b in read)]
        for key in stale:
            del self.reads[key]
        return stale
