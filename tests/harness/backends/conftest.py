"""Fixtures for tests that need a real ttnn, in whatever interpreter has one."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from harness.backends.device import TtnnBackend
from harness.backends.interpreter import Interpreter, find_interpreter
from harness.backends.mock import MOCKED, mock_environment


@pytest.fixture(scope="session")
def interpreter() -> Interpreter:
    """A Python with ttnn; a skip that says how to get one otherwise."""
    found, reason = find_interpreter()
    if found is None:
        pytest.skip(str(reason))
    return found


@pytest.fixture(scope="session", params=MOCKED)
def mock(request: pytest.FixtureRequest, interpreter: Interpreter) -> Iterator[TtnnBackend]:
    """The ttnn backend on a mock device, Wormhole and Blackhole."""
    with mock_environment(interpreter, request.param) as environment:
        yield TtnnBackend(python=interpreter.path, environment=environment)


@pytest.fixture
def wormhole(interpreter: Interpreter) -> Iterator[TtnnBackend]:
    """The ttnn backend on a mock Wormhole."""
    with mock_environment(interpreter, "wormhole") as environment:
        yield TtnnBackend(python=interpreter.path, environment=environment)


Build = Callable[[], TtnnBackend]
