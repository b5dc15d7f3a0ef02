"""Who gets the row that decides: every thread that takes part and no other; rows before loops."""

from __future__ import annotations

import pytest

import harness
from simulator.program import Let, Loop, Op, Program, is_load, ops_of, statements
from tests.e2e.test_decided_by_tables import COUNTED, SPARSE, STORED, TRUTHS
from tests.harness.compiler import samples

LOADS = {"SPARSE": (1, 1, 0), "COUNTED": (2, 2, 0), "STORED": (1, 2, 1), "TRUTHS": (1, 1, 0)}
"""Loads of reader, compute and writer: what is filled anew for no writer, compute alone decides."""
TEXTS = {"SPARSE": SPARSE, "COUNTED": COUNTED, "STORED": STORED, "TRUTHS": TRUTHS}


MADE = """
@T.prim_func
def main(X: T.Tensor((4, 32, 32), "float32"), t: T.Tensor((4,), "int32"),
         Y: T.Tensor((4, 32, 32), "float32")):
    with T.Kernel(4) as b:
        x = T.alloc_shared((32, 32), "float32")
        if t[b] > 0:
            T.copy(X[b, 0, 0], x)
        else:
            T.copy(X[3 - b, 0, 0], x)
        T.copy(x, Y[b, 0, 0])
"""


def programs(name: str) -> dict[str, Program]:
    """The programs of a kernel by thread."""
    made = harness.compile(samples.from_text(TEXTS[name], "main"))
    return {p.thread: p for p in made.programs.programs}


@pytest.mark.parametrize("name", TEXTS)
def test_each_thread_that_decides_has_a_row_of_its_own(name: str) -> None:
    """The reader reads a row per question and thread; who decides nothing loads nothing."""
    by_thread = programs(name)
    loads = {t: sum(map(is_load, statements(p.body))) for t, p in by_thread.items()}
    assert tuple(loads[t] for t in ("ncrisc", "compute", "brisc")) == LOADS[name]
    tables = {"SPARSE": ("mask",), "COUNTED": ("first", "count"), "STORED": ("keep",)}
    reads = [op for op in ops_of(by_thread["ncrisc"].body) if op.name == "noc_async_read_page"
             and op.args[1] in tables.get(name, ("mask",))]  # fmt: skip
    assert len(reads) == sum(LOADS[name])


@pytest.mark.parametrize("thread", ["ncrisc", "compute"])
def test_rows_that_a_loop_asks_alike_are_waited_for_once(thread: str) -> None:
    """The wait for the row and its pop stand outside the loop that loads from it."""
    program = programs("SPARSE")[thread]
    (load,) = (s for s in statements(program.body) if is_load(s))
    assert isinstance(load, Let)
    loops = [s for s in statements(program.body) if isinstance(s, Loop) and s.var == "k"]
    inside = [s for loop in loops for s in statements(loop.body)]
    assert load in inside
    row = load.value[1]
    handshake = [s.name for s in inside if isinstance(s, Op) and s.args[:1] == (row,)]
    assert handshake == []


def test_threads_that_wait_for_what_is_made_decide_as_well() -> None:
    """Where a block made under a condition is used behind it, its consumer loads the datum too."""
    verdict = harness.check(samples.from_text(MADE, "main"), oracle="exact")
    assert verdict.passed, (verdict.reason, verdict.findings)


ASKED = """
@T.prim_func
def main(X: T.Tensor((4, 32, 32), "float32"), t: T.Tensor((8,), "int32"),
         of: T.Tensor((4,), "int32"), Y: T.Tensor((4, 32, 32), "float32")):
    with T.Kernel(4) as b:
        x = T.alloc_fragment((32, 32), "float32")
        y = T.alloc_fragment((32, 32), "float32")
        T.copy(X[b, 0, 0], x)
        T.clear(y)
        {asked}
                y[i, j] += x[i, j]
        T.copy(y, Y[b, 0, 0])
"""
QUESTIONS = {
    "of an answer": """if t[T.max(of[b], 0) % 8] > 0:
            for i, j in T.Parallel(32, 32):""",
    "how often, of an answer": """for k in T.serial(T.min(t[T.max(of[b], 0) % 8], 3)):
            for i, j in T.Parallel(32, 32):""",
    "before a loop": """n = t[b]
        for k in T.serial(2):
          if n > k:
            for i, j in T.Parallel(32, 32):""",
}


@pytest.mark.parametrize("question", QUESTIONS)
def test_what_places_an_answer_is_known_wherever_it_decides(question: str) -> None:
    """Whoever asks where an answer says is told that as well; what a loop asks, before it."""
    made = samples.from_text(ASKED.format(asked=QUESTIONS[question]), "main")
    verdict = harness.check(made, oracle="exact")
    assert verdict.passed, (verdict.reason, verdict.findings)
