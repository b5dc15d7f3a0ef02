"""``run``, ``check`` and ``demo``: verdicts, exit statuses, files."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from simulator.files import write_npz
from tests.harness.cli.conftest import (
    GEMM,
    KERNELS,
    SMALL,
    Command,
    add_endless_loop,
    edit_programs,
)

MULTIPLY_ADD = f"{KERNELS / 'elementwise.py'}:multiply_add"
SQUARE = ("--param", "M=64", "--param", "N=64", "--param", "block_M=32", "--param", "block_N=32")
KEYS = {"verdict", "oracle", "max_error", "bound_ratio", "pcc", "findings", "timings", "plan_path"}
Report = Callable[[], dict[str, Any]]


def test_run_judges_and_reports(command: Command, report: Report) -> None:
    """Protects the promised keys of ``run --json`` and the files it names."""
    reply = command("run", GEMM, *SMALL, "--json", "result.json", "--outputs", "out.npz")
    assert reply.status == 0, reply.err
    found = report()
    assert set(found) >= KEYS
    assert found["verdict"] == found["status"] == "pass"
    assert found["seed"] == 0
    assert 0 <= found["bound_ratio"] <= 1
    assert Path(found["plan_path"]).exists()
    assert all(seconds >= 0 for seconds in found["timings"].values())
    assert len(found["passes"]) == 5
    with np.load("out.npz") as made:
        assert made["C"].shape == (96, 64)


def test_the_terminal_view_has_its_sections_in_order(command: Command) -> None:
    """Protects the newcomer's view: passes, plan, simulator, verdict, artifact, plain text."""
    reply = command("run", GEMM, *SMALL)
    places = [reply.out.index(f"\n{t}\n") for t in ("Plan", "Simulator", "Verdict", "Artifact")]
    assert reply.out.startswith("Passes\n")
    assert places == sorted(places)
    assert "\x1b" not in reply.out
    assert "seed 0" in reply.out
    assert reply.err == ""


def test_json_on_stdout_is_alone(command: Command) -> None:
    """Protects ``--json -``: nothing but JSON on stdout, the view on stderr."""
    reply = command("run", GEMM, *SMALL, "--json", "-")
    assert json.loads(reply.out)["verdict"] == "pass"
    assert "Verdict" in reply.err


def test_the_command_again_gives_the_same_verdict(command: Command, report: Report) -> None:
    """Protects the reproduction line: the same figures, seed included."""
    command("run", GEMM, *SMALL, "--seed", 7, "--input-kind", "random", "--json", "result.json")
    first = report()
    assert first["seed"] == 7
    again = shlex.split(first["reproduce"])
    assert again[0] == "tt-harness"
    assert command(*again[1:], "--json", "result.json").status == 0
    second = report()
    for key in ("max_error", "bound_ratio", "pcc", "tensors", "reproduce"):
        assert first[key] == second[key]


def test_another_seed_gives_other_inputs(command: Command, report: Report) -> None:
    """Protects --seed from being printed and not honoured."""
    errors = []
    for seed in (1, 2):
        words = ("--seed", seed, "--input-kind", "random", "--json", "result.json")
        assert command("run", GEMM, *SMALL, *words).status == 0
        errors.append(report()["max_error"])
    assert errors[0] != errors[1]


def test_given_inputs_are_used(command: Command, tmp_path: Path) -> None:
    """Protects --inputs and --outputs of run: the product of what was given."""
    rng = np.random.default_rng(5)
    a, b = (rng.integers(-3, 4, shape).astype(np.float32) for shape in ((96, 64), (64, 64)))
    np.savez("in.npz", A=a, B=b)
    reply = command("run", GEMM, *SMALL, "--inputs", "in.npz", "--outputs", "out.npz")
    assert reply.status == 0, reply.err
    with np.load("out.npz") as made:
        assert np.abs(made["C"] - a @ b).max() <= 1  # bfloat16 holds integers up to 256 exactly


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--oracle", "pcc"], "--oracle: unknown oracle 'pcc'"),
        (["--numbers", "slow"], "--numbers: unknown number model 'slow'"),
        (["--input-kind", "nice"], "--input-kind: unknown input"),
        (["--seed", "many"], "Invalid value for '--seed'"),
        (["--seed", "-1"], "Invalid value for '--seed'"),
        (["--inputs", "gone.npz"], "gone.npz: cannot be read"),
    ],
)
def test_bad_questions_are_usage_errors(command: Command, words: list[str], complaint: str) -> None:
    """Protects the judging options: what is not known is refused by name, exit 2."""
    reply = command("run", GEMM, *SMALL, *words)
    assert reply.status == 2
    assert complaint in reply.complaint()


@pytest.mark.parametrize(
    ("arrays", "words"),
    [({"A": (96, 64)}, "B"), ({"A": (96, 64), "B": (64, 64), "Z": (1,)}, "Z"),
     ({"A": (64, 96), "B": (64, 64)}, "(96, 64)")],
)  # fmt: skip
def test_inputs_that_do_not_fit_name_the_file(
    command: Command, arrays: dict[str, tuple[int, ...]], words: str
) -> None:
    """Protects run from arrays of other names or shapes: exit 2, the file named, no outputs."""
    write_npz(Path("in.npz"), {k: np.zeros(v, np.float32) for k, v in arrays.items()})
    reply = command("run", GEMM, *SMALL, "--inputs", "in.npz", "--outputs", "out.npz")
    assert reply.status == 2
    assert "in.npz: " in reply.complaint()
    assert words in reply.complaint()
    assert not Path("out.npz").exists()


