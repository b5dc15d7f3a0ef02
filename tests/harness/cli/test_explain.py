"""``tt-harness explain``."""

from __future__ import annotations

import json

import pytest

from harness.codes import CODES
from tests.harness.cli.conftest import Command


@pytest.mark.parametrize("code", sorted(CODES))
def test_every_code_is_explained(command: Command, code: str) -> None:
    """Protects explain: each code shows its sentence and what to do, in any case of letters."""
    reply = command("explain", code.upper())
    assert reply.status == 0
    assert reply.out.splitlines()[0] == code
    assert "To mend it" in reply.out


def test_a_rule_shows_hardware_and_a_failing_program(command: Command) -> None:
    """Protects the long answer, and that the JSON holds it too."""
    reply = command("explain", "CBWindow", "--json", "out.json")
    for heading in ("On hardware", "To mend it", "A program that fails", "Test"):
        assert f"\n{heading}\n" in reply.out
    with open("out.json", encoding="utf-8") as file:  # noqa: PTH123 - relative to the test's folder
        assert json.load(file)["explanation"]["code"] == "CBWindow"


def test_without_a_code_all_are_listed(command: Command) -> None:
    """Protects finding a code one does not know."""
    lines = command("explain").out.splitlines()
    assert {line.split()[0] for line in lines} == set(CODES)


def test_an_unknown_code_is_one_line(command: Command) -> None:
    """Protects usage: status 2 and the nearest codes."""
    reply = command("explain", "Deadlok")
    assert reply.status == 2
    assert "is it Deadlock?" in reply.complaint()
