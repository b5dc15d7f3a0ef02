"""Operands of matrix-unit ops: reading, validity, and what may not be one."""

from __future__ import annotations

from typing import Any

import numpy as np

from simulator.engine.code import OpContext, Step, refusal
from simulator.engine.group import Group
from simulator.engine.ops_move import readable
from simulator.engine.segs import Extents, Seg, normal
from simulator.engine.src import Tiles
from simulator.formats.bytemap import WHOLE

Shape = tuple[int, ...]


def operand(group: Group, cb: Tiles, index: int, n1: int, s1: int, n2: int, s2: int) -> Seg:
    """Pages of a front window as an operand, arranged for the group's lane grid."""
    seg: Seg = cb.select(group.lanes, index, n1, s1, n2, s2)
    return readable(seg, group, f"a page of circular buffer {cb.number}")


def exact_only(c: OpContext, *buffers: Tiles) -> Step | None:
    """A refusal where an operand goes straight to DST and so never reaches SrcA or SrcB."""
    for cb in buffers:
        if cb.unpack_to_dest:
            return refusal(
                "ShapeMismatch",
                f"{c.op.name} reads circular buffer {cb.number}, which is unpacked to DST"
                " (UnpackToDestFp32) and cannot feed the FPU",
            )
    return None


def both(one: Extents | None, two: Extents | None, *, invalid_is_zero: bool = False) -> Any:
    """Extents valid in both; tiles with no valid datum do not count when they read as zero."""
    if two is None or one is None:
        if two is not None and invalid_is_zero:
            return normal(np.where((two == 0).all(axis=-1, keepdims=True), WHOLE, two))
        return one if two is None else two
    if invalid_is_zero:
        two = np.where((two == 0).all(axis=-1, keepdims=True), WHOLE, two)
    return normal(np.minimum(one, two))
