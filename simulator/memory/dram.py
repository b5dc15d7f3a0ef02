"""Tensors in device memory: values by page, validity, addresses.

Pages are tiles, or rows of a row-major tensor. Values are kept decoded (float32 or 32-bit
integers); the bytes a page would have are made when somebody asks for them. DRAM padding is not
zero: it is invalid, and filled with garbage so that a missed check still shows.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from simulator.arch import Arch
from simulator.formats.bytemap import WHOLE, ByteMap, Flags
from simulator.formats.codec import decode_stored, decode_tiles, encode_tiles
from simulator.formats.dataformat import DataFormat
from simulator.plan.schema import Layout
from simulator.plan.shards import page_homes, shard_cores
from simulator.plan.tensors import page_bytes, page_count, round_up, tile_grid
from simulator.plan.views import stored_shape

Array = npt.NDArray[Any]
NOBODY: Final = -1
GARBAGE: Final = 0xFF
"""What bytes nobody wrote hold, in tensors that are written in parts."""
STILL: Final = 1 << 20
"""Most bytes of a tensor nobody writes that are made once, where pages are read in parts."""


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


Extents = tuple[int, int, int, int]
"""(count, step, count, step) of the pages of one read."""


ALL: Final = slice(None)
"""All bytes of a page."""


class Tensor:
    """One buffer of the plan.

    Attributes:
        values: (pages, height, width), decoded.
        valid: extents (pages, 2) of valid data, None where all of every page is.
        grain: bytes that accesses are multiples of, in size and place: a unit. A page, unless parts
            of pages are accessed.
        held: bytes (pages, page bytes) that are data, once part of a page was written; ``valid``
            is then the largest rectangle of data.
        owner: core that wrote a unit in this run, NOBODY before; None for read-only buffers.
        written_in: (kernel, NoC write epoch) of a unit's last write.
        writable: some program of the plan writes it.
        reads: first pages of the reads so far, by what varies by lane (bytes of int64) and extents;
            see least_read.
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
        self._valid: npt.NDArray[np.int16] | None = None
        self._stale: Flags | None = None
        self.grain = self.page_bytes
        self.held: Flags | None = None
        self.owner: npt.NDArray[np.int32] | None = None
        self.written_in: npt.NDArray[np.int64] | None = None
        self.writable = False
        self.reads: dict[tuple[bytes, Extents], set[int]] = {}
        self.read_bytes = 0
        self.written_bytes = 0
        self._spans: dict[tuple[int, int | None], npt.NDArray[np.int64]] = {}
        self._still: tuple[Array, npt.NDArray[np.uint8]] | None = None
        self._held: tuple[Any, Flags] | None = None

    @property
    def valid(self) -> npt.NDArray[np.int16] | None:
        """Extents, made out of the bytes once somebody asks after parts of pages were written."""
        if self._stale is not None and self._valid is not None and self.held is not None:
            ids, self._stale = np.flatnonzero(self._stale), None
            self._valid[ids] = self._map.extents_of(self.held[ids])
        return self._valid

    @valid.setter
    def valid(self, extents: npt.NDArray[np.int16] | None) -> None:
        self._valid, self._stale = extents, None

    def make_writable(self) -> None:
        """Prepare for writes: an owner per unit."""
        self.writable = True
        units = self.pages * (self.page_bytes // self.grain)
        self.owner = np.full(units, NOBODY, np.int32)
        self.written_in = np.zeros((units, 2), np.int64)

    def clear(self) -> None:
        """Be as before any run, but for values and ``valid``."""
        if self.owner is not None and self.written_in is not None:
            self.owner.fill(NOBODY)
            self.written_in.fill(0)
        self.held = self._stale = None
        for starts in self.reads.values():
            starts.clear()  # ops know the sets of their reads
        self.read_bytes = self.written_bytes = 0
        self._still = self._held = None

    def refine(self, grain: int) -> None:
        """Parts of pages are accessed, in multiples of ``grain`` bytes; before the run."""
        self.grain = math.gcd(self.grain, grain)
        self._spans.clear()
        if self.writable:
            self.make_writable()

    def units(self, ids: Any, first: int = 0, size: int | None = None) -> Any:
        """Units (lanes, n) of bytes ``first`` to ``first + size`` of pages (lanes, pages)."""
        per = self.page_bytes // self.grain
        if per == 1:
            return ids
        span = self._spans.get((first, size))
        if span is None:
            end = self.page_bytes if size is None else first + size
            span = np.arange(first // self.grain, end // self.grain)
            self._spans[first, size] = span
        if ids.shape[1] == 1:
            return ids * per + span
        return (ids[:, :, None] * per + span).reshape(len(ids), -1)

    def named(self, unit: int) -> str:
        """A unit, for messages."""
        page, at = divmod(unit, self.page_bytes // self.grain)
        where = f"page {page} of tensor {self.name}"
        return f"byte {at * self.grain} of {where}" if self.grain < self.page_bytes else where

    def fill(self, ids: Any, valid: npt.NDArray[np.int16] | None) -> None:
        """Whole pages were written; ``valid`` are their extents, None where all of it is."""
        if self.valid is not None:
            self.valid[ids] = WHOLE if valid is None else valid
        elif valid is not None:
            self.valid = np.full((self.pages, 2), WHOLE, np.int16)
            self.valid[ids] = valid
        if self.held is not None:
            self.held[ids] = True if valid is None else self._map.bytes_of(valid)

    def fill_part(self, ids: Any, first: int, held: Flags) -> None:
        """Bytes from ``first`` of a page per lane were written; ``held`` (lanes, size) are data."""
        if self.held is None:
            if self.valid is None:
                self.valid = np.full((self.pages, 2), WHOLE, np.int16)
            self.held = self._map.bytes_of(self.valid)
            if self.values.flags.writeable:
                blank = np.full(self.page_bytes, GARBAGE, np.uint8)
                np.copyto(self.values, decode_tiles(blank, self.fmt, self.tile),
                          where=~self._map.datums_of(self.held))  # fmt: skip
        self.held[ids, first : first + held.shape[1]] = held
        if self._stale is None:
            self._stale = np.zeros(self.pages, np.bool_)
        self._stale[ids] = True

    def put(self, ids: Any, first: int, data: npt.NDArray[np.uint8]) -> None:
        """Write bytes (lanes, size) from ``first`` on of a page per lane."""
        datum = self.page_bytes // (self.tile[0] * self.tile[1])
        if not self.fmt.is_bfp and first % datum == data.shape[1] % datum == 0:
            rows, columns = self._map.places(first // datum, data.shape[1] // datum)
            self.values[ids[:, None], rows, columns] = decode_stored(data, self.fmt)
            return
        whole = self.page(ids)
        whole[:, first : first + data.shape[1]] = data
        self.values[ids] = decode_tiles(whole, self.fmt, self.tile)

    def datums(self, units: Flags) -> Flags:
        """Datums (pages, height, width) that lie in such units and hold data."""
        mine = np.repeat(units, self.grain).reshape(self.pages, self.page_bytes)
        return self._map.datums_of(mine & self.bytes_held(slice(None)))

    def bytes_held(self, ids: Any, span: slice = ALL) -> Flags:
        """Which bytes (pages, page bytes) of some pages, or of a part of each, are data."""
        if self.held is not None:
            held: Flags = self.held[ids, span]
            return held
        if self.valid is not None:
            if not self._is_still():
                return self._map.bytes_of(self.valid[ids])[..., span]
            if self._held is None or self._held[0] is not self.valid:
                self._held = self.valid, self._map.bytes_of(self.valid)
            return self._held[1][ids, span]
        pages = (self.pages,) if isinstance(ids, slice) else np.shape(ids)
        whole: Flags = np.broadcast_to(np.True_, (*pages, self.page_bytes))
        return whole[..., span]

    @cached_property
    def _map(self) -> ByteMap:
        return ByteMap(self.fmt, self.tile)

    def starts(self, pages: bytes, extents: Extents) -> set[int]:
        """First pages, up to what varies by lane, of the reads of such pages."""
        return self.reads.setdefault((pages, extents), set())

    def least_read(self) -> int:
        """Bytes of the pages read at least once: what no schedule could do without."""
        seen = np.zeros(self.pages, np.bool_)
        for (pages, (n1, s1, n2, s2)), starts in self.reads.items():
            offsets = s1 * np.arange(n1)[:, None] + s2 * np.arange(n2)
            common = np.fromiter(starts, np.int64, len(starts))[:, None] + offsets.reshape(-1)
            distinct = list(set(memoryview(pages).cast("q")))
            seen[np.array(distinct, np.int64)[:, None, None] + common] = True
            if seen.all():
                break
        return int(seen.sum()) * self.page_bytes

    def least_written(self) -> int:
        """Bytes of the units written at least once."""
        owner = self.owner
        return 0 if owner is None else int((owner != NOBODY).sum()) * self.grain

    def page(self, number: Any, span: slice = ALL) -> npt.NDArray[np.uint8]:
        """Bytes of a page, or part of it, as the device would hold them; of several, a row each."""
        if not self._is_still():
            return encode_tiles(self.values[number], self.fmt)[..., span]
        if self._still is None or self._still[0] is not self.values:
            self._still = self.values, encode_tiles(self.values, self.fmt)
        return self._still[1][number, span]

    def _is_still(self) -> bool:
        """Whether no run changes it, and its bytes are few enough to be kept."""
        return not self.writable and self.pages * self.page_bytes <= STILL

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
    stride = round_up(page_bytes(layout), arch.alignment(layout.memory))
    if layout.shard is not None:
        return Placement(base, len(shard_cores(layout.shard)), stride, page_homes(layout))
    banks = arch.dram_banks if dram else arch.grid[0] * arch.grid[1]
    return Placement(base, banks, stride)
