"""Who tells the clocks of something: what of a group its accesses are judged by."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from simulator.engine.code import Code
    from simulator.engine.lanes import Lanes


class Speaker(NamedTuple):
    """A program on some cores. Groups split and merge, so nothing else of them may matter."""

    code: Code
    lanes: Lanes
