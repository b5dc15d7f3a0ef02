"""``execute``: an artifact alone, from npz to npz."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from tests.harness.cli.conftest import Command, add_endless_loop, edit_programs

A = np.arange(96 * 64, dtype=np.float32).reshape(96, 64) % 7 - 3
B = np.arange(64 * 64, dtype=np.float32).reshape(64, 64) % 5 - 2

BLOCK = """\
import sys
class Wall:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("tvm", "tvm_ffi"):
            raise ImportError("walled off: " + name)
sys.meta_path.insert(0, Wall())
from harness.cli import main
sys.exit(main(sys.argv[1:]))
"""


def write(path: Path, **arrays: npt.NDArray[Any]) -> Path:
    """An npz file."""
    save: Any = np.savez  # its stub takes a keyword for allow_pickle
    save(path, **arrays)
    return path


def test_an_artifact_is_executed(command: Command, artifact: Path, tmp_path: Path) -> None:
    """Protects the files in between: float32 in, the product out, figures in the JSON."""
    inputs = write(tmp_path / "in.npz", A=A, B=B)
    reply = command("execute", artifact, "--inputs", inputs, "--outputs", "out.npz",
                    "--json", "result.json")  # fmt: skip
    assert reply.status == 0, reply.err
    assert "determinate" in reply.out
    with np.load("out.npz") as made:
        assert made.files == ["C"]
        assert made["C"].dtype == np.float32
        assert np.array_equal(made["C"], A @ B)
    report = json.loads(Path("result.json").read_text())
    assert report["status"] == "pass"
    assert report["findings"] == []
    assert report["stats"]["steps"] > 0


def test_tvm_is_not_needed(command: Command, artifact: Path, tmp_path: Path) -> None:
    """Protects machines without TVM: execute and the plan commands work with it walled off."""
    inputs = write(tmp_path / "in.npz", A=A, B=B)
    for words in (
        ["execute", str(artifact), "--inputs", str(inputs), "--outputs", "walled.npz"],
        ["plan", "show", str(artifact)],
        ["plan", "validate", str(artifact)],
        ["plan", "schema"],
        ["--help"],
    ):
        made = subprocess.run(
            [sys.executable, "-c", BLOCK, *words], cwd=tmp_path, capture_output=True, text=True,
            check=False, env=dict(os.environ),
        )  # fmt: skip
        assert made.returncode == 0, made.stderr
        assert made.stdout
    assert (tmp_path / "walled.npz").exists()


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"A": A}, "B: missing"),
        ({"A": A, "B": B, "Z": B}, "Z: not a tensor"),
        ({"A": A.T, "B": B}, "float32 (96, 64) is expected"),
        ({"A": A.astype(np.float64), "B": B}, "float64 (96, 64)"),
        ({"A": np.array([None], dtype=object), "B": B}, "array 'A' cannot be read"),
    ],
)
def test_arrays_that_do_not_fit_are_named(
    command: Command, artifact: Path, tmp_path: Path, arrays: dict[str, Any], words: str
) -> None:
    """Protects from wrong names, shapes, dtypes and pickles: exit 2, file and array named."""
    inputs = write(tmp_path / "in.npz", **arrays)
    reply = command("execute", artifact, "--inputs", inputs, "--outputs", "out.npz",
                    "--json", "result.json")  # fmt: skip
    assert reply.status == 2
    assert str(inputs) in reply.complaint()
    assert words in reply.complaint()
    assert "B: B:" not in reply.complaint()
    assert json.loads(Path("result.json").read_text())["exit_status"] == 2
    assert not Path("out.npz").exists()


@pytest.mark.parametrize(
    ("name", "data"), [("text.npz", b"no archive"), ("empty.npz", b""), ("gone.npz", None)]
)
def test_what_is_no_npz_is_refused(
    command: Command, artifact: Path, name: str, data: bytes | None
) -> None:
    """Protects from files that are no archives, or not there."""
    if data is not None:
        Path(name).write_bytes(data)
    reply = command("execute", artifact, "--inputs", name, "--outputs", "out.npz")
    assert reply.status == 2
    assert name in reply.complaint()
    assert not Path("out.npz").exists()


@pytest.mark.parametrize("option", ["--outputs", "--json"])
def test_a_target_that_cannot_be_written_is_refused_first(
    command: Command, artifact: Path, tmp_path: Path, option: str
) -> None:
    """Protects long runs from failing at the very end because a directory does not exist."""
    inputs = write(tmp_path / "in.npz", A=A, B=B)
    targets = {"--outputs": "out.npz", "--json": "result.json"} | {option: "nowhere/file"}
    words = [word for pair in targets.items() for word in pair]
    reply = command("execute", artifact, "--inputs", inputs, *words)
    assert reply.status == 2
    assert "nowhere/file: cannot be written" in reply.complaint()
    left = sorted(path.name for path in tmp_path.iterdir())
    assert "out.npz" not in left
    assert not [name for name in left if name.startswith(".")]


def test_a_spent_budget_is_status_4(command: Command, artifact: Path, tmp_path: Path) -> None:
    """Protects callers from endless kernels: the budget ends the run, the exit status says so."""
    edit_programs(artifact, add_endless_loop)
    inputs = write(tmp_path / "in.npz", A=A, B=B)
    reply = command("execute", artifact, "--inputs", inputs, "--outputs", "out.npz",
                    "--max-steps", 20_000, "--json", "result.json")  # fmt: skip
    assert reply.status == 4
    assert "BudgetSpent" in reply.out
    assert not Path("out.npz").exists()
    assert json.loads(Path("result.json").read_text())["status"] == "budget spent"


def test_an_invalid_plan_is_status_1(command: Command, artifact: Path, tmp_path: Path) -> None:
    """Protects the difference between a broken artifact (1) and an unreadable file (2)."""
    inputs = write(tmp_path / "in.npz", A=A, B=B)
    words = ("execute", artifact, "--inputs", inputs, "--outputs", "out.npz")
    plan = artifact / "tt.plan.json"
    text = plan.read_text()
    plan.write_text(text.replace('"core_grid": [8, 8]', '"core_grid": [1, 1]'))
    assert command(*words).status == 1
    plan.write_text(text[: len(text) // 2])
    assert command(*words).status == 2
    plan.unlink()
    assert command(*words).status == 2
    assert not Path("out.npz").exists()


def test_an_unknown_number_model_is_refused(
    command: Command, artifact: Path, tmp_path: Path
) -> None:
    """Protects --numbers from being ignored."""
    inputs = write(tmp_path / "in.npz", A=A, B=B)
    reply = command("execute", artifact, "--inputs", inputs, "--outputs", "o", "--numbers", "slow")
    assert reply.status == 2
    assert "--numbers: unknown number model 'slow'" in reply.complaint()
