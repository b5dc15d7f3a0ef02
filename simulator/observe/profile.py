"""Where the simulator's own time went, per op and thread."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import Any

from simulator.engine.code import Code, Step
from simulator.engine.group import Group
from simulator.engine.machine import Machine


@dataclass
class OpProfile:
    """One op of one program, over all its places.

    A product waits until somebody looks at it, so its time may be booked on the op that does,
    usually a pack or a store.

    Attributes:
        program, thread, op: which; control flow appears as ``for``, ``if`` and ``let ...``.
        calls: executions, each for all cores of a lock-step group.
        waits: attempts that found the op not ready.
        tiles: tiles over all cores; 0 for ops that move none.
        seconds: host time, waits included.
    """

    program: str
    thread: str
    op: str
    calls: int = 0
    waits: int = 0
    tiles: int = 0
    seconds: float = 0.0


class Profiler:
    """Times every op of the runs it watches; costs some tenths of a microsecond per op.

    Attributes:
        rows: times by (program, thread, op), in order of first appearance in the programs.
        runs: runs watched, repeated attempts included; times are their sums.
        run_seconds: wall time of these runs, the scheduler's and the profiler's share included.
    """

    def __init__(self) -> None:
        self.rows: dict[tuple[str, str, str], OpProfile] = {}
        self.runs = 0
        self.run_seconds = 0.0

    def wrap(self, machine: Machine, code: Code) -> list[Step]:
        """See Observer."""
        out = []
        for number, step in enumerate(code.steps):
            name = code.places[number].text
            key = (code.program, code.thread, name)
            row = self.rows.setdefault(key, OpProfile(*key))
            out.append(_timed(step, row, machine.tally, machine.slot(name)))
        return out

    def ended(self, machine: Machine, seconds: float) -> None:
        """See Observer."""
        del machine
        self.runs += 1
        self.run_seconds += seconds

    def result(self) -> list[OpProfile]:
        """Rows of ops that were executed or waited, the slowest first."""
        used = [row for row in self.rows.values() if row.calls or row.waits]
        return sorted(used, key=lambda row: -row.seconds)

    def to_json(self) -> dict[str, Any]:
        """Plain data: ``runs``, ``run_seconds``, ``op_seconds`` (their sum) and ``ops``."""
        rows = self.result()
        return {
            "runs": self.runs,
            "run_seconds": self.run_seconds,
            "op_seconds": sum(row.seconds for row in rows),
            "ops": [asdict(row) for row in rows],
        }


def _timed(step: Step, row: OpProfile, tally: list[int], slot: int) -> Step:
    clock = time.perf_counter

    def timed(group: Group) -> int:
        tiles = tally[slot]
        began = clock()
        try:
            following = step(group)
        finally:
            row.seconds += clock() - began
        if following < 0 and not group.done:
            row.waits += 1
        else:
            row.calls += 1
            row.tiles += tally[slot] - tiles
        return following

    return timed
