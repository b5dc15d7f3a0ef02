"""Input data by kind: random, adversarial, special; the exact kind is in ``exact_inputs``.

All arrays are float32 (or the integer type of the parameter), reproducible from a seed.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from types import MappingProxyType
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import tvm

from golden.errors import GoldenError
from golden.formats import TILE, find_format
from golden.source import BufferInfo, Kernel, read_kernel
from golden.tables.indices import drawn_indices
from golden.walks import structural_walk

Array = npt.NDArray[Any]
Draw = Callable[[np.random.Generator, tuple[int, ...]], Array]


def generator(seed: int, name: str) -> np.random.Generator:
    """A stream of its own for each parameter, so that adding one changes no other."""
    return np.random.default_rng([seed, zlib.crc32(name.encode())])


def wanted(kernel: Kernel) -> tuple[BufferInfo, ...]:
    """Parameters a caller must give: those read."""
    return tuple(t for t in kernel.tensors if t.name in kernel.inputs)


def as_parameter(values: Array, dtype: str) -> Array:
    """Values in the array type a caller passes for a dtype."""
    fmt = find_format(dtype)
    if not fmt.is_integer:
        return values.astype(np.float32)
    low = (
        0.0
        if dtype.startswith(("u", "bool"))
        else -min(fmt.huge, 127 if dtype == "int8" else 2**31)
    )
    whole = np.nan_to_num(np.rint(values), nan=0.0, posinf=fmt.huge, neginf=low)
    held: Array = np.clip(whole, low, fmt.huge).astype(np.dtype(dtype))
    return held


BYTES: Final = MappingProxyType({
    "int8": (-127, 127), "int8_bytes": (-128, 127), "uint8": (0, 255),
})  # fmt: skip
"""Numbers of 8 bits, as they are stored."""


def drawn_bytes(rng: np.random.Generator, info: BufferInfo) -> Array:
    """Numbers of 8 bits, every one there is as likely as any other; conditions as truths."""
    if info.dtype == "bool":
        return rng.random(info.shape) < 1 / 2
    low, high = BYTES[info.stored]
    return rng.integers(low, high + 1, info.shape).astype(info.dtype)


def _normal(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    return rng.standard_normal(shape)


def _uniform(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    return rng.random(shape)


def _wide(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Magnitudes over 2**-20 to 2**20: alignment drops most of a sum."""
    return rng.standard_normal(shape) * np.exp2(rng.integers(-20, 21, shape))


