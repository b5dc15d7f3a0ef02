"""The printer's table: one line of tt-metal C++ per device op, and the header that declares it.

Names, arity and template parameters are those of the headers in the ttnn 0.81.1 wheel
(``tt_metal/hw/inc/api``). Templates are filled with the op's operands by name; besides, ``bits``
is a float operand's binary32 pattern, ``mcast`` a rectangle's NoC address, ``core`` the NoC address
of a local address on core (x, y), and the fields of :mod:`harness.codegen.fields`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from simulator.isa import BCAST_DIMS, ROUNDING, SFPU_BINARY, SFPU_SCALAR, SFPU_UNARY

TTNN_VERSION: Final = "0.81.1"
"""The release whose API is printed."""

DATAFLOW: Final = "api/dataflow/dataflow_api.h"
COMMON: Final = "api/compute/common.h"
_UNARY: Final = "api/compute/eltwise_unary"


@dataclass(frozen=True)
class Line:
    """How one op is printed.

    Attributes:
        text: a template of one statement.
        include: header, below ``tt_metal/hw/inc``.
        helpers: helpers of :mod:`harness.codegen.helpers` the statement calls.
    """

    text: str
    include: str
    helpers: tuple[str, ...] = ()


def _data_movement() -> dict[str, Line]:
    def line(text: str, *helpers: str) -> Line:
        return Line(text, DATAFLOW, helpers)

    sem = "reinterpret_cast<volatile tt_l1_ptr uint32_t*>({sem})"
    return {
        "noc_async_read_page": line("noc_async_read_page({page}, {tensor}, {l1});"),
        "noc_async_write_page": line("noc_async_write_page({page}, {tensor}, {l1});"),
        "noc_async_read_partial_page": line(
            "noc_async_read({tensor}.get_noc_addr({page}, {offset}), {l1}, {bytes});"
        ),
        "noc_async_write_partial_page": line(
            "noc_async_write({l1}, {tensor}.get_noc_addr({page}, {offset}), {bytes});"
        ),
        "noc_async_read": line("noc_async_read({core_src}, {dst}, {bytes});", "noc_cores"),
        "noc_async_write": line("noc_async_write({src}, {core_dst}, {bytes});", "noc_cores"),
        "noc_async_write_multicast": line(
            "noc_async_write_multicast({src}, {mcast_dst}, {bytes}, {num_dests});", "noc_cores"
        ),
        "noc_async_write_multicast_loopback_src": line(
            "noc_async_write_multicast_loopback_src({src}, {mcast_dst}, {bytes}, {num_dests});",
            "noc_cores",
        ),
        "noc_async_read_barrier": line("noc_async_read_barrier();"),
        "noc_async_write_barrier": line("noc_async_write_barrier();"),
        "noc_async_writes_flushed": line("noc_async_writes_flushed();"),
        "noc_semaphore_set": line(f"noc_semaphore_set({sem}, {{value}});"),
        "noc_semaphore_wait": line(f"noc_semaphore_wait({sem}, {{value}});"),
        "noc_semaphore_wait_min": line(f"noc_semaphore_wait_min({sem}, {{value}});"),
        "noc_semaphore_inc": line("noc_semaphore_inc({core_sem}, {value});", "noc_cores"),
        "noc_semaphore_set_multicast": line(
            "noc_semaphore_set_multicast({sem}, {mcast_sem}, {num_dests});", "noc_cores"
        ),
        "noc_semaphore_inc_multicast": line(
            "noc_semaphore_inc_multicast({mcast_sem}, {value}, {num_dests});", "noc_cores"
        ),
        "zero_tile_region": line("{zero_tile_region}({l1}, {rows}, {cols});"),
        "generate_reduce_scaler": line(
            "generate_reduce_scaler({l1}, {scaler_words}, {pattern});  // {value}",
            "generate_reduce_scaler",
        ),
        "fill_tile_l1": line("fill_tile_l1({l1}, {fill_words});  // {value}", "fill_tile_l1"),
        "index_tile_l1": line(
            "index_tile_l1<{tile_shape}>({l1}, {base}, {row_step}, {col_step});", "index_tile_l1"
        ),
        "copy_l1": line("copy_l1({l1}, {src}, {bytes});", "copy_l1"),
        "copy_datums_l1": line(
            "copy_datums_l1<{datum}>({l1}, {src}, {rows}, {cols}, {to_row}, {to_col}, {down},"
            " {right}, {to_width}, {row}, {col}, {row_down}, {col_down}, {col_right}, {width});",
            "copy_datums_l1",
        ),
    }


def _handshake() -> dict[str, Line]:
    # The dataflow and the compute header each declare these; the printer includes its thread's.
    names = ("cb_reserve_back", "cb_push_back", "cb_wait_front", "cb_pop_front")
    return {name: Line(f"{name}({{cb}}, {{n}});", "") for name in names}


def _compute() -> dict[str, Line]:
    def line(text: str, header: str) -> Line:
        return Line(text, f"api/compute/{header}.h")

    bcast = "<BroadcastType::{dim}>"
    reduce = "<PoolType::{pool}, ReduceDim::{dim}>"
    out = {
        "compute_kernel_hw_startup": line(
            "compute_kernel_hw_startup<SrcOrder::{order}>({in0}, {in1}, {out});",
            "compute_kernel_hw_startup",
        ),
        "reconfig_data_format": line(
            "reconfig_data_format({srca}, {srcb});", "reconfig_data_format"
        ),
        "reconfig_data_format_srca": line(
            "reconfig_data_format_srca({srca});", "reconfig_data_format"
        ),
        "pack_reconfig_data_format": line(
            "pack_reconfig_data_format({out});", "reconfig_data_format"
        ),
        "pack_reconfig_l1_acc": line("pack_reconfig_l1_acc({enable});", "pack"),
        "tile_regs_acquire": line("tile_regs_acquire();", "reg_api"),
        "tile_regs_commit": line("tile_regs_commit();", "reg_api"),
        "tile_regs_wait": line("tile_regs_wait();", "reg_api"),
        "tile_regs_release": line("tile_regs_release();", "reg_api"),
        "copy_init": line("copy_init({cb});", "tile_move_copy"),
        "copy_tile": line("copy_tile({cb}, {index}, {dst});", "tile_move_copy"),
        "pack_tile": line("pack_tile({dst}, {cb});", "pack"),
        "pack_tile_out_of_order": line("pack_tile<true>({dst}, {cb}, {index});", "pack"),
        "matmul_init": line("matmul_init({in0}, {in1}, {transpose});", "matmul"),
        "matmul_tiles": line("matmul_tiles({in0}, {in1}, {index0}, {index1}, {dst});", "matmul"),
        "transpose_init": line("transpose_init({cb});", "transpose"),
        "transpose_tile": line("transpose_tile({cb}, {index}, {dst});", "transpose"),
        "transpose_dest_init": line("transpose_dest_init<{wide}>();", "transpose_dest"),
        "transpose_dest": line("transpose_dest<{wide}>({dst});", "transpose_dest"),
        "unary_bcast_init": line(f"unary_bcast_init{bcast}({{cb}});", "bcast"),
        "unary_bcast_uninit": line(f"unary_bcast_uninit{bcast}({{cb}});", "bcast"),
        "unary_bcast": line(f"unary_bcast{bcast}({{cb}}, {{index}}, {{dst}});", "bcast"),
        "reduce_init": line(f"reduce_init{reduce}({{cb}}, {{scaler}}, {{out}});", "reduce"),
        "reduce_tile": line(
            f"reduce_tile{reduce}({{cb}}, {{scaler}}, {{index}}, {{scaler_index}}, {{dst}});",
            "reduce",
        ),
        "reduce_uninit": line("reduce_uninit();", "reduce"),
    }
    operands = "({in0}, {in1}, {index0}, {index1}, {dst});"
    for name in ("add", "sub", "mul"):
        out[f"{name}_init"] = line(f"{name}_init({{in0}}, {{in1}});", "eltwise_binary")
        out[f"{name}_tiles"] = line(f"{name}_tiles{operands}", "eltwise_binary")
        for dim in BCAST_DIMS:
            suffix = {"ROW": "rows", "COL": "cols", "SCALAR": "scalar"}[dim]
            init = f"{name}_bcast_{suffix}_init"
            out[init] = line(f"{init}({{in0}}, {{in1}});", "bcast")
            tiles = f"{name}_tiles_bcast_{suffix}"
            out[tiles] = line(tiles + operands, "bcast")
    return out


_HEADERS: Final[Mapping[str, str]] = {
    **dict.fromkeys(("exp2", "log", "sigmoid", "tanh", "silu", "square", "sign", "abs"),
                    "api/compute/compute_kernel_api.h"),
    **dict.fromkeys(("sin", "cos"), f"{_UNARY}/trigonometry.h"),
    **dict.fromkeys(ROUNDING, f"{_UNARY}/rounding.h"),
    **dict.fromkeys(("eqz", "nez", "gtz", "ltz", "gez", "lez"), f"{_UNARY}/comp.h"),
    "erf": f"{_UNARY}/erf_erfc.h",
    **dict.fromkeys(("binary_max", "binary_min"), "api/compute/binary_max_min.h"),
}  # fmt: skip
"""Headers of SFPU functions; the rest have one of their own name."""

_MODES: Final[Mapping[str, str]] = {"gelu": "<{approximate}>", "erf": "<{approximate}>"}
"""Template arguments where the default is the fast approximation whatever the kernel's mode is."""

