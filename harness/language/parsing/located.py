"""Registering statement visitors whose errors leave as one located LanguageError."""

from __future__ import annotations

import contextvars
import functools
import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import PurePath
from typing import Any, Final

from tvm.error import DiagnosticError
from tvm.script.parser._core import dispatch, doc

from harness.codes.refusals import remedy
from harness.errors import LanguageError

TOKEN: Final = "tt"  # noqa: S105  (a name, no secret)
"""Dispatch token of the dialect: it keeps every override out of plain TVMScript."""

_HERE: Final = "harness.language"
_EVALUATOR: Final = f"{_HERE}.parsing.expressions"

PARSER: contextvars.ContextVar[Any] = contextvars.ContextVar("tt_parser", default=None)
"""The parser at work, for what is evaluated inside a kernel body."""


def place_of(parser: Any, node: Any) -> str:
    """``file:line:column`` of a node of the source under parse."""
    line, column, _, _ = parser.diag.source.location(node)
    return f"{PurePath(parser.diag.source.source_name).name}:{line}:{column}"


def calling_line() -> str | None:
    """``file:line:0`` of the innermost call from outside this package, as an annotation is one."""
    frame = inspect.currentframe()
    while frame is not None and str(frame.f_globals.get("__name__", "")).startswith(_HERE):
        if frame.f_globals["__name__"] == _EVALUATOR:
            return None  # evaluated by the parser, which knows better
        frame = frame.f_back
    if frame is None or frame.f_code.co_filename == "<ast>":
        return None  # as above, by TVM's
    return f"{PurePath(frame.f_code.co_filename).name}:{frame.f_lineno}:0"


def language_error(err: BaseException) -> LanguageError:
    """The LanguageError behind an exception of TVM's parser, or one made of it."""
    seen: BaseException | None = err
    while seen is not None:
        if isinstance(seen, LanguageError):
            return seen
        seen = seen.__cause__ or seen.__context__
    root = err
    while isinstance(root, DiagnosticError) and root.__context__ is not None:
        root = root.__context__
    if isinstance(root, DiagnosticError):
        text = str(root).strip().splitlines()
        detail = next((t for t in text if "error:" in t), text[0] if text else "cannot be parsed")
        return LanguageError(detail.split("error:", 1)[-1].strip(), code="SourceError")
    name = type(root).__name__
    last = (str(root).strip().splitlines() or [name])[-1]
    if "Check failed: " in last and "kDLInt" in str(root):
        return LanguageError(
            "// and % are of whole numbers",
            code="UnsupportedDtype",
            next_step="write T.floor(x / y), and x - y * T.floor(x / y)",
        )
    if "Check failed: " in last:  # what TVM found, behind the C++ condition it found it by
        said = last.partition("Check failed: ")[2]
        said = said.partition(" is false: ")[2] or said.rpartition(" : ")[2]
        return LanguageError(said.lower(), code="SourceError")
    return LanguageError(last if name == "ParserError" else f"{name}: {last}", code="SourceError")


@contextmanager
def at(parser: Any, node: Any) -> Iterator[None]:
    """What fails inside leaves as a LanguageError at a node's place, or at one further in."""
    try:
        yield
    except Exception as err:  # noqa: BLE001  (everything becomes one located LanguageError)
        wrapped = language_error(err)
        if wrapped.location is None:
            wrapped.location = place_of(parser, node)
        if wrapped.next_step is None:
            wrapped.next_step = remedy(wrapped.code)
        raise wrapped from None


def located(visit: Callable[[Any, Any], None]) -> Callable[[Any, Any], None]:
    """A visitor whose errors carry the place of its node, unless they already have one."""

    @functools.wraps(visit)
    def inner(self: Any, node: Any) -> None:
        with at(self, node):
            visit(self, node)

    return inner


def register(name: str) -> Callable[[Callable[[Any, Any], None]], Callable[[Any, Any], None]]:
    """Make a function the dialect's visitor of a kind of statement."""

    def decorate(visit: Callable[[Any, Any], None]) -> Callable[[Any, Any], None]:
        found = located(visit)
        dispatch.register(token=TOKEN, type_name=name)(found)
        return found

    return decorate


def refuse_statement(name: str, what: str, instead: str) -> None:
    """Register a visitor that refuses a kind of statement."""

    @register(name)
    def visit(self: Any, node: Any) -> None:
        del self, node
        raise LanguageError(f"{what} is not supported", next_step=instead)


_OUTSIDE: Final = "do it outside the kernel"
_FOREIGN: Final = {
    "Try": ("try", "check parameters outside the kernel"),
    "Raise": ("raise", "check parameters outside the kernel"),
    "Import": ("import", _OUTSIDE),
    "ImportFrom": ("import", _OUTSIDE),
    "Delete": ("del", "leave the name alone"),
    "ClassDef": ("class", _OUTSIDE),
    "Global": ("global", "take values as parameters of the function around the kernel"),
    "Nonlocal": ("nonlocal", "take values as parameters of the function around the kernel"),
}
"""Statements TVM's parser has no door for, what they are called, and what to do instead."""


def refuse_foreign(parser: Any, body: list[Any]) -> None:
    """Refuse statements that TVM's parser would report without their place.

    Raises:
        LanguageError: naming the first one and its line.
    """
    for node in body:
        found = _FOREIGN.get(type(node).__name__)
        if found is not None:
            raise LanguageError(f"{found[0]} is not supported", location=place_of(parser, node),
                                next_step=found[1])  # fmt: skip
        for part in ("body", "orelse"):
            inside = getattr(node, part, None)
            if isinstance(inside, (list, tuple)) and all(isinstance(s, doc.stmt) for s in inside):
                refuse_foreign(parser, list(inside))
