"""The plan's schema: strict, versioned, complete enough to execute alone with programs.json.

Coordinates are ``[x, y]``, sizes are in the unit each docstring names, core keys are ``"(x,y)"``.
Decoding refuses unknown fields; ``validate`` checks meaning.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from msgspec import Meta, Struct

SCHEMA_VERSION: Final = 1
"""Raised whenever a field changes shape or meaning."""

NonNegative = Annotated[int, Meta(ge=0, le=2**32 - 1)]
Positive = Annotated[int, Meta(ge=1, le=2**32 - 1)]
Signed = Annotated[int, Meta(ge=-(2**31), le=2**31 - 1)]
XY = tuple[NonNegative, NonNegative]


class _Strict(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True, omit_defaults=True):
    """Base of every plan object."""


class CoreRange(_Strict, frozen=True):
    """A rectangle of cores: first core and size (``extent`` is a size, not an end)."""

    start: XY
    extent: tuple[Positive, Positive]


class WorkItem(_Strict, frozen=True):
    """One block of work: grid indices ``io`` = by, ``jo`` = bx, ``bo`` = bz of the work grid.

    ``len_k`` is the K loop's length in 32-element tiles, absent without a K loop.
    ``tile_order`` names the partition strategy that ordered the list; it agrees with the form of
    the core's descriptor (``row_major``, ``column_major``, ``z_order``; ``block`` for a rectangle;
    ``match_shard`` in any of them).
    """

    io: NonNegative
    jo: NonNegative
    bo: NonNegative = 0
    len_k: Positive | None = None
    tile_order: str | None = None


class Linear(_Strict, frozen=True, tag_field="form", tag="linear"):
    """Work ids ``start, start+1, … start+count-1``.

    ``row_major``: bx fastest, then by, then bz. ``column_major``: by fastest, then bx, then bz.
    ``z_order``: positions of the Z curve, see :mod:`simulator.plan.zorder`; positions outside the
    work grid stand for no block.
    """

    order: Literal["row_major", "column_major", "z_order"]
    start: NonNegative
    count: NonNegative


class Rect(_Strict, frozen=True, tag_field="form", tag="rect"):
    """Work blocks of a rectangle, bx fastest, then by, then bz over the whole grid depth."""

    x0: NonNegative
    y0: NonNegative
    width: NonNegative
    height: NonNegative


class Table(_Strict, frozen=True, tag_field="form", tag="table"):
    """Entries ``start … start+count-1`` of a work table tensor of row-major work ids."""

    tensor: str
    start: NonNegative
    count: NonNegative


class Shard(_Strict, frozen=True):
    """How a sharded buffer is cut: one shard per core of ``core_ranges``, dealt in orientation.

    ``shape`` is the shard's (rows, columns) in elements of the padded 2-D view.
    """

    strategy: Literal["height", "width", "block", "nd"]
    core_ranges: tuple[CoreRange, ...]
    shape: tuple[Positive, ...]
    orientation: Literal["row_major", "column_major"] = "row_major"


class Layout(_Strict, frozen=True):
    """One buffer that lives in DRAM or L1.

    Shapes are in elements; ``logical_shape`` is the host's. ``view``, where given, is the order its
    dimensions are stored in, or says that a vector lies in rows of 32 (``plan.views``).
    ``padded_shape`` is the stored shape with its last two dimensions rounded up to tiles (a 1-D
    buffer without a view is stored as 1 x N). Pages are tiles, row-major over (…, row tile, column
    tile). ``padding`` says what the host writes beyond the logical shape.
    ``tile_shape`` (1, n) is a row-major tensor: a page is one row, rounded up to the alignment of
    its memory, or the part of a row in one shard.
    """

    dtype: str
    logical_shape: tuple[Positive, ...]
    padded_shape: tuple[Positive, ...]
    role: Literal["input", "output", "inout", "table"]
    memory: Literal["DRAM", "L1"] = "DRAM"
    layout: Literal["interleaved", "sharded"] = "interleaved"
    tile_shape: tuple[Positive, Positive] = (32, 32)
    shard: Shard | None = None
    padding: Literal["unspecified", "zero"] = "unspecified"
    view: tuple[Annotated[int, Meta(ge=-1, le=7)], ...] = ()


class BlockMap(_Strict, frozen=True):
    """Which tiles of an output one work block writes.

    For every dimension of the buffer's tile grid (leading dimensions count elements, the last two
    count tiles; 1-D buffers have row dimension 1): first index = ``base + x*bx + y*by + z*bz``, and
    ``extent`` tiles from there, clipped to the grid. Sub-tile block strides that were coalesced
    are already in work-grid units. One spelling per meaning, so that no leaf is idle: extents are
    at most the tile grid, an axis of one block has coefficients zero
    (``work.canonical_block_map`` rewrites a map so).

    ``coverage`` is ``full`` where every tile is written by a block, ``partial`` where some are by
    none, and ``guarded`` where every tile is some block's, which writes it under a condition or
    leaves some between what it writes.
    ``told`` says that data choose what each block writes: any tile, so the map is of all of them.
    """

    base: tuple[Signed, ...]
    x: tuple[Signed, ...]
    y: tuple[Signed, ...]
    z: tuple[Signed, ...]
    extent: tuple[Positive, ...]
    coverage: Literal["full", "partial", "guarded", "told"] = "full"


class CircularBuffer(_Strict, frozen=True):
    """One circular buffer, the same on every core of its ranges.

    ``page_bytes`` is one tile in ``data_format``, or one row between data movement threads;
    ``depth`` counts pages. ``unpack_to_dest``
    selects UnpackToDestFp32 for this CB. ``tensor`` names the sharded L1 buffer backing it.
    ``alias_of`` is the id of the CB whose memory this one shares. Addresses follow from the order
    of the list (``placement.place``).
    """

    id: NonNegative
    name: str
    page_bytes: Positive
    depth: Positive
    data_format: str
    producer: Literal["brisc", "ncrisc", "compute"]
    consumer: Literal["brisc", "ncrisc", "compute"]
    core_ranges: tuple[CoreRange, ...]
    tile_shape: tuple[Positive, Positive] = (32, 32)
    unpack_to_dest: bool = False
    tensor: str | None = None
    alias_of: NonNegative | None = None


class Semaphore(_Strict, frozen=True):
    """One L1 semaphore on every core of its ranges."""

    id: NonNegative
    core_ranges: tuple[CoreRange, ...]
    initial: NonNegative = 0


class ComputeConfig(_Strict, frozen=True):
    """tt-metal's ComputeConfigDescriptor."""

    math_fidelity: Literal["LoFi", "HiFi2", "HiFi3", "HiFi4"]
    fp32_dest_acc_en: bool
    dst_full_sync_en: bool = False
    math_approx_mode: bool = False
    bfp8_pack_precise: bool = False


