"""Whether the native run and golden say the same of one set of inputs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt

from golden.judgement import Judgement
from golden.oracle import judge
from golden.result import GoldenResult
from golden.second.errors import NoSecondOpinionError
from golden.second.native import Native

SHARE: Final = 2.0**-20
"""Part of golden's bound two evaluations in float64 may differ by. Every rounding the bound allows
the device is 2**-24 at least, one of float64 is 2**-53; what lies between is for the order of sums
and the C library's functions."""


@dataclass(frozen=True)
class Opinion:
    """What came of asking.

    Attributes:
        verdict: ``agreed``, ``disagreed``, or ``not available`` where nothing was compared.
        reason: one sentence; of a disagreement with the worst tile, otherwise why there is none.
        judgement: the native answer held against golden; None where there is no answer.
    """

    verdict: Literal["agreed", "disagreed", "not available"]
    reason: str
    judgement: Judgement | None = None


class SecondOpinion:
    """A source kernel compiled once, to be asked about any inputs."""

    def __init__(self, func: Any, most: int | None = None) -> None:
        """Lower and compile; ``most`` is how many elements the loops may store.

        Raises:
            NoSecondOpinionError: a construct without a lowering, or more elements.
        """
        self._native = Native(func, most)

    def ask(self, inputs: Mapping[str, npt.NDArray[Any]], golden: GoldenResult) -> Opinion:
        """Compare: equal where golden leaves one answer, within a share of its bound elsewhere.

        The elements written must be the same too. Of the bound :data:`SHARE` is allowed. A tensor
        may have another shape here than where golden reads it: its elements are in one order.
        """
        values, written = self._native.run(inputs)
        shapes = {name: result.written.shape for name, result in golden.outputs.items()}

        def shaped(part: Mapping[str, npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]:
            return {n: a.reshape(shapes.get(n, a.shape)) for n, a in part.items()}

        return compared("LLVM", shaped(values), shaped(written), golden)


def compared(
    who: str,
    values: Mapping[str, npt.NDArray[Any]],
    written: Mapping[str, npt.NDArray[Any]],
    golden: GoldenResult,
) -> Opinion:
    """What another evaluation in float64, and the elements it wrote, say of golden's."""
    judged = judge(values, tightened(golden), written=written)
    if judged.passed:
        return Opinion("agreed", f"{who} and golden agree on {judged.compared} elements", judged)
    if not judged.wrong:
        return Opinion("not available", f"no second opinion: {judged.reason}", judged)
    place = "; ".join(str(tile) for tile in judged.worst[:1])
    return Opinion("disagreed", f"{who} and golden differ on the source: {place}", judged)


def second_opinion(
    func: Any, inputs: Mapping[str, npt.NDArray[Any]], golden: GoldenResult
) -> Opinion:
    """:class:`SecondOpinion` on one set of inputs; what is not lowered is ``not available``."""
    try:
        asked = SecondOpinion(func)
    except NoSecondOpinionError as error:
        return Opinion("not available", str(error))
    return asked.ask(inputs, golden)


def tightened(golden: GoldenResult) -> GoldenResult:
    """Golden with a share of its bounds; the whole bound where the answer hangs on a jump.

    There it may stand between two branches, and float64 takes one.
    """
    outputs = {}
    for name, result in golden.outputs.items():
        answer = result.answer
        if answer.bound is not None:
            jumped = np.zeros((), np.bool_) if answer.jumped is None else answer.jumped
            answer = replace(answer, bound=np.where(jumped, 1.0, SHARE) * answer.bound)
        outputs[name] = replace(result, answer=answer)
    return replace(golden, outputs=outputs)
