"""Values that tensors of indices may have, against trying them."""

from __future__ import annotations

import numpy as np
from hypothesis import assume, given
from hypothesis import strategies as st

from golden.indices import drawn_indices, index_ranges
from golden.source import read_kernel
from tests.harness.compiler import samples

KERNEL = """
@T.prim_func
def main(K: T.Tensor(({size}, 32, 32), "bfloat16"), t: T.Tensor((3, 4), "int32"),
         Y: T.Tensor((3, {extent}, 32, 32), "bfloat16")):
    with T.Kernel(3) as bx:
        k = T.alloc_shared(({extent}, 32, 32), "bfloat16")
        for j in T.serial(4):
            i = t[bx, j]
            first = {start}
            T.copy(K[first : first + {extent}, :, :], k)
            T.copy(k, Y[bx, :, :, :])
"""


@given(
    st.sampled_from(["i * {a} + {c}", "i * {a} - {c}", "i + bx * {a} + j", "i // {a} + {c}",
                     "T.min(i, {a}) + {c}", "{c} + 9 - i * {a}", "T.max(i, j) + {c}"]),
    st.integers(1, 4), st.integers(0, 5), st.integers(1, 20), st.integers(1, 3),
)  # fmt: skip
def test_ranges_are_the_values_that_fit(start: str, a: int, c: int, size: int, extent: int) -> None:
    """The first run of values for which no block leaves the tensor: all of it, and no more."""

    def fits(i: int) -> bool:
        starts = [eval(text.replace("T.", ""), {"i": i, "bx": bx, "j": j})  # noqa: S307 (above)
                  for bx in range(3) for j in range(4)]  # fmt: skip
        return all(0 <= s <= size - extent for s in starts)

    text = start.format(a=a, c=c)
    good = [i for i in range(200) if fits(i)]
    assume(good and good[-1] < 199)
    kernel = read_kernel(
        samples.from_text(KERNEL.format(size=size, extent=extent, start=text), "main")
    )
    assert index_ranges(kernel) == {"t": (good[0], good[-1])}
    drawn = drawn_indices(kernel, 0)["t"]
    assert np.isin(drawn, good).all()
    assert (drawn == drawn_indices(kernel, 0)["t"]).all()
