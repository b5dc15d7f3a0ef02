"""Tensors read and written by one block: ordered by data, or refused."""

from __future__ import annotations

import pytest

from harness.checking import check
from harness.errors import CompileError
from harness.fuzz.text import parse_kernel


def in_place(statements: list[str], rows: int = 64) -> str:
    """A kernel over A, read and written, and Y."""
    head = (
        f"@T.prim_func\ndef main(A: T.Tensor(({rows}, 32), 'float32'),"
        f" Y: T.Tensor(({rows}, 32), 'float32')):\n    with T.Kernel(1) as bx:\n"
        "        a = T.alloc_shared((32, 32), 'float32')\n"
        "        f = T.alloc_fragment((32, 32), 'float32')\n"
    )
    return head + "".join(f"        {line}\n" for line in statements)


READ = "T.copy(A[0, 0], a)"


@pytest.mark.parametrize(
    "statements",
    [
        [READ, "T.copy(a, f)", "T.copy(f, A[0, 0])", "T.copy(a, Y[0, 0])"],
        [READ, "T.fill(f, 1)", "T.copy(a, Y[0, 0])", "T.copy(f, A[0, 0])"],
        [READ, "T.fill(f, 1)", "T.copy(f, A[32, 0])", "T.copy(a, Y[0, 0])"],
    ],
)
def test_writes_that_wait_for_what_was_read_are_right(statements: list[str]) -> None:
    """Data from the read, a writer that waited for it, another region: each orders the two."""
    verdict = check(parse_kernel(in_place(statements)), oracle="exact")
    assert verdict.passed, f"{verdict.reason} {verdict.findings}"


@pytest.mark.parametrize(
    ("statements", "words"),
    [
        ([READ, "T.fill(f, 1)", "T.copy(f, A[0, 0])", "T.copy(a, Y[0, 0])"], "does not wait"),
        ([READ, "T.copy(a, A[0, 0])", "T.copy(A[0, 0], f)", "T.copy(f, Y[0, 0])"], "wrote it"),
    ],
)
def test_a_write_that_may_overtake_a_read_is_refused(statements: list[str], words: str) -> None:
    """What no data orders would be a race on the device; the statement is named."""
    with pytest.raises(CompileError, match=words) as caught:
        check(parse_kernel(in_place(statements)))
    assert caught.value.code == "InPlaceOrder"
    assert caught.value.location


def test_a_write_into_a_part_of_what_was_read_may_overtake_too() -> None:
    """Regions that begin elsewhere still share elements."""
    kernel = in_place(["T.copy(A[0, 0], b)", "T.fill(f, 1)", "T.copy(f, A[32, 0])",
                       "T.copy(b, Y[0, 0])"])  # fmt: skip
    block = "b = T.alloc_shared((64, 32), 'float32')"
    kernel = kernel.replace("        f = ", f"        {block}\n        f = ")
    with pytest.raises(CompileError, match="does not wait") as caught:
        check(parse_kernel(kernel))
    assert caught.value.code == "InPlaceOrder"
