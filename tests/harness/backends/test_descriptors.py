"""Program descriptors built by the real ttnn, read back and compared with the plan."""

from __future__ import annotations

from typing import Any

import pytest

from harness.backends.device import TtnnBackend
from harness.backends.device_program import device_inputs, device_program
from harness.backends.interpreter import Interpreter
from harness.compiler.pipeline import CompiledKernel, lower
from harness.kernels.elementwise import sharded_copy
from harness.kernels.gemm import matmul
from simulator.arch import find_arch
from tests.harness.backends.plans import generated, packaged

pytestmark = pytest.mark.hardware

CODES = {"float32": 0, "bfloat16": 5, "bfloat8_b": 6, "bfloat4_b": 7, "int32": 8, "uint16": 9,
         "uint32": 24, "uint8": 30}  # fmt: skip
"""tt::DataFormat by ttnn dtype."""


def expected(
    program: dict[str, Any], addresses: dict[str, int], accessors: Any, columns: list[int],
    rows: list[int],
) -> dict[str, Any]:  # fmt: skip
    """What ttnn's descriptor must say, from the JSON that asked for it."""

    def word(value: Any) -> int:
        return value if isinstance(value, int) else addresses[value["addr"]]

    kernels = []
    for spec in program["kernels"]:
        words = [w for buffer in spec["accessors"] for w in accessors[buffer]]
        item = {
            "source": spec["source"],
            "cores": sorted(spec["cores"], key=lambda r: (r[1], r[0])),
            "compile_words": [*words, *map(word, spec["compile"])],
            "common_words": [word(v) for v in spec["common"]],
            "defines": [
                ["NOC_COLUMNS", ",".join(map(str, columns))],
                ["NOC_ROWS", ",".join(map(str, rows))],
            ]
            if spec["coordinates"]
            else [],
            "runtime_words": {k: [word(v) for v in vs] for k, vs in spec["runtime"].items()},
        }
        keys = ("compute", "unpack_to_dest") if "compute" in spec else ("processor", "noc")
        kernels.append({**item, **{key: spec[key] for key in keys}})
    return {
        "kernels": kernels,
        "circular_buffers": [
            {
                "bytes": cb["bytes"],
                "cores": sorted(cb["cores"], key=lambda r: (r[1], r[0])),
                "formats": [{"id": f["id"], "code": CODES[f["format"]], "page": f["page"],
                             "tile": f["tile"]} for f in cb["formats"]],
            }
            for cb in program["circular_buffers"]
        ],
        "semaphores": program["semaphores"],
    }  # fmt: skip


def compare(artifacts: list[CompiledKernel], backend: TtnnBackend) -> int:
    """Build every plan's descriptor without a device and hold it against the plan."""
    programs = [device_program(artifact) for artifact in artifacts]
    answer = backend.ask({"mode": "describe", "programs": programs}, timeout=120)
    assert answer.state == "ok", answer.message
    for program, found in zip(programs, answer.result["programs"], strict=True):
        assert found == expected(program, **program["assumed"])
    return len(programs)


def test_descriptors_of_packaged_plans(interpreter: Interpreter) -> None:
    """Kernels, words, circular buffers and modes arrive in ttnn as the plan has them."""
    backend = TtnnBackend(python=interpreter.path)
    assert compare(list(packaged()), backend) == len(packaged())


def test_descriptors_of_a_few_generated_plans(interpreter: Interpreter) -> None:
    """Other grids, strategies and devices."""
    assert compare(list(generated(12)), TtnnBackend(python=interpreter.path)) == 12


@pytest.mark.nightly
def test_descriptors_of_many_generated_plans(interpreter: Interpreter) -> None:
    """220 plans."""
    assert compare(list(generated(220, seed=66)), TtnnBackend(python=interpreter.path)) == 220


