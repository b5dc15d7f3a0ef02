"""Second opinions on golden itself: a drawn kernel's source compiled by LLVM, its text by NumPy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from harness.checking.opinions import ORACLE
from harness.fuzz.case import Case

if TYPE_CHECKING:
    from golden.second import Opinion
    from harness.inputs import Draws

NUMPY: Final = "numpy"
BLAMED: Final = "golden"
"""Who is blamed where they differ; the compiled kernel answered as golden does."""


def opinion(draws: Draws, kind: str, seed: int) -> Opinion:
    """What LLVM says of the inputs a case draws: of the first kind they differ on, or of the last.

    Args:
        draws: inputs of the kernel.
        kind: kind of the case's inputs; ``auto`` is exact, then random.
        seed: their seed.
    """
    from golden.second import NoSecondOpinionError, Opinion, SecondOpinion

    try:
        return _asked(draws, kind, seed, SecondOpinion(draws.func).ask)
    except NoSecondOpinionError as error:
        return Opinion("not available", error.message)


def by_numpy(draws: Draws, text: str, kind: str, seed: int) -> Opinion:
    """What NumPy says, which reads the kernel's text and not its IR."""
    from golden.second import Opinion, compared
    from harness.fuzz.plain import NotPlainError, run

    try:
        return _asked(draws, kind, seed, lambda arrays, known: compared(
            "NumPy", *run(text, arrays), known))  # fmt: skip
    except NotPlainError as error:
        return Opinion("not available", f"no second opinion: {error}")


def _asked(draws: Draws, kind: str, seed: int, ask: Callable[..., Opinion]) -> Opinion:
    from golden import GoldenError
    from golden.second import Opinion

    said = Opinion("not available", "no second opinion: these inputs cannot be drawn")
    for one in ("exact", "random") if kind == "auto" else (kind,):
        try:
            arrays, _ = draws.draw(one, seed)
        except GoldenError:  # no exact range: then there is the other kind
            continue
        said = ask(arrays, draws.answer(one, seed))
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
