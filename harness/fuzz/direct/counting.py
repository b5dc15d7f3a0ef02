"""What can be known of circular buffers without running: every thread counted by itself.

How a thread reserves, pushes, waits, pops, and which pages of its windows it touches depends on its
own program and arguments alone, not on when others run. So these rules are decided thread by
thread, and hold for every schedule. They share nothing with the simulator, which is held against
them: what they refuse must be found by a run, and what they accept must raise no finding of
:data:`KNOWN`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import add, eq, lt, mul, sub
from types import MappingProxyType
from typing import Any, Final

from harness.fuzz.direct.made import Made
from simulator.formats.dataformat import DataFormat
from simulator.program import If, Loop, Op, Program, Stmt

RULES: Final[Mapping[str, str]] = MappingProxyType({
    "CBCapacity": "a window is no larger than its buffer",
    "CBOverflow": "no more is pushed than was reserved",
    "CBUnderflow": "no more is popped than was waited for",
    "CBWindow": "only pages of an open window are touched",
    "CBWrap": "no block straddles the end of its buffer",
    "DirtyExit": "as many pages are popped as were pushed",
})  # fmt: skip
"""Finding code to the rule that knows it beforehand."""
KNOWN: Final = frozenset(RULES) - {"DirtyExit"}
"""Codes that nothing but a rule above gives reason for."""
REMOTE: Final = frozenset({"CBWindow"})
"""Of these, what another core may also cause, by writing where nothing is reserved."""
_POINTERS: Final = ("get_write_ptr", "get_read_ptr")
_OPERATORS: Final[Mapping[str, Callable[[int, int], int]]] = MappingProxyType({
    "+": add, "-": sub, "*": mul, "%": lambda a, b: a % b if b else 0, "==": eq, "<": lt,
})  # fmt: skip


@dataclass
class _End:
    """One end of one buffer."""

    depth: int
    window: int = 0
    moved: int = 0
    packed: int = 0


@dataclass
class _Thread:
    """One program on one core."""

    made: Made
    page: int
    env: dict[str, int]
    ends: dict[tuple[str, int], _End] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)

    def end(self, side: str, cb: int) -> _End:
        found = self.ends.get((side, cb))
        if found is None:
            depths = [b.depth for b in self.made.buffers[cb : cb + 1]]
            found = self.ends[side, cb] = _End(*(depths or [0]))
        return found

    def run(self, body: Sequence[Stmt]) -> None:
        for stmt in body:
            if self.broken:
                return
            if isinstance(stmt, Op):
                self.op(stmt)
            elif isinstance(stmt, Loop):
                for i in range(self.value(stmt.start), self.value(stmt.stop), stmt.step):
                    self.env[stmt.var] = i
                    self.run(stmt.body)
            elif isinstance(stmt, If):
                self.run(stmt.then if self.value(stmt.cond) else stmt.orelse)
            else:
                self.env[stmt.var] = self.value(stmt.value)

    def op(self, stmt: Op) -> None:
        name, args = stmt.name, stmt.args
        if name in ("cb_reserve_back", "cb_wait_front"):
            self._open("p" if name == "cb_reserve_back" else "c", args)
        elif name in ("cb_push_back", "cb_pop_front"):
            self._move("p" if name == "cb_push_back" else "c", args)
        elif name == "copy_tile":
            self._touch("c", args[0], self.value(args[1]))
        elif name == "add_tiles":
            self._touch("c", args[0], self.value(args[2]))
            self._touch("c", args[1], self.value(args[3]))
        elif name == "pack_tile":
            end = self.end("p", args[1])
            self._touch("p", args[1], end.packed)
            end.packed += 1
        elif name in ("noc_async_read_page", "noc_async_write_page"):
            self._address(args[2])
        elif name == "noc_async_write":
            self._address(args[0])
        elif name == "noc_async_read":
            self._address(args[3])
        elif name.startswith("noc_async_write_multicast"):
            self._address(args[0])

    def _open(self, side: str, args: Sequence[Any]) -> None:
        end, pages = self.end(side, args[0]), self.value(args[1])
        if not 0 <= pages <= end.depth:
            self.broken.append("CBCapacity")
        end.window = max(end.window, pages)

    def _move(self, side: str, args: Sequence[Any]) -> None:
        end, pages = self.end(side, args[0]), self.value(args[1])
        if not 0 <= pages <= end.window:
            self.broken.append("CBOverflow" if side == "p" else "CBUnderflow")
        elif end.depth and end.moved % end.depth + pages > end.depth:
            self.broken.append("CBWrap")
        end.window -= pages
        end.moved += pages
        end.packed = 0

    def _touch(self, side: str, cb: int, index: int) -> None:
        end = self.end(side, cb)
        if not 0 <= index < end.window:
            self.broken.append("CBWindow")
        elif end.moved % end.depth + index >= end.depth:
            self.broken.append("CBWrap")

    def _address(self, expr: Any) -> None:
        """A page of a window by its address: the pointer plus a number of bytes."""
        found = _pointer(expr)
        if found is not None:
            side = "p" if found[0] == "get_write_ptr" else "c"
            self._touch(side, found[1], self.value(expr) // self.page)

    def value(self, expr: Any) -> int:
        """An expression; pointers count as 0, so that addresses are offsets in the window."""
        if isinstance(expr, int):
            return expr
        if isinstance(expr, str):
            return self.env[expr]
        operator, *args = expr
        if operator in _POINTERS:
            return 0
        a, b = (self.value(x) for x in args)
        return int(_OPERATORS[operator](a, b))


def _pointer(expr: Any) -> tuple[str, int] | None:
    if not isinstance(expr, list | tuple):
        return None
    if expr[0] in _POINTERS:
        return expr[0], expr[1]
    return next((p for p in map(_pointer, expr[1:]) if p is not None), None)


def broken(made: Made) -> tuple[str, ...]:
    """Codes of the rules a plan breaks on any core; empty where none."""
    page = DataFormat.from_ir(made.dtype).tile_bytes()
    found: dict[str, None] = {}
    counted: dict[tuple[str, tuple[int, ...]], _Thread] = {}  # the same arguments, the same counts
    for core in made.places():
        balance: Counter[int] = Counter()
        for program in made.programs:
            arguments = _arguments(made, program, core)
            key = program.name, tuple(arguments.values())
            thread = counted.get(key)
            if thread is None:
                thread = counted[key] = _Thread(made, page, arguments)
                thread.run(program.body)
            found |= dict.fromkeys(thread.broken)
            for (side, cb), end in thread.ends.items():
                balance[cb] += end.moved if side == "p" else -end.moved
        if not found and any(balance.values()):
            found["DirtyExit"] = None
    return tuple(found)


def _arguments(made: Made, program: Program, core: tuple[int, int]) -> dict[str, int]:
    given = made.args.get(program.name, {}).get(core, ())
    return dict(zip(program.runtime_args, given, strict=False))
