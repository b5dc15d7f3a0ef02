"""Words for short hand programs: ops by their usual names, and pipes on cores that know (x, y)."""

from __future__ import annotations

from typing import Any

from simulator.program import Program, Stmt
from tests.simulator.builders import Sketch, loop, op, plus, times
from tests.simulator.engine.test_network import everywhere
from tests.simulator.pipes import COPY, compute_of, pipe

PAGE = 2048
W0, W1, W2 = (["get_write_ptr", number] for number in range(3))
R0, R1, R2 = (["get_read_ptr", number] for number in range(3))
READ_BARRIER, WRITE_BARRIER = op("noc_async_read_barrier"), op("noc_async_write_barrier")
HEAD = (op("compute_kernel_hw_startup", "Regular", 0, 0, 1), op("copy_init", 0))


def reserve(cb: int, pages: Any = 1) -> Stmt:
    """cb_reserve_back."""
    return op("cb_reserve_back", cb, pages)


def push(cb: int, pages: Any = 1) -> Stmt:
    """cb_push_back."""
    return op("cb_push_back", cb, pages)


def wait(cb: int, pages: Any = 1) -> Stmt:
    """cb_wait_front."""
    return op("cb_wait_front", cb, pages)


def pop(cb: int, pages: Any = 1) -> Stmt:
    """cb_pop_front."""
    return op("cb_pop_front", cb, pages)


def fetch(page: Any, pointer: Any = W0, tensor: str = "A") -> Stmt:
    """noc_async_read_page."""
    return op("noc_async_read_page", page, tensor, pointer)


def store(page: Any, pointer: Any = R1, tensor: str = "C") -> Stmt:
    """noc_async_write_page."""
    return op("noc_async_write_page", page, tensor, pointer)


def send(source: Any, x: Any, target: Any, size: int = PAGE) -> Stmt:
    """noc_async_write to core (x, 0)."""
    return op("noc_async_write", source, x, 0, target, size)


def increment(x: Any, number: int, value: Any = 1) -> Stmt:
    """noc_semaphore_inc of core (x, 0)."""
    return op("noc_semaphore_inc", x, 0, number, value)


def reset(number: int, value: Any) -> Stmt:
    """noc_semaphore_set."""
    return op("noc_semaphore_set", number, value)


def equals(number: int, value: Any) -> Stmt:
    """noc_semaphore_wait."""
    return op("noc_semaphore_wait", number, value)


def at_least(number: int, value: Any) -> Stmt:
    """noc_semaphore_wait_min."""
    return op("noc_semaphore_wait_min", number, value)


def mine(tiles: int = 2) -> Any:
    """The page of step t of core (x, 0)."""
    return plus(times("x", tiles), "t")


READ_MINE = (loop("t", 2, reserve(0), fetch(mine()), READ_BARRIER, push(0)),)
STORE_MINE = (loop("t", 2, wait(1), store(mine()), WRITE_BARRIER, pop(1)),)


def on_cores(width: int = 2, reader: tuple[Stmt, ...] = READ_MINE,
             writer: tuple[Stmt, ...] = STORE_MINE, **fields: Any) -> Sketch:  # fmt: skip
    """A pipe of two pages on each of ``width`` cores in a row, with semaphores 0 and 1."""
    accessors = {"reader": ("A",), "writer": ("C",)}
    sketch = pipe(2 * width, reader=reader, compute=compute_of(2, *COPY), writer=writer,
                  cores=(width, 1), extra={"semaphores": everywhere((width, 1), 0, 0)},
                  **fields)  # fmt: skip
    for name, program in list(sketch.programs.items()):
        sketch.programs[name] = Program(
            name=name, thread=program.thread, accessors=accessors.get(name, ()),
            runtime_args=("x",), body=program.body,
        )  # fmt: skip
        sketch.args[name] = {(x, 0): (x,) for x in range(width)}
    return sketch


def computing(*body: Stmt, head: tuple[Stmt, ...] = HEAD, **fields: Any) -> Sketch:
    """The pipe of four pages with another compute body."""
    return pipe(4, compute=(*head, loop("t", 4, *body)), **fields)


def reading(*body: Stmt, steps: int = 4, **fields: Any) -> Sketch:
    """The pipe of four pages with another reader body."""
    return pipe(4, reader=(loop("t", steps, *body),), **fields)


def storing(*body: Stmt, steps: int = 4, **fields: Any) -> Sketch:
    """The pipe of four pages with another writer body."""
    return pipe(4, writer=(loop("t", steps, *body),), **fields)
