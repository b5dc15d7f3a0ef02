"""A broadcast's unpacker setting must be undone before another FPU op is configured."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np

import harness
from harness.kernels import elementary, loss, softmax
from simulator.program import If, Loop, Op
from simulator.run import RunOptions, execute


def _without(body: Any, name: str) -> tuple[Any, ...]:
    def rest(stmt: Any) -> Any:
        if isinstance(stmt, Loop):
            return msgspec.structs.replace(stmt, body=_without(stmt.body, name))
        if isinstance(stmt, If):
            return msgspec.structs.replace(stmt, then=_without(stmt.then, name))
        return stmt

    return tuple(rest(s) for s in body if not (isinstance(s, Op) and s.name == name))


def _of_another(stmt: Any) -> Any:
    if isinstance(stmt, Loop):
        return msgspec.structs.replace(stmt, body=tuple(map(_of_another, stmt.body)))
    if isinstance(stmt, Op) and stmt.name == "unary_bcast_uninit":
        assert stmt.args[0] == "COL"
        return msgspec.structs.replace(stmt, args=("ROW", *stmt.args[1:]))
    return stmt


def test_a_broadcast_not_undone_is_stale_configuration() -> None:
    """Without its own uninit the next copy would run on a broadcasting unpacker."""
    artifact = harness.compile(softmax.softmax(M=64, N=64))
    inputs = {"X": np.ones((64, 64), np.float32)}
    assert not execute(artifact.plan, artifact.programs, inputs).findings
    for damage in (
        lambda body: _without(body, "unary_bcast_uninit"),
        lambda body: tuple(map(_of_another, body)),
    ):
        damaged = [
            msgspec.structs.replace(p, body=damage(p.body)) for p in artifact.programs.programs
        ]
        codes = {f.code for f in execute(artifact.plan, damaged, inputs).findings}
        assert "StaleConfig" in codes


def test_a_program_undoes_its_last_reduction() -> None:
    """The packer's mask outlives the program that set it, for whoever packs next."""
    artifact = harness.compile(elementary.column_max(M=32, N=32, block_N=32))
    inputs = {"A": np.ones((32, 32), np.float32)}
    damaged = [
        msgspec.structs.replace(p, body=_without(p.body, "reduce_uninit"))
        for p in artifact.programs.programs
    ]
    assert not execute(artifact.plan, artifact.programs, inputs).findings
    (found,) = execute(artifact.plan, damaged, inputs).findings
    assert found.code == "DirtyExit"
    assert "reduce_uninit" in found.message


def test_each_cursor_undoes_its_own_part() -> None:
    """The packer alone runs reduce_uninit; unpacker and math have nothing left to undo."""
    for artifact, name in (
        (harness.compile(elementary.column_max(M=32, N=32, block_N=32)), "A"),
        (harness.compile(softmax.softmax(M=32, N=64)), "X"),
    ):
        shape = artifact.plan.layouts[name].logical_shape
        inputs = {name: np.ones(shape, np.float32)}
        done = execute(artifact.plan, artifact.programs, inputs, RunOptions(cursors=True))
        assert done.completed
        assert not done.findings


def test_an_init_is_for_the_way_its_buffer_goes() -> None:
    """Tiles that go into DST and tiles that go through SrcA are unpacked by different programs."""
    artifact = harness.compile(loss.cross_entropy(M=32, N=64, dtype="float32"))
    assert harness.check(artifact).passed  # copies of both ways follow each other here
    direct = {cb.id for cb in artifact.plan.circular_buffers if cb.unpack_to_dest}
    other = next(cb.id for cb in artifact.plan.circular_buffers if cb.id not in direct)

    def exchanged(stmt: Any) -> Any:
        if isinstance(stmt, (Loop, If)):
            name = "body" if isinstance(stmt, Loop) else "then"
            body = tuple(map(exchanged, getattr(stmt, name)))
            return msgspec.structs.replace(stmt, **{name: body})
        if isinstance(stmt, Op) and stmt.name == "copy_init" and stmt.args[0] in direct:
            return msgspec.structs.replace(stmt, args=(other,))
        return stmt

    damaged = [
        msgspec.structs.replace(p, body=tuple(map(exchanged, p.body)))
        for p in artifact.programs.programs
    ]
    inputs = {
        n: np.zeros(la.logical_shape, np.int32 if la.dtype == "int32" else np.float32)
        for n, la in artifact.plan.layouts.items() if la.role == "input"
    }  # fmt: skip
    codes = {f.code for f in execute(artifact.plan, damaged, inputs).findings}
    assert "StaleConfig" in codes
