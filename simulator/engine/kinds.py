"""What the numbers of a tile are: reals or integers.

DST and Src hold bits. An op that takes a tile of integers as reals, or the other way round, gets
other numbers on a chip; the simulator, which keeps values, would compute as if somebody had
converted them. ``typecast_tile`` does.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from simulator.engine.code import OpContext, Step, refusal
from simulator.engine.segs import Seg
from simulator.engine.src import Tiles
from simulator.engine.violation import Violation


def checked(seg: Seg, name: str, what: str, *, integers: bool) -> None:
    """Raise unless the tiles of a segment, if anybody wrote them, hold numbers of that kind.

    Tiles of both kinds in one segment have been joined to a dtype of neither.
    """
    block: Any = seg.block
    if block is None or (block.dtype.kind in "iu" if integers else block.dtype == np.float32):
        return
    held, wanted = ("reals", "integers") if integers else ("integers", "reals")
    raise Violation("ShapeMismatch", f"{name} takes {what} as {wanted}, and some holds {held}:"
                    " typecast_tile converts them")  # fmt: skip


def reals_only(c: OpContext, *buffers: Tiles) -> Step | None:
    """A refusal where an operand of the matrix unit holds integers."""
    for cb in buffers:
        if cb.fmt.is_integer:
            return refusal("ShapeMismatch", f"{c.op.name} reads circular buffer {cb.number} of"
                           f" {cb.fmt.value}, and computes with reals only")  # fmt: skip
    return None
