"""Edits of plan and programs by hand: each ends in the finding that says what is wrong."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import harness
from harness.kernels import gemm
from simulator.plan.load import load_programs, programs_sha256

OPTIONS: dict[str, Any] = {"grid": (3, 1)}
Json = dict[str, Any]
Edit = Callable[[Json, Json], None]


def source() -> Any:
    """A GEMM with ragged blocks, several K steps and several blocks per core."""
    return gemm.matmul(90, 150, 140, 64, 64, 32)


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> tuple[Json, Json]:
    """Plan and programs as the compiler wrote them."""
    where = tmp_path_factory.mktemp("artifact")
    harness.compile(source(), **OPTIONS).save(where)
    plan, programs = (
        json.loads((where / n).read_text()) for n in ("tt.plan.json", "programs.json")
    )
    return plan, programs


def judged(parts: tuple[Json, Json], edit: Edit, where: Path, *, rehash: bool = True) -> Any:
    """The verdict on an edited artifact."""
    plan, programs = copy.deepcopy(parts)
    edit(plan, programs)
    text = json.dumps(programs)
    if rehash:
        try:
            plan["programs_sha256"] = programs_sha256(load_programs(text.encode()))
        except Exception:  # noqa: BLE001  (whatever is wrong with it is for check to say)
            plan["programs_sha256"] = "0" * 64
    (where / "programs.json").write_text(text)
    (where / "tt.plan.json").write_text(json.dumps(plan))
    return harness.check(source(), artifact=where, **OPTIONS)


def statements(body: list[Json]) -> Iterator[tuple[list[Json], int]]:
    """Every statement of a program, as its list and place."""
    for i, stmt in enumerate(body):
        yield body, i
        for key in ("body", "then", "else"):
            yield from statements(stmt.get(key, []))


def find(programs: Json, program: str, op: str, number: int = 0) -> tuple[list[Json], int]:
    """The list and place of an op."""
    (body,) = [p["body"] for p in programs["programs"] if p["name"] == program]
    found = [(b, i) for b, i in statements(body) if b[i].get("name") == op]
    return found[number]


def dropped(program: str, op: str, number: int = 0) -> Edit:
    """An edit that removes an op."""

    def edit(_: Json, programs: Json) -> None:
        body, place = find(programs, program, op, number)
        del body[place]

    return edit


def argument(program: str, op: str, index: int, value: Any, number: int = 0) -> Edit:
    """An edit of one argument of an op."""

    def edit(_: Json, programs: Json) -> None:
        body, place = find(programs, program, op, number)
        assert body[place]["args"][index] != value
        body[place]["args"][index] = value

    return edit


def swapped(program: str, op: str, one: int, other: int) -> Edit:
    """An edit that exchanges two arguments."""

    def edit(_: Json, programs: Json) -> None:
        body, place = find(programs, program, op)
        args = body[place]["args"]
        args[one], args[other] = args[other], args[one]

    return edit


def early_push(_: Json, programs: Json) -> None:
    """Announce pages before their reads are complete."""
    body, push = find(programs, "reader", "cb_push_back")
    barrier = find(programs, "reader", "noc_async_read_barrier")[1]
    body.insert(barrier, body.pop(push))


def short_k(_: Json, programs: Json) -> None:
    """Skip the last K step in every program."""
    for program in programs["programs"]:
        for body, i in statements(program["body"]):
            if body[i].get("var") == "ko":
                body[i]["stop"] -= 1


def compute_short_k(_: Json, programs: Json) -> None:
    """Skip the last K step in the compute program only."""
    (body,) = [p["body"] for p in programs["programs"] if p["name"] == "compute"]
    for inner, i in statements(body):
        if inner[i].get("var") == "ko":
            inner[i]["stop"] -= 1


def page_formula(_: Json, programs: Json) -> None:
    """Read the page after the right one."""
    body, place = find(programs, "reader", "noc_async_read_page")
    body[place]["args"][0] = ["max", 0, ["-", body[place]["args"][0], 1]]


def lower_fidelity(plan: Json, _: Json) -> None:
    """Compute with fewer phases than asked for."""
    for one in plan["kernels"]:
        if "compute" in one:
            one["compute"]["math_fidelity"] = "LoFi"


def narrow_destination(plan: Json, _: Json) -> None:
    """Accumulate in 16 bits."""
    for one in plan["kernels"]:
        if "compute" in one:
            one["compute"]["fp32_dest_acc_en"] = False


def same_work(plan: Json, _: Json) -> None:
    """Give the second core the first one's work."""
    first, second = list(plan["work_partition"])[:2]
    plan["work_partition"][second] = plan["work_partition"][first]
    plan["work_descriptors"][second] = plan["work_descriptors"][first]
    for one in plan["kernels"]:
        if one.get("runtime_args"):
            one["runtime_args"][second] = one["runtime_args"][first]


