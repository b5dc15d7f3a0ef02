"""One minimal failing program per rule: each is found, named and located."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from simulator.errors import ArtifactError
from simulator.program import Stmt
from simulator.run import RunOptions
from tests.simulator.builders import Sketch, layout, loop, op, plus, times, when
from tests.simulator.pipes import COPY, READ, WRITE, codes, compute_of, pipe, run, without

READER: tuple[Stmt, ...] = (
    op("cb_reserve_back", 0, 1),
    READ,
    op("noc_async_read_barrier"),
    op("cb_push_back", 0, 1),
)
WRITER: tuple[Stmt, ...] = (
    op("cb_wait_front", 1, 1),
    WRITE,
    op("noc_async_write_barrier"),
    op("cb_pop_front", 1, 1),
)
FOUR = 4


def reader(*body: Stmt) -> Sketch:
    """The pipe with another reader body."""
    return pipe(FOUR, reader=(loop("t", FOUR, *body),))


def computing(*body: Stmt) -> Sketch:
    """The pipe with another compute body."""
    return pipe(FOUR, compute=compute_of(FOUR, *body))


def writer(*body: Stmt) -> Sketch:
    """The pipe with another writer body."""
    return pipe(FOUR, writer=(loop("t", FOUR, *body),))


def swap(body: tuple[Stmt, ...], name: str, *new: Stmt) -> tuple[Stmt, ...]:
    """A body with the ops of one name replaced."""
    out: list[Stmt] = []
    for stmt in body:
        out.extend(new if getattr(stmt, "name", None) == name else (stmt,))
    return tuple(out)


BROKEN: dict[str, tuple[str, Sketch]] = {
    "push without reserve": ("CBOverflow", reader(*without("cb_reserve_back", READER[2:]))),
    "push more than reserved": ("CBOverflow", reader(*READER[:3], op("cb_push_back", 0, 2))),
    "pop without wait": ("CBUnderflow", writer(op("cb_pop_front", 1, 1))),
    "pop more than waited for": (
        "CBUnderflow",
        writer(*WRITER[:3], op("cb_pop_front", 1, 2)),
    ),
    "write without reserve": ("CBWindow", reader(*READER[1:])),
    "write beyond the reserved pages": (
        "CBWindow",
        reader(READER[0], op("noc_async_read_page", "t", "A", plus(["get_write_ptr", 0], 2048))),
    ),
    "write beyond the buffer": (
        "StrayWrite",
        reader(READER[0], op("noc_async_read_page", "t", "A", plus(["get_write_ptr", 0], 4096))),
    ),
    "write in the middle of a page": (
        "CBWindow",
        reader(READER[0], op("noc_async_read_page", "t", "A", plus(["get_write_ptr", 0], 64))),
    ),
    "read without wait": ("CBWindow", writer(*WRITER[1:])),
    "copy beyond the window": (
        "CBWindow",
        computing(*swap(COPY, "copy_tile", op("copy_tile", 0, 1, 0))),
    ),
    "reserve more than there is": ("CBCapacity", reader(op("cb_reserve_back", 0, 3))),
    "wait for more than there is": ("CBCapacity", writer(op("cb_wait_front", 1, 3))),
    "negative count": ("OutOfBounds", reader(op("cb_reserve_back", 0, -1))),
    "consumer pushes": ("CBEndpoint", writer(op("cb_push_back", 1, 1))),
    "producer pops": ("CBEndpoint", reader(op("cb_pop_front", 0, 1))),
    "second producer": (
        "CBEndpoint",
        reader(op("cb_reserve_back", 1, 1)),
    ),
    "push before the read barrier": ("Unbarriered", reader(*READER[:2], READER[3])),
    "pop before the write has left": ("Unbarriered", writer(*WRITER[:2], WRITER[3])),
    "end with a write under way": (
        "Unbarriered",
        writer(*WRITER[:2], op("noc_async_writes_flushed"), WRITER[3]),
    ),
    "page beyond the tensor": (
        "OutOfBounds",
        reader(READER[0], op("noc_async_read_page", plus("t", 1), "A", ["get_write_ptr", 0]),
               *READER[2:]),
    ),
    "push of a page nobody wrote": ("UninitialisedRead", reader(READER[0], READER[3])),
    "copy of a tile nobody wrote": (
        "UninitialisedRead",
        computing(*swap(COPY, "copy_tile")),
    ),
    "pack beyond what math wrote": (
        "UninitialisedRead",
        computing(*swap(COPY, "pack_tile", op("pack_tile", 1, 1))),
    ),
    "math without acquire": ("DstProtocol", computing(*without("tile_regs_acquire"))),
    "wait without commit": ("DstProtocol", computing(*without("tile_regs_commit"))),
    "pack without wait": ("DstProtocol", computing(*without("tile_regs_wait"))),
    "no release": ("DstProtocol", computing(*without("tile_regs_release"))),
    "DST index beyond half sync": (
        "DstCapacity",
        computing(*swap(COPY, "copy_tile", op("copy_tile", 0, 0, 4))),
    ),
    "op without its init": (
        "StaleConfig",
        pipe(FOUR, compute=compute_of(FOUR, *COPY, head=(
            op("compute_kernel_hw_startup", "Regular", 0, 0, 1),))),
    ),
    "cast of other formats than its init's": (
        "StaleConfig",
        computing(*swap(COPY, "copy_tile", op("copy_tile", 0, 0, 0),
                        op("typecast_tile_init", "Float16_b", "Int32"),
                        op("typecast_tile", 0, "Float16_b", "UInt16"))),
    ),
    "rounding under another function's init": (
        "StaleConfig",
        computing(*swap(COPY, "copy_tile", op("copy_tile", 0, 0, 0),
                        op("rounding_op_tile_init"), op("sqrt_tile_init"), op("floor_tile", 0))),
    ),
    "op before start-up": ("StaleConfig", pipe(FOUR, compute=compute_of(FOUR, *COPY, head=()))),
    "two start-ups": (
        "StaleConfig",
        pipe(FOUR, compute=compute_of(FOUR, *COPY, head=(
            op("compute_kernel_hw_startup", "Regular", 0, 0, 1),) * 2)),
    ),
    "pages left over": (
        "DirtyExit",
        pipe(FOUR, writer=(loop("t", FOUR - 1, *WRITER),)),
    ),
    "nobody reads": ("Deadlock", pipe(FOUR, writer=())),
    "nobody writes": ("Deadlock", pipe(FOUR, reader=())),
    "blocks that straddle the end": (
        "CBWrap",
        pipe(FOUR, buffers={0: ("Float16_b", 3, "ncrisc", "compute"),
                            1: ("Float16_b", 2, "compute", "brisc")},
             reader=(loop("t", 2, op("cb_reserve_back", 0, 2),
                          loop("i", 2, op("noc_async_read_page", plus(times("t", 2), "i"), "A",
                                          plus(["get_write_ptr", 0], times("i", 2048)))),
                          op("noc_async_read_barrier"), op("cb_push_back", 0, 2)),)),
    ),
    "two reads into one page": ("Race", reader(*READER[:2], *READER[1:])),
    "every core writes every page": ("DoubleWrite", pipe(FOUR, cores=(2, 1))),
    "a page of another format": (
        "ShapeMismatch",
        pipe(FOUR, tensors={"A": layout("float32", (32, 128), "input"),
                            "C": layout("bfloat16", (32, 128), "output")}),
    ),
    "addresses that differ modulo 16": (
        "Misaligned",
        reader(*READER[:3], op("noc_async_read", 0, 0, plus(["get_write_ptr", 0], 8),
                               plus(["get_write_ptr", 0], 32), 16)),
    ),
    "division by zero": (
        "InvalidProgram",
        reader(op("cb_reserve_back", 0, ["//", 1, "t"])),
    ),
    "unknown name": ("InvalidProgram", reader(op("cb_reserve_back", 0, "nobody"))),
    "unknown op": ("InvalidProgram", reader(op("cb_reserve_everything", 0))),
    "op of another thread": ("InvalidProgram", reader(op("copy_init", 0))),
    "step of zero": (
        "InvalidProgram",
        pipe(FOUR, reader=(loop("t", FOUR, *READER).__class__(
            var="t", start=0, stop=4, step=0, body=READER),)),
    ),
}  # fmt: skip


ENDLESS = pipe(FOUR, reader=(loop("t", 10**9, op("noc_async_read_barrier")),))
LARGE = pipe(FOUR, buffers={0: ("Float16_b", 400, "ncrisc", "compute"),
                            1: ("Float16_b", 400, "compute", "brisc")})  # fmt: skip
OUTSIDE: dict[str, tuple[str, Sketch, str]] = {
    "BudgetSpent": ("a loop that takes too long", ENDLESS, "test_budgets_end_an_endless_program"),
    "L1Overflow": ("buffers that do not fit", LARGE, "test_buffers_that_do_not_fit_l1"),
}
"""Rules broken by more than a program's run, with their tests."""