def test_addresses_and_accessors_on_a_mock_device(mock: TtnnBackend) -> None:
    """Ttnn's allocator places tensors where plan placement says; words are spliced from it."""
    facts = mock.ask({"mode": "facts", "device": 0}, timeout=60)
    assert facts.state == "ok", facts.message
    name = "wormhole_n150" if "wormhole" in facts.result["arch"] else "blackhole_p150"
    artifacts = [
        lower(matmul(**kw), device=name, grid=(6, 5)).kernels[0]
        for kw in ({}, {"dtype": "float32"}, {"M": 100, "N": 70, "K": 50})
    ]
    programs = [device_program(artifact) for artifact in artifacts]
    answer = mock.ask({"mode": "prepare", "device": 0, "programs": programs}, timeout=120)
    assert answer.state == "ok", answer.message
    for program, found in zip(programs, answer.result["programs"], strict=True):
        assert found["addresses"] == program["assumed"]["addresses"]
        assert found["accessors"] == program["assumed"]["accessors"]
        wanted = expected(program, found["addresses"], found["accessors"],
                          facts.result["columns"], facts.result["rows"])  # fmt: skip
        assert {key: found[key] for key in wanted} == wanted


def test_shards_and_multicast_on_a_mock_device(mock: TtnnBackend) -> None:
    """Shards lie where placement says; kernels that send get the device's NoC coordinates."""
    seen = mock.ask({"mode": "facts", "device": 0}, timeout=60).result
    name = "wormhole_n150" if "wormhole" in seen["arch"] else "blackhole_p150"
    artifacts = [
        lower(sharded_copy(), device=name, strategy="match_shard").kernels[0],
        lower(sharded_copy(M=100, N=70), device=name).kernels[0],
        lower(matmul(), device=name, multicast=True, strategy="block", grid=(2, 2)).kernels[0],
    ]
    assert artifacts[0].plan.circular_buffers[0].tensor == "A"  # in place
    programs = [device_program(artifact) for artifact in artifacts]
    answer = mock.ask({"mode": "prepare", "device": 0, "programs": programs}, timeout=120)
    assert answer.state == "ok", answer.message
    for program, found in zip(programs, answer.result["programs"], strict=True):
        assert found["addresses"] == program["assumed"]["addresses"]
        wanted = expected(program, found["addresses"], found["accessors"],
                          seen["columns"], seen["rows"])  # fmt: skip
        assert {key: found[key] for key in wanted} == wanted
    assert any(kernel["defines"] for kernel in answer.result["programs"][2]["kernels"])


def test_the_mock_devices_facts_are_the_architecture_tables(mock: TtnnBackend) -> None:
    """Banks and grid; the mock p150 has two columns harvested, the table's has none."""
    found = mock.ask({"mode": "facts", "device": 0}, timeout=60).result
    wormhole = "wormhole" in found["arch"]
    arch = find_arch("wormhole_n150" if wormhole else "blackhole_p150")
    columns = arch.grid[0] - (0 if wormhole else 2)
    assert found["dram_banks"] == arch.dram_banks
    assert found["grid"] == [columns, arch.grid[1]]
    assert len(found["columns"]) == columns


def test_the_last_step_stops_where_kernels_are_compiled(wormhole: TtnnBackend) -> None:
    """Without a compiler the host accepts the whole program and says what it lacks."""
    import numpy as np

    artifact = lower(matmul(M=64, N=64, K=64)).kernels[0]
    inputs = {n: np.ones(v.logical_shape, np.float32)
              for n, v in artifact.plan.layouts.items() if v.role == "input"}  # fmt: skip
    job = {"mode": "run", "device": 0, "program": device_program(artifact)}
    answer = wormhole.ask(job, device_inputs(artifact.plan, inputs), timeout=120)
    if answer.state == "ok":  # a machine with a compiler: nothing is executed, zeros come back
        assert not answer.result["executed"]
    else:
        assert answer.state == "error"
        assert "Failed to generate binaries" in answer.message


@pytest.mark.parametrize("change", ["overlapping cores", "page size"])
def test_a_program_ttnn_refuses_is_an_error_with_its_text(
    interpreter: Interpreter, change: str
) -> None:
    """The worker reports what ttnn says; it does not die."""
    program = device_program(packaged()[0])
    if change == "page size":
        program["circular_buffers"][0]["formats"][0]["tile"] = [3, 32]
    else:
        program["kernels"][0]["cores"] = [[0, 0, 3, 3], [2, 2, 5, 5]]
    backend = TtnnBackend(python=interpreter.path)
    answer = backend.ask({"mode": "describe", "programs": [program]}, timeout=60)
    if change == "page size":  # checked on the device only
        assert answer.state == "ok"
    else:
        assert answer.state == "error"
        assert "overlap" in answer.message
