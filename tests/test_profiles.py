"""The Hypothesis profiles of conftest.py: which one is in force, and that a seed repeats a run."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SUITE = """
import os
import pytest
from hypothesis import given, strategies as st

@given(st.integers(0, 2**64))
def test_draws(x):
    with open(os.environ["DRAWN"], "a") as file:
        file.write(f"{x} ")

@pytest.mark.nightly
def test_slow():
    pass

@pytest.mark.parametrize("device", ["wormhole_n150", "blackhole_p150"])
@pytest.mark.parametrize("size", [1, 2])
def test_devices(device, size):
    pass

@pytest.mark.one_in(3)
@pytest.mark.parametrize("case", range(4))
def test_cases(case):
    pass
"""


DEVICES = ("wormhole_n150", "blackhole_p150")


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    """A suite of a property, a nightly test and two of several cases, under this conftest."""
    (tmp_path / "conftest.py").write_text((ROOT / "tests" / "conftest.py").read_text())
    (tmp_path / "e2e").mkdir()
    (tmp_path / "e2e" / "test_suite.py").write_text(SUITE)
    return tmp_path


def run(suite: Path, *options: str, **environment: str) -> tuple[str, list[str]]:
    """Run the suite; what pytest printed and what the property drew."""
    drawn = suite / "drawn"
    drawn.write_text("")
    inherited = {k: v for k, v in os.environ.items() if k not in {"CI", "HYPOTHESIS_PROFILE"}}
    command = [sys.executable, "-m", "pytest", "-c", str(ROOT / "pyproject.toml")]
    command += [f"--rootdir={suite}", "-p", "no:cacheprovider", *options, str(suite)]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        cwd=suite,
        env={
            **inherited,
            "DRAWN": str(drawn),
            "HYPOTHESIS_STORAGE_DIRECTORY": str(suite / "examples"),
            **environment,
        },
    )
    return done.stdout + done.stderr, drawn.read_text().split()


@pytest.mark.parametrize(
    ("environment", "profile", "examples"),
    [
        ({}, "dev", 10),
        ({"CI": "true"}, "ci", 25),
        ({"CI": "true", "HYPOTHESIS_PROFILE": "nightly"}, "nightly", 500),
    ],
)
def test_profile_follows_the_environment(
    suite: Path, environment: dict[str, str], profile: str, examples: int
) -> None:
    """Protects the number of examples that each kind of run is meant to try."""
    printed, drawn = run(suite, **environment)
    assert f"HYPOTHESIS_PROFILE={profile}, {examples} examples" in printed
    assert len(drawn) == examples


def test_printed_seed_repeats_the_run(suite: Path) -> None:
    """Protects repeatability: the seed in the header draws the same examples, in a worker too."""
    printed, first = run(suite, "-n1")
    seed = re.search(r"--hypothesis-seed=(\d+)", printed)
    assert seed is not None, printed
    assert run(suite, seed[0])[1] == first
    assert run(suite)[1] != first


def test_ci_draws_the_same_unless_seeded(suite: Path) -> None:
    """Protects a merge from failing by luck, and an explicit seed from being ignored."""
    _, first = run(suite, CI="true")
    assert run(suite, CI="true")[1] == first
    assert run(suite, "--hypothesis-seed=7", CI="true")[1] != first


def test_nightly_tests_wait_for_the_nightly_profile(suite: Path) -> None:
    """Protects everyday runs from slow tests and repetition, and both from never being run."""
    printed, _ = run(suite, "-v")
    assert "5 passed, 5 deselected" in printed  # one property, two sizes, two of four cases
    for size in (1, 2):
        assert sum(f"test_devices[{size}-{device}]" in printed for device in DEVICES) == 1
    assert "test_cases[0]" in printed
    assert "test_cases[3]" in printed
    assert "10 passed" in run(suite, HYPOTHESIS_PROFILE="nightly")[0]


def test_unknown_profile_is_refused(suite: Path) -> None:
    """Protects against a mistyped profile silently running the default one."""
    printed, _ = run(suite, HYPOTHESIS_PROFILE="nightl")
    assert "passed" not in printed
    assert "expected one of ['ci', 'dev', 'nightly']" in printed