@pytest.mark.parametrize("name", BROKEN)
def test_every_rule_has_its_finding(name: str) -> None:
    """The run stops with the rule's code first, at a place in a program, without a traceback."""
    code, sketch = BROKEN[name]
    result = run(sketch)
    assert codes(result)[:1] == [code]
    first = result.findings[0]
    assert first.core == (0, 0)
    assert first.message
    assert first.next_step
    if code != "DirtyExit":
        assert not result.completed
        assert first.program is not None
        assert first.path is not None


def test_a_right_program_has_no_finding() -> None:
    """The pipe the broken ones are made from is right."""
    result = run(pipe(FOUR))
    assert codes(result) == []
    assert result.completed


def test_floor_ceil_and_round_share_an_init() -> None:
    """One configuration serves the three, as on the device."""
    rounding = [op(f"{name}_tile", 0) for name in ("floor", "ceil", "round")]
    body = swap(COPY, "copy_tile", op("copy_tile", 0, 0, 0), op("rounding_op_tile_init"), *rounding)
    result = run(computing(*body))
    assert codes(result) == []
    assert result.completed


def test_format_change_without_reconfigure() -> None:
    """Packing to a Float32 buffer under a packer set up for bf16 is stale configuration."""
    buffers = {
        0: ("Float16_b", 2, "ncrisc", "compute"),
        1: ("Float32", 2, "compute", "brisc"),
    }
    head = (op("compute_kernel_hw_startup", "Regular", 0, 0, 0), op("copy_init", 0))
    tensors = {
        "A": layout("bfloat16", (32, 128), "input"),
        "C": layout("float32", (32, 128), "output"),
    }
    broken = pipe(
        FOUR, compute=compute_of(FOUR, *COPY, head=head), buffers=buffers, tensors=tensors
    )
    assert codes(run(broken)) == ["StaleConfig"]
    mended = (*head, op("pack_reconfig_data_format", 1))
    right = pipe(
        FOUR, compute=compute_of(FOUR, *COPY, head=mended), buffers=buffers, tensors=tensors
    )
    assert codes(run(right)) == []


