"""Programs of cores that work together: a product with multicast operands, and a sum in a tree."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from simulator.engine.schedule import LateNoc, RoundRobin, Seeded
from simulator.program import Program, Stmt
from simulator.run import RunOptions
from tests.simulator.builders import Sketch, gemm, layout, loop, op, plus, times, when
from tests.simulator.engine.test_network import everywhere
from tests.simulator.pipes import codes, run

PAGE = 2048


def _share(
    cb: int, tensor: str, page: Any, sender: Any, home: tuple[Any, Any], rect: tuple[Any, ...],
    others: int, sems: tuple[int, int],
) -> tuple[Stmt, ...]:  # fmt: skip
    """One page per step for a row or column: its first core reads it and sends it on."""
    pointer, (ready, flag) = ["get_write_ptr", cb], sems
    send = (
        op("noc_async_read_page", page, tensor, pointer),
        op("noc_async_read_barrier"),
        op("noc_semaphore_wait", ready, others),
        op("noc_semaphore_set", ready, 0),
        op("noc_async_write_multicast", pointer, *rect, pointer, PAGE, others),
        op("noc_semaphore_set", flag, 1),
        op("noc_semaphore_set_multicast", flag, *rect, others),
        op("noc_async_write_barrier"),
    )
    receive = (
        op("noc_semaphore_set", flag, 0),
        op("noc_semaphore_inc", *home, ready, 1),
        op("noc_semaphore_wait", flag, 1),
    )
    return (
        op("cb_reserve_back", cb, 1),
        when(["==", sender, 0], *send, orelse=receive),
        op("cb_push_back", cb, 1),
    )


def multicast_gemm(cores: tuple[int, int], k: int) -> tuple[Sketch, Sketch]:
    """(C = A @ B with A sent along rows and B along columns, the plain program)."""
    width, height = cores
    kt = k // 32
    plain = gemm(32 * height, 32 * width, k, (32, 32, 32), cores)
    sketch = gemm(32 * height, 32 * width, k, (32, 32, 32), cores)
    body = loop(
        "ko",
        kt,
        *_share(0, "A", plus(times("y", kt), "ko"), "x", (0, "y"),
                (1, "y", width - 1, "y"), width - 1, (0, 1)),
        *_share(1, "B", plus(times("ko", width), "x"), "y", ("x", 0),
                ("x", 1, "x", height - 1), height - 1, (2, 3)),
    )  # fmt: skip
    sketch.programs["reader"] = Program(
        name="reader", thread="ncrisc", accessors=("A", "B"), runtime_args=("x", "y"), body=(body,)
    )
    sketch.args["reader"] = {(x, y): (x, y) for x in range(width) for y in range(height)}
    sketch.extra["semaphores"] = everywhere(cores, 0, 0, 0, 0)
    return sketch, plain


@pytest.mark.parametrize("cores", [(2, 2), (4, 3), (8, 8)])
@pytest.mark.parametrize("schedule", [RoundRobin(), Seeded(5), LateNoc(6)], ids=str)
def test_multicast_gemm(cores: tuple[int, int], schedule: Any) -> None:
    """Bit for bit what every core reading for itself gives, from far fewer reads of DRAM."""
    if cores == (8, 8) and not isinstance(schedule, RoundRobin):
        return
    sketch, plain = multicast_gemm(cores, 128)
    rng = np.random.default_rng(1)
    a = rng.standard_normal((32 * cores[1], 128)).astype(np.float32)
    b = rng.standard_normal((128, 32 * cores[0])).astype(np.float32)
    result = run(sketch, RunOptions(schedule=schedule), A=a, B=b)
    want = run(plain, A=a, B=b)
    assert codes(result) == []
    np.testing.assert_array_equal(result.outputs["C"], want.outputs["C"])
    read = result.stats.dram_read_bytes
    assert read["A"] * cores[0] == want.stats.dram_read_bytes["A"]
    assert read["B"] * cores[1] == want.stats.dram_read_bytes["B"]


def test_multicast_gemm_runs_as_few_groups() -> None:
    """Senders and receivers part under masks and waits, and meet again."""
    sketch, _ = multicast_gemm((4, 4), 128)
    result = run(sketch)
    assert result.stats.groups <= 3 + 4 * result.stats.merges


def _through(source: int, target: int) -> tuple[Stmt, ...]:
    """A page from one buffer to another."""
    return (
        op("copy_init", source),
        op("cb_wait_front", source, 1),
        op("tile_regs_acquire"),
        op("copy_tile", source, 0, 0),
        op("tile_regs_commit"),
        op("cb_pop_front", source, 1),
        *_packed(target),
    )


def _packed(target: int) -> tuple[Stmt, ...]:
    return (
        op("cb_reserve_back", target, 1),
        op("tile_regs_wait"),
        op("pack_tile", 0, target),
        op("tile_regs_release"),
        op("cb_push_back", target, 1),
    )


def reduction_tree(levels: int) -> Sketch:
    """Core x holds page x of A; pairs at distance 1, 2, 4, ... add up; core 0 stores the sum.

    ``adds`` is how many partial sums a core receives, ``parent`` who receives its own. Buffers: 0
    the own page, 1 a received one, 2 the running sum, 3 the sum to hand on.
    """
    width = 1 << levels
    reader: list[Stmt] = [
        op("cb_reserve_back", 0, 1),
        op("noc_async_read_page", "x", "A", ["get_write_ptr", 0]),
        op("noc_async_read_barrier"),
        op("cb_push_back", 0, 1),
    ]
    for level in range(levels):
        receive = (
            op("cb_reserve_back", 1, 1),
            op("noc_semaphore_inc", plus("x", 1 << level), 0, 0, 1),
            op("noc_semaphore_wait", 1, 1),
            op("noc_semaphore_set", 1, 0),
            op("cb_push_back", 1, 1),
        )
        reader.append(when(["<", level, "adds"], *receive))
    add = (
        op("cb_wait_front", 2, 1),
        op("cb_wait_front", 1, 1),
        op("tile_regs_acquire"),
        op("add_tiles", 2, 1, 0, 0, 0),
        op("tile_regs_commit"),
        op("cb_pop_front", 2, 1),
        op("cb_pop_front", 1, 1),
        *_packed(2),
    )
    compute = (
        op("compute_kernel_hw_startup", "Regular", 0, 0, 2),
        *_through(0, 2),
        op("add_init", 2, 1),
        loop("l", "adds", *add),
        *_through(2, 3),
    )
    page = ["get_read_ptr", 3]
    send = (
        op("noc_semaphore_wait", 0, 1),
        op("noc_async_write", page, "parent", 0, ["get_write_ptr", 1], PAGE),
        op("noc_async_write_barrier"),
        op("noc_semaphore_inc", "parent", 0, 1, 1),
    )
    keep = (op("noc_async_write_page", 0, "C", page), op("noc_async_write_barrier"))
    writer = (
        op("cb_wait_front", 3, 1),
        when(["==", "x", 0], *keep, orelse=send),
        op("cb_pop_front", 3, 1),
    )
    given: dict[str, tuple[str, tuple[str, ...], tuple[str, ...], tuple[Stmt, ...]]] = {
        "reader": ("ncrisc", ("A",), ("x", "adds"), tuple(reader)),
        "compute": ("compute", (), ("adds",), compute),
        "writer": ("brisc", ("C",), ("x", "parent"), writer),
    }
    args: dict[str, dict[tuple[int, int], tuple[int, ...]]] = {name: {} for name in given}
    for x in range(width):
        low = x & -x if x else width
        adds = low.bit_length() - 1
        args["reader"][x, 0] = (x, adds)
        args["compute"][x, 0] = (adds,)
        args["writer"][x, 0] = (x, x - low if x else 0)
    ends = {0: ("ncrisc", "compute"), 1: ("ncrisc", "compute"), 2: ("compute", "compute"),
            3: ("compute", "brisc")}  # fmt: skip
    return Sketch(
        tensors={
            "A": layout("bfloat16", (32, 32 * width), "input"),
            "C": layout("bfloat16", (32, 32), "output"),
        },
        buffers={number: ("Float16_b", 1, *pair) for number, pair in ends.items()},
        programs={
            name: Program(name=name, thread=thread, accessors=tensors,
                          runtime_args=names, body=body)
            for name, (thread, tensors, names, body) in given.items()
        },
        cores=(width, 1),
        args=args,
        extra={"semaphores": everywhere((width, 1), 0, 0)},
    )  # fmt: skip


@pytest.mark.parametrize("levels", [1, 2, 3])
@pytest.mark.parametrize("schedule", [RoundRobin(), Seeded(2), LateNoc(3)], ids=str)
def test_reduction_tree(levels: int, schedule: Any) -> None:
    """The sum of all cores' pages, bit for bit, without a race, under any schedule."""
    width = 1 << levels
    a = np.random.default_rng(2).integers(-15, 16, (32, 32 * width)).astype(np.float32)
    result = run(reduction_tree(levels), RunOptions(schedule=schedule), A=a)
    assert codes(result) == []
    want = a.reshape(32, width, 32).sum(axis=1)
    np.testing.assert_array_equal(result.outputs["C"], want)
    assert not result.determinate


