"""Two backends' outputs side by side, and a case file where they differ."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from harness.artifact import Artifact
from harness.backends.protocol import Array, Arrays
from harness.codegen import write_kernels
from harness.report.owner import owners
from simulator.files import write_npz
from simulator.plan.schema import Plan


def first_difference(plan: Plan, simulated: Arrays, measured: Arrays) -> str | None:
    """The first tile in which two sets of outputs differ, in words; None where they are equal.

    Equality is of values: both zeros are one, and NaN equals NaN.
    """
    for name, ours in simulated.items():
        theirs = measured.get(name)
        if theirs is None:
            return f"{name}: the device returned nothing"
        if theirs.shape != ours.shape:
            return f"{name}: shape {theirs.shape}, the simulator's is {ours.shape}"
        both_nan = np.isnan(ours) & np.isnan(theirs) if ours.dtype.kind == "f" else False
        differs = (ours != theirs) & ~np.asarray(both_nan)
        if differs.any():
            return _explain(plan, name, ours, theirs, differs)
    return None


def _explain(plan: Plan, name: str, ours: Array, theirs: Array, differs: Array) -> str:
    at = tuple(int(i) for i in np.argwhere(differs)[0])
    matrix = at if len(at) > 1 else (0, *at)
    height, width = plan.layouts[name].tile_shape
    tile = (*matrix[:-2], matrix[-2] // height, matrix[-1] // width)
    view = differs if differs.ndim > 1 else differs[None]
    region: tuple[Any, ...] = (
        *matrix[:-2],
        slice(tile[-2] * height, (tile[-2] + 1) * height),
        slice(tile[-1] * width, (tile[-1] + 1) * width),
    )
    block = view[region]
    found = owners(plan, name, tile)
    where = f"written by core {found[0].core}" if found else "of no known core"
    return (
        f"{name}: {int(differs.sum())} of {differs.size} elements differ, first in tile"
        f" {list(tile)} ({where}; {int(block.sum())} of its {block.size} elements): element"
        f" {list(at)} is {theirs[at]!s} on the device, {ours[at]!s} on the simulator"
    )


def save_case(
    directory: Path, artifact: Artifact, inputs: Arrays, outputs: Mapping[str, Arrays], why: str
) -> Path:
    """Everything needed to look at a disagreement again: plan, programs, kernels, arrays, text."""
    artifact.save(directory)
    write_kernels(directory, artifact)
    write_npz(directory / "inputs.npz", inputs)
    for backend, arrays in outputs.items():
        write_npz(directory / f"{backend}.npz", arrays)
    (directory / "README.txt").write_text(
        f"{why}\n\nThe simulator's side again:\n"
        "  python -m simulator . --inputs inputs.npz --outputs again.npz\n",
        encoding="utf-8",
    )
    return directory
