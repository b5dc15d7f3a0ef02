"""Lanes that disagree: masks, splits, merges, and what they must not change."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from simulator.program import Stmt
from tests.simulator.builders import Sketch, layout, let, loop, op, plus, times, when
from tests.simulator.pipes import COPY, codes, pipe, run

START = (op("compute_kernel_hw_startup", "Regular", 0, 0, 1), op("copy_init", 0))


def stages(per_tile: Any, wrap: Any, tiles: int, cores: tuple[int, int], **fields: Any) -> Sketch:
    """The copy pipe with ``wrap(body)`` around the tile at ``per_tile`` in all three stages."""
    read = (
        op("cb_reserve_back", 0, 1),
        op("noc_async_read_page", per_tile, "A", ["get_write_ptr", 0]),
        op("noc_async_read_barrier"),
        op("cb_push_back", 0, 1),
    )
    write = (
        op("cb_wait_front", 1, 1),
        op("noc_async_write_page", per_tile, "C", ["get_read_ptr", 1]),
        op("noc_async_write_barrier"),
        op("cb_pop_front", 1, 1),
    )
    sketch = pipe(
        tiles, reader=wrap(read), compute=(*START, *wrap(COPY)), writer=wrap(write),
        cores=cores, **fields,
    )  # fmt: skip
    places = [(x, y) for y in range(cores[1]) for x in range(cores[0])]
    numbered: dict[tuple[int, int], tuple[int, ...]] = {
        core: (number,) for number, core in enumerate(places)
    }
    for name, program in list(sketch.programs.items()):
        sketch.programs[name] = program.__class__(
            name=name,
            thread=program.thread,
            accessors=program.accessors,
            runtime_args=("me",),
            body=program.body,
        )
        sketch.args[name] = numbered
    return sketch


def check(sketch: Sketch, tiles: int, seen: set[int] | None = None) -> Any:
    """Run, and compare the pages that must be copied."""
    a = np.arange(32 * 32 * tiles).reshape(32, 32 * tiles) % 253
    result = run(sketch, A=a.astype(np.float32))
    assert codes(result) == []
    assert result.completed
    want = np.zeros((32, 32 * tiles), bool)
    for page in range(tiles) if seen is None else seen:
        want[:, 32 * page : 32 * page + 32] = True
    np.testing.assert_array_equal(result.written["C"], want)
    np.testing.assert_array_equal(result.outputs["C"][want], a[want])
    return result


@pytest.mark.parametrize("depth", [1, 2, 3])
@pytest.mark.parametrize("cores", [(1, 1), (3, 1), (2, 2)])
def test_triangular_loops_stay_one_group(cores: tuple[int, int], depth: int) -> None:
    """Causal loops (row r has r+1 tiles, rows dealt round robin) run masked and never split."""
    count = cores[0] * cores[1]
    rows = 3 * count
    tiles = rows * (rows + 1) // 2

    def wrap(body: tuple[Stmt, ...]) -> tuple[Stmt, ...]:
        row = let("row", plus(times("t", count), "me"))
        first = let("first", ["//", times("row", plus("row", 1)), 2])
        return (loop("t", 3, row, first, loop("j", plus("row", 1), *body)),)

    buffers = {
        0: ("Float16_b", depth, "ncrisc", "compute"),
        1: ("Float16_b", depth, "compute", "brisc"),
    }
    sketch = stages(plus("first", "j"), wrap, tiles, cores, buffers=buffers)
    result = check(sketch, tiles)
    assert result.stats.groups == 3
    assert result.stats.splits == 0


def test_branches_run_under_masks() -> None:
    """Even and odd cores take different branches and meet again."""

    def wrap(body: tuple[Stmt, ...]) -> tuple[Stmt, ...]:
        even = (let("page", times("me", 2)), *body)
        odd = (let("page", plus(times("me", 2), 1)), *body)
        tail = (let("page", plus(8, "me")), *body)
        return (when(["==", ["%", "me", 2], 0], *even, orelse=odd), *tail)

    result = check(stages("page", wrap, 12, (4, 1)), 12, {0, 3, 4, 7, 8, 9, 10, 11})
    assert result.stats.splits == 0


def test_a_branch_only_some_take() -> None:
    """Lanes without a then-branch wait at its end."""

    def wrap(body: tuple[Stmt, ...]) -> tuple[Stmt, ...]:
        return (
            let("page", "me"),
            when(["<", 1, "me"], *body),
            loop("i", 1, let("page2", plus(4, "me")), *renamed(body)),
        )

    check(stages("page", wrap, 8, (4, 1)), 8, {2, 3, 4, 5, 6, 7})


def renamed(body: tuple[Stmt, ...]) -> tuple[Stmt, ...]:
    """A body with page -> page2."""
    out = []
    for stmt in body:
        args = getattr(stmt, "args", ())
        out.append(op(stmt.name, *("page2" if a == "page" else a for a in args)))  # type: ignore[union-attr]
    return tuple(out)


def test_counts_that_differ_split_and_merge() -> None:
    """A push count per core makes groups of one value each, which meet again at a wait."""
    count = plus(1, ["%", "me", 2])
    read: tuple[Stmt, ...] = (
        op("cb_reserve_back", 0, count),
        loop("i", count, op("noc_async_read_page", plus(times("me", 2), "i"), "A",
                            plus(["get_write_ptr", 0], times("i", 2048)))),
        op("noc_async_read_barrier"),
        op("cb_push_back", 0, count),
    )  # fmt: skip
    page = plus(times("me", 2), "i")
    write = (
        op("cb_wait_front", 1, 1),
        op("noc_async_write_page", page, "C", ["get_read_ptr", 1]),
        op("noc_async_write_barrier"),
        op("cb_pop_front", 1, 1),
    )
    sketch = stages(page, lambda body: (loop("i", count, *body),), 8, (4, 1))
    for name, body in (("reader", read), ("writer", (loop("i", count, *write),))):
        program = sketch.programs[name]
        sketch.programs[name] = program.__class__(
            name=name, thread=program.thread, accessors=program.accessors,
            runtime_args=("me",), body=body,
        )  # fmt: skip
    result = check(sketch, 8, {0, 2, 3, 4, 6, 7})
    assert result.stats.splits == 1


def test_waiting_inside_a_mask_does_not_starve_the_others() -> None:
    """Lanes parked behind a mask are let go when those inside wait for ever, and named last."""
    never = (op("cb_wait_front", 0, 1), op("cb_wait_front", 0, 2))
    sketch = stages("me", lambda body: body, 4, (4, 1))
    program = sketch.programs["compute"]
    sketch.programs["compute"] = program.__class__(
        name="compute",
        thread="compute",
        runtime_args=("me",),
        body=(when(["==", "me", 2], *never), *program.body),
    )
    result = run(sketch)
    assert codes(result) == ["Deadlock"]
    assert result.findings[0].core == (2, 0)
    done = result.written["C"]
    assert done[:, :64].all()
    assert done[:, 96:].all()
    assert not done[:, 64:96].any()


def test_pointers_kept_in_names() -> None:
    """A pointer taken by let is an address: right at once, stale after the push."""
    take = let("p", ["get_write_ptr", 0])
    read = op("noc_async_read_page", "t", "A", "p")
    body = (op("cb_reserve_back", 0, 1), take, read, op("noc_async_read_barrier"),
            op("cb_push_back", 0, 1))  # fmt: skip
    assert codes(run(pipe(4, reader=(loop("t", 4, *body),)))) == []
    stale = (op("cb_reserve_back", 0, 1), take, op("cb_push_back", 0, 1),
             op("cb_reserve_back", 0, 1), read)  # fmt: skip
    assert codes(run(pipe(4, reader=(loop("t", 4, *stale),))))[:1] == ["CBWindow"]


def test_two_shapes_of_one_loop() -> None:
    """Descending loops and loops that start at different values per core."""

    def wrap(body: tuple[Stmt, ...]) -> tuple[Stmt, ...]:
        return (loop("j", plus(times("me", 3), 3), *body, start=times("me", 3)),)

    check(stages("j", wrap, 12, (4, 1)), 12)

    def down(body: tuple[Stmt, ...]) -> tuple[Stmt, ...]:
        base = loop("j", plus(times("me", 3), -1), *body, start=plus(times("me", 3), 2))
        return (base.__class__(var="j", start=base.start, stop=base.stop, step=-1, body=body),)

    check(stages("j", down, 12, (4, 1)), 12)


def test_layouts_of_one_row() -> None:
    """One-dimensional tensors are one row of tiles."""
    tensors = {
        "A": layout("bfloat16", (100,), "input"),
        "C": layout("bfloat16", (100,), "output"),
    }
    result = run(pipe(4, tensors=tensors))
    assert codes(result) == []
    np.testing.assert_array_equal(result.outputs["C"], np.arange(100) % 251)
