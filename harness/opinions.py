"""Oracle ``llvm`` within a check: for every kind of inputs, whether LLVM agrees with golden."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from golden import GoldenResult
    from golden.second import Opinion, SecondOpinion

ORACLE: Final = "llvm"


@dataclass
class Opinions:
    """What was said so far; nothing where nobody asks.

    Attributes:
        second: whom to ask.
        said: the opinions, in order.
        seconds: time spent on them.
    """

    second: SecondOpinion | None = None
    said: list[Opinion] = field(default_factory=list)
    seconds: float = 0.0

    @staticmethod
    def on(source: Any, oracle: str) -> Opinions:
        """Opinions on a kernel, where ``oracle`` asks for them.

        Raises:
            golden.second.NoSecondOpinionError: a construct it does not lower.
        """
        if oracle != ORACLE:
            return Opinions()
        from golden.second import SecondOpinion

        started = time.perf_counter()
        return Opinions(SecondOpinion(source), seconds=time.perf_counter() - started)

    def ask(self, arrays: Mapping[str, Any], golden: GoldenResult) -> None:
        """One more opinion, on golden's answer for some inputs."""
        if self.second is not None:
            started = time.perf_counter()
            self.said.append(self.second.ask(arrays, golden))
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
