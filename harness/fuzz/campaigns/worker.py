"""One worker process: draws units and runs their cases, or shrinks one; talks in JSON lines.

Commands come on standard input, events go to standard output: ``begin`` names a case before it
runs, so that whoever watches knows which case killed a worker; ``end`` has its outcome.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import json
import os
import resource
import signal
import sys
import time
from typing import Any, Final

from harness.fuzz import second
from harness.fuzz.campaigns.draw import batch, shrink
from harness.fuzz.campaigns.units import Unit
from harness.fuzz.case import Case
from harness.fuzz.coverage import cells
from harness.fuzz.judge import run_case
from harness.fuzz.outcome import Outcome

MEMORY = "TT_FUZZ_MEMORY_MB"
"""Environment variable: address space of a worker, in MiB."""
PARENT_DEATH: Final = 1
"""Linux's prctl option PR_SET_PDEATHSIG."""
SWEEP: Final = 0.5
"""Seconds of cases between two collections of garbage: looking for it within a case costs a tenth
of it, and after every few plans a twentieth."""


def main() -> int:
    """Serve commands until standard input ends."""
    events = os.fdopen(os.dup(1), "w", buffering=1, encoding="utf-8")
    os.dup2(2, 1)  # whatever a library prints must not disturb the events
    limit = int(os.environ.get(MEMORY, "4096")) << 20
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    end_with_supervisor()

    def tell(**event: Any) -> None:
        events.write(json.dumps(event) + "\n")

    gc.disable()
    tell(e="ready")
    for line in sys.stdin:
        command = json.loads(line)
        unit = Unit(**command["unit"])
        if command["task"] == "batch":
            _batch(unit, command["skip"], tell)
        else:
            _shrink(unit, command["index"], tuple(command["key"]), tell)
        tell(e="idle")
        gc.collect()
        gc.freeze()  # modules and caches, which stay
    return 0


def end_with_supervisor() -> None:
    """Be killed when the supervisor is, also within a case that never ends; on Linux only.

    Elsewhere a worker ends when it next has something to say.
    """
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).prctl(PARENT_DEATH, signal.SIGKILL, 0, 0, 0)


def _batch(unit: Unit, skip: int, tell: Any) -> None:
    swept = time.perf_counter()
    for index, case in enumerate(batch(unit)):
        if index < skip:
            continue
        tell(e="begin", i=index, case=case.to_json())
        found = run_case(case)
        tell(e="end", i=index, outcome=found.to_json(), cells=sorted(cells(case)))
        if time.perf_counter() - swept > SWEEP:
            gc.collect()
            swept = time.perf_counter()


def _shrink(unit: Unit, index: int, key: tuple[str, ...], tell: Any) -> None:
    def better(case: Case, seen: Outcome) -> None:
        tell(e="better", case=second.named(case, key).to_json(), outcome=seen.to_json())

    def judge(case: Case) -> Outcome:
        tell(e="attempt")
        gc.collect()
        return run_case(second.named(case, key))

    shrink(unit, index, key, judge, better)


if __name__ == "__main__":
    sys.exit(main())
