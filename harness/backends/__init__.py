"""Backends: the simulator, and ttnn on a device. One protocol, chosen by name."""

from __future__ import annotations

from typing import Any, Final

from harness.backends.protocol import Backend, Capabilities, Outcome
from harness.errors import OptionError

BACKENDS: Final = ("simulator", "ttnn")
"""Names accepted by ``--backend`` and ``--tt-backend``."""


def find_backend(name: str, **options: Any) -> Backend:
    """The backend called ``name``; ``options`` are its constructor's.

    Raises:
        OptionError: there is no such backend.
    """
    if name == "simulator":
        from harness.backends.simulated import SimulatorBackend

        return SimulatorBackend(**options)
    if name == "ttnn":
        from harness.backends.device import TtnnBackend

        return TtnnBackend(**options)
    raise OptionError(f"there is no backend {name!r}", location="--backend",
                      next_step=f"one of {', '.join(BACKENDS)}")  # fmt: skip


__all__ = ["BACKENDS", "Backend", "Capabilities", "Outcome", "find_backend"]
