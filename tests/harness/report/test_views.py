"""The terminal views: what they show, and that they never depend on the terminal's width."""

from __future__ import annotations

import io
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from harness.artifact import compile as compile_kernel
from harness.kernels.batched import batched_matmul
from harness.kernels.gemm import matmul
from harness.report.compiled import core_map_lines, pass_lines, plan_lines
from harness.report.details import plan_details
from harness.report.findings import LIMIT, finding_lines
from harness.report.owner import block_names, owners
from harness.report.progress import Progress
from harness.report.terminal import Line, columns, console, number, seconds, show, text
from harness.report.verdict import verdict_lines
from harness.verdict import Verdict
from simulator.findings import finding
from simulator.plan.show import plan_summary


def plain(lines: Sequence[Line]) -> list[str]:
    """The lines without their styles."""
    return [line.plain for line in lines]


@pytest.mark.parametrize("width", ["20", "300"])
def test_lines_do_not_depend_on_the_width(monkeypatch: pytest.MonkeyPatch, width: str) -> None:
    """Protects logs and greps: a long line stays one line on any terminal."""
    monkeypatch.setenv("COLUMNS", width)
    stream = io.StringIO()
    show(console(stream), [text("word " * 40 + "[red]end[/red] :smile:")])
    assert stream.getvalue() == "word " * 40 + "[red]end[/red] :smile:\n"


def test_columns_align_and_leave_no_trailing_space() -> None:
    """Protects tables: right-aligned numbers, nothing after the last cell."""
    rows = [("a", "1", "x"), ("bbb", "22", "")]
    assert plain(columns(rows, "<>")) == ["a     1  x", "bbb  22"]
    assert columns([]) == []


def test_numbers_and_durations_read_well() -> None:
    """Protects figures from twelve digits and from scientific noise."""
    assert [number(v) for v in (None, 0.0, 1234567.0, 0.123456, float("inf"), "-inf")] == [
        "-", "0", "1,234,567", "0.1235", "inf", "-inf",
    ]  # fmt: skip
    assert [seconds(v) for v in (0.00123, 1.5)] == ["1.2 ms", "1.50 s"]


def test_the_core_map_shows_cores_out_of_range_and_wide_counts() -> None:
    """Protects the map's alignment: one column width for counts and for coordinates."""
    assert plain(core_map_lines([["12", "."], ["0", "3"]]))[1:] == [
        "    0  1",
        "0  12  .",
        "1   0  3",
    ]


def test_a_plan_in_a_few_lines_names_what_matters() -> None:
    """Protects the short view: grid, cores, tensors, buffers, L1, precision."""
    artifact = compile_kernel(batched_matmul(), device="blackhole_p100")
    lines = plain(plan_lines(plan_summary(artifact.plan)))
    assert "kernel   main on blackhole_p100" in lines
    assert "grid     3x2x3 = 18 blocks" in lines
    assert "cores    11x10: 18 active with 1 each, 92 idle" in lines
    assert "tensors  input A 3x128x160 bfloat16" in lines
    assert "compute  HiFi4, fp32_dest_acc_en" in lines


def test_the_long_view_lists_every_buffer_and_core() -> None:
    """Protects ``plan show``: no tensor, circular buffer or busy core is left out."""
    artifact = compile_kernel(matmul(M=96, N=64, K=64, block_M=32, block_N=32))
    lines = plain(plan_details(plan_summary(artifact.plan)))
    for word in ("A", "B", "C", "A_shared", "B_shared", "(0,0)", "(5,0)", "reader", "writer"):
        assert any(word in line.split() for line in lines), word


def test_passes_are_summed() -> None:
    """Protects the pass table: one line per pass and the total."""
    passes = [{"name": "First", "seconds": 0.001}, {"name": "Second", "seconds": 0.25}]
    assert plain(pass_lines(passes)) == ["First     1.0 ms", "Second  250.0 ms", "total   251.0 ms"]


