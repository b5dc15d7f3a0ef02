"""What a device computed, kept so that a later run without a board can hold the simulator to it."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

from harness.artifact import Artifact
from harness.backends.protocol import Array, Arrays
from harness.backends.simulated import SimulatorBackend
from harness.backends.smoke.compare import first_difference
from harness.backends.smoke.report import Step
from simulator.artifact import Artifact as MachineArtifact
from simulator.files import write_atomic
from simulator.plan.load import dump_plan, dump_programs, load_plan, load_programs

RECORD_VERSION: Final = 1
"""Raised whenever a field changes shape or meaning."""


def write_record(
    path: Path, artifact: Artifact, kind: str, inputs: Arrays, outputs: Arrays,
    device: Mapping[str, Any],
) -> None:  # fmt: skip
    """Write one run: the whole artifact, inputs and outputs, and the device they came from."""
    record = {
        "record_version": RECORD_VERSION,
        "kind": kind,
        "device": dict(device),
        "plan": json.loads(dump_plan(artifact.plan)),
        "programs": json.loads(dump_programs(artifact.programs)),
        "inputs": {name: _pack(array) for name, array in inputs.items()},
        "outputs": {name: _pack(array) for name, array in outputs.items()},
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, json.dumps(record, indent=1).encode())


def recheck(path: Path) -> Step:
    """Run a record's plan on the simulator and compare.

    Exact records must be equal; of random ones the same is reported, and a difference is told
    without failing: the bound, which needs the source, was judged when the record was made.

    Raises:
        KeyError, TypeError, ValueError, OSError: the file is no record.
    """
    record = json.loads(path.read_text("utf-8"))
    if record["record_version"] != RECORD_VERSION:
        return Step(path.stem, "skip", f"record version {record['record_version']}")
    plan = load_plan(json.dumps(record["plan"]).encode())
    programs = load_programs(json.dumps(record["programs"]).encode())
    inputs = {name: _unpack(item) for name, item in record["inputs"].items()}
    outputs = {name: _unpack(item) for name, item in record["outputs"].items()}
    outcome = SimulatorBackend().run(MachineArtifact(plan, programs), inputs)
    if not outcome.ok:
        said = outcome.findings[0].message if outcome.findings else "it did not complete"
        return Step(path.stem, "fail", f"the simulator: {said}")
    told = first_difference(plan, outcome.outputs, outputs)
    if told is None:
        return Step(path.stem, "pass", "equal bit for bit")
    return Step(path.stem, "fail" if record["kind"] == "exact" else "pass", told)


def _pack(array: Array) -> dict[str, Any]:
    data = zlib.compress(np.ascontiguousarray(array).tobytes(), 6)
    return {"dtype": str(array.dtype), "shape": list(array.shape),
            "zlib": base64.b64encode(data).decode()}  # fmt: skip


def _unpack(item: Mapping[str, Any]) -> Array:
    data = zlib.decompress(base64.b64decode(item["zlib"]))
    return np.frombuffer(data, item["dtype"]).reshape(item["shape"])