def _scaled(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Rows of magnitudes from 2**-14 to 2**8, some constant or tiny: shifts and offsets matter.

    Three of 16 are far from zero next to how far they spread, in few significant bits: a mean that
    is slightly off, or taken over elements beside the row, shows in what is left without it. One of
    them is so far below zero that exponentials vanish unless their maximum is taken off.
    """
    rows = (*shape[:-1], 1)
    count = int(np.prod(rows))
    values = rng.standard_normal(shape) * np.exp2(rng.integers(-14, 9, rows).astype(float))
    far = rng.integers(96, 129, shape) / 128 * np.exp2(rng.integers(-14, 1, rows).astype(float))
    share = ((rng.permutation(count) + rng.integers(16)) % 16).reshape(rows)
    tiny = rng.standard_normal(shape) * 2.0**-22
    chosen = [values[..., :1], far, -far, -128 - 128 * rng.random(shape), tiny]
    drawn: Array = np.select([share == n for n in range(5)], chosen, values)
    return drawn


def _cancel(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Neighbours along the last axis that cancel, over a small remainder."""
    values = rng.standard_normal(shape) * 256
    half = values.shape[-1] // 2
    if half:
        values[..., 1 : 2 * half : 2] = -values[..., 0 : 2 * half : 2]
    values += rng.standard_normal(shape)
    return values


def _tiny(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Magnitudes around the least normal number, denormals and zeros of both signs among them."""
    values = rng.standard_normal(shape) * np.exp2(rng.integers(-10, 4, shape).astype(float) - 126)
    zeros: Array = np.where(rng.random(shape) < 0.1, np.copysign(0.0, values), values)
    return zeros


def _huge(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Magnitudes up to the largest finite one: products overflow."""
    return rng.standard_normal(shape) * np.exp2(rng.integers(50, 66, shape))


def _one_hot(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """One non-zero element per row."""
    values = np.zeros(shape)
    rows = values.reshape(-1, shape[-1])
    rows[np.arange(len(rows)), rng.integers(0, shape[-1], len(rows))] = 1.0
    return values


def _special(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Normal numbers; infinities and NaN in one tile, of which two are equal in all tensors."""
    values = rng.standard_normal(shape)
    corner = tuple(slice(0, min(TILE, n)) for n in shape)
    tile = values[corner]
    tile[rng.random(tile.shape) < 0.02] = np.inf
    tile[rng.random(tile.shape) < 0.02] = -np.inf
    tile[rng.random(tile.shape) < 0.02] = np.nan
    line = tile[(0,) * (tile.ndim - 1)][:2]
    line[:] = (np.inf, -np.inf)[: len(line)]
    return values


def _steep(rng: np.random.Generator, shape: tuple[int, ...], highest: int = 32) -> Array:
    """Rows of whole numbers up to 4, times 1 to 32.

    Their exponentials overflow unless a maximum is taken off first.
    """
    rows = (*shape[:-1], 1)
    factors = np.exp2(rng.integers(0, highest.bit_length(), rows))
    values: Array = rng.integers(-4, 5, shape) * factors
    return values


def _hilly(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Rows of whole numbers up to 4, times 1 to 4: exponentials of their products overflow.

    The products are exact, so that what is judged is not lost in a bound.
    """
    return _steep(rng, shape, 4)


def _ties(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Odd multiples of half a bfloat16 unit, where roundings disagree."""
    base = rng.integers(128, 256, shape) + 0.5
    exponent = rng.integers(-4, 5, shape)
    values: Array = np.copysign(base * np.exp2(exponent - 7.0), rng.standard_normal(shape))
    return values


EXPONENTIALS: Final = ("exp", "exp2", "exp10")


def overflowing(*funcs: Any) -> str | None:
    """The kind of inputs on which exponentials overflow unless a maximum is taken off.

    None for sources that take no exponential. Several are kernels of one sequence: the products may
    be in one, and the exponentials in another.
    """
    found: list[str] = []

    def seen(call: tvm.ir.Call) -> None:
        found.append(str(getattr(call.op, "name", "")).rpartition(".")[2])

    for func in funcs:
        structural_walk(func.body, [(tvm.ir.Call, seen)])
    if not any(name in EXPONENTIALS for name in found):
        return None
    return "hilly" if "gemm" in found else "steep"


INPUT_KINDS: Final[MappingProxyType[str, Draw]] = MappingProxyType(
    {
        "random": _normal,
        "uniform": _uniform,
        "wide": _wide,
        "scaled": _scaled,
        "cancel": _cancel,
        "tiny": _tiny,
        "huge": _huge,
        "one_hot": _one_hot,
        "special": _special,
        "steep": _steep,
        "hilly": _hilly,
        "ties": _ties,
    }
)
"""How each kind is drawn."""


def draw_inputs(func: Any, kind: str = "random", seed: int = 0) -> dict[str, Array]:
    """Inputs of one kind for a source kernel, by parameter name.

    Raises:
        GoldenError: no such kind.
    """
    if kind not in INPUT_KINDS:
        raise GoldenError(
            f"no input kind {kind!r}",
            code="InvalidInputs",
            next_step=f"one of {[*INPUT_KINDS]}, exact or tagged",
        )
    draw = INPUT_KINDS[kind]
    kernel = read_kernel(func)
    indices = drawn_indices(kernel, seed)
    result = {}
    for info in wanted(kernel):
        if info.name in indices:
            result[info.name] = indices[info.name]
            continue
        if info.stored in BYTES:
            result[info.name] = drawn_bytes(generator(seed, info.name), info)
            continue
        values = draw(generator(seed, info.name), info.shape)
        if info.dtype == "float16" and kind in ("huge", "wide", "cancel"):
            values = np.clip(values, -1000, 1000)
        result[info.name] = as_parameter(values, info.dtype)
    return result
