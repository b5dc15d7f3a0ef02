"""Finding a Python that has ttnn: named by the environment, or by looking in the usual places."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from harness.codegen.table import TTNN_VERSION

ENVIRONMENT: Final = "TT_HARNESS_TTNN_PYTHON"
"""Names the interpreter that has ttnn."""

VERSIONS: Final = ("3.12", "3.10")
"""Pythons ttnn 0.81.1 has wheels for; loaded into another, its extension crashes the process."""

INSTALL: Final = f"python3.12 -m venv DIR && DIR/bin/pip install 'ttnn=={TTNN_VERSION}' 'numpy<2'"
"""What makes an interpreter that has it."""

CHECKOUT_ENVIRONMENT: Final = Path(__file__).resolve().parents[2] / ".venv-ttnn"
"""Where ``make ttnn`` installs ttnn in a checkout."""

_ASK: Final = (
    "import sys, importlib.metadata as m\n"
    "def v(n):\n"
    "    try: return m.version(n)\n"
    "    except m.PackageNotFoundError: return '-'\n"
    "import importlib.util as u\n"
    "s = u.find_spec('ttnn')\n"
    "print('%d.%d' % sys.version_info[:2], v('ttnn'), v('numpy'),"
    " s.submodule_search_locations[0] if s and s.submodule_search_locations else '-')\n"
)
PROBE_SECONDS: Final = 20.0


@dataclass(frozen=True)
class Interpreter:
    """A Python.

    Attributes:
        path: its executable.
        version: major and minor.
        ttnn: the installed release, or None.
        numpy: likewise.
        package: directory of the installed ttnn, or "-".
    """

    path: str
    version: str
    ttnn: str | None
    numpy: str | None
    package: str = "-"

    @property
    def usable(self) -> bool:
        """Whether the worker can run in it."""
        return self.ttnn is not None and self.numpy is not None and self.version in VERSIONS


def ask(path: str) -> Interpreter | None:
    """What a Python is and has, without importing ttnn; None when it does not answer."""
    try:
        done = subprocess.run(  # noqa: S603  (an interpreter found on this machine)
            [path, "-c", _ASK], capture_output=True, text=True, timeout=PROBE_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    words = done.stdout.split(maxsplit=3)
    if done.returncode != 0 or len(words) != 4:
        return None
    version, ttnn, numpy = (None if word == "-" else word for word in words[:3])
    return Interpreter(path, str(version), ttnn, numpy, words[3].strip())


def candidates() -> Iterator[str]:
    """Where a Python with ttnn may be: named, this, the checkout's, an active one, PATH, pyenv."""
    named = os.environ.get(ENVIRONMENT)
    if named:
        yield named
        return
    yield sys.executable
    yield str(CHECKOUT_ENVIRONMENT / "bin/python")
    for variable in ("PYTHON_ENV_DIR", "VIRTUAL_ENV", "CONDA_PREFIX"):
        if os.environ.get(variable):
            yield str(Path(os.environ[variable]) / "bin/python")
    for version in VERSIONS:
        found = shutil.which(f"python{version}")
        if found:
            yield found
    root = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    for version in VERSIONS:
        yield from map(str, sorted(root.glob(f"{version}.*/bin/python{version}"), reverse=True))


def find_interpreters() -> tuple[Interpreter, ...]:
    """Every Python found, in the order they would be tried; each executable once."""
    seen: set[str] = set()
    out = []
    for path in candidates():
        if path in seen:
            continue
        seen.add(path)
        found = ask(path)
        if found is not None:
            out.append(found)
    return tuple(out)


def find_interpreter() -> tuple[Interpreter | None, str | None]:
    """The first usable Python, or why there is none and what would help."""
    found = find_interpreters()
    for interpreter in found:
        if interpreter.usable:
            return interpreter, None
    named = os.environ.get(ENVIRONMENT)
    if named:
        return None, f"{ENVIRONMENT} names {named}, which has no usable ttnn; {INSTALL}"
    fit = next((i for i in found if i.version in VERSIONS), None)
    where = f"{fit.version} is here, without ttnn" if fit else "no Python 3.12 or 3.10 was found"
    return None, f"no interpreter has ttnn ({where}): {INSTALL}, then set {ENVIRONMENT}"
