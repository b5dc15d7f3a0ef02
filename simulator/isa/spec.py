"""What an op of the table is: operands, threads, stages, effect, configuration."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

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


DATA_MOVEMENT: Final = frozenset({"brisc", "ncrisc"})
COMPUTE: Final = frozenset({"compute"})
ANY_THREAD: Final = DATA_MOVEMENT | COMPUTE

ORDERS: Final = ("Regular", "Reverse")
"""SrcOrder of compute_kernel_hw_startup; matmul kernels use Reverse (in0 goes to SrcB)."""
POOL_TYPES: Final = ("SUM", "AVG", "MAX")
REDUCE_DIMS: Final = ("REDUCE_ROW", "REDUCE_COL", "REDUCE_SCALAR")
BCAST_DIMS: Final = ("ROW", "COL", "SCALAR")


def parse_operands(text: str) -> tuple[Operand, ...]:
    """``"cb:cb n:expr"`` to operands; enum choices are written ``name:enum=A|B``."""
    out = []
    for item in text.split():
        name, kind = item.split(":")
        kind, _, choices = kind.partition("=")
        out.append(Operand(name, kind, tuple(choices.split("|")) if choices else ()))  # type: ignore[arg-type]
    return tuple(out)


def op(
    name: str,
    operands: str,
    threads: frozenset[str],
    stages: str,
    effect: Effect,
    doc: str,
    config: str | None = None,
) -> OpSpec:
    """One row of the table."""
    return OpSpec(
        name, parse_operands(operands), threads, frozenset(stages.split()), effect, config, doc
    )
