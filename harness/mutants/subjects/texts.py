"""Kernels of fuzzing's grammar, whose texts can be read in other ways than by the dialect."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, Final

from harness.fuzz.campaigns.draw import batch
from harness.fuzz.campaigns.units import ALONE, units
from harness.fuzz.text import parse_kernel

DRAWN: Final = "drawn"
"""Their name among kernels."""
EXAMPLES: Final = 200
"""Texts that are drawn."""
EACH: Final = 5
"""Texts kept for every name of the dialect and every flag, the shortest."""
SIZE: Final = 32 * 64
"""As large as they count: they are tried after everything else."""
JOINED: Final = """\
@T.prim_func
def main(
    A1: T.Tensor((64, 64), "float32"),
    V2: T.Tensor((64,), "float32"),
    Y3: T.Tensor((64,), "float32"),
):
    with T.Kernel(T.ceildiv(64, 32), threads=128) as by:
        a4 = T.alloc_fragment((32, 64), "float32")
        v5 = T.alloc_fragment((32,), "float32")
        T.copy(A1[by * 32, 0], a4)
        T.copy(V2[by * 32], v5)
        T.reduce_max(a4, v5, dim=1, clear=False)
        T.copy(v5, Y3[by * 32])
"""
"""What draws seldom store: a reduction that goes on from what was there."""
BACKWARDS: Final = """\
@T.prim_func
def main(A1: T.Tensor((32, 32), "float32"), Y2: T.Tensor((32, 32), "float32")):
    with T.Kernel(1) as by:
        a3 = T.alloc_fragment((32, 32), "float32")
        b4 = T.alloc_fragment((32, 32), "float32")
        T.copy(A1[0, 0], a3)
        T.cumsum(a3, b4, dim=1, reverse=True)
        T.copy(b4, Y2[0, 0])
"""
"""And running sums from the end."""


@lru_cache(maxsize=1)
def texts() -> tuple[str, ...]:
    """The shortest of the drawn texts that use each name of the dialect, or a flag."""
    found = [case.kernel for unit in units(1, EXAMPLES, ALONE) for case in batch(unit)]
    using: dict[str, list[str]] = {}
    for text in sorted(found, key=len):
        for name in set(re.findall(r"T\.\w+|\w+=True|\w+=False", text)):
            using.setdefault(name, []).append(text)
    kept = {text for few in using.values() for text in few[:EACH]}
    return tuple(sorted({JOINED, BACKWARDS, *kept}, key=len))


def drawn(N: int = SIZE, number: int = 0) -> Any:
    """The kernel of a text; ``N`` is for order alone."""
    del N
    return parse_kernel(texts()[number])


def no_reference(*arrays: Any) -> tuple[Any, ...]:
    """Nobody has computed it by hand."""
    del arrays
    return ()
