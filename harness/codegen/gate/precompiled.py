"""The standard library's headers, parsed once: they are four fifths of what a unit costs.

Every unit's firmware source reads all of :data:`STANDARD` before it reaches the kernel, so
reading them first hides nothing that a kernel forgot to include.
"""

from __future__ import annotations

import hashlib
import subprocess
import tempfile
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Final

from harness.codegen.gate.wheel import cache_directory

STANDARD: Final = (
    "array", "atomic", "cstddef", "cstdint", "cstring", "limits", "optional", "tuple",
    "type_traits", "utility",
)  # fmt: skip
"""What ncrisck.cc, brisck.cc and trisck.cc of ttnn 0.81.1 include with an empty kernel, on both
architectures (``g++ -H``)."""

SECONDS: Final = 60.0
"""Limit for making the file; it takes one."""


@lru_cache(maxsize=4)
def precompiled(compiler: str, flags: Sequence[str]) -> tuple[str, ...]:
    """Arguments that make ``compiler`` read :data:`STANDARD` from the cache; none where it can't.

    The compiler itself refuses a file that does not fit it and reads the headers as they are, so
    verdicts do not depend on this.

    Args:
        compiler: path of a g++.
        flags: those the units are compiled with.
    """
    try:
        version = _run(compiler, "-dumpfullversion", "-dumpmachine")
        key = hashlib.sha256(repr((version, flags, STANDARD)).encode()).hexdigest()[:16]
        header = cache_directory() / f"standard-{key}" / "standard.h"
        made = header.with_name("standard.h.gch")
        if not made.is_file():
            header.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=header.parent) as half:
                text, whole = Path(half) / header.name, Path(half) / made.name
                text.write_text("".join(f"#include <{name}>\n" for name in STANDARD))
                kept = [flag for flag in flags if flag != "-fsyntax-only"]
                _run(compiler, *kept, "-x", "c++-header", str(text), "-o", str(whole))
                # Another process may read them already: both appear whole, the text first.
                text.replace(header)
                whole.replace(made)
    except (OSError, subprocess.SubprocessError):
        return ()
    return "-include", str(header)


def _run(*command: str) -> str:
    return subprocess.run(  # noqa: S603  (g++ and paths of our own)
        command, check=True, capture_output=True, text=True, timeout=SECONDS
    ).stdout
