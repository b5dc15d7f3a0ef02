"""Decisions by tensors of indices: taken otherwise by all threads, by one, or of other data."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np
import tvm
import tvm_ffi
from tvm import tirx

from golden.interpret.statements import Statements
from harness.compiler.passes import lower_tiles
from harness.compiler.rewrite import recalled
from harness.compiler.split import answers
from harness.compiler.split.tree import Block, walk
from harness.mutants.edit import Built, edit, is_op
from harness.mutants.edit import replace as edited
from harness.mutants.registry import Mutant, Where, in_built, on_kernels, substitution
from simulator.program import If, Let, Loop, is_load, load_of, statements

FAMILY: Final = "decisions by data"
KERNELS: Final = ("block_sparse_gemm", "block_sparse_attention", "counted", "listed")
THREADS: Final = ("ncrisc", "compute", "brisc")


def _built(name: str, breaks: str, apply: Callable[..., Any]) -> Mutant:
    return in_built(FAMILY, f"decided-{name}", breaks, apply)


def _loaded(built: Built) -> set[str]:
    """Names that programs load."""
    return {s.var for p in built.programs.programs for s in statements(p.body)
            if isinstance(s, Let) and is_load(s)}  # fmt: skip


def _mentions(expr: Any, names: set[str]) -> bool:
    if isinstance(expr, (list, tuple)):
        return any(_mentions(part, names) for part in expr)
    return isinstance(expr, str) and expr in names


def conditions(change: Callable[[Any], Any], thread: str | None = None) -> Any:
    """Conditions on loaded values changed, in one thread's program or in all."""

    def apply(built: Built) -> Any:
        names = _loaded(built)

        def visit(stmt: Any) -> Any:
            if isinstance(stmt, If) and _mentions(stmt.cond, names):
                return (edited(stmt, cond=change(stmt.cond)),)
            return None

        return edit(built, visit, thread=thread)

    return apply


def _bounds(change: Callable[[Loop], Loop], thread: str | None = None) -> Any:
    """Loops bounded by loaded values changed, in one thread's program or in all."""

    def apply(built: Built) -> Any:
        names = _loaded(built)

        def visit(stmt: Any) -> Any:
            if isinstance(stmt, Loop) and _mentions([stmt.start, stmt.stop], names):
                return (change(stmt),)
            return None

        return edit(built, visit, thread=thread)

    return apply


def _rows(built: Built, thread: str) -> set[int]:
    """Circular buffers a thread loads from."""
    loads = (load_of(s.value) for p in built.programs.programs if p.thread == thread
             for s in statements(p.body) if isinstance(s, Let))  # fmt: skip
    return {load[0] for load in loads if load}


def row_ends(op: str, thread: str) -> Any:
    """An op of a thread on the rows it loads from left out."""

    def apply(built: Built) -> Any:
        rows = _rows(built, thread)
        return edit(built, lambda s: () if is_op(s, op) and s.args[0] in rows else None,
                    thread=thread)  # fmt: skip

    return apply


def _fetched(change: Callable[[Any], Any]) -> Any:
    """The page of rows that compute loads from."""

    def apply(built: Built) -> Any:
        rows = _rows(built, "compute")

        def visit(stmt: Any) -> Any:
            if is_op(stmt, "noc_async_read_page") and stmt.args[2] in (
                ["get_write_ptr", row] for row in rows
            ):
                return (edited(stmt, args=(change(stmt.args[0]), *stmt.args[1:])),)
            return None

        return edit(built, visit, thread="ncrisc")

    return apply


def _other(name: str, where: Where, breaks: str, owner: Any, attribute: str, wrap: Any) -> Mutant:
    return substitution(FAMILY, f"decided-{name}", where, breaks, (owner, attribute, wrap),
                        applies=on_kernels(KERNELS))  # fmt: skip


def _next_of_list(old: Any) -> Any:
    """Lists give the element after the one that is asked, the last one itself."""

    def at(self: Any, load: Any) -> Any:
        index = load.indices[-1]
        last = int(load.source.ty.shape[-1]) - 1
        after = tirx.BufferLoad(load.source, [*load.indices[:-1], tirx.Min(index + 1, last)])
        return old(self, after)

    return at


def _first_block_s(old: Any) -> Any:
    """What the first block decides, all do."""

    def guarded(self: Any, body: Any, space: Any, chosen: Any) -> Any:
        return old(self, body, space, np.full_like(chosen, np.ravel(chosen)[0]))

    return guarded


def _always(old: Any) -> Any:
    """Bounds and conditions of other variables than those that were loaded."""

    def ask(*args: Any) -> Any:
        before, told = old(*args)
        return before, [tirx.const(True) if str(e.ty.dtype) == "bool" and before else e
                        for e in told]  # fmt: skip

    return ask


def _same_row(old: Any) -> Any:
    """All threads get the row of page 0."""

    def new(nodes: Any, rows: Any) -> Any:
        def zero(call: Any) -> Any:
            if call.op.name != "tt.noc_async_read_page":
                return call
            args = [tirx.const(0, "int32"), *call.args[1:]]
            return type(call)(call.op, args, ret_ty=call.ty, span=call.span)

        for node in walk(nodes):
            if isinstance(node, Block) and len(node.defs) == 1 and node.defs[0] in rows:
                node.stmt = tvm_ffi.structural_map(node.stmt, [(tvm.ir.Call, zero)], order="post")
        return old(nodes, rows)

    return new


MUTANTS: Final = (
    _built("turned-round", "All threads do what is to be left out.", conditions(
        lambda c: ["!", c])),
    _built("always", "All threads do it anyway.", conditions(lambda _: 1)),
    _built("never", "No thread does it.", conditions(lambda _: 0)),
    *(_built(f"always-{thread}", f"One thread, {thread}, does it anyway.",
             conditions(lambda _: 1, thread)) for thread in THREADS),
    _built("never-compute", "Compute leaves out what the others do.",
           conditions(lambda _: 0, "compute")),
    _built("one-turn-more", "Loops run once more than the table says.",
           _bounds(lambda s: edited(s, stop=["+", s.stop, 1]))),
    _built("one-turn-less", "Loops run once less than the table says.",
           _bounds(lambda s: edited(s, stop=["-", s.stop, 1]))),
    _built("from-zero", "Loops begin at 0.", _bounds(lambda s: edited(s, start=0))),
    _built("one-turn-more-compute", "Compute's loops run once more than the reader's.",
           _bounds(lambda s: edited(s, stop=["+", s.stop, 1]), "compute")),
    _built("row-of-page-0", "Compute gets the table's first row.", _fetched(lambda _: 0)),
    _built("row-not-waited", "Compute loads what may not be there.",
           row_ends("cb_wait_front", "compute")),
    _built("row-not-popped", "Compute keeps its rows.", row_ends("cb_pop_front", "compute")),
    _built("datum-0-compute", "Compute loads the first datum of its row.", lambda b: edit(
        b, lambda s: (edited(s, value=[*s.value[:2], 0]),) if is_load(s) else None,
        thread="compute")),
    _other("list-of-the-next", Where.PASS1, "Lists on chip give the element after the one asked.",
           recalled._Set, "at", _next_of_list),  # noqa: SLF001 - what is mutated
    _other("whatever-is-asked", Where.PASS4, "Conditions that ask a table hold.",
           lower_tiles, "ask", _always),
    _other("rows-of-page-0", Where.PASS5, "All threads load from the table's first row.",
           answers, "_told", _same_row),
    _other("golden-as-the-first", Where.GOLDEN, "Golden lets the first block decide for all.",
           Statements, "_guarded", _first_block_s),
)  # fmt: skip
