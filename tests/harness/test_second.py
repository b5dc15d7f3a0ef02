"""Oracle llvm: asked for by name in check, on the command line, in cases and in campaigns."""

# mypy: disable-error-code="operator,attr-defined,index"
# Kernels are read by the TVMScript parser, not called.
from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import harness.language as T
from golden import GoldenError
from golden.functions import Functions
from golden.interpret.tileops import TileOps
from golden.second import NoSecondOpinionError, Opinion, SecondOpinion
from harness.artifact import compile as compile_kernel
from harness.checking import check
from harness.cli import main as run_command
from harness.fuzz import second
from harness.fuzz.campaigns import worker
from harness.fuzz.campaigns.draw import batch, size
from harness.fuzz.campaigns.units import Unit
from harness.fuzz.case import Case, load_case
from harness.fuzz.judge import SECOND, run_case
from harness.inputs import Draws
from harness.kernels.table import KERNELS, SEQUENCES
from harness.language.rewriting import fromend
from harness.language.rewriting.finished import as_written
from harness.mutants.subjects import regrouped
from tests.harness.fuzz.shares import with_share

RUNNING = """@T.prim_func
def main(X: T.Tensor((32, 64), "float32"), Y: T.Tensor((32, 64), "float32")):
    with T.Kernel(1) as bx:
        x = T.alloc_shared((32, 64), "float32")
        y = T.alloc_fragment((32, 64), "float32")
        T.copy(X, x)
        T.cumsum(x, y, dim=1, reverse=True)
        T.copy(y, Y)
"""
IN_PLACE = """@T.prim_func
def main(X: T.Tensor((32, 64), "float32"), Y: T.Tensor((32, 64), "float32")):
    with T.Kernel(1) as bx:
        y = T.alloc_fragment((32, 64), "float32")
        T.copy(X, y)
        for i, j in T.Parallel(32, 32):
            y[i, j] = y[i, j + 32]
        T.copy(y, Y)
"""
NAMED = Case(kernel=RUNNING, options={"device": "wormhole_n150"}, inputs={"oracle": "llvm"})


def running(reverse: bool) -> Any:
    """Running sums of every row, from either end."""

    @T.prim_func
    def main(X: T.Tensor((32, 64), "float32"), Y: T.Tensor((32, 64), "float32")):
        with T.Kernel(1) as _:
            x = T.alloc_shared((32, 64), "float32")
            y = T.alloc_fragment((32, 64), "float32")
            T.copy(X, x)
            T.cumsum(x, y, dim=1, reverse=reverse)
            T.copy(y, Y)

    return main


def misread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Golden takes every running sum for one from the first element."""
    true = TileOps._cumsum
    monkeypatch.setattr(TileOps, "_cumsum", lambda self, args, ev: true(self, [*args[:3], 0], ev))


def test_every_kind_of_inputs_has_its_opinion() -> None:
    """A verdict says of each round that golden and LLVM agreed, and on how much."""
    verdict = check(KERNELS["gemm"].factory(), oracle="llvm")
    assert verdict.passed
    assert verdict.oracle == "exact+bound+llvm"
    assert verdict.opinions == ("agreed: LLVM and golden agree on 196608 elements",) * 2
    assert verdict.to_json()["opinions"] == verdict.opinions
    assert not verdict.doubted
    assert check(KERNELS["gemm"].factory()).opinions == ()


def test_given_inputs_and_kinds_are_asked_about_too() -> None:
    """The case's own arrays are judged, and each kind that is drawn."""
    ones = {"A": np.ones((512, 320), np.float32), "B": np.ones((320, 384), np.float32)}
    verdict = check(KERNELS["gemm"].factory(), ones, oracle="llvm")
    assert (verdict.passed, verdict.input_kind, len(verdict.opinions)) == (True, "given", 1)
    verdict = check(KERNELS["softmax"].factory(), oracle="llvm", input_kind="scaled")
    assert (verdict.passed, verdict.oracle, len(verdict.opinions)) == (True, "bound+llvm", 1)


def test_every_kernel_of_a_sequence_is_asked_about() -> None:
    """Steps of a sequence have an opinion each, on what the ones before them answered."""
    verdict = check(SEQUENCES["split_k"].factory(), oracle="llvm")
    assert verdict.passed
    assert len(verdict.opinions) == 4
    assert all(opinion.startswith("agreed") for opinion in verdict.opinions)


