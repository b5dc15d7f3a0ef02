"""Refusals no drawn kernel deserves: a pass that turns a sound kernel down is wrong, too.

What the grammar draws is sound by construction, but for what it does on purpose or leaves to
chance: blocks that cannot be joined, or that are done in turn where a partition took them for
joined or others write between, memory that does not suffice, layouts and shards that do not suit,
tensors changed in place. Those may be refused. Whatever else is refused was made of the
kernel by a pass, as a block beside its tensor is by one that takes rows for columns.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from harness.errors import HarnessError, OptionError

if TYPE_CHECKING:
    from harness.compiler.options import CompileOptions
    from harness.fuzz.case import Case

DESERVED: Final = frozenset((
    "CBCapacity", "L1Overflow", "DstCapacity", "UnalignedBlock", "UnsupportedIndex",
    "LayoutConflict", "ShardMismatch", "InPlaceOrder", "NeedsFp32Dest", "NoMulticast",
    "OptionConflict", "InvalidPartition", "OverlappingWrites",
))  # fmt: skip
"""Codes a drawn kernel may be refused with."""


def is_needless(error: HarnessError, case: Case) -> bool:
    """Whether a drawn kernel should have been taken; of a case with a verdict that is known."""
    return error.code not in DESERVED and not case.expect and not isinstance(error, OptionError)


def refusing_pass(source: Any, options: dict[str, Any]) -> str:
    """The pass that refuses a kernel, or the first where it made something else of it before."""
    from harness.compiler.options import CompileOptions
    from harness.compiler.pipeline import tt_passes
    from harness.language.rewriting.inturn import steps

    asked = CompileOptions(**options)
    found = (_refusing(one, asked) for one in steps(source))
    return next((name for name in found if name), tt_passes(asked)[-1].name)


def _refusing(source: Any, asked: CompileOptions) -> str:
    """The pass that refuses one kernel; empty where none does."""
    from golden import contract_for
    from harness.compiler.diagnostics import as_module
    from harness.compiler.pipeline import tt_passes
    from harness.fuzz.stages import infers_wrongly

    first, *others = tt_passes(asked)
    try:
        module = inferred = first(as_module(source))
    except HarnessError:
        return first.name
    for one in others:
        try:
            module = one(module)
        except HarnessError:
            contract = contract_for(source, asked.arch.family, asked.fidelity, asked.fp32_dest)
            (func,) = (f for _, f in inferred.functions_items())
            return first.name if infers_wrongly(source, func, contract) else one.name
    return ""
