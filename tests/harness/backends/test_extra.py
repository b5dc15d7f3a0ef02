"""The ``[ttnn]`` extra, and the smoke script."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[3]


def extra() -> Requirement:
    """The one requirement of the extra."""
    held = tomllib.loads((ROOT / "pyproject.toml").read_text())
    (line,) = held["project"]["optional-dependencies"]["ttnn"]
    return Requirement(line)


@pytest.mark.parametrize(
    ("python", "machine", "wanted"),
    [("3.10", "x86_64", True), ("3.11", "x86_64", False), ("3.12", "x86_64", True),
     ("3.13", "x86_64", False), ("3.12", "aarch64", False)],
)  # fmt: skip
def test_the_extra_resolves_to_nothing_where_there_is_no_wheel(
    python: str, machine: str, wanted: bool
) -> None:
    """``pip install tt-harness[ttnn]`` must not fail on Python 3.11."""
    marker = extra().marker
    assert marker is not None
    environment = {"python_version": python, "platform_machine": machine, "sys_platform": "linux"}
    assert marker.evaluate(environment) is wanted


def test_the_extra_is_the_release_that_is_printed_for() -> None:
    """Kernels, gate and backend speak of one ttnn."""
    from harness.codegen.table import TTNN_VERSION

    assert str(extra().specifier) == f"=={TTNN_VERSION}"


def smoke(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the script with this interpreter."""
    command = [sys.executable, str(ROOT / "ci/smoke"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def test_the_script_compares_records_and_refuses_nonsense(tmp_path: Path) -> None:
    """The simulator as its own device: everything agrees, and its records are re-checked."""
    done = smoke("--backend", "simulator", "--plan", "copy-one-core", "--output", str(tmp_path),
                 "--require-device")  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "0 failed, 0 skipped" in done.stdout
    again = smoke("--recheck", str(tmp_path / "records"))
    assert again.returncode == 0
    assert again.stdout.count("equal bit for bit") == 2
    assert smoke("--recheck", str(tmp_path)).returncode == 2 or (tmp_path / "smoke.json").exists()
    assert smoke("--plan", "no-such-plan", "--backend", "simulator").returncode == 2
