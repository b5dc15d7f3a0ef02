"""Tensors that one of several kernels in turn writes and another uses: they lie one way for all.

Each kernel is compiled by itself, and could choose another way than the one it is handed the tensor
in. So it is told which ones it has to leave as they stand.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

from tvm import tirx
from tvm.ir import Call, TensorRegion

from harness.language.ops import WRITES
from harness.language.walks import structural_walk

TT_HANDED: Final = "tt.handed"
"""Function attribute: names of such tensors."""


def marked(functions: Sequence[tirx.PrimFunc]) -> list[tirx.PrimFunc]:
    """Kernels in the order they run, each with the names of what is handed to it or on from it."""
    written = set[str]().union(*map(_written, functions))
    users = Counter(name for func in functions for name in {str(p.name) for p in func.params})
    out = []
    for func in functions:
        names = sorted(n for p in func.params if (n := str(p.name)) in written and users[n] > 1)
        out.append(func.with_attr(TT_HANDED, names) if names else func)
    return out


def handed(func: tirx.PrimFunc) -> frozenset[str]:
    """Names of a kernel's tensors that kernels before it or after it use as well."""
    return frozenset(str(name) for name in (func.attrs or {}).get(TT_HANDED) or ())


def _written(func: tirx.PrimFunc) -> set[str]:
    """Names of what a kernel stores to."""
    found: set[str] = set()

    def call(node: Call) -> None:
        at = WRITES.get(str(getattr(node.op, "name", "")))
        if at is not None and isinstance(node.args[at], TensorRegion):
            found.add(str(node.args[at].source.name))

    def store(node: tirx.BufferStore) -> None:
        found.add(str(node.buffer.name))

    structural_walk(func.body, [(Call, call), (tirx.BufferStore, store)])
    return found
