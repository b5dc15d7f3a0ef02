"""The gate's command lines against those of the real JIT, which a mock device's build shows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from harness.backends.device import TtnnBackend
from harness.backends.device_program import device_inputs, device_program
from harness.backends.interpreter import Interpreter
from harness.backends.mock import MOCKED, mock_environment
from harness.codegen.gate.flags import THREADS, Thread, arguments, target_of
from harness.compiler.pipeline import lower
from harness.kernels.gemm import matmul

pytestmark = pytest.mark.hardware

SOURCES = {"ncrisc": "ncrisck.cc", "brisc": "brisck.cc", "unpack": "TRISC=0", "math": "TRISC=1",
           "pack": "TRISC=2"}  # fmt: skip
"""What tells a thread's command from the others."""


@pytest.fixture(scope="module", params=MOCKED)
def built(
    request: pytest.FixtureRequest,
    interpreter: Interpreter,
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[str, Path, list[list[str]]]:
    """Family, runtime root and the commands ttnn compiles a GEMM's kernels with."""
    family = str(request.param)
    if Path(interpreter.package, "runtime/sfpi").exists():
        pytest.skip("this ttnn has a compiler of its own, which writes no log")
    device = "wormhole_n150" if family == "wormhole" else "blackhole_p150"
    artifact = lower(matmul(M=64, N=64, K=64), device=device, grid=(4, 4)).kernels[0]
    inputs = {n: np.ones(v.logical_shape, np.float32)
              for n, v in artifact.plan.layouts.items() if v.role == "input"}  # fmt: skip
    log = tmp_path_factory.mktemp("jit") / f"{family}.log"
    with mock_environment(interpreter, family, log) as environment:
        backend = TtnnBackend(python=interpreter.path, environment=environment)
        job = {"mode": "run", "device": 0, "program": device_program(artifact)}
        answer = backend.ask(job, device_inputs(artifact.plan, inputs), timeout=120)
        root = Path(environment["TT_METAL_RUNTIME_ROOT"])
    assert answer.state == "error"
    assert "Failed to generate binaries" in answer.message
    return family, root, [line.split() for line in log.read_text().splitlines()]


@pytest.mark.parametrize("thread", THREADS)
def test_defines_and_include_directories_are_the_jits(
    built: tuple[str, Path, list[list[str]]], thread: Thread
) -> None:
    """A kernel the gate accepts is seen by the device's compiler under the same conditions."""
    family, root, commands = built
    theirs = next(c for c in commands if any(w.endswith(SOURCES[thread]) for w in c))
    target = target_of(family)
    assert target is not None
    words = next((w.partition("ARGS=")[2] for w in theirs if "COMPILE_TIME_ARGS" in w), "")
    noc = next((int(w[-1]) for w in theirs if w.startswith("-DNOC_INDEX")), 0)
    ours = arguments(root / "ttnn", target, thread, Path("generated"), words=words, noc=noc)
    assert defines(ours) - {f"-D{target.tensix}=1"} == defines(theirs)
    assert includes(ours, root / "ttnn") == includes(theirs, root)
    assert words == {"ncrisc": "2,2048,2,2048", "brisc": "2,2048"}.get(thread, "")
    assert noc == {"ncrisc": 0, "brisc": 1}.get(thread, 0)


def defines(command: list[str]) -> set[str]:
    """Macros, but for the kernel's name."""
    return {w for w in command if w.startswith("-D") and "FULL_KERNEL_NAME" not in w}


def includes(command: list[str], root: Path) -> set[str]:
    """Include directories of tt-metal, relative to the root."""
    found = set()
    for item in command:
        if item.startswith(("-I", "-isystem")):
            path = Path(item.removeprefix("-isystem").removeprefix("-I"))
            if path.is_relative_to(root / "tt_metal") and "sfpi" not in path.parts:
                found.add(str(path.relative_to(root)))
    return found
