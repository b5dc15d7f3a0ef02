"""The engine against the plain interpreter, on programs Hypothesis draws."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from simulator.plan.schema import Plan
from simulator.program import Stmt
from simulator.run import RunOptions, RunResult, execute
from tests.simulator.builders import Sketch, gemm, layout, let, loop, op, plus, times
from tests.simulator.builders import when as branch
from tests.simulator.eltwise_builder import elementwise
from tests.simulator.engine.test_control import START, stages
from tests.simulator.pipes import codes
from tests.simulator.reference import interpret

BOUNDS = st.sampled_from(
    [
        1, 2, 3, "me", plus("me", 1), ["%", "me", 2], ["-", 3, "me"], ["max", "me", 1],
        ["//", plus("me", 3), 2], ["?", ["<", "me", 2], 3, 1],
    ]
)  # fmt: skip
CONDITIONS = st.sampled_from(
    [
        ["==", "me", 1], ["<", "me", 2], ["==", ["%", "a", 2], 0], ["!=", "a", "me"],
        ["&&", ["<", "a", 2], ["<", 0, "me"]], ["!", ["==", "me", 0]],
    ]
)  # fmt: skip


@st.composite
def control(draw: Any) -> tuple[Any, Any]:
    """(loop bounds and conditions around a tile, how many tiles a core may take)."""
    outer, inner = draw(BOUNDS), draw(BOUNDS)
    cond = draw(st.none() | CONDITIONS)
    second = draw(st.booleans())
    return (outer, inner, cond, second), 2 * 4 * 4


def wrapped(shape: tuple[Any, Any, Any, bool], body: tuple[Stmt, ...]) -> tuple[Stmt, ...]:
    """The tile's ops inside the drawn control flow; every tile of a core has its own page."""
    outer, inner, cond, second = shape
    page = plus(times("me", 32), times("half", 16), times("a", 4), "b")
    one = (let("page", page), *body)
    then: tuple[Stmt, ...] = one
    if cond is not None:
        then = (branch(cond, *one, orelse=(let("page", page), *body) if second else ()),)
    loops = loop("a", outer, loop("b", inner, *then))
    return (loop("half", 2 if second else 1, loops),)


@given(control(), st.sampled_from([(1, 1), (2, 1), (4, 1), (2, 2)]), st.integers(1, 3))
def test_control_flow(drawn: Any, cores: tuple[int, int], depth: int) -> None:
    """Masks, splits and joins copy exactly the tiles the plain interpreter copies."""
    shape, share = drawn
    tiles = share * 4
    buffers = {
        0: ("Float16_b", depth, "ncrisc", "compute"),
        1: ("Float16_b", depth, "compute", "brisc"),
    }
    sketch = stages("page", lambda body: wrapped(shape, body), tiles, cores, buffers=buffers)
    compare(sketch)


def compare(sketch: Sketch, seed: int = 0) -> None:
    """Run all three and compare bits: lock step, a cursor per part of compute, the interpreter."""
    rng = np.random.default_rng(seed)
    plan, programs = sketch.plan(), sketch.listed()
    inputs = {
        name: rng.standard_normal(item.logical_shape).astype(np.float32)
        for name, item in plan.layouts.items()
        if item.role == "input"
    }
    outputs, written = interpret(plan, programs, inputs)
    for cursors in (False, True):
        result = execute(plan, programs, inputs, RunOptions(cursors=cursors))
        agree(plan, result, outputs, written)


