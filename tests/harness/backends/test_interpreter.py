"""Looking for a Python with ttnn, among stand-ins."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from harness.backends import interpreter
from harness.backends.interpreter import ENVIRONMENT, ask, candidates, find_interpreter


def python(path: Path, version: str, ttnn: str, numpy: str = "1.26.4") -> str:
    """A stand-in that answers the probe."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho {version} {ttnn} {numpy} /somewhere/ttnn\n")
    path.chmod(0o755)
    return str(path)


@pytest.fixture(autouse=True)
def _nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (ENVIRONMENT, "PYTHON_ENV_DIR", "VIRTUAL_ENV", "CONDA_PREFIX"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path / "pyenv"))
    monkeypatch.setattr(interpreter, "CHECKOUT_ENVIRONMENT", tmp_path / "checkout")


def test_an_answer_is_taken_apart(tmp_path: Path) -> None:
    """Version, releases, and where ttnn lies."""
    found = ask(python(tmp_path / "p", "3.12", "0.81.1"))
    assert found is not None
    assert found.usable
    assert (found.version, found.ttnn, found.numpy) == ("3.12", "0.81.1", "1.26.4")
    assert found.package == "/somewhere/ttnn"


@pytest.mark.parametrize(("version", "ttnn"), [("3.11", "0.81.1"), ("3.12", "-")])
def test_a_wrong_version_or_no_ttnn_is_not_usable(tmp_path: Path, version: str, ttnn: str) -> None:
    """The extension of another Python crashes the process, so it is never tried."""
    found = ask(python(tmp_path / "p", version, ttnn))
    assert found is not None
    assert not found.usable


def test_what_is_no_python_is_passed_over(tmp_path: Path) -> None:
    """A version manager's shim that only says no."""
    shim = tmp_path / "shim"
    shim.write_text("#!/bin/sh\necho 'command not found' >&2\nexit 127\n")
    shim.chmod(0o755)
    assert ask(str(shim)) is None
    assert ask(str(tmp_path / "missing")) is None


def test_places_are_tried_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """This Python, the checkout's environment, an active one, PATH, pyenv."""
    monkeypatch.setenv("VIRTUAL_ENV", str(tmp_path / "active"))
    on_path = python(tmp_path / "bin/python3.12", "3.12", "-")
    managed = python(tmp_path / "pyenv/versions/3.10.13/bin/python3.10", "3.10", "-")
    assert list(candidates()) == [
        sys.executable, str(tmp_path / "checkout/bin/python"), str(tmp_path / "active/bin/python"),
        on_path, managed,
    ]  # fmt: skip


def test_the_first_usable_one_is_taken(tmp_path: Path) -> None:
    """Others before it are looked at and left."""
    python(tmp_path / "bin/python3.12", "3.12", "-")
    managed = python(tmp_path / "pyenv/versions/3.12.9/bin/python3.12", "3.12", "0.81.1")
    found, reason = find_interpreter()
    assert reason is None
    assert found is not None
    assert found.path == managed


def test_the_reason_names_what_is_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A Python that only lacks ttnn, none at all, or a named one that has none."""
    monkeypatch.setattr(sys, "executable", python(tmp_path / "self", "3.11", "-"))
    assert "no Python 3.12 or 3.10 was found" in str(find_interpreter()[1])
    python(tmp_path / "bin/python3.12", "3.12", "-")
    assert "3.12 is here, without ttnn" in str(find_interpreter()[1])
    monkeypatch.setenv(ENVIRONMENT, str(tmp_path / "bin/python3.12"))
    assert ENVIRONMENT in str(find_interpreter()[1])
