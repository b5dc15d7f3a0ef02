"""Refusals no drawn kernel deserves: a pass that turns a sound kernel down is wrong, too.

What the grammar draws is sound by construction, but for what it does on purpose or leaves to
chance: blocks that cannot be joined, memory that does not suffice, layouts and shards that do not
suit, tensors changed in place. Those may be refused. Whatever else is refused was made of the
kernel by a pass, as a block beside its tensor is by one that takes rows for columns.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from harness.errors import HarnessError

if TYPE_CHECKING:
    from harness.fuzz.case import Case

DESERVED: Final = frozenset((
    "CBCapacity", "L1Overflow", "DstCapacity", "UnalignedBlock", "UnsupportedIndex",
    "LayoutConflict", "ShardMismatch", "InPlaceOrder", "NeedsFp32Dest", "NoMulticast",
    "OptionConflict",
))  # fmt: skip
"""Codes a drawn kernel may be refused with."""


def is_needless(error: HarnessError, case: Case) -> bool:
    """Whether a drawn kernel should have been taken; of a case with a verdict that is known."""
    return error.code not in DESERVED and not case.expect


def refusing_pass(source: Any, options: dict[str, Any]) -> str:
    """The pass that refuses a kernel; the first where it is refused before."""
    from harness.compiler.diagnostics import as_module
    from harness.compiler.options import CompileOptions
    from harness.compiler.pipeline import tt_passes

    passes = tt_passes(CompileOptions(**options))
    module = as_module(source)
    for one in passes:
        try:
            module = one(module)
        except HarnessError:
            return one.name
    return passes[0].name
