"""Attribute keys and the small value types they hold.

Keys and shapes are the seed project's where it had them; every key has one writer pass and one
meaning. Nothing here says that something was done: attributes carry data the next pass reads.
"""

from __future__ import annotations

import marshal
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import tvm_ffi
from tvm.ir import StringImm
from tvm.tirx import FloatImm, IntImm

TT_CORE_GRID: Final = "tt.core_grid"
"""[gx, gy] of T.Kernel (InferTTLayout)."""
TT_KERNEL_GRID: Final = "tt.kernel_grid"
"""[gx, gy, gz] of T.Kernel (InferTTLayout)."""
TT_LAYOUT_DESC: Final = "tt.layout_desc"
"""{tensor: layout} of every parameter (InferTTLayout)."""
TT_USER_LAYOUT: Final = "tt.user_layout"
"""The user's layout annotations, possibly partial."""
TT_PARTITION_MODE: Final = "tt.partition_mode"
"""global, or local_shard: every core works on its own shard, in place."""
TT_KERNEL_LAYOUT: Final = "tt.kernel_layout"
"""Layouts of tensors that the kernel's own body states (``T.annotate_layout``)."""
TT_GRID: Final = "tt.grid"
"""Older spelling of the grid; ``compat.legacy_to_new_attrs`` turns it into ``tt.core_grid``."""
TT_RUNTIME_ARGS: Final = "tt.runtime_args"
"""Older spelling of the partition; ``compat.legacy_to_new_attrs`` turns it into the new one."""
TT_ONCHIP_DESC: Final = "tt.onchip_desc"
"""{buffer: {data_format, page_bytes, tiles, form}} of on-chip buffers (PropagateTTLayout)."""
TT_CORE_RANGES: Final = "tt.core_ranges"
"""[{start: [x, y], extent: [w, h]}] of the device's cores (TTTilesToCoreMap)."""
TT_CORE_RANGE: Final = "tt.core_range"
"""The single core range, where there is exactly one (TTTilesToCoreMap)."""
TT_DEVICE_GRID: Final = "tt.device_grid"
"""[x, y] of the physical grid or sub-grid (TTTilesToCoreMap)."""
TT_WORK_PARTITION: Final = "tt.work_partition"
"""{"(x,y)": [{io, jo, …}]} (TTTilesToCoreMap)."""
TT_WORK_DESCRIPTORS: Final = "tt.work_descriptors"
"""{"(x,y)": {form, …}}: what each core really receives (TTTilesToCoreMap)."""
TT_COALESCE: Final = "tt.coalesce"
"""[fx, fy, fz]: source blocks per work block (TTTilesToCoreMap)."""
TT_OUTPUT_BLOCKS: Final = "tt.output_blocks"
"""{tensor: block map}: the tiles one work block writes (TTTilesToCoreMap)."""
TT_PARTITION_STRATEGY: Final = "tt.partition_strategy"
TT_LEN_K: Final = "tt.len_k"
"""K loop length in 32-element tiles, where there is a gemm."""
TT_TARGET_DEVICE: Final = "tt.target_device"
TT_COMPUTE_CONFIG: Final = "tt.compute_config"
"""{math_fidelity, fp32_dest_acc_en, …} (LowerTTTileIntrinsics)."""
TT_THREAD: Final = "tt.thread"
"""AttrStmt key: the statement below is one block op of reader, compute or writer."""
TT_CONFIG_SCOPE: Final = "tt.config_scope"
"""AttrStmt key: one configuration stays in force over the statement below."""
TT_PLAN: Final = "tt.plan"
"""The plan, as JSON text (GridToPersistentTT)."""
TT_KERNEL: Final = "tt.kernel"
"""Name of the source kernel a reader, compute or writer function was split from."""
TT_PROCESSOR: Final = "tt.processor"
"""brisc, ncrisc or compute, of a split function."""


@dataclass(frozen=True)
class CoreRange:
    """A rectangle of cores: ``start`` (x, y) and ``extent`` (w, h)."""

    start: tuple[int, int]
    extent: tuple[int, int]

    def to_json(self) -> dict[str, list[int]]:
        """``{"start": [x, y], "extent": [w, h]}``."""
        return {"start": list(self.start), "extent": list(self.extent)}

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> CoreRange:
        """The inverse of :meth:`to_json`.

        Raises:
            ValueError: a key missing or not two integers.
        """
        pairs = []
        for key in ("start", "extent"):
            value = data.get(key)
            if value is None or len(value) != 2:
                raise ValueError(f"core range field {key!r} is {value!r}, not [int, int]")
            pairs.append((int(value[0]), int(value[1])))
        return CoreRange(pairs[0], pairs[1])


@dataclass(frozen=True)
class WorkItem:
    """One block: ``io`` = by, ``jo`` = bx, ``bo`` = bz; ``len_k`` in 32-element tiles."""

    io: int
    jo: int
    len_k: int | None = None
    tile_order: str | None = None
    bo: int = 0

    def to_json(self) -> dict[str, Any]:
        """Fields at their default are left out."""
        out: dict[str, Any] = {"io": self.io, "jo": self.jo}
        if self.bo:
            out["bo"] = self.bo
        if self.len_k is not None:
            out["len_k"] = self.len_k
        if self.tile_order is not None:
            out["tile_order"] = self.tile_order
        return out

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> WorkItem:
        """The inverse of :meth:`to_json`.

        Raises:
            ValueError: io or jo missing.
        """
        if "io" not in data or "jo" not in data:
            raise ValueError(f"work item {dict(data)!r} has no io or jo")
        len_k, order = data.get("len_k"), data.get("tile_order")
        return WorkItem(
            int(data["io"]),
            int(data["jo"]),
            None if len_k is None else int(len_k),
            None if order is None else str(order),
            int(data.get("bo", 0)),
        )


def as_py(value: Any) -> Any:
    """Plain Python data of a TVM attribute value."""
    kind = type(value)  # most values by their class first: isinstance of a container is slow
    if kind is int:
        return value
    if kind is tvm_ffi.Map:
        return {str(k): as_py(v) for k, v in value.items()}
    if kind is tvm_ffi.Array:
        return [as_py(v) for v in value[:]]
    if isinstance(value, str):
        return str(value)
    if isinstance(value, (bool, int, float)) or value is None:
        return value
    if isinstance(value, IntImm):
        return bool(value.value) if str(value.ty.dtype) == "bool" else int(value.value)
    if isinstance(value, FloatImm):
        return float(value.value)
    if isinstance(value, StringImm):
        return str(value.value)
    if isinstance(value, dict):
        return {str(k): as_py(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [as_py(v) for v in value]
    raise TypeError(f"attribute value of type {type(value).__name__} has no Python form")


def get(func: Any, key: str, default: Any = None) -> Any:
    """Attribute ``key`` of a function as plain Python data, which is the caller's own."""
    known = func.attrs
    if known is None or key not in known:
        return default
    value = known[key]
    if type(value) not in (tvm_ffi.Map, tvm_ffi.Array):
        return as_py(value)
    return marshal.loads(_packed(_Itself(value)))  # noqa: S302  (packed below)


@dataclass(frozen=True, eq=False)
class _Itself:
    """A container by identity: TVM holds two equal whose entries stand in another order."""

    value: Any

    def __hash__(self) -> int:
        return hash(self.value.__chandle__())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Itself) and bool(self.value.same_as(other.value))


@lru_cache(maxsize=64)
def _packed(held: _Itself) -> bytes:
    """A container in bytes, whatever function holds it: crossing to TVM by entries is slow."""
    return marshal.dumps(as_py(held.value))
