"""Circular-buffer handshake: waits, reserves, pushes, pops, and how many pages they move."""

from __future__ import annotations

from functools import partial
from typing import Any, Final

from harness.mutants.edit import (
    Built,
    change_cbs,
    dropped,
    edit,
    edit_bodies,
    is_op,
    replace,
    with_arg,
)
from harness.mutants.registry import Mutant, in_built
from simulator.program import If, Loop, Op

FAMILY: Final = "handshake"
NAMES: Final = {"ncrisc": "reader", "compute": "compute", "brisc": "writer"}
CB_OPS: Final = ("cb_reserve_back", "cb_push_back", "cb_wait_front", "cb_pop_front")


_one = partial(in_built, FAMILY)


def _missing() -> list[Mutant]:
    rows = (
        ("cb_wait_front", ("compute", "brisc"), "reads pages that may not be there yet"),
        ("cb_reserve_back", ("ncrisc", "compute"), "writes pages the consumer may still read"),
        ("cb_push_back", ("ncrisc", "compute"), "never hands its pages over"),
        ("cb_pop_front", ("compute", "brisc"), "never gives pages back"),
    )
    out = []
    for op, threads, effect in rows:
        word = op.split("_")[1]
        for thread in threads:
            out.append(_one(  # noqa: PERF401
                f"missing-{word}-{NAMES[thread]}", f"The {NAMES[thread]} {effect}: {op} dropped.",
                lambda b, op=op, thread=thread: edit(b, dropped(op), thread=thread),
            ))  # fmt: skip
        out.append(_one(
            f"missing-last-{word}", f"The last {op} of each program is dropped.",
            lambda b, op=op: edit(b, dropped(op), which="last"),
        ))  # fmt: skip
    return out


def _counted() -> list[Mutant]:
    out = []
    for op in CB_OPS:
        word = op.split("_")[1]
        out.append(_one(
            f"{word}-one-short", f"{op} moves a page less than the block has.",
            lambda b, op=op: edit(b, with_arg(op, 1, lambda n: n - 1 if n > 1 else None)),
        ))  # fmt: skip
        out.append(_one(
            f"{word}-one-more", f"{op} moves a page more than the block has.",
            lambda b, op=op: edit(b, with_arg(op, 1, lambda n: n + 1), which="first"),
        ))  # fmt: skip
    return out


def _twice(op: str, thread: str) -> Any:
    return lambda b: edit(b, lambda s: (s, s) if is_op(s, op) else None, thread=thread,
                          which="first")  # fmt: skip


def _early(op: str, thread: str, before: tuple[str, ...]) -> Any:
    """``op`` moved in front of the first of ``before`` in its statement list."""

    def change(body: tuple[Any, ...]) -> tuple[Any, ...] | None:
        at = next((i for i, s in enumerate(body) if is_op(s, op)), None)
        to = next((i for i, s in enumerate(body) if _has(s, before)), None)
        if at is None or to is None or at < to:
            return None
        out = list(body)
        out.insert(to, out.pop(at))
        return tuple(out)

    return lambda b: edit_bodies(b, change, thread)


def _late(op: str, thread: str, after: tuple[str, ...]) -> Any:
    """``op`` moved behind the last of ``after`` in its statement list."""

    def change(body: tuple[Any, ...]) -> tuple[Any, ...] | None:
        at = next((i for i, s in enumerate(body) if is_op(s, op)), None)
        to = max((i for i, s in enumerate(body) if _has(s, after)), default=None)
        if at is None or to is None or at > to:
            return None
        out = list(body)
        out.insert(to, out.pop(at))
        return tuple(out)

    return lambda b: edit_bodies(b, change, thread)


def _has(stmt: Any, names: tuple[str, ...]) -> bool:
    if isinstance(stmt, Op):
        return stmt.name in names
    inner = getattr(stmt, "body", ()) or getattr(stmt, "then", ())
    return any(_has(s, names) for s in inner)


def _later_wave(op: str, thread: str) -> Any:
    """``op`` only in the first work item of the persistent loop."""

    def change(stmt: Any) -> Any:
        if is_op(stmt, op):
            return (If(cond=["==", "item", 0], then=(stmt,)),)
        return None

    return lambda b: edit(b, change, thread=thread, which="last")


def _swap_cbs(stmt: Any, a: int, b: int) -> Any:
    if not is_op(stmt, *CB_OPS) or stmt.args[0] not in (a, b):
        return None
    return (replace(stmt, args=(b if stmt.args[0] == a else a, stmt.args[1])),)


def _merged(built: Built) -> Any:
    """Both operands of the reader in the first one's buffer."""

    def change(stmt: Any) -> Any:
        if is_op(stmt, "cb_reserve_back", "cb_push_back") and stmt.args[0] == 1:
            return (replace(stmt, args=(0, stmt.args[1])),)
        if is_op(stmt, "noc_async_read_page") and stmt.args[2] == ["get_write_ptr", 1]:
            return (replace(stmt, args=(*stmt.args[:2], ["get_write_ptr", 0])),)
        return None

    return edit(built, change, thread="ncrisc")


