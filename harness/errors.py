"""Errors a user can act on: a code, a place, what was found and what to do next."""

from __future__ import annotations


class HarnessError(Exception):
    """Base of every error tt-harness raises on purpose.

    Attributes:
        code: stable name of the kind of error, e.g. ``"UnsupportedConstruct"``.
        message: what was found.
        location: ``file:line:column`` in the kernel's source, or the option or field concerned.
        next_step: what would be accepted instead.
    """

    code = "HarnessError"

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        location: str | None = None,
        next_step: str | None = None,
    ) -> None:
        """Keep the parts; ``str()`` joins them."""
        super().__init__(message)
        self.message = message
        self.code = code or type(self).code
        self.location = location
        self.next_step = next_step

    def __str__(self) -> str:
        """One line: place, code, message and next step."""
        place = f"{self.location}: " if self.location else ""
        advice = f" ({self.next_step})" if self.next_step else ""
        return f"{place}{self.code}: {self.message}{advice}"


class LanguageError(HarnessError):
    """The kernel's source is not a TileLang kernel this package accepts."""

    code = "UnsupportedConstruct"


class CompileError(HarnessError):
    """A pass refused the kernel or an option."""

    code = "CompileError"


class OptionError(HarnessError):
    """A device, option or parameter that does not exist or does not fit."""

    code = "InvalidOption"
