"""The simulator as a backend."""

from __future__ import annotations

from typing import Any

from harness.backends.protocol import Arrays, Capabilities, Compiled, Outcome
from simulator.run import RunOptions, execute


class SimulatorBackend:
    """Runs artifacts on the simulated machine; always there."""

    name = "simulator"

    def __init__(self, options: RunOptions | None = None) -> None:
        """``options``: number model, checking level and budgets."""
        self.options = options or RunOptions()

    def capabilities(self) -> Capabilities:
        """It executes, with modelled numbers."""
        return Capabilities(True, "model", facts={"numbers": self.options.numbers})

    def run(self, artifact: Compiled, inputs: Arrays) -> Outcome:
        """Execute on the simulator.

        Raises:
            simulator.errors.InputError: arrays that do not fit the plan.
        """
        done = execute(artifact.plan, artifact.programs, dict(inputs), self.options)
        times = {"upload": done.stats.upload_seconds, "run": done.stats.run_seconds,
                 "download": done.stats.download_seconds}  # fmt: skip
        return Outcome(self.name, done.outputs, done.findings, times, done.completed)


def simulated_verdict(artifact: Any) -> str:
    """What the simulator thinks of a plan with a ``source``, values left aside."""
    from golden.inputs import draw_inputs

    outcome = SimulatorBackend().run(artifact, draw_inputs(artifact.source))
    if outcome.ok:
        return "it completes without findings"
    return "; ".join(f.code for f in outcome.findings) or "it does not complete"
