"""Printed kernels, compiled for this machine, issue what their programs say, value by value."""

from __future__ import annotations

import random
from itertools import count
from pathlib import Path
from typing import Any

import msgspec
import pytest

from harness.codegen.printer import programs_by_name
from harness.compiler.pipeline import lower
from harness.kernels.table import KERNELS
from simulator.program import If, Let, Loop, Op, Program, Stmt
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


class Draw:
    """Programs of nested loops, names and branches that tell the values of expressions."""

    def __init__(self, seed: int) -> None:
        self.rng, self.fresh = random.Random(seed), count()  # noqa: S311  (a fixed sequence)

    def body(self, names: tuple[str, ...], depth: int) -> tuple[Stmt, ...]:
        """Statements that use any of the names."""
        out: list[Stmt] = []
        for kind in self.rng.choices(["op", "op", "let", "for", "for", "if"], k=5):
            if kind == "op" or not depth:
                out.append(Op(name="cb_push_back", args=(0, self.number(names, 3))))
                continue
            var, inner = f"v{next(self.fresh)}", depth - 1
            if kind == "let":
                out.append(Let(var=var, value=self.number(names, 2)))
                names = (*names, var)
            elif kind == "for":
                step, first = self.rng.choice([1, 1, 2, 3, -1, -2]), self.rng.randint(-4, 4)
                last = self.rng.choice([first + 4 * step, ["min", "start", first + 3 * step]])
                out.append(Loop(var=var, start=first, stop=last, step=step,
                                body=self.body((*names, var, var), inner)))  # fmt: skip
            else:
                sides = (self.number(names, 1), self.number(names, 1))
                out.append(If(cond=["<", *sides], then=self.body(names, inner),
                              orelse=self.body(names, 0)))  # fmt: skip
        return tuple(out)

    def number(self, names: tuple[str, ...], depth: int) -> Any:
        """An expression that stays small."""
        if not depth or self.rng.random() < 0.2:
            return self.rng.choice([*names, self.rng.randint(-4, 9)])
        operator = self.rng.choice(["+", "-", "-", "//", "//", "%", "min", "max"])
        other = self.rng.choice([2, 3, -3]) if operator in ("//", "%") else None
        return [operator, self.number(names, depth - 1),
                self.number(names, depth - 1) if other is None else other]  # fmt: skip


@pytest.mark.parametrize("seed", range(2))
def test_drawn_programs_do(seed: int, tmp_path: Path) -> None:
    """What is known of names and of how far loops reach never makes a division the wrong one."""
    compiled = samples.gemm(M=64, N=64, K=64)
    draw = Draw(seed)
    body = sum((draw.body(("start", "count"), 3) for _ in range(8)), ())
    program = Program(name="reader", thread="ncrisc", runtime_args=("start", "count"), body=body)
    core = next(key for key, items in compiled.plan.work_partition.items() if items)
    kernel = msgspec.structs.replace(samples.kernel("reader"), compile_args={}, common_args={})
    wanted = expected(compiled.plan, kernel, program, core)
    assert len(wanted) > 1000
    assert executed(compiled.plan, kernel, program, core, tmp_path) == wanted


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
