"""How many scalar multiplications a kernel's products ask for."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from tvm import tirx
from tvm.ir import Call

from harness.compiler.facts.kernel import read_kernel
from harness.compiler.facts.statements import children
from harness.compiler.facts.values import value_of
from harness.language.ops import GEMM


def multiplications(func: Any) -> int | None:
    """Scalar multiplications of all T.gemm calls of a kernel, over its whole grid.

    None where a loop or condition around one depends on what is not known from the grid.
    """
    kernel = read_kernel(func)
    z, y, x = (
        axis.reshape(-1)
        for axis in np.meshgrid(*(np.arange(g) for g in reversed(kernel.grid)), indexing="ij")
    )
    env = {v: at for v, at in zip(kernel.block_vars, (x, y, z), strict=True) if v is not None}
    times = np.ones(math.prod(kernel.grid), np.int64)
    return _Counter().count(kernel.body, env, times)


class _Counter:
    """Walks a kernel's body with how often each block of the grid comes by."""

    def count(self, stmt: Any, env: Mapping[Any, Any], times: Any) -> int | None:
        """Multiplications below a statement."""
        parts: list[int | None] = [_gemm(stmt, times)]
        if isinstance(stmt, tirx.For):
            extent = value_of(stmt.extent, env)
            inner = self.count(stmt.body, env, times if extent is None
                               else times * np.maximum(extent, 0))  # fmt: skip
            parts.append(inner if extent is not None or inner == 0 else None)
        elif isinstance(stmt, tirx.IfThenElse):
            taken = value_of(stmt.condition, env)
            known = taken if taken is not None else np.ones(1, np.bool_)
            for child, share in zip(children(stmt), (known, np.logical_not(known)), strict=False):
                inner = self.count(child, env, times * share if taken is not None else times)
                parts.append(inner if taken is not None or inner == 0 else None)
        else:
            parts += [self.count(child, env, times) for child in children(stmt)]
        return None if None in parts else sum(p for p in parts if p is not None)


def _gemm(stmt: Any, times: Any) -> int:
    """Multiplications of one statement, if it is a gemm."""
    call = stmt.value if isinstance(stmt, tirx.Evaluate) else None
    if not isinstance(call, Call) or getattr(call.op, "name", "") != GEMM:
        return 0
    a, b, c = (math.prod(int(r.extent) for r in region.region[:]) for region in call.args[:3])
    return math.isqrt(a * b * c) * int(times.sum())
