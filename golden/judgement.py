"""What a comparison found, as plain data."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any, Literal

Verdict = Literal["pass", "fail"]


@dataclass(frozen=True)
class WrongTile:
    """A 32x32 tile of an output with wrong elements.

    Attributes:
        tensor: the output's name.
        lead: index in the leading dimensions, before the last two.
        tile: (row, column) in tiles; a 1-D tensor has row 0.
        wrong: wrong elements in it.
        total: elements of the tensor in it.
        element: index of its worst element in the tensor.
        got: what the machine answered there.
        expected: what golden says.
        bound: the error allowed there.
        kind: ``value``, ``unwritten`` (the machine never wrote it) or ``stray`` (it wrote where
            the source does not).
    """

    tensor: str
    lead: tuple[int, ...]
    tile: tuple[int, int]
    wrong: int
    total: int
    element: tuple[int, ...]
    got: float
    expected: float
    bound: float
    kind: str

    def __str__(self) -> str:
        """One line for a reader."""
        place = "".join(f"[{i}]" for i in self.lead)
        where = f"{self.tensor}{place} tile ({self.tile[0]},{self.tile[1]})"
        index = ",".join(map(str, self.element))
        if self.kind == "unwritten":
            return f"{where}: {self.wrong} of {self.total} elements were never written"
        if self.kind == "stray":
            return f"{where}: {self.wrong} elements written that the source does not write"
        return (
            f"{where}: {self.wrong} of {self.total} elements wrong, worst [{index}]:"
            f" got {self.got:g}, expected {self.expected:g}"
            + (f" within {self.bound:.3g}" if self.bound else " exactly")
        )


@dataclass(frozen=True)
class Judgement:
    """The verdict on one run.

    Attributes:
        verdict: ``pass`` or ``fail``.
        oracle: what decided: ``exact`` (one right answer everywhere), ``bound``, or
            ``bound-partial`` (over 1 % of the elements depend on a jump that may go either way).
        reason: one sentence.
        max_error: largest absolute error of elements whose answer is a finite number; None where
            there is none.
        bound_ratio: largest error divided by its bound; 0 where everything is exact and right,
            infinity where an exact answer is wrong.
        pcc: Pearson correlation, because people ask; it never decides. None where undefined.
        compared: elements compared.
        exact: of those, elements with exactly one right answer.
        wrong: elements judged wrong.
        free: elements where any answer is right; not compared.
        tainted_share: share of elements that involve non-finite numbers.
        jumped_share: share of elements that depend on an uncertain jump.
        tensors: compared, wrong and free elements per output.
        worst: the worst tiles, worst first.
    """

    verdict: Verdict
    oracle: str
    reason: str
    max_error: float | None
    bound_ratio: float | None
    pcc: float | None
    compared: int
    exact: int
    wrong: int
    free: int
    tainted_share: float
    jumped_share: float
    tensors: dict[str, dict[str, int]]
    worst: tuple[WrongTile, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether the verdict is ``pass``."""
        return self.verdict == "pass"

    def to_json(self) -> dict[str, Any]:
        """Plain data; numbers JSON cannot say become strings."""
        return {name: _plain(value) for name, value in asdict(self).items()}


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value
