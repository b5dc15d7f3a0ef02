"""The table of codes, drawn together from the rules of the machine and the refusals."""

from __future__ import annotations

import difflib
import json
from dataclasses import asdict, dataclass
from importlib.resources import files
from types import MappingProxyType
from typing import Any, Final

from harness.backends.protocol import DEVICE_RULES
from harness.codes.machine import HARDWARE
from harness.codes.refusals import COMMAND, COMPILER, GOLDEN
from simulator.findings import RULES


@dataclass(frozen=True)
class Code:
    """One code.

    Attributes:
        code: the name. kind: who prints it. severity: of findings; errors are errors.
        meaning: one sentence. remedy: what to do.
        hardware: what happens on a chip; None where nothing would reach one.
        test: where a failing program or input stands, below ``tests/``; None where codes share one
            test of their class.
        program: that program as text, if it is short.
    """

    code: str
    kind: str
    severity: str
    meaning: str
    remedy: str
    hardware: str | None = None
    test: str | None = None
    program: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)


KINDS: Final = (
    ("machine", "Findings of plan, programs and runs"),
    ("device", "Findings of a device"),
    ("compiler", "Errors of language, passes and printer"),
    ("golden", "Errors of the reference"),
    ("command", "Errors of the command line and of files"),
)
"""Kinds and their headings, in the order of the page."""


def _table() -> dict[str, Code]:
    text = files("harness.codes").joinpath("examples.json").read_text(encoding="utf-8")
    examples: dict[str, dict[str, str]] = json.loads(text)
    out = {}
    for rule in RULES.values():
        example = examples.get(rule.code, {})
        out[rule.code] = Code(
            rule.code, "machine", rule.severity, rule.meaning, rule.remedy,
            HARDWARE.get(rule.code), example.get("test"),
            example.get("program"),
        )  # fmt: skip
    for rule in DEVICE_RULES.values():
        out[rule.code] = Code(rule.code, "device", rule.severity, rule.meaning, rule.remedy)
    for kind, rows in (("compiler", COMPILER), ("golden", GOLDEN), ("command", COMMAND)):
        for code, meaning, remedy in rows:
            out[code] = Code(code, kind, "error", meaning, remedy)
    return out


CODES: Final = MappingProxyType(_table())
"""Code to what is known of it."""


def nearest(code: str) -> list[str]:
    """Known codes that look like one that is not, the most alike first."""
    by_lower = {name.lower(): name for name in CODES}
    alike = difflib.get_close_matches(code.lower(), by_lower, n=3, cutoff=0.5)
    return [by_lower[name] for name in alike]
