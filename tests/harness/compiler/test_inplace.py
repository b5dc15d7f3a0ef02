"""Sharded operands used where they lie: found only where it is exact, and the same bits."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.checking import check
from harness.codegen import print_kernels
from harness.compiler import annotate_tt_layout, annotate_tt_schedule, lower
from harness.errors import CompileError
from simulator.run import execute
from tests.harness.compiler import samples


def on(strategy: str, grid: list[int], **more: Any) -> dict[str, Any]:
    """A sharding."""
    return {"sharding": {"strategy": strategy, "grid": grid, **more}}


def local(func: Any, layouts: dict[str, Any]) -> Any:
    """The kernel in partition mode local_shard."""
    return annotate_tt_schedule(
        annotate_tt_layout(func, layouts), {"partition_mode": "local_shard"}
    )


def backed(func: Any, **options: Any) -> dict[str, str]:
    """Circular buffers that are a tensor's memory."""
    (kernel,) = lower(func, **options).kernels
    return {c.name: c.tensor for c in kernel.plan.circular_buffers if c.tensor is not None}


CASES: list[tuple[Any, dict[str, Any], dict[str, str]]] = [
    (samples.copy(), {"In": on("block", [3, 2]), "Out": on("block", [3, 2])}, {"s": "In"}),
    (samples.gemm(256, 192, 64), {"C": on("block", [3, 4])}, {"c_out": "C"}),
    (samples.gemm(256, 192, 64), {"C": on("block", [4, 3], orientation="column_major")},
     {"c_out": "C"}),
    (samples.gemm(256, 32, 64), {"A": on("height", [8, 1]), "C": on("height", [8, 1])},
     {"a": "A", "c_out": "C"}),
    (samples.gemm(64, 96, 32, bm=64), {"B": on("width", [3, 1]), "C": on("width", [3, 1])},
     {"b": "B", "c_out": "C"}),
]  # fmt: skip


@pytest.mark.parametrize(("func", "layouts", "expected"), CASES)
def test_operands_that_are_exactly_a_shard_are_not_copied(
    func: Any, layouts: dict[str, Any], expected: dict[str, str]
) -> None:
    """The circular buffer is the shard: nothing moves over the NoC for it."""
    assert backed(local(func, layouts)) == expected
    verdict = check(local(func, layouts), oracle="exact")
    assert verdict.passed
    assert not set(expected.values()) & {
        *verdict.stats["l1_read_bytes"], *verdict.stats["l1_write_bytes"]
    }  # fmt: skip
    assert check(local(func, layouts), oracle="exact", numbers="exact").passed


@pytest.mark.parametrize(("func", "layouts", "expected"), CASES)
def test_programs_without_a_copy_are_printed(
    func: Any, layouts: dict[str, Any], expected: dict[str, str]
) -> None:
    """A reader that only announces pages names no tensor."""
    (kernel,) = lower(local(func, layouts)).kernels
    texts = print_kernels(kernel)
    for name in expected.values():
        assert all(f"noc_async_read_page({name}" not in text for text in texts.values())
    assert "cb_push_back" in texts["reader"]


@settings(max_examples=8, deadline=None)
@given(
    rows=st.integers(1, 4), columns=st.integers(1, 3), depth=st.integers(1, 3),
    tall=st.booleans(), seed=st.integers(0, 9),
)  # fmt: skip
def test_in_place_changes_no_bit(
    rows: int, columns: int, depth: int, tall: bool, seed: int
) -> None:
    """The same bits as with copies, whatever the shards."""
    rng = np.random.default_rng(seed)
    sizes = (64 * rows, 32 * columns, 32 * depth)
    arrays = {
        "A": rng.integers(-7, 8, (sizes[0], sizes[2])).astype(np.float32),
        "B": rng.integers(-7, 8, (sizes[2], sizes[1])).astype(np.float32),
    }
    place = on("height", [1, rows]) if tall else on("block", [columns, rows])
    outputs = []
    for func in (samples.gemm(*sizes), local(samples.gemm(*sizes), {"C": place})):
        (kernel,) = lower(func).kernels
        run = execute(kernel.plan, kernel.programs, arrays)
        assert run.completed
        assert not run.findings
        outputs.append(run.outputs["C"])
    np.testing.assert_array_equal(outputs[0], outputs[1])


@pytest.mark.parametrize(
    ("func", "layouts"),
    [
        (samples.gemm(256, 192, 64), {"A": on("height", [8, 1])}),  # read once per column
        (samples.gemm(90, 64, 64), {"C": on("height", [3, 1])}),  # clipped at the edge
    ],
)
def test_what_is_not_exactly_a_shard_is_copied(func: Any, layouts: dict[str, Any]) -> None:
    """Pages read twice, or only in part, go through a circular buffer of their own."""
    ranges = "C" in layouts
    options: dict[str, Any] = {"strategy": "match_shard"} if ranges else {"grid": (8, 1)}
    func = annotate_tt_layout(func, layouts)
    assert set(backed(func, **options).values()) <= {"C"}
    assert check(func, **options).passed


def test_cores_beyond_the_shards_keep_the_copy() -> None:
    """A circular buffer is the same on all its cores, so all must hold a shard."""
    func = annotate_tt_layout(samples.gemm(256, 32, 64), {"A": on("height", [8, 1])})
    assert backed(func, grid=(8, 1)) == {"a": "A"}
    assert backed(func, grid=(8, 2)) == {}


def test_local_shard_without_an_operand_in_place_is_refused() -> None:
    """The mode promises no copies; where none can be saved it says so."""
    func = local(samples.fma(), {"C": on("height", [2, 1])})
    with pytest.raises(CompileError) as caught:
        lower(func)
    assert caught.value.code == "ShardMismatch"
    with pytest.raises(CompileError, match="no output is sharded"):
        lower(local(samples.copy(), {}))
