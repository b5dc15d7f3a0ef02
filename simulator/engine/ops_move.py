"""Ops that move tiles without computing: CB to DST, and DST to CB."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any, Final

import numpy as np

from simulator.engine.cb import CircularBuffer
from simulator.engine.code import Builders, OpContext, Step, refusal, uniform
from simulator.engine.dst import Section
from simulator.engine.group import Group
from simulator.engine.kinds import checked
from simulator.engine.ops_config import checker, math_key
from simulator.engine.segs import NEVER, Seg, normal
from simulator.engine.src import tiles_of
from simulator.engine.values import Value
from simulator.engine.violation import Violation
from simulator.formats.dataformat import DataFormat
from simulator.numerics.l1acc import accumulate_l1
from simulator.numerics.layout import transpose
from simulator.numerics.pack import pack_integers


def readable(seg: Seg, group: Group, what: str) -> Seg:
    """The segment, if each of its tiles holds something.

    Raises:
        Violation: a tile was never written.
    """
    valid = seg.valid
    if seg.block is None:
        raise Violation("UninitialisedRead", f"{what} was never written")
    if valid is not None:
        empty = ~(valid > 0).all(axis=(1, 2))
        if empty.any():
            raise Violation("UninitialisedRead", f"{what} was never written",
                            group.lanes.ids[empty])  # fmt: skip
    return seg


def math_section(group: Group, name: str) -> Any:
    """The section math holds."""
    section = group.local.math
    if section is None:
        raise Violation("DstProtocol", f"{name} outside tile_regs_acquire and tile_regs_commit")
    return section


def row_major(n1: int, s1: int, n2: int, s2: int) -> bool:
    """Whether indices base + s1*i + s2*j count up by one in loop order."""
    return (n2 == 1 or s2 == 1) and (n1 == 1 or s1 == n2)


def build_copy(c: OpContext) -> Step:
    """copy_tile and transpose_tile: tiles of the front window to DST."""
    cb, counts, following = tiles_of(c, 0), c.counts(2), c.next
    index, target = c.index(1), c.index(2)
    name, machine, fmt = c.op.name, c.machine, cb.fmt
    check = checker(name, math=math_key(c), src_a=fmt)
    mode, tf32 = machine.mode(c.code.key), machine.tf32(c.code.key)
    model, flip = machine.model, name == "transpose_tile"
    plain = not machine.arithmetic or not fmt.is_float or (cb.unpack_to_dest and not flip)
    tally, slot = machine.tally, machine.slot(name)

    def move(group: Group, i: int, d: int, n1: int, i1: int, n2: int, i2: int) -> None:
        section = group.local.math
        section.check(d, d + n1 * n2 - 1)  # type: ignore[union-attr]
        if row_major(n1, i1, n2, i2):
            seg = cb.run(group.lanes, i, n1 * n2)
        else:
            seg = cb.select(group.lanes, i, n1, i1, n2, i2)
        if seg.block is None or seg.valid is not None:
            readable(seg, group, f"a page of circular buffer {cb.number}")
        if plain and not flip and seg.rows is None and seg.epoch == NEVER:
            section.put(d, seg)  # type: ignore[union-attr]
            tally[slot] += n1 * n2 * group.lanes.n
            return
        block = seg.values()
        if not plain:
            block = model.copy(model.to_src(block, fmt, mode, tf32), mode)
        valid = seg.valid
        if flip:
            block = transpose(block)
            valid = None if valid is None else valid[:, :, ::-1]
        section.put(d, Seg(n1 * n2, block, valid))  # type: ignore[union-attr]
        tally[slot] += n1 * n2 * group.lanes.n

    def step(group: Group) -> int:
        math_section(group, name)
        check(group.local.config)
        regs = group.regs
        n1, n2 = counts(regs)
        i, i1, i2 = index(regs)
        d, d1, d2 = target(regs)
        if n1 and n2:
            i, d = uniform(group, i), uniform(group, d)
            if row_major(n1, d1, n2, d2):
                move(group, i, d, n1, i1, n2, i2)
                return following
            for a in range(n1):
                for b in range(n2):
                    move(group, i + a * i1 + b * i2, d + a * d1 + b * d2, 1, 0, 1, 0)
        return following

    return step


def build_pack(c: OpContext) -> Step:
    """pack_tile (in order) and pack_tile_out_of_order."""
    cb, counts, following = c.cb(1), c.counts(2), c.next
    source = c.index(0)
    ordered = c.op.name == "pack_tile"
    page = (lambda _: (0, 0, 0)) if ordered else c.index(2)
    name, machine = c.op.name, c.machine
    check = checker(name, pack=cb.fmt)
    pack = Packer(c, cb)
    tally, slot = machine.tally, machine.slot(name)
    if cb.producer != "compute":
        return refusal("CBEndpoint", f"{name} into circular buffer {cb.number}, whose producer is"
                       f" {cb.producer}")  # fmt: skip

    def run(group: Group, d: int, p: int, pages: int) -> None:
        section: Section = group.local.packing  # type: ignore[assignment]
        section.check(d, d + pages - 1)
        seg = section.get(d, pages, group.lanes, machine.pool)
        if seg.block is None or seg.valid is not None:
            readable(seg, group, f"DST tile {d}")
        checked(seg, name, f"DST tile {d}", integers=cb.fmt.is_integer)
        if seg.block.shape[4:] != cb.tile:
            raise Violation("ShapeMismatch", f"{name} of a tile {seg.block.shape[4:]} into circular"
                            f" buffer {cb.number}, whose tiles are {cb.tile}")  # fmt: skip
        cb.write(group.lanes, p, pack(group, seg, p))
        tally[slot] += pages * group.lanes.n

    def move(group: Group, d: int, p: int, shape: tuple[int, int, int, int, int, int]) -> None:
        n1, n2, d1, d2, p1, p2 = shape
        if row_major(n1, d1, n2, d2) and row_major(n1, p1, n2, p2):
            run(group, d, p, n1 * n2)
            return
        rows = n2 == 1 or (d2 == 1 and p2 == 1)
        for a in range(n1):
            if rows:
                run(group, d + a * d1, p + a * p1, n2)
                continue
            for b in range(n2):
                run(group, d + a * d1 + b * d2, p + a * p1 + b * p2, 1)

    def step(group: Group) -> int:
        if group.local.packing is None:
            raise Violation("DstProtocol", f"{name} outside tile_regs_wait and tile_regs_release")
        check(group.local.config)
        regs = group.regs
        n1, n2 = counts(regs)
        if not (n1 and n2):
            return following
        d, d1, d2 = source(regs)
        d = uniform(group, d)
        if ordered:
            pairs = cb.at(group.lanes)
            at = pairs[0][0].packed
            if len(pairs) > 1:
                at = uniform(group, _packed(group, cb))
            move(group, d, at, (n1, n2, d1, d2, n2, 1))
            for strand, _ in cb.at(group.lanes):
                strand.packed = at + n1 * n2
        else:
            p, p1, p2 = page(regs)
            move(group, d, uniform(group, p), (n1, n2, d1, d2, p1, p2))
        return following

    return step


def _packed(group: Group, cb: CircularBuffer) -> Value:
    out = np.empty(group.lanes.n, np.int64)
    for strand, rows in cb.at(group.lanes):
        out[rows] = strand.packed
    return out


class Packer:
    """From DST tiles to the values a CB's format holds."""

    def __init__(self, c: OpContext, cb: CircularBuffer) -> None:
        machine = c.machine
        self.cb = cb
        self.fmt = cb.fmt
        self.mode = machine.mode(c.code.key)
        self.model = machine.model
        self.pool = machine.pool
        self.arithmetic = machine.arithmetic
        self.unchanged = cb.fmt is DataFormat.Float32 and self.mode.dest.is_fp32

    def __call__(self, group: Group, seg: Seg, page: int) -> Seg:
        """The segment as the packer writes it, under the configuration in force."""
        config = group.local.config
        if self.unchanged and config.mask is None and not config.l1_acc and not seg.masked:
            return seg
        valid = seg.valid
        block = seg.values()
        if self.arithmetic and not self.unchanged:
            if self.fmt.is_integer:
                block = pack_integers(block, self.fmt)
            else:
                room = self.pool.take(block.shape)
                block = self.model.pack(block, self.fmt, self.mode, out=room)
        if config.mask is not None:
            if not seg.masked:
                raise Violation(
                    "StaleConfig",
                    "packing under the mask of reduce_init a tile no reduce_tile wrote: issue"
                    " reduce_uninit first",
                )
            valid = None
        if config.l1_acc:
            block, valid = self._accumulate(group, seg.pages, block, valid, page)
        if block is seg.block and valid is seg.valid and not seg.masked:
            return seg
        return Seg(seg.pages, block, valid)

    def _accumulate(self, group: Group, pages: int, block: Any, valid: Any, page: int) -> Any:
        old = self.cb.written(group.lanes, page, pages)
        readable(old, group, f"page {page} of circular buffer {self.cb.number}")
        if self.arithmetic:
            block = accumulate_l1(old.values().reshape(block.shape), block, self.fmt)
        if valid is None or old.valid is None:
            return block, valid if old.valid is None else old.valid
        return block, normal(np.minimum(valid, old.valid))


BUILDERS: Final[Builders] = MappingProxyType(
    {
        "copy_tile": build_copy,
        "transpose_tile": build_copy,
        "pack_tile": build_pack,
        "pack_tile_out_of_order": build_pack,
    }
)
"""Op name to builder."""
