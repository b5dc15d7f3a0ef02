"""What ``run``, ``check`` and ``demo`` share: judging, and the verdict as an outcome."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.cli.execute import run_options
from harness.cli.options import Build
from harness.cli.session import Outcome, Session, check_writable, finding_json
from simulator.job import BUDGET, FAIL, PASS

if TYPE_CHECKING:
    from harness.report.terminal import Line
    from harness.verdict import Verdict
    from simulator.plan.schema import Plan


@dataclass(frozen=True)
class Question:
    """How an artifact is to be judged, as the command line gave it."""

    oracle: str = "auto"
    input_kind: str | None = None
    numbers: str = "fast"
    seed: int = 0
    inputs: Path | None = None
    outputs: Path | None = None
    max_steps: int | None = None
    max_seconds: float | None = None
    observer: Any = None
    backend: str = "simulator"

    def arguments(self) -> list[str]:
        """The options that ask the same again."""
        words = [] if self.oracle == "auto" else ["--oracle", self.oracle]
        words += [] if self.backend == "simulator" else ["--backend", self.backend]
        words += [] if self.input_kind is None else ["--input-kind", self.input_kind]
        words += [] if self.numbers == "fast" else ["--numbers", self.numbers]
        words += [] if self.max_steps is None else ["--max-steps", str(self.max_steps)]
        words += [] if self.max_seconds is None else ["--max-seconds", str(self.max_seconds)]
        given = self.inputs
        return words + (["--seed", str(self.seed)] if given is None else ["--inputs", str(given)])


def prepare(question: Question) -> dict[str, Any] | None:
    """The given input arrays, None where they are to be generated; outputs can be written.

    Raises:
        SimulatorError: a file that cannot be read or written.
        OptionError: an unknown backend, or options a device does not have.
    """
    from simulator.files import read_npz

    if question.outputs is not None:
        check_writable(question.outputs)
    _fits(question)
    return None if question.inputs is None else read_npz(question.inputs)


def judge(
    session: Session, build: Build, kernel: Any, question: Question,
    inputs: dict[str, Any] | None, artifact: Path | None = None,
) -> Verdict:  # fmt: skip
    """Simulate ``artifact``, or what ``kernel`` compiles to (an Artifact was compiled before).

    The outputs are written if the run completed.
    """
    from harness.checking import check
    from simulator.files import write_npz

    backend = None
    if question.backend != "simulator":
        from harness.backends.judged import device_backend

        session.progress.stage("looking for a device")
        backend = device_backend()
    options = run_options(question.numbers, question.max_steps, question.max_seconds)
    doing = "simulating" if backend is None else "running on the device"
    session.progress.stage(f"{doing} and judging")
    with naming(question.inputs):
        verdict = check(
            kernel,
            inputs,
            artifact=artifact,
            oracle=question.oracle,
            input_kind=question.input_kind,
            seed=question.seed,
            numbers=question.numbers,
            function=build.function,
            run_options=replace(options, observer=question.observer),
            backend=backend,
            **build.options(),
        )
    if question.outputs is not None and verdict.outputs:
        write_npz(question.outputs, verdict.outputs)
    return verdict


def _fits(question: Question) -> None:
    """Refuse a backend that does not exist, and what only the simulator has, on another."""
    from harness.backends import BACKENDS
    from harness.errors import OptionError

    if question.backend not in BACKENDS:
        raise OptionError(f"there is no backend {question.backend!r}", location="backend",
                          next_step=f"one of {', '.join(BACKENDS)}")  # fmt: skip
    if question.backend == "simulator":
        return
    given = {"--numbers": question.numbers != "fast", "--max-steps": question.max_steps,
             "--max-seconds": question.max_seconds,
             "--profile, --trace, --break and --dump": question.observer}  # fmt: skip
    for option, value in given.items():
        if value:
            raise OptionError(f"the device has no {option}", location="backend",
                              next_step="leave it out, or use --backend simulator")  # fmt: skip


@contextlib.contextmanager
def naming(inputs: Path | None) -> Iterator[None]:
    """Errors about arrays name the file they came from."""
    try:
        yield
    except Exception as error:
        if inputs is not None and getattr(error, "code", None) in ("InvalidInput", "InvalidInputs"):
            error.location = str(inputs)  # type: ignore[attr-defined]  # every coded error has one
        raise


def outcome(
    verdict: Verdict, plan: Plan | None, before: Sequence[Line] = (), after: Sequence[Line] = ()
) -> Outcome:
    """Exit status, report and view of a verdict; ``before`` and ``after`` are shown around it."""
    from harness.report.terminal import text
    from harness.report.verdict import verdict_lines

    status = PASS if verdict.passed else FAIL
    if any(item.code == "BudgetSpent" for item in verdict.findings):
        status = BUDGET
    report = verdict.to_json()
    report["findings"] = [finding_json(item) for item in verdict.findings]
    view = [*before, *verdict_lines(verdict, plan), *after]
    if verdict.reproduce:
        view += [text(), text(f"again: {verdict.reproduce}")]
    while view and not view[0].plain:
        view = view[1:]
    return Outcome(status, "", report, view)


def reproducible(verdict: Verdict, command: str, plan_path: Path) -> Verdict:
    """The verdict with the command that shows it again and the plan it is about."""
    return replace(verdict, reproduce=command, plan_path=str(plan_path))
