"""Plans and programs that still run, and mean or promise something else than was compiled."""

from __future__ import annotations

from dataclasses import replace as with_fields
from typing import Any, Final

from harness.mutants.edit import (
    Built,
    change_cbs,
    dropped,
    edit,
    is_op,
    replace,
    with_arg,
    with_plan,
)
from harness.mutants.registry import Mutant, in_built
from simulator.plan.schema import Semaphore
from simulator.program import ops_of

FAMILY: Final = "edited artifacts"


def _one(name: str, breaks: str, apply: Any) -> Mutant:
    return in_built(FAMILY, name, breaks, apply)


def _scaler_as_integers(built: Built) -> Any:
    """Scaler tiles relabelled to integers of the same size."""
    ids = {a.args[0] for p in built.programs.programs for a in ops_of(p.body)
           if is_op(a, "generate_reduce_scaler")}  # fmt: skip
    return change_cbs(built, lambda cb: replace(cb, data_format="UInt16")
                      if cb.id in ids and cb.page_bytes == 2048 else None)  # fmt: skip


def _first_spill(built: Built) -> Any:
    """The first buffer that reaches DST whole goes through SrcA."""
    ids = [cb.id for cb in built.plan.circular_buffers if cb.unpack_to_dest][:1]
    return change_cbs(built, lambda cb: replace(cb, unpack_to_dest=False)
                      if cb.id in ids else None)  # fmt: skip


def _in_l1(built: Built) -> Any:
    layouts = {n: replace(la, memory="L1") for n, la in built.plan.layouts.items()}
    return with_plan(built, layouts=layouts)


def _idle_semaphore(built: Built) -> Any:
    if built.plan.semaphores:
        return None
    return with_plan(built, semaphores=(Semaphore(id=3, core_ranges=built.plan.core_ranges),))


def _idle_buffer(built: Built) -> Any:
    first = built.plan.circular_buffers[0]
    free = max(cb.id for cb in built.plan.circular_buffers) + 1
    spare = replace(first, id=free, name="spare", tensor=None)
    return with_fields(built, plan=replace(
        built.plan, circular_buffers=(*built.plan.circular_buffers, spare)))  # fmt: skip


def _reserved_all(built: Built) -> Any:
    """The reader reserves the whole buffer for every block, so nothing is read ahead."""
    depths = {cb.id: cb.depth for cb in built.plan.circular_buffers}

    def whole(stmt: Any) -> Any:
        if not is_op(stmt, "cb_reserve_back") or depths[stmt.args[0]] == stmt.args[1]:
            return None
        return (replace(stmt, args=(stmt.args[0], depths[stmt.args[0]])),)

    return edit(built, whole, thread="ncrisc")


MUTANTS: Final = (
    _one("scaler-of-integers", "A reduction's scaler is labelled UInt16.", _scaler_as_integers),
    _one("last-uninit-lost", "A program ends with the packer's mask on.",
         lambda b: edit(b, dropped("reduce_uninit"), thread="compute", which="last")),
    _one("one-spill-cut", "One float32 block reaches DST through SrcA.", _first_spill),
    _one("tensors-in-l1", "Tensors that were left in DRAM lie in L1.", _in_l1),
    _one("idle-semaphore", "A semaphore that no program uses is declared.", _idle_semaphore),
    _one("idle-buffer", "A circular buffer that no program uses takes L1.", _idle_buffer),
    _one("read-ahead-reserved", "The reader reserves all of a buffer for one block.",
         _reserved_all),
    _one("maximum-not-subtracted", "Differences are left out of vector expressions.",
         lambda b: edit(b, dropped("sub_binary_tile"), thread="compute")),
    _one("offset-forgotten", "Numbers added in vector expressions are zero.",
         lambda b: edit(b, with_arg("add_unary_tile", 1, lambda _: 0.0), thread="compute")),
)  # fmt: skip
