"""The simulator: arithmetic that is wrong, data that moves wrongly, rules that do not bite.

Applied by substitution while a case runs. A wrong machine disagrees with golden; one whose rules do
not bite is told by a canary, a faulty artifact that the unmutated machine notices.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Any, Final

import numpy as np

import simulator.formats.host as formats_host
import simulator.run
from harness.mutants.registry import Mutant, Where, substitution
from simulator import host
from simulator.engine import (
    cb,
    dst,
    machine,
    ops_config,
    ops_noc,
    ops_sfpu,
    quick_read,
    semaphores,
)
from simulator.engine.machine import Machine
from simulator.numerics import fast, fastmath
from simulator.numerics.modes import Broadcast

FAMILY: Final = "simulator"
HUGE: Final = 1 << 60


def _one(name: str, breaks: str, *parts: tuple[Any, str, Any]) -> Mutant:
    return substitution(FAMILY, f"machine-{name}", Where.SIMULATOR, breaks, *parts)


def _result(change: Any) -> Any:
    """A function whose result is changed."""
    return lambda old: lambda *args, **kw: change(old(*args, **kw))


def _no_accumulator(old: Any) -> Any:
    return lambda acc, *args, **kw: old(None, *args, **kw)


def _transposed_in1(old: Any) -> Any:
    def new(acc: Any, in0: Any, in1: Any, *args: Any, **kw: Any) -> Any:
        return old(acc, in0, np.ascontiguousarray(in1.swapaxes(-1, -2)), *args, **kw)

    return new


def _coarse_operand(old: Any) -> Any:
    def new(*args: Any, **kw: Any) -> Any:
        words = np.ascontiguousarray(old(*args, **kw), np.float32).view(np.uint32)
        return (words & np.uint32(0xFFF80000)).view(np.float32)

    return new


def _truncated(bits: int) -> Any:
    """The packer cuts ``bits`` of a float32 instead of rounding."""

    def wrap(old: Any) -> Any:
        def new(self: Any, values: Any, fmt: Any, mode: Any, *args: Any, **kw: Any) -> Any:
            if not fmt.is_float or fmt.value == "Float32":
                return old(self, values, fmt, mode, *args, **kw)
            words = np.ascontiguousarray(values, np.float32).view(np.uint32)
            cut = (words & np.uint32((0xFFFFFFFF << bits) & 0xFFFFFFFF)).view(np.float32)
            return old(self, cut, fmt, mode, *args, **kw)

        return new

    return wrap


def _other_broadcast(old: Any) -> Any:
    ring = {Broadcast.ROW: Broadcast.COL, Broadcast.COL: Broadcast.ROW}
    return lambda tiles, kind: old(tiles, ring.get(kind, kind))


def _reversed_sub(old: Any) -> Any:
    table = dict(old)
    table["sub"] = lambda a, b, mode, out: np.subtract(b, a, out=out)
    return MappingProxyType(table)


def _reduce(change: Any) -> Any:
    def wrap(old: Any) -> Any:
        def new(data: Any, scaler: Any, pool: Any, dim: Any, mode: Any, acc: Any) -> Any:
            return change(old, data, scaler, pool, dim, mode, acc)

        return new

    return wrap


def _named(ring: dict[str, str]) -> Any:
    return lambda old: lambda name, *args, **kw: old(ring.get(name, name), *args, **kw)


def _noisy(old: Any) -> Any:
    """Functions 1 % off."""
    return lambda name, *args, **kw: np.float32(1.01) * old(name, *args, **kw)


def _shifted_fetch(old: Any) -> Any:
    def new(tensor: Any, pattern: Any, start: Any, *args: Any, **kw: Any) -> Any:
        return old(tensor, pattern, max(start - 1, 0), *args, **kw)

    return new


def _same_lane(old: Any) -> Any:
    def new(*args: Any, **kw: Any) -> Any:
        block = old(*args, **kw)
        return np.broadcast_to(block[:1, :1], block.shape)

    return new


def _store_first(old: Any) -> Any:
    def new(tensor: Any, pattern: Any, _start: Any, *args: Any, **kw: Any) -> Any:
        return old(tensor, pattern, 0, *args, **kw)

    return new


def _epoch(index: int) -> Any:
    """A method told that every transfer has completed."""

    def wrap(old: Any) -> Any:
        def new(*args: Any) -> Any:
            return old(*args[:index], HUGE, *args[index + 1 :])

        return new

    return wrap


def _quiet(old: Any) -> Any:
    """An op that does nothing."""

    def new(c: Any) -> Any:
        old(c)
        return lambda group, following=c.next: following

    return new


def _table(name: str, wrap: Any) -> Any:
    return lambda old: MappingProxyType({**old, name: wrap(old[name])})


def _padding_zero(old: Any) -> Any:
    def new(tensors: Any, *args: Any) -> None:
        old(tensors, *args)
        for tensor in tensors.values():
            if tensor.layout.role == "input":
                tensor.values = np.nan_to_num(tensor.values)
                tensor.valid = None

    return new


def _neighbours(old: Any) -> Any:
    """Every second datum of a block format is its neighbour's."""

    def new(*args: Any, **kw: Any) -> Any:
        out = np.array(old(*args, **kw))
        out[..., 1::2] = out[..., 0::2]
        return out

    return new


def _no_arguments(old: Any) -> Any:
    def values(program: Any, *rest: Any) -> Any:
        zeros = dict.fromkeys(program.runtime_args, 0)
        return old(program, *rest) | zeros

    return values


def _always(self: Any, lanes: Any, pages: int) -> bool:
    for strand, _ in self.at(lanes):
        strand.reserved = max(strand.reserved, pages)
        strand.waited = max(strand.waited, pages)
    return True