def lost_block(plan: Json, _: Json) -> None:
    """Drop a block from a core's list."""
    core = next(iter(plan["work_partition"]))
    plan["work_partition"][core] = plan["work_partition"][core][:-1]


def other_argument(plan: Json, _: Json) -> None:
    """Start a core's reader elsewhere than its descriptor says."""
    (reader,) = [one for one in plan["kernels"] if one["program"] == "reader"]
    core = list(reader["runtime_args"])[1]
    reader["runtime_args"][core][0] += 1


def shallow(plan: Json, _: Json) -> None:
    """Give a circular buffer fewer pages than a block has."""
    plan["circular_buffers"][0]["depth"] = 1


def deep(plan: Json, _: Json) -> None:
    """Give a circular buffer more pages than L1 has."""
    plan["circular_buffers"][0]["depth"] = 4096


def odd(plan: Json, _: Json) -> None:
    """Give a circular buffer a depth that is not whole blocks."""
    plan["circular_buffers"][0]["depth"] += 1


def other_format(plan: Json, _: Json) -> None:
    """Label a bfloat16 buffer float16."""
    plan["circular_buffers"][0]["data_format"] = "Float16"


def other_dtype(plan: Json, _: Json) -> None:
    """Label the output float16."""
    plan["layouts"]["C"]["dtype"] = "float16"


def other_shape(plan: Json, _: Json) -> None:
    """Shorten an input."""
    plan["layouts"]["A"]["logical_shape"][0] -= 1


def outside(plan: Json, _: Json) -> None:
    """Use cores the device does not have."""
    plan["core_ranges"][0]["start"] = [7, 7]


def unknown_field(plan: Json, _: Json) -> None:
    """A field the schema does not have."""
    plan["comment"] = "tuned by hand"


def missing_field(plan: Json, _: Json) -> None:
    """A plan without its work."""
    del plan["work_partition"]


def swapped_tensors(plan: Json, _: Json) -> None:
    """Hand B's address to A's accessor and the other way round."""
    (reader,) = [one for one in plan["kernels"] if one["program"] == "reader"]
    for args in (reader["compile_args"], reader["common_args"]):
        one, other = sorted(args)
        args[one], args[other] = args[other], args[one]


def transposed_inner(_: Json, programs: Json) -> None:
    """Multiply by B's tiles transposed."""
    body, place = find(programs, "compute", "matmul_init")
    body[place]["args"][2] = 1


def unknown_op(_: Json, programs: Json) -> None:
    """An op no device has."""
    body, place = find(programs, "compute", "matmul_tiles")
    body[place]["name"] = "matmul_everything"


def too_few(_: Json, programs: Json) -> None:
    """An op with an argument missing."""
    body, place = find(programs, "compute", "matmul_tiles")
    body[place]["args"].pop()


def other_thread(_: Json, programs: Json) -> None:
    """A reader that multiplies."""
    body, _place = find(programs, "reader", "cb_push_back")
    body.append({"kind": "op", "name": "tile_regs_acquire"})


