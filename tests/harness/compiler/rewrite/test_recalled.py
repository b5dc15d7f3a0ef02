"""On-chip lists of indices: which become questions to their tensor, and which stay blocks."""

from __future__ import annotations

import textwrap

import pytest

import harness
from harness.compiler.facts.kernel import read_kernel
from harness.compiler.rewrite.recalled import recalled
from harness.errors import CompileError
from tests.harness.compiler import samples

KERNEL = """
@T.prim_func
def main(X: T.Tensor((4, 32, 64), "bfloat16"), t: T.Tensor({shape}, "{dtype}"),
         Y: T.Tensor((2, 32, 64), "bfloat16")):
    with T.Kernel(2) as b:
        x = T.alloc_shared((32, 64), "bfloat16")
        wanted = T.alloc_local((4,), "int32")
        T.clear(x)
{fill}
        for k in T.serial(4):
            if wanted[k] > 0:
                T.copy(X[k, 0, 0], x)
        T.copy(x, Y[b, 0, 0])
"""
LISTS = [
    "for v in T.serial(4):\n    wanted[v] = t[b, v]",
    "for v in T.Parallel(4):\n    wanted[v] = t[b, v]",
    "for v in T.serial(4):\n    wanted[v] = t[b, 3 - v] - 1",
    "T.copy(t[b, 0:4], wanted)",
    "T.copy(t[b, :], wanted)",
]
BLOCKS = [
    "for v in T.serial(3):\n    wanted[v] = t[b, v]",
    "for v in T.serial(4):\n    wanted[3 - v] = t[b, v]",
    "T.copy(t[b, 0:4], wanted)\nT.fill(wanted, 1)",
    "for v in T.serial(4):\n    wanted[v] = t[b, v]\nfor v in T.serial(4):\n    wanted[v] = 1",
    "for v in T.serial(4):\n    wanted[v] = t[b, v]\nwanted[2] = 1",
    'more = T.alloc_local((4,), "int32")\nT.copy(t[b, :], wanted)\nT.copy(wanted, more)',
    "T.fill(wanted, 1)",
    "if b > 0:\n    T.copy(t[b, 0:4], wanted)",
]


OTHERWISE = {
    "of another type": ("T.copy(t[b, :], wanted)", "(2, 4)", "float32"),
    "of bytes": ("T.copy(t[b, :], wanted)", "(2, 4)", "uint8"),
    "from beyond": ("T.copy(t[b, 0:4], wanted)", "(2, 3)", "int32"),
    "written later": (f"{LISTS[0]}\nT.copy(ones, t[b, :])", "(2, 4)", "int32"),
    "written before": (f"T.copy(ones, t[b, :])\n{LISTS[0]}", "(2, 4)", "int32"),
}


def kernel(fill: str, shape: str = "(2, 4)", dtype: str = "int32") -> object:
    """A kernel whose list is filled by some lines."""
    text = KERNEL.format(fill=textwrap.indent(fill, " " * 8), shape=shape, dtype=dtype)
    return samples.from_text(text, "main")


@pytest.mark.parametrize("fill", LISTS)
def test_a_list_of_indices_is_asked_of_its_tensor(fill: str) -> None:
    """No list is left on chip, and what is decided is what the list would have said."""
    func = kernel(fill)
    assert [str(b.name) for b in read_kernel(recalled(func)).onchip] == ["x"]
    verdict = harness.check(func, oracle="exact")
    assert verdict.passed, (verdict.reason, verdict.findings)


@pytest.mark.parametrize("fill", BLOCKS)
def test_what_is_no_list_of_indices_decides_nothing(fill: str) -> None:
    """Lists set in part, in another order, twice, or perhaps stay blocks, and are refused."""
    with pytest.raises(CompileError) as caught:
        harness.compile(kernel(fill))
    assert caught.value.code in ("DataDependent", "UnsupportedIndex", "UninitialisedBuffer")


@pytest.mark.parametrize("name", OTHERWISE)
def test_lists_that_are_not_what_their_tensor_holds_are_blocks(name: str) -> None:
    """Converted, padded or since changed, a list is no question to its tensor: not one is asked."""
    fill, shape, dtype = OTHERWISE[name]
    if "ones" in fill:
        fill = f'ones = T.alloc_local((4,), "int32")\nT.fill(ones, 1)\n{fill}'
    assert "wanted" in [
        str(b.name) for b in read_kernel(recalled(kernel(fill, shape, dtype))).onchip
    ]
