"""Faults of hand programs beyond the minimal ones: the best code, at the right line and core."""

from __future__ import annotations

from typing import Any

import pytest

from simulator.engine.schedule import LateNoc, RoundRobin, Seeded
from simulator.program import Stmt
from simulator.run import RunOptions
from tests.simulator.builders import Sketch, layout, let, loop, op, plus, times, when
from tests.simulator.engine.hand import (
    HEAD,
    PAGE,
    R0,
    R1,
    READ_BARRIER,
    W0,
    WRITE_BARRIER,
    at_least,
    computing,
    equals,
    fetch,
    increment,
    mine,
    on_cores,
    pop,
    push,
    reading,
    reserve,
    reset,
    send,
    store,
    storing,
    wait,
)
from tests.simulator.pipes import COPY, pipe, run

THREE: dict[int, Any] = {
    0: ("Float16_b", 2, "ncrisc", "compute"),
    1: ("Float16_b", 2, "compute", "brisc"),
    2: ("Float16_b", 1, "ncrisc", "compute"),
}
SCALER: tuple[Stmt, ...] = (
    reserve(2),
    op("generate_reduce_scaler", 2, ["get_write_ptr", 2], 1.0),
    push(2),
)
ACQUIRE = (wait(0), op("tile_regs_acquire"))


def sending(*body: Stmt, **fields: Any) -> Sketch:
    """Two cores; core 0 does ``body`` with its page before it pushes it, core 1 does not."""
    reader = loop("t", 2, reserve(0), fetch(mine()), READ_BARRIER,
                  when(["==", "x", 0], *body), push(0))  # fmt: skip
    return on_cores(reader=(reader,), **fields)


def multicast(x0: int, x1: int, count: int, suffix: str = "") -> Sketch:
    """Core 0 multicasts its page to a rectangle of its row."""
    name = f"noc_async_write_multicast{suffix}"
    return sending(op(name, W0, x0, 0, x1, 0, W0, PAGE, count), WRITE_BARRIER)


def reducing(*between: Stmt, scaler: tuple[Stmt, ...] = SCALER) -> Sketch:
    """The pipe with a maximum along rows; ``between`` runs after reduce_init."""
    reduce = (*ACQUIRE, op("reduce_tile", "MAX", "REDUCE_ROW", 0, 2, 0, 0, 0), *COPY[3:])
    init = op("reduce_init", "MAX", "REDUCE_ROW", 0, 2, 1)
    reader = loop("t", 4, reserve(0), fetch("t"), READ_BARRIER, push(0))
    return pipe(4, buffers=THREE, reader=(*scaler, reader),
                compute=(op("compute_kernel_hw_startup", "Regular", 0, 2, 1), init, *between,
                         loop("t", 4, *reduce), op("reduce_uninit")))  # fmt: skip


def fused(sketch: Sketch, **fields: Any) -> Sketch:
    """A sketch with other fields."""
    for name, value in fields.items():
        setattr(sketch, name, value)
    return sketch


