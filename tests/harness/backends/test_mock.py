"""What only a device knows, on ttnn's mock devices: sharded tensors, coordinates, reading back."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from harness.backends.device import TtnnBackend
from harness.backends.device_program import device_program
from harness.compiler.pipeline import CompiledKernel, lower
from harness.kernels.gemm import matmul
from simulator.plan.schema import Semaphore
from simulator.program import Op
from tests.vectors.cases import facts

pytestmark = pytest.mark.hardware


def prepared(backend: TtnnBackend, *programs: dict[str, Any]) -> tuple[dict[str, Any], list[Any]]:
    """Device facts, and what ttnn made of the programs."""
    job = {"mode": "prepare", "device": 0, "programs": list(programs)}
    answer = backend.ask(job, timeout=120)
    assert answer.state == "ok", answer.message
    return answer.result["device"], answer.result["programs"]


def gemm(**parameters: Any) -> CompiledKernel:
    """A small GEMM on few cores."""
    return lower(matmul(**parameters), grid=(2, 2)).kernels[0]


@pytest.mark.parametrize("dtype", ["bfloat16", "float32"])
def test_outputs_are_read_back_in_logical_shape(wormhole: TtnnBackend, dtype: str) -> None:
    """Uneven shapes lose their padding on the way back; real dtypes arrive as float32."""
    program = device_program(gemm(M=100, N=70, K=50, dtype=dtype))
    _, (found,) = prepared(wormhole, program)
    assert found["fetched"]["C"] == ["float32", [100, 70]]


@pytest.mark.parametrize("dtype", ["bfloat8_b", "bfloat4_b", "int32", "uint32", "uint16"])
def test_every_dtype_makes_the_round_trip(wormhole: TtnnBackend, dtype: str) -> None:
    """Block formats as float32, integers as they are."""
    program = device_program(gemm(M=64, N=64, K=64))
    program["tensors"]["C"]["dtype"] = dtype
    _, (found,) = prepared(wormhole, program)
    assert found["fetched"]["C"] == ["float32" if "float" in dtype else dtype, [64, 64]]


SHARDED = {
    "l1_height_2cores_64x64": ([64, 64], "height", [[0, 0, 0, 1]], [32, 64]),
    "l1_height_4cores_256x64": ([256, 64], "height", [[0, 0, 3, 0]], [64, 64]),
    "l1_width_4cores_64x256": ([64, 256], "width", [[0, 0, 3, 0]], [64, 64]),
    "l1_block_2x2_128x128": ([128, 128], "block", [[0, 0, 1, 1]], [64, 64]),
}
"""Case of facts.json to (shape, strategy, cores, shard)."""


@pytest.mark.parametrize("case", SHARDED)
def test_sharded_accessor_words_are_the_measured_ones(wormhole: TtnnBackend, case: str) -> None:
    """Spliced from ttnn on the device; all but the coordinates also follow from the shape."""
    shape, strategy, cores, shard = SHARDED[case]
    measured = facts()["boards"]["wormhole_N150"]["allocations_in_order_slow_dispatch"][case]
    program = device_program(gemm(M=64, N=64, K=64))
    program["tensors"]["A"] |= {
        "shape": shape,
        "memory": "L1",
        "shard": {"strategy": strategy, "cores": cores, "shape": shard,
                  "orientation": "row_major"},
    }  # fmt: skip
    _, (found,) = prepared(wormhole, program)
    words, wanted = found["accessors"]["A"], measured["TensorAccessorArgs"]
    assert len(words) == len(wanted)
    head = 2 + 2 * wanted[2] + 2  # flags, page, rank, banks, tensor shape, shard shape
    assert words[:head] == wanted[:head]
    reader = next(k for k in found["kernels"] if "reader of" in k["source"])
    assert reader["compile_words"] == [*words, *found["accessors"]["B"]]


def test_a_circular_buffer_over_a_sharded_tensor(wormhole: TtnnBackend) -> None:
    """In place: ttnn makes the descriptor from the tensor, with the plan's id."""
    program = device_program(gemm(M=64, N=64, K=64))
    program["tensors"]["A"] |= {
        "memory": "L1",
        "shard": {"strategy": "height", "cores": [[0, 0, 0, 1]], "shape": [32, 64],
                  "orientation": "row_major"},
    }  # fmt: skip
    program["circular_buffers"][0]["tensor"] = "A"
    _, (found,) = prepared(wormhole, program)
    first = found["circular_buffers"][0]
    assert first["cores"] == [[0, 0, 0, 1]]
    assert first["bytes"] == 2 * 2048
    assert [f["id"] for f in first["formats"]] == [0]


def test_kernels_that_talk_to_other_cores_get_coordinates(mock: TtnnBackend) -> None:
    """Logical columns and rows become the device's, which differ between boards."""
    artifact = gemm(M=64, N=64, K=64)
    reader = artifact.programs.programs[0]
    signal = Op(name="noc_semaphore_inc", args=(1, 0, 0, 1))
    changed = msgspec.structs.replace(reader, body=(*reader.body, signal))
    plan = msgspec.structs.replace(
        artifact.plan,
        semaphores=(Semaphore(id=0, core_ranges=artifact.plan.core_ranges, initial=2),),
    )
    programs = msgspec.structs.replace(
        artifact.programs, programs=(changed, *artifact.programs.programs[1:])
    )
    program = device_program(CompiledKernel(artifact.name, plan, programs))
    device, (found,) = prepared(mock, program)
    kernel = found["kernels"][0]
    assert "get_noc_addr(noc_columns[1], noc_rows[0], get_semaphore(0))" in kernel["source"]
    assert dict(kernel["defines"]) == {
        "NOC_COLUMNS": ",".join(map(str, device["columns"])),
        "NOC_ROWS": ",".join(map(str, device["rows"])),
    }
    assert found["semaphores"] == [{"id": 0, "cores": [[0, 0, 1, 1]], "initial": 2}]
    assert found["kernels"][1]["defines"] == []
    if "wormhole" in device["arch"]:
        measured = facts()["boards"]["wormhole_N150"]["slow_dispatch"]["worker_core_from_logical"]
        assert measured["3,2"] == f"{device['columns'][3]}-{device['rows'][2]}"
