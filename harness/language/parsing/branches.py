"""``with T.If(condition):`` with ``T.Then()`` and ``T.Else()`` inside: the statement ``if``."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final

import tvm
from tvm import tirx
from tvm.script.ir_builder import IRBuilder
from tvm.script.parser._core import doc
from tvm.tirx.script import builder as S
from tvm.tirx.script.builder.frame import IfFrame

from harness.errors import LanguageError
from harness.language.elementwise import truth
from harness.language.regions import is_buffer

_SHAPE: Final = "put T.Then() and then T.Else() into T.If(…), and every statement into one of those"


def _around() -> Any:
    """The frame statements now go to."""
    return IRBuilder.current().frames[-1]


class _Branch(AbstractContextManager[Any]):
    """Enters a frame of the IR builder, made where the with-statement stands."""

    _entered: AbstractContextManager[Any]

    def frame(self) -> AbstractContextManager[Any]:
        """What to enter."""
        raise NotImplementedError

    def __enter__(self) -> Any:
        """Enter it."""
        self._entered = self.frame()
        return self._entered.__enter__()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool | None:
        """Leave it."""
        return self._entered.__exit__(kind, error, trace)


@dataclass
class If(_Branch):
    """``T.If(condition)``: holds where its parts, T.Then and T.Else, are entered."""

    condition: Any

    def frame(self) -> AbstractContextManager[Any]:
        """What to enter.

        Raises:
            LanguageError: the condition is none, or it stands in T.If itself.
        """
        test = None if is_buffer(self.condition) else truth(self.condition)
        if isinstance(test, (bool, int)):
            test = tirx.const(bool(test), "bool")
        if not isinstance(test, tvm.ir.Expr):
            raise LanguageError("T.If of what is no condition", next_step="compare numbers")
        if isinstance(_around(), IfFrame):
            raise LanguageError("T.If outside the parts of the T.If around it", next_step=_SHAPE)
        return S.If(test)  # type: ignore[no-any-return]


class Then(_Branch):
    """``T.Then()``: the statements of the T.If around it."""

    def frame(self) -> AbstractContextManager[Any]:
        """What to enter.

        Raises:
            LanguageError: there is no T.If, or it has this part already.
        """
        around = _around()
        if not isinstance(around, IfFrame) or around.then_stmts is not None:
            raise LanguageError("T.Then is not the first part of a T.If", next_step=_SHAPE)
        return S.Then()  # type: ignore[no-any-return]


class Else(_Branch):
    """``T.Else()``: the statements where the condition of the T.If around it does not hold."""

    def frame(self) -> AbstractContextManager[Any]:
        """What to enter.

        Raises:
            LanguageError: it does not follow the T.Then of a T.If.
        """
        around = _around()
        followed = isinstance(around, IfFrame) and around.then_stmts is not None
        if not followed or around.else_stmts is not None:
            raise LanguageError("T.Else does not follow the T.Then of a T.If", next_step=_SHAPE)
        return S.Else()  # type: ignore[no-any-return]


def check_parts(body: Sequence[Any]) -> None:
    """A T.If has parts only.

    Raises:
        LanguageError: a statement of another kind.
    """
    if not all(isinstance(stmt, doc.With) for stmt in body):
        raise LanguageError("a statement of T.If outside T.Then and T.Else", next_step=_SHAPE)
