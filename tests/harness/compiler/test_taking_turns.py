"""Circular buffers that what is read takes turns in, where the device has too few."""

from __future__ import annotations

from typing import Any

import pytest

import harness
from harness.errors import CompileError
from tests.e2e.test_moved_elements import kernel


def summed(count: int) -> Any:
    """The sum of many tensors, one read after another."""
    tensors = "".join(f"X{n}: T.Tensor((64, 64), 'bfloat16'), " for n in range(count))
    blocks = "".join(f"    x{n} = T.alloc_shared((32, 32), 'bfloat16')\n" for n in range(count))
    added = "".join(
        f"    T.copy(X{n}[by * 32, bx * 32], x{n})\n"
        "    for i, j in T.Parallel(32, 32):\n"
        f"        y[i, j] += x{n}[i, j]\n"
        for n in range(count)
    )
    return kernel(
        tensors + "Y: T.Tensor((64, 64), 'float32')",
        "with T.Kernel(2, 2) as (bx, by):\n    y = T.alloc_fragment((32, 32), 'float32')\n"
        + blocks + "    T.clear(y)\n" + added + "    T.copy(y, Y[by * 32, bx * 32])\n",
    )  # fmt: skip


@pytest.mark.parametrize("options", [{}, {"device": "blackhole_p150"}, {"double_buffer": False},
                                     {"grid": (1, 1)}])  # fmt: skip
def test_more_tensors_than_circular_buffers(options: dict[str, Any]) -> None:
    """Blocks that are read one after another take turns, and nothing waits for what is behind."""
    made = harness.compile(summed(70), **options)
    read = [cb for cb in made.plan.circular_buffers if cb.producer == "ncrisc"]
    assert len(read) == 1
    verdict = harness.check(made)
    assert verdict.passed, (verdict.reason, verdict.findings)
    assert verdict.determinate


def test_where_there_are_enough_everything_read_has_its_own() -> None:
    """Reading ahead is given up for want of circular buffers only."""
    plan = harness.compile(summed(20)).plan
    assert len([cb for cb in plan.circular_buffers if cb.producer == "ncrisc"]) == 20


def test_what_cores_fill_for_each_other_takes_no_turns() -> None:
    """Writers to other cores' buffers count on one place in all of them."""
    with pytest.raises(CompileError, match="circular buffers"):
        harness.compile(summed(70), multicast=True)
