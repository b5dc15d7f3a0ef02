"""Names for values inside T.Parallel: they stand for their expression while what it reads holds.

``x = a[i, j] * 2`` gives no statement: ``x`` is put in where it is used. Once a store changes a
block the expression reads, the name would mean something else: from there on it is refused.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn

import tvm
from tvm.script.parser._core import doc

from harness.errors import LanguageError
from harness.language.walks import structural_walk


def buffers_read(expr: Any) -> list[Any]:
    """Buffers an expression reads."""
    found: list[Any] = []
    structural_walk(expr, [(tvm.ir.TensorLoad, lambda load: found.append(load.source))])
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
        self.changed: list[Any] = []
        """Buffers stored to in this part of a branch, or in the nest."""
        self.own: list[Any] = []
        """Scalars allocated inside the nest, which every iteration has for itself."""
        self.parts: list[Any] = []
        """Those stored to in the parts of the branch that is being read."""

    def note(self, key: Any, value: Any) -> None:
        """A name and the value it stands for."""
        self.reads[key] = buffers_read(value)

    def stored(self, buffer: Any) -> list[Any]:
        """Names that a store to ``buffer`` makes stale."""
        stale = [k for k, read in self.reads.items() if any(b.same_as(buffer) for b in read)]
        for key in stale:
            del self.reads[key]
        return stale


def outdate(parser: Any, buffer: Any) -> None:
    """Names of values that read ``buffer`` are stale, after the loop around it too."""
    parser.tt_locals.changed.append(buffer)
    for name in parser.tt_locals.stored(buffer):
        parser.var_table.name2value[name][-1] = Stale(name, buffer.name)


@contextmanager
def branch(parser: Any) -> Iterator[None]:
    """A branch: what its parts stored to makes names stale after it."""
    nest = getattr(parser, "tt_locals", None)
    if nest is None:
        yield
        return
    around, nest.parts = nest.parts, []
    yield
    stored, nest.parts = nest.parts, around
    for buffer in stored:
        outdate(parser, buffer)


@contextmanager
def part(parser: Any) -> Iterator[None]:
    """A part of a branch: what it stores to is as it was in the other part."""
    nest = getattr(parser, "tt_locals", None)
    if nest is None:
        yield
        return
    reads, around = dict(nest.reads), nest.changed
    values = {name: parser.var_table.name2value[name][-1] for name in reads}
    nest.changed = []
    yield
    nest.parts += nest.changed
    nest.reads, nest.changed = reads, around
    for name, value in values.items():
        parser.var_table.name2value[name][-1] = value


def outdate_before(parser: Any, body: Sequence[Any]) -> None:
    """Names bound before a loop whose body stores what they read are stale from its start on.

    In its second iteration they would mean something else. What a call stores is not seen here, so
    calls in the place of statements outdate them all.
    """
    found = _Stores()
    for stmt in body:
        found.visit(stmt)
    nest = parser.tt_locals
    known = parser.var_table.get()
    meant = [known.get(name) for name in found.names]
    stored = [getattr(value, "source", value) for value in meant]  # a scalar's name is a load
    for buffer in {b for read in nest.reads.values() for b in read}:
        if found.calls or buffer.name in found.names or any(b is not None and buffer.same_as(b)
                                                            for b in stored):  # fmt: skip
            outdate(parser, buffer)


class _Stores(doc.NodeVisitor):
    """Names of what statements store to."""

    def __init__(self) -> None:
        self.names: set[str] = set()
        self.calls = False

    def _target(self, node: Any) -> None:
        target = node.value if isinstance(node, doc.Subscript) else node
        if isinstance(target, doc.Name):
            self.names.add(target.id)
        elif isinstance(node, doc.Subscript):
            self.calls = True  # of what, only evaluating tells

    def visit_Assign(self, node: Any) -> None:
        for target in node.targets:
            self._target(target)

    def visit_AugAssign(self, node: Any) -> None:
        self._target(node.target)

    def visit_Expr(self, node: Any) -> None:
        del node
        self.calls = True
