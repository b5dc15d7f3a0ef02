"""Schedules as values: which group runs next, and for how long.

A schedule says nothing about results of a determinate program, and everything about which of
several an indeterminate one gives. Choices made under any schedule are recorded; run again as an
:class:`Explicit` schedule they give the same run, step by step, on any machine.
"""

from __future__ import annotations

import hashlib
import random
from dataclasses import dataclass
from typing import Final, TypeAlias

UNLOCK: Final = -1
"""Serial recorded when nothing could run and lanes were let go."""

MERGE: Final = -2
"""Serial recorded when groups were looked through for ones that met."""


@dataclass(frozen=True)
class RoundRobin:
    """Every group in turn, each until it must wait. The fastest."""


@dataclass(frozen=True)
class Seeded:
    """Groups in random order, for random numbers of steps up to ``longest``.

    With ``single`` every core of every program is a group of its own, so that any two cores may
    be interleaved.
    """

    seed: int
    longest: int = 16
    single: bool = True


@dataclass(frozen=True)
class LateNoc:
    """Transfers arrive as late as they may: at their barrier, or at the end.

    Groups run one by one in random order. Programs that rely on the NoC being quick show it.
    """

    seed: int = 0
    single: bool = True


@dataclass(frozen=True)
class Explicit:
    """The recorded choices of a run: (serial of a group, steps).

    ``single`` and ``late`` as the run had them. After the last choice it goes on round robin.
    """

    choices: tuple[tuple[int, int], ...]
    single: bool = False
    late: bool = False


@dataclass(frozen=True)
class Turns:
    """A schedule as plain data, any of which is legal: (which, steps, late) turn by turn.

    ``which`` counts among the groups able to run, around and around; what a group sends during a
    late turn arrives at its barrier or at the end, and keeps its order with what it sends later.
    Every core of every program is a group of its own. After the last turn it goes on in the
    groups' order, with a quick NoC.
    """

    turns: tuple[tuple[int, int, bool], ...] = ()
    single: bool = True


Schedule: TypeAlias = RoundRobin | Seeded | LateNoc | Explicit | Turns


class Picker:
    """Makes the choices of a schedule, and remembers them.

    The trace hash covers which lanes of which program ran from which op to which, and no values
    of tensors.
    """

    def __init__(self, schedule: Schedule) -> None:
        self.schedule = schedule
        self.single = getattr(schedule, "single", False)
        self.late = isinstance(schedule, LateNoc) or getattr(schedule, "late", False)
        self.in_turn = isinstance(schedule, RoundRobin)
        self.choices: list[tuple[int, int]] = []
        self._facts: list[tuple[object, ...]] = []
        self._random = random.Random(getattr(schedule, "seed", 0))  # noqa: S311 - not for secrets
        self._script = list(schedule.choices) if isinstance(schedule, Explicit) else []
        self._script.reverse()
        self._turns = list(schedule.turns) if isinstance(schedule, Turns) else []
        self._turns.reverse()

    def scripted(self) -> tuple[int, int] | None:
        """The next recorded choice."""
        return self._script.pop() if self._script else None

    def pick(self, serials: list[int], quota: int) -> tuple[int, int]:
        """One of the groups that may run, and the most steps it gets."""
        if isinstance(self.schedule, Seeded):
            return self._random.choice(serials), self._random.randint(1, self.schedule.longest)
        if isinstance(self.schedule, LateNoc):
            return self._random.choice(serials), quota
        if self._turns:
            which, steps, self.late = self._turns.pop()
            return serials[which % len(serials)], max(1, min(steps, quota))
        if isinstance(self.schedule, Turns):
            self.late = False
        return serials[0], quota

    def record(self, serial: int, steps: int, *facts: object) -> None:
        """Remember a choice and what came of it."""
        self.choices.append((serial, steps))
        self._facts.append(facts)

    def digest(self) -> str:
        """The trace hash, as hexadecimal digits."""
        text = repr((self.choices, self._facts)).encode()
        return hashlib.blake2b(text, digest_size=16).hexdigest()
