"""A number of a tensor decides and places alike, whichever way the source hands it on."""

from __future__ import annotations

import textwrap

import pytest

import harness
from golden.source import read_kernel
from golden.tables.decisions import deciding_values
from tests.harness.compiler import samples

KERNEL = """
@T.prim_func
def main(X: T.Tensor((4, 32, 64), "bfloat16"), t: T.Tensor((2, 4), "{dtype}"),
         Y: T.Tensor((2, 32, 64), "bfloat16")):
    with T.Kernel(2) as b:
        x = T.alloc_shared((32, 64), "bfloat16")
        T.clear(x)
{made}
        for k in T.serial(4):
{use}
        T.copy(x, Y[b, 0, 0])
"""
WAYS = {
    "itself": ("", "", "t[b, k]{step}"),
    "a name": ("", "n = t[b, k]{step}", "n"),
    "a variable": ('n = T.alloc_var("int32")', "n = t[b, k]{step}", "n"),
    "a list of one": ('n = T.alloc_local((1,), "int32")', "n[0] = t[b, k]{step}", "n[0]"),
    "a list": ('n = T.alloc_local((4,), "int32")\nfor v in T.serial(4):\n    n[v] = t[b, v]{step}',
               "", "n[k]"),
}  # fmt: skip
USES = {"if": "if {n} > 0:\n    T.copy(X[k, 0, 0], x)", "place": "T.copy(X[{n}, 0, 0], x)"}


def source(way: str, dtype: str, step: str, use: str) -> object:
    """A kernel that uses a number of ``t``, ``step`` added, in one way."""
    made, first, number = (part.format(step=step) for part in WAYS[way])
    lines = f"{first}\n{USES[use].format(n=number)}"
    return samples.from_text(
        KERNEL.format(dtype=dtype, made=textwrap.indent(made, " " * 8),
                      use=textwrap.indent(lines, " " * 12)), "main")  # fmt: skip


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize(("dtype", "step"), [("int32", " - 1"), ("uint8", "")])
@pytest.mark.parametrize("way", WAYS)
def test_numbers_are_the_same_whichever_way_they_come(
    way: str, dtype: str, step: str, use: str
) -> None:
    """Inputs in range are drawn, the tensor is passed as threads load it, the answer is right."""
    verdict = harness.check(source(way, dtype, step, use))
    assert verdict.passed, (verdict.reason, verdict.findings)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("step", ["", " - 1", " + 5", " * 3", " // 4"])
def test_values_are_drawn_that_decide_both_ways(way: str, step: str) -> None:
    """What is computed on the way to a comparison moves the values worth trying."""
    values = deciding_values(read_kernel(source(way, "int32", step, "if")))["t"]
    outcomes = {eval(f"t{step} > 0", {"t": value}) for value in values}  # noqa: S307 (above)
    assert outcomes == {False, True}
