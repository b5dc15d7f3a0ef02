"""``tt-harness run``: compile, simulate, judge."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli import looking as look
from harness.cli import options as o
from harness.cli.compile import compile_build, passes_json, save, save_ir
from harness.cli.judge import Question, judge, outcome, prepare, reproducible
from harness.cli.session import Outcome, Session
from simulator.arch import DEFAULT_DEVICE

if TYPE_CHECKING:
    from harness.artifact import Artifact

OutputDir = Annotated[
    Path | None,
    typer.Option("-o", "--output", metavar="DIR", help="artifact (default: out/FILE.NAME)"),
]


def run(
    source: o.SourceArg,
    param: o.ParamOpt = None,
    frontend: o.FrontendOpt = None,
    device: o.DeviceOpt = DEFAULT_DEVICE,
    grid: o.GridOpt = None,
    core_ranges: o.RangesOpt = None,
    strategy: o.StrategyOpt = None,
    double_buffer: o.DoubleOpt = None,
    prefetch: o.PrefetchOpt = None,
    fidelity: o.FidelityOpt = None,
    fp32_dest: o.Fp32DestOpt = None,
    multicast: o.MulticastOpt = None,
    function: o.FunctionOpt = None,
    oracle: o.OracleOpt = "auto",
    input_kind: o.KindOpt = None,
    seed: o.SeedOpt = 0,
    backend: o.BackendOpt = "simulator",
    numbers: o.NumbersOpt = "fast",
    inputs: o.InputsOpt = None,
    outputs: o.OutputsOpt = None,
    output: OutputDir = None,
    dump_ir: o.DumpOpt = None,
    max_steps: o.StepsOpt = None,
    max_seconds: o.SecondsOpt = None,
    profile: look.ProfileOpt = False,
    trace: look.TraceOpt = None,
    trace_cores: look.TraceCoresOpt = None,
    stop: look.BreakOpt = None,
    dump: look.DumpOpt = None,
    json: o.JsonOpt = None,
) -> int:
    """Compile a kernel, simulate it, and judge the answer against the source."""
    build = o.Build(source, param or (), device, grid, core_ranges, strategy, double_buffer,
                    prefetch, fidelity, fp32_dest, function, multicast, frontend)  # fmt: skip
    question = Question(oracle, input_kind, numbers, seed, inputs, outputs, max_steps, max_seconds,
                        backend=backend)  # fmt: skip
    seen = look.Looking(profile, trace, trace_cores, stop, dump or ())

    def body(session: Session) -> Outcome:
        place = output or default_output(source)
        return seen.around(session, lambda observer: run_build(
            session, build, replace(question, observer=observer), place, dump_ir
        ))  # fmt: skip

    return Session("run", json).conduct(body)


def default_output(source: str) -> Path:
    """``out/FILE.NAME`` of a source ``path/to/FILE.py:NAME``."""
    path, _, name = source.rpartition(":")
    return Path("out") / f"{Path(path).stem}.{name}"


def run_build(
    session: Session, build: o.Build, question: Question, output: Path,
    dump_ir: Path | None = None, again: str | None = None,
) -> Outcome:  # fmt: skip
    """The whole way once: the artifact lands in ``output``, the verdict in the outcome.

    ``again`` is the command that shows it again, by default ``run`` with the same arguments.

    Raises:
        HarnessError, SimulatorError: whatever is refused on the way.
    """
    from harness.cli.failure import UsageError
    from harness.compiler.sequence import order_of
    from harness.report.compiled import artifact_lines, pass_lines, plan_lines
    from harness.report.terminal import section
    from simulator.plan.show import plan_summary

    arrays = prepare(question)
    made = compile_build(build, session)
    if build.function is None and order_of(made[0].compilation.source):
        return _run_sequence(session, build, question, output, dump_ir, again, made)
    if len(made) > 1:
        names = ", ".join(item.name for item in made)
        raise UsageError("there are several kernels", location="function",
                         next_step=f"name one of {names}")  # fmt: skip
    artifact = made[0]
    plan_path, _ = save(artifact, output)
    save_ir(artifact, dump_ir)
    verdict = judge(session, replace(build, function=artifact.name), artifact, question, arrays)
    again = again or build.command("run", *question.arguments())
    passes = passes_json(artifact)
    result = outcome(
        reproducible(verdict, again, plan_path),
        artifact.plan,
        before=[
            *section("Passes", pass_lines(passes)),
            *section("Plan", plan_lines(plan_summary(artifact.plan))),
        ],
        after=section("Artifact", artifact_lines(output)),
    )
    return replace(result, report={**result.report, "passes": passes})


def _run_sequence(
    session: Session, build: o.Build, question: Question, output: Path, dump_ir: Path | None,
    again: str | None, made: list[Artifact],
) -> Outcome:  # fmt: skip
    """Kernels one after another; the artifact of each lands in a directory of its name."""
    from harness.cli.failure import UsageError
    from harness.report.compiled import artifact_lines
    from harness.report.terminal import section
    from harness.report.verdict import step_lines

    arrays = prepare(question)
    if question.observer is not None:
        raise UsageError("--profile, --trace, --break and --dump look at one kernel",
                         location="function", next_step="name one with --function")  # fmt: skip
    written = []
    for artifact in made:
        plan_path, _ = save(artifact, output / artifact.name)
        written += artifact_lines(plan_path.parent)
    save_ir(made[0], dump_ir)
    verdict = judge(session, build, made[0].compilation.source, question, arrays, output)
    again = again or build.command("run", *question.arguments())
    steps = section("Kernels, in order", step_lines(verdict.steps))
    result = outcome(reproducible(verdict, again, output), None, before=steps,
                     after=section("Artifacts", written))  # fmt: skip
    return replace(result, report={**result.report, "passes": passes_json(made[0])})
