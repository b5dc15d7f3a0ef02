"""Tensors in device memory: values by page, validity, addresses.

Pages are tiles. Values are kept decoded (float32 or 32-bit integers); the bytes a page would
have are made when somebody asks for them. DRAM padding is not zero: it is invalid, and filled
with garbage so that a missed check still shows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from simulator.arch import Arch
from simulator.formats.codec import encode_tiles
from simulator.formats.dataformat import DataFormat
from simulator.plan.schema import Layout
from simulator.plan.tensors import page_count, round_up, tile_grid

Array = npt.NDArray[Any]
WHOLE: Final = 32
NOBODY: Final = -1


def format_of(dtype: str) -> DataFormat:
    """The data format of a layout's dtype, an IR dtype or a tt-metal format name."""
    try:
        return DataFormat.from_ir(dtype)
    except ValueError:
        return DataFormat.from_name(dtype)


@dataclass(frozen=True)
class Placement:
    """Where an interleaved buffer lies: the same base in every bank, pages dealt round robin."""

    base: int
    banks: int
    page_stride: int

    def address(self, page: int) -> tuple[int, int]:
        """(bank, address in the bank) of a page (W:dataflow_api_addrgen.h)."""
        return page % self.banks, self.base + page // self.banks * self.page_stride


class Tensor:
    """One buffer of the plan.

    Attributes:
        values: (pages, height, width), decoded.
        valid: extents (pages, 2) of valid data, None where all of every page is.
        owner: core that wrote a page in this run, NOBODY before; None for read-only buffers.
        writable: some program of the plan writes it.
    """

    def __init__(self, name: str, layout: Layout, placement: Placement) -> None:
        self.name = name
        self.layout = layout
        self.placement = placement
        self.fmt = format_of(layout.dtype)
        self.tile = layout.tile_shape
        self.pages = page_count(layout)
        self.grid = tile_grid(layout)
        self.page_bytes = self.fmt.tile_bytes(self.tile)
        self.values: Array = np.empty((0, *self.tile), self.fmt.value_dtype)
        self.valid: npt.NDArray[np.int16] | None = None
        self.owner: npt.NDArray[np.int32] | None = None
        self.writable = False
        self.read_bytes = 0
        self.written_bytes = 0

    def make_writable(self) -> None:
        """Prepare for writes: an owner per page."""
        self.writable = True
        self.owner = np.full(self.pages, NOBODY, np.int32)

    def page(self, number: int) -> npt.NDArray[np.uint8]:
        """Bytes of one page as the device would hold them."""
        return encode_tiles(self.values[number], self.fmt)

    def logical_extents(self) -> npt.NDArray[np.int16] | None:
        """Extents (pages, 2) of the logical shape inside each page; None if it fills all."""
        shape = self.layout.logical_shape
        rows, columns = (1, *shape)[-2:]
        height, width = self.tile
        if rows % height == 0 and columns % width == 0:
            return None
        r = np.clip(rows - np.arange(self.grid[-2]) * height, 0, height)
        c = np.clip(columns - np.arange(self.grid[-1]) * width, 0, width)
        r = np.where(r == height, WHOLE, r)
        c = np.where(c == width, WHOLE, c)
        extents = np.empty((*self.grid, 2), np.int16)
        extents[..., 0] = r[:, None]
        extents[..., 1] = c
        return extents.reshape(-1, 2)


def place(layouts: dict[str, Layout], order: tuple[str, ...], arch: Arch) -> dict[str, Placement]:
    """DRAM addresses of buffers allocated in ``order``, first fit upward from the first address.

    Measured: consecutive allocations of ttnn's mock devices lie one after another in every bank.
    """
    base = arch.dram_base
    out = {}
    for name in [*order, *(n for n in layouts if n not in order)]:
        layout = layouts[name]
        size = format_of(layout.dtype).tile_bytes(layout.tile_shape)
        stride = round_up(size, arch.dram_alignment)
        out[name] = Placement(base, arch.dram_banks, stride)
        base += -(-page_count(layout) // arch.dram_banks) * stride
    return out
