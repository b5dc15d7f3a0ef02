"""Second opinions within a check: for every kind of inputs, whether LLVM agrees with golden.

Oracle ``llvm`` asks for them. A kernel that the dialect rewrote is asked about in any case, as it
was written: golden and the compiler read it rewritten, and would not see a rewriting that is wrong.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from golden import GoldenResult
    from golden.second import Opinion, SecondOpinion

ORACLE: Final = "llvm"
WRITTEN: Final = "written"
"""What a verdict calls the opinion on a kernel as it was written, if nobody asked for one."""
MOST: Final = 1 << 22
"""Elements that LLVM's loops store where nobody asked: a fraction of a second."""


@dataclass
class Opinions:
    """What was said so far; nothing where nobody asks.

    Attributes:
        second: whom to ask.
        said: the opinions, in order.
        seconds: time spent on them.
        name: what a verdict calls them.
    """

    second: SecondOpinion | None = None
    said: list[Opinion] = field(default_factory=list)
    seconds: float = 0.0
    name: str = ORACLE

    @staticmethod
    def on(source: Any, oracle: str) -> Opinions:
        """Opinions on a kernel, where ``oracle`` asks for them or the dialect rewrote it.

        A kernel that LLVM cannot have as it was written it has as golden does, if ``oracle`` asks.

        Raises:
            golden.second.NoSecondOpinionError: a construct it does not lower, where ``oracle``
                asks.
        """
        from harness.language.rewriting.finished import as_written

        written = as_written(source)
        if oracle != ORACLE and written is None:
            return Opinions()
        from golden.second import NoSecondOpinionError, SecondOpinion

        started = time.perf_counter()
        asked: SecondOpinion | None = None
        if written is not None:
            with suppress(NoSecondOpinionError):
                asked = SecondOpinion(written, None if oracle == ORACLE else MOST)
        if asked is None and oracle == ORACLE:
            asked = SecondOpinion(source)
        name = ORACLE if oracle == ORACLE else WRITTEN
        return Opinions(asked, seconds=time.perf_counter() - started, name=name)

    def ask(self, arrays: Mapping[str, Any], golden: GoldenResult) -> None:
        """One more opinion, on golden's answer for some inputs."""
        if self.second is not None:
            started = time.perf_counter()
            said = self.second.ask(arrays, golden)
            if self.name == ORACLE or said.verdict != "not available":
                self.said.append(said)
            self.seconds += time.perf_counter() - started

    @property
    def agreed(self) -> bool:
        """Whether nothing is held against golden."""
        return all(opinion.verdict == "agreed" for opinion in self.said)

    @property
    def doubt(self) -> str:
        """What is held against golden; empty where nothing is."""
        return next((o.reason for o in self.said if o.verdict != "agreed"), "")

    @property
    def texts(self) -> tuple[str, ...]:
        """As a verdict holds them."""
        return tuple(f"{opinion.verdict}: {opinion.reason}" for opinion in self.said)