def test_only_llvm_sees_what_golden_and_compiler_misread_alike(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A meaning both get wrong passes every other oracle; this one names the worst tile."""
    compiled = compile_kernel(running(reverse=False))
    misread(monkeypatch)
    for oracle in ("auto", "exact", "bound", "tagged"):
        assert check(running(reverse=True), artifact=compiled, oracle=oracle).passed
    verdict = check(running(reverse=True), artifact=compiled, oracle="llvm")
    assert not verdict.passed
    assert verdict.oracle == "exact+llvm"
    assert verdict.doubted.startswith("disagreed: LLVM and golden differ on the source: Y tile (0,")
    assert verdict.reason in verdict.doubted


def test_only_llvm_sees_a_golden_wrong_within_its_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """A golden slightly off judges machines as before, but not against LLVM."""
    true = Functions.curve

    def off(*args: Any) -> Any:
        x = true(*args)
        return replace(x, value=x.value * (1 + 2.0**-12))

    monkeypatch.setattr(Functions, "curve", off)
    kernel = KERNELS["gelu_mlp"].factory()
    assert check(kernel).passed
    verdict = check(kernel, oracle="llvm")
    assert not verdict.passed
    assert verdict.doubted


def test_a_construct_it_does_not_lower_is_refused() -> None:
    """Asked for by name, no opinion is an error with the construct and its place, not a pass."""

    @T.prim_func
    def main(X: T.Tensor((32, 64), "float32"), Y: T.Tensor((32, 64), "float32")):
        with T.Kernel(1) as _:
            y = T.alloc_fragment((32, 64), "float32")
            T.copy(X, y)
            for i, j in T.Parallel(32, 32):
                y[i, j] = y[i, j + 32]
            T.copy(y, Y)

    assert check(main).passed
    with pytest.raises(GoldenError) as caught:
        check(main, oracle="llvm")
    assert caught.value.code == "NoOracle"
    assert caught.value.message.startswith("no second opinion: T.Parallel whose iterations read y")
    assert str(caught.value.location).startswith("test_second.py:")


def test_the_command_line_shows_it(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Run and check take --oracle llvm, print the opinion, and exit 1 where golden is doubted."""
    monkeypatch.chdir(tmp_path)
    source = tmp_path / "k.py"
    source.write_text(f"import harness.language as T\n\n\n{RUNNING}")
    kernel = f"{source}:main"
    run = ["run", kernel, "--oracle", "llvm", "--output", "art"]
    assert run_command(run) == 0
    assert "agreed: LLVM and golden agree on 2048 elements" in capsys.readouterr().out
    misread(monkeypatch)
    judged = ["check", kernel, "--artifact", "art", "--oracle", "llvm", "--json", "v.json"]
    assert run_command(judged) == 1
    (first, *_) = json.loads((tmp_path / "v.json").read_text())["opinions"]
    assert first.startswith("disagreed: ")
    assert first in " ".join(capsys.readouterr().out.split())
    source.write_text(f"import harness.language as T\n\n\n{IN_PLACE}")
    assert run_command(run) == 2
    assert "no second opinion: T.Parallel" in " ".join(capsys.readouterr().err.split())


def test_a_case_may_name_its_oracle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A replayed case that names llvm asks it, whatever its share, and blames golden."""
    case = load_case(NAMED.save(tmp_path / "case.json"))
    assert (case.inputs, run_case(case).oracle) == ({"oracle": "llvm"}, "exact+bound+llvm")
    misread(monkeypatch)
    found = run_case(case)
    assert found.key == ("wrong", "llvm", "golden", "copy")
    assert "LLVM and golden differ" in found.message
    unknown = run_case(replace(case, inputs={"oracle": "guess"}))
    assert unknown.kind == "refused"
    refused = run_case(Case(kernel=IN_PLACE, options=case.options, inputs=case.inputs))
    assert (refused.kind, refused.code) == ("unjudged", "NoOracle")


def test_a_campaign_asks_for_its_share(monkeypatch: pytest.MonkeyPatch) -> None:
    """A drawn case in the share fails where LLVM differs, and says where it has no opinion."""
    case = with_share(replace(NAMED, inputs={}), SECOND, 128)
    assert run_case(case).oracle == "exact+bound+llvm"
    true = second.opinion

    def spoilt(draws: Draws, *args: Any) -> Any:
        with pytest.MonkeyPatch.context() as patch:
            misread(patch)
            return true(Draws(draws.func, draws.contract), *args)

    monkeypatch.setattr(second, "opinion", spoilt)
    assert run_case(case).key == ("wrong", "llvm", "golden", "copy")
    monkeypatch.undo()
    found = run_case(with_share(Case(kernel=IN_PLACE, options=case.options), SECOND, 128))
    assert (found.kind, found.oracle) == ("pass", "exact")
    assert found.message.startswith("no second opinion: T.Parallel")


class _EnoughError(BaseException):
    """Shrinking has gone on long enough."""


def test_a_disagreement_shrinks_to_a_case_that_names_the_oracle(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Smaller texts lie in other shares: shrinking asks LLVM all the same, and so does replay."""
    doubt = Opinion("disagreed", "planted")
    monkeypatch.setattr(SecondOpinion, "ask", lambda *_: doubt)
    unit = Unit(seed=1, shard=0, round=0, count=2, focus="elementwise")
    target = batch(unit)[1]
    key = run_case(second.named(target, ("wrong", "llvm"))).key
    assert key[:3] == ("wrong", "llvm", "golden")
    found: list[Case] = []

    def tell(e: str, **event: Any) -> None:
        if e == "better":
            found.append(Case.from_json(event["case"]))
        if len(found) == 3:
            raise _EnoughError

    with pytest.raises(_EnoughError):
        worker._shrink(unit, 1, key, tell)
    assert size(found[2]) < size(found[1]) < size(found[0])
    assert found[2].inputs["oracle"] == "llvm"
    assert run_case(found[2]).key == key
    assert second.named(target, ("wrong", "exact", "", "")) is target


def test_a_wrong_rewriting_fails_a_check_that_asks_for_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Golden and the compiler read a kernel rewritten alike; it is executed as it was written."""
    assert check(regrouped.flattened(), input_kind="random").oracle == "bound+written"
    right = fromend.constant

    def further(expr: Any) -> Any:
        found = right(expr)
        return found if found is None or found >= 0 else found - 1

    monkeypatch.setattr(fromend, "constant", further)
    verdict = check(regrouped.flattened(), input_kind="random")
    assert not verdict.passed
    assert verdict.doubted
    assert verdict.reason.startswith("LLVM and golden differ on the source")


def test_kernels_that_nobody_rewrote_and_long_loops_cost_no_opinion() -> None:
    """Only what was rewritten is executed unasked, and only if it does not store for seconds."""
    plain = running(reverse=False)
    assert as_written(plain) is None
    assert check(plain, input_kind="random").oracle == "bound"
    with pytest.raises(NoSecondOpinionError, match="more than 100 elements"):
        SecondOpinion(as_written(regrouped.owned()), 100)
