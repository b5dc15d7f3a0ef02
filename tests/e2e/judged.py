"""What every judge has to say of a kernel of whole numbers."""

from __future__ import annotations

from typing import Any

import harness
from harness.fuzz.stages import validate


def run_judged(kernel: Any, given: dict[str, Any], device: str) -> Any:
    """Y of a run on what is ``given``; golden, LLVM and what each pass left say the same."""
    made = harness.compile(kernel, device=device)
    inputs = {n: v for n, v in given.items() if n in made.plan.layouts}
    assert harness.check(kernel, inputs, device=device).passed
    assert harness.check(kernel, device=device, oracle="llvm").passed
    if device == "wormhole_n150":  # the passes are the same for both
        assert validate(made, 0).name == ""
    return made.run(inputs).outputs["Y"]
