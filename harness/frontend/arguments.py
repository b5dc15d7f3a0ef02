"""What a compiled kernel is called with, and where its results go."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from harness.errors import LanguageError
from simulator.plan.schema import Plan
from simulator.plan.tensors import named_tensors

Array = npt.NDArray[Any]
_NUMBERS = "biuf"
"""Kinds of NumPy's dtypes that tensors hold; ``V`` is that of ml_dtypes' own."""


def places_of(out_idx: Sequence[int], names: Sequence[str]) -> list[int]:
    """Positions of the tensors that are made, from 0 on.

    Raises:
        LanguageError: there is no such tensor.
    """
    for i in out_idx:
        if not -len(names) <= i < len(names):
            raise LanguageError(f"out_idx {i} of {len(names)} tensors", code="InvalidArguments",
                                next_step=f"the tensors are {', '.join(names)}")  # fmt: skip
    return [i % len(names) for i in out_idx]


def in_order(
    names: Sequence[str], arrays: Sequence[Any], named: Mapping[str, Any]
) -> dict[str, Any]:  # fmt: skip
    """Arguments by tensor: the first ones by their place, others by name.

    Raises:
        LanguageError: one that is missing, given twice or of no tensor.
    """
    found = dict(zip(names, arrays, strict=False))
    wrong = [n for n in named if n not in names or n in found]
    if wrong or len(arrays) + len(named) != len(names):
        many = f"{len(arrays)} arrays" + "".join(f" and {n!r}" for n in named)
        raise LanguageError(f"{many} for the tensors {', '.join(names)}", code="InvalidArguments",
                            next_step="give every tensor one array")  # fmt: skip
    found |= named
    return {n: found[n] for n in names}


def numbers(name: str, given: Any) -> Array:
    """An argument as an array of numbers.

    Raises:
        LanguageError: it is none.
    """
    array = np.asarray(given)
    if array.dtype.kind not in _NUMBERS and "float" not in array.dtype.name:
        what = type(given).__name__ if array.dtype == object else f"array of {array.dtype}"
        raise LanguageError(f"{name} is given a {what}, no real numbers", code="InvalidArguments",
                            next_step="pass an array of float32 or of whole numbers")  # fmt: skip
    return array


def held(name: str, array: Array, dtype: npt.DTypeLike) -> Array:
    """The numbers of an argument as a tensor holds them; floating ones are rounded.

    Raises:
        LanguageError: whole numbers are wanted, and some are none or out of range.
    """
    if "float" in array.dtype.name and array.dtype.kind != "f":
        array = array.astype(np.float32)  # ml_dtypes' own do not compare with integers
    with np.errstate(invalid="ignore", over="ignore"):
        cast = array.astype(dtype)
    if cast.dtype.kind in "iu" and not (same := cast == array).all():
        bad = array[~same].flat[0]
        raise LanguageError(f"{name} is given {bad}, and holds whole numbers of {cast.dtype}",
                            code="InvalidArguments",
                            next_step="round or clip the array to them first")  # fmt: skip
    return cast


def check_half(name: str, array: Array) -> None:
    """Refuse what float16 cannot say on the device: it would read other numbers.

    Raises:
        LanguageError: infinities, NaN, and numbers beyond the largest.
    """
    with np.errstate(invalid="ignore", over="ignore"):
        beyond = ~np.isfinite(array.astype(np.float16))
    if beyond.any():
        raise LanguageError(f"{name} is given {array[beyond].flat[0]}, and float16 on the device"
                            " has no infinities, nor NaN", code="InvalidArguments",
                            next_step="use bfloat16, or numbers within 65,504")  # fmt: skip


def check_made(plan: Plan, inputs: Collection[str]) -> None:
    """Refuse to make a tensor that the kernel reads and nobody gives.

    Raises:
        LanguageError: naming it.
    """
    needed = named_tensors(plan)
    for name, layout in plan.layouts.items():
        if layout.role in ("input", "inout") and name in needed and name not in inputs:
            raise LanguageError(f"{name} is made and returned, and the kernel reads it",
                                code="InvalidArguments",
                                next_step=f"pass {name}, and leave it out of out_idx")  # fmt: skip


def leave(name: str, into: Any, result: Array) -> None:
    """Write a result into the array a caller passed.

    Raises:
        LanguageError: it would not be seen there.
    """
    array = np.asarray(into)
    if not array.flags.writeable or isinstance(into, (list, tuple, int, float)):
        what = "read-only array" if isinstance(into, np.ndarray) else type(into).__name__
        raise LanguageError(
            f"{name} is written, and a {what} was passed for it",
            code="InvalidArguments",
            next_step="pass an array of its own, or name it in out_idx",
        )
    whole = array.dtype.kind in "iub"
    if whole and (result.dtype.kind == "f" or not (result == result.astype(array.dtype)).all()):
        kind = "real" if result.dtype.kind == "f" else "larger"
        raise LanguageError(
            f"{name} is written with {kind} numbers, and an array of {array.dtype} was passed",
            code="InvalidArguments",
            next_step=f"pass an array of {result.dtype}",
        )
    np.copyto(array, result, casting="unsafe")
