"""Codes explained."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from harness.report.terminal import Line, columns, section, text

if TYPE_CHECKING:
    from harness.codes import Code

WIDTH: Final = 96


def code_lines(code: Code) -> list[Line]:
    """One code in full."""
    lines = [text(code.code, "bold red" if code.severity == "error" else "bold yellow")]
    lines += _wrapped(code.meaning)
    if code.hardware:
        lines += section("On hardware", _wrapped(code.hardware))
    lines += section("To mend it", _wrapped(code.remedy))
    if code.program:
        lines += section("A program that fails", [text(line) for line in code.program.split("\n")])
    if code.test:
        lines += section("Test", [text(f"tests/{code.test}")])
    return lines


def code_list(codes: Iterable[Code]) -> list[Line]:
    """Every code with its sentence."""
    return columns([(code.code, code.meaning) for code in codes])


def _wrapped(words: str) -> list[Line]:
    return [text(line) for line in textwrap.wrap(words, WIDTH)]
