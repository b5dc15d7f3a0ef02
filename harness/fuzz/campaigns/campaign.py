"""The campaign: workers run units until the budget ends; findings are kept, merged and shrunk.

The supervisor imports neither TVM nor Hypothesis, so nothing a case does can reach it. A worker
that exceeds a case's time or dies is killed; the case it had begun is quarantined and its unit goes
on with the next case in a new process.
"""

from __future__ import annotations

import hashlib
import select
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from harness.errors import OptionError
from harness.fuzz import outcome as o
from harness.fuzz.campaigns.journal import Journal, key_of
from harness.fuzz.campaigns.process import Worker
from harness.fuzz.campaigns.result import CampaignResult, Found, Key
from harness.fuzz.campaigns.units import Unit, units
from harness.fuzz.case import Case

SHRINK_SHARE: Final = 0.2
"""Share of the budget reserved for shrinking what was found."""
SHRINK_SECONDS: Final = 60.0
"""Longest time for one finding."""
STARTUP_SECONDS: Final = 60.0
"""Longest start of a worker, and longest drawing of a unit."""
KEPT: Final = 200
"""Findings shrunk at most."""


@dataclass(frozen=True)
class Settings:
    """What a campaign is asked to do.

    Attributes:
        seconds: budget, None for as long as the examples take.
        examples: cases, None for as many as the budget allows.
        case_seconds: longest time of one case.
        memory: MiB of address space per worker.
    """

    seed: int = 0
    seconds: float | None = None
    examples: int | None = None
    jobs: int = 1
    focus: str | None = None
    corpus: Path = Path("out/fuzz")
    resume: bool = False
    case_seconds: float = 30.0
    memory: int = 4096
    shrink_seconds: float = SHRINK_SECONDS


