"""Kernels that are a plain matrix product C = A B, and Freivalds' check of such a product.

The check multiplies by random vectors instead of recomputing the product. It runs in exact integer
arithmetic within float64, and an answer equal to the product is right under every contract, so a
pass needs no bound; a miss says nothing until golden is evaluated.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import tvm
from tvm import tirx

from golden.blocks import stored_by_host
from golden.formats import F64
from golden.source import COPY, FILL, GEMM, Kernel, calls, constant, read_kernel

_ROUNDS: Final = 3
_WEIGHT: Final = 2**12
"""Vector entries are drawn from -2**12 to 2**12: a wrong product survives one round with
probability at most 2**-13."""
_EXACT: Final = 2.0**53


@dataclass(frozen=True)
class Product:
    """C = op(A) op(B) over whole tensors, the last two dimensions; leading ones are batches."""

    a: str
    b: str
    c: str
    trans_a: bool
    trans_b: bool
    k_block: int


def find_product(func: Any) -> Product | None:
    """The product a kernel computes, or None where it is anything else or anything more."""
    kernel = read_kernel(func)
    gemms, copies, fills = (kernel.calls(name) for name in (GEMM, COPY, FILL))
    if len(gemms) != 1 or len(copies) != 3 or len(fills) != 1:
        return None
    if any(isinstance(s, (tirx.BufferStore, tirx.IfThenElse)) for s in kernel.statements):
        return None
    loops = [s for s in kernel.statements if isinstance(s, tirx.For)]
    if len(loops) != 1 or _known(fills[0].args[1]) != 0 or constant(loops[0].min) != 0:
        return None
    if constant(loops[0].extent) is None:
        return None
    a, b, c = (region.source for region in gemms[0].args[:3])
    trans_a, trans_b, clear = (bool(constant(x)) for x in gemms[0].args[3:6])
    inner = calls(loops[0].body, COPY)
    loads = {str(x.args[1].source.name): x for x in inner}
    outs = [x for x in copies if x.args[0].source.same_as(c)]
    names = {str(a.name), str(b.name)}
    if clear or len(inner) != 2 or set(loads) != names or len(outs) != 1 or len(names) != 2:
        return None
    if not fills[0].args[0].source.same_as(c) or not calls(loops[0].body, GEMM):
        return None
    if calls(loops[0].body, FILL):
        return None
    return _covering(
        kernel, loops[0], loads[str(a.name)], loads[str(b.name)], outs[0], trans_a, trans_b
    )


def _known(expr: Any) -> float | None:
    return float(expr.value) if isinstance(expr, (tirx.FloatImm, tirx.IntImm)) else None


def _covering(
    kernel: Kernel, loop: Any, load_a: Any, load_b: Any, out: Any, trans_a: bool, trans_b: bool
) -> Product | None:
    """The product, if the regions walk whole tensors block by block."""
    sides = [load_a.args[0], load_b.args[0], out.args[1]]
    names = [str(s.source.name) for s in sides]
    tensors = {t.name: t for t in kernel.tensors}
    if any(n not in tensors for n in names) or len(set(names)) != 3:
        return None
    if any(len(s.region) < 2 or len(s.region) != len(sides[2].region) for s in sides):
        return None
    (am, ak), (bk, bn) = (_last(s, t) for s, t in zip(sides, (trans_a, trans_b), strict=False))
    cm, cn = _last(sides[2], trans=False)
    shapes = [tensors[n].shape for n in names]
    (m, k), (k2, n) = (_size(s, t) for s, t in zip(shapes, (trans_a, trans_b), strict=False))
    if (m, n) != shapes[2][-2:] or k != k2:
        return None
    lead = [s.region[:-2] for s in sides]
    same = all(
        _equal(x.min, y.min) and constant(y.extent) == 1
        for other in lead[:2]
        for x, y in zip(other, lead[2], strict=True)
    )
    if not same or not (_equal(am.min, cm.min) and _equal(bn.min, cn.min)):
        return None
    step = constant(ak.extent)
    if step is None or not (_equal(ak.min, bk.min) and _equal(ak.min, loop.loop_var * step)):
        return None
    trips = constant(loop.extent)
    if trips is None or trips * step < k or constant(bk.extent) != step:
        return None
    if constant(am.extent) != constant(cm.extent) or constant(bn.extent) != constant(cn.extent):
        return None
    dims = [
        (r.min, constant(r.extent), size)
        for r, size in zip([*lead[2], cm, cn], shapes[2], strict=True)
    ]
    if not _tiles_everything(kernel, dims):
        return None
    return Product(names[0], names[1], names[2], trans_a, trans_b, step)


def _last(region: Any, trans: bool) -> tuple[Any, Any]:
    first, second = region.region[-2:]
    return (second, first) if trans else (first, second)


def _size(shape: tuple[int, ...], trans: bool) -> tuple[int, int]:
    rows, columns = shape[-2:]
    return (columns, rows) if trans else (rows, columns)


def _equal(a: Any, b: Any) -> bool:
    return constant(a - b) == 0 if isinstance(a - b, (int, tvm.ir.Expr)) else False


def _tiles_everything(kernel: Kernel, dims: list[tuple[Any, int | None, int]]) -> bool:
    """Whether each dimension is walked by one grid axis of its own in steps of its extent."""
    unused = list(kernel.grid)
    for start, extent, size in dims:
        if extent is None:
            return False
        if constant(start) == 0 and extent >= size:
            continue
        axis = next((g for g in unused if _equal(start, g[0] * extent)), None)
        if axis is None or axis[1] * extent < size:
            return False
        unused.remove(axis)
    return all(extent == 1 for _, extent in unused)


def freivalds(
    product: Product,
    dtypes: Mapping[str, str],
    inputs: Mapping[str, npt.NDArray[Any]],
    actual: npt.NDArray[Any],
    seed: int = 0,
) -> bool | None:
    """Whether ``actual`` equals the product, with error probability below 2**-39.

    Returns None where the numbers are not integers small enough for exact arithmetic.
    """
    a, b = (stored_by_host(np.asarray(inputs[n]), dtypes[n]) for n in (product.a, product.b))
    c = np.asarray(actual, np.float64)
    if product.trans_a:
        a = a.swapaxes(-1, -2)
    if product.trans_b:
        b = b.swapaxes(-1, -2)
    if not all(np.isfinite(x).all() and (x == np.rint(x)).all() for x in (a, b, c)):
        return None
    width = b.shape[-1]
    size = _peak(a) * _peak(b) * a.shape[-1] * width * _WEIGHT
    if max(size, _peak(c) * width * _WEIGHT) >= _EXACT:
        return None
    rng = np.random.default_rng([seed, width])
    vectors = rng.integers(-_WEIGHT, _WEIGHT + 1, (width, _ROUNDS)).astype(np.float64)
    return bool((c @ vectors == a @ (b @ vectors)).all())


def _peak(values: F64) -> float:
    return float(max(values.max(initial=0.0), -values.min(initial=0.0)))
