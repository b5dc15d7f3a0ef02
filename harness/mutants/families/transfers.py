"""NoC transfers: barriers, page formulas, addresses, loop variables that went stale, semaphores."""

from __future__ import annotations

from typing import Any, Final

from harness.mutants.edit import (
    Built,
    dropped,
    edit,
    edit_bodies,
    is_op,
    renamed,
    replace,
    swapped,
    with_arg,
    with_plan,
)
from harness.mutants.registry import in_built as _one
from simulator.program import If, Let, Loop

READ: Final = "noc_async_read_page"
WRITE: Final = "noc_async_write_page"


def _op(*names: str) -> Any:
    return lambda s: is_op(s, *names)


def _swap(first: str, second: str, thread: str) -> Any:
    return lambda b: edit_bodies(b, swapped(_op(first), _op(second)), thread)


def _only(op: str, thread: str, condition: Any) -> Any:
    """An op inside a loop guarded by a condition on the loop."""

    def change(stmt: Any) -> Any:
        if not isinstance(stmt, Loop) or stmt.var == "item":
            return None
        body = tuple(If(cond=condition(stmt), then=(s,)) if is_op(s, op) else s for s in stmt.body)
        return None if body == stmt.body else (replace(stmt, body=body),)

    return lambda b: edit(b, change, thread=thread)


def _terms(expr: Any, change: Any) -> Any:
    """Every sub-expression replaced by ``change`` of it where that is not None, outermost first."""
    new = change(expr)
    if new is not None:
        return new
    if isinstance(expr, list):
        return [expr[0], *(_terms(e, change) for e in expr[1:])]
    return expr


def _page(op: str, change: Any, index: int = 0, which: str = "all") -> Any:
    return lambda b: edit(b, with_arg(op, index, lambda e: _terms(e, change)), which=which)


def _whole(op: str, change: Any, index: int = 0) -> Any:
    return lambda b: edit(b, with_arg(op, index, change))


def _without(var: str) -> Any:
    return lambda e: 0 if e == var else None


def _stride(delta: int) -> Any:
    def change(e: Any) -> Any:
        if isinstance(e, list) and e[0] == "*" and isinstance(e[2], int) and e[2] < 512:
            return [*e[:2], e[2] + delta]
        return None

    return change


