"""The dialect and its parser at work, making something else of a drawn text.

Compiler, golden and LLVM begin with the IR they make. A parser that misreads is told by the reading
without it, a function of the dialect by NumPy, which executes the text.
"""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, Final

from tvm import tirx

import harness.language as T
from harness.language.parsing import assign
from harness.mutants.registry import Mutant, Where, on_kernels, substitution
from harness.mutants.subjects.texts import DRAWN

FAMILY: Final = "dialect"
Wrap = Callable[[Any], Any]


def _one(name: str, breaks: str, owner: Any, attributes: str, wrap: Wrap) -> Mutant:
    """A fault of some attributes of a module, separated by spaces."""
    parts = [(owner, attribute, wrap) for attribute in attributes.split()]
    return substitution(FAMILY, f"dialect-{name}", Where.LANGUAGE, breaks, *parts,
                        applies=on_kernels([DRAWN]))  # fmt: skip


def _without(*flags: str) -> Wrap:
    """A function to which some flags are never given."""
    return lambda old: lambda *args, **kw: old(
        *args, **{k: v for k, v in kw.items() if k not in flags})  # fmt: skip


def _turned(old: Any) -> Any:
    """The builders, with a store of two indices that exchanges them."""

    def store(buffer: Any, value: Any, indices: Any, *rest: Any) -> Any:
        turned = indices[::-1] if len(set(buffer.ty.shape)) == 1 else indices
        return old.buffer_store(buffer, value, turned, *rest)

    return SimpleNamespace(**{**vars(old), "buffer_store": store})


def _added(old: Any) -> Any:
    """Stores of differences store sums."""

    def store(self: Any, target: Any, value: Any) -> Any:
        return old(self, target, value.a + value.b if isinstance(value, tirx.Sub) else value)

    return store


MUTANTS: Final = (
    _one("branches", "T.if_then_else has its branches crosswise.", T, "if_then_else",
         lambda old: lambda test, yes, no: old(test, no, yes)),
    _one("maximum", "T.max is T.min.", T, "max", lambda old: T.min),
    _one("exponential", "T.exp is T.exp2.", T, "exp", lambda old: T.exp2),
    _one("magnitude", "T.abs does nothing.", T, "abs", lambda old: lambda x: x),
    _one("fill", "T.fill fills with one more.", T, "fill",
         lambda old: lambda buffer, value: old(buffer, value + 1)),
    _one("clear", "T.clear fills with one.", T, "clear",
         lambda old: lambda buffer: T.fill(buffer, 1.0)),
    _one("reduction", "T.reduce_sum is T.reduce_max.", T, "reduce_sum", lambda old: T.reduce_max),
    _one("joined", "Reductions forget what was there.", T,
         "reduce_sum reduce_max reduce_min reduce_absmax", _without("clear")),
    _one("running-sum", "T.cumsum always begins at the first element.", T, "cumsum",
         _without("reverse")),
    _one("ceiling", "T.ceildiv is rounded down.", T, "ceildiv",
         lambda old: lambda a, b: max(1, a // b)),
    _one("store-turned", "A store to a square block exchanges its indices.", assign, "S", _turned),
    _one("difference-added", "A difference that is stored is a sum.", assign, "_store", _added),
)  # fmt: skip
