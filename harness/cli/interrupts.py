"""A long command that is asked to end: by Ctrl-C, or by whoever runs it (SIGTERM)."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Any, Final

NAMES: Final = {signal.SIGINT: "interrupted", signal.SIGTERM: "terminated"}


@dataclass
class Asked:
    """Which signal came; 0 for none."""

    number: int = 0

    @property
    def status(self) -> int:
        """The exit status shells give a command that a signal ended: 130 and 143."""
        return 128 + self.number


@contextmanager
def ending(stop: Callable[[str], None]) -> Iterator[Asked]:
    """Within it the first signal calls ``stop`` with its name; another one has its usual effect."""
    asked = Asked()
    before: dict[signal.Signals, Any] = {}

    def heard(number: int, _: FrameType | None) -> None:
        asked.number = number
        restore()
        stop(NAMES[signal.Signals(number)])

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    for number in NAMES:
        before[number] = signal.signal(number, heard)
    try:
        yield asked
    finally:
        restore()
