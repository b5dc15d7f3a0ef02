"""The architecture table: every device fact the compiler, the plan and the machine share.

Sources: the core and SoC descriptors shipped with ttnn 0.81.1, values read back from its mock
devices, and the tt-isa-documentation. Coordinates are logical ``(x, y)`` worker coordinates,
which hide harvested rows and columns.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

TILE: Final = 32
"""Rows and columns of a full tile (tt-metal ``tile.cpp``)."""

DEFAULT_DEVICE: Final = "wormhole_n150"
"""The device of the table that is meant where none is named."""


@dataclass(frozen=True)
class Arch:
    """One device the pipeline can target.

    Attributes:
        name: ``<family>_<board>``, the spelling accepted by ``--device``.
        family: ``wormhole``, ``blackhole`` or ``grayskull``.
        grid: compute grid ``(columns, rows)`` with the default dispatch configuration.
        dram_banks: DRAM banks that interleaved pages rotate over.
        dram_bank_bytes: bytes of one DRAM bank.
        dram_base: address of the first DRAM buffer in a bank.
        dram_alignment: bytes an interleaved DRAM page is aligned to.
        l1_bytes: bytes of one core's L1.
        l1_base: first L1 address a circular buffer may occupy: the allocator's base, measured as
            the first circular buffer's address and in the host's "grow to N B" message. (Less L1
            than ``max_worker_l1_unreserved`` says, which leaves the kernel-config area out.)
        l1_alignment: bytes an L1 page is aligned to.
        num_cbs: circular buffers per core.
        num_semaphores: L1 semaphores per core.
        max_runtime_args: words of unique plus common runtime arguments per kernel and core.
        fp32_dest: whether DST can hold 32-bit datums.
    """

    name: str
    family: str
    grid: tuple[int, int]
    dram_banks: int
    dram_bank_bytes: int
    dram_base: int
    dram_alignment: int
    l1_bytes: int
    l1_base: int
    l1_alignment: int
    num_cbs: int
    num_semaphores: int
    max_runtime_args: int
    fp32_dest: bool

    @property
    def board(self) -> str:
        """Board name without the family."""
        return self.name.split("_", 1)[1]

    def alignment(self, memory: str) -> int:
        """Bytes that pages of tensors in a memory are aligned to."""
        return self.dram_alignment if memory == "DRAM" else self.l1_alignment

    def dst_tiles(self, *, fp32_dest: bool, full_sync: bool) -> int:
        """Tiles of 32x32 that DST holds per acquire (W:dest_helpers.hpp, isa-doc Dst.md).

        Raises:
            ValueError: 32-bit DST asked of an architecture that has none.
        """
        if fp32_dest and not self.fp32_dest:
            raise ValueError(f"{self.name} has no 32-bit destination register")
        return (8 if fp32_dest else 16) // (1 if full_sync else 2)


def _wormhole(board: str, grid: tuple[int, int]) -> Arch:
    return Arch(
        name=f"wormhole_{board}",
        family="wormhole",
        grid=grid,
        dram_banks=12,
        dram_bank_bytes=1_072_693_184,
        dram_base=0x100040,
        dram_alignment=32,
        l1_bytes=1_499_136,
        l1_base=105_824,
        l1_alignment=16,
        num_cbs=32,
        num_semaphores=16,
        max_runtime_args=341,
        fp32_dest=True,
    )


def _blackhole(board: str, grid: tuple[int, int], dram_banks: int) -> Arch:
    return Arch(
        name=f"blackhole_{board}",
        family="blackhole",
        grid=grid,
        dram_banks=dram_banks,
        dram_bank_bytes=4_277_141_376,
        dram_base=0x100080,
        dram_alignment=64,
        l1_bytes=1_572_864,
        l1_base=111_744,
        l1_alignment=16,
        num_cbs=64,
        num_semaphores=16,
        max_runtime_args=341,
        fp32_dest=True,
    )


ARCHS: Final = (
    _wormhole("n150", (8, 8)),
    _wormhole("n300", (8, 7)),
    _blackhole("p100", (11, 10), 7),
    _blackhole("p150", (13, 10), 8),
    # Grayskull left tt-metal in 2025; L1 figures are its specification's 1 MiB and are kept as
    # a small target with 16-bit destination only.
    Arch(
        name="grayskull_e150",
        family="grayskull",
        grid=(12, 9),
        dram_banks=8,
        dram_bank_bytes=1 << 30,
        dram_base=0x100040,
        dram_alignment=32,
        l1_bytes=1 << 20,
        l1_base=35_168,
        l1_alignment=16,
        num_cbs=32,
        num_semaphores=16,
        max_runtime_args=341,
        fp32_dest=False,
    ),
)


def device_names() -> tuple[str, ...]:
    """Names accepted by :func:`find_arch`, in table order."""
    return tuple(arch.name for arch in ARCHS)


def find_arch(name: str) -> Arch:
    """The architecture called ``name``.

    Raises:
        KeyError: no such device; the message lists the known ones.
    """
    for arch in ARCHS:
        if arch.name == name:
            return arch
    raise KeyError(f"unknown device {name!r}; known devices: {', '.join(device_names())}")
