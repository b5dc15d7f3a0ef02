"""The worker's end of the channel: one job in, one JSON line out on a descriptor of its own.

``python -c BOOTSTRAP FD JOB_DIRECTORY``: the job is ``job.json`` (and ``inputs.npz``), results go
to ``outputs.npz``; stdout belongs to ttnn, whose C++ logs go there.
"""

from __future__ import annotations

import importlib
import json
import os
import platform
import sys
import time
import traceback
from pathlib import Path
from typing import Any

import numpy as np

from . import build, readback, tensors

Json = dict[str, Any]
QUOTED = 600
"""Characters of an error's text that are sent back."""


def load_ttnn() -> Any:
    """The ttnn module of this interpreter."""
    return importlib.import_module("ttnn")


def kind() -> str:
    """What ttnn will open: the environment decides, as it does for any user of ttnn."""
    if os.environ.get("TT_METAL_MOCK_CLUSTER_DESC_PATH"):
        return "mock"
    return "simulator" if os.environ.get("TT_METAL_SIMULATOR") else "board"


def probe(ttnn: Any, job: Json, directory: Path) -> Json:
    """Versions, and whether there is a device to open."""
    del job, directory
    metadata = importlib.import_module("importlib.metadata")
    facts: Json = {
        "ttnn": metadata.version("ttnn"),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "kind": kind(),
    }
    try:
        facts["devices"] = ttnn.GetNumAvailableDevices()
    except RuntimeError as error:
        facts["devices"] = 0
        facts["why"] = brief(error)
    return facts


def device_facts(ttnn: Any, device: Any) -> Json:
    """What the architecture table has to say the same of."""
    grid = device.compute_with_storage_grid_size()
    origin = [device.worker_core_from_logical_core(ttnn.CoreCoord(i, 0)).x for i in range(grid.x)]
    rows = [device.worker_core_from_logical_core(ttnn.CoreCoord(0, i)).y for i in range(grid.y)]
    return {
        "arch": str(device.arch()).rsplit(".", 1)[-1].lower(),
        "grid": [grid.x, grid.y],
        "dram_banks": device.dram_grid_size().x,
        "columns": origin,
        "rows": rows,
    }


def facts(ttnn: Any, job: Json, directory: Path) -> Json:
    """Open the device and read its facts."""
    del directory
    device = ttnn.open_device(device_id=job["device"])
    try:
        return device_facts(ttnn, device)
    finally:
        ttnn.close_device(device)


def describe(ttnn: Any, job: Json, directory: Path) -> Json:
    """Build descriptors without a device and read them back."""
    del directory
    out = []
    for program in job["programs"]:
        known = build.Known(**program["assumed"])
        out.append(readback.program(build.program(ttnn, program, known), program))
    return {"programs": out}


def prepare(ttnn: Any, job: Json, directory: Path) -> Json:
    """Everything up to the last step, on a device: tensors, accessors, descriptors read back."""
    del directory
    device = ttnn.open_device(device_id=job["device"])
    out = []
    try:
        seen = device_facts(ttnn, device)
        for program in job["programs"]:
            known = known_of(ttnn, device, program, {}, seen)
            read = readback.program(build.program(ttnn, program, known), program)
            fetched = {n: tensors.fetch(ttnn, t) for n, t in known.tensors.items()}
            for tensor in known.tensors.values():
                ttnn.deallocate(tensor)
            out.append({
                **read,
                "addresses": known.addresses,
                "accessors": known.accessors,
                "fetched": {n: [str(a.dtype), list(a.shape)] for n, a in fetched.items()},
            })  # fmt: skip
    finally:
        ttnn.close_device(device)
    return {"device": seen, "programs": out}


def known_of(ttnn: Any, device: Any, program: Json, arrays: Json, seen: Json) -> build.Known:
    """Tensors of a program on the device, and what only the device knows of them."""
    held = {n: tensors.place(ttnn, device, s, arrays.get(n))
            for n, s in program["tensors"].items()}  # fmt: skip
    return build.Known(
        {n: t.buffer_address() for n, t in held.items()},
        {n: list(ttnn.TensorAccessorArgs(t).get_compile_time_args()) for n, t in held.items()},
        seen["columns"],
        seen["rows"],
        held,
    )


def host(ttnn: Any, job: Json, directory: Path) -> Json:
    """Bytes ttnn's host stores arrays as, tilized and quantised; no device is opened."""
    with np.load(directory / "inputs.npz") as held:
        arrays = {name: held[name] for name in held.files}
    out: Json = {}
    for name, spec in job["tensors"].items():
        tile = () if spec["tile"] == [32, 32] else (ttnn.Tile(tuple(spec["tile"])),)
        tensor = ttnn.Tensor(
            arrays[name], getattr(ttnn, spec["dtype"]), None, ttnn.TILE_LAYOUT, None, *tile
        )
        path = directory / f"{name}.tensorbin"
        ttnn.dump_tensor(str(path), tensor)
        out[name] = np.frombuffer(path.read_bytes()[-spec["bytes"] :], np.uint8)
    np.savez(directory / "outputs.npz", **out)
    return {"arrays": sorted(out)}


def run(ttnn: Any, job: Json, directory: Path) -> Json:
    """Run one program on the device: upload, build, generic_op, read back."""
    program, times = job["program"], {}
    with np.load(directory / "inputs.npz") as held:
        arrays = {name: held[name] for name in held.files}
    began = time.perf_counter()
    device = ttnn.open_device(device_id=job["device"])
    try:
        times["open"] = time.perf_counter() - began
        seen = device_facts(ttnn, device)
        known = known_of(ttnn, device, program, arrays, seen)
        times["upload"] = time.perf_counter() - began - sum(times.values())
        descriptor = build.program(ttnn, program, known)
        ttnn.generic_op([known.tensors[n] for n in program["io"]], descriptor)
        results = {n: tensors.fetch(ttnn, known.tensors[n]) for n, s in program["tensors"].items()
                   if s["role"] in ("output", "inout")}  # fmt: skip
        times["run"] = time.perf_counter() - began - sum(times.values())
    finally:
        ttnn.close_device(device)
    np.savez(directory / "outputs.npz", **results)
    return {"timings": times, "device": seen, "addresses": known.addresses,
            "accessors": known.accessors, "executed": kind() != "mock"}  # fmt: skip


JOBS = {
    "probe": probe,
    "facts": facts,
    "describe": describe,
    "prepare": prepare,
    "host": host,
    "run": run,
}


def brief(error: BaseException) -> str:
    """The message of a ttnn error without its C++ backtrace."""
    return str(error).split("backtrace:")[0].strip()[:QUOTED]


def main() -> None:
    """Do the job named on the command line."""
    channel, directory = int(sys.argv[1]), Path(sys.argv[2])
    with os.fdopen(channel, "w", encoding="utf-8") as answer:
        try:
            job = json.loads((directory / "job.json").read_text("utf-8"))
            result = {"ok": True, "result": JOBS[job["mode"]](load_ttnn(), job, directory)}
        except Exception as error:  # noqa: BLE001  whatever happens is the parent's to report
            result = {"ok": False, "error": type(error).__name__, "message": brief(error)}
            traceback.print_exc()
        json.dump(result, answer)
        answer.flush()


if __name__ == "__main__":
    main()
