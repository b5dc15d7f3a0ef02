"""``--backend``: who executes for ``run`` and ``check``, and what happens where nobody does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness.backends.protocol import Arrays, Capabilities, Compiled, Outcome, device_finding
from harness.backends.simulated import SimulatorBackend
from tests.harness.cli.conftest import GEMM, SMALL, Command

ON_DEVICE = (*SMALL, "--backend", "ttnn", "--json", "out.json")


class Board(SimulatorBackend):
    """A device that computes as the simulator does, unless told otherwise."""

    def __init__(self, fault: str = "") -> None:
        super().__init__()
        self.fault = fault

    def capabilities(self) -> Capabilities:
        """It executes."""
        return Capabilities(True, "device")

    def run(self, artifact: Compiled, inputs: Arrays) -> Outcome:
        """The simulator's answer, one element of it wrong, or none."""
        if self.fault == "hangs":
            return Outcome("ttnn", findings=(device_finding("DeviceTimeout", "no answer"),))
        if self.fault == "leaves":
            return Outcome("ttnn", skipped="the board went away")
        done = super().run(artifact, inputs)
        if self.fault == "wrong":
            done.outputs["C"][3, 5] += 1
        return done


@pytest.fixture
def board(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Board:
    """A machine with a board, which may be broken."""
    found = Board(getattr(request, "param", ""))

    def find(name: str, **_: Any) -> Board:
        assert name == "ttnn"
        return found

    monkeypatch.setattr("harness.backends.judged.find_backend", find)
    return found


def report() -> dict[str, Any]:
    """What ``--json`` wrote."""
    value: dict[str, Any] = json.loads(Path("out.json").read_text())
    return value


@pytest.mark.usefixtures("board")
def test_a_device_is_judged_by_the_same_golden(command: Command, artifact: Path) -> None:
    """Protects the one protocol: both commands, exact and random inputs, and the way back."""
    assert command("run", GEMM, *ON_DEVICE).status == 0
    found = report()
    assert (found["verdict"], found["oracle"]) == ("pass", "exact+bound")
    assert "--backend ttnn" in found["reproduce"]
    assert found["determinate"] is None
    assert "device" in found["timings"]
    assert command("check", GEMM, *ON_DEVICE, "--artifact", artifact).status == 0
    assert report()["verdict"] == "pass"


@pytest.mark.parametrize(
    ("board", "status", "word"),
    [("wrong", 1, "WRONG TILE  C[0,0]"), ("hangs", 1, "DeviceTimeout")], indirect=["board"],
)  # fmt: skip
@pytest.mark.usefixtures("board")
def test_a_faulty_device_fails(command: Command, status: int, word: str) -> None:
    """Protects against a device that is believed: one wrong element or a hang is no pass."""
    reply = command("run", GEMM, *ON_DEVICE)
    assert reply.status == status
    assert word in reply.out
    assert report()["verdict"] == "fail"


@pytest.mark.parametrize("board", ["leaves"], indirect=True)
@pytest.mark.usefixtures("board")
def test_a_device_that_leaves_is_a_skip(command: Command) -> None:
    """Protects the reason of a run that did not happen after all."""
    reply = command("run", GEMM, *ON_DEVICE)
    assert reply.status == 2
    assert "the board went away" in reply.complaint()
    assert report()["verdict"] == "skip"


def test_without_ttnn_there_is_a_reason_and_no_pass(
    command: Command, artifact: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Protects scripts: nothing ran, so the status is 2, the verdict skip, the reason stated."""
    monkeypatch.setenv("TT_HARNESS_TTNN_PYTHON", "nowhere/python")
    for words in (("run", GEMM), ("check", GEMM, "--artifact", artifact)):
        reply = command(*words, *ON_DEVICE)
        assert reply.status == 2
        assert "no device executes kernels here" in reply.complaint()
        assert "nowhere/python, which has no usable ttnn" in reply.complaint()
        assert (report()["verdict"], report()["exit_status"]) == ("skip", 2)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--backend", "gpu"), "there is no backend 'gpu'"),
        (("--backend", "ttnn", "--numbers", "exact"), "has no --numbers"),
        (("--backend", "ttnn", "--max-steps", "5"), "has no --max-steps"),
        (("--backend", "ttnn", "--max-seconds", "5"), "has no --max-seconds"),
        (("--backend", "ttnn", "--profile"), "has no --profile"),
    ],
)
def test_what_a_device_does_not_have_is_refused(
    command: Command, words: tuple[str, ...], said: str
) -> None:
    """Protects the rule that an option has an effect or is refused."""
    reply = command("run", GEMM, *SMALL, *words)
    assert reply.status == 2
    assert said in reply.complaint()
    assert reply.complaint().startswith("tt-harness run: --backend: ")


def test_compile_writes_kernels(command: Command) -> None:
    """Protects the C++ beside the plan: what compile and run leave is what source prints."""
    reply = command("compile", GEMM, *SMALL, "-o", "made", "--json", "out.json")
    assert "tt-metal C++" in reply.out
    (one,) = report()["kernels"]
    assert one["cpp"] == [f"made/kernels/{name}.cpp" for name in ("reader", "compute", "writer")]
    assert one["not_printed"] is None
    command("run", GEMM, *SMALL, "-o", "ran")
    for path in map(Path, one["cpp"]):
        assert path.read_text() == command("source", "made", path.stem).out
        assert path.read_text() == (Path("ran") / "kernels" / path.name).read_text()


def test_what_cannot_be_printed_leaves_no_stale_kernels(
    command: Command, artifact: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Protects a directory compiled twice: kernels of another plan do not stay in it."""
    from harness.codegen import CodegenError

    def refuse(*_: object) -> dict[str, str]:
        raise CodegenError("no spelling")

    monkeypatch.setattr("harness.codegen.print_kernels", refuse)
    reply = command("compile", GEMM, *SMALL, "-o", artifact, "--json", "out.json")
    assert reply.status == 0
    assert "no C++ kernels: NotPrintable: no spelling" in reply.complaint()
    assert report()["kernels"][0]["cpp"] == []
    assert not (artifact / "kernels").exists()
    assert "kernels" not in reply.out
