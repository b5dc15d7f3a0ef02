"""Who wrote which page and which DST tile, and in which step: kept while a breakpoint is set.

What an op wrote is seen by comparing what a thread holds before and after it: segments are never
changed in place, so a segment that was not there is the op's work.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numpy as np

from simulator.engine.cb import CircularBuffer
from simulator.engine.code import Code, Step
from simulator.engine.dst import Section
from simulator.engine.group import Group
from simulator.engine.machine import Machine
from simulator.engine.segs import Seg
from simulator.isa import OPS
from simulator.observe.tiles import Origin

WRITES_CB: Final = frozenset({"noc_read", "l1_write", "pack", "noc_write"})
WRITES_DST: Final = frozenset({"unpack_math", "sfpu"})
Tiles = dict[int, Origin]


class Origins:
    """Origins of one run.

    Attributes:
        pages: origin by (circular buffer, core number, slot).
        math, queue, packing: origins of the DST sections, by (program key, core number).
        clock: ops executed, all groups together: the engine's step.
    """

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.clock = 0
        self.pages: dict[tuple[int, int, int], Origin] = {}
        self.math: dict[tuple[str, int], Tiles] = {}
        self.queue: dict[tuple[str, int], list[Tiles]] = {}
        self.packing: dict[tuple[str, int], Tiles] = {}

    def wrap(self, code: Code, number: int, step: Step) -> Step:
        """The step, counted, and watched if it writes tiles or hands DST over."""
        name = code.places[number].text
        spec = OPS.get(name)
        effect = None if spec is None else spec.effect
        if effect in WRITES_CB:
            return self._watch_buffers(code, number, step)
        if effect in WRITES_DST:
            return self._watch_dst(code, number, step)

        def counted(group: Group) -> int:
            lanes = group.lanes.ids
            following = step(group)
            if following >= 0 or group.done:
                self.clock += 1
                if effect == "dst_sync":
                    for core in lanes.tolist():
                        self._hand_over(name, (code.key, core))
            return following

        return counted

    def _origin(self, code: Code, number: int) -> Origin:
        place = code.places[number]
        self.clock += 1
        return Origin(code.program, code.thread, place.text, place.path, place.loc, self.clock)

    def _watch_buffers(self, code: Code, number: int, step: Step) -> Step:
        owned = [cb for cb in self.machine.cbs.values() if cb.producer == code.thread]

        def watched(group: Group) -> int:
            lanes = group.lanes
            here = [cb for cb in owned if not lanes.mask & ~cb.lanes.mask]
            before = [seg for cb in here for _, _, seg, _ in _staged(cb, group)]
            following = step(group)
            origin = self._origin(code, number)
            for cb in here:
                for core, wr, seg, start in _staged(cb, group):
                    if not _known(seg, before):
                        for page in range(seg.pages):
                            slot = (wr + start + page) % cb.depth
                            self.pages[cb.number, core, slot] = origin
            return following

        return watched

    def _watch_dst(self, code: Code, number: int, step: Step) -> Step:
        def watched(group: Group) -> int:
            section: Section | None = group.local.math
            before = [] if section is None else [seg for _, seg in section.segs]
            following = step(group)
            origin = self._origin(code, number)
            section = group.local.math
            for start, seg in [] if section is None else section.segs:
                if not _known(seg, before):
                    for core in group.lanes.ids.tolist():
                        tiles = self.math.setdefault((code.key, core), {})
                        tiles.update(dict.fromkeys(range(start, start + seg.pages), origin))
            return following

        return watched

    def _hand_over(self, name: str, key: tuple[str, int]) -> None:
        """Follow a DST section from math by way of the queue to the packer."""
        if name == "tile_regs_commit":
            self.queue.setdefault(key, []).append(self.math.pop(key, {}))
        elif name == "tile_regs_wait" and self.queue.get(key):
            self.packing[key] = self.queue[key].pop(0)
        elif name == "tile_regs_release":
            self.packing.pop(key, None)


def _staged(cb: CircularBuffer, group: Group) -> Iterator[tuple[int, int, Seg, int]]:
    """(core, slot of the write pointer, segment, first page) of what is written and not pushed."""
    for strand, _ in cb.at(group.lanes):
        for row, core in enumerate(strand.lanes.ids.tolist()):
            wr = strand.wr if isinstance(strand.wr, int) else int(strand.wr[row])
            for start, seg in strand.staged:
                yield core, wr, seg, start


def _known(seg: Seg, before: list[Seg]) -> bool:
    """Whether a segment was there before, or is what an overwrite left of one that was."""
    return any(seg is old or _same_memory(seg.block, old.block) for old in before)


def _same_memory(one: Any, two: Any) -> bool:
    if one is None or two is None:
        return False
    if isinstance(one, np.ndarray) and isinstance(two, np.ndarray):
        return one.base is not None and (one.base is two or one.base is two.base)
    return one is two
