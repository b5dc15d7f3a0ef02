"""The device-op table: every op a program may contain, once.

Names are tt-metal's current ones (ttnn 0.81.1). The compiler targets this table, the loader checks
arity and thread against it, the engine dispatches on it, the C++ printer prints it.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

OP_TABLE_VERSION: Final = 1
"""Raised whenever an op's name, operands or meaning changes."""

Kind = Literal[
    "cb",  # circular buffer id, a literal integer
    "expr",  # integer expression: a count, page id, tile index, byte count, value
    "dst",  # integer expression: tile index in DST
    "tensor",  # name of an accessor the program declares
    "l1",  # integer expression: L1 byte address on this core
    "sem",  # semaphore id, a literal integer
    "float",  # literal float32 value
    "enum",  # literal string out of Operand.choices
    "format",  # literal DataFormat name
]
"""What an operand is."""

Stage = Literal["dm", "unpack", "math", "pack"]
"""Where an op executes: a data-movement RISC, or stages of the compute trio."""

Effect = Literal[
    "cb",  # circular-buffer handshake
    "noc_read",
    "noc_write",
    "noc_barrier",
    "semaphore",
    "l1_write",  # the RISC itself writes local L1
    "config",  # init, uninit, reconfigure: per-stage configuration state
    "dst_sync",  # tile_regs_*
    "unpack_math",  # reads CBs, writes DST
    "sfpu",  # reads and writes DST
    "pack",  # reads DST, writes a CB
]
"""What class of effect an op has."""


@dataclass(frozen=True)
class Operand:
    """One positional operand."""

    name: str
    kind: Kind
    choices: tuple[str, ...] = ()


@dataclass(frozen=True)
class OpSpec:
    """One device op.

    Attributes:
        name: tt-metal's name.
        operands: in call order.
        threads: program threads that may issue it.
        stages: where it executes (the agents that act, for happens-before).
        effect: effect class.
        config: for ops that need configuration, the key that an ``*_init`` op must have
            established last (the init op carries the same key); None where none is needed.
        doc: one line of meaning.
    """

    name: str
    operands: tuple[Operand, ...]
    threads: frozenset[str]
    stages: frozenset[str]
    effect: Effect
    config: str | None
    doc: str


_DM: Final = frozenset({"brisc", "ncrisc"})
_COMPUTE: Final = frozenset({"compute"})
_ALL: Final = _DM | _COMPUTE

ORDERS: Final = ("Forward", "Reverse")
"""SrcOrder of compute_kernel_hw_startup; matmul kernels use Reverse (in0 goes to SrcB)."""
POOL_TYPES: Final = ("SUM", "AVG", "MAX")
REDUCE_DIMS: Final = ("REDUCE_ROW", "REDUCE_COL", "REDUCE_SCALAR")
BCAST_DIMS: Final = ("ROW", "COL", "SCALAR")


def _operands(text: str) -> tuple[Operand, ...]:
    """``"cb:cb n:expr"`` to operands; enum choices are written ``name:enum=A|B``."""
    out = []
    for item in text.split():
        name, kind = item.split(":")
        kind, _, choices = kind.partition("=")
        out.append(Operand(name, kind, tuple(choices.split("|")) if choices else ()))  # type: ignore[arg-type]
    return tuple(out)


def _op(
    name: str,
    operands: str,
    threads: frozenset[str],
    stages: str,
    effect: Effect,
    doc: str,
    config: str | None = None,
) -> OpSpec:
    return OpSpec(
        name, _operands(operands), threads, frozenset(stages.split()), effect, config, doc
    )


