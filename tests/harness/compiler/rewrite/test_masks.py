"""Conditions inside T.Parallel become choices, branches or nothing."""

from __future__ import annotations

import textwrap

import pytest
from tvm import tirx

from harness.compiler.facts.kernel import read_kernel
from harness.compiler.facts.statements import statements
from harness.compiler.rewrite.masks import unmasked
from harness.errors import CompileError
from tests.harness.compiler import samples

HEAD = """
@T.prim_func
def main(A: T.Tensor((50, 64), "float32"), C: T.Tensor((50, 64), "float32")):
    with T.Kernel(2, 2) as (bx, by):
        s = T.alloc_fragment((32, 32), "float32")
        T.copy(A[by * 32, bx * 32], s)
        for i, j in T.Parallel(32, 32):
"""


def rewritten(lines: str) -> tuple[list[tirx.BufferStore], int]:
    """The stores of a nest's statements without conditions, and the branches left."""
    text = HEAD + textwrap.indent(textwrap.dedent(lines), " " * 12)
    nodes = list(statements(read_kernel(unmasked(samples.from_text(text, "main"))).body))
    stores = [n for n in nodes if isinstance(n, tirx.BufferStore)]
    return stores, sum(isinstance(n, tirx.IfThenElse) for n in nodes)


def test_what_only_says_that_the_element_exists_is_dropped() -> None:
    """A guard against the tensor's own end makes no choice, and no read of the tensor."""
    (store,), branches = rewritten("""
        if by * 32 + i < 50 and bx * 32 + j < 64:
            C[by * 32 + i, bx * 32 + j] = 1.0
    """)
    assert isinstance(store.value, tirx.FloatImm)
    assert branches == 0


def test_what_only_says_that_the_element_is_not_before_the_tensor_is_dropped() -> None:
    """A guard against the tensor's beginning makes no choice either, and one after it does."""
    for least, chosen in ((0, False), (1, True)):
        (store,), _ = rewritten(f"""
            if by * 32 + i - 32 >= {least}:
                C[by * 32 + i - 32, bx * 32 + j] = 1.0
        """)
        assert isinstance(store.value, tirx.Select) == chosen


def test_a_tighter_guard_keeps_the_rest() -> None:
    """A guard before the tensor's end keeps what lies between."""
    (store,), _ = rewritten("""
        if by * 32 + i < 49 and bx * 32 + j < 64:
            C[by * 32 + i, bx * 32 + j] = 1.0
    """)
    assert isinstance(store.value, tirx.Select)
    assert store.value.false_value.source.name == "C"
    assert "49" in str(store.value.condition)
    assert "64" not in str(store.value.condition)


def test_a_condition_on_the_block_is_a_branch() -> None:
    """What is the same all over the block decides outside the loops, as a branch of the cores."""
    stores, branches = rewritten("""
        if bx > 0:
            s[i, j] = 1.0
        else:
            s[i, j] = 2.0
    """)
    assert branches == 2
    assert not any(isinstance(s.value, tirx.Select) for s in stores)


def test_both_sides_are_one_store() -> None:
    """if, elif and else on one element read nothing of what was there."""
    (store,), _ = rewritten("""
        if i < j:
            s[i, j] = 1.0
        elif i == j:
            s[i, j] = 2.0
        else:
            s[i, j] = 3.0
    """)
    assert str(store.value).count("s[") == 0


def test_a_branch_of_one_side_is_not_the_other_side_s() -> None:
    """Where one side stores in some blocks only, the other side's store is one of its own."""
    stores, branches = rewritten("""
        if i < j:
            if bx == 0:
                s[i, j] = 1.0
        else:
            s[i, j] = 2.0
    """)
    assert [str(s.value).count("s[") for s in stores] == [1, 1]
    assert branches == 1


def test_a_condition_is_kept_from_its_own_stores() -> None:
    """A condition that reads what its branch changes is evaluated once, before the changes."""
    stores, _ = rewritten("""
        if s[i, j] > 0:
            s[i, j] = 0.0
            C[by * 32 + i, bx * 32 + j] = s[i, j]
    """)
    assert [s.buffer.name for s in stores] == ["mask", "s", "C"]


@pytest.mark.parametrize("lines", [
    "if i < j:\n    T.copy(s, C[by * 32, bx * 32])",
    ("if i < j:\n    C[by * 32 + i, bx * 32 + j] = 1.0\n    s[i, j] = 1.0\nelse:\n"
     "    s[i, j] = 2.0\n    C[by * 32 + i, bx * 32 + j] = 2.0"),
])  # fmt: skip
def test_what_has_no_such_form_is_refused_at_its_line(lines: str) -> None:
    """Other statements under a condition, and crossed stores to a tensor, name their line."""
    with pytest.raises(CompileError) as caught:
        rewritten(lines)
    assert caught.value.location
