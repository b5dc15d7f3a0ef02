"""Which part is to blame, found without knowing the mutant: by putting trusted parts in its place.

The module after each pass is completed by the unmutated passes and judged by the unmutated golden
and machine; the first that fails names its pass. Where the finished artifact passes under trusted
judges, the judges themselves are to blame.
"""

from __future__ import annotations

from harness.compiler.pipeline import sequential, tt_passes
from harness.errors import HarnessError
from harness.mutants.baseline import Baseline, Round
from harness.mutants.edit import Built
from harness.mutants.judging import (
    TEXT,
    Faulty,
    built_of,
    examine,
    judged,
    machine,
    noticed,
    run,
    substituted,
)
from harness.mutants.registry import PASSES, Mutant, Where
from simulator.errors import SimulatorError


def blame(mutant: Mutant, faulty: Faulty, base: Baseline, one: Round, oracle: str) -> str:
    """Name of the part to blame for a kill on this case and round, by an oracle.

    A text that is read in two ways is misread, even where the misreadings make up for each other.
    """
    if oracle == TEXT:
        return Where.LANGUAGE.value
    deviant = _out_of_order(faulty)
    if deviant is not None:
        return deviant
    if _sound(faulty.built, faulty, base, one):
        return _judges(mutant, base, one)
    trusted = base.modules
    for index, module in enumerate(faulty.modules):
        if index < len(trusted) and module is trusted[index]:
            continue
        if not _sound(_completed(module, index, base), faulty, base, one):
            return Where.LANGUAGE.value if index == 0 else PASSES[index - 1].value
    reached = min(len(faulty.modules) - 1, len(PASSES) - 1)
    return str(PASSES[reached].value)


def _out_of_order(faulty: Faulty) -> str | None:
    """The pass that ran twice, or did not run where it should have."""
    expected = [p.value for p in PASSES]
    if not faulty.ran or list(faulty.ran) == expected:
        return None
    for position, name in enumerate([*faulty.ran, ""]):
        want = expected[position] if position < len(expected) else ""
        if name != want:
            return name if name in faulty.ran[:position] else want
    return None


def _completed(module: object, index: int, base: Baseline) -> Built | None:
    """A module after ``index`` passes, completed by the unmutated rest; None where refused."""
    try:
        for one in tt_passes(base.artifact.options)[index:]:
            module = sequential([one])(module)
        return built_of(module)
    except (HarnessError, SimulatorError):
        return None


def _sound(built: Built | None, faulty: Faulty, base: Baseline, one: Round) -> bool:
    """Whether trusted judges find nothing wrong with an artifact of the right source."""
    if built is None:
        return False
    candidate = Faulty(base.artifact.source, faulty.modules, built)
    return examine(candidate, base) is None and run(built, one, one.golden) is None


def _judges(mutant: Mutant, base: Baseline, one: Round) -> str:
    """A right artifact was refused: by the machine, if it fails against the trusted golden."""
    candidates = [base.built, *noticed(base, one)]
    with substituted(mutant, base):
        ran = [machine(built, one) for built in candidates]
    right, *faulty = [judged(done, one, one.golden) is None for done in ran]
    return Where.GOLDEN.value if right and not any(faulty) else Where.SIMULATOR.value