FAULTS: dict[str, tuple[str, str, str, Sketch]] = {
    # circular buffers
    "the consumer's blocks straddle the end": ("CBWrap", "writer 0.3", "0,0", storing(
        wait(1, 2), store(times("t", 2)), WRITE_BARRIER, pop(1, 2), steps=2,
        buffers={0: THREE[0], 1: ("Float16_b", 3, "compute", "brisc")})),
    "a write pointer kept over a push": ("CBWindow", "reader 0.5", "0,0", reading(
        reserve(0), let("p", W0), fetch("t"), READ_BARRIER, push(0), fetch("t", "p"))),
    "a read pointer kept over a pop": ("CBWindow", "writer 0.3", "0,0", storing(
        wait(1), let("p", R1), pop(1), store("t", "p"))),
    "filled at the read pointer": ("CBWindow", "reader 0.1", "0,0", reading(
        reserve(0), fetch("t", R0), READ_BARRIER, push(0))),
    "sent from another thread's pointer": ("CBEndpoint", "writer 0.1", "*", on_cores(
        writer=(loop("t", 2, wait(1), send(R0, 1, W0), WRITE_BARRIER, pop(1)),))),
    "half a page's stride": ("CBWindow", "reader 0.1.0", "0,0", reading(
        reserve(0, 2), loop("i", 2, fetch("i", plus(W0, times("i", 1024)))), READ_BARRIER,
        push(0, 2), steps=2)),
    "the stride of wider pages": ("StrayWrite", "reader 0.1.0", "0,0", reading(
        reserve(0, 2), loop("i", 2, fetch("i", plus(W0, times("i", 4096)))), READ_BARRIER,
        push(0, 2), steps=2)),
    "waits that do not add up": ("CBWindow", "compute 2.3", "0,0", computing(
        wait(0), *ACQUIRE, op("copy_tile", 0, 1, 0))),
    "unpacked after the pop": ("CBWindow", "compute 2.3", "0,0", computing(
        wait(0), pop(0), op("tile_regs_acquire"), op("copy_tile", 0, 0, 0))),
    "packed twice into one reserved page": ("CBWindow", "compute 2.8", "0,0", computing(
        *COPY[:8], op("pack_tile", 0, 1))),
    "pages left on one core": ("DirtyExit", "None None", "1,0", on_cores(writer=(
        loop("t", plus(2, times(-1, "x")), wait(1), store(mine()), WRITE_BARRIER, pop(1)),))),
    "a producer that waits": ("CBEndpoint", "reader 0.1", "*", on_cores(
        reader=(loop("t", 2, reserve(0), wait(0)),))),
    "one core waits for a page too many": ("Deadlock", "writer 0.0", "1,0", on_cores(writer=(
        loop("t", 2, wait(1, plus("x", 1)), store(mine()), WRITE_BARRIER, pop(1)),))),
    # barriers and other cores
    "the barrier of the other thread": ("Unbarriered", "reader 0.2", "0,0",
        reading(reserve(0), fetch("t"), push(0))),
    "corners of the other NoC": ("OutOfBounds", "reader 0.3.0", "0,0", multicast(1, 0, 1)),
    "the sender counted in": ("OutOfBounds", "reader 0.3.0", "0,0", multicast(0, 1, 2)),
    "the sender left out of a loopback": ("OutOfBounds", "reader 0.3.0", "0,0", multicast(
        0, 1, 1, "_loopback_src")),
    "to a core that is none": ("OutOfBounds", "reader 0.1", "1,0", on_cores(
        reader=(loop("t", 2, reserve(0), increment(plus("x", 1), 0)),))),
    "a page that one core has not": ("OutOfBounds", "reader 0.1", "1,0", on_cores(
        reader=(loop("t", 2, reserve(0), fetch(plus(times("x", 3), "t")), READ_BARRIER,
                     push(0)),))),
    "no bytes": ("OutOfBounds", "reader 0.3.0", "0,0", sending(send(W0, 1, W0, 0))),
    "beyond the far buffer": ("StrayWrite", "reader 0.3.0", "0,0", sending(
        send(W0, 1, plus(W0, 2 * PAGE)))),
    "off by a datum": ("Misaligned", "reader 0.3.0", "0,0", sending(
        send(plus(W0, 4), 1, W0, 16))),
    # semaphores
    "below zero": ("OutOfBounds", "reader 0.3.0", "0,0", sending(increment(1, 0, -1))),
    "beyond 32 bits": ("OutOfBounds", "reader 0", "*", on_cores(reader=(reset(0, 2**32),))),
    "an equality that was jumped over": ("Deadlock", "reader 1.e.0", "1,0", on_cores(reader=(
        loop("t", 2, reserve(0), fetch(mine()), READ_BARRIER, push(0)),
        when(["==", "x", 0], increment(1, 0, 2), orelse=(equals(0, 1),))))),
    "never signalled": ("Deadlock", "reader 0.3.0", "1,0", on_cores(reader=(
        loop("t", 2, reserve(0), fetch(mine()), READ_BARRIER,
             when(["==", "x", 1], at_least(0, 1)), push(0)),))),
    # DST and configuration
    "beyond the tiles of fp32 in full sync": ("DstCapacity", "compute 2.2", "0,0", fused(
        computing(*ACQUIRE, op("copy_tile", 0, 0, 8)), full_sync=True)),
    "beyond the tiles of bf16 in half sync": ("DstCapacity", "compute 2.2", "0,0", fused(
        computing(*ACQUIRE, op("copy_tile", 0, 0, 8)), fp32_dest=False)),
    "packed before the commit": ("DstProtocol", "compute 2.4", "0,0", computing(
        *ACQUIRE, op("copy_tile", 0, 0, 0), reserve(1), op("pack_tile", 0, 1))),
    "committed twice": ("DstProtocol", "compute 2.4", "0,0", computing(
        *ACQUIRE, op("copy_tile", 0, 0, 0), *[op("tile_regs_commit")] * 2)),
    "released first": ("DstProtocol", "compute 2.0", "0,0", computing(op("tile_regs_release"))),
    "what the section before held": ("UninitialisedRead", "compute 2.7", "0,0", computing(
        *COPY[:2], when(["==", "t", 0], COPY[2]), *COPY[3:])),
    "added onto nothing": ("UninitialisedRead", "compute 2.8", "0,0", computing(
        *COPY[:5], op("pack_reconfig_l1_acc", 1), *COPY[5:])),
    "an SFPU op on a tile nobody made": ("UninitialisedRead", "compute 2.4", "0,0", computing(
        *ACQUIRE, op("copy_tile", 0, 0, 0), op("exp_tile_init"), op("exp_tile", 1))),
    "another op's init in between": ("StaleConfig", "compute 2.3", "0,0", computing(
        *ACQUIRE, op("add_init", 0, 0), op("copy_tile", 0, 0, 0))),
    "unpacked in the format before": ("StaleConfig", "compute 2.2", "0,0", pipe(
        4, buffers={**THREE, 2: ("Float32", 1, "ncrisc", "compute")},
        reader=(reserve(2), op("fill_tile_l1", 2, ["get_write_ptr", 2], 1.0), push(2)),
        compute=(*HEAD, loop("t", 1, wait(2), op("tile_regs_acquire"), op("copy_tile", 2, 0, 0))))),
    # scalers and padding
    "a scaler popped too soon": ("CBWindow", "compute 4.2", "0,0", reducing(wait(2), pop(2))),
    "a scaler not waited for": ("CBWindow", "compute 2.2", "0,0", reducing()),
    "a scaler nobody made": ("UninitialisedRead", "compute 3.2", "0,0", reducing(
        wait(2), scaler=(reserve(2), push(2)))),
    "a copy under the mask of a reduction": ("StaleConfig", "compute 4.7", "0,0", fused(
        pipe(4, buffers=THREE, reader=(*SCALER, loop("t", 4, reserve(0), fetch("t"), READ_BARRIER,
                                                     push(0))),
             compute=(op("compute_kernel_hw_startup", "Regular", 0, 2, 1), wait(2),
                      op("reduce_init", "MAX", "REDUCE_ROW", 0, 2, 1), op("copy_init", 0),
                      loop("t", 4, *COPY))))),
    "padding in a reduction": ("UninitialisedRead", "compute 3.2", "0,0", fused(
        reducing(wait(2)), tensors={"A": layout("bfloat16", (32, 100), "input"),
                                    "C": layout("bfloat16", (32, 128), "output")})),
}  # fmt: skip


@pytest.mark.parametrize("schedule", [RoundRobin(), Seeded(3), LateNoc(2)], ids=str)
@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_found_named_and_located(name: str, schedule: Any) -> None:
    """Under every schedule the rule, the statement and the core of the fault are told."""
    code, place, core, sketch = FAULTS[name]
    findings = run(sketch, RunOptions(schedule=schedule)).findings
    assert [item for item in findings if item.code == code]
    found = next(item for item in findings if item.code == code)
    assert f"{found.program} {found.path}" == place
    assert core in ("*", ",".join(map(str, found.core or ())))
