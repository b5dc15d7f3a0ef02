"""Reading and writing plans and programs: canonical bytes, limits, and errors with a place."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.errors import ArtifactError, UnreadableError
from simulator.plan.load import (
    dump_plan,
    dump_programs,
    load_plan,
    load_programs,
    plan_schema,
    programs_schema,
    programs_sha256,
)
from simulator.program import If, Loop, Op, Program, ProgramFile
from simulator.strict_json import MAX_DEPTH, decode, nesting, render
from tests.simulator.plan.editing import changed, spelled_out
from tests.simulator.plan.samples import copy_artifact, gemm_artifact

SCHEMAS = Path(__file__).parents[3] / "docs" / "schema"


@pytest.mark.parametrize("make", [copy_artifact, gemm_artifact])
def test_round_trip(make: Any) -> None:
    """A plan read back is the same plan, and writing it again gives the same bytes."""
    plan, programs = make()
    assert load_plan(dump_plan(plan)) == plan
    assert dump_plan(load_plan(dump_plan(plan))) == dump_plan(plan)
    assert load_programs(dump_programs(programs)) == programs
    assert dump_programs(load_programs(dump_programs(programs))) == dump_programs(programs)


def test_programs_are_one_statement_per_line() -> None:
    """A person can read and diff programs.json: loops indent, else-branches stand apart."""
    body = (
        Loop(
            var="i",
            start=0,
            stop=4,
            body=(
                If(cond=["<", "i", 2], then=(Op(name="a"),), orelse=(Op(name="b", args=(1.5,)),)),
            ),
        ),
        Op(name="c", loc="k.py:1:2"),
    )
    file = ProgramFile(op_table_version=1, programs=(Program(name="p", thread="brisc", body=body),))
    text = dump_programs(file).decode()
    assert text.splitlines()[4:-1] == [
        '  {"kind": "for", "var": "i", "start": 0, "stop": 4, "body": [',
        '    {"kind": "if", "cond": ["<", "i", 2], "then": [',
        '      {"kind": "op", "name": "a"}',
        '    ], "orelse": [',
        '      {"kind": "op", "name": "b", "args": [1.5]}',
        "    ]}",
        "  ]},",
        '  {"kind": "op", "loc": "k.py:1:2", "name": "c"}',
        "]}",
    ]
    assert load_programs(text.encode()) == file


def test_layout_of_the_file_does_not_change_the_hash() -> None:
    """The hash is over meaning: reformatting programs.json is not an edit."""
    _, programs = gemm_artifact()
    loose = json.dumps(json.loads(dump_programs(programs)), indent=4).encode()
    assert programs_sha256(load_programs(loose)) == programs_sha256(programs)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "not JSON"),
        (b'{"a": 1', "not JSON"),
        (b"\xff\xfe", "not UTF-8"),
        (b'{"a": 1, "a": 2}', "key 'a' twice"),
        (b'{"a": NaN}', "NaN is not a JSON number"),
        (b'{"a": -Infinity}', "-Infinity"),
        (b'{"a": 1e999}', "out of range"),
        (b'{"a": ' + b"9" * 5000 + b"}", "not readable JSON"),
        (b'{"a": "\\ud800"}', "surrogate"),
        (b'{"a": ["\\u001b[2J"]}', "control character"),
        (b'{"\x7f": 1}', "control character"),
        ('{"a": "\u0085"}'.encode(), "control character"),
        (b'{"a": "' + b"x" * 5000 + b'"}', "a string of 5000 characters"),
        (b"[" * 100_000, f"at most {MAX_DEPTH}"),
        (b'{"a":' * 300 + b"1" + b"}" * 300, "nested 300 deep"),
    ],
)
def test_what_is_not_json_is_unreadable(data: bytes, words: str) -> None:
    """Damaged files give one clear message, not a traceback, and not a finding about meaning."""
    with pytest.raises(UnreadableError, match=words) as caught:
        load_plan(data)
    assert caught.value.location == "tt.plan.json"


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """The message says which file could not be read and why."""
    with pytest.raises(UnreadableError, match="No such file") as caught:
        load_plan(tmp_path / "tt.plan.json")
    assert str(tmp_path) in str(caught.value)


@pytest.mark.parametrize(
    ("place", "value", "path", "words"),
    [
        (("circular_buffers", 2, "depth"), "two", "$.circular_buffers[2].depth", 'found "two"'),
        (("circular_buffers", 2, "depth"), 0, "$.circular_buffers[2].depth", ">= 1"),
        (("circular_buffers", 2, "depth"), 2**32, "$.circular_buffers[2].depth", "<= 4294967295"),
        (("circular_buffers", 0, "producer"), "trisc", "$.circular_buffers[0].producer", "trisc"),
        (("work_partition", "(1,3)", 1, "io"), -1, '$.work_partition["(1,3)"][1].io', "found -1"),
        (("layouts", "C", "memory"), "HBM", '$.layouts["C"].memory', "Invalid enum value 'HBM'"),
        (("layouts", "C", "colour"), 1, '$.layouts["C"]', "unknown field `colour`"),
        (("kernels", 0, "compile_args", "A"), "A", '$.kernels[0].compile_args["A"]', 'found "A"'),
        (("core_grid",), [3], "$.core_grid", "length 2"),
        (("schema_version",), True, "$.schema_version", "got `bool`"),
    ],
)
def test_schema_errors_name_the_place(place: Any, value: Any, path: str, words: str) -> None:
    """Path with the key, what was found and what was expected, under one code."""
    plan = changed(spelled_out(gemm_artifact()[0]), place, value)
    with pytest.raises(ArtifactError) as caught:
        load_plan(json.dumps(plan).encode())
    (finding,) = caught.value.findings
    assert (finding.code, finding.location) == ("InvalidPlan", path)
    assert words in finding.message


def test_schema_errors_of_programs_have_their_own_code() -> None:
    """A statement of an unknown kind is an InvalidProgram with its place."""
    programs = spelled_out(gemm_artifact()[1])
    programs["programs"][0]["body"][0]["kind"] = "while"
    with pytest.raises(ArtifactError) as caught:
        load_programs(json.dumps(programs).encode())
    (finding,) = caught.value.findings
    assert finding.code == "InvalidProgram"
    assert finding.location == "$.programs[0].body[0].kind"


@pytest.mark.parametrize(
    ("name", "schema"),
    [("tt.plan.schema.json", plan_schema), ("programs.schema.json", programs_schema)],
)
def test_committed_schemas_are_current(name: str, schema: Any) -> None:
    """docs/schema is what the code reads; write the file anew when this fails."""
    assert (SCHEMAS / name).read_bytes() == render(schema())


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner),
    max_leaves=20,
)


def depth_of(value: Any) -> int:
    """Nesting of a decoded value, the plain way."""
    if isinstance(value, (list, dict)):
        items = value.values() if isinstance(value, dict) else value
        return 1 + max((depth_of(item) for item in items), default=0)
    return 0


@given(json_values)
def test_json_survives(value: Any) -> None:
    """Whatever is rendered is decoded to the same value, with its depth told beforehand."""
    data = render(value)
    assert decode(data, location="x") == value
    assert render(decode(data, location="x")) == data
    assert nesting(json.dumps(value).encode()) == depth_of(value)


@given(st.binary(max_size=200) | st.text('{}[]",:\\1a', max_size=60).map(str.encode))
def test_no_bytes_crash_the_reader(data: bytes) -> None:
    """Any bytes are a plan, an invalid plan or unreadable; nothing else comes out."""
    try:
        load_plan(data)
    except (ArtifactError, UnreadableError) as error:
        assert str(error)  # noqa: PT017  (any of the two will do)
