"""Settings every test shares: the Hypothesis profiles, their seed, and what runs nightly only."""

import os
import random
import re
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

# Examples per property. dev answers while one types, ci guards a merge, nightly searches.
EXAMPLES = {"dev": 10, "ci": 25, "nightly": 500}
DEVICE = re.compile(r"\b(wormhole|blackhole)_[np]\d+\b")
"""A device in the id of a test."""
WHOLE = {"e2e", "kernels"}
"""Folders whose tests compile, run and judge a kernel whatever device they name."""
SEED_BOUND = 2**32
SEED_KEY = "tt_harness_hypothesis_seed"


def profile_name() -> str:
    """The profile in force: HYPOTHESIS_PROFILE, else ci where CI=true, else dev."""
    fallback = "ci" if os.environ.get("CI") == "true" else "dev"
    name = os.environ.get("HYPOTHESIS_PROFILE") or fallback
    if name not in EXAMPLES:
        raise pytest.UsageError(f"HYPOTHESIS_PROFILE={name!r}: expected one of {sorted(EXAMPLES)}")
    return name


def load_profile(name: str, *, seeded: bool) -> None:
    """Register the three profiles and load one.

    ci draws the same examples on every run, so a merge never fails by luck; an
    explicit ``--hypothesis-seed`` wins over that. No profile has a deadline:
    time is watched by benchmarks and by the per-test timeout.
    """
    for profile, examples in EXAMPLES.items():
        settings.register_profile(
            profile,
            max_examples=examples,
            deadline=None,
            derandomize=profile == "ci" and not seeded,
            print_blob=True,
            # Drawing a kernel parses TVMScript, which takes milliseconds by nature.
            suppress_health_check=[HealthCheck.too_slow],
        )
    settings.load_profile(name)


@pytest.hookimpl(tryfirst=True)  # before Hypothesis' own plugin takes up the seed
def pytest_configure(config: pytest.Config) -> None:
    """Choose the profile, and a seed that can be named afterwards."""
    name = profile_name()
    seed = config.getoption("--hypothesis-seed")
    # A worker of xdist takes its controller's seed; pytest_configure_node sends it.
    seed = getattr(config, "workerinput", {}).get(SEED_KEY, seed)
    load_profile(name, seeded=seed is not None)
    if seed is None and name != "ci":
        seed = str(random.SystemRandom().randrange(SEED_BOUND))
    config.option.hypothesis_seed = seed


@pytest.hookimpl(optionalhook=True)  # a hook of xdist
def pytest_configure_node(node: Any) -> None:
    """Send the seed to a worker: options changed after parsing do not reach it."""
    node.workerinput[SEED_KEY] = node.config.getoption("--hypothesis-seed")


def pytest_report_header(config: pytest.Config) -> str:
    """Name the profile and how to see the same examples again."""
    name = profile_name()
    seed = config.getoption("--hypothesis-seed")
    again = "the same examples on every run" if seed is None else f"--hypothesis-seed={seed}"
    return f"hypothesis: HYPOTHESIS_PROFILE={name}, {EXAMPLES[name]} examples, {again}"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave to the nightly profile what is marked so, and most of what differs little."""
    if profile_name() == "nightly":
        return
    now = _taken([item for item in items if not item.get_closest_marker("nightly")])
    later = [item for item in items if item not in now]
    if later:
        items[:] = [item for item in items if item in now]
        config.hook.pytest_deselected(items=later)


def _taken(items: list[pytest.Item]) -> set[pytest.Item]:
    """One device per whole kernel, in turn, and one in n cases of a test marked ``one_in(n)``.

    A case asked for by its id is alone in its group, and so is always taken.
    """
    by_case: dict[str, list[pytest.Item]] = {}
    for item in items:
        case = DEVICE.sub("", item.nodeid) if WHOLE & {*item.path.parts} else item.nodeid
        by_case.setdefault(case, []).append(item)
    by_test: dict[str, list[pytest.Item]] = {}
    for at, alike in enumerate(by_case.values()):
        # at // 2 besides: of a parameter with two values neither always meets the same device.
        one = alike[(at + at // 2) % len(alike)]
        by_test.setdefault(one.nodeid.split("[")[0], []).append(one)
    return {
        one
        for cases in by_test.values()
        for marker in [cases[0].get_closest_marker("one_in")]
        for one in cases[:: 1 if marker is None else marker.args[0]]
    }
