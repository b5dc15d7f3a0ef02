"""The headers of the ttnn wheel: fetched once by pip, unzipped into a cache, never imported."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from harness.codegen.table import TTNN_VERSION

ENVIRONMENT: Final = "TT_HARNESS_TTNN_WHEEL"
"""Names an unzipped ttnn (the directory that holds ``tt_metal``), or a wheel, used instead."""

CACHE_ENVIRONMENT: Final = "TT_HARNESS_CACHE"
"""Names the cache directory; else XDG_CACHE_HOME/tt-harness, else ~/.cache/tt-harness."""

_KEPT: Final = (".h", ".hpp", ".cc", ".inc", ".inl")
_MARKER: Final = "tt_metal/hw/inc/api/dataflow/dataflow_api.h"
FETCH_SECONDS: Final = 300.0
"""How long pip may take: the wheel has 100 MB."""


@dataclass(frozen=True)
class Headers:
    """Where the headers are, or why they are not.

    Attributes:
        root: the directory that holds ``tt_metal``; None when there is none.
        version: the ttnn release.
        reason: why there is none, and what would help.
    """

    root: Path | None
    version: str = TTNN_VERSION
    reason: str | None = None


def cache_directory() -> Path:
    """Where tt-harness keeps what it can fetch again."""
    named = os.environ.get(CACHE_ENVIRONMENT)
    if named:
        return Path(named)
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "tt-harness"


def find_headers(*, fetch: bool = True) -> Headers:
    """The headers named by the environment, those in the cache, or those of a fetched wheel.

    Never raises: what is missing is a reason.
    """
    named = os.environ.get(ENVIRONMENT)
    try:
        if named:
            return _named(Path(named))
        target = cache_directory() / f"ttnn-{TTNN_VERSION}-headers"
        if (target / _MARKER).is_file():
            return Headers(target)
        if not fetch:
            return Headers(None, reason=f"the ttnn {TTNN_VERSION} wheel is not in the cache")
        with tempfile.TemporaryDirectory() as scratch:
            return _unzip(_download(Path(scratch)), target)
    except (OSError, subprocess.SubprocessError, zipfile.BadZipFile) as error:
        return Headers(
            None, reason=f"the ttnn {TTNN_VERSION} wheel could not be had: {_brief(error)}"
        )


def _named(path: Path) -> Headers:
    if path.is_dir():
        for root in (path, path / "ttnn", path / "ttnn" / "ttnn"):
            if (root / _MARKER).is_file():
                return Headers(root)
    elif path.is_file():
        return _unzip(path, cache_directory() / f"{path.stem}-headers")
    return Headers(None, reason=f"{ENVIRONMENT} names {path}, which holds no ttnn headers")


def _download(scratch: Path) -> Path:
    """Ask pip for the wheel of Python 3.12, whatever Python runs this."""
    subprocess.run(  # noqa: S603  (pip, with a requirement of our own)
        [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:",
         "--python-version", "3.12", "--platform", "manylinux_2_34_x86_64",
         "--disable-pip-version-check", f"ttnn=={TTNN_VERSION}", "--dest", str(scratch)],
        check=True, capture_output=True, text=True, timeout=FETCH_SECONDS,
    )  # fmt: skip
    return next(scratch.glob("ttnn-*.whl"))


def _unzip(wheel: Path, target: Path) -> Headers:
    """Keep the headers only; they appear under ``target`` all at once.

    Where another process was quicker its headers stay, for somebody may be reading them.
    """
    if not (target / _MARKER).is_file():
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent) as half, zipfile.ZipFile(wheel) as held:
            for name in held.namelist():
                if name.startswith("ttnn/tt_metal/") and name.endswith(_KEPT):
                    held.extract(name, half)
            if not (target / _MARKER).is_file():
                shutil.rmtree(target, ignore_errors=True)
                (Path(half) / "ttnn").replace(target)
    return Headers(target)


def _brief(error: Exception) -> str:
    said = getattr(error, "stderr", None)
    if isinstance(said, str) and said.strip():
        return said.strip().splitlines()[-1][:200]
    return str(error)[:200]
