"""What each legacy function must write, and what it does better on purpose (decision 30).

Keys contain ``<n>`` where there is one attribute per tensor parameter. Everything not named under
``corrected`` has the meaning it had before the migration to five passes.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from harness.compiler import attrs

INFERRED: Final = (attrs.TT_CORE_GRID, attrs.TT_KERNEL_GRID, attrs.TT_LAYOUT_DESC)
PROPAGATED: Final = (*INFERRED, attrs.TT_ONCHIP_DESC)
MAPPED: Final = (*PROPAGATED, attrs.TT_CORE_RANGES, attrs.TT_WORK_PARTITION,
                 attrs.TT_WORK_DESCRIPTORS, attrs.TT_OUTPUT_BLOCKS)  # fmt: skip
LOWERED: Final = (*MAPPED, attrs.TT_COMPUTE_CONFIG)
SPLIT: Final = (attrs.TT_KERNEL, attrs.TT_PROCESSOR, attrs.TT_PLAN)

SCHEDULE: Final = ("tt_num_tiles", "tt_grid_x", "tt_grid_y", "tt_grid_z", "tt_num_cores",
                   "tt_tiles_per_core", "tt_schedule")  # fmt: skip
SHARD: Final = (
    *(f"tt_buffer_<n>_{part}" for part in ("layout", "tile_shape", "num_tiles_height",
                                           "num_tiles_width", "needs_padding", "padded_shape")),
    "tt_shard",
)  # fmt: skip
PARTITION: Final = ("tt.partition_mode", "tt.grid_tiles", "tt.local_shape_tiles", "tt.shard_grid",
                    "tt.runtime_arg_names", "tt.runtime_constants", "tt_core_ranges",
                    "tt_core_runtime_args")  # fmt: skip
CORES: Final = ("tt_core_ranges", "tt_core_runtime_args")
PERSISTENT: Final = ("tt_runtime_args", "tt_persistent_loop", "tt_persistent_iteration_ndims")
PADDING: Final = ("tt_padding_info",)
BUFFERS: Final = ("tt_circular_buffers", "tt_num_cbs")
VERIFIED: Final = ("tt_ir_validated", "tt_validation_error_count", "tt_validation_warning_count")


@dataclass(frozen=True)
class Legacy:
    """One legacy function.

    Attributes:
        successor: what to call instead, as code.
        writes: its own attributes.
        new: attributes of the pipeline it writes as well.
        corrected: what it does better on purpose.
    """

    successor: str
    writes: tuple[str, ...] = ()
    new: tuple[str, ...] = ()
    corrected: tuple[str, ...] = ()


_CORES: Final = "cores of the device's table, not 64 in rows of 8"
_GRID: Final = "a stated grid that contradicts T.Kernel is refused"
_DATAFLOW: Final = "roles from dataflow, not from names"
_PAGES: Final = "pages are tiles, depths are the plan's: neither a name nor a shape decides them"
_REAL_K: Final = "Kt is the kernel's K loop in tiles, not 1"
_FORM: Final = "[x, y, x, y, start, count] is in tt_core_ranges; tt.core_ranges is the pipeline's"
_REAL: Final = "its predecessors run first where they have not, and the body really changes"
_RANK3: Final = "only the last two dimensions are padded, whatever the rank"
_NAMES: Final = "argument names are those the functions have: start and count"

TABLE: Final = MappingProxyType(
    {
        "infer_default_tt_schedule": Legacy(
            "InferTTLayout()(mod)", SCHEDULE, INFERRED, (_CORES, _GRID)
        ),
        "infer_default_tt_shard": Legacy(
            "PropagateTTLayout()(mod)",
            SHARD,
            PROPAGATED,
            ("leading dimensions of rank 3 and more are counted into neither tile count",),
        ),
        "apply_tt_metadata_passes": Legacy(
            "TTTilesToCoreMap()(PropagateTTLayout()(InferTTLayout()(mod)))",
            (*SCHEDULE, *SHARD),
            MAPPED,
            (_CORES, _GRID),
        ),
        "apply_tt_transform_passes": Legacy(
            "run_pipeline(mod, plan_path)",
            (*CORES, *BUFFERS, *PADDING, *PERSISTENT, *VERIFIED),
            SPLIT,
            (_CORES, _PAGES, _RANK3, _REAL, _NAMES, "no plan is written where no path is given"),
        ),
        "grid_to_persistent_tt": Legacy(
            "GridToPersistentTT()(mod)", PERSISTENT, SPLIT, (_REAL, _NAMES, _REAL_K)
        ),
        "tile_pad_tt": Legacy("InferTTLayout()(mod)", PADDING, INFERRED, (_RANK3, "1-D is 1 x N")),
        "verify_tt_ir": Legacy(
            "validate_module_for_tt(mod)",
            VERIFIED,
            (),
            ("what the passes and the plan's validation find, not which attributes are there",),
        ),
        "lower_gemm_to_tt_intrinsics": Legacy(
            "LowerTTTileIntrinsics()(mod)",
            (),
            LOWERED,
            (_REAL, "one DST bracket per output block, transpose only where the source asks"),
        ),
        "memory_space_lower_tt": Legacy(
            "GridToPersistentTT()(mod)", BUFFERS, LOWERED, (_PAGES, _REAL)
        ),
        "tt_tiles_to_core_map": Legacy("TTTilesToCoreMap()(mod)", CORES, MAPPED, (_CORES, _REAL)),
        "infer_tt_layout": Legacy(
            "InferTTLayout()(mod)",
            ("tt.buffer.<n>",),
            INFERRED,
            ("sharded layouts are honoured, not only recorded",),
        ),
        "propagate_tt_layout": Legacy(
            "PropagateTTLayout()(mod)", ("tt.cb.<n>",), PROPAGATED, (_REAL,)
        ),
        "layout_aware_work_partition_tt": Legacy(
            "TTTilesToCoreMap()(mod)", PARTITION, MAPPED, (_CORES, _REAL_K, _FORM, _REAL)
        ),
        "apply_layout_aware_metadata_passes": Legacy(
            "TTTilesToCoreMap()(PropagateTTLayout()(InferTTLayout()(mod)))",
            ("tt.buffer.<n>", "tt.cb.<n>", *PARTITION),
            MAPPED,
            (_CORES, _REAL_K, _FORM),
        ),
        "legacy_to_new_attrs": Legacy(
            "ir_sugar.with_core_grid(func, 2, 3)",
            (),
            INFERRED,
            (_DATAFLOW, _GRID, "no partition is made up where none is given"),
        ),
        "apply_compatibility_transforms": Legacy(
            "InferTTLayout()(mod)",
            (),
            INFERRED,
            (_DATAFLOW, _GRID, "no partition is made up where none is given"),
        ),
        "apply_tt_defaults": Legacy(
            "CompileOptions()",
            ("tt_schedule_policy", "tt_schedule_order", "tt_layout_type", "tt_tile_height",
             "tt_tile_width"),
        ),
    }
)  # fmt: skip
"""Legacy name to what it must do."""
