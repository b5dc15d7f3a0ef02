"""The precompiled standard headers: used, harmless, and done without where they cannot be made."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from harness.codegen.gate import compile as gate_compile
from harness.codegen.gate.compile import find_compiler
from harness.codegen.gate.flags import SYNTAX, TARGETS, THREADS, Target, Thread, arguments
from harness.codegen.gate.precompiled import STANDARD, precompiled
from harness.codegen.gate.wheel import CACHE_ENVIRONMENT
from tests.harness.codegen import samples
from tests.harness.codegen.test_gate import root


@pytest.fixture
def compiler() -> str:
    """The system's g++."""
    found = find_compiler()
    if found is None:
        pytest.skip("there is no g++ on the path")
    return found


def test_the_cache_is_read(compiler: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Protects the gain: g++ takes the file made for it, and makes it once."""
    monkeypatch.setenv(CACHE_ENVIRONMENT, str(tmp_path))
    precompiled.cache_clear()
    given = precompiled(compiler, SYNTAX)
    (made,) = tmp_path.rglob("*.gch")
    stamp = made.stat().st_mtime_ns
    precompiled.cache_clear()
    assert precompiled(compiler, SYNTAX) == given
    assert made.stat().st_mtime_ns == stamp
    source = tmp_path / "unit.cpp"
    source.write_text("std::array<std::uint8_t, 2> two{};\n")
    said = subprocess.run([compiler, *given, *SYNTAX, "-H", str(source)], check=True,
                          capture_output=True, text=True).stderr  # fmt: skip
    assert f"! {made}" in said


def test_without_a_cache_units_compile_as_before(
    compiler: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Protects read-only homes: no file is made, no argument given, nothing raised."""
    (tmp_path / "file").write_text("")
    monkeypatch.setenv(CACHE_ENVIRONMENT, str(tmp_path / "file"))
    precompiled.cache_clear()
    assert precompiled(compiler, SYNTAX) == ()
    precompiled.cache_clear()


@pytest.mark.nightly
@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.family)
@pytest.mark.parametrize("thread", THREADS)
def test_every_unit_reads_them_anyway(
    compiler: str, thread: Thread, target: Target, tmp_path: Path
) -> None:
    """Protects the gate's teeth: a unit includes each of them before it reaches the kernel."""
    name = {"ncrisc": "reader", "brisc": "writer"}.get(thread, "compute")
    plan, kernel = samples.gemm().plan, samples.kernel(name)
    gate_compile._write(tmp_path, root(), thread, "", plan, kernel)
    given = arguments(root(), target, thread, tmp_path, words="", noc=0)
    said = subprocess.run([compiler, *given, "-H"], check=False, capture_output=True,
                          text=True).stderr  # fmt: skip
    before = said[: said.index("/kernel.cpp")]
    read = {Path(line).name for line in re.findall(r"^\.+ (.*)$", before, re.MULTILINE)}
    assert set(STANDARD) <= read
