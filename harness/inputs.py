"""Inputs a check draws for itself, by kind; the golden draws them and proves the exact ones."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy.typing as npt

from harness.errors import OptionError

if TYPE_CHECKING:
    from golden import GoldenError, GoldenResult, NumericContract

Arrays = dict[str, npt.NDArray[Any]]
Round: TypeAlias = "tuple[str, Arrays, GoldenResult | None]"
"""Inputs, their kind before them, and golden's answer where drawing them told."""

KINDS: Final = ("exact", "tagged", "random", "uniform", "wide", "scaled", "cancel", "tiny", "huge",
                "one_hot", "special", "steep", "hilly", "ties")  # fmt: skip
"""Kinds of drawn inputs: exact and tagged ones leave nothing to round; the others are the
golden's adversarial families (``golden/inputs.py``)."""
EXACT: Final = ("exact", "tagged")
_TAINTED: Final = 1 / 20


def draw(
    func: Any, kind: str, contract: NumericContract, seed: int
) -> tuple[Arrays, GoldenResult | None]:
    """Inputs of one kind for a source kernel, and the answer where drawing it told.

    Raises:
        OptionError: no such kind, or no such seed.
        golden.GoldenError: ``NoExactRange`` where the kernel has no exact (or tagged) inputs.
    """
    from golden.exact_inputs import exact_inputs
    from golden.inputs import draw_inputs
    from golden.tagged import tagged_inputs

    if kind not in KINDS:
        raise OptionError(f"unknown input kind {kind!r}", location="input_kind",
                          next_step=f"use one of {', '.join(KINDS)}")  # fmt: skip
    given: Any = seed
    if isinstance(given, bool) or not isinstance(given, Integral) or given < 0:
        raise OptionError(f"seed {seed!r} is no whole number from 0 on", location="seed",
                          next_step="give one, e.g. 0")  # fmt: skip
    if kind == "exact":
        found = exact_inputs(func, contract, seed)
        return found.inputs, found.golden
    if kind == "tagged":
        found = tagged_inputs(func, contract)
        return found.inputs, found.golden
    return draw_inputs(func, kind, seed), None


class Draws:
    """Inputs drawn for one kernel, and what golden answers to them: each once, whoever asks again.

    Arrays and answers are shared: nobody may change them.
    """

    def __init__(self, func: Any, contract: NumericContract) -> None:
        self.func, self.contract = func, contract
        self._known: dict[tuple[str, int], tuple[Arrays, GoldenResult | None] | GoldenError] = {}

    def draw(self, kind: str, seed: int) -> tuple[Arrays, GoldenResult | None]:
        """As :func:`draw`; with the answer also where :meth:`answer` found it.

        Raises:
            OptionError, golden.GoldenError: as :func:`draw`.
        """
        from golden import GoldenError

        known = self._known.get((kind, seed))
        if known is None:
            try:
                known = draw(self.func, kind, self.contract, seed)
            except GoldenError as error:
                known = error
            self._known[kind, seed] = known
        if isinstance(known, GoldenError):
            raise known.with_traceback(None)
        return dict(known[0]), known[1]

    def telling(self, kind: str, seed: int) -> str | None:
        """The kind to draw where none is asked for; None for one that says nothing here.

        Logarithms and roots of numbers below zero leave nothing to compare, sums of them not one
        element: numbers from 0 to 1 are drawn in place of ``random`` ones then.

        Raises:
            OptionError, golden.GoldenError: as :meth:`answer`.
        """
        if kind in EXACT or not self.answer(kind, seed).silent:
            return kind
        if kind == "scaled":
            return None
        return kind if self.answer("uniform", seed).silent else "uniform"

    def answer(self, kind: str, seed: int) -> GoldenResult:
        """What golden answers to such inputs.

        Raises:
            OptionError, golden.GoldenError: as :func:`draw`, and as ``golden.evaluate``.
        """
        from golden import evaluate

        arrays, result = self.draw(kind, seed)
        if result is None:
            result = evaluate(self.func, arrays, self.contract)
            self._known[kind, seed] = arrays, result
        return result


def kinds_for(kind: str | None, oracle: str) -> list[str]:
    """Kinds of inputs to draw, in order."""
    if kind is None:
        return {"exact": ["exact"], "tagged": ["tagged"], "bound": ["random"]}.get(
            oracle, ["exact", "random"])  # fmt: skip
    if oracle in EXACT and kind not in (("tagged",) if oracle == "tagged" else EXACT):
        raise OptionError(f"oracle {oracle} needs {oracle} inputs, not {kind}",
                          location="input_kind",
                          next_step="exact goes with exact or tagged inputs")  # fmt: skip
    return [kind]


def farther(draws: Draws, kinds: Sequence[str], seed: int) -> list[Round]:
    """Inputs beside those of ``kinds``, which leave some faults alone.

    Raises:
        OptionError, golden.GoldenError: as :meth:`Draws.answer`.
    """
    return [*_crossing(draws, kinds, seed), *_overflowing(draws.func, draws.contract, seed)]


def _crossing(draws: Draws, kinds: Sequence[str], seed: int) -> list[Round]:
    """Inputs that take a side of some choice which those of ``kinds`` do not take.

    A kernel may leave a limit out unnoticed where all numbers stay below it.
    """
    from golden.result import BOTH

    taken: dict[str, int] = {}
    for kind in kinds:
        for choice, sides in draws.answer(kind, seed).sides.items():
            taken[choice] = taken.get(choice, 0) | sides
    found: list[Round] = []
    for kind in ("wide", "scaled"):
        left = {choice for choice, sides in taken.items() if sides != BOTH}
        if not left or kind in kinds:
            continue
        far = draws.answer(kind, seed)
        if not far.silent and any(far.sides.get(choice, 0) & ~taken[choice] for choice in left):
            found.append((kind, *draws.draw(kind, seed)))
            for choice in left:
                taken[choice] |= far.sides.get(choice, 0)
    return found


def _overflowing(func: Any, contract: NumericContract, seed: int) -> list[Round]:
    """Inputs, their kind and the answer, where exponentials overflow without their maximum.

    Empty for a kernel without exponentials, and for one that rightly answers with infinity or NaN
    for more than a twentieth of what it writes: that says little.
    """
    from golden import evaluate
    from golden.inputs import overflowing as kind_of

    kind = kind_of(func)
    if kind is None:
        return []
    arrays, _ = draw(func, kind, contract, seed)
    result = evaluate(func, arrays, contract)
    return [(kind, arrays, result)] if tells(result) else []


def tells(result: GoldenResult) -> bool:
    """Whether no output is infinite or NaN in more than a twentieth of what is written."""
    return all(t.tainted_share <= _TAINTED for t in result.outputs.values())
