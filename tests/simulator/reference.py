"""A plain interpreter of programs: one core after another, tile by tile, nothing fused or shared.

It is the second opinion on the engine's values. It assumes right programs (no checks), one kernel
per thread, and models only what the generated programs of the property tests use.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Mapping
from typing import Any

import numpy as np

from simulator.formats.dataformat import DataFormat
from simulator.formats.host import upload
from simulator.formats.tilize import untilize
from simulator.numerics.models import number_model
from simulator.numerics.modes import Dest, Fidelity, Mode
from simulator.numerics.sfpu import sfpu
from simulator.plan.coords import parse_core_key
from simulator.plan.schema import Plan
from simulator.program import If, Let, Loop, Program, Stmt

Thread = Generator[bool, None, None]
"""Yields True after progress, False when it must wait."""


class Buffer:
    """A circular buffer of one core: tiles by slot, counters, pointers."""

    def __init__(self, depth: int, fmt: DataFormat, unpack_to_dest: bool) -> None:
        self.depth, self.fmt, self.unpack_to_dest = depth, fmt, unpack_to_dest
        self.slots: list[Any] = [None] * depth
        self.pushed = self.popped = self.packed = 0

    def page(self, side: str, index: int) -> int:
        """Slot of a page of the producer's (w) or consumer's (r) window."""
        return ((self.pushed if side == "w" else self.popped) + index) % self.depth


class Core:
    """One core: buffers and DST."""

    def __init__(self, plan: Plan, tensors: dict[str, Any]) -> None:
        self.cbs = {
            cb.id: Buffer(cb.depth, DataFormat.from_name(cb.data_format), cb.unpack_to_dest)
            for cb in plan.circular_buffers
        }
        self.tensors = tensors
        self.math: dict[int, Any] = {}
        self.queue: deque[dict[int, Any]] = deque()
        self.packing: dict[int, Any] = {}


class Interpreter:
    """Runs one program on one core."""

    def __init__(self, core: Core, program: Program, kernel: Any, names: dict[str, int]) -> None:
        self.core, self.names = core, names
        self.accessors = {name: kernel.compile_args[name]["accessor"] for name in program.accessors}
        self.flip = False
        self.model = number_model("fast")
        config = kernel.compute
        self.mode = Mode()
        if config is not None:
            dest = Dest.FP32 if config.fp32_dest_acc_en else Dest.BF16
            self.mode = Mode(fidelity=Fidelity(config.math_fidelity), dest=dest)

    def value(self, expr: Any, scope: Mapping[str, Any]) -> Any:
        """An expression; pointers are (buffer, side, byte offset)."""
        if isinstance(expr, str):
            return scope[expr]
        if not isinstance(expr, list | tuple):
            return expr
        name, *rest = expr
        if name in ("get_write_ptr", "get_read_ptr"):
            return (self.core.cbs[rest[0]], "w" if "write" in name else "r", 0)
        if name == "?":
            return self.value(rest[1] if self.value(rest[0], scope) else rest[2], scope)
        a, *more = (self.value(item, scope) for item in rest)
        if name == "!":
            return int(not a)
        b = more[0]
        if isinstance(a, tuple):
            return (a[0], a[1], a[2] + b)
        table: dict[str, Any] = {
            "+": lambda: a + b, "-": lambda: a - b, "*": lambda: a * b, "//": lambda: a // b,
            "%": lambda: a % b, "min": lambda: min(a, b), "max": lambda: max(a, b),
            "<": lambda: int(a < b), "<=": lambda: int(a <= b), "==": lambda: int(a == b),
            "!=": lambda: int(a != b), "&&": lambda: int(bool(a and b)),
            "||": lambda: int(bool(a or b)),
        }  # fmt: skip
        return table[name]()

    def run(self, body: tuple[Stmt, ...], scope: dict[str, Any]) -> Thread:
        """Statements in a scope."""
        for stmt in body:
            if isinstance(stmt, Let):
                scope[stmt.var] = self.value(stmt.value, scope)
            elif isinstance(stmt, Loop):
                start, stop = self.value(stmt.start, scope), self.value(stmt.stop, scope)
                for i in range(start, stop, stmt.step):
                    yield from self.run(stmt.body, {**scope, stmt.var: i})
            elif isinstance(stmt, If):
                branch = stmt.then if self.value(stmt.cond, scope) else stmt.orelse
                yield from self.run(branch, dict(scope))
            else:
                args = [self.value(a, scope) if not isinstance(a, str) or a in scope else a
                        for a in stmt.args]  # fmt: skip
                while not self.step(stmt.name, args):
                    yield False
                yield True

    def step(self, name: str, args: list[Any]) -> bool:
        """One op; False when it must wait."""
        core = self.core
        if name.startswith("cb_"):
            return self._handshake(core.cbs[args[0]], name, args[1])
        if name == "noc_async_read_page":
            cb, side, offset = args[2]
            page = offset // cb.fmt.tile_bytes()
            cb.slots[cb.page(side, page)] = core.tensors[self.accessors[args[1]]][args[0]].copy()
        elif name == "noc_async_write_page":
            cb, side, offset = args[2]
            page = offset // cb.fmt.tile_bytes()
            tensor = core.tensors[self.accessors[args[1]]]
            tensor[args[0]] = cb.slots[cb.page(side, page)]
            core.tensors[f"{self.accessors[args[1]]}?"][args[0]] = True
        elif name == "tile_regs_acquire":
            core.math = {}
        elif name == "tile_regs_commit":
            core.queue.append(core.math)
        elif name == "tile_regs_wait":
            core.packing = core.queue.popleft()
        elif name == "matmul_init":
            self.flip = bool(args[2])
        else:
            self._compute(name, args)
        return True

    def _handshake(self, cb: Buffer, name: str, n: int) -> bool:
        if name == "cb_reserve_back":
            return cb.depth - (cb.pushed - cb.popped) >= n
        if name == "cb_wait_front":
            return cb.pushed - cb.popped >= n
        if name == "cb_push_back":
            cb.pushed += n
            cb.packed = 0
        else:
            cb.popped += n
        return True

    def _compute(self, name: str, args: list[Any]) -> None:
        core, model, mode = self.core, self.model, self.mode

        def front(cb: int, index: int) -> Any:
            return core.cbs[cb].slots[core.cbs[cb].page("r", index)]

        def src(cb: int, index: int) -> Any:
            return model.to_src(front(cb, index), core.cbs[cb].fmt, mode)

        if name == "copy_tile":
            cb, index, dst = args
            exact = core.cbs[cb].unpack_to_dest
            core.math[dst] = front(cb, index) if exact else model.copy(src(cb, index), mode)
        elif name == "transpose_tile":
            core.math[args[2]] = model.copy(src(args[0], args[1]), mode).T
        elif name in ("pack_tile", "pack_tile_out_of_order"):
            cb = core.cbs[args[1]]
            page = args[2] if len(args) > 2 else cb.packed
            cb.packed += len(args) == 2
            cb.slots[cb.page("w", page)] = model.pack(core.packing[args[0]], cb.fmt, mode)
        elif name == "matmul_tiles":
            in0, in1, i, j, d = args
            a = model.matmul_operand(front(in0, i), core.cbs[in0].fmt, mode, 0)
            b = model.matmul_operand(front(in1, j), core.cbs[in1].fmt, mode, 1)
            b = b.T if self.flip else b
            core.math[d] = model.matmul(core.math.get(d), a, b, mode)
        elif name in ("add_tiles", "sub_tiles", "mul_tiles"):
            in0, in1, i, j, d = args
            acc = core.math.get(d) if name == "mul_tiles" else None
            core.math[d] = model.eltwise(name[:3], src(in0, i), src(in1, j), mode, acc=acc)
        elif name.endswith("_binary_tile"):
            a, b, d = args
            core.math[d] = sfpu(name.removesuffix("_tile"), core.math[a], core.math[b], mode=mode)
        elif name.endswith("_unary_tile"):
            d, value = args
            core.math[d] = sfpu(name.removesuffix("_tile"), core.math[d], value, mode=mode)


def interpret(
    plan: Plan, programs: tuple[Program, ...], inputs: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """(outputs, written tiles) of a right program, core by core. Two-dimensional tensors only."""
    tensors: dict[str, Any] = {}
    for name, item in plan.layouts.items():
        fmt = DataFormat.from_ir(item.dtype)
        given = inputs.get(name, np.zeros(item.logical_shape, np.float32))
        tensors[name] = upload(given, fmt).copy()
        tensors[f"{name}?"] = np.zeros(len(tensors[name]), bool)
    by_name = {program.name: program for program in programs}
    for key in plan.work_partition:
        core = Core(plan, tensors)
        threads: list[Thread] = []
        for kernel in plan.kernels:
            program = by_name[kernel.program]
            values = kernel.runtime_args.get(key, ())
            names = dict(zip(program.runtime_args, values, strict=True))
            parse_core_key(key)
            threads.append(Interpreter(core, program, kernel, names).run(program.body, names))  # type: ignore[arg-type]
        _drain(threads)
    outputs = {}
    written = {}
    for name, item in plan.layouts.items():
        if item.role == "output":
            rows, columns = item.logical_shape[-2:]
            outputs[name] = untilize(tensors[name], rows, columns)
            written[name] = tensors[f"{name}?"]
    return outputs, written


def _drain(threads: list[Thread]) -> None:
    """Run the threads of one core in turn until all have ended."""
    live = list(threads)
    while live:
        progress = False
        for thread in list(live):
            state = next(thread, None)
            while state:
                progress = True
                state = next(thread, None)
            if state is None:
                live.remove(thread)
                progress = True
        if not progress:
            raise RuntimeError("the program is not right: it is deadlocked")
