"""The pytest plugin, used as a kernel author uses it: on the example project beside this file."""

import json
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from importlib.metadata import entry_points
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
WRONG = """
import numpy as np
import importlib.util
spec = importlib.util.spec_from_file_location("example", "test_kernels.py")
example = importlib.util.module_from_spec(spec)
spec.loader.exec_module(example)
import harness.checking.rounds as checking

def test_wrong(tt_check, monkeypatch):
    true = checking.execute
    def broken(*args):
        run = true(*args)
        run.outputs["C"][40, 10] += 1
        return run
    monkeypatch.setattr(checking, "execute", broken)
    tt_check(example.scaled_sum)
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of the example project."""
    for path in (HERE / "plugin_example").glob("*.py"):
        shutil.copy(path, tmp_path)
    return tmp_path


def run(project: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run pytest in the project, with the plugin as an installation would load it."""
    listed = {e.value for e in entry_points(group="pytest11")}
    loaded = [] if "harness.pytest_plugin" in listed else ["-p", "harness.pytest_plugin"]
    path = f"import sys; sys.path[:0] = [{str(ROOT)!r}]; import pytest; sys.exit(pytest.main())"
    return subprocess.run(
        [sys.executable, "-c", path, *loaded, "-p", "no:cacheprovider", "-q", "-rs", *options],
        cwd=project,
        capture_output=True,
        text=True,
        check=False,
    )


def test_example_passes_and_names_devices(project: Path) -> None:
    """Keeps the documented example working, one test per device of the marker."""
    done = run(project, "-vv")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "8 passed" in done.stdout
    assert "test_ragged[blackhole_p150-33]" in done.stdout or (
        "test_ragged[33-blackhole_p150]" in done.stdout
    )


def test_device_option_replaces_markers(project: Path) -> None:
    """Lets a whole suite be pointed at another device."""
    done = run(project, "-vv", "--tt-device", "wormhole_n300")
    assert "5 passed" in done.stdout, done.stdout
    assert "blackhole" not in done.stdout


def test_junit_has_properties_and_artifacts_are_kept(project: Path) -> None:
    """Keeps seed, oracle and bound ratio in the report, and the artifacts on disk."""
    done = run(project, "-W", "error", "--junit-xml=j.xml", "--tt-save-artifacts=kept",
               "-k", "scaled_sum")  # fmt: skip
    assert done.returncode == 0, done.stdout
    (case,) = ET.parse(project / "j.xml").iter("testcase")
    found = {p.get("name"): p.get("value") for p in case.iter("property")}
    assert found["tt_oracle"] == "exact+bound"
    assert found["tt_seed"] == "0"
    assert float(found["tt_bound_ratio"] or "nan") <= 1
    assert (project / (found["tt_artifacts"] or "") / "tt.plan.json").exists()


def test_wrong_answer_fails_with_its_tile(project: Path) -> None:
    """Keeps the message useful: the wrong tile is named, and there is no traceback."""
    (project / "test_wrong.py").write_text(WRONG)
    done = run(project, "test_wrong.py")
    assert done.returncode == 1
    assert "C[1,0]" in done.stdout
    assert "Traceback" not in done.stdout


def test_what_cannot_be_judged_is_one_line(project: Path) -> None:
    """An error of the harness says what to do next, without a traceback through it."""
    (project / "test_refused.py").write_text(
        "from test_kernels import scaled_sum\n\n\n"
        "def test_replay(tt_check):\n    tt_check(scaled_sum, oracle='replay')\n"
    )
    done = run(project, "test_refused.py")
    assert done.returncode == 1
    assert "NoOracle: oracle replay judges plain products" in done.stdout
    assert "rungs.py" not in done.stdout
    assert "another exception" not in done.stdout


def test_a_file_that_does_not_fit_is_one_line(project: Path) -> None:
    """A kernel by name says which file, name or parameter is wrong, without a traceback."""
    (project / "test_named.py").write_text(
        "import pytest\n\n"
        "NAMED = ['gated.py:other', 'none.py:gated', 'gated', 'gated.py:gated']\n\n\n"
        "@pytest.mark.parametrize('spec', NAMED)\n"
        "def test_named(tt_check, spec):\n    tt_check(spec, {'N': 32})\n"
    )
    done = run(project, "test_named.py")
    assert "4 failed" in done.stdout
    for said in ("has no 'other'", "cannot be read", "'gated' is not FILE.py:NAME",
                 "parameter 'M' is missing"):  # fmt: skip
        assert said in done.stdout
    assert "Traceback" not in done.stdout
    assert "kernelfile.py" not in done.stdout


def test_a_marker_without_devices_is_an_error(project: Path) -> None:
    """A test parametrised with no device at all would be skipped and look done."""
    (project / "test_nothing.py").write_text(
        "import pytest\nfrom test_kernels import scaled_sum\n\n\n@pytest.mark.tt_device()\n"
        "def test_sum(tt_check):\n    tt_check(scaled_sum)\n"
    )
    done = run(project, "test_nothing.py")
    assert done.returncode not in (0, 5)
    assert "marker tt_device names no device" in done.stdout + done.stderr


def test_every_kernel_keeps_its_artifacts_apart(project: Path) -> None:
    """A directory per test, as files may have tests of the same name, and per kernel of a test."""
    (project / "test_one.py").write_text(
        "from test_kernels import scaled_sum\n\n\n"
        "def test_sum(tt_check):\n    tt_check(scaled_sum)\n"
        "    tt_check(scaled_sum, device='blackhole_p150')\n"
    )
    (project / "test_two.py").write_text(
        "from test_kernels import scaled_sum\n\n\n"
        "def test_sum(tt_check):\n    tt_check(scaled_sum)\n"
    )
    done = run(project, "test_one.py", "test_two.py", "--tt-save-artifacts", "kept",
               "--junit-xml=j.xml")  # fmt: skip
    assert "2 passed" in done.stdout, done.stdout
    devices = {path.name: json.loads((path / "tt.plan.json").read_text())["device"]["name"]
               for path in (project / "kept").iterdir()}  # fmt: skip
    assert devices == {
        "test_one.test_sum_wormhole_n150": "wormhole_n150",
        "test_one.test_sum_wormhole_n150-1": "blackhole_p150",
        "test_two.test_sum_wormhole_n150": "wormhole_n150",
    }
    cases = ET.parse(project / "j.xml").iter("property")
    told = [one.get("value") for one in cases if one.get("name") == "tt_device"]
    assert told == ["wormhole_n150", "blackhole_p150", "wormhole_n150"]


def test_board_backend_skips_with_the_reason(project: Path) -> None:
    """A run that did not happen is never a pass."""
    done = run(project, "--tt-backend=ttnn", "-k", "scaled_sum")
    if "passed" not in done.stdout:  # there is a board
        assert "1 skipped" in done.stdout, done.stdout
        assert "no device executes kernels here" in done.stdout


def test_loading_the_plugin_imports_nothing_heavy() -> None:
    """Keeps every other project's pytest fast where tt-harness is installed."""
    code = ("import sys, harness.pytest_plugin as p; bad = {'tvm', 'hypothesis', 'numpy'} &"
            " set(sys.modules); sys.exit(repr(bad) if bad else 0)")  # fmt: skip
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True,
                          check=False)  # fmt: skip
    assert done.returncode == 0, done.stderr


