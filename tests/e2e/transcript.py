"""Console transcripts in Markdown: running them, and comparing what is stable of their output.

``python -m tests.e2e.transcript README.md docs/cli.md`` writes what the commands print now.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MARK = "@@ end of a command, exit status"
FIGURES = ("steps", "tile", "worst", "outputs", "PCC")
"""First words of lines whose numbers depend on drawn inputs or on the engine's bookkeeping."""
SHELL = Path("/bin/bash")


@dataclass
class Step:
    """One command of a transcript and the lines shown below it."""

    command: str
    shown: list[str] = field(default_factory=list)


def blocks(path: Path, language: str) -> list[str]:
    """The fenced blocks of a Markdown file in one language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", path.read_text(), re.DOTALL | re.MULTILINE)


def steps(block: str) -> list[Step]:
    """``$ command`` with ``> more`` lines, each followed by its output."""
    found: list[Step] = []
    for line in block.splitlines():
        if line.startswith("$ "):
            found.append(Step(line[2:]))
        elif line == ">" or line.startswith("> "):
            found[-1].command += "\n" + line[2:]
        else:
            found[-1].shown.append(line)
    return found


def run(found: list[Step], folder: Path) -> list[list[str]]:
    """The lines each command prints, run in one shell in ``folder``."""
    script = ["exec 2>&1"]
    for step in found:
        script += [step.command, f'status=$?; echo; echo "{MARK} $status"; (exit $status)']
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    environment.pop("FORCE_COLOR", None)
    made = subprocess.run(
        [SHELL, "-c", "\n".join(script)],
        cwd=folder, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    parts = re.split(rf"\n?^{MARK} \d+$\n", made.stdout, flags=re.MULTILINE)
    assert len(parts) == len(found) + 1, made.stdout
    return [part.rstrip("\n").splitlines() for part in parts[:-1]]


def stable(line: str) -> str:
    """A line without what may change: durations, the spaces they move, and measured figures."""
    line = re.sub(r"\d[\d,.]* (ms|s)\b", "TIME", line)
    line = re.sub(r"[\d,]+ of ([\d,]+) elements", r"N of \1 elements", line)
    if line.split()[:1] and line.split()[0] in FIGURES:
        line = re.sub(r"-?\d[\d,.]*", "N", line)
    return re.sub(r"\s+", " ", line).strip()


def difference(shown: list[str], printed: list[str]) -> str | None:
    """The first line where a transcript and reality part; ``...`` stands for any rest."""
    for wanted, found in zip_longest(shown, printed):
        if wanted == "...":
            return None
        if wanted is None or found is None or stable(wanted) != stable(found):
            return f"shown   {wanted!r}\nprinted {found!r}"
    return None


def refresh(path: Path) -> None:
    """Rewrite the transcripts of a document with what its commands print now."""
    text = path.read_text()
    shown = blocks(path, "console")
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "harness").symlink_to(ROOT / "harness")
        lists = [steps(block) for block in shown]
        printed = iter(run([step for found in lists for step in found], Path(folder)))
    for block, found in zip(shown, lists, strict=True):
        lines = []
        for step in found:
            first, *more = step.command.split("\n")
            lines += [f"$ {first}", *(f"> {line}".rstrip() for line in more)]
            now = next(printed)
            if "..." in step.shown:
                now = [*now[: step.shown.index("...")], "..."]
            lines += now
        text = text.replace(block, "\n".join(lines) + "\n")
    path.write_text(text)


if __name__ == "__main__":
    for name in sys.argv[1:]:
        refresh(Path(name))
