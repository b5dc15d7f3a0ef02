"""A sign of life for whatever takes longer than two seconds; silent when not on a terminal."""

from __future__ import annotations

import threading
import time
from types import TracebackType
from typing import TYPE_CHECKING, Final

from rich.console import Console
from rich.status import Status

if TYPE_CHECKING:
    from typing_extensions import Self

DELAY: Final = 2.0
"""Seconds before anything shows."""


class Progress:
    """Shows the stage in progress and how long it has been going.

    Use as a context manager around the work; call :meth:`stage` as it moves on.
    """

    def __init__(self, target: Console, delay: float = DELAY) -> None:
        self._console = target
        self._delay = delay
        self._lock = threading.Lock()
        self._status: Status | None = None
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._name = "starting"
        self._began = time.monotonic()

    def stage(self, name: str) -> None:
        """Say what is being done now."""
        with self._lock:
            self._name = name
            self._began = time.monotonic()

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._thread = threading.Thread(target=self._watch, daemon=True)
            self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        if self._status is not None:
            self._status.stop()

    def _watch(self) -> None:
        wait = self._delay
        while not self._stop.wait(wait):
            with self._lock:
                words = f"{self._name} ({time.monotonic() - self._began:.0f} s)"
            if self._status is None:
                self._status = Status(words, console=self._console)
                self._status.start()
            else:
                self._status.update(words)
            wait = 0.5
