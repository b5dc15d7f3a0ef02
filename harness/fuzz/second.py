"""The source of a drawn kernel compiled by LLVM: a second opinion on golden itself."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from harness.fuzz.case import Case
from harness.inputs import draw
from harness.opinions import ORACLE

if TYPE_CHECKING:
    from golden.second import Opinion

BLAMED: Final = "golden"
"""Who is blamed where they differ; the compiled kernel answered as golden does."""


def opinion(made: Any, kind: str, seed: int) -> Opinion:
    """What LLVM says of the inputs a case draws: of the first kind they differ on, or of the last.

    Args:
        made: the compiled kernel's artifact.
        kind: kind of the case's inputs; ``auto`` is exact, then random.
        seed: their seed.
    """
    from golden import GoldenError, evaluate
    from golden.second import NoSecondOpinionError, Opinion, SecondOpinion

    said = Opinion("not available", "no second opinion: these inputs cannot be drawn")
    try:
        second = SecondOpinion(made.source)
    except NoSecondOpinionError as error:
        return Opinion("not available", error.message)
    for one in ("exact", "random") if kind == "auto" else (kind,):
        try:
            arrays, known = draw(made.source, one, made.contract, seed)
        except GoldenError:  # no exact range: then there is the other kind
            continue
        said = second.ask(arrays, known or evaluate(made.source, arrays, made.contract))
        if said.verdict != "agreed":
            break
    return said


def named(case: Case, key: tuple[str, ...]) -> Case:
    """The case, naming this oracle where its finding is this oracle's.

    So the oracle is asked about every smaller text too, not only those in its share.
    """
    if key[1] != ORACLE:
        return case
    return replace(case, inputs={**case.inputs, "oracle": ORACLE})
