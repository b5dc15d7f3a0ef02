"""The hardware smoke run: is this device what the plans take it for, and does it compute the same?

``smoke("ttnn")`` tries a list of plans on the simulator and on the device, simplest first. Where
there is no device every step up to the last is done and the last is a counted skip.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from harness.backends import find_backend
from harness.backends.device import TtnnBackend
from harness.backends.protocol import Backend, device_finding
from harness.backends.simulated import simulated_verdict
from harness.backends.smoke.plans import PLANS, SmokePlan, choose
from harness.backends.smoke.records import recheck
from harness.backends.smoke.render import junit, page
from harness.backends.smoke.report import PlanResult, SmokeReport, Step
from harness.backends.smoke.steps import Run, run_plan
from simulator.arch import DEFAULT_DEVICE, Arch, find_arch
from simulator.files import make_directory, write_atomic
from simulator.findings import Finding
from simulator.strict_json import render

BUDGET: Final = 600.0
"""Seconds a whole run should take on a board; plans that would start later are skipped."""


def smoke(
    backend: str | Backend = "ttnn",
    *,
    device: str = DEFAULT_DEVICE,
    plans: tuple[str, ...] | None = None,
    output: Path | str = "out/smoke",
    seed: int = 0,
    budget: float = BUDGET,
    progress: Callable[[PlanResult], None] | None = None,
) -> SmokeReport:
    """Compare a backend with the simulator, plan by plan, and write what was found.

    Args:
        backend: name or object; ``ttnn``.
        device: name of the architecture table the plans are compiled for.
        plans: names of :data:`PLANS`; all when not given.
        output: directory for ``smoke.json``, ``junit.xml``, ``smoke.html``, records and cases.
        seed: of the inputs.
        budget: seconds after which no further plan is started.
        progress: told each plan as it is done.

    Raises:
        HarnessError: an unknown backend or plan.
        KeyError: an unknown device.
        simulator.errors.UnreadableError: the directory cannot be written to.
    """
    began = time.perf_counter()
    chosen, arch = choose(plans), find_arch(device)
    target = backend if not isinstance(backend, str) else _backend(backend)
    root = Path(output)
    make_directory(root)
    facts, findings = _device_facts(target, arch)
    run = Run(target, device, root, seed)
    results: list[PlanResult] = []
    for plan in chosen:
        if time.perf_counter() - began > budget:
            late = Step("compile", "skip", f"the budget of {budget:g} s is spent")
            results.append(PlanResult(plan.name, plan.adds, (late,)))
            continue
        results.append(run_plan(run, plan))
        if progress is not None:
            progress(results[-1])
    paths = {n: str(root / f) for n, f in
             (("json", "smoke.json"), ("junit", "junit.xml"), ("html", "smoke.html"))}  # fmt: skip
    report = SmokeReport(target.name, device, facts, tuple(results), findings,
                         time.perf_counter() - began, paths)  # fmt: skip
    write_atomic(Path(paths["json"]), render(report.to_json()))
    write_atomic(Path(paths["junit"]), junit(report))
    write_atomic(Path(paths["html"]), page(report).encode())
    return report


def _backend(name: str) -> Backend:
    if name != "ttnn":
        return find_backend(name)
    return TtnnBackend(verdict=simulated_verdict)


def _device_facts(backend: Backend, arch: Arch) -> tuple[tuple[Step, ...], tuple[Finding, ...]]:
    """The device against the architecture table: grid, banks, family."""
    can = backend.capabilities()
    if not can.executes:
        return (Step("device facts", "skip", str(can.reason)),), ()
    if not isinstance(backend, TtnnBackend):
        return (Step("device facts", "pass", "the simulator is made from the table"),), ()
    began = time.perf_counter()
    answer = backend.ask({"mode": "facts", "device": backend.device}, timeout=backend.timeout)
    seconds = time.perf_counter() - began
    if answer.state != "ok":
        found = device_finding("DeviceError", answer.message)
        return (Step("device facts", "fail", answer.message, seconds),), (found,)
    seen = answer.result
    wanted = {"grid": list(arch.grid), "dram_banks": arch.dram_banks}
    wrong = [f"{key} is {seen[key]}, the table says {value}" for key, value in wanted.items()
             if seen[key] != value]  # fmt: skip
    if arch.family not in str(seen["arch"]):
        wrong.insert(0, f"architecture is {seen['arch']}, the table says {arch.family}")
    if not wrong:
        return (Step("device facts", "pass", f"as {arch.name} in the table", seconds),), ()
    found = device_finding("DeviceMismatch", f"{arch.name}: {'; '.join(wrong)}")
    return (Step("device facts", "fail", "; ".join(wrong), seconds),), (found,)


__all__ = ["PLANS", "PlanResult", "SmokePlan", "SmokeReport", "Step", "recheck", "smoke"]
