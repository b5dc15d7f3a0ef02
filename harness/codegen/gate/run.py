"""The gate over an artifact: every kernel, unit and architecture, and the lint of names."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.backends.protocol import Compiled
from harness.codegen import KERNEL_DIRECTORY, print_kernels
from harness.codegen.gate.banned import find_banned
from harness.codegen.gate.compile import Complaint, check_unit, find_compiler, threads_of
from harness.codegen.gate.flags import TARGETS, Target
from harness.codegen.gate.wheel import Headers, find_headers
from harness.codegen.printer import programs_by_name
from simulator.artifact import load_artifact


@dataclass(frozen=True)
class Unit:
    """One compiled unit: which kernel, for which architecture and thread, in how many seconds."""

    kernel: str
    family: str
    thread: str
    seconds: float
    ok: bool


@dataclass(frozen=True)
class GateReport:
    """What the gate found.

    Attributes:
        name: the artifact's plan.
        ttnn: the release whose headers were used.
        units: what was compiled.
        problems: errors of the compiler and removed or deprecated names.
        skipped: why the compiler did not run, with what it would take; None when it ran.
    """

    name: str
    ttnn: str
    units: tuple[Unit, ...]
    problems: tuple[Complaint, ...]
    skipped: str | None = None

    @property
    def ok(self) -> bool:
        """Whether nothing was found (a skip finds nothing and is told apart by ``skipped``)."""
        return not self.problems

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {"ok": self.ok, **dataclasses.asdict(self)}

    def __str__(self) -> str:
        """One line per problem, then a summary."""
        lines = [f"{p.kernel}.cpp:{p.line or '?'}: {p.family} {p.thread}: {p.message}"
                 for p in self.problems]  # fmt: skip
        if self.skipped:
            summary = f"compiler not run: {self.skipped}"
        else:
            seconds = sum(unit.seconds for unit in self.units)
            summary = f"{len(self.units)} units compiled in {seconds:.1f} s"
        count = len(self.problems)
        verdict = "clean" if not count else f"{count} problem{'s' * (count > 1)}"
        return "\n".join([*lines, f"{self.name}: {verdict}; {summary} (ttnn {self.ttnn})"])


def lint_kernels(
    directory: Path | str,
    *,
    fetch: bool = True,
    progress: Callable[[Unit], None] | None = None,
) -> GateReport:
    """Check the kernels of an artifact on disk: ``kernels/*.cpp`` as they stand, else as printed.

    Args:
        directory: the artifact's.
        fetch: get ttnn's wheel where its headers are not in the cache (100 MB, once).
        progress: told each compiled unit as it is done.

    Raises:
        simulator.errors.SimulatorError: the directory holds no valid artifact.
        CodegenError: a program that cannot be printed.
    """
    artifact = load_artifact(directory)
    root = Path(directory) / KERNEL_DIRECTORY
    texts = {}
    for kernel in artifact.plan.kernels:
        path = root / f"{kernel.program}.cpp"
        if path.is_file():
            texts[kernel.program] = path.read_text("utf-8")
    headers = find_headers(fetch=fetch)
    return gate(artifact, texts or None, headers=headers, progress=progress)


def gate(
    artifact: Compiled,
    texts: Mapping[str, str] | None = None,
    *,
    headers: Headers | None = None,
    targets: Sequence[Target] = TARGETS,
    progress: Callable[[Unit], None] | None = None,
) -> GateReport:
    """Check kernels against the headers.

    Args:
        artifact: plan and programs, for formats and arguments.
        texts: kernels by program name; printed when not given.
        headers: where the headers are; found or fetched when not given.
        targets: architectures to compile for.
        progress: told each unit as it is done.
    """
    printed = dict(texts) if texts is not None else print_kernels(artifact)
    found = headers if headers is not None else find_headers()
    plan = artifact.plan
    problems = [problem for name, text in printed.items()
                for problem in lint_names(name, text, found.version)]  # fmt: skip
    compiler = find_compiler()
    skipped = found.reason
    if compiler is None and skipped is None:
        skipped = "there is no g++ on the path; install the distribution's C++ compiler"
    units: list[Unit] = []
    if skipped is None and compiler is not None and found.root is not None:
        placed = programs_by_name(plan, artifact.programs.programs)
        for target in targets:
            for name, text in printed.items():
                kernel, program = placed[name]
                for thread in threads_of(program.thread):
                    said, seconds = check_unit(
                        compiler, found.root, target, thread, name, text, plan, kernel
                    )
                    problems.extend(said)
                    units.append(Unit(name, target.family, thread, seconds, not said))
                    if progress is not None:
                        progress(units[-1])
    return GateReport(plan.name, found.version, tuple(units), tuple(problems), skipped)


def lint_names(name: str, text: str, version: str) -> tuple[Complaint, ...]:
    """Removed and deprecated names of one kernel, as complaints."""
    return tuple(
        Complaint(name, "any", "any", f"{hit.banned.name} is {hit.banned.state} in ttnn {version};"
                  f" use {hit.banned.instead}", hit.line)
        for hit in find_banned(text, version)
    )  # fmt: skip