def _optable(name: str, wrap: Any) -> tuple[Any, str, Any]:
    from simulator.engine import compiler

    return (compiler, "BUILDERS", _table(name, wrap))


MUTANTS: Final = (
    _one("accumulator-ignored", "A product overwrites DST.", (fastmath, "matmul", _no_accumulator)),
    _one("in1-transposed", "Products see in1 transposed.", (fastmath, "matmul", _transposed_in1)),
    _one("product-doubled", "Products come out twice as large.",
         (fastmath, "matmul", _result(lambda x: np.multiply(x, 2, out=x)))),
    _one("operands-coarse", "Operands of products lose bits.",
         (fastmath, "matmul_operand", _coarse_operand)),
    _one("packer-cuts", "The packer cuts five bits more than the format.",
         (fast.FastModel, "pack", _truncated(20))),
    _one("packer-cuts-at-format", "The packer cuts where it should round.",
         (fast.FastModel, "pack", _truncated(16))),
    _one("broadcast-exchanged", "FPU broadcasts repeat rows for columns.",
         (fast, "broadcast", _other_broadcast)),
    _one("subtraction-reversed", "FPU subtractions come out negated.",
         (fastmath, "ELTWISE", _reversed_sub)),
    _one("reduction-replicated", "Reductions of a tile are added twice.",
         (fastmath, "reduce", _reduce(lambda f, d, s, p, dim, m, a: f(d, s, p, dim, m, f(
             d, s, p, dim, m, a)) if p.name != "MAX" else f(d, s, p, dim, m, a) * 2))),
    _one("reduction-forgets", "Reductions forget the tiles before.",
         (fastmath, "reduce", _reduce(lambda f, d, s, p, dim, m, a: f(d, s, p, dim, m, None)))),
    _one("scaler-ignored", "Reductions take a scaler of 2.",
         (fastmath, "reduce", _reduce(lambda f, d, s, p, dim, m, a: f(
             d, s * 2 if p.name != "MAX" else s, p, dim, m, a)))),
    _one("exp-is-exp2", "exp computes exp2.", (ops_sfpu, "sfpu", _named({"exp": "exp2"}))),
    _one("relu-is-abs", "relu computes abs.", (ops_sfpu, "sfpu", _named({"relu": "abs"}))),
    _one("add-is-sub", "Vector additions subtract.",
         (ops_sfpu, "sfpu", _named({"add_binary": "sub_binary"}))),
    _one("max-is-min", "Vector maxima are minima.",
         (ops_sfpu, "sfpu", _named({"binary_max": "binary_min"}))),
    _one("functions-off", "Vector functions are 1 % off.", (ops_sfpu, "sfpu", _noisy)),
    _one("select-reversed", "A select takes the other branch.",
         (ops_sfpu, "where", lambda old: lambda c, a, b: old(c, b, a))),
    _one("reads-previous-page", "Reads take the page before.",
         (ops_noc, "fetch", _shifted_fetch), (quick_read, "fetch", _shifted_fetch),
         (ops_noc, "view_of", lambda old: lambda *a: None),
         (quick_read, "view_of", lambda old: lambda *a: None)),
    _one("lanes-share-data", "Every core reads what the first one reads.",
         (ops_noc, "fetch", _same_lane), (quick_read, "fetch", _same_lane),
         (ops_noc, "view_of", lambda old: lambda *a: None),
         (quick_read, "view_of", lambda old: lambda *a: None)),
    _one("writes-page-zero", "Writes go to page 0.", (ops_noc, "store", _store_first)),
    _one("upload-transposed", "Tiles are transposed on upload.",
         (host, "upload", _result(lambda x: np.ascontiguousarray(x.swapaxes(-1, -2))))),
    _one("download-shifted", "Tiles come back a column to the right.",
         (host, "untilize", _result(lambda x: np.roll(x, 1, axis=-1)))),
    _one("packed-neighbours", "A packed datum overwrites its neighbour.",
         (formats_host, "_quantise_bfp", _neighbours)),
    _one("arguments-zero", "Runtime arguments all read zero.",
         (machine, "argument_values", _no_arguments)),
    _one("zero-region-does-nothing", "zero_tile_region does nothing.",
         _optable("zero_tile_region", _quiet)),
    _one("scaler-tile-zero", "Scaler tiles are not written.",
         _optable("generate_reduce_scaler", _quiet)),
    _one("reserve-never-waits", "cb_reserve_back never waits.",
         (cb.CircularBuffer, "reserve", lambda old: _always)),
    _one("wait-one-short", "cb_wait_front waits for a page less.",
         (cb.CircularBuffer, "wait", lambda old: lambda self, lanes, pages:
          old(self, lanes, max(pages - 1, 0)))),
    _one("read-barriers-not-needed", "Pages may be pushed while they arrive.",
         (cb.CircularBuffer, "push", _epoch(3))),
    _one("write-barriers-not-needed", "Pages may be popped while they leave.",
         (cb.CircularBuffer, "pop", _epoch(3))),
    _one("configuration-not-checked", "Any op runs under any configuration.",
         (ops_config, "stale", lambda old: lambda *a, **k: None)),
    _one("dirty-exit-not-noticed", "Pages may be left behind.",
         (Machine, "check_exit", lambda old: lambda self: None)),
    _one("padding-is-zero", "DRAM padding is zero and known.",
         (simulator.run, "load_tensors", _padding_zero)),
    _one("dst-never-checked", "Any DST tile exists.",
         (dst.Section, "check", lambda old: lambda self, low, high: None)),
    _one("semaphores-never-wait", "Semaphore waits are always ready.",
         _optable("noc_semaphore_wait_min", _quiet)),
    _one("semaphore-lost", "Signals of semaphores are lost.",
         (semaphores.Semaphores, "increment", lambda old: lambda *a: None)),
)  # fmt: skip
