"""All builders, and how deep a loop nest around each op may be fused into it."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from simulator.engine import (
    ops_cb,
    ops_config,
    ops_copy,
    ops_fill,
    ops_forms,
    ops_l1,
    ops_math,
    ops_matmul,
    ops_move,
    ops_noc,
    ops_partial,
    ops_sem,
    ops_sfpu,
)
from simulator.engine.code import Builders

BUILDERS: Final[Builders] = MappingProxyType(
    {
        **ops_cb.BUILDERS,
        **ops_config.BUILDERS,
        **ops_move.BUILDERS,
        **ops_math.BUILDERS,
        **ops_matmul.BUILDERS,
        **ops_sfpu.BUILDERS,
        **ops_noc.BUILDERS,
        **ops_partial.BUILDERS,
        **ops_fill.BUILDERS,
        **ops_forms.BUILDERS,
        **ops_l1.BUILDERS,
        **ops_copy.BUILDERS,
        **ops_sem.BUILDERS,
    }
)
"""Op name to builder."""

FUSED: Final = MappingProxyType(
    {
        "matmul_tiles": 3,
        "noc_async_read_page": 2,
        "noc_async_write_page": 2,
        **dict.fromkeys(ops_move.BUILDERS, 2),
        **{name: 2 for name in ops_math.BUILDERS if "_tiles" in name and name != "matmul_tiles"},
        **dict.fromkeys(ops_sfpu.BUILDERS, 2),
    }
)
"""Op name to levels of loops fused into one op; other ops run tile by tile."""
