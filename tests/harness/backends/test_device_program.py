"""A plan as the plain JSON the worker reads."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import msgspec
import numpy as np
import pytest

from harness.backends.device_program import (
    TTNN_DTYPES,
    accessor_words,
    device_inputs,
    device_program,
    unsupported,
)
from harness.compiler.pipeline import CompiledKernel
from simulator.arch import find_arch
from simulator.plan.schema import Layout, Plan, Semaphore
from tests.harness.backends.plans import packaged
from tests.vectors.cases import facts

GEMM = 0


def test_every_packaged_plan_is_plain_json() -> None:
    """No object of this project crosses the channel."""
    for artifact in packaged():
        program = device_program(artifact)
        assert json.loads(json.dumps(program)) == program
        assert unsupported(artifact.plan) is None


def test_kernels_carry_text_arguments_and_modes() -> None:
    """What the plan says of a GEMM's three kernels."""
    artifact = packaged()[GEMM]
    reader, compute, writer = device_program(artifact)["kernels"]
    assert (reader["processor"], reader["noc"]) == ("RISCV_1", 0)
    assert (writer["processor"], writer["noc"]) == ("RISCV_0", 1)
    assert reader["accessors"] == ["A", "B"]
    assert reader["common"] == [{"addr": "A"}, {"addr": "B"}]
    assert reader["runtime"]["(3,0)"] == [3, 1]
    assert compute["compute"]["math_fidelity"] == "HiFi3"
    assert "void kernel_main()" in compute["source"]


def test_aliases_share_their_owners_memory() -> None:
    """One descriptor with two formats, as ttnn wants it."""
    artifact = packaged()[GEMM]
    plan = artifact.plan
    alias = msgspec.structs.replace(plan.circular_buffers[0], id=7, name="other", alias_of=0)
    changed = msgspec.structs.replace(plan, circular_buffers=(*plan.circular_buffers, alias))
    program = device_program(with_plan(artifact, changed))
    assert [[f["id"] for f in cb["formats"]] for cb in program["circular_buffers"]] == [
        [0, 7], [1], [16]
    ]  # fmt: skip


def with_plan(artifact: CompiledKernel, plan: Plan) -> CompiledKernel:
    """An artifact with another plan."""
    return dataclasses.replace(artifact, plan=plan)


def test_semaphores_and_ranges() -> None:
    """Rectangles are first and last core, corners included."""
    artifact = packaged()[GEMM]
    plan = artifact.plan
    semaphore = Semaphore(id=3, core_ranges=plan.core_ranges, initial=5)
    changed = msgspec.structs.replace(plan, semaphores=(semaphore,))
    assert device_program(with_plan(artifact, changed))["semaphores"] == [
        {"id": 3, "cores": [[0, 0, 7, 7]], "initial": 5}
    ]


@pytest.mark.parametrize("change", ["dtype", "format", "grayskull", "rows", "tensors"])
def test_what_ttnn_cannot_run_is_said_beforehand(change: str) -> None:
    """A skip with a reason instead of an exception from inside ttnn."""
    plan = packaged()[GEMM].plan
    first = plan.circular_buffers[0]
    changes: dict[str, dict[str, Any]] = {
        "dtype": {"layouts": {**plan.layouts, "A": msgspec.structs.replace(
            plan.layouts["A"], dtype="float16")}},
        "format": {"circular_buffers": (msgspec.structs.replace(first, data_format="Bfp2_b"),)},
        "grayskull": {"device": msgspec.structs.replace(plan.device, name="grayskull_e150")},
        "rows": {"layouts": {**plan.layouts, "A": msgspec.structs.replace(
            plan.layouts["A"], tile_shape=(1, 256))}},
        "tensors": {"io": ("C",)},
    }  # fmt: skip
    reason = unsupported(msgspec.structs.replace(plan, **changes[change]))
    assert reason is not None
    assert "ttnn" in reason


@pytest.mark.parametrize("board", ["wormhole_N150", "blackhole_P150"])
def test_accessor_words_are_the_measured_ones(board: str) -> None:
    """Interleaved tensors of four formats in DRAM and L1, both chips."""
    arch = find_arch(board.lower())
    measured = facts()["boards"][board]["allocations_in_order_slow_dispatch"]
    names = {f"DataType.{v.upper()}": v for v in TTNN_DTYPES.values()}
    seen = 0
    for name, item in measured.items():
        if "interleaved" not in name or "TILE" not in item.get("layout", ""):
            continue
        shape = tuple(item["shape"][-2:])
        memory = "DRAM" if name.startswith("dram") else "L1"
        layout = Layout(dtype=names[item["dtype"]], logical_shape=shape, padded_shape=shape,
                        role="input", memory=memory)  # type: ignore[arg-type]  # fmt: skip
        words = accessor_words(layout, arch.dram_alignment, arch.l1_alignment)
        assert words == item["TensorAccessorArgs"], name
        seen += 1
    assert seen >= 8


def test_inputs_have_ttnns_shapes_and_dtypes() -> None:
    """Vectors become one row; real tensors are float32, whatever they are stored as."""
    plan = packaged()[GEMM].plan
    row = Layout(dtype="int32", logical_shape=(40,), padded_shape=(32, 64), role="input")
    changed = msgspec.structs.replace(plan, layouts={**plan.layouts, "V": row})
    given = {"A": np.ones((512, 320)), "V": np.arange(40)}
    arrays = device_inputs(changed, given)
    assert arrays["A"].dtype == np.float32
    assert arrays["V"].shape == (1, 40)
    assert arrays["V"].dtype == np.int32
    assert set(arrays) == {"A", "V"}
