"""Drawn values with bounds, alternatives and taint, and the numbers a device may have in them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from golden.approx import BEYOND, CLEAN, FREE, INFINITE, Approx, exact
from golden.contract import NumericContract
from golden.formats import find_format

Doubles = npt.NDArray[np.float64]
WIDE = NumericContract("blackhole", "HiFi4", True, "float32", "tfloat32")
NARROW = NumericContract("blackhole", "HiFi4", False, "bfloat16", "bfloat16")


def drawn(
    rng: np.random.Generator, shape: tuple[int, ...], *, jumps: bool = True, taint: bool = True,
    low: float = -math.inf, dtype: str = "bfloat16",
) -> Approx:  # fmt: skip
    """Values of a dtype, most of them with an error, some with a second alternative or tainted."""
    value = _values(rng, shape, dtype)
    value = np.where(value < low, low - value, value)
    planes: dict[str, Any] = {}
    if rng.random() < 0.8:
        planes["bound"] = np.where(rng.random(shape) < 0.3, 0.0, _errors(rng, value))
    if jumps and rng.random() < 0.5:
        second = _values(rng, shape, dtype)
        second = np.where(second < low, low - second, second)
        jumped = rng.random(shape) < 0.5
        error = planes.get("bound", np.zeros(shape))
        planes["value2"] = np.where(jumped, second, value)
        planes["bound2"] = np.where(jumped, _errors(rng, second), error)
        planes["jumped"] = jumped
    if taint and rng.random() < 0.4:
        level = np.where(rng.random(shape) < 0.1, INFINITE, CLEAN)
        level = np.where(rng.random(shape) < 0.05, FREE, level).astype(np.uint8)
        special = rng.choice([np.inf, -np.inf, np.nan], shape)
        value = np.where(level == INFINITE, special, value)
        planes["taint"] = level
        for name, neutral in (("bound", 0.0), ("bound2", 0.0), ("value2", value)):
            if name in planes:
                planes[name] = np.where(level == CLEAN, planes[name], neutral)
        if "jumped" in planes:
            planes["jumped"] = planes["jumped"] & (level == CLEAN)
    if not planes:
        return exact(value)
    return Approx(value, **planes).tightened()


def _values(rng: np.random.Generator, shape: tuple[int, ...], dtype: str) -> Doubles:
    bits = find_format(dtype).bits
    whole = rng.integers(-(2**bits) + 1, 2**bits, shape)
    return np.asarray(whole * np.exp2(rng.integers(-bits - 2, 4 - bits, shape)), np.float64)


def _errors(rng: np.random.Generator, value: Doubles) -> Doubles:
    relative = np.exp2(rng.integers(-12, 0, value.shape))
    return np.asarray((np.abs(value) + 2.0**-10) * relative, np.float64)


def point(rng: np.random.Generator, x: Approx) -> Doubles:
    """One number per element that a device may have: often an end of its interval."""
    value, error = x.value, np.broadcast_to(np.asarray(x.error), x.value.shape)
    if x.value2 is not None:
        assert x.bound2 is not None
        second = rng.random(value.shape) < 0.5
        value = np.where(second, x.value2, value)
        error = np.where(second, x.bound2, error)
    place = rng.choice([-1.0, 1.0, 0.0, 0.5], value.shape)
    with np.errstate(invalid="ignore"):
        got = np.where(error > 0, value + place * error, value)
    if x.taint is not None:
        got = np.where(x.taint == FREE, rng.choice([0.0, 7.0, np.inf, np.nan], value.shape), got)
    return np.asarray(got, np.float64)


def missed(x: Approx, got: Doubles) -> npt.NDArray[np.bool_]:
    """Elements of which a value says that a device cannot have this number."""
    shape = np.broadcast_shapes(x.value.shape, got.shape)
    taint = np.zeros(shape, np.uint8) if x.taint is None else np.broadcast_to(x.taint, shape)
    with np.errstate(invalid="ignore"):
        inside = np.abs(got - x.value) <= np.asarray(x.error) * (1 + 2.0**-40)
        if x.value2 is not None:
            assert x.bound2 is not None
            inside |= np.abs(got - x.value2) <= x.bound2 * (1 + 2.0**-40)
        infinite = ~np.isfinite(got) | (np.abs(got) >= BEYOND)
    fits = np.where(taint == CLEAN, inside & np.isfinite(got), (taint == FREE) | infinite)
    return np.asarray(~fits)


def unmarked(x: Approx) -> bool:
    """Whether an element has two answers and is not counted as one that hangs on a jump."""
    if x.value2 is None:
        return False
    assert x.bound2 is not None
    two = (x.value2 != x.value) | (x.bound2 != x.error)
    two &= np.isfinite(x.value) & np.isfinite(x.value2)
    if x.taint is not None:
        two &= x.taint == CLEAN
    return bool((two & ~(np.zeros(1, np.bool_) if x.jumped is None else x.jumped)).any())


def rounded_off(rng: np.random.Generator, got: Doubles, dtype: str, cut: bool = False) -> Doubles:
    """Numbers as a format holds them: nearest, or cut towards zero; denormals are zero."""
    fmt = find_format(dtype)
    with np.errstate(all="ignore"):
        fraction, exponent = np.frexp(got)
        scaled = fraction * 2.0**fmt.bits
        nearest = np.copysign(np.floor(np.abs(scaled) + 0.5), scaled)
        towards = np.trunc(scaled)
        kept = np.where(rng.random(got.shape) < 0.5, towards, nearest) if cut else nearest
        out = np.ldexp(kept, exponent - fmt.bits)
        out = np.where(np.abs(out) < fmt.tiny, 0.0, out)
        out = np.where(np.abs(out) > fmt.huge, np.copysign(np.inf, out), out)
    return np.asarray(np.where(np.isfinite(got), out, got), np.float64)


def error_of(x: Approx) -> Doubles:
    """Bounds, zero where the answer is exact."""
    return np.broadcast_to(np.asarray(x.error, np.float64), x.value.shape)