def test_a_stale_artifact_fails_and_names_tile_and_core(command: Command, report: Report) -> None:
    """Protects the failure view: tile, expected and got, the core that wrote it, the command."""
    command("compile", MULTIPLY_ADD, *SQUARE, "-o", "made")
    words = ("check", MULTIPLY_ADD, *SQUARE, "--param", "alpha=2.5", "--artifact", "made")
    reply = command(*words, "--json", "result.json", "--outputs", "out.npz")
    assert reply.status == 1
    found = report()
    assert found["verdict"] == "fail"
    assert found["findings"] == []
    assert "FAIL  main on wormhole_n150" in reply.out
    assert "WRONG TILE  D[" in reply.out
    assert "owner  core (" in reply.out
    assert reply.out.rstrip().endswith(f"again: {found['reproduce']}")
    assert Path("out.npz").exists()  # the run completed, so its outputs are worth a look


def test_another_precision_than_asked_for_is_a_finding(command: Command, report: Report) -> None:
    """Protects the judge from an artifact that computes less precisely than the source asks."""
    command("compile", GEMM, *SMALL, "-o", "made")
    plan = Path("made/tt.plan.json")
    plan.write_text(plan.read_text().replace("HiFi3", "LoFi"))
    reply = command("check", GEMM, *SMALL, "--artifact", "made", "--json", "result.json")
    assert reply.status == 1
    (finding,) = report()["findings"]
    assert finding["code"] == "NumericModeMismatch"
    assert set(finding) >= {"code", "core", "thread", "location", "message"}
    assert "NumericModeMismatch" in reply.out


@pytest.mark.parametrize(
    ("file", "change", "status", "codes"),
    [
        ("tt.plan.json", lambda t: t.replace('"count": 1', '"count": 2', 1), 1,
         {"PlanInconsistent", "InvalidPlan"}),
        ("programs.json", lambda t: t.replace("pack_tile", "pack_tilt"), 1, {"InvalidProgram"}),
        ("tt.plan.json", lambda t: t[:200], 2, {"Unreadable"}),
        ("programs.json", lambda t: t + "]", 2, {"Unreadable"}),
    ],
)  # fmt: skip
def test_a_corrupted_artifact_is_told_from_an_unreadable_one(
    command: Command, artifact: Path, report: Report, file: str, change: Callable[[str], str],
    status: int, codes: set[str],
) -> None:  # fmt: skip
    """Protects decision 34: JSON that means nothing sound is 1, what is no JSON is 2."""
    path = artifact / file
    path.write_text(change(path.read_text()))
    reply = command("check", GEMM, *SMALL, "--artifact", artifact, "--json", "result.json")
    assert reply.status == status
    found = report()
    seen = {item["code"] for item in found["findings"]}
    if status == 2:
        seen = {found["error"]["code"]}
    assert seen & codes


def test_check_passes_what_compile_made(command: Command, artifact: Path) -> None:
    """Protects check against refusing a sound artifact."""
    assert command("check", GEMM, *SMALL, "--artifact", artifact).status == 0


def test_a_spent_budget_is_status_4(command: Command, artifact: Path, report: Report) -> None:
    """Protects fuzzing from endless kernels: the judge stops at its budget and says so."""
    edit_programs(artifact, add_endless_loop)
    words = ("--artifact", artifact, "--max-steps", 20_000, "--json", "result.json")
    assert command("check", GEMM, *SMALL, *words).status == 4
    assert report()["status"] == "budget spent"


def test_a_wrong_tile_is_told_from_right_ones(command: Command, artifact: Path) -> None:
    """Protects the owner shown: only the core that went wrong is named."""
    wrong = '["*", ["==", ["+", "start", "item"], 3], 1]'
    edit_programs(artifact, lambda text: text.replace('["%", ["+", "start", "item"], 2]',
                  f'["%", ["+", ["+", "start", "item"], {wrong}], 2]', 1))  # fmt: skip
    reply = command("check", GEMM, *SMALL, "--artifact", artifact)
    assert reply.status == 1, reply.out
    assert reply.out.count("WRONG TILE") == 1
    assert "WRONG TILE  C[1,1]" in reply.out
    assert "owner  core (3,0), block bx=1 by=1" in reply.out
    assert "seen   C[1,1] holds what belongs into C[1,0]" in reply.out


def test_dump_ir_shows_every_pass(command: Command, tmp_path: Path) -> None:
    """Protects --dump-ir: the source and the module after each of five passes, readable."""
    assert command("run", GEMM, *SMALL, "--dump-ir", tmp_path / "ir").status == 0
    names = sorted(path.name for path in (tmp_path / "ir").iterdir())
    assert len(names) == 6
    assert all("T.prim_func" in (tmp_path / "ir" / name).read_text() for name in names)


def test_two_compilations_are_equal_byte_for_byte(command: Command) -> None:
    """Protects determinism: plan, programs, manifest and IR do not depend on the run."""
    for name in ("one", "two"):
        assert command("compile", GEMM, *SMALL, "-o", name).status == 0
    files = sorted(p.relative_to("one") for p in Path("one").rglob("*") if p.is_file())
    assert files == sorted(p.relative_to("two") for p in Path("two").rglob("*") if p.is_file())
    for file in files:
        assert (Path("one") / file).read_bytes() == (Path("two") / file).read_bytes(), file


def test_the_demo_passes(command: Command, report: Report) -> None:
    """Protects ``make demo``: the packaged GEMM passes and leaves its artifact where it says."""
    reply = command("demo", "--json", "result.json")
    assert reply.status == 0, reply.err
    assert report()["plan_path"] == "out/demo/tt.plan.json"
    assert Path("out/demo/tt.plan.json").exists()
    assert report()["reproduce"].startswith("tt-harness demo ")
