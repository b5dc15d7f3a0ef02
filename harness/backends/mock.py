"""ttnn's mock device, opened without a compiler: host code runs for real, kernels never do.

ttnn opens a mock cluster described by a small YAML file. Opening also wants the sfpi compiler, but
the wheel's precompiled firmware is used, so that only its version is asked for: a stand-in that
answers that question, in a runtime root of links to the installed ttnn, is enough to allocate
tensors, splice accessor words and build programs with real addresses. ``generic_op`` still stops
where kernels would be compiled.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from harness.backends.interpreter import Interpreter

_CLUSTERS: Final[Mapping[str, str]] = {
    "wormhole": """\
arch: {0: wormhole_b0}
chips: {0: [0, 0, 0, 0]}
chip_unique_ids: {0: 72059269369839682}
ethernet_connections: []
ethernet_connections_to_remote_devices: []
chips_with_mmio: [0: 0]
harvesting: {0: {noc_translation: true, harvest_mask: 32, dram_harvesting_mask: 0,
  eth_harvesting_mask: 0, pcie_harvesting_mask: 0, l2cpu_harvesting_mask: 0}}
boards: [[board_id: 72059269369839682, board_type: n150, chips: [0]]]
""",
    "blackhole": """\
arch: {0: blackhole}
chips: {0: [0, 0, 0, 0]}
chip_unique_ids: {0: 4476187513037}
ethernet_connections: []
ethernet_connections_to_remote_devices: []
chips_with_mmio: [0: 0]
harvesting: {0: {noc_translation: true, harvest_mask: 3, dram_harvesting_mask: 0,
  eth_harvesting_mask: 288, pcie_harvesting_mask: 2, l2cpu_harvesting_mask: 0}}
boards: [[board_id: 4476187513037, board_type: p150, chips: [0]]]
""",
}
"""Clusters of one chip: an n150 with one row of cores harvested, a p150 with two columns."""

MOCKED: Final = tuple(_CLUSTERS)
_SFPI: Final = "7.89.0[1050]"
"""The release ttnn 0.81.1 names in ``tt_metal/sfpi-version``."""


@contextmanager
def mock_environment(
    interpreter: Interpreter, family: str, log: Path | None = None
) -> Iterator[dict[str, str]]:
    """Environment variables with which ttnn in ``interpreter`` opens a mock device.

    Args:
        interpreter: a usable interpreter.
        family: one of :data:`MOCKED`.
        log: where the stand-in writes the commands it is called with, one per line, and leaves
            beside them the headers generated for each kernel (the compilation fails all the same).
    """
    with TemporaryDirectory(prefix="tt-harness-mock-") as scratch:
        place = Path(scratch)
        (place / "cluster.yaml").write_text(_CLUSTERS[family], encoding="utf-8")
        named = {"TT_METAL_MOCK_CLUSTER_DESC_PATH": str(place / "cluster.yaml")}
        installed = Path(interpreter.package)
        if (installed / "runtime/sfpi").exists():
            yield named  # a compiler of the user's own
            return
        root = place / "root"
        (root / "runtime").mkdir(parents=True)
        for part in ("tt_metal", "ttnn"):
            (root / part).symlink_to(installed / part)
        for path in (installed / "runtime").iterdir():
            (root / "runtime" / path.name).symlink_to(path)
        tools = root / "runtime/sfpi/compiler/bin"
        tools.mkdir(parents=True)
        compiler = tools / "riscv-tt-elf-g++"
        compiler.write_text(_stand_in(log))
        compiler.chmod(0o755)
        yield {**named, "TT_METAL_RUNTIME_ROOT": str(root), "TT_METAL_CACHE": str(place / "cache")}


def _stand_in(log: Path | None) -> str:
    """A compiler that knows its version, and writes down what it was asked for."""
    version = f"echo 'riscv-tt-elf-g++ (tenstorrent/sfpi:{_SFPI}) 15.1.0'"
    lines = ["#!/bin/sh", f'if [ "$1" = --version ]; then {version}; exit 0; fi']
    if log is not None:
        lines.append(f"echo \"$PWD $*\" >> '{log}'")
    return "\n".join([*lines, "exit 1", ""])
