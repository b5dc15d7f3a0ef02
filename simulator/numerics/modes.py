"""The settings that decide how the device computes."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Fidelity(enum.Enum):
    """Math fidelity: how many phases the multipliers run, each with other bits of the operands."""

    LoFi = "LoFi"
    HiFi2 = "HiFi2"
    HiFi3 = "HiFi3"
    HiFi4 = "HiFi4"

    @property
    def phases(self) -> int:
        """Number of phases, 1 to 4 (tt-isa-documentation, TensixCoprocessor/MatrixUnit)."""
        return list(Fidelity).index(self) + 1


class Dest(enum.Enum):
    """Width and format of the destination register DST."""

    FP32 = "fp32"
    BF16 = "bf16"
    FP16 = "fp16"

    @property
    def is_fp32(self) -> bool:
        """Whether DST holds 32 bits per datum (fp32_dest_acc_en)."""
        return self is Dest.FP32


class Chip(enum.Enum):
    """Generation of the matrix unit and packer."""

    WORMHOLE = "wormhole"
    BLACKHOLE = "blackhole"


class Broadcast(enum.Enum):
    """Which part of the second operand an elementwise op repeats over the tile."""

    NONE = "none"
    ROW = "row"
    COL = "col"
    SCALAR = "scalar"


class Pool(enum.Enum):
    """How a reduction combines elements; AVG is SUM with 1/N in the scaler tile."""

    SUM = "SUM"
    AVG = "AVG"
    MAX = "MAX"


class ReduceDim(enum.Enum):
    """What a reduction removes: ROW leaves column 0, COL leaves row 0, SCALAR leaves [0, 0]."""

    ROW = "ROW"
    COL = "COL"
    SCALAR = "SCALAR"


@dataclass(frozen=True)
class Mode:
    """Numeric settings of one program.

    ``half_src`` says that SrcA and SrcB hold Float16 (5-bit exponents); all other operands have
    8-bit exponents. ``errata`` reproduces the Wormhole renormalisation erratum (tt-metal issue
    38306): with fp32 DST an exact result of minus one unit in the last place comes out 2**27 times
    larger. ``bfp8_precise`` is bfp8_pack_precise, which Blackhole ignores (measured:
    tests/vectors/packer.npz).
    """

    fidelity: Fidelity = Fidelity.HiFi4
    dest: Dest = Dest.FP32
    chip: Chip = Chip.WORMHOLE
    errata: bool = False
    bfp8_precise: bool = False
    half_src: bool = False

    @property
    def has_erratum(self) -> bool:
        """Whether results of minus one unit in the last place are wrong, as on Wormhole."""
        return self.errata and self.chip is Chip.WORMHOLE and self.dest.is_fp32
