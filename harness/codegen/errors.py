"""What the C++ printer refuses."""

from __future__ import annotations

from harness.errors import HarnessError


class CodegenError(HarnessError):
    """A program that has no tt-metal spelling."""

    code = "NotPrintable"
