"""Two cursors for a compute program: the packer's, and that of unpacker and math.

The RISCs of the compute trio run one text, each its own part of it. One cursor in text order is
one legal order, and usually enough. Where it gets stuck although the parts could go on, the run is
repeated with two cursors per core; unpacker and math stay together, as the first gets ahead of the
second by no more than the two banks of SrcA and SrcB.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from simulator.engine.group import Group
from simulator.isa import OpSpec

Cursor = Literal["both", "math", "pack"]
"""Which part of a compute program a cursor executes."""


def executes(cursor: Cursor, spec: OpSpec) -> bool:
    """Whether a cursor executes an op; ops of both parts are executed by both."""
    if cursor == "both":
        return True
    if cursor == "pack":
        return "pack" in spec.stages
    return bool(spec.stages & {"unpack", "math"})


def link(groups: Iterable[Group]) -> None:
    """Let the cursors of each core share DST; every group has one lane."""
    found: dict[tuple[int, int], dict[str, Group]] = {}
    for group in groups:
        cursor = group.code.cursor
        if cursor != "both":
            found.setdefault((group.code.number, group.lanes.mask), {})[cursor] = group
    for pair in found.values():
        math, pack = pair["math"].local, pair["pack"].local
        pack.queue = math.queue
        math.partner, pack.partner = pack, math
