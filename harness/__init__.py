"""tt-harness: compile a TileLang kernel for a Tenstorrent chip, simulate it, judge the answer.

    import harness
    verdict = harness.check(kernel, device="wormhole_n150")

Names are loaded when first used, so that importing the package does not import TVM.
"""

from __future__ import annotations

from importlib import import_module
from types import MappingProxyType
from typing import Any, Final

_HOME: Final = MappingProxyType(
    {
        "Artifact": "harness.artifact",
        "Result": "harness.artifact",
        "Verdict": "harness.verdict",
        "check": "harness.checking",
        "compile": "harness.artifact",
        "load": "harness.kernelfile",
        "sequence": "harness.compiler.sequence",
    }
)


def __getattr__(name: str) -> Any:
    """Load a public name from its module."""
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module 'harness' has no attribute {name!r}")


__all__ = ["Artifact", "Result", "Verdict", "check", "compile", "load", "sequence"]
