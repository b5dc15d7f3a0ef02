"""One tile of a circular buffer or of DST on one core, as a person asks for it."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from simulator.engine.segs import Seg
from simulator.errors import InputError
from simulator.formats.bytemap import WHOLE

_FORM: Final = re.compile(
    r"(?P<what>cb(?P<cb>\d+)|dst)(?:\[(?P<tile>\d+)\])?(?:@(?P<x>\d+),(?P<y>\d+))?"
)


@dataclass(frozen=True)
class Dump:
    """What is to be shown: ``cb`` is None for DST, ``tile`` counts from the front."""

    text: str
    cb: int | None
    tile: int = 0
    core: tuple[int, int] | None = None


@dataclass(frozen=True)
class Origin:
    """Who wrote something: the op, where it stands, and the engine step in which it ran."""

    program: str
    thread: str
    op: str
    path: str
    location: str | None
    step: int


@dataclass(frozen=True)
class TileView:
    """A tile at a moment.

    Attributes:
        what: ``cb0[1]`` or ``dst[2]``. core: where.
        state: ``readable``, ``written, not pushed``, ``held by math``, ``committed``, ``held by
            the packer``, or ``no such tile now``.
        slot, address: page of the circular buffer and its L1 address; None for DST.
        format: data format of a circular buffer; None for DST.
        valid: rows and columns that hold data, from the top left; (0, 0) where nobody wrote.
        pending: a NoC read that fills it has not been waited for.
        values: (height, width), None where nothing was written or nothing is computed.
        origin: who wrote it, None where that is not known.
    """

    what: str
    core: tuple[int, int]
    state: str
    slot: int | None = None
    address: int | None = None
    format: str | None = None
    valid: tuple[int, int] = (0, 0)
    pending: bool = False
    values: npt.NDArray[Any] | None = None
    origin: Origin | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain data; values as nested lists."""
        out = {name: getattr(self, name) for name in self.__dataclass_fields__}
        out["core"], out["valid"] = list(self.core), list(self.valid)
        out["values"] = None if self.values is None else self.values.tolist()
        out["origin"] = None if self.origin is None else asdict(self.origin)
        return out


def parse_dump(text: str) -> Dump:
    """``cb0``, ``cb0[1]``, ``dst``, ``dst[2]``, each with ``@x,y`` for a core.

    Raises:
        InputError: none of these.
    """
    match = _FORM.fullmatch(text)
    if match is None:
        raise InputError(
            f"{text!r} cannot be dumped", location="dump",
            next_step="write cb0, cb0[1], dst or dst[2], with @x,y for a core",
        )  # fmt: skip
    part = match.groupdict()
    core = None if part["x"] is None else (int(part["x"]), int(part["y"]))
    cb = None if part["cb"] is None else int(part["cb"])
    return Dump(text, cb, int(part["tile"] or 0), core)


def tile_of(seg: Seg, lane: int, page: int) -> tuple[npt.NDArray[Any] | None, tuple[int, int]]:
    """Values and valid extent of one page on one lane of a segment."""
    if seg.block is None:
        return None, (0, 0)
    block = seg.values()
    row, column = divmod(lane, block.shape[1])
    down, right = divmod(page, block.shape[3])
    values = np.array(block[row, column, down, right])
    height, width = values.shape
    if seg.valid is None:
        return values, (height, width)
    extent = seg.valid[lane, page]
    if (extent == WHOLE).all():
        return values, (height, width)
    return values, (min(int(extent[0]), height), min(int(extent[1]), width))


def locate(segs: list[tuple[int, Seg]], page: int) -> tuple[Seg, int] | None:
    """The segment that holds a page, and where it lies in it; segments come with first pages."""
    for start, seg in segs:
        if start <= page < start + seg.pages:
            return seg, page - start
    return None
