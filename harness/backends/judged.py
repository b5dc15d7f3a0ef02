"""A kernel's answer from a real device, judged by the same golden as the simulator's."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.backends import find_backend
from harness.backends.protocol import Backend, NotRun
from harness.backends.simulated import simulated_verdict
from harness.errors import OptionError
from harness.verdict import Verdict


def device_backend() -> Backend:
    """The ttnn backend, on whatever device ttnn opens.

    Raises:
        NotRun: there is no interpreter with ttnn, or no device that executes; the message says
            which and what would help.
    """
    backend = find_backend("ttnn", verdict=simulated_verdict)
    able = backend.capabilities()
    if not able.executes:
        raise NotRun(f"no device executes kernels here: {able.reason}")
    return backend


def check_on_device(
    kernel: Any, inputs: Mapping[str, Any] | None = None, *, artifacts: Path | None = None,
    **keywords: Any,
) -> Verdict:  # fmt: skip
    """Compile, run on the device through ttnn, and judge.

    Args:
        kernel: a PrimFunc or an IRModule of one kernel.
        inputs: arrays by tensor name; drawn where absent.
        artifacts: where plan, programs and IR are kept.
        **keywords: of :func:`harness.check`: oracle, input_kind, seed, compile options.

    Raises:
        NotRun: there is no device, or it did not execute.
        OptionError: options of the simulator, which a device does not have.
    """
    from harness.checking import check_kept

    for name in ("numbers", "run_options"):
        if keywords.pop(name, None) is not None:
            raise OptionError(f"{name} is an option of the simulator", location=name)
    return check_kept(kernel, artifacts, inputs=inputs, backend=device_backend(), **keywords)


__all__ = ["NotRun", "check_on_device", "device_backend"]
