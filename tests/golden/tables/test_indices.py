"""Values that tensors of indices may have, against trying them."""

from __future__ import annotations

import itertools
import textwrap
from typing import Any

import numpy as np
from hypothesis import assume, given
from hypothesis import strategies as st

from golden.source import read_kernel
from golden.tables.indices import drawn_indices, index_ranges
from tests.harness.compiler import samples

KERNEL = """
@T.prim_func
def main(K: T.Tensor(({size}, 32, 32), "bfloat16"), t: T.Tensor((3, 4), "int32"),
         Y: T.Tensor((3, {extent}, 32, 32), "bfloat16")):
    with T.Kernel(3) as bx:
        k = T.alloc_shared(({extent}, 32, 32), "bfloat16")
        for j in T.serial(4):
            i = t[bx, j]
{start}
            T.copy(K[first : first + {extent}, :, :], k)
            T.copy(k, Y[bx, :, :, :])
"""
STARTS = [
    "first = i * {a} + {c}", "first = i * {a} - {c}", "first = i + bx * {a} + j",
    "first = i // {a} + {c}", "first = T.min(i, {a}) + {c}", "first = {c} + 9 - i * {a}",
    "first = T.max(i, j) + {c}", "first = T.if_then_else(bx > j, i + {c}, i * {a})",
    'first = T.alloc_var("int32")\nfirst = i * {a}\nif bx > j:\n    first = i + {c}',
    'some = T.alloc_local((4,), "int32")\nfor v in range(4):\n    some[v] = i + v\nfirst = some[j]',
]  # fmt: skip


class Python:
    """T as Python has it; lists are only as long as their uses."""

    min, max = min, max
    if_then_else = staticmethod(lambda condition, a, b: a if condition else b)
    alloc_var = staticmethod(lambda _: 0)
    alloc_local = staticmethod(lambda shape, _: [0] * shape[0])


@given(
    st.sampled_from(STARTS),
    st.integers(1, 4), st.integers(0, 5), st.integers(1, 20), st.integers(1, 3),
)  # fmt: skip
def test_ranges_are_the_values_that_fit(start: str, a: int, c: int, size: int, extent: int) -> None:
    """The first run of values for which no block leaves the tensor: all of it, and no more."""

    def fits(i: int) -> bool:
        starts = []
        for bx, j in itertools.product(range(3), range(4)):
            names: dict[str, Any] = {"T": Python, "i": i, "bx": bx, "j": j}
            exec(text, names)  # noqa: S102 (above)
            starts.append(names["first"])
        return all(0 <= s <= size - extent for s in starts)

    text = start.format(a=a, c=c)
    good = [i for i in range(200) if fits(i)]
    assume(good and good[-1] < 199)
    kernel = read_kernel(
        samples.from_text(
            KERNEL.format(size=size, extent=extent, start=textwrap.indent(text, " " * 12)), "main"
        )
    )
    assert index_ranges(kernel) == {"t": (good[0], good[-1])}
    drawn = drawn_indices(kernel, 0)["t"]
    assert np.isin(drawn, good).all()
    assert (drawn == drawn_indices(kernel, 0)["t"]).all()


USES = """
@T.prim_func
def main(K: T.Tensor(({size}, 32, 32), "bfloat16"), L: T.Tensor(({other}, 32, 32), "bfloat16"),
         t: T.Tensor((3, 4), "int32"), Y: T.Tensor((3, 32, 32), "bfloat16")):
    with T.Kernel(3) as bx:
        k = T.alloc_shared((32, 32), "bfloat16")
        y = T.alloc_fragment((32, 32), "bfloat16")
        T.clear(y)
        for j in T.serial(4):
            i = t[bx, j]
            T.copy(K[{start}, 0, 0], k)
            for r, s in T.Parallel(32, 32):
                y[r, s] += k[r, s] + L[{place}, r, s]
        T.copy(y, Y[bx, 0, 0])
"""
FORMS = [
    "i % {a}",
    "(i + {c}) % {a} + bx",
    "i + i % {a}",
    "i - bx % {a}",
    "i + {c}",
    "i // {a} + j",
]


@given(
    st.sampled_from(FORMS), st.sampled_from(FORMS), st.integers(2, 7), st.integers(0, 3),
    st.integers(1, 12), st.integers(1, 12),
)  # fmt: skip
def test_values_in_range_fit_every_use(
    start: str, place: str, a: int, c: int, size: int, other: int
) -> None:
    """Blocks and elements that one table places lie in their tensors, whatever is drawn of it.

    Where values from 0 on fit some are found.
    """
    first, second = start.format(a=a, c=c), place.format(a=a, c=c)

    def fits(i: int) -> bool:
        inside = [(eval(text, {"i": i, "bx": bx, "j": j}), limit)  # noqa: S307 (above)
                  for text, limit in ((first, size), (second, other))
                  for bx in range(3) for j in range(4)]  # fmt: skip
        return all(0 <= at < limit for at, limit in inside)

    text = USES.format(size=size, other=other, start=first, place=second)
    (low, high) = index_ranges(read_kernel(samples.from_text(text, "main")))["t"]
    assert all(fits(i) for i in range(low, min(high, low + 500) + 1)), (low, high)
    if fits(0) and fits(1):
        assert low == 0
        assert high >= 0
