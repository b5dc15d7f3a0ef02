"""The bit-exact number model driven by hand: what a correct device answers, for bound tests."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from simulator.formats.dataformat import DataFormat
from simulator.formats.host import quantise_host
from simulator.numerics.models import number_model
from simulator.numerics.modes import Chip, Dest, Fidelity, Mode

Array = npt.NDArray[Any]
MODEL = number_model("exact")


def mode_for(family: str, fidelity: str, dest: str, half: bool = False) -> Mode:
    """The simulator's spelling of a contract."""
    chip = Chip.BLACKHOLE if family == "blackhole" else Chip.WORMHOLE
    names = {"float32": Dest.FP32, "bfloat16": Dest.BF16, "float16": Dest.FP16}
    return Mode(Fidelity(fidelity), names[dest], chip, half_src=half)


def on_host(values: Array, dtype: str) -> Array:
    """Values rounded to a dtype by the host, as float32."""
    return quantise_host(values.astype(np.float32), DataFormat.from_ir(dtype))


def device_gemm(a: Array, b: Array, dtype: str, out: str, mode: Mode) -> Array:
    """C = A B for a (M, K) and b (K, N), padded to tiles: K tile after K tile, then one pack."""
    fmt, out_fmt = DataFormat.from_ir(dtype), DataFormat.from_ir(out)
    (m, k), n = a.shape, b.shape[1]
    pad = [(-s) % 32 for s in (m, k, n)]
    a = np.pad(on_host(a, dtype), ((0, pad[0]), (0, pad[1])))
    b = np.pad(on_host(b, dtype), ((0, pad[1]), (0, pad[2])))
    left = MODEL.matmul_operand(a, fmt, mode, 0, dtype != "float16")
    right = MODEL.matmul_operand(b, fmt, mode, 1, dtype != "float16")
    acc = np.zeros((a.shape[0], b.shape[1]), np.float32)
    for first in range(0, a.shape[1], 32):
        step = slice(first, first + 32)
        acc = MODEL.matmul(acc, left[:, step], right[step], mode)
    return MODEL.pack(acc, out_fmt, mode)[:m, :n]


def _normal(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    return rng.standard_normal(shape)


def _uniform(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    return rng.random(shape)


def _wide(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    return rng.standard_normal(shape) * np.exp2(rng.integers(-12, 13, shape))


def _cancel(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    values = rng.standard_normal(shape) * 1000
    values[..., 1::2] = -values[..., ::2][..., : values[..., 1::2].shape[-1]]
    return values + rng.standard_normal(shape) * 2.0**-6


def _small(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    return rng.standard_normal(shape) * 2.0**-66


def _integers(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    return rng.integers(-63, 64, shape).astype(np.float64)


def _sparse(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    return rng.standard_normal(shape) * (rng.random(shape) < 0.1)


def _ones(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Significands of ones, where cutting loses most."""
    return np.copysign(2 - 2.0**-7, rng.standard_normal(shape)) * np.exp2(
        rng.integers(-2, 3, shape)
    )


KINDS: Mapping[str, Callable[[np.random.Generator, tuple[int, ...]], Array]] = MappingProxyType(
    {
        "normal": _normal,
        "uniform": _uniform,
        "wide": _wide,
        "cancel": _cancel,
        "small": _small,
        "integers": _integers,
        "sparse": _sparse,
        "ones": _ones,
    }
)
"""Kinds of data, each hard on another term of a bound."""