ArgValue = int | dict[str, Any]
"""An argument: an integer, or ``{"addr": buffer}``, ``{"accessor": buffer}``,
``{"noc_xy": [x, y]}``, ``{"sem": id}`` for what only the device knows."""


class Kernel(_Strict, frozen=True):
    """Placement and arguments of one program.

    ``compile_args`` and ``common_args`` map every declared name to a value (an accessor ``A`` has
    compile argument ``A`` = ``{"accessor": buffer}`` and common argument ``A_addr`` =
    ``{"addr": buffer}``). ``runtime_args`` maps core keys to values in the program's declared
    order (empty where the program declares none). ``work_args`` says which runtime arguments are
    fields of the core's work descriptor (``start``, ``count``; ``x0``, ``y0``, ``width``,
    ``height``) or the ``len_k`` of its items.
    """

    program: str
    core_ranges: tuple[CoreRange, ...]
    noc: Literal[0, 1] | None = None
    compute: ComputeConfig | None = None
    compile_args: dict[str, ArgValue] = {}
    common_args: dict[str, ArgValue] = {}
    runtime_args: dict[str, tuple[ArgValue, ...]] = {}
    work_args: dict[str, str] = {}


class Device(_Strict, frozen=True):
    """The device a plan was made for: a name of the architecture table, spelled out."""

    name: str
    arch: str
    board: str


class Plan(_Strict, frozen=True):
    """``tt.plan.json``.

    ``kernel_grid`` is T.Kernel's extents (gx, gy, gz); ``coalesce`` how many source blocks per
    axis one work block joins, so the work grid is ``ceil(kernel_grid / coalesce)``.
    ``core_grid`` is the physical grid or sub-grid (columns, rows) that ``core_ranges`` lie in.
    ``work_partition`` and ``work_descriptors`` have one entry per core of ``core_ranges``.
    Every work block belongs to exactly one core and runs once. ``io`` is the order of tensors as
    the host passes them: inputs and tables first, then outputs and inouts. The contents of a work
    table follow from the work lists (``work.table_contents``).
    """

    schema_version: int
    name: str
    device: Device
    options: dict[str, Any]
    kernel_grid: tuple[Positive, Positive, Positive]
    core_grid: tuple[Positive, Positive]
    core_ranges: tuple[CoreRange, ...]
    work_partition: dict[str, tuple[WorkItem, ...]]
    work_descriptors: dict[str, Linear | Rect | Table]
    layouts: dict[str, Layout]
    output_blocks: dict[str, BlockMap]
    io: tuple[str, ...]
    circular_buffers: tuple[CircularBuffer, ...]
    kernels: tuple[Kernel, ...]
    op_table_version: int
    programs_sha256: str
    coalesce: tuple[Positive, Positive, Positive] = (1, 1, 1)
    semaphores: tuple[Semaphore, ...] = ()