def test_every_output_tile_has_the_owner_the_blocks_say() -> None:
    """Protects the owner shown in failures by slow counting, with batch and ragged edges."""
    kernel = batched_matmul(batch=2, M=100, N=96, K=64, block_M=64, block_N=32)
    plan = compile_kernel(kernel, grid=(3, 2), strategy="block").plan
    for batch in range(2):
        for row in range(4):
            for column in range(3):
                (owner,) = owners(plan, "C", (batch, row, column))
                assert owner.block == (column, row // 2, batch)
                x, y = owner.core
                items = plan.work_partition[f"({x},{y})"]
                assert owner.block in {(item.jo, item.io, item.bo) for item in items}
    assert owners(plan, "A", (0, 0, 0)) == []
    assert block_names(plan, (2, 1, 0)) == "bx=2 by=1 bz=0"


def test_alike_findings_are_counted_not_repeated() -> None:
    """Protects readers from forty copies of one complaint; errors come before warnings."""
    many = [
        finding("PlanInconsistent", f"$.work[{i}]: differs", location=f"$.work[{i}]", core=(i, 0))
        for i in range(40)
    ]
    lines = plain(finding_lines([finding("ErratumWH38306", "HiFi4"), *many]))
    assert lines[0] == "PlanInconsistent  $.work[0]: differs"
    assert "  and   39 more places alike" in lines
    assert sum("differs" in line for line in lines) == 1
    assert lines.index("ErratumWH38306  HiFi4") > 0


def test_a_finding_says_where_and_what_next() -> None:
    """Protects the parts of a finding: core, thread, statement, source line, next step."""
    item = finding(
        "CBOverflow",
        "2 pages too many",
        core=(1, 0),
        thread="ncrisc",
        lanes=3,
        program="reader",
        path="2.0",
        location="gemm.py:41:5",
        next_step="wait",
    )
    assert plain(finding_lines([item])) == [
        "CBOverflow  2 pages too many",
        "  at    core (1,0) and 2 more cores  ncrisc  reader/2.0  gemm.py:41:5",
        "  next  wait",
    ]


def test_a_long_message_has_a_clause_per_line() -> None:
    """Protects deadlock reports: who waits for what is read line by line."""
    waits = [f"thread {i} needs 2 pages of circular buffer {i} and has 0" for i in range(3)]
    lines = plain(finding_lines([finding("Deadlock", "; ".join(waits) + ". Cycle: a -> b -> a")]))
    assert lines[:4] == [
        f"Deadlock  {waits[0]};", f"  {waits[1]};", f"  {waits[2]}.", "  Cycle: a -> b -> a",
    ]  # fmt: skip


def test_many_kinds_are_cut_with_a_count() -> None:
    """Protects the terminal: the rest is counted and left to --json."""
    lines = plain(finding_lines([finding("Race", f"kind {i}") for i in range(LIMIT + 3)]))
    assert lines[-1] == "and 3 more findings; --json has them all"


def test_a_verdict_without_comparison_says_why() -> None:
    """Protects failures before any comparison from looking like wrong numbers."""
    item = finding("Deadlock", "two threads wait")
    verdict = Verdict("fail", "main", "wormhole_n150", "none", None, None, None, {}, (item,),
                      input_kind="none")  # fmt: skip
    lines = plain(verdict_lines(verdict, None))
    assert "  Deadlock  two threads wait" in lines
    assert "  oracle  none: nothing was compared" in lines


def test_a_wrong_tile_without_plan_has_no_owner() -> None:
    """Protects the view of judged tiles where the artifact's plan cannot be read."""
    tile = {
        "tensor": "C",
        "lead": [1],
        "tile": [0, 2],
        "wrong": 3,
        "total": 1024,
        "element": [1, 5, 70],
        "got": 1.0,
        "expected": 2.0,
        "bound": 0.25,
        "kind": "value",
    }
    verdict = Verdict("fail", "main", "wormhole_n150", "bound", 1.0, 4.0, 0.9,
                      {"C": {"compared": 4096, "wrong": 3, "worst": [tile]}}, seed=1)  # fmt: skip
    lines = plain(verdict_lines(verdict, None))
    assert "  WRONG TILE  C[1,0,2]: 3 of 1,024 elements wrong" in lines
    assert "    worst  C[1,5,70] expected 2 within 0.25, got 1" in lines
    assert not any("owner" in line for line in lines)


def test_what_a_tile_holds_is_said_beside_it() -> None:
    """Protects the judge's explanations: beside their tile, or at the end where it is not shown."""
    tile = {"tensor": "C", "lead": [], "tile": [0, 1], "wrong": 9, "total": 9, "element": [0, 32],
            "got": 1.0, "expected": 2.0, "bound": 0.0, "kind": "value"}  # fmt: skip
    notes = ("C[0,1] holds what belongs into C[0,0]", "C[5,5] is all zero")
    verdict = Verdict("fail", "main", "wormhole_n150", "exact", 1.0, 4.0, 0.9,
                      {"C": {"compared": 9, "wrong": 9, "worst": [tile]}}, notes=notes)  # fmt: skip
    lines = plain(verdict_lines(verdict, None))
    assert lines[-2:] == [
        "    seen   C[0,1] holds what belongs into C[0,0]",
        "  C[5,5] is all zero",
    ]


def test_progress_is_silent_off_a_terminal() -> None:
    """Protects logs: no spinner where nobody watches."""
    stream = io.StringIO()
    with Progress(console(stream), delay=0.0) as progress:
        progress.stage("working")
        time.sleep(0.05)
    assert stream.getvalue() == ""


def test_progress_shows_the_stage_on_a_terminal(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Protects long runs on a terminal: the stage shows once the delay is over, and goes away."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    stream = io.StringIO()
    with Progress(console(stream), delay=0.01) as progress:
        progress.stage("simulating")
        time.sleep(0.3)
    assert "simulating" in stream.getvalue()


def test_an_output_nobody_could_judge_is_not_called_right() -> None:
    """Where nothing was compared the view and the one-line form say that, not that all is well."""
    verdict = Verdict("fail", "main", "wormhole_n150", "bound", 1.0, 0.5, 0.9,
                      {"S": {"compared": 0, "wrong": 0}}, seed=1,
                      reason="nothing of S could be compared")  # fmt: skip
    assert "nothing of S could be compared" in repr(verdict)
    assert not any("all right" in line for line in plain(verdict_lines(verdict, None)))
