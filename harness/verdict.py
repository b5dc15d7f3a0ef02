"""The verdict: what was compared with what, by which oracle, and what a failure looks like."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from simulator.findings import Finding


@dataclass(frozen=True)
class Verdict:
    """The answer of a check.

    Attributes:
        verdict: ``"pass"`` or ``"fail"``.
        kernel: the kernel's name.
        oracle: the oracle that decided: ``exact``, ``bound``, ``bound-partial``, or ``none`` where
            a finding ended the run before any comparison.
        max_error: largest absolute error of any element, None where nothing was compared.
        bound_ratio: largest error as a share of its bound; at most 1 in a pass.
        pcc: Pearson correlation of actual and expected outputs; reported, never deciding.
        tensors: per output: elements compared, wrong, and free (any answer is right);
            tainted share, worst tiles.
        findings: broken rules of plan, programs and run, errors first.
        timings: seconds per stage: compile (and each pass), golden, simulate, judge.
        reproduce: the command that shows this verdict again, where one is known.
        plan_path: where the plan was written, if it was.
        seed: seed of generated inputs, None where the user gave them.
        stats: the machine's counters.
        quality: traffic, tile products and memory beside their minima, as
            harness.checking.quality counts them.
        reason: one sentence of the judge.
        opinions: of oracle ``llvm``, and on a kernel that the dialect rewrote, for each kind of
            inputs: ``agreed``, ``disagreed`` or ``not available``, and a sentence that names the
            worst tile or the reason.
        notes: what the worst wrong tiles turned out to hold, where that was recognised.
        steps: the verdict of each kernel, where a sequence was checked.
        outputs: the last run's arrays, where it completed; not part of the JSON.
    """

    verdict: str
    kernel: str
    device: str
    oracle: str
    max_error: float | None
    bound_ratio: float | None
    pcc: float | None
    tensors: Mapping[str, Any] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    timings: Mapping[str, float] = field(default_factory=dict)
    input_kind: str = "given"
    seed: int | None = None
    determinate: bool | None = None
    reproduce: str | None = None
    plan_path: str | None = None
    stats: Mapping[str, Any] = field(default_factory=dict)
    quality: Mapping[str, Any] = field(default_factory=dict)
    reason: str = ""
    opinions: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    steps: tuple[Verdict, ...] = ()
    outputs: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def passed(self) -> bool:
        """Whether the verdict is a pass."""
        return self.verdict == "pass"

    @property
    def doubted(self) -> str:
        """What a second opinion holds against golden; empty where it agrees or was not asked."""
        return next((o for o in self.opinions if o.startswith("disagreed")), "")

    def to_json(self) -> dict[str, Any]:
        """Plain data, as ``--json`` writes it."""
        data = {k: getattr(self, k) for k in self.__dataclass_fields__ if k != "outputs"}
        data["steps"] = [s.to_json() for s in self.steps]
        data["findings"] = [msgspec.to_builtins(f) for f in self.findings]
        return data

    def __repr__(self) -> str:
        """One line."""
        details = [] if self.passed else [self.findings[0].code if self.findings else self.reason]
        if self.bound_ratio is not None:
            details.append(f"max error {self.max_error:.3g}, {self.bound_ratio:.3g} of its bound")
        what = f"{self.verdict}: {self.kernel} on {self.device}, oracle {self.oracle}"
        return f"Verdict({', '.join([what, *filter(None, details)])})"
