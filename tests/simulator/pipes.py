"""A three-stage copy pipeline for tests: A is read into CB 0, copied, and stored to C."""

from __future__ import annotations

from typing import Any

import numpy as np

from simulator.program import Program, Stmt
from simulator.run import RunOptions, RunResult, execute
from tests.simulator.builders import Sketch, layout, loop, op, plus, times

TILE_BYTES = 2048

READ = op("noc_async_read_page", "t", "A", ["get_write_ptr", 0])
WRITE = op("noc_async_write_page", "t", "C", ["get_read_ptr", 1])


def pipe(
    tiles: int = 4,
    reader: tuple[Stmt, ...] | None = None,
    compute: tuple[Stmt, ...] | None = None,
    writer: tuple[Stmt, ...] | None = None,
    **fields: Any,
) -> Sketch:
    """The pipeline over ``tiles`` tiles on one core; a stage given replaces the right one."""
    right_reader = (
        loop("t", tiles, op("cb_reserve_back", 0, 1), READ, op("noc_async_read_barrier"),
             op("cb_push_back", 0, 1)),
    )  # fmt: skip
    right_compute = (
        op("compute_kernel_hw_startup", "Regular", 0, 0, 1),
        op("copy_init", 0),
        loop("t", tiles, *COPY),
    )
    right_writer = (
        loop("t", tiles, op("cb_wait_front", 1, 1), WRITE, op("noc_async_write_barrier"),
             op("cb_pop_front", 1, 1)),
    )  # fmt: skip
    programs = {
        "reader": Program(
            name="reader",
            thread="ncrisc",
            accessors=("A",),
            body=right_reader if reader is None else reader,
        ),
        "compute": Program(
            name="compute",
            thread="compute",
            body=right_compute if compute is None else compute,
        ),
        "writer": Program(
            name="writer",
            thread="brisc",
            accessors=("C",),
            body=right_writer if writer is None else writer,
        ),
    }
    shape = (32, 32 * tiles)
    given: dict[str, Any] = {
        "tensors": {
            "A": layout("bfloat16", shape, "input"),
            "C": layout("bfloat16", shape, "output"),
        },
        "buffers": {
            0: ("Float16_b", 2, "ncrisc", "compute"),
            1: ("Float16_b", 2, "compute", "brisc"),
        },
        "programs": programs,
    }
    return Sketch(**{**given, **fields})


COPY: tuple[Stmt, ...] = (
    op("cb_wait_front", 0, 1),
    op("tile_regs_acquire"),
    op("copy_tile", 0, 0, 0),
    op("tile_regs_commit"),
    op("cb_pop_front", 0, 1),
    op("cb_reserve_back", 1, 1),
    op("tile_regs_wait"),
    op("pack_tile", 0, 1),
    op("tile_regs_release"),
    op("cb_push_back", 1, 1),
)
"""One tile through compute."""


def compute_of(tiles: int, *body: Stmt, head: tuple[Stmt, ...] | None = None) -> tuple[Stmt, ...]:
    """A compute program: start-up, then ``body`` per tile."""
    start = (op("compute_kernel_hw_startup", "Regular", 0, 0, 1), op("copy_init", 0))
    return (*(start if head is None else head), loop("t", tiles, *body))


def without(name: str, body: tuple[Stmt, ...] = COPY) -> tuple[Stmt, ...]:
    """A body less the ops of one name."""
    return tuple(stmt for stmt in body if getattr(stmt, "name", None) != name)


def run(sketch: Sketch, options: RunOptions | None = None, **arrays: Any) -> RunResult:
    """Run a sketch, with counting numbers for every input not given."""
    inputs = dict(arrays)
    for name, item in sketch.tensors.items():
        if item.role != "output" and name not in inputs:
            count = int(np.prod(item.logical_shape))
            values = np.arange(count).reshape(item.logical_shape) % 251
            inputs[name] = values.astype(np.float32 if "float" in item.dtype else np.int32)
    return execute(sketch.plan(), sketch.listed(), inputs, options)


def codes(result: RunResult) -> list[str]:
    """Codes of the findings."""
    return [item.code for item in result.findings]


__all__ = ["COPY", "READ", "TILE_BYTES", "WRITE", "codes", "compute_of", "pipe", "plus", "run",
           "times", "without"]  # fmt: skip