def _data_movement() -> tuple[OpSpec, ...]:
    rect = "x0:expr y0:expr x1:expr y1:expr"
    return (
        _op(
            "noc_async_read_page",
            "page:expr tensor:tensor l1:l1",
            _DM,
            "dm",
            "noc_read",
            "Start reading one page of a tensor into local L1; visible after the read barrier.",
        ),
        _op(
            "noc_async_write_page",
            "page:expr tensor:tensor l1:l1",
            _DM,
            "dm",
            "noc_write",
            "Start writing one page of a tensor from local L1.",
        ),
        _op(
            "noc_async_read",
            "x:expr y:expr src:l1 dst:l1 bytes:expr",
            _DM,
            "dm",
            "noc_read",
            "Start reading bytes from L1 of core (x, y) into local L1.",
        ),
        _op(
            "noc_async_write",
            "src:l1 x:expr y:expr dst:l1 bytes:expr",
            _DM,
            "dm",
            "noc_write",
            "Start writing bytes from local L1 into L1 of core (x, y).",
        ),
        _op(
            "noc_async_write_multicast",
            f"src:l1 {rect} dst:l1 bytes:expr num_dests:expr",
            _DM,
            "dm",
            "noc_write",
            "Write local L1 into L1 of every core of a rectangle except the sender.",
        ),
        _op(
            "noc_async_write_multicast_loopback_src",
            f"src:l1 {rect} dst:l1 bytes:expr num_dests:expr",
            _DM,
            "dm",
            "noc_write",
            "Write local L1 into L1 of every core of a rectangle, the sender included.",
        ),
        _op(
            "noc_async_read_barrier", "", _DM, "dm", "noc_barrier", "Wait for this RISC's reads."
        ),
        _op(
            "noc_async_write_barrier",
            "",
            _DM,
            "dm",
            "noc_barrier",
            "Wait until this RISC's writes are visible at their destination.",
        ),
        _op(
            "noc_async_writes_flushed",
            "",
            _DM,
            "dm",
            "noc_barrier",
            "Wait until this RISC's writes have left: their source may be reused.",
        ),
        _op(
            "noc_semaphore_set",
            "sem:sem value:expr",
            _DM,
            "dm",
            "semaphore",
            "Set a local semaphore.",
        ),
        _op(
            "noc_semaphore_wait",
            "sem:sem value:expr",
            _DM,
            "dm",
            "semaphore",
            "Wait until a local semaphore equals a value.",
        ),
        _op(
            "noc_semaphore_wait_min",
            "sem:sem value:expr",
            _DM,
            "dm",
            "semaphore",
            "Wait until a local semaphore is at least a value.",
        ),
        _op(
            "noc_semaphore_inc",
            "x:expr y:expr sem:sem value:expr",
            _DM,
            "dm",
            "semaphore",
            "Atomically add to the semaphore of core (x, y).",
        ),
        _op(
            "noc_semaphore_set_multicast",
            f"sem:sem {rect} num_dests:expr",
            _DM,
            "dm",
            "semaphore",
            "Copy the local semaphore's value to the same semaphore of a rectangle of cores.",
        ),
        _op(
            "noc_semaphore_inc_multicast",
            f"sem:sem {rect} value:expr num_dests:expr",
            _DM,
            "dm",
            "semaphore",
            "Add to the same semaphore of a rectangle of cores, the sender excluded.",
        ),
        _op(
            "zero_tile_region",
            "cb:cb l1:l1 rows:expr cols:expr",
            _DM,
            "dm",
            "l1_write",
            "In the tile at l1 (format of cb) keep the top-left rows x cols datums, zero the rest.",
        ),
        _op(
            "generate_reduce_scaler",
            "cb:cb l1:l1 value:float",
            _DM,
            "dm",
            "l1_write",
            "Write a scaler tile: the value in the first row of each face, zero elsewhere.",
        ),
        _op(
            "fill_tile_l1",
            "cb:cb l1:l1 value:float",
            _DM,
            "dm",
            "l1_write",
            "Write a tile of one value in the CB's format.",
        ),
    )


def _handshake() -> tuple[OpSpec, ...]:
    return tuple(
        _op(name, "cb:cb n:expr", _ALL, f"dm {stage}", "cb", doc)
        for name, stage, doc in (
            ("cb_reserve_back", "pack", "Producer waits until n pages are free."),
            ("cb_push_back", "pack", "Producer hands n pages over."),
            ("cb_wait_front", "unpack", "Consumer waits until n pages are available, cumulative."),
            ("cb_pop_front", "unpack", "Consumer frees n pages."),
        )
    )


