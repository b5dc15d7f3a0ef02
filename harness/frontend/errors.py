"""Errors of this package, and where in the user's file they belong."""

from __future__ import annotations

import sys
from pathlib import PurePath
from types import FrameType

from harness.errors import HarnessError

_OURS = ("harness.", "importlib", "tvm", "tvm_ffi")


class FrontendError(HarnessError):
    """A part of TileLang (or of a library beside it) that this package does not provide."""

    code = "UnsupportedModule"


class MissingLibraryError(FrontendError):
    """A library the file imports is not installed, and the kernel really needs it."""

    code = "MissingLibrary"


def user_place() -> str | None:
    """``file:line`` of the innermost frame that is neither this package nor the import system."""
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001  (the documented way to the caller)
    while frame is not None:
        name = frame.f_globals.get("__name__", "")
        file = frame.f_code.co_filename
        if not name.startswith(_OURS) and name != "harness" and "frozen" not in file:
            return f"{PurePath(file).name}:{frame.f_lineno}"
        frame = frame.f_back
    return None
