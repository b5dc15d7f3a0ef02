"""Several ``T.Kernel`` in one function: kernels that run one after another, a function of each.

Cores do not meet inside a kernel, but every kernel begins when the one before it has ended. So what
TileLang launches in turn becomes a module of functions and the order they run in.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import tvm
from tvm import tirx
from tvm.tirx.script import builder as S

from harness.errors import LanguageError
from harness.language.layouts import KERNEL_LAYOUT
from harness.language.rewriting.distinct import named_apart
from harness.language.rewriting.extrema import told
from harness.language.rewriting.flat import DECLARED
from harness.language.rewriting.handed import marked
from harness.language.tensors import Tensor
from harness.language.walks import structural_walk

TT_SEQUENCE: Final = "tt.sequence"
"""Module attribute: names of its kernels in the order they run."""
_PARAMETERS: Final = "tt.parameters"
"""Module attribute: names of the tensors its source declares, in order."""
_MADE: Final = "tt.made_between"
"""Function attribute: tensors of T.alloc_global."""
_FOUND: Final = "tt_made_between"
_BY_TENSOR: Final = (KERNEL_LAYOUT, DECLARED)


@dataclass(frozen=True)
class Between:
    """``T.alloc_global(shape, dtype)`` before it has a name."""

    buffer: Any


def alloc_global(shape: Any, dtype: object = "float32", **_: object) -> Any:
    """``S = T.alloc_global(shape, dtype)``: memory that one T.Kernel leaves to a later one."""
    return Between(Tensor(shape, dtype))


def declare_between(parser: Any, name: str, made: Between) -> Any:
    """Give a T.alloc_global its name; it is a tensor of the kernels that use it.

    Raises:
        LanguageError: inside T.Kernel.
    """
    try:
        tensor = S.arg(name, made.buffer)
    except Exception:  # noqa: BLE001  (the builder's only complaint: not directly in the function)
        raise LanguageError("T.alloc_global inside T.Kernel: blocks of one grid do not meet",
                            next_step="write it before the first T.Kernel") from None  # fmt: skip
    parser.__dict__.setdefault(_FOUND, []).append(name)
    return tensor


def declare_made(parser: Any) -> None:
    """Attach the names of T.alloc_global to the function whose body was just parsed."""
    found = parser.__dict__.pop(_FOUND, [])
    if found:
        S.func_attr({_MADE: found})


def in_turn(func: tirx.PrimFunc) -> tirx.PrimFunc | tvm.IRModule:
    """The function; where it has several T.Kernel in a row, a module of one function for each.

    Raises:
        LanguageError: a statement between them, or T.alloc_global and only one T.Kernel.
    """
    parts = list(_parts(func.body))
    made = [str(name) for name in (func.attrs or {}).get(_MADE) or ()]
    if sum(map(_is_grid, parts)) < 2:
        if made:
            raise LanguageError(f"T.alloc_global {made[0]!r} and one T.Kernel: blocks of one grid"
                                " do not meet, so none reads what another left there",
                                next_step="use T.alloc_shared for what a block keeps to itself, or"
                                " read it in a second T.Kernel")  # fmt: skip
        return named_apart(func)
    if not all(map(_is_grid, parts)):
        raise LanguageError("a statement beside several T.Kernel",
                            next_step="move it into the T.Kernel it is for")  # fmt: skip
    name = str(func.attrs["global_symbol"])
    names = [f"{name}_{n}" for n in range(1, len(parts) + 1)]
    alone = [_alone(func, part, own) for part, own in zip(parts, names, strict=True)]
    apart = told(marked(alone))
    functions = dict(zip(names, apart, strict=True))
    declared = [str(p.name) for p in func.params if str(p.name) not in made]
    module = tvm.IRModule(functions).with_attr(TT_SEQUENCE, list(functions))
    return module.with_attr(_PARAMETERS, declared)


def parameters(kernel: Any) -> list[str]:
    """Names of the tensors that callers of a kernel, or of several in turn, give and get."""
    if not isinstance(kernel, tvm.IRModule):
        return [str(p.name) for p in kernel.params]
    if _PARAMETERS in (kernel.attrs or {}):
        return [str(name) for name in kernel.attrs[_PARAMETERS]]
    functions = (function for _, function in kernel.functions_items())
    return list(dict.fromkeys(str(p.name) for f in functions for p in f.params))


def steps(kernel: Any) -> list[Any]:
    """A kernel's function, or those of several in the order they run."""
    if not isinstance(kernel, tvm.IRModule):
        return [kernel]
    by_name = {var.name_hint: function for var, function in kernel.functions_items()}
    return [by_name[str(name)] for name in kernel.attrs[TT_SEQUENCE]]


def _parts(stmt: Any) -> Iterator[Any]:
    if isinstance(stmt, tirx.SeqStmt):
        for part in stmt.seq:
            yield from _parts(part)
    else:
        yield stmt


def _is_grid(stmt: Any) -> bool:
    return isinstance(stmt, tirx.AttrStmt) and stmt.attr_key == "thread_extent"


def _alone(func: tirx.PrimFunc, body: Any, name: str) -> tirx.PrimFunc:
    """The function with one T.Kernel, and of its tensors those used there."""
    used: set[Any] = set()
    structural_walk(body, [(tvm.ir.Var, used.add)])
    params = [p for p in func.params if p in used]
    names = {str(p.name) for p in params}
    made = tirx.PrimFunc(params, body, func.ret_type, span=func.span)
    for key, value in func.attrs.items():
        if key in _BY_TENSOR:
            value = {n: v for n, v in value.items() if str(n) in names}  # noqa: PLW2901
        if key != _MADE:
            made = made.with_attr(key, name if key == "global_symbol" else value)
    return named_apart(made)
