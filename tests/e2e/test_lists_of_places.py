"""Pages and rows taken from lists on chip, which repeat what a tensor of indices holds."""

from __future__ import annotations

from typing import Any

import pytest

import harness
import harness.language as T
from harness.errors import HarnessError


def _pages(how: str) -> Any:
    """Pages of a cache added up, by a list of their numbers."""

    @T.prim_func
    def main(
        X: T.Tensor((8, 64, 64), "bfloat16"), P: T.Tensor((3, 4), "int32"),
        Y: T.Tensor((3, 64, 64), "float32"),
    ):  # fmt: skip
        with T.Kernel(3) as b:
            pages = T.alloc_shared((4,), "int32")
            x = T.alloc_shared((64, 64), "bfloat16")
            y = T.alloc_fragment((64, 64), "float32")
            if how == "loop":
                for v in T.serial(4):
                    pages[v] = P[b, v]
            elif how == "parallel":
                for v in T.Parallel(4):
                    pages[v] = P[b, v]
            else:
                T.copy(P[b, 0:4], pages)
            T.clear(y)
            for k in T.Pipelined(4, num_stages=2):
                T.copy(X[pages[k], :, :], x)
                for i, j in T.Parallel(64, 64):
                    y[i, j] += x[i, j]
            T.copy(y, Y[b, :, :])

    return main


def _rows(dtype: str) -> Any:
    """Rows of a table, each by its own number on chip."""

    @T.prim_func
    def main(
        X: T.Tensor((200, 64), dtype), P: T.Tensor((3, 48), "int32"),
        Y: T.Tensor((3, 48, 64), "float32"),
    ):  # fmt: skip
        with T.Kernel(3) as b:
            rows = T.alloc_shared((48,), "int32")
            x = T.alloc_shared((48, 64), dtype)
            T.copy(P[b, 0:48], rows)
            for i, j in T.Parallel(48, 64):
                x[i, j] = X[rows[i], j]
            T.copy(x, Y[b, :, :])

    return main


def _counted(dtype: str) -> Any:
    """Pages added as often as a byte says, one of them chosen by the bits of another."""

    @T.prim_func
    def main(
        X: T.Tensor((4, 32, 32), "float32"), N: T.Tensor((3, 2), dtype),
        P: T.Tensor((3,), "int32"), Y: T.Tensor((3, 32, 32), "float32"),
    ):  # fmt: skip
        with T.Kernel(3) as b:
            x = T.alloc_shared((32, 32), "float32")
            y = T.alloc_fragment((32, 32), "float32")
            T.copy(X[P[b] & 3, :, :], x)
            T.copy(x, y)
            for k in T.serial(N[b, 0]):
                T.copy(X[k, :, :], x)
                for i, j in T.Parallel(32, 32):
                    y[i, j] += x[i, j]
            T.copy(y, Y[b, :, :])

    return main


KERNELS = {
    "counted by int8": _counted("int8"),
    "counted by uint8": _counted("uint8"),
    "counted by int32": _counted("int32"),
    "loop": _pages("loop"),
    "parallel": _pages("parallel"),
    "copy": _pages("copy"),
    "rows": _rows("bfloat16"),
    "rows, float32": _rows("float32"),
}


@pytest.mark.parametrize("device", ["wormhole_n150", "blackhole_p150"])
@pytest.mark.parametrize("name", KERNELS)
def test_a_list_places_what_its_tensor_would(name: str, device: str) -> None:
    """The reader asks the tensor that the list repeats."""
    verdict = harness.check(KERNELS[name], device=device)
    assert verdict.passed, (verdict, verdict.reason, verdict.findings)


def test_a_list_that_is_computed_places_nothing() -> None:
    """Numbers that compute made are not asked of the tensor they came from."""

    @T.prim_func
    def main(
        X: T.Tensor((8, 32, 32), "float32"), P: T.Tensor((4,), "int32"),
        Y: T.Tensor((32, 32), "float32"),
    ):  # fmt: skip
        with T.Kernel(1):
            pages = T.alloc_shared((4,), "int32")
            x = T.alloc_shared((32, 32), "float32")
            T.copy(P, pages)
            for v in T.Parallel(4):
                pages[v] = 7 - pages[v]
            T.copy(X[pages[2], :, :], x)
            T.copy(x, Y)

    with pytest.raises(HarnessError, match="an index is read from 'pages'"):
        harness.compile(main)
