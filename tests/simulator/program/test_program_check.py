"""Programs against the op table and the plan: each rule broken once, and every op called right."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from simulator.isa import OP_TABLE_VERSION, OPS, OpSpec
from simulator.plan.schema import Plan
from simulator.program import If, Let, Loop, Op, Program, ProgramFile, Stmt
from simulator.program.check import MAX_NESTING, check_programs
from simulator.program.expr import MAX_DEPTH, check_expression
from tests.simulator.plan.editing import edited
from tests.simulator.plan.samples import copy_artifact, gemm_artifact

PLAN, GEMM = gemm_artifact()
ACCESSORS = {"ncrisc": ("A", "B"), "brisc": ("C",), "compute": ()}
NAMES = {"ncrisc": "reader", "brisc": "writer", "compute": "compute"}


def op(name: str, *args: Any) -> Op:
    """A device op call."""
    return Op(name=name, args=args, loc="k.py:3:1")


def program(thread: str, /, *body: Stmt, **fields: Any) -> Program:
    """A program that sits where the sample's program of that thread sits."""
    accessors = ACCESSORS.get(thread, ())
    given: dict[str, Any] = {
        "name": NAMES.get(thread, "other"),
        "thread": thread,
        "accessors": accessors,
        "common_args": tuple(f"{name}_addr" for name in accessors),
        "runtime_args": ("start", "count"),
        "body": body,
    }
    return Program(**(given | fields))


def said(*programs: Program, plan: Plan | None = PLAN, version: int = OP_TABLE_VERSION) -> str:
    """Code, place and message of everything held against programs."""
    file = ProgramFile(op_table_version=version, programs=programs)
    return "\n".join(f"{item.code} {item.message}" for item in check_programs(file, plan))


@pytest.mark.parametrize("make", [copy_artifact, gemm_artifact])
def test_sound_programs_pass(make: Any) -> None:
    """The rules refuse nothing that is right, with a plan or without."""
    plan, programs = make()
    assert check_programs(programs, plan) == ()
    assert check_programs(programs) == ()


def right_operand(spec: OpSpec, kind: str, choices: tuple[str, ...], thread: str) -> Any:
    """A correct value for an operand of a kind."""
    return {
        "cb": 0,
        "expr": ["+", "start", 1],
        "dst": 0,
        "tensor": "A",
        "l1": ["get_write_ptr", 0] if thread != "compute" else 0,
        "sem": 0,
        "float": 1.5,
        "enum": choices[0] if choices else None,
        "format": "Float16_b",
    }[kind]


@pytest.mark.parametrize("name", OPS)
def test_every_op_can_be_called(name: str) -> None:
    """Each op of the table passes with the right operands and fails with one operand too many."""
    spec = OPS[name]
    thread = "ncrisc" if "ncrisc" in spec.threads else "compute"
    args = [right_operand(spec, o.kind, o.choices, thread) for o in spec.operands]
    assert said(program(thread, op(name, *args)), plan=None) == ""
    assert f"takes {len(args)} operands" in said(program(thread, op(name, *args, 1)), plan=None)


@pytest.mark.parametrize("name", OPS)
def test_every_operand_is_checked(name: str) -> None:
    """An operand of the wrong kind is refused at every position of every op."""
    spec = OPS[name]
    thread = "ncrisc" if "ncrisc" in spec.threads else "compute"
    right = [right_operand(spec, o.kind, o.choices, thread) for o in spec.operands]
    for index, operand in enumerate(spec.operands):
        for wrong in WRONG:
            args = [*right[:index], wrong, *right[index + 1 :]]
            text = said(program(thread, op(name, *args)), plan=None)
            assert f"operand {operand.name} of {name}:" in text, wrong


@pytest.mark.parametrize("name", OPS)
def test_threads_are_held_to(name: str) -> None:
    """A compute op on a data-movement RISC, or the other way round, is refused."""
    for thread in ("brisc", "ncrisc", "compute"):
        text = said(program(thread, op(name)), plan=None)
        assert (f"cannot be issued by {thread}" in text) == (thread not in OPS[name].threads)


WRONG: list[Any] = [None, True, {}, "no such name", ["?", 1]]

