"""Ops of the compute trio other than the SFPU's: configuration, DST, FPU, packer."""

from __future__ import annotations

from typing import Final

from simulator.isa.spec import (
    BCAST_DIMS,
    COMPUTE,
    ORDERS,
    POOL_TYPES,
    REDUCE_DIMS,
    Effect,
    OpSpec,
    op,
)

_UM: Final = "unpack math"
_ALL: Final = "unpack math pack"
_POOL: Final = f"pool:enum={'|'.join(POOL_TYPES)} dim:enum={'|'.join(REDUCE_DIMS)}"
_BCAST: Final = f"dim:enum={'|'.join(BCAST_DIMS)}"
_PAIR: Final = "in0:cb in1:cb index0:expr index1:expr dst:dst"

_Row = tuple[str, str, str, Effect, str, str | None]

_ROWS: Final[tuple[_Row, ...]] = (
    ("compute_kernel_hw_startup", f"order:enum={'|'.join(ORDERS)} in0:cb in1:cb out:cb", _ALL,
     "config", "Once, first: configure formats of unpacker, math and packer.", "startup"),
    ("reconfig_data_format", "srca:cb srcb:cb", _UM, "config",
     "Set the SrcA and SrcB formats to those of two CBs.", "src_format"),
    ("reconfig_data_format_srca", "srca:cb", _UM, "config",
     "Set the SrcA format to a CB's.", "src_format"),
    ("pack_reconfig_data_format", "out:cb", "pack", "config",
     "Set the packer's output format to a CB's.", "pack_format"),
    ("pack_reconfig_l1_acc", "enable:expr", "pack", "config",
     "Switch the packer's accumulation into L1 on or off.", "l1_acc"),
    ("tile_regs_acquire", "", "math", "dst_sync", "Math waits for a free DST half.", None),
    ("tile_regs_commit", "", "math", "dst_sync", "Math hands DST to the packer.", None),
    ("tile_regs_wait", "", "pack", "dst_sync", "Packer waits for DST.", None),
    ("tile_regs_release", "", "pack", "dst_sync", "Packer frees and clears DST.", None),
    ("copy_init", "cb:cb", _UM, "config", "Configure copy_tile from a CB.", "copy"),
    ("copy_tile", "cb:cb index:expr dst:dst", _UM, "unpack_math",
     "DST[dst] = tile index of the CB's front window.", "copy"),
    ("pack_tile", "dst:dst cb:cb", "pack", "pack",
     "Pack DST[dst] to the next tile of the CB's reserved window, in order.", None),
    ("pack_tile_out_of_order", "dst:dst cb:cb index:expr", "pack", "pack",
     "pack_tile<true>: pack DST[dst] to tile index of the reserved window.", None),
    ("matmul_init", "in0:cb in1:cb transpose:expr", _UM, "config",
     "Configure matmul_tiles; transpose flips in1 inside each tile.", "matmul"),
    ("matmul_tiles", _PAIR, _UM, "unpack_math",
     "DST[dst] += in0[index0] x in1[index1].", "matmul"),
    ("transpose_init", "cb:cb", _UM, "config", "Configure transpose_tile from a CB.",
     "transpose"),
    ("transpose_tile", "cb:cb index:expr dst:dst", _UM, "unpack_math",
     "DST[dst] = the CB's tile, transposed.", "transpose"),
    ("transpose_dest_init", "", "math", "config", "Configure transpose_dest.",
     "transpose_dest"),
    ("transpose_dest", "dst:dst", "math", "sfpu", "Transpose DST[dst] in place, exactly.",
     "transpose_dest"),
    ("unary_bcast_init", f"{_BCAST} cb:cb", _UM, "config",
     "Configure unary_bcast from a CB.", "unary_bcast"),
    ("unary_bcast_uninit", f"{_BCAST} cb:cb", _UM, "config",
     "Undo unary_bcast_init before another op's init.", "unary_bcast_uninit"),
    ("unary_bcast", f"{_BCAST} cb:cb index:expr dst:dst", _UM, "unpack_math",
     "DST[dst] = the first row, column or element of the CB's tile, everywhere.", "unary_bcast"),
    ("reduce_init", f"{_POOL} cb:cb scaler:cb out:cb", _ALL, "config",
     "Configure reduce_tile and the packer's mask.", "reduce"),
    ("reduce_tile", f"{_POOL} cb:cb scaler:cb index:expr scaler_index:expr dst:dst", _UM,
     "unpack_math", "DST[dst] = reduction of DST[dst] and the tile along dim.", "reduce"),
    ("reduce_uninit", "", "pack", "config",
     "Remove the packer's mask; later packs are zeroed without it.", "reduce_uninit"),
)  # fmt: skip


def _eltwise(name: str) -> tuple[_Row, ...]:
    """add, sub or mul of two CB tiles, plain and with in1's row, column or element repeated."""
    rows: list[_Row] = [
        (f"{name}_init", "in0:cb in1:cb", _UM, "config", f"Configure {name}_tiles.",
         f"{name}_tiles"),
        (f"{name}_tiles", _PAIR, _UM, "unpack_math",
         f"DST[dst] = in0[index0] {name} in1[index1] on the FPU.", f"{name}_tiles"),
    ]  # fmt: skip
    for suffix, what in (("rows", "row"), ("cols", "column"), ("scalar", "element")):
        key = f"{name}_bcast_{suffix}"
        rows.append((f"{key}_init", "in0:cb in1:cb", _UM, "config", f"Configure {key}.", key))
        rows.append((f"{name}_tiles_bcast_{suffix}", _PAIR, _UM, "unpack_math",
                     f"{name} with in1's first {what} repeated.", key))  # fmt: skip
    return tuple(rows)


def compute_core() -> tuple[OpSpec, ...]:
    """The rows of this file."""
    rows = _ROWS + _eltwise("add") + _eltwise("sub") + _eltwise("mul")
    return tuple(
        op(name, operands, COMPUTE, stages, effect, doc, config)
        for name, operands, stages, effect, doc, config in rows
    )
