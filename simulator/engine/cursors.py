"""Three cursors for a compute program: the unpacker's, math's and the packer's.

The RISCs of the compute trio run one text, each its own part of it. One cursor in text order is
one legal order, and usually enough. Where it gets stuck although the parts could go on, the run is
repeated with a cursor per RISC and core. DST stands between math and packer (acquire, commit, wait,
release); SrcA and SrcB stand between unpacker and math (:mod:`simulator.engine.src`).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Literal

from simulator.engine.group import Group
from simulator.engine.src import Src
from simulator.isa import OpSpec

Cursor = Literal["all", "unpack", "math", "pack"]
"""Which part of a compute program a cursor executes."""

PARTS: Final[tuple[Cursor, ...]] = ("math", "unpack", "pack")
"""The three, in the order they take turns: math first, as the unpacker asks what it waits for."""


def executes(cursor: Cursor, spec: OpSpec) -> bool:
    """Whether a cursor executes an op; ops of several parts are executed by each."""
    return cursor == "all" or cursor in spec.stages


def link(groups: Iterable[Group]) -> None:
    """Let the cursors of each core share Src and DST; every group has one lane."""
    found: dict[tuple[int, int], dict[str, Group]] = {}
    for group in groups:
        cursor = group.code.cursor
        if cursor != "all":
            found.setdefault((group.code.number, group.lanes.mask), {})[cursor] = group
    for trio in found.values():
        unpack, math, pack = (trio[part].local for part in ("unpack", "math", "pack"))
        unpack.src = math.src = Src()
        math.mail, pack.mail = ([],), ([],)
        unpack.mail = (*math.mail, *pack.mail)
        pack.queue = math.queue
        math.partner, pack.partner = pack, math
