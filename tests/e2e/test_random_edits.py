"""Any one edit of an artifact is found, or changes nothing: the same bits under every schedule."""

from __future__ import annotations

import json
import os
import random
from pathlib import Path
from typing import Any

import pytest

import harness
from harness.artifact import compile as compile_kernel
from harness.inputs import draw
from harness.mutants.subjects.sources import SOURCES
from simulator.artifact import load_artifact
from simulator.engine.schedule import LateNoc, RoundRobin, Seeded
from simulator.plan.load import load_programs, programs_sha256
from simulator.run import RunOptions, execute
from tests.e2e.artifact_edits import Json, edited

MANY = os.environ.get("HYPOTHESIS_PROFILE") == "nightly"
SEED = os.environ.get("TT_EDITS_SEED", "0")
"""Of the edits; another one draws others."""
EDITS = 300 if MANY else 25
CASES: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "gemm": ("gemm", {"M": 90, "N": 100, "K": 70, "block_M": 32, "block_N": 64, "block_K": 32},
             {"grid": (3, 1)}),
    "multicast": ("gemm", {"M": 64, "N": 64, "K": 64, "block_M": 32, "block_N": 32,
                           "block_K": 32}, {"grid": (2, 2), "multicast": True,
                                            "strategy": "block"}),
    "softmax": ("softmax", {"M": 96, "N": 64}, {"grid": (2, 1)}),
    "gemm_bias_relu": ("gemm_bias_relu", {"M": 64, "N": 128, "K": 64, "block_M": 32,
                                          "block_N": 32}, {"grid": (2, 1), "strategy": "block"}),
    "layer_norm": ("layer_norm", {"M": 96, "N": 64}, {"grid": (2, 1)}),
    "copy": ("copy", {"M": 90, "N": 70, "block_M": 32, "block_N": 32}, {"grid": (2, 2)}),
    "add": ("add", {"M": 64, "N": 96, "block_M": 32, "block_N": 32},
            {"grid": (2, 1), "strategy": "column_major"}),
    "mixed": ("mixed", {"M": 64, "N": 64}, {"grid": (2, 1)}),
    "column_max": ("column_max", {"M": 64, "N": 64, "block_N": 32}, {"grid": (2, 1)}),
    "gemv": ("gemv", {"M": 64, "K": 70, "block_K": 32}, {"grid": (1, 1)}),
    "attention": ("causal_attention", {"heads": 2, "seq_len": 64, "dim": 32, "block_M": 32,
                                       "block_N": 32}, {"grid": (2, 1)}),
    "argmax": ("argmax", {"M": 64, "N": 64, "block_M": 32}, {"grid": (2, 1)}),
    "sharded": ("sharded_copy", {"M": 64, "N": 64, "block_M": 32, "block_N": 32},
                {"grid": (2, 2)}),
    "gathered": ("expert_gemm", {"M": 128, "N": 32, "K": 64, "experts": 4}, {"grid": (2, 1)}),
}  # fmt: skip
BUDGET: dict[str, Any] = {"max_steps": 400_000, "max_seconds": 20.0, "repair": False}
SCHEDULES = (RoundRobin(), Seeded(1), LateNoc(2), LateNoc(3))


class Bench:
    """One kernel: its artifact as written, and what it answers bit for bit."""

    def __init__(self, name: str, where: Path) -> None:
        kernel, params, options = CASES[name]
        self.where = where
        self.made = compile_kernel(SOURCES[kernel].factory(**params), **options)
        self.made.save(where)
        self.plan: Json = json.loads((where / "tt.plan.json").read_text())
        self.programs: Json = json.loads((where / "programs.json").read_text())
        self.inputs, _ = draw(self.made.source, "random", self.made.contract, 5)
        self.answer = self.run(SCHEDULES[0])

    def write(self, plan: Json, programs: Json) -> None:
        """The edited artifact, with the hash of its programs put right."""
        text = json.dumps(programs)
        if programs != self.programs:
            try:
                plan["programs_sha256"] = programs_sha256(load_programs(text.encode()))
            except Exception:  # noqa: BLE001  (whatever is wrong with it is for check to say)
                plan["programs_sha256"] = "0" * 64
        (self.where / "programs.json").write_text(text)
        (self.where / "tt.plan.json").write_text(json.dumps(plan))

    def run(self, schedule: Any) -> dict[str, bytes] | str:
        """Bits of the outputs in the exact model, or the first finding."""
        given = load_artifact(self.where)
        done = execute(given.plan, given.programs, self.inputs,
                       RunOptions(numbers="exact", schedule=schedule, **BUDGET))  # fmt: skip
        errors = [f for f in done.findings if f.severity == "error"]
        return errors[0].code if errors else {n: a.tobytes() for n, a in done.outputs.items()}

    def same(self) -> bool:
        """Whether the artifact as it is now answers as before, whatever the timing."""
        return all(self.run(schedule) == self.answer for schedule in SCHEDULES)


@pytest.mark.parametrize("name", CASES if MANY else ["gemm", "multicast", "softmax", "mixed"])
def test_an_edit_is_found_or_changes_nothing(name: str, tmp_path: Path) -> None:
    """Nothing that alters the answer of some run gets past check, whoever edited the artifact."""
    bench = Bench(name, tmp_path)
    rng = random.Random(f"{name} {SEED}")  # noqa: S311  (edits, not secrets)
    missed = []
    for _ in range(EDITS):
        plan, programs, said = edited(bench.plan, bench.programs, rng)
        bench.write(plan, programs)
        verdict = harness.check(bench.made, artifact=tmp_path, run_options=RunOptions(**BUDGET))
        if verdict.passed and not bench.same():
            missed.append(said)
    assert missed == []
