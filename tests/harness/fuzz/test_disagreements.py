"""What is asked beyond a verdict counts: a disagreement is a finding, and names who is to blame."""

from __future__ import annotations

import importlib
from dataclasses import replace
from typing import Any

import pytest

from golden.second import Opinion
from harness.cli.replay import agrees
from harness.fuzz import judge, legacy, second, stages
from harness.fuzz import outcome as o
from harness.fuzz.case import Case
from harness.fuzz.judge import LEGACY, READ_TWICE, RUNGS, SAMPLE, SECOND, run_case
from tests.harness.fuzz.shares import with_share
from tests.harness.fuzz.test_shares import PRODUCT

# T.built is a name of the dialect.
built = importlib.import_module("harness.language.parsing.built")
NO = Opinion("disagreed", "they differ")
ASKED: dict[str, tuple[Any, str, Any, int, int, str]] = {
    "per-pass": (stages, "validate", stages.Blame("LowerTTTileIntrinsics", "otherwise"), 0,
                 2 * SAMPLE, "LowerTTTileIntrinsics"),
    "text": (built, "difference", "otherwise", min(READ_TWICE), 2 * SAMPLE, judge.PARSER),
    "legacy": (legacy, "difference", "otherwise", min(LEGACY), 128, "compat"),
    "llvm": (second, "opinion", NO, min(SECOND), 128, second.BLAMED),
    "numpy": (second, "by_numpy", NO, min(judge.EXECUTED), 2 * SAMPLE, judge.READING),
}  # fmt: skip


@pytest.mark.parametrize("code", ASKED)
def test_an_opinion_that_differs_is_a_finding(code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The IR after a pass, the text, older functions, LLVM and NumPy are heard."""
    where, name, answer, share, parts, blamed = ASKED[code]
    monkeypatch.setattr(where, name, lambda *_, **__: answer)
    found = run_case(with_share(Case(kernel=PRODUCT), {share}, parts))
    assert (found.kind, found.code, found.bad_pass) == (o.WRONG, code, blamed)
    assert found.message


@pytest.mark.parametrize("share", sorted(RUNGS))
def test_a_rung_that_fails_is_a_finding(share: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Replay, metamorphic and Freivalds are heard as well."""
    from harness import checking

    plain, rung = checking.check, RUNGS[share][0]

    def check(kernel: Any, *args: Any, **keywords: Any) -> Any:
        verdict = plain(kernel, *args, **keywords)
        failed = keywords.get("oracle") == rung
        return replace(verdict, verdict="fail", reason="otherwise") if failed else verdict

    monkeypatch.setattr(checking, "check", check)
    found = run_case(with_share(Case(kernel=PRODUCT), {share}))
    assert (found.kind, found.code, found.message) == (o.WRONG, rung, "otherwise")


def test_a_crash_is_a_finding_and_no_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    """An exception nobody raised on purpose is never counted away."""
    from harness import artifact

    def crashes(*_: Any, **__: Any) -> Any:
        raise KeyError("somewhere")

    monkeypatch.setattr(artifact, "compile_all", crashes)
    found = run_case(Case(kernel=PRODUCT))
    assert (found.kind, found.code) == (o.CRASH, "KeyError")


def test_a_verdict_agrees_where_all_that_is_stated_does() -> None:
    """Some of it is not enough, and a case that states nothing has to pass."""
    wrong = {"verdict": "wrong", "code": "exact", "pass": "parser"}
    assert agrees(wrong, wrong)
    assert agrees({"verdict": "wrong"}, wrong)
    for name in wrong:
        assert not agrees({**wrong, name: "other"}, wrong)
        assert not agrees(wrong, {k: v for k, v in wrong.items() if k != name})
    assert agrees({}, {"verdict": "pass"})
    assert not agrees({}, wrong)
    assert not agrees(None, {"verdict": "pass"})
