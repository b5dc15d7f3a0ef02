"""Kernels of the cases: the packaged ones, a few more, and artifacts edited by hand."""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType
from typing import Final

from harness.kernels.table import KERNELS, SEQUENCES, Packaged
from harness.mutants.edit import Built, replace
from harness.mutants.subjects import (
    decided,
    eight,
    kernels,
    places,
    planes,
    regrouped,
    rewritten,
    texts,
    turned,
)
from simulator.formats.dataformat import DataFormat
from simulator.plan.schema import Semaphore
from simulator.program import If, Op


def _packed(built: Built) -> Built:
    """The copy with its tensors and buffers in Bfp8_b, which no dtype of the language names."""
    fmt = DataFormat.Bfp8_b
    packed = {"dtype": "bfloat8_b", "padding": "zero"}
    layouts = {n: replace(la, **packed) for n, la in built.plan.layouts.items()}
    cbs = tuple(
        replace(cb, data_format=fmt.value, page_bytes=fmt.tile_bytes())
        for cb in built.plan.circular_buffers
    )
    return Built(replace(built.plan, layouts=layouts, circular_buffers=cbs), built.programs)


def _baton(built: Built) -> Built:
    """The copy on two cores, the second starting when the first one says so by semaphore."""
    (cores,) = built.plan.core_ranges
    programs = []
    for program in built.programs.programs:
        body = program.body
        if program.thread == "ncrisc":
            wait = Op(name="noc_semaphore_wait_min", args=(0, 1))
            body = (If(cond=["==", "start", 1], then=(wait,)), *body)
        elif program.thread == "brisc":
            signal = Op(name="noc_semaphore_inc", args=(1, 0, 0, 1))
            body = (*body, If(cond=["==", "start", 0], then=(signal,)))
        programs.append(replace(program, body=body))
    semaphore = Semaphore(id=0, core_ranges=(cores,), initial=0)
    plan = replace(built.plan, semaphores=(semaphore,))
    return Built(plan, replace(built.programs, programs=tuple(programs)))


SOURCES: Final = MappingProxyType(
    {
        **KERNELS,
        **SEQUENCES,
        "handed": Packaged(kernels.handed, kernels.handed_reference),
        **planes.KERNELS,
        **places.KERNELS,
        **turned.KERNELS,
        **decided.KERNELS,
        **eight.KERNELS,
        **rewritten.KERNELS,
        **regrouped.KERNELS,
        texts.DRAWN: Packaged(texts.drawn, texts.no_reference),
        "mixed": Packaged(kernels.mixed, kernels.mixed_reference),
        "masked": Packaged(kernels.masked, kernels.masked_reference),
        "two_outputs": Packaged(kernels.two_outputs, kernels.two_outputs_reference),
    }
)
"""Name to kernel and NumPy reference."""

EDITS: Final[MappingProxyType[str, Callable[[Built], Built]]] = MappingProxyType(
    {"copy-bfp8": _packed, "copy-baton": _baton}
)
"""Artifacts beyond the compiler's reach, made from ones within it."""

__all__ = ["EDITS", "SOURCES"]
