"""The Z curve (Morton order) over a grid of blocks: which block each position of the curve is.

The curve runs over the smallest grid of powers of two that holds the work grid: the low bits of a
position are bits of bx and by in turn, bx first; where one axis has more bits, the rest of them
follow; bz comes last. Positions outside the work grid stand for no block, so that a program decodes
a position with divisions alone, whatever the grid.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Ids = npt.NDArray[np.int64]


def axis_bits(extent: int) -> int:
    """Bits that hold the indices of an axis."""
    return (extent - 1).bit_length()


def bit_places(grid: tuple[int, int, int]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Position in the code of every bit of bx and of by, lowest first."""
    wide, high = axis_bits(grid[0]), axis_bits(grid[1])
    places: tuple[list[int], list[int]] = ([], [])
    at = 0
    for bit in range(max(wide, high)):
        for axis, bits in ((0, wide), (1, high)):
            if bit < bits:
                places[axis].append(at)
                at += 1
    return tuple(places[0]), tuple(places[1])


def curve_length(grid: tuple[int, int, int]) -> int:
    """Positions of the curve, those outside the work grid included."""
    return grid[2] << (axis_bits(grid[0]) + axis_bits(grid[1]))


def blocks_at(codes: Ids, grid: tuple[int, int, int]) -> npt.NDArray[np.int64]:
    """(bx, by, bz) of positions of the curve; may lie outside the work grid."""
    across, down = bit_places(grid)
    bx, by = (
        sum(((codes >> place & 1) << bit for bit, place in enumerate(places)), np.zeros_like(codes))
        for places in (across, down)
    )
    return np.stack([bx, by, codes >> (len(across) + len(down))], axis=-1)


def codes_of(blocks: npt.NDArray[np.int64], grid: tuple[int, int, int]) -> Ids:
    """Positions of blocks on the curve."""
    across, down = bit_places(grid)
    codes = blocks[:, 2] << (len(across) + len(down))
    for axis, places in ((0, across), (1, down)):
        for bit, place in enumerate(places):
            codes = codes | (blocks[:, axis] >> bit & 1) << place
    return codes


def inside(blocks: npt.NDArray[np.int64], grid: tuple[int, int, int]) -> npt.NDArray[np.bool_]:
    """Which blocks belong to the work grid."""
    found: npt.NDArray[np.bool_] = np.all(blocks < np.array(grid), axis=-1)
    return found
