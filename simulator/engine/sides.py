"""The sides of a race: who acts, and what a finding says of both."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.engine.actors import Access, Actor, Clash, Reach
from simulator.engine.clocks import AGENT, AGENTS, Clocks
from simulator.engine.violation import Violation

if TYPE_CHECKING:
    from simulator.engine.lanes import Lanes
    from simulator.engine.machine import Machine
    from simulator.engine.speaker import Speaker


class Sides:
    """The actors of a machine and the places of its programs, each once."""

    def __init__(self, machine: Machine, clocks: Clocks) -> None:
        self._machine = machine
        self._clocks = clocks
        self._places: list[tuple[str, str, str]] = []
        self._numbers: dict[tuple[str, int], int] = {}
        self._actors: dict[tuple[str, int, int, Lanes], Actor] = {}
        self._reaches: dict[Lanes, Reach] = {}

    def actor(self, group: Speaker, at: int, agent: int | None = None) -> Actor:
        """The group at op ``at``; by default as the RISC its program runs on."""
        code = group.code
        if agent is None:
            agent = AGENT[code.thread]
        key = code.key, at, agent, group.lanes
        found = self._actors.get(key)
        if found is None:
            reach = self._reaches.get(group.lanes)
            if reach is None:
                reach = self._reaches[group.lanes] = Reach(group.lanes.ids)
            found = self._actors[key] = Actor(self._clocks, agent, reach, self._place(group, at))
        return found

    def _place(self, group: Speaker, at: int) -> int:
        code = group.code
        key = (code.key, at)
        place = self._numbers.get(key)
        if place is None:
            spot = code.places[at]
            place = self._numbers[key] = len(self._places)
            self._places.append((code.program, spot.text, spot.loc or spot.path))
        return place

    def _side(self, access: Access, verbs: tuple[str, str]) -> str:
        program, text, where = self._places[access.place]
        kind = verbs[access.write]
        return (
            f"{kind} by {text} of {program} ({AGENTS[access.agent]}) on core"
            f" {self._machine.cores[access.core]} at {where}"
        )

    def violation(
        self, clash: Clash, actor: Actor, what: str, *, write: bool, code: str = "Race",
        verbs: tuple[str, str] = ("read", "written"),
    ) -> Violation:  # fmt: skip
        """The finding: both sides, with their places."""
        me = int(actor.cores[clash.row])
        here = self._side(Access(me, actor.agent, actor.place, write), verbs)
        there = self._side(clash.other, verbs)
        text = f"{what} is {here} and was {there}; nothing orders the two"
        if clash.other.core != me:
            text += " cores"
        return Violation(code, text, actor.cores[clash.rows])
