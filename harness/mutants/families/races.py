"""Races between cores: handshakes of multicast left out, and a ledger of accesses that lets go."""

from __future__ import annotations

from typing import Any, Final

from harness.mutants.edit import dropped, edit
from harness.mutants.registry import Mutant, Where, in_built, substitution
from simulator.engine.judge import Judge
from simulator.engine.ledger import Ledger

FAMILY: Final = "races"
SEND: Final = "noc_async_write_multicast"


def _sent(name: str, breaks: str, *ops: str, which: str = "all") -> Mutant:
    return in_built(FAMILY, f"multicast-{name}", breaks,
                    lambda b: edit(b, dropped(*ops), thread="ncrisc", which=which)
                    if _multicast(b) else None)  # fmt: skip


def _multicast(built: Any) -> bool:
    return bool(built.plan.options.get("multicast")) and bool(built.plan.semaphores)


def _ledger(name: str, breaks: str, owner: Any, attribute: str, new: Any) -> Mutant:
    return substitution(FAMILY, f"machine-{name}", Where.SIMULATOR, breaks,
                        (owner, attribute, lambda old: new))  # fmt: skip


MUTANTS: Final = (
    _sent("receivers-not-awaited", "The sender waits for no receiver.", "noc_semaphore_wait",
          which="first"),
    _sent("sender-not-awaited", "No receiver of the last operand waits for the sender.",
          "noc_semaphore_wait", which="last"),
    _sent("readiness-not-told", "Receivers never say that they are ready.", "noc_semaphore_inc"),
    _sent("arrival-not-told", "The sender never says that it has sent.",
          "noc_semaphore_set_multicast"),
    _sent("nothing-sent", "Operands are announced and not sent.", SEND),
    _sent("departure-not-awaited", "The sender fills its buffer anew while it still sends.",
          "noc_async_write_barrier"),
    _ledger("writes-not-judged", "Accesses are not held against earlier writes.", Ledger, "judge",
            lambda *a, **k: None),
    _ledger("everything-late", "Every access that meets another is a race.", Judge, "late",
            lambda self, actor, stamp, mask, own: (
                None if (m := self.meeting(actor.reach, stamp.actor.reach, mask,
                                           stamp.actor.agent, False)) is None
                else (m.rows, stamp.actor.cores[m.others]))),
    _ledger("nothing-late", "No access is ever a race.", Judge, "late", lambda *a: None),
)  # fmt: skip