def _in_loop(stmt: Any, var: str, change: Any) -> Any:
    """Change the body of K loops: ``change(loop)`` gives the new body."""
    if isinstance(stmt, Loop) and stmt.var == var:
        body = change(stmt)
        return None if body is None or body == stmt.body else (replace(stmt, body=body),)
    return None


def _k_multiple(built: Built) -> Any:
    """The last pop of the K loop forgotten where K is a multiple of twice the stages."""

    def body(loop: Loop) -> Any:
        if not isinstance(loop.stop, int) or loop.stop % 4:
            return None
        return tuple(
            If(cond=["<", loop.var, loop.stop - 1], then=(s,)) if is_op(s, "cb_pop_front") else s
            for s in loop.body
        )

    return edit(built, lambda s: _in_loop(s, "ko", body), thread="compute")


def _back_edge(built: Built) -> Any:
    """The reader reserves for the next K step only from the third on."""

    def body(loop: Loop) -> Any:
        return tuple(
            If(cond=["<", loop.var, 1], then=(s,)) if is_op(s, "cb_reserve_back") else s
            for s in loop.body
        )

    return edit(built, lambda s: _in_loop(s, "ko", body), thread="ncrisc")


def _depth(change: Any) -> Any:
    return lambda b: change_cbs(
        b, lambda cb: replace(cb, depth=change(cb)) if change(cb) > 0 else None
    )


def _rolled(built: Built) -> Any:
    ids = [cb.id for cb in built.plan.circular_buffers]
    ring = dict(zip(ids, ids[1:] + ids[:1], strict=True))
    return change_cbs(built, lambda cb: replace(cb, id=ring[cb.id])) if len(ids) > 1 else None


MUTANTS: Final = (
    *_missing(),
    *_counted(),
    _one("push-twice-reader", "The reader hands its first block over twice.",
         _twice("cb_push_back", "ncrisc")),
    _one("pop-twice-compute", "Compute frees its first block twice.",
         _twice("cb_pop_front", "compute")),
    _one("push-before-read", "The reader hands pages over before it starts to read them.",
         _early("cb_push_back", "ncrisc", ("noc_async_read_page",))),
    _one("push-before-pack", "Compute hands pages over before it packs them.",
         _early("cb_push_back", "compute", ("pack_tile",))),
    _one("pop-before-use", "Compute frees operands before it uses them.",
         _early("cb_pop_front", "compute", ("matmul_tiles", "copy_tile", "reduce_tile"))),
    _one("pop-before-write", "The writer frees pages before it sends them.",
         _early("cb_pop_front", "brisc", ("noc_async_write_page",))),
    _one("wait-after-use", "Compute waits for operands after it used them.",
         _late("cb_wait_front", "compute", ("matmul_tiles", "copy_tile", "add_tiles"))),
    _one("reserve-after-pack", "Compute reserves pages after it packed them.",
         _late("cb_reserve_back", "compute", ("pack_tile",))),
    _one("credit-lost-second-wave", "The writer frees pages in the first work item only.",
         _later_wave("cb_pop_front", "brisc")),
    _one("push-lost-second-wave", "The reader hands its last block over in the first item only.",
         _later_wave("cb_push_back", "ncrisc")),
    _one("wait-lost-second-wave", "Compute waits for its last operand in the first item only.",
         _later_wave("cb_wait_front", "compute")),
    _one("pop-lost-at-k-multiple", "The K loop's last pop is lost where K % (2 * stages) = 0.",
         _k_multiple),
    _one("back-edge-without-reserve", "The reader reserves in the first K step only, so a later"
         " one overwrites pages in flight.", _back_edge),
    _one("one-buffer-for-two-operands", "Both operands go through one circular buffer.", _merged),
    _one("consumer-waits-on-other-operand", "Compute waits on and frees the operands crosswise.",
         lambda b: edit(b, lambda s: _swap_cbs(s, 0, 1), thread="compute")),
    _one("writer-waits-on-operand", "The writer waits on circular buffer 0.",
         lambda b: edit(b, with_arg("cb_wait_front", 0, lambda _: 0), thread="brisc")),
    _one("buffer-ids-rotated", "The plan gives every circular buffer its neighbour's id.", _rolled),
    _one("depth-minus-one", "Circular buffers are a page shallower than planned for.",
         _depth(lambda cb: cb.depth - 1)),
    _one("depth-one", "Circular buffers hold one page.", _depth(lambda cb: 1)),
    _one("depth-plus-one", "Circular buffers are a page deeper, so blocks straddle the end.",
         _depth(lambda cb: cb.depth + 1 if cb.depth > 1 else 0)),
    _one("control-depth-doubled", "Circular buffers twice as deep.",
         lambda b: _depth(lambda cb: 2 * cb.depth if cb.producer == "ncrisc" else 0)(b)
         if b.plan.options["double_buffer"] and b.plan.options["prefetch"] else None,
         "every block still fits, in the same order; only timing changes"),
)  # fmt: skip
