"""The command ``tt-harness``. Nothing here imports TVM until a command needs it."""

from harness.cli.app import main

__all__ = ["main"]
