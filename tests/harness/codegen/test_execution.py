"""Printed kernels, compiled for this machine, issue what their programs say, value by value."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from harness.codegen.printer import programs_by_name
from harness.compiler.pipeline import lower
from harness.kernels.table import KERNELS
from tests.harness.codegen import samples
from tests.harness.codegen.shim import executed, expected

SOME = ("gemm", "softmax", "causal_attention")


def compare(compiled: Any, at: Path) -> int:
    """Hold every kernel of an artifact against its program, on its first and last busy core."""
    plan = compiled.plan
    busy = [key for key, items in plan.work_partition.items() if items]
    total = 0
    for name, (kernel, program) in programs_by_name(plan, compiled.programs.programs).items():
        for core in dict.fromkeys((busy[0], busy[-1])):
            wanted = expected(plan, kernel, program, core)
            found = executed(plan, kernel, program, core, at)
            for index, (a, b) in enumerate(zip(found, wanted, strict=False)):
                assert a == b, f"{name} on {core}, op {index}"
            assert len(found) == len(wanted)
            total += len(wanted)
    return total


@pytest.mark.parametrize("name", SOME)
def test_a_kernel_issues_what_its_program_says(name: str, tmp_path: Path) -> None:
    """Control flow, page numbers, addresses and indices, with uneven sizes."""
    packaged = KERNELS[name]
    for compiled in lower(packaged.factory(**packaged.ragged)).kernels:
        assert compare(compiled, tmp_path) > 100


@pytest.mark.nightly
@pytest.mark.parametrize("ragged", [False, True], ids=["whole", "ragged"])
@pytest.mark.parametrize("name", [name for name in KERNELS if name not in SOME])
def test_every_packaged_kernel_does(name: str, ragged: bool, tmp_path: Path) -> None:
    """All of them."""
    packaged = KERNELS[name]
    for compiled in lower(packaged.factory(**(packaged.ragged if ragged else {}))).kernels:
        assert compare(compiled, tmp_path) > 10


@pytest.mark.nightly
@pytest.mark.parametrize("strategy", ["row_major", "column_major", "block"])
def test_every_strategy_does(strategy: str, tmp_path: Path) -> None:
    """Index recovery differs between them."""
    from harness.kernels.gemm import matmul

    compiled = lower(matmul(M=200, N=330), grid=(3, 2), strategy=strategy).kernels[0]
    assert compare(compiled, tmp_path) > 100


def test_the_comparison_has_teeth(tmp_path: Path) -> None:
    """Values are compared, not only names, and a missing op is told."""
    compiled = samples.gemm(M=64, N=64, K=64)
    plan = compiled.plan
    kernel, program = programs_by_name(plan, compiled.programs.programs)["compute"]
    core = next(key for key, items in plan.work_partition.items() if items)
    wanted = expected(plan, kernel, program, core)
    found = executed(plan, kernel, program, core, tmp_path)
    assert found == wanted
    assert sum(line.startswith("matmul_tiles 0 1 ") for line in found) == 8
    shorter = msgspec.structs.replace(program, body=program.body[1:])
    assert found != expected(plan, kernel, shorter, core)
