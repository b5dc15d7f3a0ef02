"""Blocks of one row or one column: as matrices they lie as vectors do."""

from __future__ import annotations

from harness.compiler.block.model import Buffer


def side(block: Buffer) -> str:
    """``row`` or ``col`` where a block is a vector, or a matrix of one line; else ``full``."""
    rows, columns = block.shape
    if block.form != "full" or (rows > 1 and columns > 1):
        return block.form
    return "col" if columns == 1 else "row"


def crosses(block: Buffer, form: str) -> bool:
    """Whether a line that lies as ``form`` says has to be turned to lie in ``block``."""
    return block.shape != (1, 1) and side(block) not in ("full", form)
