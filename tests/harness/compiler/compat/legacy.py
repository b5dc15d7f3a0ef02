"""What the tests of legacy functions share."""

from __future__ import annotations

from typing import Any

from harness.compiler import attrs, compat
from tests.harness.compiler import samples

# T.Kernel(2, 3): six blocks on 64 cores, one each to the first six, nothing from block 6 on.
RUNS = [[i, 1] for i in range(6)] + [[6, 0]] * 58


def run(name: str, source: Any = None, **options: Any) -> Any:
    """The function a legacy function makes of a kernel (of a GEMM 96x64x128 unless told)."""
    func = samples.gemm() if source is None else source
    out = getattr(compat, name)(samples.module(main=func), **options)
    return out["main"] if "main" in {v.name_hint for v in out.functions} else out


def facts(func: Any, *keys: str) -> list[Any]:
    """Attributes as plain data."""
    return [attrs.get(func, key) for key in keys]
