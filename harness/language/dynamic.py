"""Sizes that are open when a kernel is written: one kernel per set of concrete sizes.

``T.dynamic("m")`` is a variable that stands for a size. A kernel that uses one is kept as text and
parsed again for every set of numbers; nothing with an open size reaches the pipeline.
"""

from __future__ import annotations

import ast
import contextlib
import contextvars
import inspect
import re
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NoReturn

import numpy as np
import tvm
from tvm import tirx

from harness.errors import LanguageError
from harness.language.dtypes import DType
from harness.language.regions import constant
from harness.language.walks import structural_map, structural_walk

_SIZES: contextvars.ContextVar[Mapping[str, int] | None] = contextvars.ContextVar(
    "tt_sizes", default=None
)
SYMBOL_PREFIX = "size."
"""Open sizes are variables of this prefix, so that they are told from loop variables."""


@contextlib.contextmanager
def sizes_known(sizes: Mapping[str, int]) -> Iterator[None]:
    """Let ``T.const`` and ``T.dynamic`` give these numbers."""
    token = _SIZES.set(dict(sizes))
    try:
        yield
    finally:
        _SIZES.reset(token)


def known_sizes() -> Mapping[str, int]:
    """The numbers that ``T.const`` and ``T.dynamic`` give now."""
    return _SIZES.get() or {}


def check_size(name: str, value: object) -> None:
    """Refuse what is no size.

    Raises:
        LanguageError: not a positive whole number.
    """
    if type(value) is not int or value < 1:
        raise LanguageError(f"size {name}={value!r} is not a positive number", code="OpenSize")


def split_names(names: str) -> list[str]:
    """``"M, N"`` or ``"M N"`` to its names.

    Raises:
        LanguageError: nothing in it, or not names.
    """
    found = [n for n in re.split(r"[,\s]+", str(names)) if n]
    if not found or not all(n.isidentifier() for n in found):
        raise LanguageError(f"{names!r} does not name sizes", next_step='write e.g. "M, N"')
    return found


def dynamic(names: str, dtype: object = "int32") -> Any:
    """``T.dynamic("m")``: a size known when the kernel is called; several names give a tuple."""
    del dtype
    known = known_sizes()
    values = [known[n] if n in known else tirx.Var(SYMBOL_PREFIX + n, "int32")
              for n in split_names(names)]  # fmt: skip
    return values[0] if len(values) == 1 else tuple(values)


def open_sizes(value: Any) -> list[str]:
    """Names of the open sizes in an expression or a container of them, in order."""
    found: dict[str, None] = {}

    def seen(var: Any) -> None:
        if var.name.startswith(SYMBOL_PREFIX):
            found[var.name.removeprefix(SYMBOL_PREFIX)] = None

    def walk(item: Any) -> None:
        if isinstance(item, tvm.ir.Expr):
            structural_walk(item, [(tvm.ir.Var, seen)])
        elif isinstance(item, (tuple, list)):
            for part in item:
                walk(part)
        elif isinstance(item, dict):
            walk(list(item.values()))

    walk(value)
    return list(found)


def with_sizes(value: Any, sizes: Mapping[str, int]) -> Any:
    """An expression, or a container of them, with numbers for open sizes."""
    if isinstance(value, (tuple, list)):
        return type(value)(with_sizes(v, sizes) for v in value)
    if isinstance(value, dict):
        return {k: with_sizes(v, sizes) for k, v in value.items()}
    if not isinstance(value, tvm.ir.Expr) or not open_sizes(value):
        return value

    def put(var: Any) -> Any:
        name = var.name.removeprefix(SYMBOL_PREFIX)
        return tirx.const(sizes[name], "int32") if name in sizes and name != var.name else var

    made = tvm.sym.Analyzer().simplify(structural_map(value, [(tvm.ir.Var, put)]))
    return int(made.value) if isinstance(made, tirx.IntImm) else made


