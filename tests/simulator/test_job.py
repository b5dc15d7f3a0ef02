"""From files to files: artifacts on disk, npz in and out, exit statuses, nothing half-written."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import simulator.job as job_module
from simulator.__main__ import main
from simulator.artifact import Artifact, load_artifact, write_artifact
from simulator.errors import ArtifactError, InputError, SimulatorError, UnreadableError
from simulator.files import read_npz, replacing, write_npz
from simulator.findings import finding
from simulator.job import execute_files, unwritten
from simulator.plan.load import dump_plan
from simulator.plan.show import plan_summary
from simulator.run import RunOptions, execute
from tests.simulator.plan.editing import edited
from tests.simulator.plan.samples import copy_artifact, gemm_artifact

ROOT = Path(__file__).parents[2]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A directory with the GEMM artifact in ``art`` and inputs in ``in.npz``."""
    write_artifact(tmp_path / "art", Artifact(*gemm_artifact()))
    rng = np.random.default_rng(7)
    arrays = {
        name: rng.integers(-9, 10, layout.logical_shape).astype(np.float32)
        for name, layout in gemm_artifact()[0].layouts.items()
        if layout.role == "input"
    }
    write_npz(tmp_path / "in.npz", arrays)
    return tmp_path


def run(place: Path, *more: str) -> int:
    """The command on ``place``, in this process."""
    inputs, outputs = str(place / "in.npz"), str(place / "out.npz")
    return main([str(place / "art"), "--inputs", inputs, "--outputs", outputs, *more])


def test_a_gemm_from_files(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The artifact alone, without compiler or golden, gives the exact product of small integers."""
    assert run(place) == 0
    inputs, outputs = read_npz(place / "in.npz"), read_npz(place / "out.npz")
    assert list(outputs) == ["C"]
    assert np.array_equal(outputs["C"], inputs["A"] @ inputs["B"])
    assert capsys.readouterr().out.startswith("gemm: completed, no findings")


def test_json_is_the_result(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With --json - stdout is one JSON object and nothing else."""
    assert run(place, "--json", "-") == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["status"], report["completed"], report["findings"]) == ("pass", True, [])
    assert report["stats"]["steps"] > 0