class Campaign:
    """One run; :meth:`run` returns its result."""

    def __init__(self, settings: Settings, progress: Callable[[str], None] | None = None) -> None:
        self.settings = settings
        self.progress = progress or (lambda _: None)
        self.result = CampaignResult(settings.seed, settings.jobs, settings.focus)
        self.journal = Journal(settings.corpus, resume=settings.resume)
        self.started = time.monotonic()
        self.deadline = None if settings.seconds is None else self.started + settings.seconds
        self.workers: list[Worker] = []
        self.shrinking: deque[Key] = deque()
        self.again: deque[dict[str, Any]] = deque()
        self.units: Iterator[Unit] = units(settings.seed, settings.examples, settings.focus)
        self.stopped = ""

    def stop(self, why: str) -> None:
        """Ask the campaign to end: it hears what workers have said, and closes its journal."""
        self.stopped = why

    def run(self) -> CampaignResult:
        """Work until the units or the budget end.

        Raises:
            KeyboardInterrupt: passed on, after the workers are gone and the journal is closed.
        """
        self._recall()
        try:
            self.journal.write("start", **{k: str(v) if isinstance(v, Path) else v
                                           for k, v in asdict(self.settings).items()})  # fmt: skip
            self.workers = [Worker(self.settings.memory) for _ in range(self.settings.jobs)]
            while self._step():
                pass
        finally:
            for worker in self.workers:
                worker.kill()
            self.result.seconds = time.monotonic() - self.started
            try:
                self.journal.write("stop", cases=self.result.cases, ended=self.result.ended)
            finally:
                self.journal.close()
        return self.result

    def _recall(self) -> None:
        past = self.journal.past
        mine = (self.settings.seed, self.settings.focus)
        theirs = (past.started.get("seed", mine[0]), past.started.get("focus", mine[1]))
        if theirs != mine:
            self.journal.close()
            focus = "" if theirs[1] is None else f" --focus {theirs[1]}"
            raise OptionError(
                f"{self.journal.path} is of another campaign", location="--resume",
                next_step=f"go on with it by --seed {theirs[0]}{focus}, or leave --resume out",
            )  # fmt: skip
        for item in past.ends:
            self.result.add(item["outcome"], item.get("cells", []))
        for item in past.findings:
            found = Found(tuple(item["key"]), item["case"], item["message"],
                          tuple(item["origin"]), past.counts[tuple(item["key"])], item["file"],
                          item["shrunk"])  # fmt: skip
            self.result.findings[found.key] = found
            if not found.shrunk:
                self.shrinking.append(found.key)

    def _step(self) -> bool:
        """Hand out work, listen for a moment, watch the clocks; False at the end."""
        now = time.monotonic()
        if self.deadline is not None and now >= self.deadline:
            self.result.ended = "budget spent"
            return False
        for worker in self.workers:
            if worker.ready and worker.busy is None:
                command = self._next(now)
                if command is not None:
                    worker.deadline = command.pop("deadline", None)
                    worker.send(command)
        if all(w.ready and w.busy is None for w in self.workers):
            return False
        wait = 0.2 if self.deadline is None else max(0.0, min(0.2, self.deadline - now))
        readable, _, _ = select.select(self.workers, [], [], wait)
        for worker in readable:
            events, alive = worker.events()
            for event in events:
                self._heard(worker, event)
            if not alive:
                self._lost(worker, "died")
        if self.stopped:
            self.result.ended = self.stopped
            return False
        for worker in list(self.workers):
            self._watch(worker)
        r = self.result
        elapsed = max(time.monotonic() - self.started, 1e-6)
        self.progress(f"{r.cases:,} cases, {r.cases / elapsed:.1f}/s, {len(r.cells)} cells,"
                      f" {len(r.findings)} findings")  # fmt: skip
        return True

    def _next(self, now: float) -> dict[str, Any] | None:
        """Work for an idle worker: shrinking within its share, then the next unit."""
        reserve = self._reserve()
        late = reserve is not None and now >= reserve
        active = sum(w.busy is not None and w.busy["task"] == "shrink" for w in self.workers)
        if self.shrinking and (late or active < max(1, self.settings.jobs // 2)):
            key = self.shrinking.popleft()
            found = self.result.findings[key]
            shard, turn, index = found.origin
            unit = self._unit(shard, turn)
            limit = now + self.settings.shrink_seconds
            return {"task": "shrink", "unit": asdict(unit), "index": index, "key": list(key),
                    "deadline": limit}  # fmt: skip
        if late and self.result.findings and (active or self.shrinking):
            return None
        if self.again:
            return self.again.popleft()
        for unit in self.units:
            skip = self.journal.past.done.get((unit.shard, unit.round), 0)
            if skip < unit.count:
                return {"task": "batch", "unit": asdict(unit), "skip": skip}
        return None

    def _reserve(self) -> float | None:
        if self.deadline is None:
            return None
        return self.deadline - SHRINK_SHARE * (self.deadline - self.started)

    def _unit(self, shard: int, turn: int) -> Unit:
        for unit in units(self.settings.seed, self.settings.examples, self.settings.focus):
            if (unit.shard, unit.round) == (shard, turn):
                return unit
        raise AssertionError(f"no unit {shard}, {turn}")

    def _heard(self, worker: Worker, event: dict[str, Any]) -> None:
        kind, now = event["e"], time.monotonic()
        if kind == "ready":
            worker.ready = True
        elif kind == "begin":
            if worker.current is None:
                self.result.drawing += now - worker.since
            worker.current = event
        elif kind == "end":
            self._ended(worker, event)
        elif kind == "better":
            self._better(worker, event)
        elif kind == "idle":
            if worker.busy is not None and worker.busy["task"] == "shrink":
                self._shrunk(tuple(worker.busy["key"]))
            worker.busy = worker.current = worker.deadline = None
        worker.since = now

    def _ended(self, worker: Worker, event: dict[str, Any]) -> None:
        if worker.busy is None or worker.current is None:
            return
        unit = worker.busy["unit"]
        outcome = event["outcome"]
        self.result.add(outcome, event["cells"])
        place = {"shard": unit["shard"], "round": unit["round"], "index": event["i"]}
        if outcome["verdict"] in o.FAILURES:
            self._finding(worker.current["case"], outcome, tuple(place.values()))
        self.journal.write("end", **place, outcome=outcome, cells=event["cells"])
        worker.current = {"i": event["i"]}

    def _finding(self, case: dict[str, Any], outcome: dict[str, Any], origin: Any) -> None:
        key: Key = key_of(outcome)
        known = self.result.findings.get(key)
        if known is not None:
            known.count += 1
            return
        found = Found(key, case, outcome["message"], origin)
        self.result.findings[key] = found
        self._keep(found)
        if key[0] not in (o.QUARANTINE, o.BUDGET) and len(self.result.findings) <= KEPT:
            self.shrinking.append(key)

    def _keep(self, found: Found) -> None:
        """Write the case file and a line in the journal."""
        kind, code, bad_pass, op = found.key
        digest = hashlib.sha256(repr(found.key).encode()).hexdigest()[:8]
        case = Case.from_json(found.case)
        expect = {"verdict": kind, "code": code, "pass": bad_pass, "op": op}
        path = self.settings.corpus / "findings" / f"{kind}-{digest}.json"
        case.expecting(expect).save(path)
        found.file = str(path)
        self.journal.write("finding", key=list(found.key), case=found.case, message=found.message,
                           origin=list(found.origin), count=found.count, file=found.file,
                           shrunk=found.shrunk)  # fmt: skip

    def _better(self, worker: Worker, event: dict[str, Any]) -> None:
        if worker.busy is None:
            return
        found = self.result.findings[tuple(worker.busy["key"])]
        found.case, found.message = event["case"], event["outcome"]["message"]
        self._keep(found)

    def _shrunk(self, key: Key) -> None:
        found = self.result.findings[key]
        found.shrunk = True
        self._keep(found)

    def _watch(self, worker: Worker) -> None:
        """Kill a worker whose step takes too long."""
        now = time.monotonic()
        if worker.deadline is not None and now > worker.deadline:
            self._lost(worker, "shrinking ran out of time")
            return
        running = worker.current is not None or (worker.busy or {}).get("task") == "shrink"
        limit = self.settings.case_seconds if running else STARTUP_SECONDS
        if (worker.busy is not None or not worker.ready) and now - worker.since > limit:
            self._lost(worker, f"no answer within {limit:g} s")

    def _lost(self, worker: Worker, why: str) -> None:
        """Replace a worker; the case it had begun is quarantined, its unit goes on after it."""
        status = worker.kill()
        self.result.restarts += 1
        busy, current = worker.busy, worker.current
        self.workers[self.workers.index(worker)] = Worker(self.settings.memory)
        if busy is None:
            if self.result.restarts > 20 + self.result.cases:
                raise RuntimeError(f"workers do not start: {why}, status {status}")
            return
        if busy["task"] == "shrink":
            self._shrunk(tuple(busy["key"]))
            return
        done = busy["skip"] if current is None else current["i"] + 1
        if current is not None and "case" in current:
            reason = f"signal {-status}" if status < 0 and why == "died" else why
            outcome = {"verdict": o.QUARANTINE, "code": reason, "pass": "", "op": "",
                       "message": f"the worker was lost: {reason}", "seconds": 0.0}  # fmt: skip
            unit = busy["unit"]
            place = {"shard": unit["shard"], "round": unit["round"], "index": current["i"]}
            self.result.add(outcome, [])
            self._finding(current["case"], outcome, tuple(place.values()))
            self.journal.write("quarantine", **place, outcome=outcome, case=current["case"])
        if done < busy["unit"]["count"]:
            self.again.append({**busy, "skip": done})
