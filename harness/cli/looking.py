"""Looking at a run: ``--profile``, ``--trace``, ``--break`` and ``--dump``."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.cli.session import Outcome, Session, check_writable

if TYPE_CHECKING:
    from simulator.engine.observer import Observer

ProfileOpt = Annotated[bool, typer.Option("--profile", help="show where the simulator's time went")]
TraceOpt = Annotated[
    Path | None, typer.Option("--trace", metavar="JSON", help="write a trace for Perfetto")
]
TraceCoresOpt = Annotated[
    str | None,
    typer.Option("--trace-cores", metavar="X,Y;...", help="cores to trace (default: the first 4)"),
]
BreakOpt = Annotated[
    str | None,
    typer.Option("--break", metavar="LOC", help="stop at compute:17, compute:2.0.1 or FILE.py:LINE;"
                 " a program's name alone lists its statements"),
]  # fmt: skip
DumpOpt = Annotated[
    list[str] | None,
    typer.Option("--dump", metavar="WHAT", help="where it stops: cb0, cb0[1], dst[2], cb0@1,2",
                 show_default=False),
]  # fmt: skip


@dataclass(frozen=True)
class Looking:
    """What is to be seen of a run, as the command line gave it."""

    profile: bool = False
    trace: Path | None = None
    trace_cores: str | None = None
    stop: str | None = None
    dumps: Sequence[str] = ()

    def around(self, session: Session, body: Callable[[Observer | None], Outcome]) -> Outcome:
        """Run ``body`` under observers and add what they saw to its outcome.

        Raises:
            SimulatorError: an option that cannot be read, a place or a core that does not exist.
        """
        if not (self.profile or self.trace or self.stop or self.dumps or self.trace_cores):
            return body(None)
        from simulator.observe import Profiler, Stopped, Tracer
        from simulator.observe.breakpoint import Listed

        profiler = Profiler() if self.profile else None
        tracer = Tracer(self._cores()) if self._traces() else None
        stop = self._stop()
        observers = [item for item in (profiler, tracer, stop) if item is not None]
        try:
            outcome = body(_Together(observers))
        except Stopped as stopped:
            outcome = _stopped(stopped.snapshot.to_json())
        except Listed as listed:
            return _listed(listed.program, listed.rows)
        else:
            if self.stop is not None:
                outcome = _never(outcome, self.stop)
        if profiler is not None:
            outcome = _profiled(outcome, profiler.to_json())
        if tracer is not None and self.trace is not None:
            session.progress.stage("writing the trace")
            outcome = _traced(outcome, tracer.to_json(), self.trace)
        return outcome

    def _traces(self) -> bool:
        """Whether a trace is wanted.

        Raises:
            UsageError: cores of a trace nobody asked for.
            UnreadableError: the file cannot be written.
        """
        from harness.cli.failure import UsageError

        if self.trace is not None:
            check_writable(self.trace)
        elif self.trace_cores is not None:
            raise UsageError("cores of a trace without a trace", location="trace_cores",
                             next_step="add --trace out.json")  # fmt: skip
        return self.trace is not None

    def _cores(self) -> list[tuple[int, int]] | None:
        from simulator.errors import InputError

        if self.trace_cores is None:
            return None
        if not re.fullmatch(r"\d+,\d+(;\d+,\d+)*", self.trace_cores):
            raise InputError(f"{self.trace_cores!r} is no list of cores", location="trace_cores",
                             next_step='write "0,0;1,0"')  # fmt: skip
        pairs = (core.split(",") for core in self.trace_cores.split(";"))
        return [(int(x), int(y)) for x, y in pairs]

    def _stop(self) -> Observer | None:
        from harness.cli.failure import UsageError
        from simulator.observe import Breakpoint, parse_dump, parse_location
        from simulator.observe.breakpoint import Lister

        if self.stop is None:
            if self.dumps:
                raise UsageError("a dump needs a place to stop", location="dump",
                                 next_step="add --break compute:17")  # fmt: skip
            return None
        if re.fullmatch(r"[A-Za-z_][\w-]*", self.stop):
            return Lister(self.stop)
        return Breakpoint(parse_location(self.stop), [parse_dump(text) for text in self.dumps])


class _Together:
    """Several observers as one; the first is nearest to the ops."""

    def __init__(self, observers: Sequence[Observer]) -> None:
        self.observers = observers

    def wrap(self, machine: Any, code: Any) -> list[Any]:
        """See Observer."""
        for observer in self.observers:
            code.steps[:] = observer.wrap(machine, code)
        steps: list[Any] = code.steps
        return steps

    def ended(self, machine: Any, seconds: float) -> None:
        """See Observer."""
        for observer in self.observers:
            observer.ended(machine, seconds)


def _stopped(snapshot: dict[str, Any]) -> Outcome:
    from harness.report.snapshot import snapshot_lines

    report = {"verdict": "stopped", "snapshot": snapshot, "findings": []}
    return Outcome(0, "", report, snapshot_lines(snapshot))


def _listed(program: str, rows: Sequence[dict[str, Any]]) -> Outcome:
    from harness.report.snapshot import listing_lines

    report = {"program": program, "statements": list(rows), "findings": []}
    return Outcome(0, "", report, listing_lines(program, rows))


def _never(outcome: Outcome, place: str) -> Outcome:
    message = f"the run never came to {place}"
    message = f"{outcome.message}; {message}" if outcome.message else message
    return replace(outcome, message=message, report={**outcome.report, "snapshot": None})


def _profiled(outcome: Outcome, profile: dict[str, Any]) -> Outcome:
    from harness.report.profile import profile_lines
    from harness.report.terminal import section

    view = [*outcome.view, *section("Profile", profile_lines(profile))]
    return replace(outcome, view=view, report={**outcome.report, "profile": profile})


def _traced(outcome: Outcome, trace: dict[str, Any], path: Path) -> Outcome:
    from harness.report.terminal import columns, section
    from simulator.files import write_atomic
    from simulator.strict_json import compact

    write_atomic(path, (compact(trace) + "\n").encode())
    about = trace["otherData"]
    events, dropped = len(trace["traceEvents"]), about["dropped_events"]
    cores = " ".join(f"({x},{y})" for x, y in about["cores"])
    rest = "" if len(about["cores"]) == about["cores_of_plan"] else f" of {about['cores_of_plan']}"
    cut = f"; {dropped:,} more were dropped, trace fewer cores" if dropped else ""
    rows = [
        ("file", f"{path}, to open in ui.perfetto.dev"),
        ("events", f"{events:,}{cut}"),
        ("cores", f"{cores}{rest}"),
    ]
    report = {"path": str(path), "events": events, "dropped": dropped, "cores": about["cores"]}
    view = [*outcome.view, *section("Trace", columns(rows))]
    return replace(outcome, view=view, report={**outcome.report, "trace": report})