class DynamicKernel:
    """A kernel with open sizes.

    Attributes:
        symbols: names of the open sizes, in order of appearance.
    """

    def __init__(self, func: Callable[..., Any], variables: dict[str, Any],
                 build: Callable[[Callable[..., Any], dict[str, Any]], Any]) -> None:  # fmt: skip
        """``build`` parses ``func`` in the scope of ``variables``."""
        self.func = func
        self.__name__ = func.__name__
        self._variables = variables
        self._build = build
        self._made: dict[tuple[int, ...], Any] = {}
        self.symbols = tuple(open_sizes(used_values(func, variables)))

    def shapes(self) -> dict[str, tuple[Any, ...]]:
        """Parameters' shapes by name; open sizes stand as variables."""
        out = {}
        for name, annotation in self.func.__annotations__.items():
            if isinstance(annotation, str):
                annotation = eval(annotation, self._variables)  # noqa: PLW2901, S307
            if hasattr(annotation, "ty"):
                out[name] = tuple(annotation.ty.shape)
            elif isinstance(annotation, DType):  # a single number
                out[name] = ()
        return out

    def specialize(self, **sizes: Any) -> Any:
        """The PrimFunc for these sizes; made once.

        Raises:
            LanguageError: a size is missing, unknown or not a positive number.
        """
        names = ", ".join(self.symbols)
        for name, value in sizes.items():
            if name not in self.symbols:
                raise LanguageError(f"{self.__name__!r} has no open size {name!r}", code="OpenSize",
                                    next_step=f"its open sizes are {names}")  # fmt: skip
            check_size(name, value)
        missing = [n for n in self.symbols if n not in sizes]
        if missing:
            raise LanguageError(f"{self.__name__!r} needs the size {missing[0]!r}", code="OpenSize",
                                next_step=f"give {names}")  # fmt: skip
        key = tuple(sizes[n] for n in self.symbols)
        if key not in self._made:
            variables = {k: with_sizes(v, sizes) for k, v in self._variables.items()}
            with sizes_known(sizes):
                self._made[key] = self._build(self.func, variables)
        return self._made[key]

    def __repr__(self) -> str:
        """Name and open sizes."""
        return f"DynamicKernel({self.__name__}, open: {', '.join(self.symbols)})"


def used_values(func: Callable[..., Any], variables: Mapping[str, Any]) -> list[Any]:
    """What the names in a function's text stand for."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(func)))
    except (OSError, SyntaxError):
        return []
    names = [n.id for n in ast.walk(tree) if isinstance(n, ast.Name)]
    return [variables[n] for n in dict.fromkeys(names) if n in variables]


def solve(
    shapes: Mapping[str, tuple[Any, ...]], arrays: Mapping[str, Any],
    given: Mapping[str, int] = MappingProxyType({}),
) -> dict[str, int]:  # fmt: skip
    """Open sizes from the shapes of arrays, beside those that are ``given``.

    Raises:
        LanguageError: ranks or sizes that contradict the declared shapes, or a size that several
            numbers could be.
    """
    sizes = dict(given)
    multiples: list[tuple[Any, int]] = []
    for name, declared in shapes.items():
        if name not in arrays:
            continue
        shape = tuple(np.shape(arrays[name]))
        if len(shape) != len(declared):
            raise LanguageError(f"{name} is of rank {len(shape)}, declared of rank {len(declared)}",
                                code="ShapeMismatch")  # fmt: skip
        for size, dim in zip(shape, declared, strict=True):
            if isinstance(dim, tvm.ir.Var) and dim.name.startswith(SYMBOL_PREFIX):
                sizes.setdefault(dim.name.removeprefix(SYMBOL_PREFIX), int(size))
            else:
                multiples.append((dim, int(size)))
    for dim, size in multiples:
        sizes |= _whole_multiple(with_sizes(dim, sizes), size)
    for name, declared in shapes.items():
        if name in arrays:
            known: tuple[Any, ...] = tuple(with_sizes(d, sizes) for d in declared)
            wanted = tuple(w if type(w) is int else constant(w) for w in known)
            if None in wanted:
                _ambiguous(name, declared, known)
            shape = tuple(np.shape(arrays[name]))
            if wanted != shape:
                raise LanguageError(f"{name} is of shape {shape}, declared as {wanted}",
                                    code="ShapeMismatch")  # fmt: skip
    return sizes


def _whole_multiple(dim: Any, size: int) -> dict[str, int]:
    """The one open size of a dimension, ``2 * N`` or ``N + 1``; nothing where several would do."""
    names = open_sizes(dim)
    if len(names) != 1:
        return {}
    at_0, at_1 = (with_sizes(dim, {names[0]: n}) for n in (0, 1))
    if type(at_0) is not int or type(at_1) is not int or at_1 == at_0:
        return {}
    found, rest = divmod(size - at_0, at_1 - at_0)
    var = tirx.Var(SYMBOL_PREFIX + names[0], "int32")
    linear = var * (at_1 - at_0) + at_0
    same = tvm.sym.Analyzer().can_prove_equal(structural_map(dim, [(tvm.ir.Var, lambda _: var)]),
                                              linear)  # fmt: skip
    return {names[0]: found} if same and rest == 0 and found > 0 else {}


def _ambiguous(name: str, declared: Sequence[Any], known: Sequence[Any]) -> NoReturn:
    """Refuse a shape whose sizes no array says.

    Raises:
        LanguageError: always.
    """
    found = open_sizes(tuple(known))

    def plain(var: Any) -> Any:
        return tirx.Var(str(var.name).removeprefix(SYMBOL_PREFIX), "int32")

    shape = ", ".join(str(structural_map(d, [(tvm.ir.Var, plain)])) for d in declared)
    raise LanguageError(f"{name} is declared as ({shape}), from which {', '.join(found)} does not"
                        " follow", code="OpenSize",
                        next_step=f"give it by name, {found[0]}=…, or declare a dimension that is"
                        f" {found[0]} itself")  # fmt: skip
