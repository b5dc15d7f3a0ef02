"""The registry: a seeded fault is a small named function and where it goes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final


class Where(Enum):
    """What a mutant changes; the value is what a right diagnosis names."""

    LANGUAGE = "language"
    PASS1 = "InferTTLayout"
    PASS2 = "PropagateTTLayout"
    PASS3 = "TTTilesToCoreMap"
    PASS4 = "LowerTTTileIntrinsics"
    PASS5 = "GridToPersistentTT"
    GOLDEN = "golden"
    SIMULATOR = "simulator"
    SEQUENCES = "sequences"


class Kind(Enum):
    """How a mutant is applied.

    ``FUNC`` takes the function a pass left (or the source) and gives another; ``BUILT`` takes plan
    and programs; ``PIPELINE`` takes the list of passes and the options; ``IN_TURN`` takes a
    sequence of kernels; ``SUBSTITUTE`` gives objects to put in place of others while a case runs.
    The others answer None where they do not apply.
    """

    FUNC = "function"
    BUILT = "plan and programs"
    PIPELINE = "pipeline"
    IN_TURN = "kernels in turn"
    SUBSTITUTE = "substitution"


PASSES: Final = (Where.PASS1, Where.PASS2, Where.PASS3, Where.PASS4, Where.PASS5)


@dataclass(frozen=True)
class Mutant:
    """One seeded fault.

    Attributes:
        name: unique, in words joined by dashes.
        family: the class of faults it stands for.
        where: the part it changes, which is the part to blame.
        kind: how ``apply`` is called, see :class:`Kind`.
        breaks: one sentence.
        apply: the change itself.
        equivalent: why nobody can tell it from the right thing, for controls that must survive.
        alike: golden is changed alike, and the packaged references are not asked: what compiler and
            golden both misread, only another reading of the source can tell.
    """

    name: str
    family: str
    where: Where
    kind: Kind
    breaks: str
    apply: Callable[..., Any]
    equivalent: str | None = None
    alike: bool = False


def in_built(
    family: str, name: str, breaks: str, apply: Callable[..., Any], equivalent: str | None = None
) -> Mutant:
    """A fault in what the last pass built."""
    return Mutant(name, family, Where.PASS5, Kind.BUILT, breaks, apply, equivalent)


def substitution(
    family: str, name: str, where: Where, breaks: str, *parts: tuple[Any, str, Any],
    applies: Callable[[Any], bool] | None = None, alike: bool = False,
) -> Mutant:  # fmt: skip
    """Objects in place of others; ``parts`` are (owner, attribute, wrapper of the old one).

    ``applies`` says of a baseline whether the fault is tried on it; without one it is on all.
    """

    def apply(base: Any) -> list[tuple[Any, str, Any]] | None:
        if applies is not None and base is not None and not applies(base):
            return None
        return [(owner, attr, wrap(getattr(owner, attr))) for owner, attr, wrap in parts]

    return Mutant(name, family, where, Kind.SUBSTITUTE, breaks, apply, alike=alike)


def on_kernels(names: Iterable[str]) -> Callable[[Any], bool]:
    """Whether a baseline is of one of these kernels."""
    kept = frozenset(names)
    return lambda base: base.case.kernel in kept


class Registry:
    """Mutants by name, filled once by :func:`registry` and not changed afterwards."""

    def __init__(self, mutants: Iterable[Mutant]) -> None:
        """Keep mutants in order.

        Raises:
            ValueError: two of one name.
        """
        self._by_name: dict[str, Mutant] = {}
        for one in mutants:
            if one.name in self._by_name:
                raise ValueError(f"two mutants are called {one.name!r}")
            self._by_name[one.name] = one

    def __iter__(self) -> Any:
        """In order of registration."""
        return iter(self._by_name.values())

    def __len__(self) -> int:
        """How many."""
        return len(self._by_name)

    def __getitem__(self, name: str) -> Mutant:
        """By name."""
        return self._by_name[name]

    def families(self) -> list[str]:
        """Families in order of first appearance."""
        return list(dict.fromkeys(m.family for m in self._by_name.values()))
