"""What came of one case: a kind, and the key findings are told apart by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

PASS: Final = "pass"  # noqa: S105  (a verdict)
REFUSED: Final = "refused"
UNJUDGED: Final = "unjudged"
WRONG: Final = "wrong"
FINDING: Final = "finding"
DEFECT: Final = "defect"
CRASH: Final = "crash"
BUDGET: Final = "budget"
QUARANTINE: Final = "quarantine"

FAILURES: Final = (WRONG, FINDING, DEFECT, CRASH, BUDGET, QUARANTINE)
"""Kinds that are findings of a campaign. A refusal is a located error of the compiler that names
what would be accepted; a case is unjudged where the golden says it cannot judge it."""


@dataclass(frozen=True)
class Outcome:
    """The verdict on one case.

    Attributes:
        kind: one of the names above.
        code: the finding's or error's code; for a wrong answer the oracle that saw it.
        bad_pass: first pass whose result is wrong, empty where unknown.
        op: the op concerned.
        message: one sentence.
        oracle: oracles that decided, joined by ``+``.
        seconds: the case's time.
        pipeline: of that, seconds in parser, compiler, golden, simulator and judge.
        ratio: largest error as a share of its bound.
    """

    kind: str
    code: str = ""
    bad_pass: str = ""
    op: str = ""
    message: str = ""
    oracle: str = ""
    seconds: float = 0.0
    pipeline: float = 0.0
    ratio: float | None = None
    timings: Mapping[str, float] = field(default_factory=dict)

    @property
    def failed(self) -> bool:
        """Whether the case is a finding."""
        return self.kind in FAILURES

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What makes two failures the same."""
        return (self.kind, self.code, self.bad_pass, self.op)

    def expectation(self) -> dict[str, Any]:
        """As a case file holds it."""
        if not self.failed:
            return {"verdict": self.kind, **({"code": self.code} if self.code else {})}
        return {"verdict": self.kind, "code": self.code, "pass": self.bad_pass, "op": self.op}

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            **self.expectation(),
            "message": self.message,
            "oracle": self.oracle,
            "seconds": round(self.seconds, 5),
            "pipeline": round(self.pipeline, 5),
        }
