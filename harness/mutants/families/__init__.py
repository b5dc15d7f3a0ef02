"""The seeded faults, a file per family or two; each file has ``MUTANTS``."""

from __future__ import annotations

from harness.mutants.families import (
    artifact,
    block,
    compute,
    configuration,
    decided,
    dialect,
    eight,
    gathers,
    handshake,
    inturn,
    judges,
    language,
    lowering,
    machine,
    misread,
    passes,
    pipeline,
    places,
    races,
    regrouped,
    rewritten,
    scatters,
    transfers,
    turned,
    work,
)
from harness.mutants.registry import Registry


def registry() -> Registry:
    """Every mutant."""
    files = (handshake, transfers, compute, configuration, work, passes, block, lowering, pipeline,
             language, judges, machine, artifact, gathers, decided, scatters, places, turned, races,
             misread, dialect, eight, rewritten, regrouped, inturn)  # fmt: skip
    return Registry(mutant for one in files for mutant in one.MUTANTS)
