"""Kernels that run one after another: judged step by step, saved, and refused where they cannot."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import harness
import harness.language as T
from golden.inputs import draw_inputs
from harness.artifact import compile_all
from harness.checking import sequences
from harness.cli import main
from harness.compiler.sequence import SequenceError, kernel_of, order_of
from harness.errors import OptionError
from harness.kernels.table import SEQUENCES

SPLIT_K = f"{Path(harness.__file__).parent / 'kernels' / 'splitk.py'}:split_k"
SMALL = ["--param", "M=32", "--param", "N=64", "--param", "K=128", "--param", "split=2"]


@pytest.mark.parametrize("device", ["wormhole_n150", "blackhole_p150"])
@pytest.mark.parametrize("dtype", ["bfloat16", "float32"])
@pytest.mark.parametrize("ragged", [False, True])
@pytest.mark.parametrize("name", sorted(SEQUENCES))
def test_a_packaged_sequence_passes(name: str, ragged: bool, dtype: str, device: str) -> None:
    """Every kernel of it, on both chips, aligned and ragged."""
    packaged = SEQUENCES[name]
    module = packaged.factory(dtype=dtype, **(packaged.ragged if ragged else {}))
    verdict = harness.check(module, device=device)
    assert verdict.passed, (verdict.reason, verdict.findings)
    assert {s.kernel for s in verdict.steps} == set(order_of(module))


@pytest.mark.parametrize("name", sorted(SEQUENCES))
def test_a_sequence_answers_what_its_reference_does(name: str) -> None:
    """The kernels one after another give what NumPy gives, from the first inputs to the end."""
    packaged = SEQUENCES[name]
    module = packaged.factory(dtype="float32")
    made = {a.name: a for a in compile_all(module)}
    order = order_of(module)
    inputs = draw_inputs(kernel_of(module, order[0]), seed=3)
    arrays: dict[str, Any] = dict(inputs)
    for step in order:
        wanted = [n for n, la in made[step].plan.layouts.items() if la.role == "input"]
        arrays |= made[step].run({n: arrays[n] for n in wanted}).outputs
    (result,) = [n for n, la in made[order[-1]].plan.layouts.items() if la.role == "output"]
    want = packaged.reference(*(a.astype(np.float64) for a in inputs.values()))
    assert np.abs(arrays[result] - want).max() < 0.03 * np.abs(want).max()


def test_given_arrays_go_from_kernel_to_kernel() -> None:
    """Given arrays go through the whole sequence, intermediates included."""
    module = SEQUENCES["split_k"].factory(M=32, N=64, K=128, split=2)
    arrays = {n: np.ones((32, 128) if n == "A" else (128, 64), np.float32) for n in ("A", "B")}
    seen = harness.check(module, arrays)
    assert seen.passed
    assert (seen.outputs["P"] == 64).all()
    assert (seen.outputs["C"] == 128).all()


def test_the_command_line_runs_and_checks_a_sequence(tmp_path: Path) -> None:
    """``run`` saves every kernel's artifact; ``check`` judges them; a damaged one is found."""
    out, report = tmp_path / "out", tmp_path / "r.json"
    assert main(["run", SPLIT_K, *SMALL, "-o", str(out), "--json", str(report)]) == 0
    data = json.loads(report.read_text())
    assert data["kernel"] == "partial_products -> add_parts"
    assert [s["kernel"] for s in data["steps"]] == ["partial_products", "add_parts"] * 2
    check = ["check", SPLIT_K, *SMALL, "--artifact", str(out)]
    assert main(check) == 0
    plan = out / "add_parts" / "tt.plan.json"
    plan.write_text(plan.read_text().replace('"HiFi3"', '"LoFi"'))
    assert main([*check, "--json", str(report)]) == 1
    data = json.loads(report.read_text())
    assert "NumericModeMismatch" in {f["code"] for f in data["findings"]}
    assert [s["verdict"] for s in data["steps"]] == ["pass", "fail"]


def test_one_kernel_of_a_sequence_runs_alone(tmp_path: Path) -> None:
    """--function names it; looking at a run is for one kernel."""
    run = ["run", SPLIT_K, *SMALL, "-o", str(tmp_path / "out")]
    assert main([*run, "--function", "add_parts", "--profile"]) == 0
    assert main([*run, "--profile"]) == 2


def _step(name: str, shape: tuple[int, int] = (32, 32), reads: str = "A") -> Any:
    @T.prim_func
    def main(A: T.Tensor((32, 32), "float32"), B: T.Tensor(shape, "float32")):
        with T.Kernel(1):
            a = T.alloc_shared((32, 32), "float32")
            if reads == "A":
                T.copy(A, a)
                T.copy(a, B[0:32, 0:32])
            else:
                T.copy(B[0:32, 0:32], a)
                T.copy(a, A)

    return main.with_attr("global_symbol", name)


def test_refusals() -> None:
    """Names twice, other shapes, a tensor written twice or after it was read."""
    with pytest.raises(SequenceError, match="a sequence of nothing"):
        harness.sequence()
    with pytest.raises(SequenceError, match=r"a sequence of \['one', 'one'\]"):
        harness.sequence(_step("one"), _step("one"))
    with pytest.raises(SequenceError, match=r"'B' is 32x32 float32 in 'one' and 64x32 float32"):
        harness.sequence(_step("one"), _step("two", (64, 32)))
    with pytest.raises(SequenceError, match="'B' is written by 'two' over what 'one' wrote"):
        harness.sequence(_step("one"), _step("two"))
    with pytest.raises(SequenceError, match="'A' is written by 'two', after 'one' read it"):
        harness.sequence(_step("one"), _step("two", reads="B"))
    whole = harness.sequence(_step("one"))
    with pytest.raises(OptionError, match="one artifact for a sequence"):
        harness.check(whole, artifact=harness.compile(_step("one")))


def test_an_oracle_that_draws_its_own_inputs_is_for_one_kernel() -> None:
    """A step has the inputs it is given, and the message does not blame the caller for them."""
    with pytest.raises(OptionError, match="freivalds draws its own inputs, and a kernel of a"):
        harness.check(SEQUENCES["split_k"].factory(), oracle="freivalds")


def test_what_is_handed_on_is_held_against_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """Kernels that are right, each on inputs that are not what the one before answered."""
    handed = sequences.step_inputs

    def anew(func: Any, _: Any, *rest: Any) -> Any:
        return handed(func, {}, *rest)

    monkeypatch.setattr(sequences, "step_inputs", anew)
    verdict = harness.check(SEQUENCES["split_k"].factory(M=32, N=32, K=128, split=2))
    assert (verdict.verdict, verdict.oracle) == ("fail", f"exact+{sequences.WHOLE}")
    assert "add_parts was given another P than a kernel before it left" in verdict.reason
