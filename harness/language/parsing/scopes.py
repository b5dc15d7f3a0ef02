"""Names in a kernel body: no loop or branch changes what a name means outside of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import CodeType, FrameType
from typing import Any

import numpy as np
from tvm.script.parser._core import utils

from harness.errors import LanguageError
from harness.language.regions import is_buffer

CARRIED = "keep running values in a buffer, or in a T.alloc_var"


def names_known(func: Any, caller: FrameType | None) -> dict[str, Any]:
    """What the names in a function's text stand for, where ``caller`` decorates it.

    Annotations belong to the scope the function is defined in. Names used only there are not in its
    closure; they are that scope's own, before the module's of the same spelling.
    """
    while caller is not None and func.__code__ not in _written_in(caller.f_code):
        caller = caller.f_back
    around = {} if caller is None else caller.f_locals
    known = {**func.__globals__, **around, **utils.get_func_nonlocals(func)}
    return {name: plain(value) for name, value in known.items()}


def plain(value: Any) -> Any:
    """A number of NumPy's as Python's: sizes are worked out by NumPy, too."""
    number = isinstance(value, np.generic) and value.dtype.kind in "biuf"
    return value.item() if number else value


def _written_in(code: CodeType) -> list[CodeType]:
    return [c for c in code.co_consts if isinstance(c, CodeType)]


@contextmanager
def inner(parser: Any) -> Iterator[None]:
    """The body of a loop, or of a branch decided on the device: a frame of its own."""
    before = getattr(parser, "tt_floor", 0)
    parser.tt_floor = len(parser.var_table.frames)
    nest = getattr(parser, "tt_locals", None)
    known = set(nest.reads) if nest is not None else set()
    try:
        with parser.var_table.with_frame():
            yield
    finally:
        parser.tt_floor = before
        if nest is not None:  # names of the body are gone
            nest.reads = {name: read for name, read in nest.reads.items() if name in known}


@contextmanager
def outermost(parser: Any) -> Iterator[None]:
    """The body of a macro: its names are its own."""
    before = getattr(parser, "tt_floor", 0)
    parser.tt_floor = 0
    try:
        yield
    finally:
        parser.tt_floor = before


def check_rebinding(parser: Any, name: str, value: Any) -> None:
    """Refuse a second meaning of a name where the first could still be meant.

    In the body it was bound in, a name may stand for another value from there on: statements of one
    body run in order, once.

    Raises:
        LanguageError: the name stands for a buffer, or is bound outside this loop or branch, where
            the new value would be seen once instead of every time.
    """
    old = parser.var_table.get().get(name)
    if is_buffer(old) and old is not value:
        raise LanguageError(f"{name!r} is a buffer, and is assigned a second time",
                            next_step="give what is new a name of its own")  # fmt: skip
    floor = getattr(parser, "tt_floor", 0)
    # Frame 0 holds what the kernel captured; a kernel's own name of that spelling hides it.
    outside = any(name in frame.vars for frame in parser.var_table.frames[1:floor])
    if outside and not _same(old, value):
        raise LanguageError(f"{name!r} is assigned again inside a loop or branch",
                            next_step=CARRIED)  # fmt: skip


def _same(old: Any, new: Any) -> bool:
    plain = (bool, int, float, str)
    return old is new or (isinstance(old, plain) and isinstance(new, plain) and old == new)
