"""The functions of before the five passes: each warns, and keeps its old meaning.

:data:`TABLE` says of each what it must write and what it does better on purpose.
"""

from harness.compiler.compat.convert import (
    apply_compatibility_transforms,
    apply_tt_defaults,
    legacy_to_new_attrs,
)
from harness.compiler.compat.metadata import (
    apply_layout_aware_metadata_passes,
    apply_tt_metadata_passes,
    infer_default_tt_schedule,
    infer_default_tt_shard,
    infer_tt_layout,
    layout_aware_work_partition_tt,
    propagate_tt_layout,
    tt_tiles_to_core_map,
)
from harness.compiler.compat.table import TABLE, Legacy
from harness.compiler.compat.transforms import (
    apply_tt_transform_passes,
    grid_to_persistent_tt,
    lower_gemm_to_tt_intrinsics,
    memory_space_lower_tt,
    tile_pad_tt,
    verify_tt_ir,
)

__all__ = [
    "TABLE",
    "Legacy",
    "apply_compatibility_transforms",
    "apply_layout_aware_metadata_passes",
    "apply_tt_defaults",
    "apply_tt_metadata_passes",
    "apply_tt_transform_passes",
    "grid_to_persistent_tt",
    "infer_default_tt_schedule",
    "infer_default_tt_shard",
    "infer_tt_layout",
    "layout_aware_work_partition_tt",
    "legacy_to_new_attrs",
    "lower_gemm_to_tt_intrinsics",
    "memory_space_lower_tt",
    "propagate_tt_layout",
    "tile_pad_tt",
    "tt_tiles_to_core_map",
    "verify_tt_ir",
]
