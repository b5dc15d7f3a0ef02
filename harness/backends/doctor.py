"""What is present on this machine for running kernels on devices, and what each gap would take."""

from __future__ import annotations

import dataclasses
import os
import platform
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from harness.backends.device import TtnnBackend
from harness.backends.interpreter import (
    ENVIRONMENT,
    INSTALL,
    VERSIONS,
    Interpreter,
    find_interpreters,
)
from harness.backends.mock import mock_environment
from harness.codegen.gate.compile import find_compiler
from harness.codegen.gate.wheel import find_headers
from harness.codegen.table import TTNN_VERSION
from harness.frontend import bridge

State = Literal["ok", "missing", "broken", "unused"]
MARKS: Final = {"ok": "yes", "missing": "no", "broken": "NO", "unused": "-"}
_SFPI: Final = ("/opt/tenstorrent/sfpi",)
_DEVICES: Final = "/dev/tenstorrent"


@dataclass(frozen=True)
class Item:
    """One thing looked for.

    Attributes:
        name: what.
        state: found; not there; there and unusable; or not wanted here.
        found: what was found.
        takes: what a missing piece would take.
    """

    name: str
    state: State
    found: str
    takes: str | None = None


@dataclass(frozen=True)
class DoctorReport:
    """One screen about this machine.

    Attributes:
        items: what was looked for, in order.
        tiers: what can be done here, from nothing to a board.
    """

    items: tuple[Item, ...]
    tiers: tuple[Item, ...]

    @property
    def executes(self) -> bool:
        """Whether kernels run on a device here."""
        return self.tiers[-1].state == "ok"

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {"executes": self.executes, **dataclasses.asdict(self)}

    def __str__(self) -> str:
        """Two tables: what is here, and what it is enough for."""
        lines = []
        for title, rows in (("Present", self.items), ("Enough for", self.tiers)):
            lines.append(title)
            width = max(len(row.name) for row in rows)
            for row in rows:
                lines.append(f"  {MARKS[row.state]:3}  {row.name:{width}}  {row.found}".rstrip())
                if row.takes and row.state != "ok":
                    lines.append(f"       {'':{width}}  takes: {row.takes}")
        return "\n".join(lines)


def doctor() -> DoctorReport:
    """Look around; nothing is changed and nothing fetched.

    Never raises: what cannot be found out is part of the report.
    """
    interpreters = find_interpreters()
    usable = next((item for item in interpreters if item.usable), None)
    backend = TtnnBackend(python=usable.path if usable else "")
    device = _device(backend)
    compiler = _sfpi(usable)
    gpp, headers = _gpp(), _headers()
    items = (
        Item("this Python", "ok", f"{platform.python_version()}, runs compiler and simulator"),
        _interpreter(interpreters, usable),
        _environment(),
        gpp,
        headers,
        compiler,
        device,
        _tilelang(),
    )
    return DoctorReport(items, _tiers(usable, gpp, headers, compiler, device))


def _interpreter(found: tuple[Interpreter, ...], usable: Interpreter | None) -> Item:
    name = f"a Python with ttnn {TTNN_VERSION}"
    takes = f"{INSTALL}, then {ENVIRONMENT}=DIR/bin/python"
    if usable is not None:
        what = f"{usable.path}: Python {usable.version}, ttnn {usable.ttnn}, numpy {usable.numpy}"
        if usable.ttnn != TTNN_VERSION:
            return Item(name, "broken", what, takes)
        return Item(name, "ok", what)
    fit = [item.path for item in found if item.version in VERSIONS]
    if os.environ.get(ENVIRONMENT):
        return Item(name, "broken", f"{ENVIRONMENT} names one without ttnn or NumPy", takes)
    return Item(name, "missing", f"without ttnn: {', '.join(fit)}" if fit else "no Python of"
                f" {' or '.join(VERSIONS)} found", takes)  # fmt: skip


def _tilelang() -> Item:
    """The Python that parses for ``--frontend tilelang``; nothing else wants it."""
    name, takes = "a Python with tilelang", f"{bridge.INSTALL}, then {bridge.PYTHON}=DIR/bin/python"
    why = bridge.unavailable(bridge.python())
    if why is None:
        return Item(name, "ok", bridge.python())
    if os.environ.get(bridge.PYTHON):
        return Item(
            name, "broken", f"{bridge.PYTHON} names one that does not load it: {why}", takes
        )
    return Item(name, "missing", "only --frontend tilelang wants it", takes)