_INITS: Final[Mapping[str, str]] = {
    **dict.fromkeys(ROUNDING, "rounding_op"),
}
"""Inits that are not ``<name>_tile_init()``: the name they have instead."""


def _sfpu() -> dict[str, Line]:
    out: dict[str, Line] = {}

    def add(name: str, call: str, header: str) -> None:
        mode = _MODES.get(name, "")
        init = f"{_INITS.get(name, name)}_tile_init"
        out.setdefault(init, Line(f"{init}{mode}();", header))
        out[f"{name}_tile"] = Line(f"{name}_tile{mode}{call}", header)

    for name in SFPU_UNARY:
        call = "({dst}, 0);" if name == "round" else "({dst});"
        add(name, call, _HEADERS.get(name, f"{_UNARY}/{name}.h"))
    for name in SFPU_BINARY:
        add(name, "({a}, {b}, {out});", _HEADERS.get(name, "api/compute/eltwise_binary_sfpu.h"))
    header = f"{_UNARY}/binop_with_scalar.h"
    out["binop_with_scalar_tile_init"] = Line("binop_with_scalar_tile_init();", header)
    for name in SFPU_SCALAR:
        out[f"{name}_tile"] = Line(f"{name}_tile({{dst}}, {{bits}});  // {{value}}", header)
    add("fill", "({dst}, {value});", f"{_UNARY}/fill.h")
    add("where", "<{dst_format}>({cond}, {a}, {b}, {out});", f"{_UNARY}/where.h")
    header = f"{_UNARY}/typecast.h"
    out["typecast_tile_init"] = Line("typecast_tile_init<{cast}>();", header)
    out["typecast_tile"] = Line("typecast_tile<{cast}>({dst});", header)
    return out


LINES: Final[Mapping[str, Line]] = MappingProxyType(
    _handshake() | _data_movement() | _compute() | _sfpu()
)
"""Op name to line; a test holds it equal to the isa table's ops."""
