"""A circular buffer whose memory is a sharded tensor's: its slots are the core's own pages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from simulator.engine.segs import Seg, join_pages, normal
from simulator.engine.strand import Strand
from simulator.engine.violation import Violation
from simulator.formats.bytemap import WHOLE
from simulator.memory.dram import NOBODY, Tensor
from simulator.plan.coords import Core
from simulator.plan.shards import resident_pages

if TYPE_CHECKING:
    from collections.abc import Sequence

    from simulator.engine.pool import Pool


class Backing:
    """The tensor behind a circular buffer.

    What the producer pushes without having written it is what the tensor holds; what it wrote is
    in the tensor from then on.
    """

    def __init__(self, tensor: Tensor, cores: Sequence[Core], depth: int) -> None:
        """``cores`` are the machine's, in the order of lane numbers."""
        self.tensor = tensor
        found = resident_pages(tensor.layout)
        self._pages: npt.NDArray[np.int64] = np.full((len(cores), depth), -1, np.int64)
        for number, core in enumerate(cores):
            held = found.get(core, ())[:depth]
            self._pages[number, : len(held)] = held

    def push(self, strand: Strand, pages: int, pool: Pool) -> None:
        """Called before ``pages`` are handed over from the write pointer."""
        if not pages:
            return
        slots = np.reshape(np.asarray(strand.wr), (-1, 1)) + np.arange(pages)
        ids = self._pages[strand.lanes.ids[:, None], slots]
        written = strand.staged_range(0, pages)
        if all(seg.block is None for seg in written):
            strand.stage(0, self._held(strand, ids, pool))
            return
        if any(seg.block is None for seg in written):
            raise Violation(
                "UninitialisedRead",
                f"some of {pages} pages pushed to tensor {self.tensor.name} were never written",
                strand.lanes.ids,
            )
        whole = join_pages(written, strand.lanes.n, strand.lanes.width, pool)
        self._keep(strand, ids, whole, pool)

    def _held(self, strand: Strand, ids: npt.NDArray[np.int64], pool: Pool) -> Seg:
        tensor, lanes = self.tensor, strand.lanes
        shape = (lanes.n // lanes.width, lanes.width, 1, ids.shape[1], *tensor.tile)
        known = ids >= 0
        valid = np.where(known[..., None], WHOLE if tensor.valid is None else tensor.valid[ids], 0)
        if not pool.arithmetic:
            return Seg(ids.shape[1], pool.dummy(shape, tensor.values.dtype), normal(valid), -1)
        block = pool.take(shape, tensor.values.dtype)
        block.reshape(lanes.n, ids.shape[1], *tensor.tile)[...] = tensor.values[ids]
        return Seg(ids.shape[1], block, normal(valid), -1)

    def _keep(self, strand: Strand, ids: npt.NDArray[np.int64], seg: Seg, pool: Pool) -> None:
        tensor = self.tensor
        if not tensor.writable:
            tensor.make_writable()
        real = ids >= 0
        owner: Any = tensor.owner
        lanes = np.broadcast_to(strand.lanes.ids[:, None], ids.shape)[real][:, None]
        units = tensor.units(ids[real][:, None])
        before = owner[units]
        if ((before != NOBODY) & (before != lanes)).any():
            raise Violation("DoubleWrite", f"pages of tensor {tensor.name} are written by two"
                            " cores", strand.lanes.ids)  # fmt: skip
        owner[units] = lanes
        valid = seg.valid
        if valid is not None:
            valid = np.broadcast_to(valid, (*ids.shape, 2))[real]
        tensor.fill(ids[real], valid)
        if pool.arithmetic:
            values = seg.values().reshape(*ids.shape, *tensor.tile)
            tensor.values[ids[real]] = values[real]