def agree(plan: Plan, result: RunResult, outputs: dict[str, Any], written: dict[str, Any]) -> None:
    """A run has the interpreter's outputs, nothing broken."""
    assert codes(result) == []
    assert result.completed
    for name, want in outputs.items():
        tiles = written[name]
        grid = plan.layouts[name].padded_shape
        mask = tiles.reshape(grid[0] // 32, grid[1] // 32).repeat(32, 0).repeat(32, 1)
        rows, columns = plan.layouts[name].logical_shape
        mask = mask[:rows, :columns]
        np.testing.assert_array_equal(result.written[name], mask)
        np.testing.assert_array_equal(result.outputs[name][mask], want[mask])


@given(
    st.tuples(*(st.integers(1, 3) for _ in range(3))),
    st.tuples(*(st.integers(1, 3) for _ in range(3))),
    st.sampled_from([(1, 1), (2, 1), (2, 2), (3, 2)]),
    st.integers(1, 2),
    st.booleans(),
    st.sampled_from(["float32", "bfloat16"]),
    st.sampled_from(["LoFi", "HiFi4"]),
)
def test_gemm(
    blocks: tuple[int, int, int], block: tuple[int, int, int], cores: tuple[int, int], depth: int,
    fp32: bool, out: str, fidelity: str,
) -> None:  # fmt: skip
    """Fused, deferred and batched products have the bits of single ones, in every mode."""
    edges = (block[0] * 32, block[1] * 32, block[2] * 32)
    m, n, k = (edge * count for edge, count in zip(edges, blocks, strict=True))
    sketch = gemm(m, n, k, edges, cores, depth=depth, fp32_dest=fp32, out_dtype=out,
                  fidelity=fidelity)  # fmt: skip
    compare(sketch)


@given(
    st.tuples(st.integers(1, 6), st.integers(1, 6)),
    st.sampled_from(["add_tiles", "sub_tiles", "mul_tiles", "add_binary_tile", "mul_binary_tile"]),
    st.sampled_from([(1, 1), (3, 1), (2, 2)]),
    st.sampled_from(["bfloat16", "float32"]),
)
def test_elementwise(
    tiles: tuple[int, int], function: str, cores: tuple[int, int], dtype: str
) -> None:
    """Elementwise kernels on random data, more cores than tiles included."""
    compare(elementwise((32 * tiles[0], 32 * tiles[1]), function, cores, dtype=dtype))


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=4),
       st.permutations(range(4)))  # fmt: skip
def test_dst_shuffles(copies: list[tuple[int, int]], order: list[int]) -> None:
    """Tiles copied to any DST index and packed in any order keep their identity."""
    read = (
        op("cb_reserve_back", 0, 4),
        loop("i", 2, loop("j", 2, op(
            "noc_async_read_page", plus(times("i", 2), "j"), "A",
            plus(["get_write_ptr", 0], times(plus(times("i", 2), "j"), 2048))))),
        op("noc_async_read_barrier"),
        op("cb_push_back", 0, 4),
    )  # fmt: skip
    math: tuple[Stmt, ...] = (
        op("cb_wait_front", 0, 4),
        op("tile_regs_acquire"),
        loop("i", 4, op("copy_tile", 0, "i", ["-", 3, "i"])),
        *(op("copy_tile", 0, source, target) for source, target in copies),
        op("tile_regs_commit"),
        op("cb_pop_front", 0, 4),
        op("cb_reserve_back", 1, 4),
        op("tile_regs_wait"),
        *(op("pack_tile_out_of_order", dst, 1, page) for page, dst in enumerate(order)),
        op("tile_regs_release"),
        op("cb_push_back", 1, 4),
    )
    write = (
        op("cb_wait_front", 1, 4),
        loop("i", 4, op("noc_async_write_page", ["-", 3, "i"], "C",
                        plus(["get_read_ptr", 1], times("i", 2048)))),
        op("noc_async_write_barrier"),
        op("cb_pop_front", 1, 4),
    )  # fmt: skip
    buffers = {
        0: ("Float16_b", 4, "ncrisc", "compute"),
        1: ("Float16_b", 4, "compute", "brisc"),
    }
    sketch = stages("me", lambda body: body, 4, (1, 1), buffers=buffers)
    bodies: dict[str, tuple[Stmt, ...]] = {
        "reader": read,
        "compute": (*START, *math),
        "writer": write,
    }
    for name, body in bodies.items():
        program = sketch.programs[name]
        sketch.programs[name] = program.__class__(
            name=name, thread=program.thread, accessors=program.accessors,
            runtime_args=("me",), body=body,
        )  # fmt: skip
    sketch.tensors = {
        "A": layout("bfloat16", (32, 128), "input"),
        "C": layout("bfloat16", (32, 128), "output"),
    }
    compare(sketch)
