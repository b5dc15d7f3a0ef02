"""The doctor's screen."""

from __future__ import annotations

import pytest

from harness.backends import doctor as module
from harness.backends.doctor import doctor
from harness.backends.interpreter import ENVIRONMENT
from harness.frontend import bridge
from harness.frontend.bridge import INSTALL, PYTHON


def test_without_ttnn_every_gap_says_what_it_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing raises, and nothing missing is left without a remedy."""
    monkeypatch.setenv(ENVIRONMENT, "/no/such/python")
    monkeypatch.setattr(module, "find_compiler", lambda: None)
    report = doctor()
    states = {item.name: item for item in (*report.items, *report.tiers)}
    assert not report.executes
    assert all(item.takes for item in states.values() if item.state in ("missing", "broken"))
    assert states["compile, print and simulate"].state == "ok"
    assert "takes: python3.12 -m venv DIR" in str(report)
    assert report.to_json()["executes"] is False


@pytest.mark.hardware
def test_with_ttnn_the_mock_device_opens(interpreter: object) -> None:
    """Everything up to the last step is possible without a board."""
    assert interpreter is not None
    tiers = {tier.name: tier for tier in doctor().tiers}
    assert tiers["build ttnn programs, compare host formats"].state == "ok"
    assert tiers["allocate tensors on a mock device"].state == "ok"


def test_the_users_tt_metal_variables_are_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    """They decide what ttnn opens."""
    monkeypatch.setenv(ENVIRONMENT, "/no/such/python")
    monkeypatch.setenv("TT_METAL_SIMULATOR", "/opt/sim.so")
    assert "TT_METAL_SIMULATOR=/opt/sim.so" in str(doctor())


def test_the_doctor_says_how_tilelang_gets_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Python without it is a gap with a remedy, one that was named for it is broken."""
    name = "a Python with tilelang"
    monkeypatch.setattr(bridge, "unavailable", lambda _: "it is not there")
    monkeypatch.delenv(PYTHON, raising=False)
    item = {i.name: i for i in doctor().items}[name]
    assert item.state == "missing"
    assert item.takes == f"{INSTALL}, then {PYTHON}=DIR/bin/python"
    monkeypatch.setenv(PYTHON, "/no/such/python")
    item = {i.name: i for i in doctor().items}[name]
    assert item.state == "broken"
    assert "it is not there" in item.found
