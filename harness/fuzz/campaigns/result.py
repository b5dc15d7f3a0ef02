"""What a campaign found, as one object: the report's, the terminal's and the JSON's source."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from harness.fuzz import outcome as o
from harness.fuzz.coverage import TOTAL

Key = tuple[str, str, str, str]


@dataclass
class Found:
    """One finding: every case of one key.

    Attributes:
        key: (kind, code, first bad pass, op).
        count: cases that showed it.
        case: the smallest so far, as plain data.
        file: where that is.
        origin: shard, round and index of the first.
        shrunk: whether shrinking came to its end.
    """

    key: Key
    case: dict[str, Any]
    message: str
    origin: tuple[int, int, int]
    count: int = 1
    file: str = ""
    shrunk: bool = False

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        kind, code, bad_pass, op = self.key
        return {"kind": kind, "code": code, "pass": bad_pass, "op": op, "count": self.count,
                "message": self.message, "file": self.file, "shrunk": self.shrunk,
                "origin": list(self.origin), "case": self.case}  # fmt: skip


@dataclass
class CampaignResult:
    """Counts, coverage and findings.

    Attributes:
        cases: cases that ended, quarantined ones included.
        kinds: cases by outcome.
        refusals: refused cases by code.
        cells: coverage cells seen.
        busy: seconds workers spent on cases.
        pipeline: of that, in compiler, golden, simulator and judge.
    """

    seed: int
    jobs: int
    focus: str | None = None
    cases: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    refusals: Counter[str] = field(default_factory=Counter)
    oracles: Counter[str] = field(default_factory=Counter)
    cells: set[str] = field(default_factory=set)
    findings: dict[Key, Found] = field(default_factory=dict)
    seconds: float = 0.0
    drawing: float = 0.0
    busy: float = 0.0
    pipeline: float = 0.0
    restarts: int = 0
    ended: str = "done"

    @property
    def clean(self) -> bool:
        """Whether nothing was found."""
        return not self.findings

    @property
    def verdict(self) -> str:
        """``fail`` with a finding, ``pass`` without one, ``none`` where no case ended."""
        return "fail" if self.findings else "pass" if self.cases else "none"

    @property
    def rate(self) -> float:
        """Cases per second of the campaign."""
        return self.cases / self.seconds if self.seconds else 0.0

    @property
    def per_core(self) -> float:
        """Cases per second of one worker: drawing, running and judging, start-up left out."""
        spent = self.busy + self.drawing
        return self.cases / spent if spent else 0.0

    @property
    def overhead(self) -> float:
        """What drawing and bookkeeping add to the pipeline's own time, as a share of it."""
        return (self.busy + self.drawing) / self.pipeline - 1 if self.pipeline else 0.0

    def add(self, outcome: dict[str, Any], cells: list[str]) -> None:
        """Count one case."""
        self.cases += 1
        self.kinds[outcome["verdict"]] += 1
        if outcome["verdict"] in (o.REFUSED, o.UNJUDGED):
            self.refusals[outcome.get("code", "")] += 1
        if outcome.get("oracle"):
            self.oracles[outcome["oracle"]] += 1
        self.cells.update(cells)
        self.busy += outcome.get("seconds", 0.0)
        self.pipeline += outcome.get("pipeline", 0.0)

    def claim(self) -> str:
        """What the number of cases says: at most 3/n at 95 % where nothing was found."""
        if not self.cases:
            return "no case ended"
        if self.clean:
            return f"0 findings in {self.cases:,} cases: at most {3 / self.cases:.2g} at 95 %"
        return f"{len(self.findings)} findings in {self.cases:,} cases"

    def to_json(self) -> dict[str, Any]:
        """Plain data, findings in the order of their keys."""
        return {
            "verdict": self.verdict,
            "seed": self.seed,
            "jobs": self.jobs,
            "focus": self.focus,
            "cases": self.cases,
            "kinds": dict(sorted(self.kinds.items())),
            "refusals": dict(self.refusals.most_common()),
            "oracles": dict(self.oracles.most_common()),
            "cells": {"seen": len(self.cells), "of": TOTAL, "names": sorted(self.cells)},
            "findings": [self.findings[k].to_json() for k in sorted(self.findings)],
            "seconds": round(self.seconds, 3),
            "cases_per_second": round(self.rate, 2),
            "cases_per_second_per_core": round(self.per_core, 2),
            "overhead": round(self.overhead, 3),
            "restarts": self.restarts,
            "ended": self.ended,
            "claim": self.claim(),
        }