def _bytes(factor: int) -> Any:
    def change(e: Any) -> Any:
        if isinstance(e, list) and e[0] == "*" and isinstance(e[2], int) and e[2] >= 512:
            return [*e[:2], e[2] * factor // 2]
        return None

    return change


def _names(swap: dict[str, str]) -> Any:
    return lambda e: swap.get(e) if isinstance(e, str) else None


def _let(change: Any, thread: str) -> Any:
    def visit(stmt: Any) -> Any:
        if isinstance(stmt, Let):
            value = change(stmt)
            return None if value is None or value == stmt.value else (replace(stmt, value=value),)
        return None

    return lambda b: edit(b, visit, thread=thread)


def _loop(change: Any, thread: str, var: str | None = None) -> Any:
    def visit(stmt: Any) -> Any:
        if isinstance(stmt, Loop) and var in (None, stmt.var):
            new = change(stmt)
            return None if new is None or new == stmt else (new,)
        return None

    return lambda b: edit(b, visit, thread=thread)


def _other_tensor(built: Built) -> Any:
    names = next(p.accessors for p in built.programs.programs if p.thread == "ncrisc")
    if len(names) < 2:
        return None
    ring = dict(zip(names, names[1:] + names[:1], strict=True))
    return edit(built, with_arg(READ, 1, ring.get), thread="ncrisc")


def _hoisted(built: Built) -> Any:
    """The read barrier behind the K loop instead of in it."""

    def change(stmt: Any) -> Any:
        if isinstance(stmt, Loop) and stmt.var == "ko":
            barrier = [s for s in stmt.body if is_op(s, "noc_async_read_barrier")]
            if not barrier:
                return None
            body = tuple(s for s in stmt.body if not is_op(s, "noc_async_read_barrier"))
            return (replace(stmt, body=body), barrier[0])
        return None

    return edit(built, change, thread="ncrisc")


def _semaphore(change: Any, op: str, index: int) -> Any:
    return lambda b: edit(b, with_arg(op, index, change)) if b.plan.semaphores else None


def _initial(built: Built) -> Any:
    new = tuple(replace(s, initial=s.initial + 1) for s in built.plan.semaphores)
    return with_plan(built, semaphores=new)


B, P, S = "barriers", "page formulas", "semaphores"
MUTANTS: Final = (
    _one(B, "missing-read-barrier", "Pages are handed over while they still arrive.",
         lambda b: edit(b, dropped("noc_async_read_barrier"))),
    _one(B, "missing-write-barrier", "Pages are freed while the NoC may still read them.",
         lambda b: edit(b, dropped("noc_async_write_barrier"))),
    _one(B, "missing-last-read-barrier", "The last block is handed over while it still arrives.",
         lambda b: edit(b, dropped("noc_async_read_barrier"), which="last")),
    _one(B, "push-before-barrier", "The reader pushes, then waits for its reads.",
         _swap("noc_async_read_barrier", "cb_push_back", "ncrisc")),
    _one(B, "pop-before-barrier", "The writer pops, then waits for its writes.",
         _swap("noc_async_write_barrier", "cb_pop_front", "brisc")),
    _one(B, "barrier-before-read", "The reader waits for its reads before it starts them.",
         _swap(READ, "noc_async_read_barrier", "ncrisc")),
    _one(B, "barrier-of-the-other-kind", "The reader waits for writes instead of reads.",
         lambda b: edit(b, renamed("noc_async_read_barrier", "noc_async_write_barrier"))),
    _one(B, "barrier-in-last-step-only", "The K loop waits for its reads in the last step only.",
         _only("noc_async_read_barrier", "ncrisc",
               lambda lo: ["==", lo.var, ["-", lo.stop, 1]])),
    _one(B, "barrier-on-odd-steps", "The K loop waits for its reads in every other step only.",
         _only("noc_async_read_barrier", "ncrisc", lambda lo: ["%", lo.var, 2])),
    _one(B, "barrier-after-loop", "The read barrier moved behind the K loop.", _hoisted),
    _one(B, "control-barrier-twice", "Every read barrier twice.",
         lambda b: edit(b, lambda s: (s, s) if is_op(s, "noc_async_read_barrier") else None),
         "a second barrier with nothing in flight does nothing"),
    _one(B, "flush-instead-of-barrier", "The writer waits until writes have left, not until they"
         " are visible.",
         lambda b: edit(b, renamed("noc_async_write_barrier", "noc_async_writes_flushed"))),
    _one(P, "constant-tile-id-read", "Every read takes page 0.", _whole(READ, lambda _: 0)),
    _one(P, "constant-tile-id-write", "Every write goes to page 0.", _whole(WRITE, lambda _: 0)),
    _one(P, "page-off-by-one-read", "Every read takes the next page.",
         _whole(READ, lambda e: ["+", e, 1])),
    _one(P, "page-off-by-one-write", "Every write goes to the next page.",
         _whole(WRITE, lambda e: ["+", e, 1])),
    _one(P, "page-without-k", "The page formula forgets the K step.", _page(READ, _without("ko"))),
    _one(P, "page-without-row-block", "Reads forget the block's row.", _page(READ, _without("by"))),
    _one(P, "page-without-column-block", "Reads forget the block's column.",
         _page(READ, _without("bx"))),
    _one(P, "write-without-row-block", "Writes forget the block's row.",
         _page(WRITE, _without("by"))),
    _one(P, "write-without-column-block", "Writes forget the block's column.",
         _page(WRITE, _without("bx"))),
    _one(P, "page-without-batch", "Reads forget the batch.", _page(READ, _without("bz"))),
    _one(P, "page-without-tile-row", "Reads forget the tile's row in the block.",
         _page(READ, _without("i"))),
    _one(P, "page-without-tile-column", "Reads forget the tile's column in the block.",
         _page(READ, _without("j"))),
    _one(P, "stride-one-more-read", "Page strides of reads one too large.",
         _page(READ, _stride(1))),
    _one(P, "stride-one-less-write", "Page strides of writes one too small.",
         _page(WRITE, _stride(-1))),
    _one(P, "swapped-grid-axes-read", "Reads take bx for by and by for bx.",
         _page(READ, _names({"bx": "by", "by": "bx"}))),
    _one(P, "swapped-grid-axes-write", "Writes take bx for by and by for bx.",
         _page(WRITE, _names({"bx": "by", "by": "bx"}))),
    _one(P, "stale-k", "Reads use the work item's number in place of the K step.",
         _page(READ, _names({"ko": "item"}))),
    _one(P, "k-reversed-for-one-operand", "The first operand's K steps run backwards.",
         lambda b: edit(b, with_arg(READ, 0, lambda e: _terms(
             e, lambda x: ["-", 1, "ko"] if x == "ko" else None)), which="first")),
    _one(P, "l1-offset-halved", "Tiles of a block overlap in L1.", _page(READ, _bytes(1), 2)),
    _one(P, "l1-offset-doubled", "Tiles of a block are two pages apart in L1.",
         _page(READ, _bytes(4), 2)),
    _one(P, "l1-offset-dropped", "Every tile of a block goes to its first page.",
         _whole(READ, lambda e: e[1] if isinstance(e, list) and e[0] == "+" else None, 2)),
    _one(P, "writer-l1-offset-dropped", "The writer sends a block's first page every time.",
         _whole(WRITE, lambda e: e[1] if isinstance(e, list) and e[0] == "+" else None, 2)),
    _one(P, "operands-read-from-each-other", "The reader takes each operand's pages from the next"
         " tensor.", _other_tensor),
    _one(P, "missing-write", "The writer sends nothing.", lambda b: edit(b, dropped(WRITE))),
    _one(P, "missing-read", "The last read of the reader is dropped.",
         lambda b: edit(b, dropped(READ), which="last")),
    _one("persistent loop", "stale-block-index", "Block indices forget the work item.",
         lambda b: edit(b, lambda s: (replace(s, value=_terms(s.value, _without("item"))),)
                        if isinstance(s, Let) and _terms(s.value, _without("item")) != s.value
                        else None)),
    _one("persistent loop", "every-core-starts-at-zero", "The reader forgets the core's start.",
         _let(lambda s: _terms(s.value, _without("start")), "ncrisc")),
    _one("persistent loop", "writer-starts-at-zero", "The writer forgets the core's start.",
         _let(lambda s: _terms(s.value, _without("start")), "brisc")),
    _one("persistent loop", "division-for-remainder", "Index recovery takes // where % belongs.",
         _let(lambda s: _terms(s.value, lambda e: ["//", *e[1:]] if isinstance(e, list)
                               and e[0] == "%" else None), "ncrisc")),
    _one("persistent loop", "last-item-skipped", "The writer leaves its last work item out.",
         _loop(lambda lo: replace(lo, stop=["-", lo.stop, 1]), "brisc", "item")),
    _one("persistent loop", "first-item-skipped-everywhere", "All threads skip the first item.",
         lambda b: edit(b, lambda s: (replace(s, start=1),) if isinstance(s, Loop)
                        and s.var == "item" and s.start == 0 else None)),
    _one("persistent loop", "only-one-item", "All threads stop after one work item.",
         lambda b: edit(b, lambda s: (replace(s, stop=1),) if isinstance(s, Loop)
                        and s.var == "item" and s.stop != 1 else None)),
    _one("persistent loop", "k-loop-one-short", "All threads leave the last K step out.",
         lambda b: edit(b, lambda s: (replace(s, stop=s.stop - 1),) if isinstance(s, Loop)
                        and s.var == "ko" and isinstance(s.stop, int) and s.stop > 1 else None)),
    _one(S, "semaphore-value", "The waiting core wants one more than is ever signalled.",
         _semaphore(lambda v: v + 1, "noc_semaphore_wait_min", 1)),
    _one(S, "semaphore-not-waited", "The waiting core does not wait at all.",
         lambda b: edit(b, dropped("noc_semaphore_wait_min")),
         "the baton orders nothing that shares data: both cores copy tiles of their own"),
    _one(S, "semaphore-never-signalled", "The first core never signals.",
         lambda b: edit(b, dropped("noc_semaphore_inc"))),
    _one(S, "semaphore-to-wrong-core", "The first core signals itself.",
         _semaphore(lambda _: 0, "noc_semaphore_inc", 0)),
    _one(S, "semaphore-initial-value", "The semaphore starts at one.", _initial),
    _one(S, "semaphore-equality-missed", "The core waits for exactly 2 where 1 is signalled.",
         lambda b: edit(b, lambda s: (replace(s, name="noc_semaphore_wait", args=(0, 2)),)
                        if is_op(s, "noc_semaphore_wait_min") else None)),
)  # fmt: skip
