"""The same source gives the same bytes; another name gives the same plan under that name."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.compiler import lower
from simulator.plan.load import dump_plan
from simulator.plan.schema import Plan
from simulator.program import Let, Loop, Op, Program
from tests.harness.compiler import samples

ROOT = Path(__file__).resolve().parents[3]
RUN = """
import hashlib
from harness.compiler import lower
from tests.harness.compiler import samples
for make in (samples.gemm, samples.copy, samples.fma, samples.sum_and_difference, samples.batched):
    print(hashlib.sha256(b"".join(samples.artifact_bytes(lower(make())))).hexdigest())
"""
TEXT = """
@T.prim_func
def {f}(
    {A}: T.Tensor((96, 70), "bfloat16"),
    {B}: T.Tensor((70, 64), "bfloat16"),
    {D}: T.Tensor((96, 64), "bfloat16"),
    {C}: T.Tensor((96, 64), "bfloat16"),
):
    with T.Kernel(2, 3) as ({x}, {y}):
        {a} = T.alloc_shared((32, 32), "bfloat16")
        {b} = T.alloc_shared((32, 32), "bfloat16")
        {d} = T.alloc_shared((32, 32), "bfloat16")
        {c} = T.alloc_fragment((32, 32), "float32")
        T.clear({c})
        for {k} in T.Pipelined(3, num_stages=2):
            T.copy({A}[{y} * 32, {k} * 32], {a})
            T.copy({B}[{k} * 32, {x} * 32], {b})
            T.gemm({a}, {b}, {c})
        T.copy({D}[{y} * 32, {x} * 32], {d})
        for {i}, {j} in T.Parallel(32, 32):
            {c}[{i}, {j}] = {c}[{i}, {j}] + {d}[{i}, {j}]
        T.copy({c}, {C}[{y} * 32, {x} * 32])
"""
FIELDS = ("f", "A", "B", "D", "C", "x", "y", "a", "b", "d", "c", "k", "i", "j")
PLAIN = dict(zip(FIELDS, ("f", "A", "B", "D", "C", "bx", "by", "a", "b", "d", "c", "k", "i", "j"),
                 strict=True))  # fmt: skip
# Names upstream gave a meaning, names the compiler makes itself, and plain ones.
TEMPTING = (
    "A", "B", "C", "a", "b", "c", "output", "weight", "input", "result", "Out", "C_accum", "k",
    "bx", "by", "item", "start", "count", "width", "x0", "main", "reader", "compute", "c_out",
    "a_in", "a_1", "t", "s", "m", "n", "r", "i", "j", "lhs", "rhs", "shared", "cb_in0", "w",
)  # fmt: skip


@pytest.mark.parametrize(
    "make",
    [samples.gemm, samples.copy, samples.fma, samples.sum_and_difference, samples.batched],
)
def test_two_runs_give_the_same_bytes(make: Any) -> None:
    """Nothing of the first run is left that could change the second."""
    assert samples.artifact_bytes(lower(make())) == samples.artifact_bytes(lower(make()))


def test_two_processes_give_the_same_bytes() -> None:
    """Hash seeds and addresses, which differ between processes, decide nothing."""
    outputs = {
        subprocess.run(
            [sys.executable, "-c", RUN], check=True, capture_output=True, text=True, cwd=ROOT,
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)},
        ).stdout
        for seed in ("0", "1")
    }  # fmt: skip
    assert len(outputs) == 1
    assert len(outputs.pop().splitlines()) == 5


def test_the_order_of_functions_in_a_module_is_no_matter() -> None:
    """Kernels come out in name order, whatever order they were put in."""
    one, two = samples.gemm(), samples.copy()
    assert samples.artifact_bytes(lower(samples.module(a=one, b=two))) == samples.artifact_bytes(
        lower(samples.module(b=two, a=one))
    )


def plan_without_names(plan: Plan, tensors: dict[str, str]) -> Any:
    """The plan with tensors under their plain names, and other names left out."""
    data = json.loads(dump_plan(plan))
    del data["name"], data["programs_sha256"]
    for key in ("layouts", "output_blocks"):
        data[key] = [[tensors[name], value] for name, value in data[key].items()]
    data["io"] = [tensors[name] for name in data["io"]]
    for buffer in data["circular_buffers"]:
        del buffer["name"]
    for kernel in data["kernels"]:
        compiled = kernel.pop("compile_args", {})
        addressed = {f"{name}_addr": {"addr": name} for name in compiled}
        assert kernel.pop("common_args", {}) == addressed
        kernel["compile_args"] = [
            [tensors[name], tensors[value["accessor"]]] for name, value in compiled.items()
        ]
        kernel["work_args"] = list(kernel["work_args"].values())
    return data


def program_without_names(program: Program, tensors: dict[str, str]) -> Any:
    """A program with tensors under their plain names and variables numbered as they are bound."""
    env = dict(tensors)
    env |= {name: f"arg{i}" for i, name in enumerate(program.runtime_args)}

    def expr(value: Any) -> Any:
        if isinstance(value, (list, tuple)):
            return [value[0], *(expr(v) for v in value[1:])]
        return env.get(value, value) if isinstance(value, str) else value

    def body(stmts: Any) -> list[Any]:
        nonlocal env
        out: list[Any] = []
        for stmt in stmts:
            if isinstance(stmt, Op):
                out.append([stmt.name, *(expr(a) for a in stmt.args)])
            elif isinstance(stmt, Let):
                value = expr(stmt.value)
                env[stmt.var] = f"depth{depth(env)}"
                out.append(["let", env[stmt.var], value])
            elif isinstance(stmt, Loop):
                outer, bounds = env, [expr(stmt.start), expr(stmt.stop)]
                env = {**env, stmt.var: f"depth{depth(env)}"}
                out.append(["for", *bounds, body(stmt.body)])
                env = outer
            else:
                outer, condition = env, expr(stmt.cond)
                env = dict(outer)
                then = body(stmt.then)
                env = dict(outer)
                out.append(["if", condition, then, body(stmt.orelse)])
                env = outer
        return out

    return [program.name, program.thread, [tensors[a] for a in program.accessors],
            len(program.runtime_args), body(program.body)]  # fmt: skip


def depth(env: dict[str, str]) -> int:
    """How many variables are bound."""
    return sum(value.startswith("depth") for value in env.values())


@given(
    renamed=st.lists(
        st.sampled_from(TEMPTING), min_size=len(FIELDS), max_size=len(FIELDS), unique=True
    ),
    strategy=st.sampled_from(["row_major", "column_major", "block"]),
)
def test_names_decide_nothing(renamed: list[str], strategy: str) -> None:
    """Upstream took roles, depths, ids and layouts from names; here a rename is only a rename."""
    (plain,) = lower(samples.from_text(TEXT.format(**PLAIN), "f"), strategy=strategy).kernels
    given_names = dict(zip(FIELDS, renamed, strict=True))
    func = samples.from_text(TEXT.format(**given_names), given_names["f"])
    (other,) = lower(func, strategy=strategy).kernels
    back = {given_names[n]: PLAIN[n] for n in "ABCD"}
    same = {PLAIN[n]: PLAIN[n] for n in "ABCD"}
    assert plan_without_names(other.plan, back) == plan_without_names(plain.plan, same)
    assert other.plan.name == given_names["f"]
    for left, right in zip(plain.programs.programs, other.programs.programs, strict=True):
        assert program_without_names(right, back) == program_without_names(left, same)
