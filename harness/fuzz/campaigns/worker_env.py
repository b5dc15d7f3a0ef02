"""The environment of a worker: one thread each, a memory limit, the packages of this process."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Final

ONE_THREAD: Final = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS",
                     "TVM_NUM_THREADS")  # fmt: skip


def environment(memory: int) -> dict[str, str]:
    """Variables of a worker that may use ``memory`` MiB of address space."""
    root = str(Path(__file__).resolve().parents[3])
    path = os.pathsep.join(dict.fromkeys([root, *(p for p in sys.path if p)]))
    return {**os.environ, **dict.fromkeys(ONE_THREAD, "1"), "PYTHONPATH": path,
            "PYTHONHASHSEED": "0", "TT_FUZZ_MEMORY_MB": str(memory)}  # fmt: skip
