"""The common case of an op does what its general form does, in every respect but time."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.engine import ops_cb, ops_matmul, ops_noc
from simulator.program import Loop, Op
from simulator.run import RunOptions, RunResult, RunStats
from tests.simulator.builders import Sketch, gemm, op
from tests.simulator.eltwise_builder import elementwise
from tests.simulator.engine.test_collectives import multicast_gemm
from tests.simulator.engine.test_protocol import BROKEN
from tests.simulator.pipes import codes, run

QUICK = (
    (ops_cb, "quick_reserve"),
    (ops_cb, "quick_wait"),
    (ops_cb, "quick_push"),
    (ops_cb, "quick_pop"),
    (ops_noc, "quick_read"),
    (ops_matmul, "quick_matmul"),
)


def general(*given: Any) -> Any:
    """In the place of a quick form: the general step, which every one of them is given last."""
    return given[-1]


def both(sketch: Sketch, options: RunOptions) -> tuple[RunResult, RunResult]:
    """A run as it is, and one of general steps only."""
    usual = run(sketch, options)
    with pytest.MonkeyPatch.context() as patch:
        for module, name in QUICK:
            patch.setattr(module, name, general)
        return usual, run(sketch, options)


def timeless(stats: RunStats) -> RunStats:
    """The counters alone."""
    return replace(stats, upload_seconds=0, run_seconds=0, download_seconds=0)


def assert_alike(sketch: Sketch, options: RunOptions) -> None:
    """A run is one of general steps."""
    assert_same(*both(sketch, options))


def assert_same(one: RunResult, two: RunResult) -> None:
    """Same bits, findings, counters and trace."""
    for name, array in two.outputs.items():
        np.testing.assert_array_equal(one.outputs[name], array)
        np.testing.assert_array_equal(one.written[name], two.written[name])
    assert one.findings == two.findings
    assert (one.completed, one.determinate, one.reasons) == (
        two.completed,
        two.determinate,
        two.reasons,
    )
    assert (one.choices, one.trace_hash) == (two.choices, two.trace_hash)
    assert timeless(one.stats) == timeless(two.stats)


OPTIONS = st.builds(
    RunOptions,
    arithmetic=st.booleans(),
    level=st.sampled_from(["strict", "hardware"]),
    max_steps=st.sampled_from([50, 10_000]),
)


@given(
    st.tuples(*(st.integers(1, 3) for _ in range(3))),
    st.sampled_from([(32, 32, 32), (64, 64, 32), (64, 32, 64), (128, 128, 32)]),
    st.sampled_from([(1, 1), (2, 2), (3, 1), (3, 2)]),
    st.integers(1, 2),
    st.booleans(),
    OPTIONS,
)
def test_products(
    blocks: tuple[int, int, int], block: tuple[int, int, int], cores: tuple[int, int],
    depth: int, fp32: bool, options: RunOptions,
) -> None:  # fmt: skip
    """GEMM of any blocks on any cores, under masks where they do not share evenly."""
    m, n, k = (count * edge for count, edge in zip(blocks, block, strict=True))
    assert_alike(gemm(m, n, k, block, cores, depth=depth, fp32_dest=fp32), options)


@pytest.mark.parametrize("arithmetic", [True, False])
def test_sums_and_multicast(arithmetic: bool) -> None:
    """Reads of several tiles with ragged padding, and buffers that other cores write to."""
    options = RunOptions(arithmetic=arithmetic)
    assert_alike(elementwise((96, 70), step=3, zero_padding=False), options)
    assert_alike(multicast_gemm((3, 2), 96)[0], options)


@pytest.mark.parametrize("case", BROKEN)
def test_broken_rules(case: str) -> None:
    """Every broken rule is found at the same place, with the same words."""
    _, sketch = BROKEN[case]
    assert_alike(sketch, RunOptions(repair=False))


def short_wait(stmt: Any) -> Any:
    """The statement with waits for one page of circular buffer 0 instead of all."""
    if isinstance(stmt, Loop):
        return msgspec.structs.replace(stmt, body=tuple(map(short_wait, stmt.body)))
    if isinstance(stmt, Op) and stmt.name in ("cb_wait_front", "cb_pop_front"):
        return op(stmt.name, stmt.args[0], 1) if stmt.args[0] == 0 else stmt
    return stmt


@pytest.mark.parametrize("block", [(64, 64, 32), (32, 32, 64)])
def test_products_beyond_the_window(block: tuple[int, int, int]) -> None:
    """A product of a page nobody waited for is refused, whichever way the tile loops go."""
    sketch = gemm(64, 64, 64, block, (1, 1))
    compute = sketch.programs["compute"]
    sketch.programs["compute"] = msgspec.structs.replace(
        compute, body=tuple(map(short_wait, compute.body))
    )
    assert codes(run(sketch)) == ["CBWindow"]
    assert_alike(sketch, RunOptions())