def test_a_buffer_unpacked_to_dst_cannot_feed_the_fpu() -> None:
    """UnpackToDestFp32 excludes a buffer from FPU use; hardware would compute garbage silently."""
    body = tuple(
        op("add_tiles", 0, 0, 0, 0, 0) if getattr(s, "name", "") == "copy_tile" else s for s in COPY
    )
    head = (op("compute_kernel_hw_startup", "Regular", 0, 0, 1), op("add_init", 0, 0))
    sketch = pipe(
        FOUR,
        compute=compute_of(FOUR, *body, head=head),
        unpack_to_dest=frozenset({0}),
        buffers={
            0: ("Float32", 2, "ncrisc", "compute"),
            1: ("Float32", 2, "compute", "brisc"),
        },
        tensors={
            "A": layout("float32", (32, 128), "input"),
            "C": layout("float32", (32, 128), "output"),
        },
    )
    assert codes(run(sketch)) == ["ShapeMismatch"]


def test_two_cores_must_not_write_one_page() -> None:
    """Without a share of the work each, every core writes every page."""
    result = run(pipe(FOUR, cores=(2, 1)))
    assert codes(result) == ["DoubleWrite"]
    assert "page 0 of tensor C" in result.findings[0].message


def test_padding_is_poison_to_sums() -> None:
    """A product over padding nobody zeroed is found where it happens, not in the result."""
    from tests.simulator.builders import gemm

    sketch = gemm(32, 32, 50 + 14, (32, 32, 32), (1, 1))
    ragged = {
        "A": layout("bfloat16", (32, 50), "input"),
        "B": layout("bfloat16", (50, 32), "input"),
        "C": layout("float32", (32, 32), "output"),
    }
    sketch.tensors = ragged
    result = run(sketch)
    assert codes(result) == ["UninitialisedRead"]
    assert result.findings[0].program == "compute"


def test_zeroing_makes_padding_valid() -> None:
    """zero_tile_region after the barrier mends the last page of a ragged row."""
    zero = when(["==", "t", 1], op("zero_tile_region", 0, ["get_write_ptr", 0], 32, 18))
    body = (*READER[:3], zero, READER[3])
    tensors = {
        "A": layout("bfloat16", (32, 50), "input"),
        "C": layout("bfloat16", (32, 64), "output"),
    }
    result = run(pipe(2, reader=(loop("t", 2, *body),), tensors=tensors))
    assert codes(result) == []
    assert result.written["C"].all()
    assert (result.outputs["C"][:, 50:] == 0).all()