CASES: list[tuple[str, tuple[Any, ...], str]] = [
    ("ncrisc", (op("cb_reserve_back", 7, 1),), "circular buffer 7 is not declared"),
    ("ncrisc", (op("cb_reserve_back", "start", 1),), "'start' is not a literal circular buffer id"),
    ("ncrisc", (op("cb_reserve_back", True, 1),), "not a literal circular buffer id"),
    ("ncrisc", (op("cb_reserve_back", 16, 1),),
     "CBEndpoint reader/0: operand cb of cb_reserve_back: ncrisc is not the producer of"),
    ("ncrisc", (op("cb_wait_front", 0, 1),), "ncrisc is not the consumer of circular buffer 0"),
    ("brisc", (op("cb_pop_front", 0, 1),), "brisc is not the consumer of circular buffer 0"),
    ("brisc", (op("cb_push_back", 16, 1),), "brisc is not the producer of circular buffer 16"),
    ("ncrisc", (op("noc_async_read_page", 0, "A", ["get_read_ptr", 0]),), "not the consumer"),
    ("brisc", (op("noc_async_write_page", 0, "C", ["get_write_ptr", 16]),), "not the producer"),
    ("ncrisc", (op("noc_async_read_page", 0, "C", ["get_write_ptr", 0]),),
     "'C' is not an accessor the program declares"),
    ("ncrisc", (op("noc_async_read_page", "A", "A", ["get_write_ptr", 0]),), "name 'A' is not"),
    ("ncrisc", (op("noc_async_read_page", -1, "A", ["get_write_ptr", 0]),), "index -1 is negative"),
    ("ncrisc", (op("zero_tile_region", 16, ["get_write_ptr", 0], 1, 1),), "not the producer"),
    ("ncrisc", (op("generate_reduce_scaler", 0, ["get_write_ptr", 0], float("nan")),),
     "not a float32 literal"),
    ("ncrisc", (op("fill_tile_l1", 0, ["get_write_ptr", 0], 1e39),), "not a float32 literal"),
    ("ncrisc", (op("noc_semaphore_set", 0, 1),), "semaphore 0 is not declared"),
    ("ncrisc", (op("noc_async_write", ["get_semaphore", 3], 0, 0, 0, 4),), "semaphore 3 is not"),
    ("ncrisc", (op("cb_reserve_back", 0, 3),),
     "CBCapacity reader/0: operand n of cb_reserve_back: 3 pages are more than circular buffer 0"),
    ("ncrisc", (op("cb_reserve_back", 0, -1),), "-1 pages cannot be moved"),
    ("compute", (op("pack_tile", 0, 0),), "compute is not the producer of circular buffer 0"),
    ("compute", (op("copy_tile", 16, 0, 0),), "compute is not the consumer of circular buffer 16"),
    ("compute", (op("matmul_init", 0, 16, 0),), "operand in1 of matmul_init: compute is not"),
    ("compute", (op("reduce_init", "SUM", "REDUCE_ROW", 0, 1, 0),), "operand out of reduce_init"),
    ("compute", (op("reduce_init", "MEAN", "REDUCE_ROW", 0, 1, 16),), "not one of SUM, AVG, MAX"),
    ("compute", (op("copy_tile", 0, 0, 4),),
     "DstCapacity compute/0: operand dst of copy_tile: DST tile 4 is beyond the 4 of this mode"),
    ("compute", (Loop(var="i", start=0, stop=4, body=(op("copy_tile", 0, 0, ["+", "i", 4]),)),),
     "DST tile 4 is beyond"),
    ("compute", (op("typecast_tile", 0, "Float32", "Float99"),), "'Float99' is not a data format"),
    ("compute", (op("copy_tile", 0, ["get_read_ptr", 0], 0),), "compute programs have no use"),
    ("compute", (op("acquire_dst"),), "device op 'acquire_dst' does not exist"),
    ("ncrisc", (Let(var="x", value=["+", 1]),), "operator + takes 2 operands, not 1"),
    ("ncrisc", (Let(var="x", value=["**", 1, 2]),), "operator '**' does not exist"),
    ("ncrisc", (Let(var="x", value=1.5),), "1.5 is not an expression"),
    ("ncrisc", (Let(var="x", value=True),), "True is not an expression"),
    ("ncrisc", (Let(var="x", value=[]),), "[] is not an expression"),
    ("ncrisc", (Let(var="x", value=2**33),), "does not fit 32 bits"),
    ("ncrisc", (Let(var="x", value=["//", "start", 0]),), "// divides by zero"),
    ("ncrisc", (Let(var="x", value=["get_write_ptr", "start"]),), "get_write_ptr: 'start' is not"),
    ("ncrisc", (Let(var="x", value=1), Let(var="x", value=2)), "reader/1: 'x' is bound already"),
    ("ncrisc", (Let(var="start", value=1),), "'start' is bound already"),
    ("ncrisc", (Let(var="A", value=1),), "'A' is bound already"),
    ("ncrisc", (Let(var="2x", value=1),), "'2x' is not an identifier"),
    ("ncrisc", (Let(var="x", value="y"), Let(var="y", value=1)), "name 'y' is not an argument"),
    ("ncrisc", (Loop(var="i", start=0, stop=2, body=()), Let(var="x", value="i")),
     "reader/1: name 'i' is not"),
    ("ncrisc", (Loop(var="i", start=0, stop="i", body=()),), "name 'i' is not"),
    ("ncrisc", (Loop(var="i", start=0, stop=2, step=0, body=()),), "the loop's step is zero"),
    ("ncrisc", (Loop(var="i", start=0, stop=2, body=(Loop(var="i", start=0, stop=2, body=()),)),),
     "reader/0.0: 'i' is bound already"),
    ("ncrisc", (If(cond="z", then=(), orelse=()),), "name 'z' is not"),
    ("ncrisc", (If(cond=1, then=(Let(var="x", value=1),)), Let(var="y", value="x")),
     "reader/1: name 'x' is not"),
    ("ncrisc", (If(cond=1, then=(), orelse=(Let(var="x", value=1), op("nothing"))),),
     "reader/0.e1: device op 'nothing'"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("thread", "body", "words"), CASES, ids=lambda v: v if isinstance(v, str) else None
)
def test_rule(thread: str, body: Any, words: str) -> None:
    """A statement that breaks the rule is named by its place in the tree, with the reason."""
    assert words in said(program(thread, *body))


DECLARATIONS: list[tuple[dict[str, Any], str]] = [
    ({"thread": "trisc"}, "thread 'trisc' does not exist; one of brisc, ncrisc, compute"),
    ({"name": "a b"}, "the program's name is not an identifier"),
    ({"runtime_args": ("start", "start")}, "argument 'start' is declared twice"),
    ({"compile_args": ("A",)}, "argument 'A' is declared twice"),
    ({"runtime_args": ("no-name",)}, "argument 'no-name' is not an identifier"),
    ({"common_args": ("A_addr",)}, "accessor B has no common argument B_addr"),
    ({"thread": "compute"}, "a compute program has no tensor accessors"),
]


@pytest.mark.parametrize(("fields", "words"), DECLARATIONS)
def test_declarations(fields: Any, words: str) -> None:
    """Names are identifiers, once each, and every accessor has its address."""
    assert words in said(program("ncrisc", **fields))


def test_scopes_end_with_their_body() -> None:
    """Two loops in a row may use one name; what a branch binds ends with the branch."""
    loop = Loop(var="i", start=0, stop=2, body=(Let(var="x", value="i"),))
    branch = If(cond="start", then=(Let(var="x", value=1),), orelse=(Let(var="x", value=2),))
    assert said(program("ncrisc", loop, loop, branch, Let(var="x", value=3))) == ""


def test_two_programs_of_one_name() -> None:
    """The plan places programs by name, so names are unique."""
    assert "another program has this name" in said(program("ncrisc"), program("ncrisc"))


def test_op_table_version() -> None:
    """Programs of another op table mean something else."""
    other = OP_TABLE_VERSION - 1
    assert f"op table {other}; this is {OP_TABLE_VERSION}" in said(version=other)


def test_spilled_float32_never_feeds_the_matrix_unit() -> None:
    """A buffer unpacked to DST keeps 32 bits only on the copy path; the FPU would truncate it."""
    plan = edited(PLAN, "circular_buffers.2.consumer", "compute")
    plan = edited(plan, "circular_buffers.2.unpack_to_dest", True)
    for body, sound in (
        ((op("reconfig_data_format_srca", 16), op("copy_tile", 16, 0, 0)), True),
        ((op("matmul_tiles", 0, 16, 0, 0, 0),), False),
        ((op("transpose_tile", 16, 0, 0),), False),
        ((op("add_tiles", 16, 16, 0, 0, 0),), False),
        ((op("reduce_tile", "SUM", "REDUCE_ROW", 16, 1, 0, 0, 0),), False),
    ):  # fmt: skip
        text = said(program("compute", *body), plan=plan)
        assert ("unpacked to DST and cannot feed the matrix unit" in text) != sound


def test_the_matrix_unit_takes_reals_of_one_kind_or_bytes() -> None:
    """Datums in SrcA and SrcB are computed with in one format, whatever was unpacked into them."""
    for a, b, body, sound in (
        ("Float16_b", "Int32", op("add_tiles", 0, 1, 0, 0, 0), False),
        ("Float16_b", "UInt16", op("reduce_tile", "MAX", "REDUCE_ROW", 0, 1, 0, 0, 0), False),
        ("Int8", "Int8", op("mul_tiles_bcast_rows", 0, 1, 0, 0, 0), False),
        ("Int8", "Float16_b", op("matmul_tiles", 0, 1, 0, 0, 0), False),
        ("Int8", "Int8", op("matmul_tiles", 0, 1, 0, 0, 0), True),
        ("Bfp8_b", "Float32", op("matmul_tiles", 0, 1, 0, 0, 0), True),
        ("Int32", "Int32", op("copy_tile", 0, 0, 0), True),
        ("Float16", "Float16_b", op("mul_tiles", 0, 1, 0, 0, 0), False),
        ("Float16", "Float16", op("mul_tiles", 0, 1, 0, 0, 0), True),
    ):
        plan = edited(edited(PLAN, "circular_buffers.0.data_format", a),
                      "circular_buffers.1.data_format", b)  # fmt: skip
        text = said(program("compute", body), plan=plan)
        assert ("ShapeMismatch compute/0" in text) != sound, (a, b, text)


def test_pages_fit_the_buffer_they_move_through() -> None:
    """A tensor read into a buffer of another format would be misread, not converted."""
    read = op("noc_async_read_page", 0, "A", ["+", ["get_write_ptr", 0], 2048])
    assert said(program("ncrisc", read)) == ""
    plan = edited(PLAN, "layouts.A.dtype", "uint16")
    assert "ShapeMismatch reader/0: tensor A has UInt16 tiles" in said(
        program("ncrisc", read), plan=plan
    )


@pytest.mark.parametrize("depth", [MAX_DEPTH, MAX_DEPTH + 1, 500])
def test_expressions_have_a_depth(depth: int) -> None:
    """Nesting is bounded, so neither checking nor compiling can run out of stack."""
    value: Any = 1
    for _ in range(depth):
        value = ["+", value, 1]
    assert ("nested deeper" in said(program("ncrisc", Let(var="x", value=value)))) == (
        depth > MAX_DEPTH
    )


@pytest.mark.parametrize("depth", [MAX_NESTING, MAX_NESTING + 1, 200])
def test_statements_have_a_depth(depth: int) -> None:
    """Likewise loops in loops."""
    stmt: Stmt = op("noc_async_read_barrier")
    for level in range(depth - 1):
        stmt = Loop(var=f"i{level}", start=0, stop=1, body=(stmt,))
    assert ("nested deeper" in said(program("ncrisc", stmt))) == (depth > MAX_NESTING)


def test_many_findings_are_cut_short() -> None:
    """A program wrong on every line gives forty findings and says that there are more."""
    text = said(program("ncrisc", *[op("nothing")] * 100)).splitlines()
    assert len(text) == 41
    assert "the rest is left out" in text[-1]


def test_findings_carry_source_locations() -> None:
    """A finding leads back to the kernel's source line, of the nearest statement that has one."""
    loop = Loop(var="i", start=0, stop=2, body=(Op(name="nothing"),), loc="k.py:9:1")
    file = ProgramFile(op_table_version=OP_TABLE_VERSION, programs=(program("ncrisc", loop),))
    (found,) = check_programs(file)
    assert (found.program, found.path, found.location) == ("reader", "0.0", "k.py:9:1")


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"name": "a b"}, "name"),
        ({"thread": "triscy"}, "thread"),
        ({"runtime_args": ("n", "n")}, "runtime_args[1]"),
        ({"common_args": ("A_addr", "(9,9)")}, "common_args[1]"),
        ({"accessors": ("A", "Q")}, "accessors[1]"),
    ],
)
def test_what_a_program_declares_is_located_by_its_json_path(
    change: dict[str, Any], place: str
) -> None:
    """No finding is without a place, those outside any statement included."""
    wrong = msgspec.structs.replace(program("ncrisc", op("noc_async_read_barrier")), **change)
    file = ProgramFile(op_table_version=OP_TABLE_VERSION, programs=(wrong,))
    assert f"$.programs[0].{place}" in [f.location for f in check_programs(file)]


@pytest.mark.parametrize(
    ("expr", "reach"),
    [
        (7, (7, 7)),
        ("i", (2, 5)),
        ("n", None),
        (["+", "i", 1], (3, 6)),
        (["-", 1, "i"], (-4, -1)),
        (["*", "i", -2], (-10, -4)),
        (["//", "i", 2], (1, 2)),
        (["%", "n", 4], (0, 3)),
        (["min", "i", 3], (2, 3)),
        (["max", "i", 3], (3, 5)),
        (["<", "n", 1], (0, 1)),
        (["?", "n", "i", 9], (2, 9)),
        (["+", "n", 1], None),
        (["//", 7, "n"], None),
    ],
)
def test_ranges_are_sound(expr: Any, reach: Any) -> None:
    """Ranges never leave a value out, so what is refused for its range is certainly wrong."""
    complaints: list[str] = []
    names = {"i": (2, 5), "n": None}
    found = check_expression(expr, names, complaints.append, lambda *_: None)
    assert (found, complaints) == (reach, [])
