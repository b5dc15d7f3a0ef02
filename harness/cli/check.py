"""``tt-harness check``: an existing artifact, judged against the source."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli import options as o
from harness.cli.judge import Question, judge, outcome, prepare, reproducible
from harness.cli.session import Outcome, Session
from simulator.arch import DEFAULT_DEVICE

if TYPE_CHECKING:
    from simulator.plan.schema import Plan


def check(
    source: o.SourceArg,
    artifact: Annotated[
        Path, typer.Option("--artifact", metavar="DIR", help="the artifact to judge")
    ],
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
    max_steps: o.StepsOpt = None,
    max_seconds: o.SecondsOpt = None,
    json: o.JsonOpt = None,
) -> int:
    """Judge an existing artifact against what the source says it must answer."""
    build = o.Build(source, param or (), device, grid, core_ranges, strategy, double_buffer,
                    prefetch, fidelity, fp32_dest, function, multicast, frontend)  # fmt: skip
    question = Question(oracle, input_kind, numbers, seed, inputs, outputs, max_steps, max_seconds,
                        backend=backend)  # fmt: skip

    def body(session: Session) -> Outcome:
        from harness.compiler.sequence import order_of
        from simulator.artifact import PLAN_FILE

        arrays = prepare(question)
        session.progress.stage("loading")
        kernel = build.kernel()
        several = build.function is None and order_of(kernel)
        plan = None if several else _plan(artifact)
        verdict = judge(session, build, kernel, question, arrays, artifact)
        more = ("--artifact", artifact, *question.arguments())
        again = build.command("check", *more)
        return outcome(reproducible(verdict, again, artifact / PLAN_FILE), plan)

    return Session("check", json).conduct(body)


def _plan(directory: Path) -> Plan | None:
    """The artifact's plan, to tell who wrote what; None where it is invalid, as check will say.

    Raises:
        UnreadableError: a file is missing or not JSON.
    """
    from simulator.artifact import load_artifact
    from simulator.errors import ArtifactError

    try:
        return load_artifact(directory).plan
    except ArtifactError:
        return None
