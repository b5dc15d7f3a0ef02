"""The page of all codes, in Markdown, as docs/findings.md holds it."""

from __future__ import annotations

from collections.abc import Iterator

from harness.codes.table import CODES, KINDS, Code


def page_text() -> str:
    """The whole page."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield "# Findings and errors"
    yield ""
    yield "Every code tt-harness prints. `tt-harness explain CODE` shows the same. The programs are"
    yield "the minimal failing ones of the tests: a pipe that copies four tiles from DRAM by way of"
    yield "circular buffer 0, DST and circular buffer 1 back to DRAM, with one program broken, or a"
    yield "plan with the values changed that are shown."
    yield ""
    yield "<!-- written by: python -m tests.docs.findings -->"
    for kind, heading in KINDS:
        yield ""
        yield f"## {heading}"
        for code in CODES.values():
            if code.kind == kind:
                yield from _entry(code)


def _entry(code: Code) -> Iterator[str]:
    yield ""
    yield f"### {code.code}"
    yield ""
    warning = " (a warning)" if code.severity == "warning" else ""
    yield code.meaning + warning
    if code.hardware:
        yield ""
        yield f"On hardware: {code.hardware}"
    yield ""
    yield f"To mend it: {code.remedy}"
    if code.program:
        yield ""
        yield "```text"
        yield code.program
        yield "```"
    if code.test:
        yield ""
        yield f"Test: `tests/{code.test}`"