def _environment() -> Item:
    named = sorted(name for name in os.environ if name.startswith("TT_METAL_"))
    if not named:
        return Item("TT_METAL_* variables", "unused", "none set; ttnn looks for a board")
    return Item("TT_METAL_* variables", "ok", ", ".join(f"{n}={os.environ[n]}" for n in named))


def _gpp() -> Item:
    path = find_compiler()
    if path is None:
        return Item("g++", "missing", "not on the path", "the distribution's C++ compiler")
    try:
        done = subprocess.run([path, "-dumpfullversion"], capture_output=True, text=True,  # noqa: S603
                              timeout=10, check=True)  # fmt: skip
    except (OSError, subprocess.SubprocessError) as error:
        return Item("g++", "broken", f"{path}: {error}", "a working C++ compiler")
    return Item("g++", "ok", f"{path}, version {done.stdout.strip()}")


def _headers() -> Item:
    found = find_headers(fetch=False)
    name = f"headers of ttnn {TTNN_VERSION}"
    if found.root is None:
        return Item(name, "missing", str(found.reason),
                    "tt-harness lint-kernels DIR fetches the wheel (100 MB) once")  # fmt: skip
    return Item(name, "ok", str(found.root))


def _sfpi(usable: Interpreter | None) -> Item:
    places = list(_SFPI)
    if usable is not None:
        places.insert(0, f"{usable.package}/runtime/sfpi")
    for place in places:
        if Path(place, "compiler/bin").is_dir():
            return Item("sfpi compiler", "ok", place)
    return Item("sfpi compiler", "missing", "kernels cannot be compiled for the device",
                "the release named in ttnn/tt_metal/sfpi-version, from the sfpi project's"
                " releases, in /opt/tenstorrent/sfpi")  # fmt: skip


def _device(backend: TtnnBackend) -> Item:
    can = backend.capabilities()
    if backend.interpreter[0] is None:
        return Item("device", "missing", "ttnn was not asked", f"a Python with ttnn {TTNN_VERSION}")
    board = "a Tenstorrent board with its kernel driver, or TT_METAL_SIMULATOR naming a simulator"
    if can.executes:
        facts = can.facts
        return Item("device", "ok", f"{facts['devices']} ({facts['kind']})")
    if can.facts.get("kind") == "mock" and can.facts.get("devices"):
        return Item("device", "missing", str(can.reason), board)
    nodes = "" if Path(_DEVICES).exists() else f"; there is no {_DEVICES}"
    return Item("device", "missing", f"{can.reason}{nodes}", board)


def _tiers(
    usable: Interpreter | None, gpp: Item, headers: Item, sfpi: Item, device: Item
) -> tuple[Item, ...]:
    def tier(name: str, *needs: Item) -> Item:
        missing = [item.name for item in needs if item.state != "ok"]
        return Item(name, "missing" if missing else "ok", "", ", ".join(missing) or None)

    python = Item(f"a Python with ttnn {TTNN_VERSION}", "ok" if usable else "missing", "")
    return (
        tier("compile, print and simulate"),
        tier("check kernels against the headers", gpp, headers),
        tier("build ttnn programs, compare host formats", python),
        _mock_tier(usable, python),
        tier("compile kernels for the device", python, sfpi),
        tier("run on a device", python, sfpi, device),
    )


def _mock_tier(usable: Interpreter | None, python: Item) -> Item:
    name = "allocate tensors on a mock device"
    if usable is None:
        return Item(name, "missing", "", python.name)
    try:
        with mock_environment(usable, "wormhole") as environment:
            backend = TtnnBackend(python=usable.path, environment=environment)
            answer = backend.ask({"mode": "facts", "device": 0}, timeout=60.0)
    except OSError as error:
        return Item(name, "broken", str(error))
    if answer.state != "ok":
        return Item(name, "broken", answer.message[:200])
    grid = "x".join(map(str, answer.result["grid"]))
    return Item(name, "ok", f"{answer.result['arch']}, {grid} cores")
