"""Elements that T.Parallel and stores read where memory says, asked for before any is computed.

So it shows whether they lie in their tensor.
"""

from __future__ import annotations

from contextlib import suppress
from functools import lru_cache
from typing import Any

import numpy as np
import tvm

from golden.errors import GoldenError
from golden.interpret import tree
from golden.interpret.expressions import Evaluator
from golden.interpret.space import Along, Bound, Space
from golden.named import told
from golden.walks import structural_walk


@lru_cache(maxsize=1 << 10)
def chooses(stmt: tree.Stmt) -> bool:
    """Whether an index of what a statement reads is one that a tensor says."""
    found: list[Any] = []
    for part in tree.below(stmt):
        if isinstance(part, tree.Store):
            for expr in (part.value, *part.indices):
                structural_walk(expr.origin, [(tvm.ir.TensorLoad, found.append)])
    return any(told(index, stmt.names) for load in found for index in load.indices[:])


def ask(stmt: tree.Stmt, space: Space) -> None:
    """Read what a statement reads, of loops the first iteration, as copies are held against it.

    Tensors note how far outside they were read; what is no index is left aside.
    """
    with suppress(GoldenError):
        _ask(stmt, space)


def _ask(stmt: tree.Stmt, space: Space) -> None:
    env, evaluator = space.chunk.env, Evaluator(space)
    match stmt:
        case tree.Store():
            for expr in (*stmt.indices, stmt.value):
                _read(expr, space)
        case tree.Bind():
            _read(stmt.value, space)
            if stmt.value.dtype.startswith("int"):
                env[stmt.var] = _kept(space, evaluator.integer(stmt.value))
        case tree.If():
            for part, where in zip(stmt.inside, _sides(stmt.condition, space), strict=False):
                if where is not None:
                    ask(part, where)
        case tree.Loop():
            start, extent = evaluator.integer(stmt.start), evaluator.integer(stmt.extent)
            inner = space
            if stmt.kind in tree.PARALLEL:
                inner = space.extended(1)
                env[stmt.var] = Along(space.rank, np.zeros(1, np.int64))
                extent = np.asarray(extent)[..., None] if np.ndim(extent) else extent
            else:
                env[stmt.var] = _kept(space, start)
            ask(stmt.body, inner.where(np.asarray(extent > 0)) if np.ndim(extent) else inner)
            del env[stmt.var]
        case _:
            for part in stmt.inside:
                ask(part, space)


def _kept(space: Space, value: Any) -> Any:
    """A value as a name keeps it: over all blocks of the chunk, however many are active."""
    if np.ndim(value) == 0:
        return int(value)
    full = np.zeros((len(space.chunk.numbers), *np.shape(value)[1:]), np.int64)
    full[space.chunk.lanes] = value
    return Bound(full)


def _sides(condition: tree.Expr, space: Space) -> tuple[Space | None, Space | None]:
    """Where a condition holds and where it does not; None where that is unknown, or nowhere."""
    _read(condition, space)
    try:
        test = Evaluator(space).truth(condition)
    except GoldenError:
        return None, None
    if isinstance(test, (bool, np.bool_)):
        return (space, None) if test else (None, space)
    if not isinstance(test, np.ndarray):
        return None, None
    return space.where(test), space.where(~test)


def _read(expr: tree.Expr, space: Space) -> None:
    """Elements of tensors below an expression, each where it is asked for."""
    match expr:
        case tree.Select():
            yes, no = _sides(expr.condition, space)
            for side, where in ((expr.yes, yes), (expr.no, no)):
                if where is not None:
                    _read(side, where)
        case tree.Logic():
            first, second = _sides(expr.a, space)
            other = {"And": first, "Or": second}.get(expr.kind)
            if other is not None:
                _read(expr.b, other)
        case tree.Load():
            for index in expr.indices:
                _read(index, space)
            if expr.buffer is not None and expr.buffer.is_tensor:
                with suppress(GoldenError):
                    Evaluator(space).value(expr)
        case tree.Binary():
            _read(expr.a, space)
            _read(expr.b, space)
        case tree.Cast():
            _read(expr.value, space)
        case tree.Inverted():
            _read(expr.a, space)
        case tree.Call():
            for arg in expr.args:
                _read(arg, space)
