"""What a run of the mutants found, as plain data, and its figures."""

from __future__ import annotations

import statistics
from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

Status = Literal["killed", "survived", "equivalent", "crashed", "not applied", "claim wrong"]
MOMENTS: Final = (0.1, 1.0, 10.0, 60.0)
"""Seconds at which the time-to-kill curve is read."""


@dataclass(frozen=True)
class Outcome:
    """One mutant's fate.

    Attributes:
        name, family, where: the mutant.
        status: ``killed``; ``survived`` its examples; ``equivalent``: survived, claims to be so,
            and no small shape tells it apart; ``claim wrong``: killed although it claims
            equivalence; ``crashed``: something raised and nothing killed; ``not applied``: no case
            it changes.
        oracle: what noticed.
        code: finding or refusal.
        detail: a sentence.
        case: where.
        tiles: tiles along the longest axis of that case.
        cores: its cores with work.
        examples: examples tried, the killing one included.
        seconds: time from its first example to its kill or its end, without the preparation of
            unmutated cases.
        blamed: the part the diagnosis names, for the killed.
        crashes: texts of exceptions on the way.
        exhausted: small shapes tried to prove equivalence.
        reason: why it is equivalent, as claimed.
    """

    name: str
    family: str
    where: str
    status: Status
    oracle: str = ""
    code: str = ""
    detail: str = ""
    case: str = ""
    tiles: int = 0
    cores: int = 0
    examples: int = 0
    seconds: float = 0.0
    blamed: str = ""
    crashes: tuple[str, ...] = ()
    exhausted: int = 0
    reason: str = ""

    @property
    def blame_is_right(self) -> bool:
        """Whether the diagnosis names the part that was mutated."""
        return self.blamed == self.where


@dataclass(frozen=True)
class Report:
    """All outcomes of a run.

    Attributes:
        outcomes: in registry order.
        examples: budget of examples per mutant.
        cases: unmutated cases that passed and were used.
        seconds: wall time of the run.
        jobs: processes.
    """

    outcomes: tuple[Outcome, ...]
    examples: int
    cases: int
    seconds: float
    jobs: int = 1

    def having(self, *statuses: Status) -> list[Outcome]:
        """Outcomes of some fates."""
        return [o for o in self.outcomes if o.status in statuses]

    @property
    def killed(self) -> list[Outcome]:
        """The killed."""
        return self.having("killed")

    @property
    def judged(self) -> list[Outcome]:
        """All but the equivalent and those that changed no case."""
        return self.having("killed", "survived", "crashed", "claim wrong")

    @property
    def kill_rate(self) -> float:
        """Share of non-equivalent mutants that were killed."""
        gone = len(self.having("killed", "claim wrong"))
        return gone / len(self.judged) if self.judged else 0.0

    def killed_within(self, seconds: float) -> float:
        """Share of non-equivalent mutants killed within so many seconds."""
        quick = [o for o in self.having("killed", "claim wrong") if o.seconds <= seconds]
        return len(quick) / len(self.judged) if self.judged else 0.0

    @property
    def blame_rate(self) -> float:
        """Share of the killed whose diagnosis names the mutated part."""
        right = [o for o in self.killed if o.blame_is_right]
        return len(right) / len(self.killed) if self.killed else 0.0

    @property
    def median_size(self) -> tuple[float, float]:
        """Median tiles per axis and cores of the killing cases."""
        if not self.killed:
            return 0.0, 0.0
        return (float(statistics.median(o.tiles for o in self.killed)),
                float(statistics.median(o.cores for o in self.killed)))  # fmt: skip

    def by_oracle(self) -> dict[str, int]:
        """Kills by what noticed, most first."""
        return dict(Counter(o.oracle for o in self.killed).most_common())

    def by_code(self) -> dict[str, int]:
        """Kills by oracle and code, most first."""
        return dict(Counter(f"{o.oracle}: {o.code}" for o in self.killed).most_common())

    def by_family(self) -> dict[str, tuple[int, int]]:
        """(killed, judged) per family."""
        out: dict[str, tuple[int, int]] = {}
        for o in self.judged:
            killed, total = out.get(o.family, (0, 0))
            out[o.family] = (killed + (o.status in ("killed", "claim wrong")), total + 1)
        return out

    def figures(self) -> dict[str, Any]:
        """The numbers in short."""
        tiles, cores = self.median_size
        return {
            "mutants": len(self.outcomes),
            "killed": len(self.killed),
            "survived": [o.name for o in self.having("survived")],
            "crashed": [o.name for o in self.having("crashed")],
            "equivalent": [o.name for o in self.having("equivalent")],
            "claim_wrong": [o.name for o in self.having("claim wrong")],
            "not_applied": [o.name for o in self.having("not applied")],
            "kill_rate": self.kill_rate,
            "killed_within": {str(s): self.killed_within(s) for s in MOMENTS},
            "most_examples": max((o.examples for o in self.killed), default=0),
            "blame_rate": self.blame_rate,
            "median_tiles_per_axis": tiles,
            "median_cores": cores,
            "by_oracle": self.by_oracle(),
            "by_code": self.by_code(),
        }

    def to_json(self) -> dict[str, Any]:
        """Figures and outcomes as plain data."""
        return {
            "figures": self.figures(),
            "examples_per_mutant": self.examples,
            "cases": self.cases,
            "seconds": self.seconds,
            "jobs": self.jobs,
            "outcomes": [asdict(o) for o in self.outcomes],
        }
