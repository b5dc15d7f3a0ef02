"""Every case file of the repository gives the verdict it states, from the file alone."""

import time
from pathlib import Path

import pytest

from harness.cli.replay import agrees
from harness.fuzz.case import LINES, Case, load_case
from harness.fuzz.judge import run_case

CASES = sorted((Path(__file__).resolve().parents[2] / "cases").glob("*.json"))
SECONDS = 5.0


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_case_gives_its_verdict(path: Path) -> None:
    """Keeps bugs that were found from coming back."""
    case = load_case(path)
    started = time.perf_counter()
    seen = run_case(case)
    assert agrees(case.expect, seen.expectation()), f"{seen.kind} {seen.code}: {seen.message}"
    assert time.perf_counter() - started <= SECONDS


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_case_file_is_small_and_canonical(path: Path) -> None:
    """Keeps case files readable: at most 30 lines, as the writer writes them."""
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= LINES
    case = load_case(path)
    assert case.text() == text
    assert Case.from_json(case.to_json()) == case


def test_there_are_cases() -> None:
    """Keeps the directory from being lost without anybody noticing."""
    assert len(CASES) >= 5
