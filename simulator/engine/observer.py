"""What may watch a run: wraps the ops of every program and is told when the run is over."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from simulator.engine.code import Code, Step
    from simulator.engine.machine import Machine


class Observer(Protocol):
    """A watcher. Without one, nothing is wrapped and nothing costs anything.

    A run that is tried again (see ``RunOptions.repair`` and the cursors of compute programs) makes
    a new machine; a watcher that sees a machine it does not know starts anew.
    """

    def wrap(self, machine: Machine, code: Code) -> list[Step]:
        """The steps to execute instead of ``code.steps``, one for each, in order."""
        ...

    def ended(self, machine: Machine, seconds: float) -> None:
        """The machine came to rest after ``seconds`` of running."""
        ...
