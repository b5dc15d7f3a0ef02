"""Plans of row-major tensors: accepted from JSON and run, or refused where they are wrong."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest

from simulator.errors import ArtifactError
from simulator.plan.load import dump_plan, dump_programs, load_plan, load_programs, programs_sha256
from simulator.plan.schema import Plan
from simulator.plan.validate import validate_artifact
from simulator.program import Op, ProgramFile
from simulator.run import execute
from tests.simulator.plan.editing import refusals, spelled_out
from tests.simulator.plan.samples import copy_artifact


def rows_artifact(width: int = 96, **changes: Any) -> tuple[Plan, ProgramFile]:
    """The copy of the samples over 6 rows of 90 datums; ``changes`` are values by path."""
    plan, programs = copy_artifact()
    data = spelled_out(plan)
    for layout in data["layouts"].values():
        layout |= {"logical_shape": [6, 90], "padded_shape": [6, width], "tile_shape": [1, width]}
    data["circular_buffers"][0] |= {"tile_shape": [1, width], "page_bytes": 2 * width}
    data |= {"kernel_grid": [1, 6, 1], "work_partition": {"(0,0)": [
        {"io": row, "jo": 0, "tile_order": "row_major"} for row in range(6)]}}  # fmt: skip
    data["output_blocks"]["B"] |= {"x": [0, 0]}
    for place, value in changes.items():
        level = data
        *steps, last = place.split("__")
        for step in steps:
            level = level[int(step) if step.isdigit() else step]
        level[last] = value
    return msgspec.convert(data, Plan), programs


def test_a_plan_of_rows_is_sound_and_runs() -> None:
    """From JSON to arrays: validated, loaded, executed, and B is A."""
    plan, programs = rows_artifact()
    assert validate_artifact(plan, programs) == ()
    plan, programs = load_plan(dump_plan(plan)), load_programs(dump_programs(programs))
    a = np.arange(540, dtype=np.float32).reshape(6, 90) % 127
    result = execute(plan, programs, {"A": a})
    assert result.findings == ()
    assert (result.outputs["B"] == a).all()


def test_a_plan_may_move_parts_of_rows() -> None:
    """The ops for parts of pages pass the check of programs, through tiles too."""
    plan, programs = rows_artifact(circular_buffers__0__tile_shape=[32, 32],
                                   circular_buffers__0__page_bytes=2048)  # fmt: skip
    assert [text.split()[0] for text in refusals(plan, programs)] == ["ShapeMismatch"] * 2
    text = dump_programs(programs).decode()
    for kind, pointer in (("read", "get_write_ptr"), ("write", "get_read_ptr")):
        tail = f'["{pointer}", 0]'
        assert tail in text
        text = text.replace(f"noc_async_{kind}_page", f"noc_async_{kind}_partial_page")
        text = text.replace(f"{tail}]", f"{tail}, 0, 192]")
    programs = load_programs(text.encode())
    plan = msgspec.structs.replace(plan, programs_sha256=programs_sha256(programs))
    assert refusals(plan, programs) == []
    a = np.arange(540, dtype=np.float32).reshape(6, 90) % 127
    result = execute(plan, programs, {"A": a})
    assert result.findings == ()
    assert (result.outputs["B"] == a).all()


@pytest.mark.parametrize(
    ("width", "changes", "want"),
    [
        (90, {}, 'InvalidPlan $.layouts["A"].tile_shape[1]'),
        (112, {}, 'InvalidPlan $.layouts["A"].tile_shape[1]'),
        (96, {"device__name": "blackhole_p150", "device__arch": "blackhole",
              "device__board": "p150", "options__device": "blackhole_p150"},
         None),
        (96, {"layouts__A__dtype": "float32"}, "ShapeMismatch kernel.py:7:5"),
        (96, {"layouts__A__dtype": "bfloat8_b", "layouts__A__padding": "zero"},
         'InvalidPlan $.layouts["A"].tile_shape'),
        (96, {"layouts__A__tile_shape": [1, 40_000]}, 'InvalidPlan $.layouts["A"].tile_shape'),
        (96, {"layouts__A__tile_shape": [2, 96]}, 'InvalidPlan $.layouts["A"].tile_shape'),
        (96, {"circular_buffers__0__tile_shape": [1, 64],
              "circular_buffers__0__page_bytes": 128}, "ShapeMismatch kernel.py:7:5"),
        (96, {"circular_buffers__0__page_bytes": 128},
         "InvalidPlan $.circular_buffers[0].page_bytes"),
        (96, {"circular_buffers__0__consumer": "compute"},
         "InvalidPlan $.circular_buffers[0].tile_shape"),
        (96, {"circular_buffers__0__data_format": "Bfp8_b"},
         "InvalidPlan $.circular_buffers[0].tile_shape"),
    ],
)  # fmt: skip
def test_wrong_plans_of_rows(width: int, changes: dict[str, Any], want: str | None) -> None:
    """A width that is no aligned row, formats without rows, buffers that do not match."""
    found = refusals(*rows_artifact(width, **changes))
    assert (found == []) if want is None else want in found


@pytest.mark.parametrize(
    ("changes", "location"),
    [
        ({"layouts__B__tile_shape": [32, 96]}, '$.layouts["B"]'),
        ({"layouts__B__tile_shape": [1, 2**31]}, '$.layouts["B"]'),
        ({"layouts__B__dtype": ""}, '$.layouts["B"]'),
        ({"layouts__A__padded_shape": [32, 96]}, '$.layouts["A"]'),
        ({"layouts__A__view": [1, 1]}, '$.layouts["A"]'),
        ({"kernels__0__common_args__A_addr__addr": [1]}, "$.kernels[0].common_args.A_addr"),
        ({"kernels__0__runtime_args": {"(0,0)": [0, 2**63]}}, "$.kernels[0].runtime_args.(0,0)"),
        ({"kernels__0__runtime_args": {"(0,0)": [0, {"noc_xy": 5}]}},
         "$.kernels[0].runtime_args.(0,0)"),
    ],
)  # fmt: skip
def test_damaged_plans_are_refused_without_validation(
    changes: dict[str, Any], location: str
) -> None:
    """Who runs a plan that nobody validated gets a located error, no traceback."""
    plan, programs = rows_artifact(**changes)
    with pytest.raises(ArtifactError) as caught:
        execute(plan, programs, {"A": np.zeros((6, 90), np.float32)})
    assert caught.value.findings[0].location == location


@pytest.mark.parametrize("operator", [["get_write_ptr", 0], [], {}, None, 1.5])
def test_operators_that_are_no_names(operator: Any) -> None:
    """An expression whose operator is an expression is a finding where it stands."""
    plan, programs = rows_artifact()
    reader, writer = programs.programs
    first = msgspec.structs.replace(reader, body=(Op(name="cb_reserve_back", loc="here",
                                                     args=(0, [operator, 1, 2])),))  # fmt: skip
    result = execute(plan, (first, writer), {"A": np.zeros((6, 90), np.float32)})
    assert [(item.code, item.location) for item in result.findings] == [("InvalidProgram", "here")]
