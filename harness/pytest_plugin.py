"""Pytest plugin: test TileLang kernels on the simulator, or on a board, in a few lines.

Loaded by every pytest run where tt-harness is installed, so it imports neither TVM nor Hypothesis
before a test asks for them.

    def test_add(tt_check):
        tt_check(add, {"M": 100, "N": 64})
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from simulator.arch import DEFAULT_DEVICE

if TYPE_CHECKING:
    from harness.verdict import Verdict

MARKER: Final = "tt_device"
LONGEST: Final = 100
"""Characters of a test's name that name its directory."""
BACKENDS: Final = ("simulator", "ttnn")
PROPERTIES: Final = ("tt_kernel", "tt_device", "tt_oracle", "tt_seed", "tt_bound_ratio")
"""JUnit properties of a test that checks a kernel; ``tt_artifacts`` where those are kept."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Options of a run."""
    group = parser.getgroup("tt-harness", "kernels for Tenstorrent devices")
    group.addoption("--tt-device", action="append", metavar="NAME", dest="tt_device",
                    help="test on this device instead; may be repeated")  # fmt: skip
    group.addoption("--tt-backend", choices=BACKENDS, default="simulator", dest="tt_backend",
                    help="what executes kernels (default: simulator)")  # fmt: skip
    group.addoption("--tt-save-artifacts", metavar="DIR", type=Path,
                    dest="tt_save_artifacts",
                    help="keep plan, programs and IR of every kernel tested")  # fmt: skip


def pytest_configure(config: pytest.Config) -> None:
    """Declare the marker."""
    config.addinivalue_line("markers", f"{MARKER}(*names): devices a test's kernels are compiled"
                                       f" for; {DEFAULT_DEVICE} without it")  # fmt: skip


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test per device for whatever uses ``tt_device`` or ``tt_check``."""
    if "tt_device" not in metafunc.fixturenames:
        return
    node = metafunc.definition
    for marker in node.iter_markers("parametrize"):
        names = marker.args[0] if marker.args else marker.kwargs.get("argnames", "")
        if "tt_device" in (re.split(r"[\s,]+", names) if isinstance(names, str) else names):
            raise pytest.UsageError(f"{node.nodeid}: tt_device is no parameter of its own; write"
                                    f' {MARKER}("NAME", ...) instead')  # fmt: skip
    metafunc.parametrize("tt_device", _devices(metafunc.config, node), indirect=True, ids=str)


def _devices(config: pytest.Config, node: pytest.Item | pytest.Collector) -> tuple[str, ...]:
    """The devices a test is for: those of the run, else of its marker, else the default."""
    marker = node.get_closest_marker(MARKER)
    if marker is not None and not marker.args:  # parametrised with nothing, it would be skipped
        raise pytest.UsageError(f"{node.nodeid}: marker {MARKER} names no device;"
                                f' write e.g. {MARKER}("{DEFAULT_DEVICE}")')  # fmt: skip
    named = tuple(marker.args) if marker is not None else (DEFAULT_DEVICE,)
    return tuple(config.getoption("tt_device") or named)


@pytest.fixture
def tt_device(request: pytest.FixtureRequest) -> str:
    """The device under test."""
    if hasattr(request, "param"):
        return str(request.param)
    chosen = _devices(request.config, request.node)  # asked for by getfixturevalue
    if len(chosen) != 1:
        said = f"{len(chosen)} devices are to be tested ({', '.join(chosen)}): "
        pytest.fail(said + "name tt_check among the test's arguments, for a test per device",
                    pytrace=False)  # fmt: skip
    return chosen[0]


@pytest.fixture
def tt_check(request: pytest.FixtureRequest, tt_device: str) -> Callable[..., Verdict]:
    """``tt_check(kernel, params=None, *, device=None, oracle="auto", …)``: fail unless it is right.

    ``kernel`` is a factory (called with ``params``), a PrimFunc, an IRModule, or one of them named
    ``"FILE.py:NAME"``, the file beside the test's: it may import TileLang. Other keywords are those
    of :func:`harness.check`: inputs, input_kind, seed, numbers, compile options.
    """
    count = 0
    properties = request.node.user_properties  # as record_property, which warns of JUnit families

    def check(kernel: Any, params: Mapping[str, Any] | None = None, *, device: str | None = None,
              oracle: str = "auto", **keywords: Any) -> Verdict:  # fmt: skip
        nonlocal count
        __tracebackhide__ = True
        made = _made(kernel, params, request.path.parent)
        keywords["device"] = device or tt_device
        artifacts = _artifacts(request, count)
        count += 1
        verdict, where = _told(request.config, made, oracle, artifacts, keywords)
        values = (verdict.kernel, verdict.device, verdict.oracle, verdict.seed, verdict.bound_ratio)
        for name, value in zip(PROPERTIES, values, strict=True):
            properties.append((name, value))
        if where is not None:
            properties.append(("tt_artifacts", str(where)))
        if not verdict.passed:
            pytest.fail(_explained(verdict), pytrace=False)
        return verdict

    return check


def _made(kernel: Any, params: Mapping[str, Any] | None, folder: Path) -> Any:
    """What to check: a factory's kernel, or the kernel itself, which takes no parameters."""
    __tracebackhide__ = True
    if isinstance(kernel, str):
        return _loaded(kernel, params or {}, folder)
    if callable(kernel) and not hasattr(kernel, "script"):
        return kernel(**(params or {}))
    if params:
        pytest.fail(f"parameters {', '.join(map(str, params))} are for a factory, and the kernel is"
                    " made already: give tt_check the factory", pytrace=False)  # fmt: skip
    return kernel


