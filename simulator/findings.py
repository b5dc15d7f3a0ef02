"""Findings: everything the machine can hold against a plan, a program or a run, with stable codes.

The table is the single list of codes; docs, ``tt-harness explain`` and tests are derived from it.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

import msgspec

Severity = Literal["error", "warning"]


@dataclass(frozen=True)
class Rule:
    """One rule: what breaking it means on hardware, and how to mend it."""

    code: str
    severity: Severity
    meaning: str
    remedy: str


class Finding(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One broken rule, located.

    Attributes:
        code: key of :data:`RULES`.
        severity: ``error`` fails the verdict, ``warning`` does not.
        message: what happened, with the numbers.
        core: logical core ``(x, y)``, if one is concerned.
        thread: ``brisc``, ``ncrisc``, ``compute`` (or ``unpack``/``math``/``pack``), or None.
        program: program name, if one is concerned.
        path: place in the program tree, statement indices joined by dots (``"2.0.1"``; the
            else-branch of an if continues at index ``e0``).
        location: ``file:line:column`` in the kernel's source, if known; for plan findings the JSON
            path.
        step: engine step at which it was found.
        lanes: how many cores broke the rule at this place in this step.
        next_step: what the reader can do now.
    """

    code: str
    severity: Severity
    message: str
    core: tuple[int, int] | None = None
    thread: str | None = None
    program: str | None = None
    path: str | None = None
    location: str | None = None
    step: int | None = None
    lanes: int = 1
    next_step: str | None = None


def _rules() -> tuple[Rule, ...]:
    e: Severity = "error"
    return (
        Rule("InvalidPlan", e, "The plan breaks its schema or contradicts itself.",
             "Recompile, or mend the field the JSON path names."),
        Rule("PlanInconsistent", e, "Two places of the plan state one fact differently.",
             "Recompile, or make the places named agree."),
        Rule("InvalidProgram", e, "A program is not made of the device ops of this table.",
             "Recompile, or mend the statement the path names."),
        Rule("CBOverflow", e, "Pages were pushed that were not free: unread data is overwritten.",
             "Reserve before pushing, and push no more than was reserved."),
        Rule("CBUnderflow", e, "Pages were popped that were not there: the counters wrap.",
             "Wait before popping, and pop no more than was waited for."),
        Rule("CBWrap", e, "A block straddles the end of a circular buffer: its pointer runs past"
             " the buffer and corrupts what follows.",
             "Move page counts that sum exactly to the depth in every revolution."),
        Rule("CBWindow", e, "A pointer or tile index was used outside its reserved or waited-for"
             " window.", "Access between reserve and push, or between wait and pop."),
        Rule("CBCapacity", e, "More pages were asked for than the buffer has: waits for ever.",
             "Raise the depth or move fewer pages at a time."),
        Rule("CBEndpoint", e, "A thread acts on a circular buffer as an end it does not own.",
             "One producer and one consumer per circular buffer and core."),
        Rule("DirtyExit", e, "A program ended with pages left in a circular buffer or a DST half"
             " held.", "Pop every page that was pushed; release what was acquired."),
        Rule("Deadlock", e, "Every thread waits and none can go on.",
             "Follow the cycle: deepen a buffer or reorder a wait."),
        Rule("Race", e, "Two agents touch the same bytes, one writes, nothing orders them.",
             "Order the accesses by a barrier, a semaphore or a circular buffer."),
        Rule("StrayWrite", e, "A write left the circular buffer its address comes from and hit"
             " other memory.", "Check the address and size at the location against the depth."),
        Rule("UninitialisedRead", e, "Data was read that nobody wrote.",
             "Write it first; DRAM padding and fresh L1 are not zero."),
        Rule("Unbarriered", e, "Data of a NoC transfer was used before its barrier.",
             "Put noc_async_read_barrier (or write barrier) before the use."),
        Rule("L1Overflow", e, "Circular buffers and tensors exceed a core's L1.",
             "Use smaller blocks or shallower buffers."),
        Rule("DstCapacity", e, "A DST index is beyond the tiles of the mode.",
             "Use fewer DST tiles per acquire, or spill."),
        Rule("DstProtocol", e, "DST was used outside acquire, commit, wait, release.",
             "Bracket math in acquire..commit and packing in wait..release."),
        Rule("StaleConfig", e, "An op ran under another op's or format's configuration.",
             "Issue the op's init or a reconfig before it."),
        Rule("Misaligned", e, "Source and destination of a transfer disagree modulo the alignment.",
             "Align both addresses alike."),
        Rule("OutOfBounds", e, "An access lies outside its tensor, buffer, grid or memory.",
             "Check the index computation at the location."),
        Rule("DoubleWrite", e, "Two work blocks wrote the same output page.",
             "Give every output tile exactly one writer."),
        Rule("Unwritten", e, "An output page was never written.",
             "Cover every output tile."),
        Rule("ShapeMismatch", e, "Formats or tile shapes of an op's operands do not fit.",
             "Use operands of the formats the op accepts."),
        Rule("NumericModeMismatch", e, "The plan computes in another mode than the source and"
             " options ask for.", "Recompile with the options the check was given."),
        Rule("BudgetSpent", e, "The step, time or memory budget of the run is spent.",
             "Raise the budget, or look for an endless loop."),
        Rule("ErratumWH38306", "warning", "HiFi4 with 32-bit DST on Wormhole miscomputes results of"
             " exactly -1 unit in the last place (tt-metal #38306).", "Use HiFi3."),
    )  # fmt: skip


RULES: Final = MappingProxyType({rule.code: rule for rule in _rules()})
"""Code to rule."""


def finding(code: str, message: str, **where: object) -> Finding:
    """A finding of rule ``code`` with the table's severity and, unless given, its remedy.

    Raises:
        KeyError: no such rule.
    """
    rule = RULES[code]
    where.setdefault("next_step", rule.remedy)
    return msgspec.convert({"code": code, "severity": rule.severity, "message": message, **where},
                           Finding)  # fmt: skip