def _compute_core() -> tuple[OpSpec, ...]:
    def op(
        name: str, operands: str, stages: str, effect: Effect, doc: str, config: str | None = None
    ) -> OpSpec:
        return _op(name, operands, _COMPUTE, stages, effect, doc, config)

    um = "unpack math"
    rows = [
        op(
            "compute_kernel_hw_startup",
            f"order:enum={'|'.join(ORDERS)} in0:cb in1:cb out:cb",
            "unpack math pack",
            "config",
            "Once, first: configure formats of unpacker, math and packer.",
            "startup",
        ),
        op(
            "reconfig_data_format",
            "srca:cb srcb:cb",
            um,
            "config",
            "Set the SrcA and SrcB formats to those of two CBs.",
            "src_format",
        ),
        op(
            "reconfig_data_format_srca",
            "srca:cb",
            um,
            "config",
            "Set the SrcA format to a CB's.",
            "src_format",
        ),
        op(
            "pack_reconfig_data_format",
            "out:cb",
            "pack",
            "config",
            "Set the packer's output format to a CB's.",
            "pack_format",
        ),
        op(
            "pack_reconfig_l1_acc",
            "enable:expr",
            "pack",
            "config",
            "Switch the packer's accumulation into L1 on or off.",
            "l1_acc",
        ),
        op("tile_regs_acquire", "", "math", "dst_sync", "Math waits for a free DST half."),
        op("tile_regs_commit", "", "math", "dst_sync", "Math hands DST to the packer."),
        op("tile_regs_wait", "", "pack", "dst_sync", "Packer waits for DST."),
        op("tile_regs_release", "", "pack", "dst_sync", "Packer frees and clears DST."),
        op("copy_init", "cb:cb", um, "config", "Configure copy_tile from a CB.", "copy"),
        op(
            "copy_tile",
            "cb:cb index:expr dst:dst",
            um,
            "unpack_math",
            "DST[dst] = tile index of the CB's front window.",
            "copy",
        ),
        op(
            "pack_tile",
            "dst:dst cb:cb",
            "pack",
            "pack",
            "Pack DST[dst] to the next tile of the CB's reserved window, in order.",
        ),
        op(
            "pack_tile_out_of_order",
            "dst:dst cb:cb index:expr",
            "pack",
            "pack",
            "pack_tile<true>: pack DST[dst] to tile index of the reserved window.",
        ),
        op(
            "matmul_init",
            "in0:cb in1:cb transpose:expr",
            um,
            "config",
            "Configure matmul_tiles; transpose flips in1 inside each tile.",
            "matmul",
        ),
        op(
            "matmul_tiles",
            "in0:cb in1:cb index0:expr index1:expr dst:dst",
            um,
            "unpack_math",
            "DST[dst] += in0[index0] x in1[index1].",
            "matmul",
        ),
        op(
            "transpose_init",
            "cb:cb",
            um,
            "config",
            "Configure transpose_tile from a CB.",
            "transpose",
        ),
        op(
            "transpose_tile",
            "cb:cb index:expr dst:dst",
            um,
            "unpack_math",
            "DST[dst] = the CB's tile, transposed.",
            "transpose",
        ),
        op(
            "reduce_init",
            f"pool:enum={'|'.join(POOL_TYPES)} dim:enum={'|'.join(REDUCE_DIMS)}"
            " cb:cb scaler:cb out:cb",
            "unpack math pack",
            "config",
            "Configure reduce_tile and the packer's mask.",
            "reduce",
        ),
        op(
            "reduce_tile",
            f"pool:enum={'|'.join(POOL_TYPES)} dim:enum={'|'.join(REDUCE_DIMS)}"
            " cb:cb scaler:cb index:expr scaler_index:expr dst:dst",
            um,
            "unpack_math",
            "DST[dst] = reduction of DST[dst] and the tile along dim.",
            "reduce",
        ),
        op(
            "reduce_uninit",
            "",
            "pack",
            "config",
            "Remove the packer's mask; later packs are zeroed without it.",
            "reduce_uninit",
        ),
    ]
    for name in ("add", "sub", "mul"):
        rows.append(
            op(
                f"{name}_init",
                "in0:cb in1:cb",
                um,
                "config",
                f"Configure {name}_tiles.",
                f"{name}_tiles",
            )
        )
        rows.append(
            op(
                f"{name}_tiles",
                "in0:cb in1:cb index0:expr index1:expr dst:dst",
                um,
                "unpack_math",
                f"DST[dst] = in0[index0] {name} in1[index1] on the FPU.",
                f"{name}_tiles",
            )
        )
        for dim in BCAST_DIMS:
            suffix = {"ROW": "rows", "COL": "cols", "SCALAR": "scalar"}[dim]
            key = f"{name}_bcast_{suffix}"
            rows.append(
                op(f"{key}_init", "in0:cb in1:cb", um, "config", f"Configure {key}.", key)
            )
            rows.append(
                op(
                    f"{name}_tiles_bcast_{suffix}",
                    "in0:cb in1:cb index0:expr index1:expr dst:dst",
                    um,
                    "unpack_math",
                    f"{name} with in1's first {'row' if dim == 'ROW' else 'column' if dim == 'COL' else 'element'} broadcast.",
                    key,
                )
            )
    return tuple(rows)


