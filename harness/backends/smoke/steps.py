"""One plan of a smoke run: compiled, simulated, built by ttnn, run on the device, compared."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness import inputs as drawn
from harness.artifact import Artifact
from harness.backends.device import TtnnBackend
from harness.backends.device_program import device_program
from harness.backends.protocol import Arrays, Backend, Outcome, device_finding
from harness.backends.simulated import SimulatorBackend
from harness.backends.smoke.compare import first_difference, save_case
from harness.backends.smoke.plans import SmokePlan
from harness.backends.smoke.records import write_record
from harness.backends.smoke.report import PlanResult, Status, Step
from simulator.findings import Finding

if TYPE_CHECKING:
    from golden import GoldenResult

BUILD_SECONDS = 60.0


@dataclass
class Run:
    """A smoke run under way.

    Attributes:
        backend: what the simulator is compared with.
        device: name of the plans' device.
        output: where cases and records go.
        seed: of the inputs.
        blocked: why the device is not used any more, if it is not.
    """

    backend: Backend
    device: str
    output: Path
    seed: int
    blocked: str | None = None


@dataclass
class _Plan:
    """One plan under way."""

    run: Run
    plan: SmokePlan
    steps: list[Step] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    case: str | None = None

    def step(self, name: str, body: Callable[[], tuple[Status, str]]) -> bool:
        """Do and time one step."""
        began = time.perf_counter()
        status, detail = body()
        self.steps.append(Step(name, status, detail, time.perf_counter() - began))
        return status == "pass"


def run_plan(run: Run, plan: SmokePlan) -> PlanResult:
    """Every step of one plan."""
    state = _Plan(run, plan)
    made: list[Artifact] = []

    def compiled() -> tuple[Status, str]:
        artifact, reason = plan.compile(run.device)
        if artifact is None:
            return "skip", str(reason)
        made.append(artifact)
        blocks = "x".join(map(str, artifact.plan.kernel_grid))
        return "pass", f"{blocks} blocks, {len(artifact.plan.circular_buffers)} circular buffers"

    if state.step("compile", compiled):
        _conduct(state, made[0])
    return PlanResult(plan.name, plan.adds, tuple(state.steps), tuple(state.findings), state.case)


def _conduct(state: _Plan, artifact: Artifact) -> None:
    from golden import GoldenError

    if isinstance(state.run.backend, TtnnBackend):
        state.step("descriptor", lambda: _descriptor(state.run.backend, artifact))  # type: ignore[arg-type]
    for kind in ("exact", "random"):
        try:
            arrays, golden = _draw(artifact, kind, state.run.seed)
        except GoldenError as error:
            state.steps.append(Step(f"{kind} inputs", "skip", str(error)))
        else:
            _compare(state, artifact, kind, arrays, golden)


def _compare(
    state: _Plan, artifact: Artifact, kind: str, arrays: Arrays, golden: GoldenResult | None
) -> None:
    """The simulator's answer, and if it is right, the device's beside it."""
    ours: list[Outcome] = []
    if state.step(f"simulate {kind}",
                  lambda: _simulate(state, artifact, kind, arrays, golden, ours)):  # fmt: skip
        state.step(f"device {kind}",
                   lambda: _device(state, artifact, kind, arrays, golden, ours[0]))  # fmt: skip


def _draw(artifact: Artifact, kind: str, seed: int) -> tuple[Arrays, GoldenResult | None]:
    """Inputs of a kind and what the source gives for them (None where the golden cannot say).

    Raises:
        GoldenError: there are no such inputs for this kernel.
    """
    from golden import GoldenError, evaluate

    contract = artifact.contract
    arrays, golden = drawn.draw(artifact.source, kind, contract, seed)
    try:
        return arrays, golden or evaluate(artifact.source, arrays, contract)
    except GoldenError:
        return arrays, None


def _descriptor(backend: TtnnBackend, artifact: Artifact) -> tuple[Status, str]:
    """Have ttnn build the program's descriptor; needs an interpreter, no device."""
    if backend.interpreter[0] is None:
        return "skip", str(backend.interpreter[1])
    job = {"mode": "describe", "programs": [device_program(artifact)]}
    answer = backend.ask(job, timeout=BUILD_SECONDS)
    if answer.state != "ok":
        return "fail", f"ttnn: {answer.message}"
    built = answer.result["programs"][0]
    return "pass", (f"built by ttnn: {len(built['kernels'])} kernels,"
                    f" {len(built['circular_buffers'])} circular buffers")  # fmt: skip


def _simulate(
    state: _Plan, artifact: Artifact, kind: str, arrays: Arrays, golden: GoldenResult | None,
    keep: list[Outcome],
) -> tuple[Status, str]:  # fmt: skip
    outcome = SimulatorBackend().run(artifact, arrays)
    keep.append(outcome)
    state.findings += outcome.findings
    errors = [f for f in outcome.findings if f.severity == "error"]
    if errors or not outcome.completed:
        return "fail", errors[0].message if errors else "did not complete"
    return _judged(outcome, golden, kind)


def _judged(outcome: Outcome, golden: GoldenResult | None, kind: str) -> tuple[Status, str]:
    """Against the source: equality for exact inputs, the derived bound for random ones."""
    if golden is None:
        return "pass", "completed (the golden does not cover this kernel)"
    from golden import judge

    judgement = judge(outcome.outputs, golden, oracle="exact" if kind == "exact" else "bound")
    return ("pass" if judgement.passed else "fail"), str(judgement.reason)


def _device(
    state: _Plan, artifact: Artifact, kind: str, arrays: Arrays, golden: GoldenResult | None,
    ours: Outcome,
) -> tuple[Status, str]:  # fmt: skip
    run = state.run
    if run.blocked is not None:
        return "skip", run.blocked
    outcome = run.backend.run(artifact, arrays)
    if outcome.skipped is not None:
        return "skip", outcome.skipped
    state.findings += outcome.findings
    if not outcome.ok:
        if any(f.code == "DeviceTimeout" for f in outcome.findings):
            run.blocked = _hung(run.backend)
        return "fail", outcome.findings[0].message
    told = first_difference(artifact.plan, ours.outputs, outcome.outputs)
    status, detail = _judged(outcome, golden, kind)
    if status == "pass" and (told is None or kind == "random"):
        where = run.output / "records" / f"{state.plan.name}-{kind}.json"
        facts: dict[str, Any] = dict(run.backend.capabilities().facts)
        facts.pop("interpreter", None)
        write_record(where, artifact, kind, arrays, outcome.outputs, facts)
        return "pass", "equal bit for bit" if told is None else f"within the bound; {told}"
    why = told or detail
    place = run.output / "cases" / f"{state.plan.name}-{kind}"
    both = {"simulator": ours.outputs, "device": outcome.outputs}
    state.case = str(save_case(place, artifact, arrays, both, why))
    state.findings.append(device_finding("DeviceDisagrees", why))
    return "fail", why


def _hung(backend: Backend) -> str | None:
    """Whether the device answers after a timeout; if not, why the rest is skipped."""
    if not isinstance(backend, TtnnBackend):
        return None
    answer = backend.ask({"mode": "facts", "device": backend.device}, timeout=BUILD_SECONDS)
    if answer.state == "ok":
        return None
    return "the board hangs after a timeout; reset it (tt-smi -r) and run the rest again"
