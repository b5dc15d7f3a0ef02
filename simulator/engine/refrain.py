"""Calls of the clocks that come again and again: what they would answer is known.

Programs loop, and what a loop tells the clocks soon repeats. Between two moments lies a *period* of
calls. If the clocks stand alike at both, up to a shift in time (see
:mod:`~simulator.engine.standing`), the same calls would find what they found, nothing, and leave
the clocks alike again. So as long as the calls to come are those of the period, in their order, it
is enough to count them. At the first that is another the clocks are brought to where they would be:
shifted by the whole periods that passed, and told what passed since.

Iterations differ by how far they are around their circular buffers, and the clocks turn with them
(see :mod:`~simulator.engine.rings`): the calls to come are those of the period turned once, twice,
until all buffers have come round.

No verdict depends on a guess: which calls come next is compared, and until they differ nothing asks
the clocks anything.
"""

from __future__ import annotations

from collections.abc import Callable
from math import gcd, lcm
from typing import TYPE_CHECKING, Any, Final

from simulator.engine.rings import Call, Fronts, Key, Ring, Turns, turn
from simulator.engine.standing import Shift, Standing, shift_between

if TYPE_CHECKING:
    from simulator.engine.code import Code
    from simulator.engine.group import Group
    from simulator.engine.lanes import Lanes
    from simulator.engine.order import Order

LONGEST: Final = 4096
"""Calls of a period, at most."""
SHORTEST: Final = 24
"""Calls that are worth a look at how the clocks stand, at least."""
ALIKE: Final = 8
"""Calls in a row that came again, before one looks.

One looks no earlier than that after all circular buffers seem to have come round once: pages that
nobody used yet do not stand as they will.
"""
FOR_EVER: Final = 1 << 62
TRIES: Final = 4
"""Periods in a row after which the clocks may stand otherwise, before one gives up."""


Entry = tuple[Key, Ring | None, Callable[..., None], "Code", "Lanes", tuple[Any, ...]]
"""What a :class:`Call` is made of: most are never made again."""


class Refrain:
    """The calls of one order."""

    def __init__(self, order: Order, *, deaf: bool) -> None:
        self._order = order
        self._known: dict[Key, int] = {}
        self._last: list[int] = []
        self._log: list[Entry] = []
        self._kinds: list[int] = []
        self._fronts = Fronts()
        self._length = self._alike = self._tries = self._wait = 0
        self._before: tuple[Standing, Turns] | None = None
        self._begun = 0
        self._period: list[Call] = []
        self._keys: list[Key] = []
        self._shift: Shift | None = None
        self._at = self._rounds = 0
        self._turns: Turns = {}
        self._each = 1
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

    def make(
        self, key: Key, ring: Ring | None, work: Callable[..., None], group: Group, *args: Any
    ) -> None:
        """Make a call that is not :meth:`again`; for the ring see :class:`Call`."""
        if self._shift is not None:
            self.stop()
        if self._rest:
            self._rest -= 1
            work(group, *args)
            return
        log, kinds = self._log, self._kinds
        now = len(log)
        name = key if ring is None else self._fronts.relative(key, ring, args[0])
        kind = self._known.get(name)
        if kind is None:
            kind = self._known[name] = len(self._last)
            self._last.append(now)
        try:
            work(group, *args)
        except BaseException:
            self._forget()  # what it did before it failed is in no period
            raise
        if self._length and kinds[-self._length] == kind:
            self._alike += 1
        else:
            self._length = now - self._last[kind]
            self._alike = self._tries = 0
            self._before = None
        self._last[kind] = now
        kinds.append(kind)
        log.append((key, ring, work, group.code, group.lanes, args))
        if now >= 8 * LONGEST:
            self._forget()
        elif self._alike >= ALIKE and self._length <= LONGEST:
            if self._alike == ALIKE:
                self._wait = ALIKE + self._length * self._round(self._turned(self._length))
            if now >= self._wait:
                self._look(now + 1)

    def stop(self) -> None:
        """Bring the clocks to where they are, and forget what came so far."""
        period, shift = self._period, self._shift
        if shift is not None:
            span = len(period) // self._each
            times, rest = divmod(self._at, span)
            passed = self._rounds * self._each + times
            self._skipped += passed * span
            self._period, self._keys, self._shift = [], [], None
            shift.by(passed)
            if times:
                turn(self._order, {n: pages * times for n, pages in self._turns.items()})
            for call in period[self._at - rest : self._at]:
                call.make()
            if passed:
                self._failures = 0
            else:
                self._failed(span)
        self._forget()

    def _forget(self) -> None:
        self._known.clear()
        self._last.clear()
        self._log.clear()
        self._kinds.clear()
        self._length = self._alike = self._tries = 0
        self._before = None

    def _look(self, now: int) -> None:
        """Whether a period has passed since the clocks stood as they do."""
        if self._before is None:
            fronts = self._fronts.now()
            self._before, self._begun = (Standing(self._order, fronts), fronts), now
            return
        span = self._length * -(-SHORTEST // self._length)
        if now - self._begun < span:
            return
        (before, since), fronts = self._before, self._fronts.now()
        standing = Standing(self._order, fronts)
        shift = shift_between(self._order.clocks, before, standing)
        if shift is not None:
            self._repeat([Call(*one) for one in self._log[-span:]], shift, since, fronts)
            return
        self._before, self._begun = (standing, fronts), now
        self._tries += 1
        if self._tries == TRIES:
            self._failed(span)

    def _repeat(self, calls: list[Call], shift: Shift, since: Turns, fronts: Turns) -> None:
        """Expect what the calls become, until all circular buffers have come round."""
        turns = {n: fronts.get(n, 0) - since.get(n, 0) for n in self._order.machine.cbs}
        self._turns = turns
        self._each = self._round(turns)
        if self._each * len(calls) > LONGEST:
            self._failed(len(calls))
            return
        rounds = range(1, self._each + 1)
        self._period = [call.turned(turns, times) for times in rounds for call in calls]
        self._keys = [call.key for call in self._period]
        self._shift = shift
        self._at = self._rounds = 0

    def _turned(self, calls: int) -> Turns:
        """By how much circular buffers seem to have turned in the last calls."""
        before, after = Fronts(), Fronts()
        for some, fronts in ((self._log[-2 * calls : -calls], before), (self._log[-calls:], after)):
            for key, ring, *_, args in some:
                if ring is not None:
                    fronts.relative(key, ring, args[0])
        since, now = before.now(), after.now()
        return {number: now[number] - pages for number, pages in since.items() if number in now}

    def _round(self, turns: Turns) -> int:
        """After how many turns all circular buffers have come round."""
        cbs = self._order.machine.cbs
        return lcm(*(cbs[n].depth // gcd(cbs[n].depth, pages) for n, pages in turns.items()))

    def _failed(self, span: int) -> None:
        """Nothing came of it: do not look again for a while, longer each time."""
        self._forget()
        self._rest = span << min(self._failures, 10)
        self._failures += 1
