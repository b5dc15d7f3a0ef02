"""C++ identifiers for the names of a program: readable, distinct and free of reserved words."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final

from simulator.isa import OPS
from simulator.plan.schema import Plan
from simulator.program import If, Let, Loop, Program, Stmt

_KEYWORDS: Final = """
alignas alignof and asm auto bitand bitor bool break case catch char class compl concept const
consteval constexpr constinit continue decltype default delete do double else enum explicit export
extern false float for friend goto if inline int long mutable namespace new noexcept not nullptr
operator or private protected public register requires return short signed sizeof static struct
switch template this throw true try typedef typeid typename union unsigned using virtual void
volatile wchar_t while xor
"""
"""C++20's keywords (those that could be a name of a TileLang kernel)."""

_TAKEN: Final = """
Args DataFormat PoolType ReduceDim SrcOrder TensorAccessor TensorAccessorArgs std main kernel_main
get_arg_val get_common_arg_val get_compile_time_arg_val get_noc_addr get_noc_multicast_addr
get_read_ptr get_write_ptr get_semaphore noc_columns noc_rows noc_index floor_div floor_mod
invalidate_l1_cache float_bits zero_tile_region_4bit datum_of tt_l1_ptr BroadcastType MATH PACK
UNPACK ALWI APPROX DST_ACCUM_MODE MATH_FIDELITY int32_t uint8_t uint16_t uint32_t uint64_t
"""
"""Names the printed text itself uses, and macros of the headers it includes."""

RESERVED: Final = frozenset(_KEYWORDS.split()) | frozenset(_TAKEN.split()) | frozenset(OPS)


def identifiers(names: Iterable[str], prefix: str = "") -> Mapping[str, str]:
    """A distinct C++ identifier for each of ``names``, in order; most keep their spelling."""
    out: dict[str, str] = {}
    used: set[str] = set()
    for name in names:
        text = prefix + re.sub(r"_{2,}", "_", re.sub(r"\W", "_", name, flags=re.ASCII))
        if not prefix and (text in RESERVED or not re.match(r"[A-Za-z]", text)):
            text = f"v_{text.lstrip('_')}"
        while text in used:
            text += "_"
        used.add(text)
        out[name] = text
    return MappingProxyType(out)


def circular_names(plan: Plan) -> Mapping[int, str]:
    """The constant each circular buffer's id is printed as, such as ``cb_A_shared``."""
    names = [f"{cb.name}#{cb.id}" for cb in plan.circular_buffers]
    plain = [cb.name for cb in plan.circular_buffers]
    keys = plain if len(set(plain)) == len(plain) else names
    made = identifiers(keys, "cb_")
    return MappingProxyType(
        {cb.id: made[key] for cb, key in zip(plan.circular_buffers, keys, strict=True)}
    )


def local_names(program: Program) -> Mapping[str, str]:
    """Identifiers of everything a program binds: accessors, arguments, lets and loop variables."""
    return identifiers(dict.fromkeys([
        *program.accessors, *program.compile_args, *program.common_args, *program.runtime_args,
        *_bound(program.body),
    ]))  # fmt: skip


def _bound(body: Iterable[Stmt]) -> Iterable[str]:
    for stmt in body:
        if isinstance(stmt, (Let, Loop)):
            yield stmt.var
        if isinstance(stmt, Loop):
            yield from _bound(stmt.body)
        elif isinstance(stmt, If):
            yield from _bound(stmt.then)
            yield from _bound(stmt.orelse)
