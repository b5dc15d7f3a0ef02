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
        ([READ, "T.copy(a, A[0, 0])", "T.copy(A[1, 0], f)", "T.copy(f, Y[0, 0])"], "wrote it"),
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


BODY = ["for i, j in T.Parallel(32, 32):", "    f[i, j] = f[i, j] + 1.0"]


def looped(loops: list[str], load: str, store: str) -> str:
    """A load, a change and a store under loops."""
    inside = [f"T.copy({load}, f)", *BODY, f"T.copy(f, {store})", "T.copy(f, Y[0, 0])"]
    heads = ["    " * n + line for n, line in enumerate(loops)]
    return in_place(heads + ["    " * len(loops) + line for line in inside], rows=192)


FOUR, THREE = "for k in T.serial(4):", "for m in T.serial(3):"


@pytest.mark.parametrize(
    ("loops", "load", "store"),
    [
        ([FOUR], "A[k * 32, 0]", "A[k * 32 + 32, 0]"),
        (["for k in T.serial(3):"], "A[k * 32, 0]", "A[k * 64, 0]"),
        ([FOUR, THREE], "A[m * 32, 0]", "A[m * 32, 0]"),
        ([FOUR, THREE], "A[(k + m) * 32, 0]", "A[(k + m) * 32, 0]"),
    ],
)
def test_a_later_iteration_may_not_read_what_an_earlier_wrote(
    loops: list[str], load: str, store: str
) -> None:
    """Within one iteration such loads and stores are ordered; over iterations they are not."""
    with pytest.raises(CompileError, match="wrote it before") as caught:
        check(parse_kernel(looped(loops, load, store)))
    assert caught.value.code == "InPlaceOrder"


@pytest.mark.parametrize(
    ("loops", "load", "store"),
    [
        ([FOUR], "A[k * 32, 0]", "A[k * 32, 0]"),
        ([FOUR], "A[k * 32 + 32, 0]", "A[k * 32, 0]"),
        (["for k in T.serial(2):", THREE], "A[k * 96 + m * 32, 0]", "A[k * 96 + m * 32, 0]"),
        (["for k in T.serial(1):"], "A[k * 32, 0]", "A[k * 32 + 32, 0]"),
    ],
)
def test_iterations_that_touch_other_elements_are_right(
    loops: list[str], load: str, store: str
) -> None:
    """What no later iteration reads may be written in place, whatever the loops."""
    assert check(parse_kernel(looped(loops, load, store)), oracle="exact").passed


def counted(load: str, store: str) -> str:
    """The same under a loop as long as its block's number says, each block in its own columns."""
    text = looped(["for k in T.serial(bx + 1):"], load, store).replace("T.Kernel(1)", "T.Kernel(2)")
    return text.replace("(192, 32)", "(192, 64)").replace(", 0]", ", bx * 32]")


def test_loops_of_unknown_length_are_right_where_nothing_moves_with_them() -> None:
    """What lies apart in one iteration lies apart however many there are."""
    assert check(parse_kernel(counted("A[0, 0]", "A[160, 0]")), oracle="exact").passed


def test_loops_of_unknown_length_are_refused_where_steps_may_meet() -> None:
    """Reads that move towards what was written come to it, if the loop is long enough."""
    with pytest.raises(CompileError, match="wrote it before"):
        check(parse_kernel(counted("A[k * 32, 0]", "A[160, 0]")))


def test_what_is_read_beside_a_written_part_is_no_copy_of_it() -> None:
    """A load that shares some elements with an earlier store is refused as one of the same."""
    kernel = in_place(["T.copy(A[0, 0], a)", "T.copy(a, A[0, 0])", "T.copy(A[0, 0], b)",
                       "T.copy(b, Y[0, 0])"])  # fmt: skip
    kernel = kernel.replace("T.copy(A[0, 0], b)", "T.copy(A[0:64, 0:32], b)")
    block = "b = T.alloc_shared((64, 32), 'float32')"
    kernel = kernel.replace("        f = ", f"        {block}\n        f = ")
    with pytest.raises(CompileError, match="wrote it before"):
        check(parse_kernel(kernel))