STRANGE = """
import pytest
from test_kernels import scaled_sum

@pytest.mark.parametrize("k", ["a b", "a_b", "a:b"])
def test_ids(tt_check, k):
    tt_check(scaled_sum)

@pytest.mark.tt_device("blackhole_p150")
def test_at_run_time(request):
    assert request.getfixturevalue("tt_check")(scaled_sum).device == "blackhole_p150"

@pytest.mark.tt_device("blackhole_p150", "wormhole_n150")
def test_two_at_run_time(request):
    request.getfixturevalue("tt_check")(scaled_sum)

def test_made(tt_check):
    tt_check(scaled_sum(), {"M": 96})

def test_nothing(tt_check):
    tt_check(None)
"""


def test_strange_uses_do_what_they_say_or_say_why_not(project: Path) -> None:
    """No device, parameter or artifact is left aside in silence, however tt_check is used."""
    (project / "test_strange.py").write_text(STRANGE)
    done = run(project, "test_strange.py", "--tt-save-artifacts", "kept")
    assert "3 failed, 4 passed" in done.stdout, done.stdout
    assert "2 devices are to be tested (blackhole_p150, wormhole_n150)" in done.stdout
    assert "parameters M are for a factory" in done.stdout
    assert "Traceback" not in done.stdout
    assert "NoneType' object is not callable" not in done.stdout
    kept = [path.name for path in (project / "kept").iterdir() if "test_ids" in path.name]
    assert len(kept) == 3
    done = run(project, "test_strange.py", "-k", "run_time", "--tt-device", "wormhole_n150")
    assert "assert 'wormhole_n150' == 'blackhole_p150'" in done.stdout
    assert "1 failed, 1 passed" in done.stdout


def test_a_device_of_ones_own_parametrisation_is_refused(project: Path) -> None:
    """It says what to write; pytest's own words are of a duplicate nobody wrote."""
    (project / "test_own.py").write_text(
        "import pytest\n\n\n@pytest.mark.parametrize(('k', 'tt_device'), [(1, 'grayskull_e150')])\n"
        "def test_own(tt_check, k):\n    pass\n"
    )
    done = run(project, "test_own.py")
    assert 'tt_device("NAME", ...)' in done.stdout + done.stderr