SFPU_UNARY: Final = (
    "exp",
    "exp2",
    "log",
    "log1p",
    "sqrt",
    "rsqrt",
    "recip",
    "sigmoid",
    "tanh",
    "relu",
    "gelu",
    "silu",
    "erf",
    "sin",
    "cos",
    "floor",
    "ceil",
    "round",
    "square",
    "sign",
    "abs",
    "negative",
    "eqz",
    "nez",
    "gtz",
    "ltz",
    "gez",
    "lez",
)
"""SFPU functions of one DST tile, in place: ``<name>_tile_init`` and ``<name>_tile``."""

SFPU_BINARY: Final = (
    "add_binary",
    "sub_binary",
    "mul_binary",
    "div_binary",
    "power_binary",
    "binary_max",
    "binary_min",
)
"""SFPU functions of two DST tiles: ``<name>_tile(a, b, out)``."""

SFPU_SCALAR: Final = ("add_unary", "sub_unary", "rsub_unary", "mul_unary", "div_unary")
"""SFPU functions of a DST tile and a float32 immediate: ``<name>_tile(dst, value)``."""


def _sfpu() -> tuple[OpSpec, ...]:
    rows = []

    def add(base: str, operands: str, doc: str, init: str | None = None) -> None:
        init = init or f"{base}_tile_init"
        if not any(r.name == init for r in rows):
            rows.append(_op(init, "", _COMPUTE, "math", "config", f"Configure {base}.", init))
        rows.append(_op(f"{base}_tile", operands, _COMPUTE, "math", "sfpu", doc, init))

    for name in SFPU_UNARY:
        add(name, "dst:dst", f"DST[dst] = {name}(DST[dst]).")
    for name in SFPU_BINARY:
        add(name, "a:dst b:dst out:dst", f"DST[out] = {name}(DST[a], DST[b]).")
    for name in SFPU_SCALAR:
        add(
            name,
            "dst:dst value:float",
            f"DST[dst] = {name}(DST[dst], value).",
            "binop_with_scalar_tile_init",
        )
    add("fill", "dst:dst value:float", "DST[dst] = value everywhere.")
    add("where", "cond:dst a:dst b:dst out:dst", "DST[out] = a where cond is non-zero, else b.")
    add("typecast", "dst:dst from_format:format to_format:format", "Convert DST[dst] in place.")
    return tuple(rows)


OPS: Final = MappingProxyType(
    {spec.name: spec for spec in _handshake() + _data_movement() + _compute_core() + _sfpu()}
)
"""Name to spec, for every device op."""
