"""``tt-harness doctor`` and ``tt-harness smoke``: what is here, and if it computes the same."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.cli.options import BackendOpt, JsonOpt, SeedOpt
from harness.cli.session import Outcome, Session
from simulator.arch import DEFAULT_DEVICE

if TYPE_CHECKING:
    from harness.backends.smoke import SmokeReport, Step
    from harness.report.terminal import Line


def doctor(json: JsonOpt = None) -> int:
    """Say what this machine has for running kernels on a device, and what each gap takes."""

    def body(session: Session) -> Outcome:
        from harness.backends.doctor import doctor as look

        session.progress.stage("looking around")
        report = look()
        return Outcome(0, "", {**report.to_json(), "findings": []}, _lines(report))

    return Session("doctor", json).conduct(body)


def smoke(
    backend: BackendOpt = "ttnn",
    device: Annotated[
        str, typer.Option("--device", metavar="NAME", help="device the plans are made for")
    ] = DEFAULT_DEVICE,
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="DIR", help="reports, records and cases")
    ] = Path("out/smoke"),
    plan: Annotated[
        list[str] | None,
        typer.Option("--plan", metavar="NAME", help="only this plan; may be repeated"),
    ] = None,
    seed: SeedOpt = 0,
    budget: Annotated[
        float, typer.Option("--budget", metavar="S", min=0, help="start no plan after this")
    ] = 600.0,
    require_device: Annotated[
        bool, typer.Option("--require-device", help="exit 1 where no device ran anything")
    ] = False,
    recheck: Annotated[
        Path | None,
        typer.Option("--recheck", metavar="DIR", help="hold the simulator to these records"),
    ] = None,
    json: JsonOpt = None,
) -> int:
    """Compare a device with the simulator, plan by plan, simplest first."""

    def body(session: Session) -> Outcome:
        if recheck is not None:
            return _rechecked(session, recheck)
        from harness.backends.smoke import smoke as conduct
        from harness.errors import OptionError

        session.progress.stage("looking for a device")
        try:
            report = conduct(
                backend, device=device, plans=tuple(plan) if plan else None, output=output,
                seed=seed, budget=budget,
                progress=lambda done: session.progress.stage(f"{done.name}: {done.status}"),
            )  # fmt: skip
        except KeyError as error:
            raise OptionError(str(error.args[0]), location="device") from None
        return _smoked(report, require_device)

    return Session("smoke", json).conduct(body)


def _smoked(report: SmokeReport, required: bool) -> Outcome:
    """1 for a failed step, or where a device was required; a run without one is called a skip."""
    ran = any(step.name.startswith("device ") and step.status == "pass"
              for plan in report.plans for step in plan.steps)  # fmt: skip
    reason = next((step.detail for step in report.steps if step.status == "skip"), "")
    verdict = "fail" if not report.ok else "pass" if ran else "skip"
    data = {**report.to_json(), "verdict": verdict, "executed": ran}
    view = [*_lines(report), *_lines("\n".join(report.paths.values()))]
    if not report.ok:
        return Outcome(1, "", data, view)
    if ran:
        return Outcome(0, "", data, view)
    message = f"nothing ran on a device: {reason}"
    return Outcome(int(required), message, {**data, "status": "fail" if required else "skip"}, view)


def _rechecked(session: Session, directory: Path) -> Outcome:
    """The simulator against what devices computed before.

    Raises:
        UnreadableError: there are no records, or one is none.
    """
    from harness.backends.smoke import recheck
    from simulator.errors import UnreadableError

    records = sorted(directory.glob("*.json"))
    if not records:
        raise UnreadableError("holds no records", location=str(directory),
                              next_step="Name the records directory of a smoke run.")  # fmt: skip
    steps: list[Step] = []
    for path in records:
        session.progress.stage(path.stem)
        try:
            steps.append(recheck(path))
        except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
            raise UnreadableError(f"is no record of a smoke run: {type(error).__name__}: {error}",
                                  location=str(path)) from None  # fmt: skip
    failed = any(step.status == "fail" for step in steps)
    ran = any(step.status != "skip" for step in steps)
    data = {"verdict": "fail" if failed else "pass" if ran else "skip", "findings": [],
            "records": [{"name": s.name, "status": s.status, "detail": s.detail}
                        for s in steps]}  # fmt: skip
    shown = _lines("\n".join(f"{s.status:4}  {s.name}  {s.detail}" for s in steps))
    return Outcome(int(failed), "", data, shown)


def _lines(content: Any) -> list[Line]:
    from harness.report.terminal import text

    return [text(line) for line in str(content).splitlines()]
