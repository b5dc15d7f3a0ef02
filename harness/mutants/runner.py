"""The runner: every mutant against the cases, smallest first, until something notices."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from typing import Final

from harness.mutants.baseline import Baseline, Round, prepare
from harness.mutants.blame import blame
from harness.mutants.families import registry
from harness.mutants.inturn import is_in_turn, try_in_turn
from harness.mutants.judging import Faulty, Kill, apply, examine, substituted, try_round, warm
from harness.mutants.registry import Mutant
from harness.mutants.result import Outcome, Report
from harness.mutants.subjects.cases import FIXED, Case, drawn, exhaustive, from_texts

ROUNDS: Final = (("exact", 0), ("random", 0))
"""Kinds of inputs and seeds of a case, in order."""
DRAWN: Final = 60
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Budget:
    """What a mutant may cost: examples it changes, and seconds."""

    examples: int = 200
    seconds: float = 60.0


@dataclass
class Pool:
    """Unmutated cases that pass, smallest first, with the rounds they pass.

    Cases are prepared when first reached.
    """

    pending: list[Case] = field(default_factory=list)
    ready: list[tuple[Baseline, list[tuple[Round, int]]]] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)

    def add(self, case: Case) -> None:
        """Prepare a case; cases that are refused or fail are set aside, by name."""
        base = prepare(case)
        if base is None:
            self.refused.append(case.name)
            return
        rounds = []
        for kind, seed in ROUNDS if case.edit is None else ROUNDS[:1]:
            one = base.round(kind, seed)
            if one is None:
                continue
            if not warm(base, one, seed):
                self.failed.append(case.name)
                return
            rounds.append((one, seed))
        self.ready.append((base, rounds))

    @staticmethod
    def of(cases: Sequence[Case]) -> Pool:
        """Cases in order of size."""
        return Pool(sorted(cases, key=lambda case: case.size))

    def __iter__(self) -> Iterator[tuple[Baseline, list[tuple[Round, int]]]]:
        """Those prepared, then the others, prepared one by one."""
        at = 0
        while True:
            while at == len(self.ready) and self.pending:
                self.add(self.pending.pop(0))
            if at == len(self.ready):
                return
            yield self.ready[at]
            at += 1


def standard_cases(fast: bool = False) -> list[Case]:
    """The packaged cases and the drawn ones; only the packaged ones if ``fast``."""
    return [*FIXED, *from_texts(), *(() if fast else drawn(0, DRAWN))]


class _Trial:
    """One mutant under way."""

    def __init__(self, mutant: Mutant, budget: Budget) -> None:
        self.mutant, self.budget = mutant, budget
        self.examples = 0
        self.crashes: list[str] = []
        self.spent = 0.0

    def over(self, pool: Pool, limit: int) -> Outcome | None:
        """The kill, if a case of the pool gives one within the budget."""
        for base, rounds in pool:
            began = time.perf_counter()
            found = self._kill(base, rounds)
            self.spent += time.perf_counter() - began
            if found is not None:  # diagnosed with every substitution taken back
                return self._killed(*found, base)
            if self.examples >= limit or self.spent >= self.budget.seconds:
                break
        return None

    def _kill(
        self, base: Baseline, rounds: list[tuple[Round, int]]
    ) -> tuple[Kill, Faulty, Round] | None:
        try:
            with substituted(self.mutant, base) as applies:
                faulty = apply(self.mutant, base) if applies else None
                if faulty is None:
                    return None
                kill = examine(faulty, base)
                if kill is not None:
                    self.examples += 1
                    return kill, faulty, rounds[0][0]
                for one, seed in rounds:
                    self.examples += 1
                    kill = try_round(faulty, base, self.mutant, one, seed)
                    if kill is not None:
                        return kill, faulty, one
        except Exception as error:  # noqa: BLE001  (a crash is reported, and is no kill)
            self.examples += 1
            self.crashes.append(f"{base.case.name}: {type(error).__name__}: {error}"[:300])
        return None

    def _killed(self, kill: Kill, faulty: Faulty, one: Round, base: Baseline) -> Outcome:
        try:
            blamed = blame(self.mutant, faulty, base, one, kill.oracle)
        except Exception as error:  # noqa: BLE001
            blamed = f"{type(error).__name__}: {error}"[:100]
        status = "killed" if self.mutant.equivalent is None else "claim wrong"
        return self.outcome(
            status, oracle=kill.oracle, code=kill.code, detail=kill.detail[:200],
            case=base.case.name, tiles=base.tiles, cores=base.cores, blamed=blamed,
        )  # fmt: skip

    def outcome(self, status: str, **more: object) -> Outcome:
        """An outcome of this mutant."""
        m = self.mutant
        return Outcome(
            m.name, m.family, m.where.value, status,  # type: ignore[arg-type]
            examples=self.examples, seconds=round(self.spent, 4), crashes=tuple(self.crashes[:3]),
            reason=m.equivalent or "", **more,  # type: ignore[arg-type]
        )  # fmt: skip


def try_mutant(mutant: Mutant, pool: Pool, budget: Budget, proof: Pool | None = None) -> Outcome:
    """One mutant's fate on the cases of a pool.

    ``proof`` are the small shapes on which a mutant that claims equivalence and survived is tried
    as well, all of them.
    """
    if is_in_turn(mutant):
        return try_in_turn(mutant)
    trial = _Trial(mutant, budget)
    killed = trial.over(pool, budget.examples)
    if killed is not None:
        return killed
    if trial.examples == 0:
        return trial.outcome("not applied")
    if len(trial.crashes) > 0:
        return trial.outcome("crashed")
    if mutant.equivalent is None or proof is None:
        return trial.outcome("survived")
    before = trial.examples
    killed = trial.over(proof, 1 << 30)
    if killed is not None:
        return killed
    return trial.outcome("equivalent", exhausted=trial.examples - before)


def run_mutants(
    mutants: Sequence[Mutant] | None = None,
    *,
    budget: Budget | None = None,
    jobs: int = 1,
    fast: bool = False,
    seconds: float | None = None,
    progress: Progress | None = None,
) -> Report:
    """Run mutants and report.

    Args:
        mutants: which; all by default.
        budget: of each.
        jobs: processes; outcomes do not depend on it, times do.
        fast: packaged cases only.
        seconds: of the whole run; mutants not reached in time are left out.
        progress: told the last mutant's name, how many are done and how many there are.
    """
    began = time.perf_counter()
    chosen = list(registry()) if mutants is None else list(mutants)
    allowed = budget or Budget()
    deadline = None if seconds is None else time.time() + seconds
    names = [m.name for m in chosen]
    if jobs <= 1:
        found, cases = _worker(names, allowed, fast, deadline, progress)
    else:
        found, cases = _spread(names, allowed, fast, deadline, jobs, progress)
    outcomes = tuple(found[n] for n in names if n in found)
    return Report(outcomes, allowed.examples, cases, time.perf_counter() - began, jobs)


def _worker(
    names: list[str], budget: Budget, fast: bool, deadline: float | None,
    progress: Progress | None = None,
) -> tuple[dict[str, Outcome], int]:  # fmt: skip
    known = registry()
    pool = Pool.of(standard_cases(fast))
    proof: Pool | None = None
    found: dict[str, Outcome] = {}
    for name in names:
        if deadline is not None and time.time() > deadline:
            break
        if known[name].equivalent is not None and proof is None and not fast:
            proof = Pool.of(list(exhaustive()))
        found[name] = try_mutant(known[name], pool, budget, proof)
        if progress is not None:
            progress(name, len(found), len(names))
    return found, len(pool.ready)


def _spread(
    names: list[str], budget: Budget, fast: bool, deadline: float | None, jobs: int,
    progress: Progress | None,
) -> tuple[dict[str, Outcome], int]:  # fmt: skip
    """Mutants dealt to processes of their own."""
    for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "TVM_NUM_THREADS"):
        os.environ.setdefault(variable, "1")
    found: dict[str, Outcome] = {}
    cases = 0
    context = multiprocessing.get_context("spawn")
    shares = [names[i::jobs] for i in range(jobs)]
    with ProcessPoolExecutor(jobs, mp_context=context) as workers:
        futures = [workers.submit(_worker, share, budget, fast, deadline)
                   for share in shares if share]  # fmt: skip
        for future in as_completed(futures):
            part, cases = future.result()
            found |= part
            if progress is not None:
                progress("", len(found), len(names))
    return found, cases


__all__ = ["Budget", "Pool", "run_mutants", "standard_cases", "try_mutant"]
