"""Differential runs: where a kernel runs, and how far ahead it reads, must not change a bit.

The same kernel is compiled twice, as the case says and for one core without buffering ahead, all
tensors interleaved over DRAM, and both run on the same reals in the exact number model. Precision
options stay, so every sum is taken in the same order; any bit that differs comes from placement,
buffering or the machine.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

KEPT: Final = ("device", "fidelity", "fp32_dest")
"""Options that change numbers."""
PLAIN: Final[Mapping[str, Any]] = {"grid": (1, 1), "double_buffer": False, "prefetch": False}


def differs(kernel: Any, plainly: Any, options: Mapping[str, Any], seed: int) -> str:
    """What differs between a run and the plain one; empty where nothing does.

    ``plainly`` is the kernel without layouts and annotations.
    """
    from golden import contract_for
    from harness.artifact import compile_all
    from harness.inputs import draw
    from simulator.run import RunOptions

    plain = {k: v for k, v in options.items() if k in KEPT} | dict(PLAIN)
    pair = [compile_all(func, **given)[0] for func, given in ((kernel, options), (plainly, plain))]
    chosen = pair[0].options
    contract = contract_for(pair[0].source, chosen.arch.family, chosen.fidelity, chosen.fp32_dest)
    arrays, _ = draw(pair[0].source, "random", contract, seed)
    runs = [one.run(arrays, RunOptions(numbers="exact")) for one in pair]
    for name, have in runs[0].outputs.items():
        want = runs[1].outputs[name]
        if have.tobytes() != want.tobytes():
            wrong = int((have != want).sum())
            return f"{name} has {wrong} other elements than on one core without buffering"
    return ""
