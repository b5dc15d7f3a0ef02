"""Two kernels in turn: what the first leaves in device memory the second reads.

The second has the extents of what it reads and blocks of its own, so that the grids, and the cores
that write and read a part, differ.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Final

from hypothesis import strategies as st

from harness.fuzz.kernels.grammar import DTYPES, scenes
from harness.fuzz.kernels.scene import Scene, Tensor

BLOCKS: Final = 48
"""Blocks of the second kernel at most: each is executed by NumPy one after another."""
_SIDES: Final = (32, 64, 16, 96, 8, 48, 1)


@st.composite
def followed(draw: st.DrawFn, first: Scene) -> tuple[Scene, str] | None:
    """A second kernel and the name of the tensor between; None where it would read nothing."""
    left = [t for t in first.used() if t.written and len(t.shape) > 1 and t.dtype in DTYPES
            and not any(t.name == name for name, _ in first.whole_inputs)
            and t.name.startswith("Y") and t.name not in first.told]  # fmt: skip
    if not left or first.numbering:
        return None
    between = draw(st.sampled_from(left))
    second = draw(scenes(begun=draw(_like(first, between))))
    read = [t for t in second.used() if not t.written and _same(t, between)
            and t.name not in (*second.tables, *second.runs, *second.turned)]  # fmt: skip
    if not read or second.numbering:
        return None
    chosen = draw(st.sampled_from(read)).name
    name = re.compile(rf"\b{chosen}\b")
    second.lines = [name.sub(between.name, line) for line in second.lines]
    second.tensors = [replace(between, written=False) if t.name == chosen else t
                      for t in second.tensors]  # fmt: skip
    return second, between.name


@st.composite
def _like(draw: st.DrawFn, first: Scene, between: Tensor) -> Scene:
    """A kernel with nothing in it yet that may read a tensor whole."""
    *lead, M, N = between.shape
    axes = 3 if lead else draw(st.sampled_from((2, 1)))
    tall = [n for n in _SIDES if (n >= 32 or axes < 3) and -(-M // n) <= BLOCKS]
    bm = draw(st.sampled_from(tall))
    wide = [n for n in _SIDES[:2] if -(-M // bm) * -(-N // n) <= BLOCKS]
    bn = N if axes == 1 or not wide else draw(st.sampled_from(wide))
    K = draw(st.integers(1, 96))
    return Scene(M, N, K, lead[0] if lead else 1, bm, bn, draw(st.sampled_from((32, 64))), axes,
                 between.dtype, count=first.count)  # fmt: skip


def _same(one: Tensor, other: Tensor) -> bool:
    return (one.shape, one.dtype) == (other.shape, other.dtype)
