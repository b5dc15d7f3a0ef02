"""The judge: is what the machine answered what the source says?

An element is right when it lies within its bound (equals it, where the answer is exact), when it is
not finite where it must not be, or when nothing is known about it. There is no tolerance anywhere
else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from golden.approx import BEYOND, CLEAN, FREE, Bools
from golden.errors import GoldenError
from golden.formats import F64, TILE
from golden.judgement import Judgement, Verdict, WrongTile
from golden.result import GoldenResult, TensorResult

ORACLES: Final = ("auto", "exact", "bound")
PARTIAL_SHARE: Final = 0.01
"""Share of jumped elements above which the oracle's name is downgraded."""
WORST: Final = 8
"""Wrong tiles described."""


@dataclass(frozen=True)
class _Comparison:
    """One output, element by element."""

    result: TensorResult
    actual: F64
    compared: Bools
    good: Bools
    error: F64
    bound: F64
    unwritten: Bools
    stray: Bools

    @property
    def wrong(self) -> Bools:
        return (self.compared & ~self.good) | self.unwritten | self.stray


def judge(
    actual: Mapping[str, npt.NDArray[Any]],
    golden: GoldenResult,
    *,
    written: Mapping[str, npt.NDArray[np.bool_]] | None = None,
    oracle: str = "auto",
) -> Judgement:
    """Compare a run's outputs with golden.

    Args:
        actual: outputs by name, in logical shapes.
        golden: what they must be.
        written: elements the machine wrote, where it knows; missing and stray writes are wrong.
        oracle: ``exact`` demands inputs that leave one right answer everywhere; ``bound`` and
            ``auto`` compare exactly where there is one answer and within the bound elsewhere.

    Raises:
        GoldenError: outputs missing or of another shape, an unknown oracle, or one that the golden
            result cannot support.
    """
    if oracle not in ORACLES:
        raise GoldenError(
            f"unknown oracle {oracle!r}", code="InvalidInputs", next_step=f"one of {ORACLES}"
        )
    if not golden.bounded and oracle != "exact":
        raise GoldenError(
            "a value-only result judges only exact inputs",
            code="InvalidInputs",
            next_step="evaluate with bounds, or ask for oracle 'exact'",
        )
    if oracle == "exact" and golden.bounded and not golden.is_exact:
        raise GoldenError(
            "these inputs do not leave one exact answer",
            code="InvalidInputs",
            next_step="draw exact inputs, or use oracle 'bound'",
        )
    parts = [_compare(result, actual, written) for result in golden.outputs.values()]
    return _summary(parts, golden)


def _compare(
    result: TensorResult,
    actual: Mapping[str, npt.NDArray[Any]],
    written: Mapping[str, npt.NDArray[np.bool_]] | None,
) -> _Comparison:
    if result.name not in actual:
        raise GoldenError(f"output {result.name} is missing", code="InvalidInputs")
    got = np.asarray(actual[result.name])
    if got.shape != result.written.shape:
        raise GoldenError(
            f"output {result.name} has shape {got.shape}, {result.written.shape} is expected",
            code="InvalidInputs",
        )
    values = got.astype(np.float64)
    answer = result.answer
    taint = np.zeros(values.shape, np.uint8) if answer.taint is None else answer.taint
    taint = np.where(result.free, FREE, taint).astype(np.uint8)
    bound = np.broadcast_to(np.asarray(answer.error, np.float64), values.shape)
    with np.errstate(invalid="ignore"):
        error = np.abs(values - answer.value)
        good = error <= bound
        if answer.value2 is not None:
            other = np.abs(values - answer.value2)
            good |= other <= (0.0 if answer.bound2 is None else answer.bound2)
            nearer = other < error
            error = np.where(nearer, other, error)
            if answer.bound2 is not None:
                bound = np.where(nearer, answer.bound2, bound)
    finite = np.isfinite(values)
    infinite = ~finite | (np.abs(values) >= BEYOND)
    good = np.where(taint == CLEAN, good & finite, (taint == FREE) | infinite)
    compared = result.written & (taint != FREE)
    nowhere = np.zeros(values.shape, np.bool_)
    unwritten, stray = nowhere, nowhere
    if written is not None and result.name in written:
        wrote = np.asarray(written[result.name], np.bool_)
        unwritten, stray = result.written & ~wrote, wrote & ~result.written
        if result.given:
            stray &= ~good
    return _Comparison(result, values, compared, good, error, bound, unwritten, stray)


