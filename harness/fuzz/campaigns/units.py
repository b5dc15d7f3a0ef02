"""Units of work: which cases a campaign consists of, whoever runs them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

SEQUENCE: Final = "sequence"
"""Kernels that a second follows, which reads what they wrote."""
FOCI: Final = ("gemm", "elementwise", "reduce", "layout", "schedule", SEQUENCE, "plan")
"""What a campaign may concentrate on."""
ALONE: Final = "alone"
"""What no campaign asks for: everything, but kernels that none follows."""
SHARDS: Final = 64
"""Logical shards; fixed, so that cases do not depend on the number of workers."""
BATCH: Final = 32
"""Cases of a full unit."""


@dataclass(frozen=True)
class Unit:
    """``count`` cases of one round of one shard."""

    seed: int
    shard: int
    round: int
    count: int
    focus: str | None = None

    @property
    def number(self) -> int:
        """What seeds Hypothesis."""
        return (self.seed * 1_000_003 + self.round) * SHARDS + self.shard


def units(seed: int, examples: int | None, focus: str | None) -> Iterator[Unit]:
    """The units of a campaign in order; without end where ``examples`` is None."""
    turn = 0
    left = {s: None if examples is None else examples // SHARDS + (s < examples % SHARDS)
            for s in range(SHARDS)}  # fmt: skip
    while True:
        idle = True
        for shard in range(SHARDS):
            rest = left[shard]
            count = BATCH if rest is None else min(BATCH, rest)
            if count:
                idle = False
                left[shard] = None if rest is None else rest - count
                yield Unit(seed, shard, turn, count, focus)
        if idle:
            return
        turn += 1
