"""Scalars of an iteration of T.Parallel: ``m = T.alloc_var("float32")`` inside it.

Every iteration has its own, so together they are a block with an element for each iteration.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import tvm
from tvm import tirx
from tvm.ir import TensorLoad, TensorRegion

from harness.errors import LanguageError
from harness.language.nests import is_parallel, parallel_nest, relooped
from harness.language.parsing.spans import location
from harness.language.regions import constant
from harness.language.rewriting.flat import without_declarations
from harness.language.tensors import FRAGMENT
from harness.language.walks import structural_map, structural_walk


def spread(func: tirx.PrimFunc) -> tirx.PrimFunc:
    """The function with every scalar allocated inside T.Parallel as a block of its iterations.

    Raises:
        LanguageError: one is read where it may have no value.
    """
    names: set[str] = {str(param.name) for param in func.params}
    structural_walk(func.body, [(tirx.AllocBuffer, lambda n: names.add(str(n.buffer.name)))])
    seen: set[str] = set()
    refused: list[LanguageError] = []

    def nest(loop: tirx.For) -> Any:
        return _spread(loop, names, seen, refused)

    body = structural_map(func.body, [(tirx.For, nest)], order="pre")
    if refused:
        raise refused[0]
    if body.same_as(func.body):
        return func
    return tirx.PrimFunc(func.params, body, func.ret_type, attrs=func.attrs, span=func.span)


def _spread(
    outermost: tirx.For, names: set[str], seen: set[str], refused: list[LanguageError]
) -> Any:
    loops, body = parallel_nest(outermost)
    sizes = [constant(loop.extent) for loop in loops]
    found = _scalars(body) if loops and None not in sizes else []
    if not found or any(constant(loop.min) != 0 for loop in loops):
        return outermost
    made: dict[Any, Any] = {}
    for node in found:
        name = _unused(str(node.buffer.name), names, seen)
        made[node.buffer] = tirx.decl_buffer(sizes, str(node.buffer.ty.dtype), name=name,
                                             scope=FRAGMENT)  # fmt: skip
    places = [loop.loop_var for loop in loops]
    given = [_Assigned(n.buffer, body) for n in found]
    refused += [scalar.refusal(n) for n, scalar in zip(found, given, strict=True) if scalar.unset]
    first = [tirx.BufferStore(made[n.buffer], tirx.const(0, str(n.buffer.ty.dtype)), places,
                              span=n.span)
             for n, scalar in zip(found, given, strict=True) if scalar.conditional]  # fmt: skip
    body = _elements(body, made, places)
    body = tirx.SeqStmt([*first, body]) if first else body
    for loop in reversed(loops):
        body = relooped(loop, body)
    blocks = [tirx.AllocBuffer(made[node.buffer], node.annotations, node.span) for node in found]
    return tirx.SeqStmt([*blocks, body])


def _unused(name: str, names: set[str], seen: set[str]) -> str:
    """The name a scalar has, with a number behind it where another one has it."""
    made, count = name, 0
    while made in seen or (count and made in names):
        count += 1
        made = f"{name}_{count}"
    seen.add(made)
    return made


def _scalars(body: Any) -> list[tirx.AllocBuffer]:
    """Allocations of one element that belong to an iteration, and are used element by element."""
    found: list[tirx.AllocBuffer] = []
    other: set[Any] = set()

    def inner(loop: tirx.For) -> None:
        if is_parallel(loop):
            structural_walk(loop.body, [(tirx.AllocBuffer, lambda n: other.add(n.buffer))])

    structural_walk(body, [
        (tirx.AllocBuffer, found.append), (tirx.For, inner),
        (TensorRegion, lambda n: other.add(n.source)),
    ])  # fmt: skip
    return [n for n in found if n.buffer not in other and _is_one(n.buffer)]


def _is_one(block: Any) -> bool:
    return block.ty.storage_scope not in ("", "global") and all(
        constant(size) == 1 for size in block.ty.shape
    )


class _Assigned:
    """Whether a scalar has a value wherever it is read, and gets its first under conditions.

    A block whose elements are stored under conditions keeps the others, so it must have some: any
    will do where nobody reads them. What was given under conditions is there under the same ones.
    """

    def __init__(self, scalar: Any, body: Any) -> None:
        """Go through the body of the iteration that ``scalar`` belongs to."""
        self.scalar = scalar
        self.unset: Any = None
        self.conditional = False
        self._changing = {s.buffer for s in _stores(body)}
        self._under: list[frozenset[str]] = []
        self._after(body, known=False, where=frozenset())

    def refusal(self, node: tirx.AllocBuffer) -> LanguageError:
        """What to say of a scalar that is read without a value."""
        return LanguageError(f"{str(self.scalar.name)!r} is read where nothing may have given it a"
                             " value", code="UninitialisedBuffer",
                             location=location(self.unset) or location(node),
                             next_step="give it one where it is allocated,"
                             ' T.alloc_var("float32", init=0), or in every branch')  # fmt: skip

    def _after(self, stmt: Any, *, known: bool, where: frozenset[str]) -> bool:
        """Whether it certainly has a value after a statement."""
        if isinstance(stmt, tirx.SeqStmt):
            for child in stmt.seq:
                known = self._after(child, known=known, where=where)
            return known
        if isinstance(stmt, tirx.For):
            self._asked(stmt, stmt.extent, known=known, where=where)
            runs = (constant(stmt.extent) or 0) > 0
            return self._after(stmt.body, known=known, where=where) and (runs or known)
        if isinstance(stmt, tirx.IfThenElse):
            self._asked(stmt, stmt.condition, known=known, where=where)
            test, other = self._said(stmt.condition)
            then = self._after(stmt.then_case, known=known, where=where | test)
            if stmt.else_case is None:
                return known
            return self._after(stmt.else_case, known=known, where=where | other) and then
        if isinstance(stmt, tirx.BufferStore):
            for value in (stmt.value, *stmt.indices):
                self._asked(stmt, value, known=known, where=where)
            if stmt.buffer.same_as(self.scalar):
                self.conditional |= bool(where) and not known
                self._under.append(where)
                return True
            return known
        self._asked(stmt, stmt, known=known, where=where)
        return known

    def _said(self, condition: Any) -> tuple[frozenset[str], frozenset[str]]:
        """Names of a condition and of its contrary; of one that may change, names of no other."""
        loads: list[Any] = []
        names: list[int] = []  # of loops too, which may be called alike
        structural_walk(condition, [(TensorLoad, lambda n: loads.append(n.source)),
                                    (tvm.ir.Var, lambda v: names.append(hash(v)))])  # fmt: skip
        fixed = not self._changing.intersection(loads)
        text = f"{condition} of {names if fixed else id(condition)}"
        return frozenset({text}), frozenset({f"not {text}"})

    def _asked(self, stmt: Any, value: Any, *, known: bool, where: frozenset[str]) -> None:
        if known or any(under <= where for under in self._under):
            return
        read: list[Any] = []
        structural_walk(value, [(TensorLoad, lambda n: read.append(n.source))])
        if self.unset is None and any(source.same_as(self.scalar) for source in read):
            self.unset = stmt


def _stores(body: Any) -> list[tirx.BufferStore]:
    found: list[tirx.BufferStore] = []
    structural_walk(body, [(tirx.BufferStore, found.append)])
    return found


def _elements(body: Any, made: Mapping[Any, Any], places: Sequence[Any]) -> Any:
    """A body that uses the iteration's element of a block for each of its scalars."""

    def load(node: TensorLoad) -> Any:
        new = made.get(node.source)
        return node if new is None else tirx.BufferLoad(new, places, span=node.span)

    def store(node: tirx.BufferStore) -> Any:
        new = made.get(node.buffer)
        return node if new is None else tirx.BufferStore(new, node.value, places, span=node.span)

    def nothing(node: tirx.AllocBuffer) -> Any:
        return tirx.Evaluate(0) if node.buffer in made else node

    return structural_map(body, [
        (TensorLoad, load), (tirx.BufferStore, store), (tirx.AllocBuffer, nothing),
        (tirx.SeqStmt, without_declarations),
    ])  # fmt: skip
