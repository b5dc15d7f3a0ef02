"""Tensors on the device and back, with the plan's layouts and memory configurations."""

from __future__ import annotations

from typing import Any

import numpy as np

from .build import core_set

Json = dict[str, Any]
_STRATEGY = {
    "height": "HEIGHT_SHARDED",
    "width": "WIDTH_SHARDED",
    "block": "BLOCK_SHARDED",
    "nd": "ND_SHARDED",
}


def memory_config(ttnn: Any, spec: Json) -> Any:
    """Interleaved or sharded, in DRAM or L1."""
    kind = getattr(ttnn.BufferType, spec["memory"])
    shard = spec["shard"]
    if shard is None:
        return ttnn.MemoryConfig(ttnn.TensorMemoryLayout.INTERLEAVED, kind)
    cores = core_set(ttnn, shard["cores"])
    column = shard["orientation"] == "column_major"
    orientation = ttnn.ShardOrientation.COL_MAJOR if column else ttnn.ShardOrientation.ROW_MAJOR
    if shard["strategy"] == "nd":
        return ttnn.MemoryConfig(
            kind, ttnn.NdShardSpec(ttnn.Shape(shard["shape"]), cores, orientation)
        )
    layout = getattr(ttnn.TensorMemoryLayout, _STRATEGY[shard["strategy"]])
    return ttnn.MemoryConfig(layout, kind, ttnn.ShardSpec(cores, shard["shape"], orientation))


def place(ttnn: Any, device: Any, spec: Json, array: Any) -> Any:
    """A tensor on the device: uploaded, or allocated only where there is nothing to upload."""
    dtype, config = getattr(ttnn, spec["dtype"]), memory_config(ttnn, spec)
    plain = spec["tile"] == [32, 32]
    if array is None and plain:
        shape = ttnn.Shape(spec["shape"])
        return ttnn.allocate_tensor_on_device(shape, dtype, ttnn.TILE_LAYOUT, device, config)
    if array is None:
        array = np.zeros(spec["shape"], np.float32)
    tile = () if plain else (ttnn.Tile(tuple(spec["tile"])),)
    return ttnn.Tensor(array, dtype, device, ttnn.TILE_LAYOUT, config, *tile)


def fetch(ttnn: Any, tensor: Any) -> Any:
    """A tensor as a NumPy array of its logical shape: float32 for real dtypes, else integers."""
    return to_array(ttnn, ttnn.from_device(tensor))


def to_array(ttnn: Any, host: Any) -> Any:
    """A host tensor as a NumPy array; bfloat16 goes through float32, block formats likewise."""
    if host.dtype in (ttnn.bfloat16, ttnn.bfloat8_b, ttnn.bfloat4_b):
        host = ttnn.to_dtype(host, ttnn.float32)
    if host.layout != ttnn.ROW_MAJOR_LAYOUT:
        host = ttnn.to_layout(host, ttnn.ROW_MAJOR_LAYOUT)
    return np.array(host.to_numpy()).reshape(tuple(host.shape))
