"""The second reading of a kernel's text: it agrees with the parser, and notices a misreading."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.fuzz.campaigns.units import FOCI
from harness.fuzz.case import Case
from harness.fuzz.judge import READ_TWICE, run_case
from harness.fuzz.kernels.grammar import kernels
from harness.fuzz.text import parse_kernel
from harness.language.parsing import assign as assignments
from harness.language.parsing.built import NotDrawnError, build, difference
from tests.harness.fuzz.shares import with_share

KERNEL = """@T.prim_func
def main(
    A: T.Tensor((64, 96), "bfloat16"),
    Y: T.Tensor((64, 96), "float32"),
):
    with T.Kernel(T.ceildiv(96, 32), T.ceildiv(64, 32), threads=128) as (bx, by):
        a = T.alloc_shared((32, 32), "bfloat16")
        b = T.alloc_fragment((32, 32), "float32")
        T.copy(A[by * 32, bx * 32], a)
        for i, j in T.Parallel(32, 32):
            b[i, j] = (a[i, j] - (3.0 * a[i, j]))
        for i, j in T.Parallel(32, 32):
            b[i, j] -= T.if_then_else(a[i, j] > 0.5, a[i, j], T.cast(0.0, "float32"))
        T.copy(b, Y[by * 32, bx * 32])
"""


@given(st.sampled_from([f for f in FOCI if f != "plan"]).flatmap(kernels))
def test_both_readings_of_a_drawn_kernel_are_one(kernel: str) -> None:
    """Whatever the grammar draws, the parser and Python read the same kernel in it."""
    assert difference(parse_kernel(kernel), build(kernel)) == ""


def test_a_parser_that_misreads_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """A store to the wrong element is self-consistent from the IR on; only the text tells."""
    builder: Any = vars(assignments)["S"]
    true = builder.buffer_store
    case = with_share(Case(kernel=KERNEL.replace("b[i, j] -= ", "b[i, j] = ")), READ_TWICE)
    assert run_case(case).oracle == "exact+text"

    def turned(buffer: Any, value: Any, indices: Any, *rest: Any) -> Any:
        return true(buffer, value, indices[::-1], *rest)

    with monkeypatch.context() as patch:
        patch.setattr(assignments, "S", _Patched(builder, buffer_store=turned))
        found = run_case(case)
    assert found.key == ("wrong", "text", "parser", "Parallel")
    assert "b[j, i]" in found.message
    assert "b[i, j]" in found.message


class _Patched:
    def __init__(self, true: Any, **changes: Any) -> None:
        self.true, self.changes = true, changes

    def __getattr__(self, name: str) -> Any:
        return self.changes.get(name, getattr(self.true, name))


def test_names_are_compared_too() -> None:
    """A buffer of another name is another plan, though the structure is the same."""
    other = KERNEL.replace("a[", "c[").replace(" a = ", " c = ").replace(", a)", ", c)")
    assert "alloc" in difference(parse_kernel(KERNEL), build(other))


@pytest.mark.parametrize(
    "line",
    ["x = a[i, j] * 2.0", "b[i, j] = a[i, j] if i > 3 else 0.0", "assert i > 3",
     "while i > 3: pass", "b[i, j] = T.if_then_else(i > 3 and j > 3, 1.0, 2.0)"],
)  # fmt: skip
def test_what_is_not_drawn_is_not_read(line: str) -> None:
    """A text beyond the grammar is refused, not half read; the case then has no second reading."""
    kernel = KERNEL.replace("b[i, j] = (a[i, j] - (3.0 * a[i, j]))", line)
    with pytest.raises(NotDrawnError):
        build(kernel)


def test_a_case_beyond_the_grammar_is_judged_without_it() -> None:
    """A case somebody wrote is no crash where the second reading does not know a statement."""
    kernel = KERNEL.replace("b[i, j] = (a", "x = a[i, j]\n            b[i, j] = x + (a")
    assert run_case(with_share(Case(kernel=kernel), READ_TWICE)).oracle == "exact"


NAMED = """@T.prim_func
def main(
    I: T.Tensor((2, 2), "int32"),
    G: T.Tensor((3, 64, 32), "float32"),
    Y: T.Tensor((64, 32), "float32"),
):
    with T.Kernel(T.ceildiv(64, 32), threads=128) as by:
        h = T.alloc_shared((32, 32), "float32")
        for k in T.serial(2):
            q = I[k, by] % 3
            p = by * 32
            T.copy(G[q, p, 0], h)
        T.copy(h, Y[by * 32, 0])
"""


def test_numbers_with_a_name_are_read_as_the_parser_reads_them() -> None:
    """What is read from memory is read once, and any other number stands for itself."""
    assert difference(parse_kernel(NAMED), build(NAMED)) == ""
    assert "% 2" in difference(parse_kernel(NAMED), build(NAMED.replace("% 3", "% 2")))
