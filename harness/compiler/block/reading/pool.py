"""The op that pools a block along an axis, with the scaler tile it takes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from harness.compiler.block.model import Buffer, Reduce, Scaler, Statement
from simulator.arch import TILE


def pooled(
    src: Buffer, pool: str, axis: int, node: Any, temp: Callable[[str], str], dtype: str, name: str
) -> tuple[list[Statement], Buffer]:  # fmt: skip
    """Statements that pool ``src`` (SUM or MAX), and the vector of ``dtype`` they make.

    The result lies in column 0 for axis 1 and in row 0 for axis 0. ``temp`` makes names.
    """
    scaler = Buffer(temp("scaler"), "bfloat16", 1, 1, 1, (TILE, TILE))
    made = Buffer(
        temp(name),
        dtype,
        1,
        src.rows if axis else 1,
        1 if axis else src.cols,
        (src.shape[0], 1) if axis else (1, src.shape[1]),
        "col" if axis else "row",
    )
    return [Scaler(node, scaler), Reduce(node, made, src, scaler, pool, axis)], made