def _loaded(spec: str, params: Mapping[str, Any], folder: Path) -> Any:
    """A kernel by file and name, the file in a folder where its path is a relative one."""
    from dataclasses import replace

    from harness.errors import HarnessError
    from harness.kernelfile import load_kernel, parse_source

    __tracebackhide__ = True
    try:
        source = parse_source(spec)
        return load_kernel(replace(source, path=folder / source.path), params)
    except HarnessError as error:
        said = str(error)
    pytest.fail(said, pytrace=False)


def _artifacts(request: pytest.FixtureRequest, number: int) -> Path | None:
    base = request.config.getoption("tt_save_artifacts")
    if base is None:
        return None
    node = request.node.nodeid
    plain = re.sub(r"\.py::|::|/", ".", node)
    name = re.sub(r"[^\w.\-]+", "_", plain).strip("_")
    if re.search(r"[^\w.\-\[\]]", plain) or len(name) > LONGEST:  # others may become the same
        name = f"{name[:LONGEST]}-{hashlib.sha256(node.encode()).hexdigest()[:8]}"
    return Path(base) / (name if number == 0 else f"{name}-{number}")


def _told(config: pytest.Config, kernel: Any, oracle: str, artifacts: Path | None,
          keywords: dict[str, Any]) -> tuple[Verdict, Path | None]:  # fmt: skip
    """:func:`_checked`, an error of its own kinds as one line instead of a traceback."""
    from golden import GoldenError
    from harness.errors import HarnessError
    from simulator.errors import SimulatorError

    __tracebackhide__ = True
    try:
        return _checked(config, kernel, oracle, artifacts, keywords)
    except (HarnessError, GoldenError, SimulatorError) as error:
        said = str(error)
    pytest.fail(said, pytrace=False)


def _checked(config: pytest.Config, kernel: Any, oracle: str, artifacts: Path | None,
             keywords: dict[str, Any]) -> tuple[Verdict, Path | None]:  # fmt: skip
    from harness.checking import check_kept

    if config.getoption("tt_backend") == "ttnn":
        return _on_board(kernel, oracle, artifacts, keywords)
    return check_kept(kernel, artifacts, oracle=oracle, **keywords), artifacts


def _on_board(kernel: Any, oracle: str, artifacts: Path | None,
              keywords: dict[str, Any]) -> tuple[Verdict, Path | None]:  # fmt: skip
    """Judge the answer of a real device; skipped with the reason where there is none."""
    from harness.backends.judged import NotRun, check_on_device

    try:
        verdict = check_on_device(kernel, oracle=oracle, artifacts=artifacts, **keywords)
    except NotRun as reason:
        pytest.skip(str(reason))
    return verdict, artifacts


def _explained(verdict: Verdict) -> str:
    """What a person wants to know of a failed verdict."""
    from harness.report.verdict import verdict_lines

    return "\n".join(["", *(line.plain for line in verdict_lines(verdict, None))])
