"""What the first three passes claim, recomputed from the source by other means.

Grid, roles and shapes are read by the golden's own reader; formats, pages and tile counts from a
table here; the partition is expanded and counted; the tiles each block writes are compared with the
elements the golden saw written.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

import numpy as np

from golden.source import is_scalar, statements
from golden.tables.decisions import deciding_values
from golden.tables.indices import index_ranges
from golden.tables.stored import told_outputs
from golden.tables.told import telling
from simulator.plan.views import viewed

TILE: Final = 32
FORMATS: Final = MappingProxyType({
    "bool": ("Float16_b", 2048),  # 0 and 1
    "float32": ("Float32", 4096), "bfloat16": ("Float16_b", 2048), "float16": ("Float16", 2048),
    "int32": ("Int32", 4096), "int8": ("Int8", 1024), "uint8": ("UInt8", 1024),
    "int8_bytes": ("UInt8", 1024),
    "uint16": ("UInt16", 2048), "uint32": ("UInt32", 4096),
    "bfloat8_b": ("Bfp8_b", 1088), "bfloat4_b": ("Bfp4_b", 576),
})  # fmt: skip
"""Data format and tile bytes by dtype."""
TURNS: Final = "tt.turns"
"""Annotation of the loop over the blocks of a work block, of which the last may have fewer."""
FORMS: Final = ("full", "row", "col", "scalar")


def grid_of(kernel: Any) -> list[int]:
    """[gx, gy, gz] of a kernel as the golden reads it."""
    extents = kernel.work_grid
    return [*extents, 1, 1, 1][:3]


def _padded(shape: Sequence[int]) -> list[int]:
    full = [1, *shape] if len(shape) == 1 else list(shape)
    return [*full[:-2], *(-(-n // TILE) * TILE for n in full[-2:])]


def infer_layout(kernel: Any, inferred: Any, found: Mapping[str, Any]) -> str:
    """What is wrong with InferTTLayout's attributes; empty where nothing is.

    ``kernel`` is the source, ``inferred`` the kernel after the pass.
    """
    grid = grid_of(inferred)
    if list(found.get("tt.kernel_grid", ())) != grid:
        return f"tt.kernel_grid is {found.get('tt.kernel_grid')}, the kernel's grid is {grid}"
    if list(found.get("tt.core_grid", ())) != grid[:2]:
        return f"tt.core_grid is {found.get('tt.core_grid')}, the kernel's grid is {grid}"
    layouts = found.get("tt.layout_desc", {})
    if set(layouts) != {t.name for t in kernel.tensors}:
        return f"layouts of {sorted(layouts)}, the kernel takes {[t.name for t in kernel.tensors]}"
    indices = {*index_ranges(kernel), *deciding_values(kernel)}
    # What is compared with places may be data as well: tiles, if the layout does not say rows.
    indices |= {n for n in telling(kernel) if layouts[n].get("tile_shape", [0])[0] == 1}
    for tensor in kernel.tensors:
        read, written = tensor.name in kernel.inputs, tensor.name in kernel.outputs
        role = "inout" if read and written else "output" if written else "input"
        stored = viewed(tensor.shape, layouts[tensor.name].get("view", ()))
        dtype = tensor.stored
        if tensor.name in indices and dtype == "uint8":
            dtype = "int32"  # which threads load
        want = {"dtype": dtype, "role": role, "logical_shape": list(tensor.shape),
                "padded_shape": _padded(stored)}  # fmt: skip
        if tensor.name in indices:  # rows, aligned when the device is known
            want |= {"padded_shape": [1, *stored][-max(2, len(stored)):],
                     "tile_shape": [1, stored[-1]]}  # fmt: skip
        for key, value in want.items():
            if layouts[tensor.name].get(key) != value:
                return f"{tensor.name}: {key} is {layouts[tensor.name].get(key)}, not {value}"
    return ""


def propagate_layout(kernel: Any, found: Mapping[str, Any]) -> str:
    """What is wrong with PropagateTTLayout's attributes; empty where nothing is."""
    known = found.get("tt.onchip_desc", {})
    for buffer in kernel.buffers:
        if buffer.is_tensor or is_scalar(buffer.var):
            continue
        data = known.get(buffer.name)
        if data is None:
            return f"{buffer.name} has no description"
        kept = FORMATS[buffer.dtype if buffer.dtype == "bool" else buffer.stored]
        if buffer.dtype == "bfloat16":  # which may keep the block format of what it is loaded from
            blocks = {FORMATS[t.dtype] for t in kernel.tensors if t.dtype.endswith("_b")}
            kept = next((f for f in blocks if f[0] == data.get("data_format")), kept)
        if (
            buffer.dtype in ("int32", "int8", "uint8")
            and data.get("data_format") == FORMATS["float32"][0]
        ):
            kept = FORMATS["float32"]  # whole numbers computed in float32: execution tells
        name, size = kept
        rows, columns = [1, *buffer.shape][-2:]
        lead = int(np.prod(buffer.shape[:-2], dtype=np.int64))
        tiles = [lead, -(-rows // TILE), -(-columns // TILE)]
        want = {
            "data_format": name,
            "page_bytes": size,
            "tiles": tiles,
            "shape": list(buffer.shape),
        }
        for key, value in want.items():
            if data.get(key) != value:
                return f"{buffer.name}: {key} is {data.get(key)}, not {value}"
        if data.get("form") not in FORMS:
            return f"{buffer.name}: form {data.get('form')!r}"
        if len(buffer.shape) > 1 and min(buffer.shape[-2:]) > 1 and data["form"] != "full":
            return f"{buffer.name} of shape {buffer.shape} has form {data['form']}"
    return ""


def core_map(kernel: Any, mapped: Any, found: Mapping[str, Any], written: Mapping[str, Any]) -> str:
    """What is wrong with TTTilesToCoreMap's attributes; empty where nothing is.

    ``kernel`` is the kernel before the pass, ``mapped`` the one after it, ``written`` the elements
    of each output that the golden saw written.
    """
    gx, gy, gz = grid_of(mapped)
    factors = found.get("tt.coalesce", [1, 1, 1])
    whole = [-(-g // f) for g, f in zip(grid_of(kernel), factors, strict=True)]
    if whole != [gx, gy, gz]:
        return (
            f"grid {grid_of(kernel)} joined by {factors} is {whole}, the kernel's is {gx, gy, gz}"
        )
    width, height = found["tt.device_grid"]
    seen: list[tuple[int, int, int]] = []
    for core, items in found["tt.work_partition"].items():
        x, y = (int(v) for v in core.strip("()").split(","))
        if not (0 <= x < width and 0 <= y < height) or not _inside(found["tt.core_ranges"], x, y):
            return f"core {core} is outside the core ranges"
        mine = [(i["jo"], i["io"], i.get("bo", 0)) for i in items]
        if mine != expand(found["tt.work_descriptors"][core], (gx, gy, gz)):
            return f"core {core}: the descriptor is not the list of blocks"
        seen += mine
    blocks = {(x, y, z) for x in range(gx) for y in range(gy) for z in range(gz)}
    if len(seen) != len(blocks) or set(seen) != blocks:
        return f"{len(seen)} blocks are dealt, {len(set(seen) & blocks)} of {len(blocks)} different"
    fewer = any(TURNS in getattr(s, "annotations", ()) and hasattr(s.body, "condition")
                for s in statements(mapped.body))  # fmt: skip
    told = told_outputs(kernel)
    for name, mask in written.items():
        block = found["tt.output_blocks"].get(name)
        if name in told:
            reason = _any_tile(block, mask)
        else:
            reason = _covers(block, mask, sorted(blocks), fewer=fewer)
        if reason:
            return f"{name}: {reason}"
    return ""


def _inside(ranges: Sequence[Mapping[str, Any]], x: int, y: int) -> bool:
    return any(
        r["start"][0] <= x < r["start"][0] + r["extent"][0]
        and r["start"][1] <= y < r["start"][1] + r["extent"][1]
        for r in ranges
    )


def expand(descriptor: Mapping[str, Any], grid: tuple[int, int, int]) -> list[tuple[int, int, int]]:
    """Blocks (bx, by, bz) of a work descriptor, in order."""
    gx, gy, gz = grid
    if descriptor["form"] == "linear":
        ids = range(descriptor["start"], descriptor["start"] + descriptor["count"])
        if descriptor["order"] == "column_major":
            return [(i // gy % gx, i % gy, i // gx // gy) for i in ids]
        if descriptor["order"] == "z_order":
            return [block for place, block in curve(grid) if place in ids]
        return [(i % gx, i // gx % gy, i // gx // gy) for i in ids]
    x0, y0 = descriptor["x0"], descriptor["y0"]
    xs, ys = range(x0, x0 + descriptor["width"]), range(y0, y0 + descriptor["height"])
    return [(x, y, z) for z in range(gz) for y in ys for x in xs]


def curve(grid: tuple[int, int, int]) -> list[tuple[int, tuple[int, int, int]]]:
    """Blocks with their places on the Z curve of the smallest grid of powers of two.

    From the lowest, a bit of bx and a bit of by in turn, as long as an axis has bits; then bz.
    """
    gx, gy, gz = grid
    out = []
    for x, y, z in np.ndindex(gx, gy, gz):
        place = shift = 0
        for bit in range(max(gx, gy).bit_length()):
            for value, extent in ((x, gx), (y, gy)):
                if extent > 1 << bit:
                    place |= (value >> bit & 1) << shift
                    shift += 1
        out.append((place | z << shift, (x, y, z)))
    return sorted(out)


def _any_tile(block: Mapping[str, Any] | None, mask: Any) -> str:
    """Whether a map says nothing of what blocks write, which memory decides."""
    if block is None or block.get("coverage") != "told":
        return f"memory decides what is stored, and the map is {block}"
    whole = mask.shape if mask.ndim > 1 else (1, *mask.shape)
    tiles = [*whole[:-2], *(-(-n // TILE) for n in whole[-2:])]
    moves = any(n for axis in ("base", "x", "y", "z") for n in block[axis])
    return "the map is not of all tiles" if moves or list(block["extent"]) != tiles else ""


def _covers(
    block: Mapping[str, Any] | None, mask: Any, blocks: Sequence[tuple[int, ...]], *, fewer: bool
) -> str:  # fmt: skip
    """Whether the tiles of all blocks are the tiles with written elements, each once.

    ``fewer``: the last work block does fewer blocks in turn than the map counts for it.
    """
    if block is None:
        return "no block map"
    full = mask if mask.ndim > 1 else mask[None]
    shape = [*full.shape[:-2], *(-(-n // TILE) for n in full.shape[-2:])]
    count = np.zeros(shape, int)
    for x, y, z in blocks:
        first = [b + x * i + y * j + z * k for b, i, j, k in zip(
            block["base"], block["x"], block["y"], block["z"], strict=True)]  # fmt: skip
        index = tuple(slice(max(0, f), max(0, f + e))
                      for f, e in zip(first, block["extent"], strict=True))  # fmt: skip
        count[index] += 1
    padded = np.zeros([*full.shape[:-2], *(n * TILE for n in shape[-2:])], bool)
    padded[tuple(slice(0, n) for n in full.shape)] = full
    lead = len(shape) - 2
    split = padded.reshape(*shape[:-2], shape[-2], TILE, shape[-1], TILE)
    tiles = split.any(axis=(lead + 1, lead + 3))
    if (count > 1).any():
        return "two blocks claim one tile"
    if (tiles & (count == 0)).any():
        return f"{int((tiles & (count == 0)).sum())} written tiles belong to no block"
    if not fewer and block.get("coverage") == "full" and (~tiles & (count > 0)).any():
        return "a block claims a tile the source never writes"
    return ""
