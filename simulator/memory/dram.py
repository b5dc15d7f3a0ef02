"""Tensors in device memory: values by page, validity, addresses.

Pages are tiles. Values are kept decoded (float32 or 32-bit integers); the bytes a page would
have are made when somebody asks for them. DRAM padding is not zero: it is invalid, and filled
with garbage so that a missed check still shows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt

from simulator.arch import Arch
from simulator.formats.codec import encode_tiles
from simulator.formats.dataformat import DataFormat
from simulator.plan.schema import Layout
from simulator.plan.shards import page_homes, shard_cores
from simulator.plan.tensors import page_bytes, page_count, round_up, tile_grid
from simulator.plan.views import stored_shape

Array = npt.NDArray[Any]
WHOLE: Final = 32
NOBODY: Final = -1


@dataclass(frozen=True)
class Placement:
    """Where a buffer lies: the same base in every bank, which is a DRAM bank or one core's L1.

    Interleaved pages are dealt round robin. Of a sharded buffer ``homes`` holds core (in the order
    shards are dealt) and place of every page.
    """

    base: int
    banks: int
    page_stride: int
    homes: tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]] | None = None

    def address(self, page: int) -> tuple[int, int]:
        """(bank, address in the bank) of a page (W:dataflow_api_addrgen.h)."""
        if self.homes is not None:
            core, slot = self.homes
            return int(core[page]), self.base + int(slot[page]) * self.page_stride
        return page % self.banks, self.base + page // self.banks * self.page_stride


class Pages(Protocol):
    """Page ids by lane, up to what is common to all lanes."""

    @property
    def ids(self) -> npt.NDArray[np.int64]:
        """One per lane."""


Extents = tuple[int, int, int, int]
"""(count, step, count, step) of the pages of one read."""


class Tensor:
    """One buffer of the plan.

    Attributes:
        values: (pages, height, width), decoded.
        valid: extents (pages, 2) of valid data, None where all of every page is.
        owner: core that wrote a page in this run, NOBODY before; None for read-only buffers.
        written_in: (kernel, NoC write epoch) of a page's last write.
        writable: some program of the plan writes it.
        reads: first pages of the reads so far, by pages by lane and extents; see least_read.
    """

    def __init__(self, name: str, layout: Layout, placement: Placement) -> None:
        self.name = name
        self.layout = layout
        self.placement = placement
        self.fmt = DataFormat.from_ir(layout.dtype)
        self.tile = layout.tile_shape
        self.pages = page_count(layout)
        self.grid = tile_grid(layout)
        self.page_bytes = self.fmt.tile_bytes(self.tile)
        self.values: Array = np.empty((0, *self.tile), self.fmt.value_dtype)
        self.valid: npt.NDArray[np.int16] | None = None
        self.owner: npt.NDArray[np.int32] | None = None
        self.written_in: npt.NDArray[np.int64] | None = None
        self.writable = False
        self.reads: dict[tuple[Pages, Extents], set[int]] = {}
        self.read_bytes = 0
        self.written_bytes = 0

    def make_writable(self) -> None:
        """Prepare for writes: an owner per page."""
        self.writable = True
        self.owner = np.full(self.pages, NOBODY, np.int32)
        self.written_in = np.zeros((self.pages, 2), np.int64)

    def starts(self, pages: Pages, extents: Extents) -> set[int]:
        """First pages, up to what varies by lane, of the reads of such pages."""
        return self.reads.setdefault((pages, extents), set())

    def least_read(self) -> int:
        """Bytes of the pages read at least once: what no schedule could do without."""
        seen = np.zeros(self.pages, np.bool_)
        for (pattern, (n1, s1, n2, s2)), starts in self.reads.items():
            offsets = s1 * np.arange(n1)[:, None] + s2 * np.arange(n2)
            common = np.fromiter(starts, np.int64, len(starts))[:, None] + offsets.reshape(-1)
            seen[np.unique(pattern.ids)[:, None, None] + common] = True
            if seen.all():
                break
        return int(seen.sum()) * self.page_bytes

    def least_written(self) -> int:
        """Bytes of the pages written at least once."""
        owner = self.owner
        return 0 if owner is None else int((owner != NOBODY).sum()) * self.page_bytes

    def page(self, number: int) -> npt.NDArray[np.uint8]:
        """Bytes of one page as the device would hold them."""
        return encode_tiles(self.values[number], self.fmt)

    def logical_extents(self) -> npt.NDArray[np.int16] | None:
        """Extents (pages, 2) of the logical shape inside each page; None if it fills all."""
        shape = stored_shape(self.layout)
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


def placement_of(layout: Layout, base: int, arch: Arch) -> Placement:
    """How a buffer at address ``base`` spreads over banks."""
    dram = layout.memory == "DRAM"
    alignment = arch.dram_alignment if dram else arch.l1_alignment
    stride = round_up(page_bytes(layout), alignment)
    if layout.shard is not None:
        return Placement(base, len(shard_cores(layout.shard)), stride, page_homes(layout))
    banks = arch.dram_banks if dram else arch.grid[0] * arch.grid[1]
    return Placement(base, banks, stride)
