"""Running g++ over the units of a kernel and reading what it says."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from harness.codegen.gate.descriptors import chlkc_descriptors, sfpi_names
from harness.codegen.gate.flags import COMPUTE, SYNTAX, TOLERATED, Target, Thread, arguments
from harness.codegen.gate.precompiled import precompiled
from simulator.plan.schema import Kernel, Plan

UNIT_SECONDS: Final = 60.0
"""Limit for one unit; they take a fifth of a second."""

_ERROR: Final = re.compile(
    r"^(?P<file>[^:\n]+):(?P<line>\d+):(?:\d+:)? (?:fatal )?(?P<what>error|warning): (?P<text>.*)$",
    re.MULTILINE,
)


@dataclass(frozen=True)
class Complaint:
    """One error of the compiler: line of the kernel where it is known, and what is wrong."""

    kernel: str
    family: str
    thread: str
    message: str
    line: int | None = None


def find_compiler() -> str | None:
    """The system's g++, or None."""
    return shutil.which("g++")


def threads_of(thread: str) -> tuple[Thread, ...]:
    """The units a program's thread is compiled as."""
    return COMPUTE if thread == "compute" else (thread,)  # type: ignore[return-value]


def check_unit(
    compiler: str,
    root: Path,
    target: Target,
    thread: Thread,
    name: str,
    text: str,
    plan: Plan,
    kernel: Kernel,
) -> tuple[tuple[Complaint, ...], float]:
    """Syntax-check one unit; returns what g++ complains of and the seconds it took."""
    integers = [str(v) if isinstance(v, int) else "0" for v in kernel.compile_args.values()
                if not (isinstance(v, dict) and "accessor" in v)]  # fmt: skip
    accessors = len(kernel.compile_args) - len(integers)
    words = ",".join([*(["2,2048"] * accessors), *integers])
    with tempfile.TemporaryDirectory(prefix="tt-harness-gate-") as scratch:
        place = Path(scratch)
        _write(place, root, thread, text, plan, kernel)
        command = [compiler, *precompiled(compiler, SYNTAX),
                   *arguments(root, target, thread, place, words=words,
                              noc=kernel.noc or 0)]  # fmt: skip
        began = time.perf_counter()
        try:
            done = subprocess.run(  # noqa: S603  (g++ and paths of our own)
                command, capture_output=True, text=True, timeout=UNIT_SECONDS,
                                  check=False)  # fmt: skip
        except subprocess.TimeoutExpired:
            said = Complaint(name, target.family, thread, "g++ did not end in time")
            return (said,), UNIT_SECONDS
        seconds = time.perf_counter() - began
    return _complaints(done.stderr, name, target.family, thread, done.returncode), seconds


def _write(place: Path, root: Path, thread: Thread, text: str, plan: Plan, kernel: Kernel) -> None:
    grid = max((r.start[i] + r.extent[i] for r in plan.core_ranges for i in (0, 1)), default=1)
    cores = ",".join(str(i + 1) for i in range(grid))
    files: Mapping[str, str] = {
        "sfpi_names.h": sfpi_names(root),
        "chlkc_descriptors.h": chlkc_descriptors(plan, kernel.compute, thread),
        "defines_generated.h": "",
        "kernel.cpp": f"#define NOC_COLUMNS {cores}\n#define NOC_ROWS {cores}\n#line 1\n{text}",
        "kernel_includes.hpp": '#include "kernel.cpp"\n',
        **{f"chlkc_{stage}.cpp": '#include "kernel.cpp"\n' for stage in COMPUTE},
    }
    for file, content in files.items():
        (place / file).write_text(content, encoding="utf-8")


def _complaints(
    said: str, name: str, family: str, thread: str, status: int
) -> tuple[Complaint, ...]:
    """Errors wherever they are, and warnings in the kernel that the JIT makes errors of."""
    out = []
    for match in _ERROR.finditer(said):
        inside = match["file"].endswith("kernel.cpp")
        if match["what"] == "warning" and (
            not inside or any(f"[-W{item}" in match["text"] for item in TOLERATED)
        ):
            continue
        where = "" if inside else f"{Path(match['file']).name}: "
        line = int(match["line"]) if inside else _required_from(said, match.start())
        out.append(Complaint(name, family, thread, where + match["text"], line))
    if status and not out:
        out.append(Complaint(name, family, thread, said.strip()[-300:]))
    return tuple(out)


def _required_from(said: str, end: int) -> int | None:
    """The kernel's line an error in a header was reached from, if g++ said so just before."""
    found = re.findall(r"kernel\.cpp:(\d+)", said[max(0, end - 4000) : end])
    return int(found[-1]) if found else None
