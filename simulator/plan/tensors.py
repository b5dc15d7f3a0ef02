"""Shapes of buffers: padding to tiles, tile grids, pages."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from simulator.formats.dataformat import DataFormat
from simulator.plan.schema import Layout, Plan


def ceil_div(a: int, b: int) -> int:
    """``a / b`` rounded up."""
    return -(-a // b)


def round_up(a: int, b: int) -> int:
    """``a`` rounded up to a multiple of ``b``."""
    return ceil_div(a, b) * b


def padded_shape(logical: Sequence[int], tile: tuple[int, int] = (32, 32)) -> tuple[int, ...]:
    """``logical`` with its last two dimensions rounded up to tiles; N is stored as 1 x N."""
    shape = tuple(logical) if len(logical) > 1 else (1, *logical)
    return (*shape[:-2], round_up(shape[-2], tile[0]), round_up(shape[-1], tile[1]))


def tile_grid(layout: Layout) -> tuple[int, ...]:
    """Pages of a buffer along each dimension: elements, then row tiles and column tiles.

    This is the index space of :class:`~simulator.plan.schema.BlockMap` and, row-major, of pages.
    """
    shape = layout.padded_shape
    height, width = layout.tile_shape
    return (*shape[:-2], ceil_div(shape[-2], height), ceil_div(shape[-1], width))


def page_count(layout: Layout) -> int:
    """Tiles of the whole buffer."""
    return prod(tile_grid(layout))


def page_bytes(layout: Layout) -> int:
    """Bytes of one page (a tile), without alignment.

    Raises:
        FormatError: unknown dtype or illegal tile shape.
    """
    return DataFormat.from_ir(layout.dtype).tile_bytes(layout.tile_shape)


def named_tensors(plan: Plan) -> set[str]:
    """Buffers an argument of a kernel names, or a circular buffer in place; nobody uses another."""
    found = {cb.tensor for cb in plan.circular_buffers if cb.tensor is not None}
    for kernel in plan.kernels:
        per_core = (value for values in kernel.runtime_args.values() for value in values)
        for value in (*kernel.compile_args.values(), *kernel.common_args.values(), *per_core):
            if isinstance(value, dict):
                found |= {str(value[form]) for form in ("accessor", "addr") if form in value}
    return found


def shard_pages(layout: Layout) -> int:
    """Tiles of one shard of a sharded buffer.

    Raises:
        ValueError: the buffer is not sharded.
    """
    if layout.shard is None:
        raise ValueError("the buffer is not sharded")
    shape = layout.shard.shape
    height, width = layout.tile_shape
    return prod(shape[:-2]) * ceil_div(shape[-2], height) * ceil_div(shape[-1], width)


def shard_count(layout: Layout) -> int:
    """Shards a sharded buffer is cut into.

    Raises:
        ValueError: the buffer is not sharded.
    """
    if layout.shard is None:
        raise ValueError("the buffer is not sharded")
    return prod(shard_grid(layout))


def shard_grid(layout: Layout) -> tuple[int, ...]:
    """Shards along each dimension of the (2-D, for nd: whole) padded shape.

    Raises:
        ValueError: the buffer is not sharded.
    """
    if layout.shard is None:
        raise ValueError("the buffer is not sharded")
    shape = layout.padded_shape
    if layout.shard.strategy != "nd":
        shape = (prod(shape[:-1]), shape[-1])
    return tuple(ceil_div(n, s) for n, s in zip(shape, layout.shard.shape, strict=True))
