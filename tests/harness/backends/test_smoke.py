"""The smoke run: against the simulator as a device, against devices that err, and without one."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from harness.backends.channel import Answer
from harness.backends.device import TtnnBackend
from harness.backends.interpreter import ENVIRONMENT
from harness.backends.protocol import (
    Arrays,
    Capabilities,
    Compiled,
    Outcome,
    device_finding,
)
from harness.backends.simulated import SimulatorBackend
from harness.backends.smoke import PLANS, recheck, smoke
from harness.backends.smoke.compare import first_difference
from harness.backends.smoke.report import SmokeReport, Step
from harness.errors import HarnessError
from harness.report.owner import owners
from simulator.artifact import load_artifact
from simulator.files import read_npz
from tests.harness.backends.plans import packaged

Change = Callable[[dict[str, np.ndarray[tuple[int, ...], np.dtype[np.float32]]]], None]


class Board:
    """A device that computes as the simulator does, then errs as a test says."""

    name = "board"

    def __init__(self, change: Change = lambda _: None) -> None:
        self.change = change

    def capabilities(self) -> Capabilities:
        """It executes."""
        return Capabilities(True, "device", facts={"kind": "board"})

    def run(self, artifact: Compiled, inputs: Arrays) -> Outcome:
        """The simulator's outputs, changed."""
        done = SimulatorBackend().run(artifact, inputs)
        outputs = {name: array.copy() for name, array in done.outputs.items()}
        self.change(outputs)
        return Outcome(self.name, outputs, completed=True)


def run(tmp_path: Path, board: object, *plans: str) -> SmokeReport:
    """A short smoke run."""
    return smoke(board, plans=plans or ("copy-one-core", "add"), output=tmp_path)  # type: ignore[arg-type]


def test_a_device_that_agrees_passes_and_is_recorded(tmp_path: Path) -> None:
    """Records hold the simulator to it later, without the board."""
    report = run(tmp_path, Board())
    assert report.ok
    assert report.counts()["skip"] == 0
    records = sorted((tmp_path / "records").glob("*.json"))
    assert [r.stem for r in records] == ["add-exact", "add-random", "copy-one-core-exact",
                                         "copy-one-core-random"]  # fmt: skip
    assert {recheck(record).status for record in records} == {"pass"}


def test_a_record_notices_a_simulator_that_changed(tmp_path: Path) -> None:
    """Which is what records are for."""
    run(tmp_path, Board(), "copy-one-core")
    path = tmp_path / "records/copy-one-core-exact.json"
    record = json.loads(path.read_text())
    (tmp_path / "old.json").write_text(json.dumps({**record, "record_version": 0}))
    assert recheck(tmp_path / "old.json").status == "skip"
    record["outputs"] = record["inputs"]
    record["outputs"] = {name: next(iter(record["inputs"].values()))
                         for name in json.loads(path.read_text())["outputs"]}  # fmt: skip
    other = run(tmp_path / "other", Board(), "add")
    assert other.ok
    added = json.loads((tmp_path / "other/records/add-exact.json").read_text())
    added["outputs"] = {name: next(iter(added["inputs"].values())) for name in added["outputs"]}
    (tmp_path / "bad.json").write_text(json.dumps(added))
    assert recheck(tmp_path / "bad.json").status == "fail"


def test_a_wrong_element_is_a_case_with_its_tile_and_core(tmp_path: Path) -> None:
    """Both outputs are saved, and the first differing tile is explained."""

    def err(outputs: dict[str, np.ndarray[tuple[int, ...], np.dtype[np.float32]]]) -> None:
        for array in outputs.values():
            array[40, 33] += 1

    report = run(tmp_path, Board(err), "copy-one-core")
    assert not report.ok
    (result,) = report.plans
    assert result.status == "fail"
    message = next(f.message for f in result.findings if f.code == "DeviceDisagrees")
    assert "1 of 4096 elements differ, first in tile [1, 1] (written by core (0, 0)" in message
    assert "element [40, 33]" in message
    case = Path(str(result.case))
    load_artifact(case)
    ours, theirs = read_npz(case / "simulator.npz"), read_npz(case / "device.npz")
    assert all((ours[name] != theirs[name]).sum() == 1 for name in ours)
    assert (case / "kernels/reader.cpp").exists()
    assert "python -m simulator" in (case / "README.txt").read_text()


def test_random_inputs_may_differ_within_the_bound(tmp_path: Path) -> None:
    """A device may round otherwise; exact inputs leave it nothing to round."""

    def nudge(outputs: dict[str, np.ndarray[tuple[int, ...], np.dtype[np.float32]]]) -> None:
        for array in outputs.values():
            whole = array == np.round(array)
            array[~whole] = np.nextafter(array[~whole], np.float32(np.inf))

    report = run(tmp_path, Board(nudge), "add")
    steps = {step.name: step for step in report.plans[0].steps}
    assert steps["device exact"].status == "pass"
    assert steps["device random"].status == "pass"
    assert "within the bound" in steps["device random"].detail


def test_a_refused_plan_and_a_late_one_are_skips_with_reasons(tmp_path: Path) -> None:
    """Counted, never silent."""
    report = smoke(Board(), plans=("gemm-float32",), device="grayskull_e150", output=tmp_path)
    (step,) = report.plans[0].steps
    assert (step.name, step.status) == ("compile", "skip")
    assert "not compiled: " in step.detail
    late = smoke(Board(), plans=("copy",), output=tmp_path, budget=-1.0)
    assert "budget" in late.plans[0].steps[0].detail