def test_a_tree_that_does_not_wait_for_room_is_a_race() -> None:
    """A child that sends without waiting for its parent's semaphore; both sides are named."""
    sketch = reduction_tree(2)
    writer = sketch.programs["writer"]
    wait, branch, pop = writer.body
    hasty = when(branch.cond, *branch.then, orelse=branch.orelse[1:])  # type: ignore[union-attr]
    sketch.programs["writer"] = Program(
        name="writer", thread="brisc", accessors=("C",), runtime_args=("x", "parent"),
        body=(wait, hasty, pop),
    )  # fmt: skip
    result = run(sketch)
    assert codes(result)[0] in ("Race", "CBWindow")
    found = [item.message for item in result.findings if item.code == "Race"]
    assert all("nothing orders" in message for message in found)


def gather_rows(early: bool = False) -> Sketch:
    """Eight cores hold a tile each and send four rows of it to core 0, which stores the mixture."""
    cores, share = 8, 128
    first = plus(times(["//", "x", 4], 1024), times(["%", "x", 4], share))
    send = tuple(
        op("noc_async_write", plus(["get_write_ptr", 2], at), 0, 0, plus(["get_write_ptr", 0], at),
           share)
        for at in (first, plus(first, 512))
    )  # fmt: skip
    barrier = (op("noc_async_write_barrier"),)
    told = (op("noc_semaphore_inc", 0, 0, 1, 1),)
    reader: tuple[Stmt, ...] = (
        op("cb_reserve_back", 0, 1),
        op("cb_reserve_back", 2, 1),
        op("noc_async_read_page", "x", "A", ["get_write_ptr", 2]),
        op("noc_async_read_barrier"),
        when(["==", "x", 0], op("noc_semaphore_set", 0, 1),
             op("noc_semaphore_set_multicast", 0, 1, 0, cores - 1, 0, cores - 1)),
        op("noc_semaphore_wait", 0, 1),
        *send,
        *(told + barrier if early else barrier + told),
        when(["==", "x", 0], op("noc_semaphore_wait_min", 1, cores), op("cb_push_back", 0, 1)),
    )  # fmt: skip
    writer: tuple[Stmt, ...] = (
        when(["==", "x", 0], op("cb_wait_front", 0, 1),
             op("noc_async_write_page", 0, "C", ["get_read_ptr", 0]),
             op("noc_async_write_barrier"), op("cb_pop_front", 0, 1)),
    )  # fmt: skip
    programs: dict[str, tuple[str, str, tuple[Stmt, ...]]] = {
        "reader": ("ncrisc", "A", reader),
        "writer": ("brisc", "C", writer),
    }
    return Sketch(
        tensors={
            "A": layout("bfloat16", (32, 32 * cores), "input"),
            "C": layout("bfloat16", (32, 32), "output"),
        },
        buffers={0: ("Float16_b", 1, "ncrisc", "brisc"), 2: ("Float16_b", 1, "ncrisc", "ncrisc")},
        programs={
            name: Program(name=name, thread=thread, accessors=(tensor,), runtime_args=("x",),
                          body=body)
            for name, (thread, tensor, body) in programs.items()
        },
        cores=(cores, 1),
        args={name: {(x, 0): (x,) for x in range(cores)} for name in programs},
        extra={"semaphores": everywhere((cores, 1), 0, 0)},
    )  # fmt: skip


@pytest.mark.parametrize("schedule", [RoundRobin(), Seeded(2), LateNoc(3)], ids=str)
def test_rows_of_eight_cores_make_a_tile(schedule: Any) -> None:
    """Parts of one page from eight cores: no race, every byte there, each from its core."""
    a = np.random.default_rng(3).integers(-99, 99, (32, 256)).astype(np.float32)
    result = run(gather_rows(), RunOptions(schedule=schedule), A=a)
    assert codes(result) == []
    assert result.written["C"].all()
    want = np.concatenate([a[4 * x : 4 * x + 4, 32 * x : 32 * x + 32] for x in range(8)])
    np.testing.assert_array_equal(result.outputs["C"], want)


def test_telling_before_the_barrier_is_a_race() -> None:
    """A core that reports its rows before they have left: the push may hand over old bytes."""
    assert "Race" in codes(run(gather_rows(early=True)))