def _summary(parts: list[_Comparison], golden: GoldenResult) -> Judgement:
    compared = sum(int(p.compared.sum()) for p in parts)
    wrong = sum(int(p.wrong.sum()) for p in parts)
    exact = sum(int((p.compared & (p.bound == 0) & ~_jumped(p)).sum()) for p in parts)
    total = sum(int(p.result.written.sum()) for p in parts)
    empty = [p.result.name for p in parts if not p.compared.any()]
    numbers = [p.compared & (_taint(p) == CLEAN) for p in parts]
    errors = [p.error[n] for p, n in zip(parts, numbers, strict=True)]
    bounds = [p.bound[n] for p, n in zip(parts, numbers, strict=True)]
    jumped = _share(parts, [p.result.jumped_share for p in parts])
    name = "exact" if exact == compared or not golden.bounded else "bound"
    free = total - compared
    if (name == "bound" and jumped > PARTIAL_SHARE) or free > PARTIAL_SHARE * total:
        name = "bound-partial"
    if not compared:
        name = "none"
    verdict: Verdict = "fail" if wrong or empty else "pass"
    if not parts:
        verdict, reason = "fail", "the kernel writes no tensor: nothing was compared"
    elif wrong:
        reason = f"{wrong} of {total} elements are wrong"
    elif empty:
        reason = f"nothing of {', '.join(empty)} could be compared"
    else:
        reason = f"all {compared} compared elements are right"
        left = sum(int((p.compared & _jumped(p)).sum()) for p in parts)
        if name == "bound-partial" and left:
            reason += f", {left} of them whatever comparisons decide that the bounds leave open"
        if free:
            reason += f", nothing is known of {free} others, which were not compared"
    error = np.concatenate(errors) if errors else np.zeros(0)
    bound = np.concatenate(bounds) if bounds else np.zeros(0)
    return Judgement(
        verdict=verdict,
        oracle=name,
        reason=reason,
        max_error=_maximum(error),
        bound_ratio=_ratio(error, bound),
        pcc=_pcc(parts, numbers),
        compared=compared,
        exact=exact,
        wrong=wrong,
        free=free,
        tainted_share=_share(parts, [p.result.tainted_share for p in parts]),
        jumped_share=jumped,
        tensors={
            p.result.name: {
                "compared": int(p.compared.sum()),
                "wrong": int(p.wrong.sum()),
                "free": int(p.compared.size - p.compared.sum()),
            }
            for p in parts
        },
        worst=_worst_tiles(parts) if wrong else (),
    )


def _taint(part: _Comparison) -> Any:
    taint = part.result.answer.taint
    return np.zeros(part.actual.shape, np.uint8) if taint is None else taint


def _jumped(part: _Comparison) -> Bools:
    jumped = part.result.answer.jumped
    return np.zeros(part.actual.shape, np.bool_) if jumped is None else jumped


def _share(parts: list[_Comparison], shares: list[float]) -> float:
    sizes = [int(p.result.written.sum()) for p in parts]
    total = sum(sizes)
    return sum(s * n for s, n in zip(shares, sizes, strict=True)) / total if total else 0.0


def _maximum(error: F64) -> float | None:
    if not error.size:
        return None
    return float(np.nan_to_num(error, nan=np.inf, posinf=np.inf).max())


def _ratio(error: F64, bound: F64) -> float | None:
    if not error.size:
        return None
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(error == 0, 0.0, error / bound)
    return float(np.nan_to_num(ratio, nan=np.inf, posinf=np.inf).max())


def _pcc(parts: list[_Comparison], numbers: list[Bools]) -> float | None:
    """Correlation of answers and golden over finite elements; None for constants."""
    got, want = [], []
    for part, mask in zip(parts, numbers, strict=True):
        keep = mask & np.isfinite(part.actual)
        got.append(part.actual[keep])
        want.append(part.result.answer.value[keep])
    if not got:
        return None
    x, y = np.concatenate(got), np.concatenate(want)
    if x.size < 2:
        return None
    scale = max(float(np.abs(x).max()), float(np.abs(y).max()))
    if not scale:
        return None
    x, y = x / scale, y / scale
    x, y = x - x.mean(), y - y.mean()
    norm = float(np.sqrt((x * x).sum() * (y * y).sum()))
    return float((x * y).sum() / norm) if norm > 0 else None


def _worst_tiles(parts: list[_Comparison]) -> tuple[WrongTile, ...]:
    """The tiles with most wrong elements, and the worst element of each."""
    found: list[tuple[int, float, WrongTile]] = []
    for part in parts:
        wrong = part.wrong
        where = np.argwhere(wrong)
        if not len(where):
            continue
        padded = where if where.shape[1] > 1 else np.pad(where, ((0, 0), (1, 0)))
        tiles = padded.copy()
        tiles[:, -2:] //= TILE
        keys, inverse, counts = np.unique(tiles, axis=0, return_inverse=True, return_counts=True)
        for k in np.argsort(-counts, kind="stable")[:WORST]:
            members = where[inverse.reshape(-1) == k]
            tile = _describe(part, tuple(int(i) for i in keys[k]), members)
            found.append((tile.wrong, abs(tile.got - tile.expected), tile))
    found.sort(key=lambda item: -item[0])
    return tuple(tile for _, _, tile in found[:WORST])


def _describe(part: _Comparison, key: tuple[int, ...], members: npt.NDArray[np.intp]) -> WrongTile:
    index = tuple(members.T)
    badness = np.nan_to_num(part.error[index], nan=np.inf, posinf=np.inf)
    worst = tuple(int(i) for i in members[int(badness.argmax())])
    if part.unwritten[worst]:
        kind = "unwritten"
    elif part.stray[worst]:
        kind = "stray"
    else:
        kind = "value"
    lead, tile = key[:-2], (key[-2], key[-1])
    shape = part.actual.shape if part.actual.ndim > 1 else (1, *part.actual.shape)
    height = min(TILE, shape[-2] - tile[0] * TILE)
    width = min(TILE, shape[-1] - tile[1] * TILE)
    return WrongTile(
        tensor=part.result.name,
        lead=lead,
        tile=tile,
        wrong=len(members),
        total=height * width,
        element=worst,
        got=float(part.actual[worst]),
        expected=float(part.result.answer.value[worst]),
        bound=float(part.bound[worst]),
        kind=kind,
    )


__all__ = ["ORACLES", "judge"]
