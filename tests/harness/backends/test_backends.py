"""Both backends behind one protocol."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import numpy as np
import pytest

import harness.backends.ttnn_worker as worker
from harness.backends import BACKENDS, find_backend
from harness.backends.channel import Answer
from harness.backends.device import TtnnBackend
from harness.backends.interpreter import ENVIRONMENT, ask, find_interpreter
from harness.backends.protocol import Capabilities
from harness.errors import OptionError
from simulator.errors import InputError
from tests.harness.backends.plans import packaged

COPY = 2


def inputs(plan: object) -> dict[str, np.ndarray[tuple[int, ...], np.dtype[np.float32]]]:
    """Ones for every input."""
    return {n: np.ones(v.logical_shape, np.float32)
            for n, v in plan.layouts.items() if v.role == "input"}  # type: ignore[attr-defined]  # fmt: skip


def test_the_simulator_runs_a_copy() -> None:
    """Outputs, no findings, times."""
    artifact = packaged()[COPY]
    outcome = find_backend("simulator").run(artifact, inputs(artifact.plan))
    assert outcome.ok
    assert outcome.skipped is None
    assert all((array == 1).all() for array in outcome.outputs.values())
    assert set(outcome.timings) == {"upload", "run", "download"}
    assert outcome.to_json()["completed"] is True


def test_every_named_backend_says_what_it_can_do() -> None:
    """Without raising, whatever is installed."""
    for name in BACKENDS:
        can = find_backend(name).capabilities()
        assert can.executes or can.reason


def test_an_unknown_backend_is_refused() -> None:
    """With the names there are."""
    with pytest.raises(OptionError, match="simulator, ttnn"):
        find_backend("emulator")


def test_without_an_interpreter_a_run_is_a_skip(monkeypatch: pytest.MonkeyPatch) -> None:
    """And the reason says what would help."""
    monkeypatch.setenv(ENVIRONMENT, "/no/such/python")
    artifact = packaged()[COPY]
    outcome = TtnnBackend().run(artifact, inputs(artifact.plan))
    assert not outcome.ok
    assert outcome.skipped is not None
    assert "pip install 'ttnn==0.81.1'" in outcome.skipped


def test_this_python_is_not_used_for_ttnn() -> None:
    """An interpreter without ttnn, or of a version without wheels, is not usable."""
    found = ask(sys.executable)
    assert found is not None
    assert found.usable == (found.ttnn is not None and found.version in ("3.12", "3.10"))
    assert TtnnBackend(python="/no/such/python").capabilities().reason is not None


def test_a_named_interpreter_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing else is tried when the user has named one."""
    monkeypatch.setenv(ENVIRONMENT, sys.executable)
    found, reason = find_interpreter()
    assert found is not None or sys.executable in str(reason)


class Scripted(TtnnBackend):
    """A ttnn backend whose worker answers what the test says."""

    answer = Answer("ok")

    @property
    def _capabilities(self) -> Capabilities:
        return Capabilities(True, "device")

    def ask(self, *_: object, **__: object) -> Answer:
        """The scripted answer."""
        return self.answer


def scripted(answer: Answer, **options: object) -> Scripted:
    """A backend that gets ``answer``."""
    backend = Scripted(**options)  # type: ignore[arg-type]
    backend.answer = answer
    return backend


def test_outputs_come_back_in_logical_shape() -> None:
    """Whatever shape ttnn gave them."""
    artifact = packaged()[COPY]
    name = artifact.plan.io[-1]
    shape = artifact.plan.layouts[name].logical_shape
    flat = np.zeros(int(np.prod(shape)), np.float32)
    answer = Answer("ok", {"timings": {"run": 0.5}}, {name: flat}, seconds=1.0)
    outcome = scripted(answer).run(artifact, inputs(artifact.plan))
    assert outcome.ok
    assert outcome.outputs[name].shape == shape
    assert outcome.timings == {"run": 0.5, "total": 1.0}


def test_a_plan_for_another_architecture_is_told() -> None:
    """It may well run; the answer is about another machine than the plan's."""
    artifact = packaged()[COPY]
    answer = Answer("ok", {"timings": {}, "device": {"arch": "blackhole"}})
    outcome = scripted(answer).run(artifact, inputs(artifact.plan))
    assert [f.code for f in outcome.findings] == ["DeviceMismatch"]
    assert not outcome.ok


def test_a_timeout_tells_the_simulators_verdict() -> None:
    """The first question after a hang is whether the plan deadlocks by itself."""
    artifact = packaged()[COPY]
    backend = scripted(Answer("timeout", message="last words"), timeout=7.0,
                       verdict=lambda _: "completed, determinate")  # fmt: skip
    outcome = backend.run(artifact, inputs(artifact.plan))
    (finding,) = outcome.findings
    assert finding.code == "DeviceTimeout"
    assert ("no answer in 7 s: possible deadlock; the simulator's verdict on this plan was:"
            " completed, determinate") in finding.message  # fmt: skip
    assert "last words" in finding.message
    assert not outcome.ok


@pytest.mark.parametrize("state", ["died", "error"])
def test_a_failure_is_a_device_error(state: str) -> None:
    """With what was said, and what to do."""
    artifact = packaged()[COPY]
    answer = Answer(state, message="CB too large")  # type: ignore[arg-type]
    (finding,) = scripted(answer).run(artifact, inputs(artifact.plan)).findings
    assert finding.code == "DeviceError"
    assert "CB too large" in finding.message
    assert finding.next_step


def test_wrong_inputs_are_the_callers_error_on_every_backend() -> None:
    """Before anything is started."""
    artifact = packaged()[COPY]
    for backend in (find_backend("simulator"), scripted(Answer("ok"))):
        with pytest.raises(InputError, match="missing"):
            backend.run(artifact, {})


def test_the_timeout_is_a_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    """By argument, by environment, else two minutes."""
    assert TtnnBackend().timeout == 120
    monkeypatch.setenv("TT_HARNESS_DEVICE_TIMEOUT", "9.5")
    assert TtnnBackend().timeout == 9.5
    assert TtnnBackend(timeout=3).timeout == 3


def test_the_worker_imports_numpy_ttnn_and_the_standard_library_only() -> None:
    """It runs where this project is not installed and TVM must not be."""
    allowed = {"numpy", *sys.stdlib_module_names}
    for path in Path(worker.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                assert {alias.name.split(".")[0] for alias in node.names} <= allowed, path
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                assert str(node.module).split(".")[0] in allowed, path
