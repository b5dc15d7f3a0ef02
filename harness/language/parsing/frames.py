"""Frames of a kernel: the grid, pipelined, serial and parallel loops."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from tvm.ir import Expr
from tvm.tirx.script import builder as S

from harness.errors import LanguageError
from harness.language.elementwise import ceildiv
from harness.language.regions import constant

_AXES = ("blockIdx.x", "blockIdx.y", "blockIdx.z")
NUM_STAGES = "num_stages"
"""Loop annotation: how many iterations a T.Pipelined loop keeps in flight."""


PERSISTENT = "tl.persistent"
"""Annotation of a T.Persistent loop: wave size and domain."""


class Kernel:
    """``with T.Kernel(gx[, gy[, gz]], threads=…) as (bx, by, bz)``: the grid of blocks.

    ``threads`` (GPU threads per block) is accepted and has no meaning on a tile machine.
    """

    def __init__(self, *grid: object, threads: object = None, is_cpu: bool = False,
                 prelude: str | None = None) -> None:  # fmt: skip
        """Check the extents.

        Raises:
            LanguageError: not 1 to 3 extents, or an extent that is not a positive constant.
        """
        del threads, prelude
        if is_cpu:
            raise LanguageError("T.Kernel(is_cpu=True) has no meaning on a Tenstorrent device",
                                next_step="leave is_cpu out")  # fmt: skip
        if not 1 <= len(grid) <= len(_AXES):
            raise LanguageError(f"T.Kernel takes 1 to 3 grid extents, got {len(grid)}")
        self._grid = tuple(constant(extent) for extent in grid)
        for extent, given in zip(self._grid, grid, strict=True):
            if extent is None or extent < 1:
                raise LanguageError(
                    f"T.Kernel extent {given!r} is not a positive number known at compile time",
                    next_step="compute it from parameters of the factory, sizes of tensors and"
                    " T.dynamic sizes given by name",
                )
        self._frames: list[Any] = []

    def __enter__(self) -> Any:
        """Enter one launch_thread per axis; a single axis is handed out bare."""
        variables = []
        for axis, extent in zip(_AXES, self._grid, strict=False):
            frame = S.launch_thread(axis, extent)
            variables.append(frame.__enter__())
            self._frames.append(frame)
        return variables[0] if len(variables) == 1 else variables

    def __exit__(self, *exc: object) -> None:
        """Leave the frames, innermost first."""
        while self._frames:
            self._frames.pop().__exit__(*exc)


@dataclass(frozen=True)
class ParallelLoop:
    """``for i, j in T.Parallel(m, n)``: independent iterations over a tile."""

    extents: tuple[object, ...]


def Parallel(*extents: object, coalesced_width: int | None = None, **_: object) -> Any:
    """``T.Parallel(e0, e1, …)``; ``coalesced_width`` is accepted and has no meaning here."""
    del coalesced_width
    if not extents:
        raise LanguageError("T.Parallel needs at least one extent")
    return ParallelLoop(extents)


@dataclass(frozen=True)
class SteppedLoop:
    """``for i in range(start, stop, step)``: ``trips`` iterations, the variable computed."""

    start: Any
    trips: Any
    step: int


@dataclass(frozen=True)
class GridLoop:
    """``for i, j in T.grid(m, n)``: nested sequential loops."""

    extents: tuple[object, ...]


def grid(*extents: object) -> GridLoop:
    """``T.grid(e0, e1, …)``: sequential loops, the last the innermost."""
    if not extents:
        raise LanguageError("T.grid needs at least one extent")
    return GridLoop(extents)


@dataclass(frozen=True)
class PersistentLoop:
    """``for i, j in T.Persistent([m, n], wave_size, index)``: every wave_size-th place."""

    domain: tuple[int, ...]
    wave_size: int
    index: Any

    @property
    def places(self) -> int:
        """Places of the domain."""
        return math.prod(self.domain)

    def coordinates(self, place: Any) -> list[Any]:
        """Indices of a place, the last running fastest."""
        out: list[Any] = []
        for extent in reversed(self.domain):
            out.insert(0, place % extent)
            place = place // extent
        return out


def Persistent(
    domain: Any, wave_size: object, index: Any, group_size: object = 8, **hints: object
) -> Any:  # fmt: skip
    """``T.Persistent(domain, wave_size, index)``: a block's share of a domain, wave by wave.

    ``group_size`` orders places for a GPU's cache; here every place is a block of its own.

    Raises:
        LanguageError: sizes that are not positive constants.
    """
    del group_size
    for name in hints:
        if name not in ("num_stages", "annotations"):
            raise LanguageError(f"T.Persistent has no argument {name!r}")
    sizes = [constant(n) for n in (wave_size, *domain)]
    if any(n is None or n < 1 for n in sizes) or len(sizes) < 2:
        raise LanguageError(f"T.Persistent over {list(domain)} in waves of {wave_size}: sizes must"
                            " be positive numbers known at compile time")  # fmt: skip
    wave, *extents = (int(n or 0) for n in sizes)
    return PersistentLoop(tuple(extents), wave, index)


def vectorized(start: object, stop: object = None, **_: object) -> ParallelLoop:
    """``T.vectorized(n)``: independent iterations, as T.Parallel.

    Raises:
        LanguageError: a start other than 0.
    """
    if stop is not None and constant(start) != 0:
        raise LanguageError("T.vectorized starts at 0", next_step="use T.serial")
    return ParallelLoop((start if stop is None else stop,))


def unroll(start: object, stop: object = None, step: object = None, **_: object) -> Any:
    """``T.unroll(…)``: a sequential loop; whether it is unrolled changes no value."""
    return serial(start, stop, step)


def Pipelined(start: object, stop: object = None, num_stages: object = 0,
              **hints: object) -> Any:  # fmt: skip
    """``for k in T.Pipelined(n, num_stages=s)``: a serial loop whose copies may run ahead.

    Raises:
        LanguageError: num_stages is not a number >= 0.
    """
    for name in hints:
        if name not in ("order", "stage", "sync", "group", "annotations"):
            raise LanguageError(f"T.Pipelined has no argument {name!r}")
    if isinstance(num_stages, bool) or not isinstance(num_stages, int) or num_stages < 0:
        raise LanguageError(f"num_stages={num_stages!r} is not a number >= 0")
    return S.serial(*_bounds(start, stop), annotations={NUM_STAGES: num_stages})


def _bounds(start: Any, stop: Any) -> tuple[Any, Any]:
    """First number and end of a loop, one that has no iteration as Python's ranges have none.

    Raises:
        LanguageError: no integer expressions.
    """
    if stop is None:
        start, stop = 0, start
    _check_bounds(start, stop)
    length = constant(stop - start)
    return start, start if length is not None and length < 0 else stop


def _check_bounds(*bounds: object) -> None:
    for bound in bounds:
        if not isinstance(bound, (int, Expr)):
            raise LanguageError(f"loop bound {bound!r} is not an integer expression")


def serial(start: object, stop: object = None, step: object = None, **hints: object) -> Any:
    """``for i in T.serial(…)``, also ``range(…)`` and ``T.unroll``: a sequential loop."""
    annotations = hints.pop("annotations", None)
    if hints:
        raise LanguageError(f"T.serial has no argument {min(hints)!r}")
    if annotations:
        raise LanguageError("annotations on T.serial are not supported", next_step="leave them out")
    if step in (None, 1):
        return S.serial(*_bounds(start, stop))
    if isinstance(step, bool) or not isinstance(step, int) or step == 0:
        raise LanguageError(
            f"loop step {step!r} is not a constant other than 0",
            next_step="count by a number, and compute with what is counted",
        )
    if stop is None:
        start, stop = 0, start
    _check_bounds(start, stop)
    first, last = (start, stop) if step > 0 else (-start, -stop)  # type: ignore[operator]
    first, last = _bounds(first, last)
    return SteppedLoop(start, ceildiv(last - first, abs(step)), step)
