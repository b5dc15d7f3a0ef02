"""The reference interpreter over source kernels."""

from golden.interpret.evaluate import evaluate, quantised

__all__ = ["evaluate", "quantised"]
