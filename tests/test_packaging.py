"""The distribution: what the wheel ships, and that it works without the checkout."""

import importlib.metadata
import json
import re
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = {"golden", "harness", "simulator"}


def project() -> dict[str, Any]:
    """The [project] table of pyproject.toml."""
    table: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return table


def run(*command: str | Path, cwd: Path) -> str:
    """Run a command and return what it prints; its errors become the test's message."""
    result = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout, built without a network."""
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder, cwd=ROOT)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of a fresh environment that holds the wheel, and sees the dependencies.

    The dependencies come from this environment by a .pth line: .pth files found through
    such a line are not followed, so an editable install of the checkout stays out.
    """
    folder = tmp_path_factory.mktemp("installed")
    run(sys.executable, "-m", "venv", "--without-pip", folder, cwd=ROOT)
    python = folder / "bin" / "python"
    purelib = Path(
        run(
            python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=ROOT
        ).strip()
    )
    install = (
        "-m",
        "pip",
        "--python",
        str(python),
        "install",
        "--quiet",
        "--no-deps",
        "--no-index",
    )
    run(sys.executable, *install, wheel, cwd=folder)
    (purelib / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return python


def test_wheel_ships_exactly_the_three_packages(wheel: Path) -> None:
    """Protects an install from test code, scripts or a fourth top-level name."""
    names = [PurePosixPath(name) for name in zipfile.ZipFile(wheel).namelist()]
    tops = {name.parts[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == PACKAGES
    shipped = {str(name) for name in names}
    for package in PACKAGES:
        on_disk = {
            path.relative_to(ROOT).as_posix()
            for path in (ROOT / package).rglob("*")
            if path.suffix in {".py", ".json", ".typed"}
        }
        assert on_disk <= shipped
        assert f"{package}/py.typed" in shipped


def test_wheel_carries_licence_and_command(wheel: Path) -> None:
    """Protects the licence text and the command name from falling out of the build."""
    archive = zipfile.ZipFile(wheel)
    info = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
    folder = info.rpartition("/")[0]
    assert "License-Expression: Apache-2.0" in archive.read(info).decode()
    assert "Apache License" in archive.read(f"{folder}/licenses/LICENSE").decode()
    assert "tt-harness = harness.cli:main" in archive.read(f"{folder}/entry_points.txt").decode()


@pytest.mark.parametrize("package", sorted(PACKAGES))
def test_installed_wheel_imports_from_elsewhere(
    installed: Path, package: str, tmp_path: Path
) -> None:
    """Protects users from a package that works only inside the checkout."""
    code = f"import {package}; print({package}.__file__)"
    found = Path(run(installed, "-I", "-c", code, cwd=tmp_path).strip())
    assert installed.parent.parent in found.parents


def test_installed_command_starts_from_elsewhere(installed: Path, tmp_path: Path) -> None:
    """Protects the entry point: the command must start from any directory."""
    assert "Usage" in run(installed.parent / "tt-harness", "--help", cwd=tmp_path)


@pytest.mark.parametrize("extra", ["test", "dev", "ttnn"])
def test_extras_resolve(wheel: Path, extra: str, tmp_path: Path) -> None:
    """Protects ``pip install tt-harness[...]``: what this environment has satisfies every extra.

    That of ttnn asks for nothing on Pythons it has no wheels for, so it resolves without an index.
    """
    if extra == "ttnn" and sys.version_info[:2] in ((3, 10), (3, 12)):
        pytest.skip("ttnn has wheels for this Python, and a test fetches none")
    report = tmp_path / "report.json"
    run(sys.executable, "-m", "pip", "install", "--quiet", "--dry-run", "--no-index",
        "--disable-pip-version-check", "--report", str(report), f"{wheel}[{extra}]",
        cwd=tmp_path)  # fmt: skip
    found = json.loads(report.read_text())["install"]
    assert [item["metadata"]["name"] for item in found] == ["tt-harness"]


def test_version_has_one_source() -> None:
    """Protects against a version that differs between metadata and changelog."""
    version = project()["version"]
    assert importlib.metadata.version("tt-harness") == version
    assert f"## [{version}]" in (ROOT / "CHANGELOG.md").read_text()


def test_constraints_cover_every_requirement() -> None:
    """Protects repeatable installs: each declared requirement has a pin."""
    declared = [*project()["dependencies"]]
    for extra in project()["optional-dependencies"].values():
        declared += extra
    names = {normal(re.split(r"[^\w.-]", line)[0]) for line in declared} - {"tt-harness"}
    pinned = {normal(line.split("==")[0]) for line in pins()}
    assert names <= pinned


def test_floor_of_each_dependency_is_tried() -> None:
    """Protects lower bounds from being guesses: Python 3.10 installs exactly them."""
    on_floor = {
        normal(name): version
        for line in pins()
        for name, _, version in [line.partition(";")[0].strip().partition("==")]
        if ";" not in line or "< '3.11'" in line
    }
    for requirement in project()["dependencies"]:
        name, version = re.split(r"[>=]=", requirement)
        pinned = on_floor[normal(name)]
        assert pinned in {version, f"{version}.0"}, requirement


def pins() -> list[str]:
    """The lines of constraints.txt that pin something."""
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def normal(name: str) -> str:
    """A distribution's name as the index compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()
