"""Compiling and running small C++ programs on this machine, where there is a g++."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

PREAMBLE = "#include <cstdint>\n#include <cstdio>\n#include <algorithm>\n#define tt_l1_ptr\n"


def run(source: str, directory: Path) -> str:
    """What a program prints.

    Raises:
        AssertionError: it does not compile, or it fails.
    """
    compiler = shutil.which("g++")
    if compiler is None:
        pytest.skip("there is no g++ on the path")
    path = directory / "program.cpp"
    path.write_text(PREAMBLE + source)
    made = subprocess.run(
        [compiler, "-std=gnu++20", "-O0", "-w", "-fpermissive", "-fsanitize=undefined",
         "-fno-sanitize-recover", str(path), "-o", str(directory / "program")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert made.returncode == 0, made.stderr[:2000]
    done = subprocess.run([str(directory / "program")], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[:2000]
    return done.stdout
