"""How long a newcomer waits for the package."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import time
began = time.process_time()
import harness
harness.check, harness.compile, harness.Verdict
import harness.kernels.gemm
print(time.process_time() - began)
"""


def test_the_package_and_its_compiler_load_in_time() -> None:
    """All a check needs is imported within 1.5 s of processor time (the best of three runs)."""
    times = [
        float(
            subprocess.run(
                [sys.executable, "-c", PROGRAM], check=True, capture_output=True, text=True
            ).stdout
        )
        for _ in range(3)
    ]
    assert min(times) <= 1.5