WRONG = frozenset({"wrong answer"})
EDITS: dict[str, tuple[Edit, frozenset[str]]] = {
    "reader pushes without reserving": (dropped("reader", "cb_reserve_back"),
                                        frozenset({"CBOverflow", "CBWindow", "CBProtocol"})),
    "compute does not wait": (dropped("compute", "cb_wait_front"),
                              frozenset({"CBUnderflow", "CBWindow", "Race"})),
    "compute does not pop": (dropped("compute", "cb_pop_front"),
                             frozenset({"Deadlock", "DirtyExit"})),
    "reader does not push": (dropped("reader", "cb_push_back"), frozenset({"Deadlock"})),
    "writer does not wait": (dropped("writer", "cb_wait_front"),
                             frozenset({"CBUnderflow", "CBWindow", "Race"})),
    "no read barrier": (dropped("reader", "noc_async_read_barrier"), frozenset({"Unbarriered"})),
    "push before the barrier": (early_push, frozenset({"Unbarriered"})),
    "no write barrier": (dropped("writer", "noc_async_write_barrier"), frozenset({"Unbarriered"})),
    "no acquire": (dropped("compute", "tile_regs_acquire"), frozenset({"DstProtocol"})),
    "no commit": (dropped("compute", "tile_regs_commit"), frozenset({"DstProtocol"})),
    "no release": (dropped("compute", "tile_regs_release"), frozenset({"DstProtocol"})),
    "no matmul init": (dropped("compute", "matmul_init"), frozenset({"StaleConfig"})),
    "no startup": (dropped("compute", "compute_kernel_hw_startup"), frozenset({"StaleConfig"})),
    "no matmul": (dropped("compute", "matmul_tiles"), frozenset({"UninitialisedRead"})),
    "no pack": (dropped("compute", "pack_tile"), frozenset({"UninitialisedRead"})),
    "no read": (dropped("reader", "noc_async_read_page"), frozenset({"UninitialisedRead"})),
    "no write": (dropped("writer", "noc_async_write_page"),
                 frozenset({"Unwritten", "wrong answer"})),
    "padding not zeroed": (dropped("reader", "zero_tile_region"),
                           frozenset({"UninitialisedRead", "wrong answer"})),
    "operands exchanged": (swapped("compute", "matmul_tiles", 0, 1),
                           frozenset({"StaleConfig", "CBWindow", "wrong answer"})),
    "tiles exchanged": (swapped("compute", "matmul_tiles", 2, 3), WRONG),
    "destination out of range": (argument("compute", "matmul_tiles", 4, 9),
                                 frozenset({"DstCapacity", "InvalidProgram"})),
    "unknown buffer": (argument("compute", "cb_wait_front", 0, 5),
                       frozenset({"InvalidProgram", "PlanInconsistent"})),
    "wrong page": (page_formula, frozenset({"wrong answer", "UninitialisedRead"})),
    "last K step skipped": (short_k, frozenset({"wrong answer", "PlanInconsistent"})),
    "compute skips the last K step": (compute_short_k, frozenset({"Deadlock", "DirtyExit"})),
    "lower fidelity": (lower_fidelity, frozenset({"NumericModeMismatch"})),
    "narrow destination": (narrow_destination, frozenset({"NumericModeMismatch"})),
    "two cores, one work": (same_work, frozenset({"InvalidPlan", "PlanInconsistent"})),
    "block lost": (lost_block, frozenset({"InvalidPlan", "PlanInconsistent"})),
    "argument against descriptor": (other_argument, frozenset({"PlanInconsistent"})),
    "shallow buffer": (shallow, frozenset({"CBCapacity", "CBWrap", "InvalidPlan",
                                           "PlanInconsistent"})),
    "buffer beyond L1": (deep, frozenset({"L1Overflow", "InvalidPlan"})),
    "depth that wraps": (odd, frozenset({"PlanInconsistent"})),
    "format relabelled": (other_format, frozenset({"ShapeMismatch", "NumericModeMismatch",
                                                   "PlanInconsistent", "InvalidPlan", "StaleConfig",
                                                   "wrong answer"})),
    "output relabelled": (other_dtype, frozenset({"ShapeMismatch", "PlanInconsistent",
                                                  "InvalidPlan"})),
    "input shortened": (other_shape, frozenset({"PlanInconsistent", "InvalidPlan"})),
    "cores outside": (outside, frozenset({"InvalidPlan"})),
    "unknown field": (unknown_field, frozenset({"InvalidPlan"})),
    "missing field": (missing_field, frozenset({"InvalidPlan"})),
    "tensors exchanged": (swapped_tensors, frozenset({"wrong answer", "OutOfBounds",
                                                      "PlanInconsistent", "InvalidPlan"})),
    "B transposed": (transposed_inner, frozenset({"wrong answer", "StaleConfig"})),
    "unknown op": (unknown_op, frozenset({"InvalidProgram"})),
    "argument missing": (too_few, frozenset({"InvalidProgram"})),
    "op of another thread": (other_thread, frozenset({"InvalidProgram"})),
}  # fmt: skip


@pytest.mark.parametrize("name", EDITS)
def test_an_edit_is_found(name: str, parts: tuple[Json, Json], tmp_path: Path) -> None:
    """No fault of protocol, placement, numbers or work passes, and the finding is of its kind."""
    edit, expected = EDITS[name]
    verdict = judged(parts, edit, tmp_path)
    assert not verdict.passed
    found = {f.code for f in verdict.findings if f.severity == "error"}
    if not found:
        assert verdict.bound_ratio is not None
        found = {"wrong answer"}
    assert found & expected, (found, verdict.reason)


def test_the_artifact_itself_passes(parts: tuple[Json, Json], tmp_path: Path) -> None:
    """Written and read again, untouched, the artifact is right."""
    assert judged(parts, lambda *_: None, tmp_path).passed


def test_programs_of_another_plan_are_refused(parts: tuple[Json, Json], tmp_path: Path) -> None:
    """The plan names its programs by hash."""
    verdict = judged(parts, dropped("reader", "cb_push_back"), tmp_path, rehash=False)
    assert {f.code for f in verdict.findings} == {"PlanInconsistent"}


def test_every_op_is_needed(parts: tuple[Json, Json], tmp_path: Path) -> None:
    """Dropping any one op of the three programs is found, without exception."""
    _, programs = parts
    names = [
        (p["name"], b[i]["name"], b, i)
        for p in programs["programs"] for b, i in statements(p["body"]) if b[i]["kind"] == "op"
    ]  # fmt: skip
    seen: dict[tuple[str, str], int] = {}
    for program, op, _, _ in names:
        number = seen.get((program, op), 0)
        seen[program, op] = number + 1
        verdict = judged(parts, dropped(program, op, number), tmp_path)
        assert not verdict.passed, (program, op, number)
