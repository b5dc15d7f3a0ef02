"""tt-metal C++ kernels from a plan and its programs: what the simulator ran, printed.

``print_kernels(artifact)`` gives the text of every kernel by program name.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from harness.backends.protocol import Compiled
from harness.codegen.errors import CodegenError
from harness.codegen.printer import print_kernel, programs_by_name
from simulator.files import make_directory, write_atomic

KERNEL_DIRECTORY: Final = "kernels"
"""Where ``tt-harness compile`` writes kernels, below the artifact's directory."""


def print_kernels(artifact: Compiled) -> dict[str, str]:
    """The C++ text of every kernel, by program name, in the plan's order.

    Raises:
        CodegenError: an op or operand without a tt-metal spelling.
    """
    placed = programs_by_name(artifact.plan, artifact.programs.programs)
    return {
        name: print_kernel(artifact.plan, kernel, program)
        for name, (kernel, program) in placed.items()
    }


def write_kernels(directory: Path | str, artifact: Compiled) -> list[Path]:
    """Write ``kernels/<program>.cpp`` below an artifact's directory; returns the paths.

    Raises:
        CodegenError: as :func:`print_kernels`.
        simulator.errors.UnreadableError: the directory cannot be written to.
    """
    root = Path(directory) / KERNEL_DIRECTORY
    texts = print_kernels(artifact)
    make_directory(root)
    paths = []
    for name, text in texts.items():
        paths.append(root / f"{name}.cpp")
        write_atomic(paths[-1], text.encode())
    return paths


__all__ = ["KERNEL_DIRECTORY", "CodegenError", "print_kernels", "write_kernels"]
