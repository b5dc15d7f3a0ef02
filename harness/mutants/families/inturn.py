"""Between kernels that run in turn: who reads what, where it lies, and who runs when."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np
import tvm
from tvm import tirx

from harness.checking import sequences
from harness.compiler.annotations import annotate_tt_layout
from harness.compiler.retensor import with_tensors
from harness.compiler.sequence import kernel_of, order_of
from harness.language.rewriting.inturn import TT_SEQUENCE
from harness.mutants.edit import Built, edit, is_op, replace
from harness.mutants.inturn import InTurn
from harness.mutants.registry import Kind, Mutant, Where, substitution

FAMILY: Final = "kernels in turn"


def _module(name: str, breaks: str, change: Callable[[tvm.IRModule], Any]) -> Mutant:
    """A fault of what the source says of all kernels together."""

    def apply(turns: InTurn) -> InTurn | None:
        module = change(turns.module)
        return None if module is None else InTurn(module, {})

    return Mutant(name, FAMILY, Where.LANGUAGE, Kind.IN_TURN, breaks, apply)


def _ordered(change: Callable[[list[str]], list[str]]) -> Callable[[tvm.IRModule], Any]:
    return lambda module: module.with_attr(TT_SEQUENCE, change(list(order_of(module))))


def _second(change: Callable[[Any], Any]) -> Callable[[tvm.IRModule], Any]:
    """The last kernel in another form."""

    def apply(module: tvm.IRModule) -> Any:
        order = order_of(module)
        funcs = {name: kernel_of(module, name) for name in order}
        funcs[order[-1]] = change(funcs[order[-1]])
        return tvm.IRModule(funcs).with_attr(TT_SEQUENCE, list(order))

    return apply


def _retyped(func: Any) -> Any:
    """The first tensor a kernel takes, of 16 bits."""
    old = func.params[0]
    shape = [int(d) for d in old.ty.shape]
    new = tirx.decl_buffer(shape, "bfloat16", name=old.name, scope=old.ty.storage_scope)
    return with_tensors(func, {old: new}, {})


def _crossed(func: Any) -> Any:
    """The first two tensors a kernel takes under each other's names."""
    one, other, *_ = func.params
    shapes = [[int(d) for d in p.ty.shape] for p in (one, other)]
    new = [tirx.decl_buffer(s, str(p.ty.dtype), name=q.name, scope=p.ty.storage_scope)
           for s, p, q in zip(shapes, (one, other), (other, one), strict=True)]  # fmt: skip
    return with_tensors(func, dict(zip((one, other), new, strict=True)), {})


def _built(name: str, breaks: str, at: int, change: Callable[[Built], Built]) -> Mutant:
    """A fault of the plan or programs of one kernel."""

    def apply(turns: InTurn) -> InTurn:
        step = order_of(turns.module)[at]
        made = turns.made[step]
        new = change(Built(made.plan, made.programs)).sealed()
        return turns.edited(step, plan=new.plan, programs=new.programs)

    return Mutant(name, FAMILY, Where.PASS5, Kind.IN_TURN, breaks, apply)


def _mixed(built: Built) -> Built:
    """Programs in which P and Q are each other."""
    names = {"P": "Q", "Q": "P"}

    def other(stmt: Any) -> Any:
        if not is_op(stmt, "noc_async_read_page", "noc_async_write_page"):
            return None
        page, tensor, *rest = stmt.args
        return (replace(stmt, args=(page, names.get(tensor, tensor), *rest)),)

    found: Built = edit(built, other)
    return found


def _relabelled(**changes: Any) -> Callable[[Built], Built]:
    """The plan with another layout of P."""

    def apply(built: Built) -> Built:
        layouts = dict(built.plan.layouts)
        layouts["P"] = replace(layouts["P"], **changes)
        return Built(replace(built.plan, layouts=layouts), built.programs)

    return apply


def _runs(name: str, breaks: str, attribute: str, wrap: Callable[[Any], Any]) -> Mutant:
    """A fault of what runs kernels one after another."""
    return substitution(FAMILY, name, Where.SEQUENCES, breaks, (sequences, attribute, wrap))


def _handing(change: Callable[[dict[str, Any]], dict[str, Any]]) -> Callable[[Any], Any]:
    """What a kernel is given of what is known, changed."""

    def wrap(old: Any) -> Any:
        def step_inputs(func: Any, known: Any, *rest: Any) -> Any:
            return old(func, change(dict(known)), *rest)

        return step_inputs

    return wrap


def _running(change: Callable[[tuple[str, ...]], tuple[str, ...]]) -> Callable[[Any], Any]:
    """Which kernels are run, and in which order."""
    return lambda old: lambda module, order, *rest: old(module, change(order), *rest)


def _exchanged(known: dict[str, Any]) -> dict[str, Any]:
    """P for Q and Q for P."""
    return {**known, "P": known["Q"], "Q": known["P"]} if {"P", "Q"} <= known.keys() else known


MUTANTS: Final = (
    _module("turns-exchanged", "Kernels run in the opposite order.", _ordered(lambda o: o[::-1])),
    _module("turn-lost-first", "The first kernel is no part of it.", _ordered(lambda o: o[1:])),
    _module("turn-lost-last", "The last kernel is no part of it.", _ordered(lambda o: o[:-1])),
    _module("turn-listed-twice", "The last kernel is listed twice.",
            _ordered(lambda o: [*o, o[-1]])),
    _module("between-retyped", "The second kernel takes float32 for bfloat16.", _second(_retyped)),
    _module("between-moved", "The second kernel looks for a tensor in L1.",
            _second(lambda f: annotate_tt_layout(f, {f.params[0].name: {"memory": "L1"}}))),
    _module("between-crossed", "The second kernel reads each tensor under the other's name.",
            _second(_crossed)),
    _built("between-read-from-the-other", "The second kernel's programs read P for Q.", -1, _mixed),
    _built("between-written-to-the-other", "The first kernel's programs write P for Q.", 0, _mixed),
    _built("between-plan-retyped-first", "The first plan says P is bfloat16.", 0,
           _relabelled(dtype="bfloat16")),
    _built("between-plan-retyped-second", "The second plan says P is bfloat16.", -1,
           _relabelled(dtype="bfloat16")),
    _built("between-plan-moved-first", "The first plan leaves P in L1.", 0,
           _relabelled(memory="L1")),
    _built("between-plan-moved-second", "The second plan looks for P in L1.", -1,
           _relabelled(memory="L1")),
    _runs("between-drawn-anew", "A kernel is given inputs of its own instead of answers.",
          "step_inputs", _handing(lambda known: {})),
    _runs("between-stale", "A kernel is given zeros, as memory was before.", "step_inputs",
          _handing(lambda known: {n: np.zeros_like(a) for n, a in known.items()})),
    _runs("between-exchanged", "A kernel is given each of two answers for the other.",
          "step_inputs", _handing(_exchanged)),
    _runs("run-backwards", "Kernels are run in the opposite order.", "_run",
          _running(lambda order: order[::-1])),
    _runs("run-skips-first", "The first kernel is not run.", "_run",
          _running(lambda order: order[1:])),
    _runs("run-skips-last", "The last kernel is not run.", "_run",
          _running(lambda order: order[:-1])),
    _runs("run-twice-last", "The last kernel is run twice.", "_run",
          _running(lambda order: (*order, order[-1]))),
)  # fmt: skip