class Hung(TtnnBackend):
    """A board whose first kernel never returns."""

    def __init__(self) -> None:
        super().__init__(python="")
        self.calls = 0

    def capabilities(self) -> Capabilities:
        """It says it executes."""
        return Capabilities(True, "device")

    def ask(self, job: object, *_: object, **__: object) -> Answer:
        """The first question finds a healthy board, later ones a hung one."""
        del job
        self.calls += 1
        if self.calls > 1:
            return Answer("timeout")
        return Answer("ok", {"arch": "wormhole_b0", "grid": [8, 8], "dram_banks": 12})

    def run(self, artifact: Compiled, inputs: Arrays) -> Outcome:
        """Never returns."""
        del artifact, inputs
        return Outcome(self.name, findings=(device_finding("DeviceTimeout", "no answer"),))


def test_after_a_hang_nothing_more_is_sent_to_the_board(tmp_path: Path) -> None:
    """The rest is skipped with words on recovering."""
    report = run(tmp_path, Hung())
    details = [(s.name, s.status) for p in report.plans for s in p.steps if "device" in s.name]
    assert details[0] == ("device exact", "fail")
    assert {status for _, status in details[1:]} == {"skip"}
    assert any("tt-smi -r" in step.detail for step in report.steps)


class Other(Hung):
    """A device the table does not describe."""

    def ask(self, job: object, *_: object, **__: object) -> Answer:
        """Facts of another board."""
        del job
        return Answer("ok", {"arch": "blackhole", "grid": [11, 10], "dram_banks": 12})


def test_a_device_the_table_does_not_describe_is_a_finding(tmp_path: Path) -> None:
    """Before any plan runs on it."""
    report = run(tmp_path, Other(), "copy-one-core")
    (finding,) = report.findings
    assert finding.code == "DeviceMismatch"
    assert "architecture is blackhole, the table says wormhole" in finding.message
    assert "grid is [11, 10], the table says [8, 8]" in finding.message
    assert report.facts[0].status == "fail"


def test_without_a_device_everything_but_the_last_step_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A clean transcript on a machine without a board."""
    monkeypatch.setenv(ENVIRONMENT, "/no/such/python")
    report = smoke("ttnn", plans=("copy-one-core",), output=tmp_path)
    assert report.ok
    states = {step.name: step.status for step in report.plans[0].steps}
    assert states == {"compile": "pass", "descriptor": "skip", "simulate exact": "pass",
                      "device exact": "skip", "simulate random": "pass",
                      "device random": "skip"}  # fmt: skip
    text = str(report)
    assert text.count("pip install") == 1
    assert "3 passed, 0 failed, 4 skipped" in text


def test_reports_are_readable_by_machines(tmp_path: Path) -> None:
    """JSON, JUnit with the skips' reasons, and a page without scripts."""
    report = smoke(Board(), plans=("copy-one-core", "softmax"), output=tmp_path)
    held = json.loads(Path(report.paths["json"]).read_text())
    assert held["ok"] is True
    assert held["counts"] == report.counts()
    suites = ET.parse(report.paths["junit"]).getroot()
    assert [s.get("name") for s in suites] == ["device", "copy-one-core", "softmax"]
    (skipped,) = suites.iter("skipped")
    assert "has no exact inputs" in str(skipped.get("message"))
    page = Path(report.paths["html"]).read_text()
    assert "<script" not in page
    assert "copy-one-core" in page


def test_an_unknown_plan_is_refused() -> None:
    """With the names there are."""
    with pytest.raises(HarnessError, match="copy-one-core"):
        smoke(Board(), plans=("copy-two-cores",))


def test_the_first_plan_is_a_copy_on_one_core() -> None:
    """Nothing simpler could be wrong with the board."""
    first = PLANS[0]
    assert (first.kernel, first.options["grid"]) == ("copy", (1, 1))
    assert len({plan.name for plan in PLANS}) == len(PLANS)


def test_equal_outputs_have_no_difference() -> None:
    """NaN equals NaN, and both zeros are one."""
    plan = packaged()[2].plan
    name = plan.io[-1]
    shape = plan.layouts[name].logical_shape
    ours = np.zeros(shape, np.float32)
    ours[0, 0] = np.nan
    theirs = ours.copy()
    theirs[1, 1] = -0.0
    assert first_difference(plan, {name: ours}, {name: theirs}) is None
    assert "nothing" in str(first_difference(plan, {name: ours}, {}))
    assert "shape" in str(first_difference(plan, {name: ours}, {name: ours[:1]}))


def test_every_tile_of_a_gemm_has_its_core() -> None:
    """As the work partition deals them."""
    plan = packaged()[0].plan
    for name, tile, cores in (
        ("C", (0, 0), [(0, 0)]),
        ("C", (0, 2), [(1, 0)]),
        ("C", (2, 0), [(6, 0)]),
        ("D", (0, 0), []),
    ):
        assert [owner.core for owner in owners(plan, name, tile)] == cores


def test_shared_reasons_stand_once() -> None:
    """The transcript stays readable."""
    steps = tuple(Step(f"s{i}", "skip", "no board") for i in range(3))
    text = str(SmokeReport("ttnn", "n150", steps, ()))
    assert text.count("no board") == 1
    assert text.count("as s0") == 2
