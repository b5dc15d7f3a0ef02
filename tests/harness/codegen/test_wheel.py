"""Finding the headers: the environment, the cache, a wheel; never an exception."""

from __future__ import annotations

import subprocess
import zipfile
from pathlib import Path
from typing import Any

import pytest

from harness.codegen.gate import wheel
from harness.codegen.gate.wheel import ENVIRONMENT, cache_directory, find_headers

MARKER = "tt_metal/hw/inc/api/dataflow/dataflow_api.h"


def fake_wheel(path: Path) -> Path:
    """A wheel with one header and one library."""
    with zipfile.ZipFile(path, "w") as held:
        held.writestr(f"ttnn/{MARKER}", "#pragma once\n")
        held.writestr("ttnn/_ttnn.so", "not a header")
    return path


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TT_HARNESS_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv(ENVIRONMENT, raising=False)


def test_a_wheel_named_by_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Headers are kept, libraries are not; the second look unzips nothing."""
    monkeypatch.setenv(ENVIRONMENT, str(fake_wheel(tmp_path / "ttnn-0.81.1.whl")))
    root = find_headers().root
    assert root is not None
    assert (root / MARKER).is_file()
    assert not (root / "_ttnn.so").exists()
    (root / "note").touch()
    assert find_headers().root == root
    assert (root / "note").exists()


def test_a_directory_named_by_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An unzipped wheel, or an installed ttnn."""
    marker = tmp_path / "site" / "ttnn" / MARKER
    marker.parent.mkdir(parents=True)
    marker.touch()
    monkeypatch.setenv(ENVIRONMENT, str(tmp_path / "site"))
    assert find_headers().root == tmp_path / "site" / "ttnn"


def test_fetched_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The package index is asked when the cache is empty, and not again."""
    asked = []

    def download(scratch: Path) -> Path:
        asked.append(scratch)
        return fake_wheel(scratch / "ttnn-0.81.1-cp312.whl")

    monkeypatch.setattr(wheel, "_download", download)
    assert find_headers(fetch=False).root is None
    first = find_headers().root
    assert first is not None
    assert cache_directory() in first.parents
    assert find_headers().root == first
    assert len(asked) == 1


def test_a_failed_download_is_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a network there is no traceback, and the last line of pip is kept."""

    def fail(*_: object, **__: object) -> None:
        raise subprocess.CalledProcessError(1, "pip", stderr="a\nERROR: no matching distribution\n")

    monkeypatch.setattr(subprocess, "run", fail)
    found = find_headers()
    assert found.root is None
    assert "ERROR: no matching distribution" in str(found.reason)


def test_the_cache_follows_the_desktop_conventions(monkeypatch: pytest.MonkeyPatch) -> None:
    """XDG_CACHE_HOME, else the home directory."""
    monkeypatch.delenv("TT_HARNESS_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert cache_directory() == Path("/somewhere/tt-harness")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_directory().name == "tt-harness"


def test_headers_another_process_unzipped_meanwhile_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who is slower does not take headers away from those who read them already."""
    found = fake_wheel(tmp_path / "ttnn-0.81.1-cp312.whl")
    target = cache_directory() / f"{found.stem}-headers"
    extract = zipfile.ZipFile.extract

    def slowly(self: zipfile.ZipFile, *args: Any) -> str:
        (target / MARKER).parent.mkdir(parents=True, exist_ok=True)
        (target / MARKER).write_text("the quicker one's")
        return extract(self, *args)

    monkeypatch.setattr(zipfile.ZipFile, "extract", slowly)
    monkeypatch.setenv(ENVIRONMENT, str(found))
    assert find_headers().root == target
    assert (target / MARKER).read_text() == "the quicker one's"
