"""tt-lang-sim's own tutorial kernel and our simulator on one product, interleaved.

``python -m tests.benchmarks.peers COMMAND [ROUNDS]`` where COMMAND is the ``tt-lang-sim`` of an
environment of its own; ``make bench-peers`` makes one. Prints medians as ratios to a one-thread
NumPy float32 product of the same shape, measured in turn with both.

The peer runs ``tutorials/matmul/step_3_multinode.py`` with three constants changed: sizes, grid and
block edges. That kernel also adds a matrix and applies relu, which is small beside the product. Its
time is the operation's, tensors made before; ours is the whole of ``execute``, with rounding to
bfloat16, tilizing, all checks, and reading back.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from simulator.run import execute
from tests.simulator.builders import gemm

SIZE = 1024
GRID = 8
BLOCKS = ((128, 128, 128), (128, 128, 32), (32, 32, 32))
TUTORIAL = (
    "from importlib.util import find_spec; print(find_spec('ttl').submodule_search_locations[0])"
)


def adapted(source: str, block: tuple[int, int, int]) -> str:
    """The tutorial with other constants, doing its operation once per line of stdin."""
    changes = {
        "M, K, N = 8192, 8192, 8192": f"M, K, N = {SIZE}, {SIZE}, {SIZE}",
        "grid=(4, 4))": f"grid=({GRID}, {GRID}))",
        "M_GRANULARITY = 4": f"M_GRANULARITY = {block[0] // 32}",
        "N_GRANULARITY = 4": f"N_GRANULARITY = {block[1] // 32}",
        "K_GRANULARITY = 4": f"K_GRANULARITY = {block[2] // 32}",
        "    y = tutorial_operation(a, b, c)\n": (
            "    import sys, time\n"
            "    print('@@ ready', flush=True)\n"
            "    for _ in sys.stdin:\n"
            "        began = time.perf_counter()\n"
            "        y = tutorial_operation(a, b, c)\n"
            "        print('@@', time.perf_counter() - began, flush=True)\n"
        ),
    }
    for old, new in changes.items():
        count = 1 if "tutorial_operation" in old else source.count(old)
        if not count:
            raise SystemExit(f"the tutorial has changed: no {old!r}")
        source = source.replace(old, new)
    return source.replace(
        "torch.manual_seed(42)", "torch.manual_seed(42)\ntorch.set_num_threads(1)"
    )


class Peer:
    """A tt-lang-sim process that waits for a line before every round."""

    def __init__(self, command: str, block: tuple[int, int, int], folder: Path) -> None:
        python = Path(command).with_name("python")
        found = subprocess.run([python, "-c", TUTORIAL], capture_output=True, text=True, check=True)
        tutorial = Path(found.stdout.strip()) / "tutorials/matmul/step_3_multinode.py"
        script = folder / f"peer_{'x'.join(map(str, block))}.py"
        script.write_text(adapted(tutorial.read_text(), block))
        self.process = subprocess.Popen(
            [command, script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._line()

    def _line(self) -> str:
        for line in self.process.stdout or ():
            if line.startswith("@@"):
                return line.split()[1]
        raise SystemExit(f"tt-lang-sim ended with status {self.process.wait()}")

    def seconds(self) -> float:
        """One run of the operation."""
        if self.process.stdin is None:
            raise SystemExit("tt-lang-sim has no stdin")
        self.process.stdin.write("go\n")
        self.process.stdin.flush()
        return float(self._line())

    def close(self) -> None:
        """Let it check its answer and end."""
        self.process.communicate()
        if self.process.returncode:
            raise SystemExit(f"tt-lang-sim ended with status {self.process.returncode}")


def compare(command: str, block: tuple[int, int, int], rounds: int, folder: Path) -> dict[str, Any]:
    """Medians of ``rounds`` interleaved rounds after one to warm up."""
    sketch = gemm(SIZE, SIZE, SIZE, block, (GRID, GRID))
    plan, programs = sketch.plan(), sketch.listed()
    a, b = np.random.default_rng(0).standard_normal((2, SIZE, SIZE), np.float32)
    peer = Peer(command, block, folder)
    rows = []
    for _ in range(rounds + 1):
        base = _timed(lambda: a @ b)
        ours = _timed(lambda: execute(plan, programs, {"A": a, "B": b}))
        rows.append((base, ours, peer.seconds()))
    peer.close()
    base, ours, theirs = (statistics.median(row[i] for row in rows[1:]) for i in range(3))
    return {
        "block": "x".join(map(str, block)),
        "numpy_ms": round(base * 1e3, 1),
        "tt_harness": round(ours / base, 2),
        "tt_lang_sim": round(theirs / base, 1),
        "rounds": rounds,
        "load": round(os.getloadavg()[0], 1),
    }


def _timed(work: Any) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def main(command: str, rounds: str = "5") -> None:
    """Print one line per block shape."""
    with tempfile.TemporaryDirectory() as folder:
        for block in BLOCKS:
            print(json.dumps(compare(command, block, int(rounds), Path(folder))), flush=True)  # noqa: T201


if __name__ == "__main__":
    main(*sys.argv[1:])
