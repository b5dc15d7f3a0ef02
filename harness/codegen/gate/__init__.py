"""The kernel gate: syntax and API of every emitted kernel.

The system's g++ checks them against the headers of the ttnn wheel; nothing of ttnn is imported or
executed.
"""

from __future__ import annotations

from harness.codegen.gate.run import GateReport, Unit, gate, lint_kernels

__all__ = ["GateReport", "Unit", "gate", "lint_kernels"]
