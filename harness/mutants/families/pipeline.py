"""The pipeline itself: a pass skipped, run twice, out of order, or told other options."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from harness.compiler.attrs import CoreRange
from harness.compiler.passes.core_map import TTTilesToCoreMap
from harness.compiler.passes.lower_tiles import LowerTTTileIntrinsics
from harness.compiler.passes.persistent import GridToPersistentTT
from harness.mutants.registry import PASSES, Kind, Mutant, Where


def _one(family: str, name: str, where: Where, breaks: str, apply: Any,
         equivalent: str | None = None) -> Mutant:  # fmt: skip
    return Mutant(name, family, where, Kind.PIPELINE, breaks, apply, equivalent)


def _order() -> list[Mutant]:
    out = []
    idempotent = "the pass reads what it needs from the body and writes the same again"
    for i, where in enumerate(PASSES):
        name = where.value
        out.append(_one(
            "pass order", f"skipped-{name}", where, f"{name} does not run.",
            lambda passes, o, i=i: [*passes[:i], *passes[i + 1 :]],
        ))  # fmt: skip
        out.append(_one(
            "pass order", f"twice-{name}", where, f"{name} runs twice.",
            lambda passes, o, i=i: [*passes[: i + 1], *passes[i:]],
            idempotent if i < 2 else None,
        ))  # fmt: skip
        if i < 4:
            out.append(_one(
                "pass order", f"late-{name}", where, f"{name} runs after the next pass.",
                lambda passes, o, i=i: [*passes[:i], passes[i + 1], passes[i], *passes[i + 2 :]],
            ))  # fmt: skip
    return out


def _with(index: int, kind: Any, change: Any) -> Any:
    """Pass ``index`` told other options; None where they are the ones given."""

    def apply(passes: list[Any], options: Any) -> Any:
        other = change(options)
        if other is None or other == options:
            return None
        return [*passes[:index], kind(options=other), *passes[index + 1 :]]

    return apply


def _told(change: Any, first: int = 2) -> Any:
    """Passes from ``first`` on told other options: an option dropped on the way in."""

    def apply(passes: list[Any], options: Any) -> Any:
        other = change(options)
        if other is None or other == options:
            return None
        made = (TTTilesToCoreMap, LowerTTTileIntrinsics, GridToPersistentTT)
        return [*passes[:first], *(m(options=other) for m in made[first - 2 :])]

    return apply


THREE, FOUR, FIVE = Where.PASS3, Where.PASS4, Where.PASS5
D: Final = "dropped options"
MUTANTS: Final = (
    *_order(),
    _one(D, "strategy-dropped", THREE, "The partition strategy is forgotten.",
         _told(lambda o: replace(o, strategy="row_major"))),
    _one(D, "strategy-dropped-by-one-pass", THREE, "Only TTTilesToCoreMap forgets the strategy.",
         _with(2, TTTilesToCoreMap, lambda o: replace(o, strategy="row_major"))),
    _one(D, "grid-dropped", THREE, "The sub-grid is forgotten: the whole device is used.",
         _told(lambda o: replace(o, grid=None, core_ranges=None))),
    _one(D, "core-ranges-dropped", THREE, "Core ranges are forgotten.",
         _told(lambda o: replace(o, core_ranges=None))),
    _one(D, "core-ranges-moved", THREE, "Work goes to one core of the grid only.",
         _told(lambda o: replace(o, core_ranges=(CoreRange((0, 0), (1, 1)),))
               if o.physical_grid != (1, 1) else None)),
    _one(D, "device-dropped", FOUR, "The device is forgotten on the way to the last two passes.",
         _told(lambda o: replace(o, device="wormhole_n150"), 3)),
    _one(D, "fidelity-dropped", FOUR, "The math fidelity is forgotten.",
         _with(3, LowerTTTileIntrinsics, lambda o: replace(o, fidelity=None))),
    _one(D, "fidelity-lowered", FOUR, "The math fidelity is LoFi whatever was asked for.",
         _with(3, LowerTTTileIntrinsics, lambda o: replace(o, fidelity="LoFi"))),
    _one(D, "dest-lowered", FOUR, "DST has 16 bits whatever was asked for.",
         _with(3, LowerTTTileIntrinsics, lambda o: replace(o, fp32_dest=False))),
    _one(D, "dest-dropped", FOUR, "The destination mode is forgotten.",
         _with(3, LowerTTTileIntrinsics, lambda o: replace(o, fp32_dest=None))),
    _one(D, "double-buffer-dropped", FIVE, "Buffers hold one block although two are asked for.",
         _with(4, GridToPersistentTT, lambda o: replace(o, double_buffer=False))),
    _one(D, "double-buffer-forced", FIVE, "Buffers hold two blocks although one is asked for.",
         _with(4, GridToPersistentTT, lambda o: replace(o, double_buffer=True))),
    _one(D, "prefetch-dropped", FIVE, "Nothing is read ahead although it is asked for.",
         _with(4, GridToPersistentTT, lambda o: replace(o, prefetch=False))),
    _one(D, "prefetch-forced", FIVE, "Reading ahead although it is switched off.",
         _with(4, GridToPersistentTT, lambda o: replace(o, prefetch=True))),
)  # fmt: skip
