"""Seeded faults, and how many of them the harness notices.

``registry()`` holds the mutants by name; ``run_mutants`` tries them on small cases and reports
kill rate, time to kill, who noticed, how small the killing case is, and whether the right part is
blamed.
"""

from harness.mutants.families import registry
from harness.mutants.registry import Kind, Mutant, Registry, Where
from harness.mutants.result import Outcome, Report
from harness.mutants.runner import Budget, Pool, run_mutants, standard_cases, try_mutant

__all__ = [
    "Budget",
    "Kind",
    "Mutant",
    "Outcome",
    "Pool",
    "Registry",
    "Report",
    "Where",
    "registry",
    "run_mutants",
    "standard_cases",
    "try_mutant",
]