def test_zeroing_keeps_what_was_read_in_pieces() -> None:
    """Data that is no rectangle from the top left, with rows filled above it, is data."""
    tile = ["get_write_ptr", 0]
    below = [op("noc_async_read_partial_page", 0, "A", ["+", tile, at], at, 256)
             for at in (256, 768)]  # fmt: skip
    body = (op("cb_reserve_back", 0, 1), op("fill_tile_l1", 0, tile, 0.0), *below,
            op("noc_async_read_barrier"), op("zero_tile_region", 0, tile, 16, 18),
            op("cb_push_back", 0, 1))  # fmt: skip
    tensors = {
        "A": layout("bfloat16", (32, 18), "input"),
        "C": layout("bfloat16", (32, 32), "output"),
    }
    result = run(pipe(1, reader=body, tensors=tensors))
    assert codes(result) == []
    assert (result.outputs["C"][:8] == 0).all()
    assert result.outputs["C"][8, :18].tolist() == list(range(8 * 18, 9 * 18))
    assert (result.outputs["C"][:, 18:] == 0).all()


def test_zeroing_before_the_barrier_is_found() -> None:
    """The read may land after the zeros."""
    zero = op("zero_tile_region", 0, ["get_write_ptr", 0], 32, 18)
    assert codes(run(reader(*READER[:2], zero, *READER[2:]))) == ["Unbarriered"]


def test_deadlock_names_everyone() -> None:
    """The message has each waiting program with need and supply, and the cycle."""
    compute = compute_of(1, op("cb_reserve_back", 1, 2), op("cb_wait_front", 1, 1))
    buffers: dict[int, Any] = {
        0: ("Float16_b", 2, "ncrisc", "compute"),
        1: ("Float16_b", 2, "compute", "compute"),
    }
    result = run(pipe(FOUR, compute=compute, writer=(), buffers=buffers))
    assert codes(result) == ["Deadlock"]
    text = result.findings[0].message
    assert "needs 1 free pages of circular buffer 0 and has 0" in text
    assert "needs 1 pages of circular buffer 1 and has 0" in text
    assert "compute -> compute" in text


def test_buffers_that_share_memory() -> None:
    """One alias may be written only when the pages of the other have been read."""
    buffers = {
        0: ("Float16_b", 2, "ncrisc", "compute"),
        1: ("Float16_b", 2, "compute", "brisc"),
        2: ("Float16_b", 2, "ncrisc", "ncrisc"),
    }
    other = (
        op("cb_reserve_back", 2, 1),
        op("fill_tile_l1", 2, ["get_write_ptr", 2], 1.0),
        op("cb_push_back", 2, 1),
    )
    free = (op("cb_wait_front", 2, 1), op("cb_pop_front", 2, 1))
    for body, want in (((*other, *free, *READER), []), ((*other, *READER, *free), ["Race"])):
        sketch = pipe(1, reader=(loop("t", 1, *body),), buffers=buffers, aliases={2: 0})
        assert codes(run(sketch)) == want


def test_budgets_end_an_endless_program() -> None:
    """Steps are bounded; the finding says so."""
    result = run(ENDLESS, RunOptions(max_steps=10_000))
    assert codes(result) == ["BudgetSpent"]
    assert not result.completed
    result = run(ENDLESS, RunOptions(max_seconds=0.05))
    assert codes(result) == ["BudgetSpent"]
    result = run(pipe(FOUR), RunOptions(max_bytes=100))
    assert codes(result) == ["BudgetSpent"]


def test_buffers_that_do_not_fit_l1() -> None:
    """The map is checked before anything runs."""
    with pytest.raises(ArtifactError, match="L1Overflow"):
        run(LARGE)


def test_unwritten_elements_are_marked() -> None:
    """The caller can tell which elements hold data; others are NaN."""
    sketch = pipe(
        FOUR,
        reader=(loop("t", 2, *READER),),
        compute=compute_of(2, *COPY),
        writer=(loop("t", 2, *WRITER),),
    )
    result = run(sketch)
    assert codes(result) == []
    assert result.written["C"][:, :64].all()
    assert not result.written["C"][:, 64:].any()
    assert np.isnan(result.outputs["C"][:, 64:]).all()