def test_runs_where_tvm_cannot_be_imported(place: Path) -> None:
    """The simulator needs neither TVM nor the harness, nor the golden."""
    code = (
        "import sys\n"
        "for name in ('tvm', 'tvm_ffi', 'harness', 'golden'): sys.modules[name] = None\n"
        "from simulator.__main__ import main\n"
        f"sys.exit(main([{str(place / 'art')!r}, '--inputs', {str(place / 'in.npz')!r},"
        f" '--outputs', {str(place / 'out.npz')!r}]))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()


def no_outputs(place: Path) -> bool:
    """Nothing was written, not even under a temporary name."""
    return sorted(p.name for p in place.iterdir()) in (["art", "in.npz"], ["art"])


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"A": np.zeros((120, 64), np.float32)}, "B"),
        ({"A": np.zeros((120, 64), np.float32), "B": np.zeros((64, 90), np.float32),
          "Z": np.zeros(1, np.float32)}, "Z"),
        ({"A": np.zeros((64, 120), np.float32), "B": np.zeros((64, 90), np.float32)}, "A"),
        ({"A": np.zeros((120, 64), np.int32), "B": np.zeros((64, 90), np.float32)}, "A"),
    ],
)  # fmt: skip
def test_wrong_inputs_exit_2(
    place: Path, arrays: Any, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Names, shapes and dtypes that do not fit the plan: one message, status 2, no output."""
    write_npz(place / "in.npz", arrays)
    assert run(place) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert words in captured.err
    assert len(captured.err.splitlines()) == 1
    assert no_outputs(place)


class Boom:
    """An object whose unpickling would be noticed."""

    def __reduce__(self) -> Any:
        return os.mkdir, ("pickle-was-loaded",)


def damaged_npz(path: Path, how: str) -> None:
    """Write an npz that is broken in a named way."""
    if how == "missing":
        path.unlink()
    elif how == "text":
        path.write_text("not an archive")
    elif how == "truncated":
        path.write_bytes(path.read_bytes()[:100])
    else:
        with zipfile.ZipFile(path, "w") as archive:
            if how == "pickle":
                head = "{'descr': '|O', 'fortran_order': False, 'shape': (1,), }".ljust(117) + "\n"
                body = pickle.dumps(np.array([Boom()], object))
                archive.writestr("A.npy", b"\x93NUMPY\x01\x00v\x00" + head.encode() + body)
            elif how == "not npy":
                archive.writestr("A.txt", "hello")
            else:
                archive.writestr("A.npy", b"\x93NUMPY\x01\x00")


@pytest.mark.parametrize("how", ["missing", "text", "truncated", "pickle", "not npy", "short"])
def test_damaged_npz_exit_2(place: Path, how: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A damaged or dangerous npz gets one message that names the file; no pickle is loaded."""
    damaged_npz(place / "in.npz", how)
    assert run(place) == 2
    message = capsys.readouterr().err
    assert len(message.splitlines()) == 1
    assert "in.npz" in message
    assert no_outputs(place)
    assert not Path("pickle-was-loaded").exists()


@pytest.mark.parametrize("name", ["tt.plan.json", "programs.json"])
def test_what_is_no_artifact(place: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Not JSON is status 2; JSON that is no plan, or contradicts itself, is status 1."""
    file = place / "art" / name
    whole = file.read_bytes()
    for data, status in (
        (whole[: len(whole) // 2], 2),
        (b"{}", 1),
        (whole.replace(b'"start"', b'"begin"'), 1),
        (None, 2),
    ):
        if data is None:
            file.unlink()
        else:
            file.write_bytes(data)
        assert run(place, "--json", str(place / "r.json")) == status
        report = json.loads((place / "r.json").read_text())
        (place / "r.json").unlink()
        assert report["exit_status"] == status
        assert report["error"]["message"]
        assert "Traceback" not in capsys.readouterr().err
        assert no_outputs(place)


def test_a_failing_run_still_writes(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Outputs of a run that completed with findings are kept for looking at; status is 1."""

    def with_finding(*args: Any) -> Any:
        found = execute(*args)
        object.__setattr__(found, "findings", (finding("DirtyExit", "left over"),))
        return found

    monkeypatch.setattr(job_module, "execute", with_finding)
    assert run(place) == 1
    assert (place / "out.npz").exists()


def test_budget_and_defects_have_statuses(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A spent budget is 4; a defect of ours is 3, its traceback in a file the message names."""
    result = execute_files(
        place / "art", place / "in.npz", place / "out.npz", RunOptions(max_bytes=1)
    )
    assert result.exit_status == 4
    monkeypatch.setattr(job_module, "read_npz", lambda _: 1 / 0)
    result = execute_files(place / "art", place / "in.npz", place / "out.npz")
    assert result.exit_status == 3
    trace = Path(result.message.rsplit(" ", 1)[-1])
    assert "ZeroDivisionError" in trace.read_text()
    trace.unlink()


def test_outputs_that_cannot_be_written(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A directory that does not exist is said before anybody waits twice."""
    inputs, outputs = str(place / "in.npz"), str(place / "no" / "out.npz")
    assert main([str(place / "art"), "--inputs", inputs, "--outputs", outputs]) == 2
    assert "cannot be written" in capsys.readouterr().err


def test_unwritten_outputs_are_findings() -> None:
    """An output the plan covers in full must be full; elements left out are counted."""
    known = np.ones((120, 90), bool)
    assert unwritten(gemm_artifact()[0], {"C": known}) == ()
    known[3, 4:6] = False
    (found,) = unwritten(gemm_artifact()[0], {"C": known})
    assert found.code == "Unwritten"
    assert "2 of 10800 elements of C were never written, e.g. [3, 4]" in found.message


def test_artifact_round_trip(tmp_path: Path) -> None:
    """What is written is read back, the manifest with it; warnings ride along."""
    plan, programs = gemm_artifact()
    plan = edited(plan, "kernels.1.compute.math_fidelity", "HiFi4")
    plan = edited(plan, "options.fidelity", "HiFi4")
    written = Artifact(plan, programs, {"tool": "0.1.0"})
    assert write_artifact(tmp_path / "a" / "b", written).read_bytes() == dump_plan(plan)
    read = load_artifact(tmp_path / "a" / "b")
    assert read == written
    assert [item.code for item in read.warnings] == ["ErratumWH38306"]
    write_artifact(tmp_path / "a" / "b", Artifact(*copy_artifact()))
    assert load_artifact(tmp_path / "a" / "b").manifest is None


def test_invalid_artifacts_are_not_loaded(tmp_path: Path) -> None:
    """Every finding comes with the error, its first in the words of the exception."""
    plan, programs = gemm_artifact()
    write_artifact(tmp_path, Artifact(edited(plan, "circular_buffers.0.id", 40), programs))
    with pytest.raises(ArtifactError, match=r"\$\.circular_buffers\[0\]\.id") as caught:
        load_artifact(tmp_path)
    assert len(caught.value.findings) > 1
    with pytest.raises(UnreadableError, match="not a directory"):
        load_artifact(tmp_path / "tt.plan.json")


def test_a_broken_write_leaves_the_old_file(tmp_path: Path) -> None:
    """A write that fails midway changes nothing and leaves nothing behind."""
    target = tmp_path / "x.bin"
    target.write_bytes(b"old")

    def half_way() -> None:
        with replacing(target) as stream:
            stream.write(b"ne")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        half_way()
    assert [p.name for p in tmp_path.iterdir()] == ["x.bin"]
    assert target.read_bytes() == b"old"


def test_npz_is_reproducible_and_takes_any_name(tmp_path: Path) -> None:
    """Equal arrays give equal bytes, and a tensor may be called ``file``."""
    arrays: dict[str, Any] = {
        "file": np.arange(6, dtype=np.float32).reshape(2, 3),
        "n": np.array([1], np.uint8),
    }
    for name in ("a.npz", "b.npz"):
        write_npz(tmp_path / name, arrays)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    back = read_npz(tmp_path / "a.npz")
    assert all(np.array_equal(back[name], arrays[name]) for name in arrays)


def test_errors_say_what_to_do() -> None:
    """Every error carries a code, a place and a next step, and prints as one line."""
    error = InputError("has the wrong shape", location="A", next_step="Pass (3, 4).")
    assert isinstance(error, SimulatorError)
    assert str(error) == "A: has the wrong shape [InvalidInput] Pass (3, 4)."
    with pytest.raises(ValueError, match="at least one finding"):
        ArtifactError([])


def test_summary_is_plain_and_complete() -> None:
    """The view is drawn from plain data: JSON holds it all, the core map has the grid's shape."""
    plan, _ = gemm_artifact()
    summary = plan_summary(plan)
    assert json.loads(json.dumps(summary)) == summary
    assert summary["core_map"] == [[".", ".", "."]] * 2 + [[".", "2", "2"]] * 3
    assert summary["cores"] == {"active": 6, "idle": 0, "least_blocks": 2, "most_blocks": 2}
    assert [(cb["id"], cb["address"], cb["bytes"]) for cb in summary["circular_buffers"]] == [
        (0, 105824, 4096),
        (1, 109920, 4096),
        (16, 114016, 8192),
    ]
    assert summary["l1"]["free"] == 1499136 - 122208
    assert summary["kernels"][1]["config"] == "HiFi3, fp32_dest_acc_en"
    assert summary["work"][1] == {"core": "(2,2)", "blocks": 2, "which": "row_major 2..3"}
