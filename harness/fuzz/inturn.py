"""Judging kernels in turn: each on what the ones before it answered, and their text as a whole.

Every step is judged against its own source, so nobody would notice tensors that were mixed up
where one function was cut into several. NumPy therefore executes the text as it stands, and golden,
handed from step to step, must answer the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from golden.second import Opinion
    from harness.artifact import Artifact
    from harness.verdict import Verdict


def verdict_of(
    module: Any, made: Sequence[Artifact], *, input_kind: str | None, oracle: str, seed: int,
    **settings: Any,
) -> Verdict:  # fmt: skip
    """What ``harness.check`` says of a sequence that was compiled before.

    Raises:
        What ``harness.check`` raises.
    """
    from harness.checking.sequences import check_sequence
    from harness.inputs import kinds_for

    order = tuple(one.name for one in made)
    return check_sequence(module, order, None, kinds_for(input_kind, oracle), oracle=oracle,
                          seed=seed, made={one.name: one for one in made}, **settings)  # fmt: skip


def by_numpy(made: Sequence[Artifact], text: str, seed: int) -> Opinion:
    """What NumPy says of the whole text on exact inputs, step by step; the first difference."""
    from golden import GoldenError, evaluate
    from golden.exact_inputs import inexactness
    from golden.second import Opinion, compared
    from harness.checking.sequences import step_inputs
    from harness.fuzz.plain import NotPlainError, run

    known: dict[str, Any] = {}
    drawn: dict[str, Any] = {}
    answers: list[Any] = []
    try:
        for one in made:
            if answers and inexactness(answers[-1]):  # the device may have left something else
                return Opinion("not available", "no second opinion: a step before the last rounds")
            given = step_inputs(one.source, known, "exact", seed, one.contract)
            answers.append(evaluate(one.source, given, one.contract))
            drawn |= {n: array for n, array in given.items() if n not in known}
            known |= given | _left(answers[-1].outputs)
        found, written = run(text, drawn)
    except (GoldenError, NotPlainError) as error:
        return Opinion("not available", f"no second opinion: {error}")
    said = Opinion("not available", "no second opinion")
    for answer in answers:
        said = compared("NumPy", found, written, answer)
        if said.verdict == "disagreed":
            break
    return said


def _left(outputs: Mapping[str, Any]) -> dict[str, Any]:
    """The arrays a step leaves to later ones, where golden is exact."""
    return {n: np.where(t.written, t.answer.value, np.nan).astype(np.float32)
            for n, t in outputs.items()}  # fmt: skip


def step(verdict: Verdict) -> Verdict:
    """The step that decided: the first that failed, or the last of all."""
    if not verdict.steps:
        return verdict
    return replace(verdict.steps[-1], oracle=verdict.oracle, timings=verdict.timings,
                   bound_ratio=verdict.bound_ratio)  # fmt: skip
