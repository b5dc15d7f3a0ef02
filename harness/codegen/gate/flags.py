"""How tt-metal's JIT composes and compiles the five units of a core, less the compiler.

Read off the build of ttnn 0.81.1 (``tt_metal/jit_build``) as its mock device logs it: the firmware
source that includes the kernel, include directories and defines.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

Thread = Literal["ncrisc", "brisc", "unpack", "math", "pack"]
COMPUTE: Final[tuple[Thread, ...]] = ("unpack", "math", "pack")
THREADS: Final[tuple[Thread, ...]] = ("ncrisc", "brisc", *COMPUTE)


@dataclass(frozen=True)
class Target:
    """What differs between architectures.

    Attributes:
        family: as the architecture table spells it.
        upper: suffix of the ARCH_ define.
        llk: directory name of kernels and LLK.
        hw: directory name of the hardware headers.
        defines: bank counts and addresses.
        tensix: the compiler's own macro for the Tensix instruction set (compute RISCs only).
    """

    family: str
    upper: str
    llk: str
    hw: str
    defines: tuple[str, ...]
    tensix: str


TARGETS: Final[tuple[Target, ...]] = (
    Target("wormhole", "WORMHOLE", "wormhole_b0", "wormhole",
           ("NUM_DRAM_BANKS=12", "IS_NOT_POW2_NUM_DRAM_BANKS=1", "NUM_L1_BANKS=64",
            "LOG_BASE_2_OF_NUM_L1_BANKS=6", "PCIE_NOC_X=0", "PCIE_NOC_Y=3",
            "ROUTING_FW_ENABLED", "DISPATCH_MESSAGE_ADDR=4290183304"), "__riscv_xtttensixwh"),
    Target("blackhole", "BLACKHOLE", "blackhole", "blackhole",
           ("NUM_DRAM_BANKS=8", "LOG_BASE_2_OF_NUM_DRAM_BANKS=3", "NUM_L1_BANKS=110",
            "IS_NOT_POW2_NUM_L1_BANKS=1", "PCIE_NOC_X=19", "PCIE_NOC_Y=24",
            "DISPATCH_MESSAGE_ADDR=4290184248"), "__riscv_xtttensixbh"),
)  # fmt: skip
"""The two families ttnn 0.81.1 builds for (Grayskull left in 2025)."""

_COMMON: Final = (
    "TENSIX_FIRMWARE", "LOCAL_MEM_EN=0", "PROGRAMMABLE_CORE_TYPE=0", "KERNEL_BUILD",
    'FULL_KERNEL_NAME="kernel"',
)  # fmt: skip

_THREAD: Final[dict[Thread, tuple[str, tuple[str, ...]]]] = {
    "ncrisc": ("ncrisck.cc", ("COMPILE_FOR_NCRISC", "PROCESSOR_INDEX=1")),
    "brisc": ("brisck.cc", ("COMPILE_FOR_BRISC", "PROCESSOR_INDEX=0")),
    "unpack": ("trisck.cc", ("UCK_CHLKC_UNPACK", "COMPILE_FOR_TRISC=0", "PROCESSOR_INDEX=2")),
    "math": ("trisck.cc", ("UCK_CHLKC_MATH", "COMPILE_FOR_TRISC=1", "PROCESSOR_INDEX=3")),
    "pack": ("trisck.cc", ("UCK_CHLKC_PACK", "COMPILE_FOR_TRISC=2", "PROCESSOR_INDEX=4")),
}

SYNTAX: Final = (
    "-std=gnu++20", "-fpermissive", "-fsyntax-only", "-fno-exceptions", "-fno-rtti", "-O2",
    "-fmax-errors=5", "-fdiagnostics-color=never",
    "-Wall", "-Wno-unused-variable", "-Wno-unused-function", "-Wno-int-to-pointer-cast",
    "-Wno-unknown-pragmas", "-Wno-attributes",
)  # fmt: skip
"""-fpermissive: addresses are 32-bit integers in the headers, and pointers have 64 bits here. The
JIT compiles with -Wall -Werror, as C++17 plus extensions of its compiler that GCC has in C++20."""

TOLERATED: Final = ("deprecated-declarations", "multistatement-macros", "parentheses",
                    "unused-but-set-variable")  # fmt: skip
"""Warnings the JIT does not turn into errors."""


def target_of(family: str) -> Target | None:
    """The target of an architecture family, or None where ttnn has none."""
    return next((target for target in TARGETS if target.family == family), None)


def arguments(
    root: Path, target: Target, thread: Thread, generated: Path, *, words: str, noc: int
) -> list[str]:
    """g++'s arguments for one unit.

    Args:
        root: the wheel's directory that holds ``tt_metal``.
        target: architecture.
        thread: unit.
        generated: directory with the kernel and the generated headers.
        words: compile-time argument words, comma separated; none when empty.
        noc: NoC index of a data-movement kernel.
    """
    source, defines = _THREAD[thread]
    metal = root / "tt_metal"
    hw = metal / "hw"
    kernels = hw / "ckernels" / target.llk / "metal"
    internal = hw / "inc/internal/tt-1xx"
    llk = metal / f"tt-llk/tt_llk_{target.llk}"
    paths = [
        root.parent, root, root / "cpp", hw / "inc", metal / "tt-llk/common",
        metal / "tt-llk/tools/include", metal / "hostdevcommon/api", metal / "api",
        kernels / "common", kernels / "llk_io", internal, internal / target.hw,
        internal / target.hw / f"{target.llk}_defines", internal / target.hw / "noc",
        llk / "common/inc", llk / "llk_lib",
    ]  # fmt: skip
    if target.family == "blackhole":
        paths.append(llk / "llk_lib/hal")
    given = [*_COMMON, *target.defines, f"ARCH_{target.upper}", *defines]
    if thread in COMPUTE:
        paths += [Path(__file__).parent / "stubs", kernels / "llk_api",
                  kernels / "llk_api/llk_sfpu"]  # fmt: skip
        given.append(f"{target.tensix}=1")
    else:
        given += [f"NOC_INDEX={noc}", "NOC_MODE=0"]
    if words:
        given.append(f"KERNEL_COMPILE_TIME_ARGS={words}")
    paths.append(hw / "firmware/src/tt-1xx")
    # System headers do not warn: what is left is the kernel's.
    return [
        *SYNTAX, f"-I{generated}", *(f"-isystem{path}" for path in paths),
        *(f"-D{define}" for define in given), str(hw / "firmware/src/tt-1xx" / source),
    ]  # fmt: skip
