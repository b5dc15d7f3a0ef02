"""``tt-harness compile``: a kernel to an artifact on disk."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.cli import options as o
from harness.cli.session import Outcome, Session
from simulator.arch import DEFAULT_DEVICE

if TYPE_CHECKING:
    from harness.artifact import Artifact


def compile_kernel(
    source: o.SourceArg,
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="DIR", help="artifact goes here")
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
    dump_ir: o.DumpOpt = None,
    json: o.JsonOpt = None,
) -> int:
    """Compile a kernel and write tt.plan.json, programs.json, manifest.json, ir/ and kernels/."""
    build = o.Build(source, param or (), device, grid, core_ranges, strategy, double_buffer,
                    prefetch, fidelity, fp32_dest, function, multicast, frontend)  # fmt: skip

    def body(session: Session) -> Outcome:
        from harness.report.compiled import artifact_lines, pass_lines, plan_lines
        from harness.report.terminal import section
        from simulator.plan.show import plan_summary

        made = compile_build(build, session)
        view = section("Passes", pass_lines(passes_json(made[0])))
        report = []
        for artifact in made:
            place = output if len(made) == 1 else output / artifact.name
            plan_path, printed = save(artifact, place)
            report.append({**artifact.to_json(), "plan_path": str(plan_path), **printed})
            title = "Plan" if len(made) == 1 else f"Plan of {artifact.name}"
            view += section(title, plan_lines(plan_summary(artifact.plan)))
            view += section("Artifact", artifact_lines(plan_path.parent))
        save_ir(made[0], dump_ir)
        unprinted = [item["not_printed"] for item in report if item["not_printed"]]
        message = f"no C++ kernels: {unprinted[0]}" if unprinted else ""
        return Outcome(0, message, {"kernels": report, "findings": []}, view[1:])

    return Session("compile", json).conduct(body)


def compile_build(build: o.Build, session: Session) -> list[Artifact]:
    """The kernel's artifacts: all of its functions, or the one that was asked for.

    Raises:
        HarnessError: whatever the language, a pass or an option refuses.
    """
    session.progress.stage("loading")
    keywords = build.options()
    kernel = build.kernel()
    session.progress.stage("compiling")
    from harness.artifact import compile as compile_one
    from harness.artifact import compile_all
    from simulator.errors import ArtifactError

    try:
        if build.function is not None:
            return [compile_one(kernel, function=build.function, **keywords)]
        return compile_all(kernel, **keywords)
    except ArtifactError as error:  # the compiler's fault, not the user's: a defect
        raise RuntimeError(f"the compiler made an invalid artifact: {error}") from error


def save(artifact: Artifact, directory: Path) -> tuple[Path, dict[str, Any]]:
    """Write the artifact and its C++ kernels; returns the plan's path, and what was printed.

    A kernel that tt-metal has no spelling for is simulated all the same: ``not_printed`` says why.

    Raises:
        UnreadableError: the directory cannot be written to.
    """
    from harness.codegen import KERNEL_DIRECTORY, CodegenError, write_kernels

    plan_path = artifact.save(directory)
    try:
        paths = write_kernels(directory, artifact)
    except CodegenError as error:
        root = directory / KERNEL_DIRECTORY
        for kernel in artifact.plan.kernels:  # of an earlier compilation: no longer this plan's
            (root / f"{kernel.program}.cpp").unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            root.rmdir()
        return plan_path, {"cpp": [], "not_printed": str(error)}
    return plan_path, {"cpp": [str(path) for path in paths], "not_printed": None}


def passes_json(artifact: Artifact) -> list[dict[str, Any]]:
    """The passes of an artifact's compilation with their times."""
    passes: list[dict[str, Any]] = artifact.to_json()["passes"]
    return passes


def save_ir(artifact: Artifact, directory: Path | None) -> None:
    """Write the IR before and after every pass, if a directory is given.

    Raises:
        UnreadableError: the directory cannot be written to.
    """
    if directory is None:
        return
    from harness.compiler.pipeline import dump_ir
    from simulator.errors import UnreadableError

    try:
        dump_ir(artifact.compilation, directory)
    except OSError as error:
        raise UnreadableError(
            f"cannot be written: {error.strerror or error}", location=str(directory)
        ) from None
