"""Arguments of a kernel as the cores of a group see them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from simulator.engine.semaphores import semaphore_address
from simulator.engine.values import Value, squeeze
from simulator.errors import ArtifactError
from simulator.findings import finding
from simulator.plan.coords import core_key
from simulator.plan.schema import Kernel
from simulator.program import Program
from simulator.program.expr import MAX_INT

if TYPE_CHECKING:
    from simulator.engine.machine import Machine


def argument_values(
    program: Program,
    kernel: Kernel,
    cores: list[tuple[int, int]],
    machine: Machine,
    where: str,
) -> dict[str, Value]:
    """Every argument by name: an int where all cores agree, else one value per core.

    Raises:
        ArtifactError: an argument is missing, or of no known kind.
    """
    out: dict[str, Value] = {}
    for names, values, kind in (
        (program.compile_args, kernel.compile_args, "compile_args"),
        (program.common_args, kernel.common_args, "common_args"),
    ):
        for name in names:
            out[name] = _resolve(values.get(name), machine, f"{where}.{kind}.{name}")
    for name in program.accessors:
        address = kernel.common_args.get(f"{name}_addr")
        if address is not None:
            out.setdefault(f"{name}_addr", _resolve(address, machine, f"{where}.common_args"))
    rows = []
    for core in cores if program.runtime_args else ():
        key = core_key(core)
        given = kernel.runtime_args.get(key, ())
        if len(given) != len(program.runtime_args):
            raise _wrong(f"{where}.runtime_args.{key}", f"{len(given)} values, the program declares"
                         f" {len(program.runtime_args)}")  # fmt: skip
        path = f"{where}.runtime_args.{key}"
        row = tuple(_resolve(value, machine, path) for value in given)
        if any(abs(value) > MAX_INT for value in row):
            raise _wrong(path, "an argument is a word of 32 bits")
        rows.append(row)
    for column, name in enumerate(program.runtime_args):
        out[name] = squeeze(np.array([row[column] for row in rows], np.int64))
    return out


def _resolve(value: Any, machine: Machine, where: str) -> int:
    """The integer an argument value stands for on this machine."""
    if isinstance(value, int):
        return value
    if isinstance(value, dict) and len(value) == 1:
        kind, what = next(iter(value.items()))
        if kind == "u32" and isinstance(what, int):
            return what
        if kind in ("addr", "accessor") and isinstance(what, str) and what in machine.tensors:
            return machine.tensors[what].placement.base
        if kind == "sem" and isinstance(what, int):
            return semaphore_address(machine.arch, what)
        if kind == "noc_xy" and isinstance(what, list | tuple) and len(what) == 2:
            x, y = what
            if type(x) is int and type(y) is int:
                return y << 16 | x
    raise _wrong(where, f"{value!r} is no argument value")


def _wrong(where: str, message: str) -> ArtifactError:
    return ArtifactError([finding("InvalidPlan", message, location=where)])
