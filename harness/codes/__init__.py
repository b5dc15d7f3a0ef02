"""Every stable code tt-harness may print: what it means, and how to mend it."""

from harness.codes.table import CODES, Code, nearest

__all__ = ["CODES", "Code", "nearest"]
