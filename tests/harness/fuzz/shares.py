"""Cases that fall into a chosen share of those of which more is asked."""

import zlib
from collections.abc import Collection
from dataclasses import replace

from harness.fuzz.case import Case
from harness.fuzz.judge import SAMPLE


def with_share(case: Case, shares: Collection[int], parts: int = 2 * SAMPLE) -> Case:
    """The case with a comment in its kernel that puts it into one of some shares of ``parts``."""
    for number in range(10_000):
        kernel = f"{case.kernel.rstrip()}  # {number}\n"
        if zlib.crc32(kernel.encode()) % parts in shares:
            return replace(case, kernel=kernel)
    raise AssertionError("no such share")
