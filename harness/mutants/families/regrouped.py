"""What the dialect rewrites before golden reads it, rewritten otherwise."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Final

from tvm import tirx

from harness.compiler.rewrite import splitloops
from harness.language.rewriting import blockviews, fromend, matrices, private, viewoperands
from harness.mutants.registry import Mutant, Where, on_kernels, substitution
from harness.mutants.subjects import regrouped
from harness.mutants.tir import integer

FAMILY: Final = "kernels regrouped"
Wrap = Callable[[Any], Any]


def _one(name: str, breaks: str, *parts: tuple[Any, str, Wrap]) -> Mutant:
    return substitution(FAMILY, name, Where.LANGUAGE, breaks, *parts,
                        applies=on_kernels(regrouped.KERNELS))  # fmt: skip


def _element(change: Callable[[list[Any]], list[Any]]) -> Wrap:
    """Elements of views at other places of their block."""
    return lambda old: lambda self, given: change(old(self, given)) if self.regrouped else old(
        self, given)  # fmt: skip


def _column_major(old: Any) -> Any:
    """Dimensions in one are counted from the last on."""

    def turned(indices: Sequence[Any], shape: Sequence[int], group: Sequence[int]) -> Any:
        return old(indices, shape, list(reversed(list(group))))

    return turned


def _first_only(old: Any) -> Any:
    """Loops over parts run once."""
    return lambda var, count, body, span: old(var, 1, body, span)


def _staged(before: bool, after: bool) -> Wrap:
    """Blocks in the place of views without what is done before, or after."""

    def wrap(old: Any) -> Any:
        def staged(*args: Any) -> Any:
            first, made, last = old(*args)
            return first if before else [], made, last if after else []

        return staged

    return wrap


def _shapes(change: Callable[[Any], Any]) -> Wrap:
    """Indices of a tensor in another shape than it was declared in, changed."""

    def wrap(old: Any) -> Any:
        def shape(self: Any, tensor: Any) -> Any:
            found = old(self, tensor)
            if found is None:
                return None
            indices = found.indices
            return replace(found, indices=lambda given: change(indices(given)))

        return shape

    return wrap


def _turned(places: list[Any]) -> list[Any]:
    return [tirx.FloorMod(p, integer(32)) for p in reversed(places)]


def _all_one(old: Any) -> Any:
    """All iterations have one element."""
    return lambda body, made, places: old(body, made, [integer(0) for _ in places])


def _crosswise(old: Any) -> Any:
    """What is within a group and which group it is, exchanged."""

    def substituted(body: Any, values: Any, analyzer: Any) -> Any:
        turned = {}
        for var, both in values.items():
            group, within = both.a.a, both.b
            turned[var] = within * 16 + group
        return old(body, turned, analyzer)

    return substituted


def _from_end(old: Any) -> Any:
    """An index from the end is one further from it."""
    return lambda expr: found if (found := old(expr)) is None or found >= 0 else found - 1


MUTANTS: Final = (
    _one("view-element-before", "Elements of views are the ones a column before.",
         (blockviews._View, "element", _element(  # noqa: SLF001
             lambda at: [*at[:-1], tirx.Max(at[-1] - 1, integer(0))]))),
    _one("view-first-column", "Elements of views are in the first column.",
         (blockviews._View, "element", _element(  # noqa: SLF001
             lambda at: [*at[:-1], integer(0)]))),
    _one("view-first-row", "Elements of views are in the first row.",
         (blockviews._View, "element", _element(  # noqa: SLF001
             lambda at: [integer(0), *at[1:]]))),
    _one("view-column-major", "Dimensions in one are counted from the last on.",
         (viewoperands, "_flat", _column_major)),
    _one("view-first-part", "Of a view's parts only the first is done.",
         (viewoperands, "_loop", _first_only)),
    _one("view-not-filled", "A view's block begins empty.",
         (viewoperands, "staged", _staged(before=False, after=True))),
    _one("view-not-stored", "What a view's block gets stays there.",
         (viewoperands, "staged", _staged(before=True, after=False))),
    _one("flat-turned", "Rows of a flat tensor are its columns.",
         (matrices._Uses, "shape", _shapes(_turned))),  # noqa: SLF001
    _one("flat-first-row", "Of a flat tensor all rows are the first.",
         (matrices._Uses, "shape", _shapes(  # noqa: SLF001
             lambda at: [*[integer(0)] * (len(at) - 1), at[-1]]))),
    _one("end-one-before", "Indices from the end are one further from it.",
         (fromend, "constant", _from_end)),
    _one("own-shared", "Scalars of iterations are one for all.",
         (private, "_elements", _all_one)),
    substitution(FAMILY, "loops-crosswise", Where.PASS1,
                 "Of loops in two, each is taken for the other.",
                 (splitloops, "substituted", _crosswise),
                 applies=on_kernels(regrouped.KERNELS)),
)  # fmt: skip
