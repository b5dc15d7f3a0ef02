"""Cases of two kernels in turn: drawn, judged step by step, and as one text."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.checking import sequences
from harness.compiler.dealing import partition
from harness.compiler.diagnostics import refuse
from harness.compiler.passes import core_map
from harness.compiler.sequence import order_of
from harness.fuzz import inturn, judge
from harness.fuzz import outcome as o
from harness.fuzz.case import Case, load_case
from harness.fuzz.judge import run_case
from harness.fuzz.kernels.grammar import scenes
from harness.fuzz.kernels.pairs import BLOCKS, followed
from harness.fuzz.kernels.scene import render_in_turn
from harness.fuzz.text import parse_kernel
from harness.language.parsing.built import build, difference
from tests.harness.fuzz.shares import with_share

TEXT = """@T.prim_func
def main(
    A1: T.Tensor((96, 64), "bfloat16"),
    B2: T.Tensor((96, 64), "bfloat16"),
    Y3: T.Tensor((96, 64), "bfloat16"),
):
    W4 = T.alloc_global((96, 64), "bfloat16")
    with T.Kernel(T.ceildiv(96, 32), threads=128) as by:
        a5 = T.alloc_shared((32, 64), "bfloat16")
        T.copy(A1[by * 32, 0], a5)
        for i, j in T.Parallel(32, 64):
            a5[i, j] = a5[i, j] + 1.0
        T.copy(a5, W4[by * 32, 0])
    with T.Kernel(T.ceildiv(64, 32), T.ceildiv(96, 16), threads=128) as (bx, by):
        b6 = T.alloc_shared((16, 32), "bfloat16")
        w7 = T.alloc_shared((16, 32), "bfloat16")
        T.copy(B2[by * 16, bx * 32], b6)
        T.copy(W4[by * 16, bx * 32], w7)
        for i, j in T.Parallel(16, 32):
            w7[i, j] = w7[i, j] * 2.0 + b6[i, j]
        T.copy(w7, Y3[by * 16, bx * 32])
"""
CASE = Case(kernel=TEXT, options={"device": "wormhole_n150"}, inputs={"kind": "auto", "seed": 3})


def test_two_kernels_are_judged_and_executed_as_one_text() -> None:
    """Both steps by golden, and the whole by NumPy."""
    found = run_case(with_share(CASE, frozenset({1}), 16))
    assert (found.kind, found.oracle) == (o.PASS, "exact+bound+numpy"), found
    assert found.pipeline > 0


@pytest.mark.parametrize(("share", "oracle"), [(0, "passes"), (4, "text+numpy")])
def test_further_oracles_take_both_kernels(share: int, oracle: str) -> None:
    """Some have the IR after every pass checked, some are read without the parser."""
    found = run_case(with_share(CASE, frozenset({share}), 16))
    assert (found.kind, found.oracle) == (o.PASS, f"exact+bound+{oracle}"), found


def test_tensors_mixed_up_between_kernels_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each step is right by its own source; only the text as a whole tells."""

    def misread(text: str, params: Any) -> Any:
        swapped = text.replace("W4[by * 16", "HELD").replace("B2[by * 16", "W4[by * 16")
        return parse_kernel(swapped.replace("HELD", "B2[by * 16"), params)

    monkeypatch.setattr(judge.source_of, "__defaults__", (misread,))
    found = run_case(with_share(CASE, frozenset({1}), 16))
    assert found.key == (o.WRONG, "numpy", "language", "Parallel")


@pytest.mark.parametrize("kind", ["auto", "random", "special"])
def test_a_kernel_on_inputs_of_its_own_is_found(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    """Whatever the inputs; blamed is what runs the kernels, of which each is right."""
    handed = sequences.step_inputs

    def anew(func: Any, _: Any, *rest: Any) -> Any:
        return handed(func, {}, *rest)

    monkeypatch.setattr(sequences, "step_inputs", anew)
    found = run_case(replace(CASE, inputs={"kind": kind, "seed": 3}))
    assert found.key == (o.WRONG, "whole", "sequences", ""), found
    assert found.message == "main_2 was given another W4 than a kernel before it left"


def test_a_tensor_changed_in_place_begins_as_it_was_drawn() -> None:
    """What the first kernel changes is handed to NumPy as the caller gives it."""
    left = "T.copy(a5, W4[by * 32, 0])"
    text = TEXT.replace(left, f"{left}\n        T.copy(a5, A1[by * 32, 0])")
    found = run_case(with_share(replace(CASE, kernel=text), frozenset({1}), 16))
    assert (found.kind, found.oracle) == (o.PASS, "exact+bound+numpy"), found


def test_a_step_that_fails_is_named_by_its_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pass that turns down the second kernel is blamed for it."""
    true = partition.partition_of

    def partition_of(dealt: Any, grid: Any, *rest: Any) -> Any:
        if grid[0] == 2:
            refuse("no", node=None, code="OutOfBounds")
        return true(dealt, grid, *rest)

    monkeypatch.setattr(core_map, "partition_of", partition_of)
    found = run_case(CASE)
    assert found.key == (o.DEFECT, "OutOfBounds", "TTTilesToCoreMap", "")


def test_a_step_that_answers_wrongly_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first step that fails decides, and its passes are looked at."""
    true = inturn.verdict_of

    def spoilt(module: Any, made: Any, **settings: Any) -> Any:
        other = parse_kernel(TEXT.replace("* 2.0", "* 3.0"))
        from harness.artifact import compile_all

        return true(module, [made[0], _with_source(compile_all(other)[1], made[1])], **settings)

    monkeypatch.setattr(inturn, "verdict_of", spoilt)
    found = run_case(CASE)
    assert found.key[:2] == (o.WRONG, "exact")


def _with_source(artifact: Any, of: Any) -> Any:
    return replace(artifact, source=of.source)


def test_a_case_of_two_kernels_survives_its_file(tmp_path: Path) -> None:
    """What was found is replayed from the file alone."""
    path = CASE.expecting({"verdict": "pass"}).save(tmp_path / "case.json")
    again = load_case(path)
    assert again.kernel == TEXT
    assert len(path.read_text().splitlines()) <= 30
    assert run_case(again).kind == o.PASS
    assert json.loads(path.read_text())["expect"] == {"verdict": "pass"}


@settings(suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow])
@given(st.data())
def test_what_is_drawn_is_two_kernels(data: st.DataObject) -> None:
    """The second reads what the first writes, and both readings of the text are one."""
    first = data.draw(scenes())
    found = data.draw(followed(first))
    if found is None:
        return
    text = render_in_turn(first, *found, layouts=({}, {}))
    module = parse_kernel(text)
    assert len(order_of(module)) == 2
    one, two = (f for _, f in module.functions_items())
    assert found[1] in {p.name for p in one.params} & {p.name for p in two.params}
    gx, gy, _ = found[0].grid((found[0].bm, found[0].bn))
    assert gx * gy <= BLOCKS
    assert difference(module, build(text)) == ""
