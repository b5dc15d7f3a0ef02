"""Calls of the clocks that come again and again: what they would answer is known.

Programs loop, and what a loop tells the clocks soon repeats. Between two moments lies a *period* of
calls. If the clocks stand alike at both, up to a shift in time (see
:mod:`~simulator.engine.standing`), the same calls would find what they found, nothing, and leave
the clocks alike again. So as long as the calls to come are those of the period, in their order, it
is enough to count them. At the first that is another the clocks are brought to where they would be:
shifted by the whole periods that passed, and told what passed since.

No verdict depends on a guess: which calls come next is compared, and until they differ nothing asks
the clocks anything.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from simulator.engine.speaker import Speaker
from simulator.engine.standing import Shift, Standing, shift_between

if TYPE_CHECKING:
    from simulator.engine.group import Group
    from simulator.engine.order import Order

Key = tuple[Any, ...]

LONGEST: Final = 4096
"""Calls of a period, at most."""
SHORTEST: Final = 24
"""Calls that are worth a look at how the clocks stand, at least."""
ALIKE: Final = 8
"""Calls in a row that came again, before one looks."""
FOR_EVER: Final = 1 << 62
TRIES: Final = 4
"""Periods in a row after which the clocks may stand otherwise, before one gives up."""


class Call(NamedTuple):
    """A call of the clocks, to be made once more; ``key`` tells whether another is the same."""

    key: Key
    work: Callable[..., None]
    group: Speaker
    args: tuple[Any, ...]


class Refrain:
    """The calls of one order."""

    def __init__(self, order: Order, *, deaf: bool) -> None:
        self._order = order
        self._known: dict[Key, Call] = {}
        self._log: list[Call] = []
        self._last: dict[Key, int] = {}
        self._length = self._alike = self._tries = 0
        self._before: Standing | None = None
        self._begun = 0
        self._period: list[Call] = []
        self._keys: list[Key] = []
        self._shift: Shift | None = None
        self._at = self._rounds = 0
        self._failures, self._rest = 0, FOR_EVER if deaf else 0
        self._skipped = 0

    @property
    def skipped(self) -> int:
        """Calls of whole periods that were never made."""
        return self._skipped + self._rounds * len(self._period)

    def again(self, key: Key) -> bool:
        """Whether the outcome of a call is known: nothing was found, and it need not be made."""
        keys, at = self._keys, self._at
        if not keys or keys[at] != key:
            return False
        at += 1
        if at == len(keys):
            at = 0
            self._rounds += 1
        self._at = at
        return True

    def make(self, key: Key, work: Callable[..., None], group: Group, *args: Any) -> None:
        """Make a call that is not :meth:`again`."""
        if self._shift is not None:
            self.stop()
        if self._rest:
            self._rest -= 1
            work(group, *args)
            return
        call = self._known.get(key)
        if call is None:
            speaker = Speaker(group.code, group.lanes)
            call = self._known[key] = Call(key, work, speaker, args)
        try:
            work(group, *args)
        except BaseException:
            self._forget()  # what it did before it failed is in no period
            raise
        self._note(call)

    def stop(self) -> None:
        """Bring the clocks to where they are, and forget what came so far."""
        period, shift = self._period, self._shift
        if shift is not None:
            self._skipped += self._rounds * len(period)
            self._period, self._keys, self._shift = [], [], None
            shift.by(self._rounds)
            for call in period[: self._at]:
                call.work(call.group, *call.args)
            if self._rounds:
                self._failures = 0
            else:
                self._failed(len(period))
        self._forget()

    def _forget(self) -> None:
        self._known.clear()
        self._log.clear()
        self._last.clear()
        self._length = self._alike = self._tries = 0
        self._before = None

    def _note(self, call: Call) -> None:
        """A call was made."""
        log, key = self._log, call.key
        now = len(log)
        if self._length and log[-self._length] is call:
            self._alike += 1
        else:
            self._length = now - self._last.get(key, now)
            self._alike = self._tries = 0
            self._before = None
        self._last[key] = now
        log.append(call)
        if now >= 8 * LONGEST:
            self._forget()
        elif self._alike >= ALIKE and self._length <= LONGEST:
            self._look(now + 1)

    def _look(self, now: int) -> None:
        """Whether a period has passed since the clocks stood as they do."""
        if self._before is None:
            self._before, self._begun = Standing(self._order), now
            return
        span = self._length * -(-SHORTEST // self._length)
        if now - self._begun < span:
            return
        standing = Standing(self._order)
        shift = shift_between(self._order.clocks, self._before, standing)
        if shift is not None:
            self._period, self._shift = self._log[-span:], shift
            self._keys = [call.key for call in self._period]
            self._at = self._rounds = 0
            return
        self._before, self._begun = standing, now
        self._tries += 1
        if self._tries == TRIES:
            self._failed(span)

    def _failed(self, span: int) -> None:
        """Nothing came of it: do not look again for a while, longer each time."""
        self._forget()
        self._rest = span << min(self._failures, 10)
        self._failures += 1
