"""One broken plan per rule: where it is found, under which code, and in which words."""

from __future__ import annotations

from typing import Any

import pytest

from simulator.findings import Finding
from simulator.plan.validate import validate_artifact, validate_plan
from tests.simulator.plan.editing import changed, edited, judge, spelled_out
from tests.simulator.plan.samples import copy_artifact, gemm_artifact

GEMM, PROGRAMS = gemm_artifact()
EVERYWHERE = [{"start": [1, 2], "extent": [2, 3]}]
CB = {
    "id": 5,
    "name": "spare",
    "page_bytes": 2048,
    "depth": 2,
    "data_format": "Float16_b",
    "producer": "compute",
    "consumer": "compute",
    "core_ranges": EVERYWHERE,
}
CBS = spelled_out(GEMM)["circular_buffers"]
L1_OUT = {
    "dtype": "float32",
    "logical_shape": [192, 32],
    "padded_shape": [192, 32],
    "role": "output",
    "memory": "L1",
    "layout": "sharded",
    "shard": {"strategy": "height", "core_ranges": EVERYWHERE, "shape": [32, 32]},
}

RULES: list[tuple[str, Any, str, str, str]] = [
    # place, new value, code, location, words of the message
    ("schema_version", 2, "InvalidPlan", "$.schema_version", "found 2; expected 1"),
    ("op_table_version", 9, "InvalidPlan", "$.op_table_version", "expected 2"),
    ("programs_sha256", "F" * 64, "InvalidPlan", "$.programs_sha256", "hexadecimal"),
    ("programs_sha256", "0" * 64, "PlanInconsistent", "$.programs_sha256", "other programs"),
    ("name", "", "InvalidPlan", "$.name", "no name"),
    ("device.name", "wormhole_n999", "InvalidPlan", "$.device.name", "blackhole_p150"),
    ("device.board", "n300", "PlanInconsistent", "$.device.board", "expected n150"),
    ("options.device", "wormhole_n300", "PlanInconsistent", "$.options.device", "n300"),
    ("options.grid", None, "PlanInconsistent", "$.options.grid", "expected [3, 5]"),
    ("options.fidelity", "LoFi", "PlanInconsistent", "$.options.fidelity", "expected HiFi3"),
    ("options.fp32_dest", False, "PlanInconsistent", "$.options.fp32_dest", "expected true"),
    ("core_grid", [9, 5], "InvalidPlan", "$.core_grid[0]", "at most 8"),
    ("core_grid", [2, 5], "InvalidPlan", "$.core_ranges[0]", "within 2 columns x 5 rows"),
    ("core_ranges", [], "InvalidPlan", "$.core_ranges", "at least one"),
    ("core_ranges", EVERYWHERE * 2, "InvalidPlan", "$.core_ranges[1]", "overlaps $.core_ranges[0]"),
    ("coalesce", [4, 1, 1], "InvalidPlan", "$.coalesce[0]", "at most 3"),
    ("kernel_grid", [2**20, 2**20, 1], "InvalidPlan", "$.kernel_grid", "too large"),
    ("kernel_grid", [3, 4, 2], "InvalidPlan", "$.work_partition", "12 of 24 blocks"),
    ("work_partition.(1,2).0.io", 9, "InvalidPlan", '$.work_partition["(1,2)"][0]', "io < 4"),
    ("work_partition.(1,2)", [], "InvalidPlan", "$.work_partition", "2 of 12 blocks belong to no"),
    ("work_partition.(1,2).0.jo", 1, "InvalidPlan", "$.work_partition", "listed 2 times, by (1,2)"),
    ("work_partition.(1,2).0.jo", 1, "PlanInconsistent", '$.work_descriptors["(1,2)"]', "item 0"),
    ("work_partition.(2,3).1.len_k", 1, "PlanInconsistent",
     '$.work_partition["(2,3)"][1].len_k', 'not what $.work_partition["(1,2)"][0] states'),
    ("work_partition.(2,3).1.tile_order", "block", "PlanInconsistent",
     '$.work_partition["(2,3)"][1].tile_order', "expected row_major"),
    ("work_descriptors.(1,2).count", 3, "PlanInconsistent", '$.work_descriptors["(1,2)"]',
     "found 3 blocks; expected 2 blocks"),
    ("work_descriptors.(1,2).start", 11, "InvalidPlan", '$.work_descriptors["(1,2)"]',
     "exceeds the 12 blocks"),
    ("work_descriptors.(1,2)", {"form": "rect", "x0": 2, "y0": 0, "width": 2, "height": 1},
     "InvalidPlan", '$.work_descriptors["(1,2)"]', "outside the work grid"),
    ("work_descriptors.(1,2)", {"form": "table", "tensor": "A", "start": 0, "count": 2},
     "InvalidPlan", '$.work_descriptors["(1,2)"].tensor', "not a work table"),
    ("output_blocks", {}, "InvalidPlan", "$.output_blocks", "output C has no block map"),
    ("output_blocks.A", {"base": [0], "x": [0], "y": [0], "z": [0], "extent": [1]},
     "InvalidPlan", '$.output_blocks["A"]', "not a tensor of role output"),
    ("output_blocks.C.x", [0, 1, 0], "InvalidPlan", '$.output_blocks["C"].x', "2 entries"),
    ("output_blocks.C.z", [0, 1], "InvalidPlan", '$.output_blocks["C"].z[1]', "axis of one block"),
    ("output_blocks.C.extent", [5, 1], "InvalidPlan", '$.output_blocks["C"].extent[0]', "most 4"),
    ("output_blocks.C.extent", [2, 1], "InvalidPlan", '$.output_blocks["C"]', "by 2 blocks; found"),
    ("output_blocks.C.y", [0, 0], "InvalidPlan", '$.output_blocks["C"]', "tile [0, 0] is written"),
    ("output_blocks.C.base", [1, 0], "InvalidPlan", '$.output_blocks["C"]', "write outside"),
    ("output_blocks.C.base", [-1, 0], "InvalidPlan", '$.output_blocks["C"]', "write outside"),
    ("output_blocks.C.coverage", "partial", "PlanInconsistent", '$.output_blocks["C"].coverage',
     "expected full"),
    ("output_blocks.C.coverage", "told", "InvalidPlan", '$.output_blocks["C"]',
     "all of the [4, 3] grid"),
    ("layouts.A.dtype", "float8", "InvalidPlan", '$.layouts["A"].dtype', "float8"),
    ("layouts.A.dtype", "float16", "ShapeMismatch", "kernel.py:7:5", "Float16_b tiles"),
    ("layouts.A.dtype", "bfloat8_b", "InvalidPlan", '$.layouts["A"].padding', "expected zero"),
    ("layouts.A.padded_shape", [128, 96], "PlanInconsistent", '$.layouts["A"].padded_shape',
     "expected [128, 64]"),
    ("layouts.A.padded_shape", [128], "PlanInconsistent", '$.layouts["A"].padded_shape', "[128]"),
    ("layouts.A.logical_shape", [1] * 9, "InvalidPlan", '$.layouts["A"].logical_shape', "1 to 8"),
    ("layouts.A.tile_shape", [24, 32], "InvalidPlan", '$.layouts["A"].tile_shape', "1, 2, 4"),
    ("layouts.A.layout", "sharded", "PlanInconsistent", '$.layouts["A"].shard', "no shard"),
    ("layouts.A.role", "table", "InvalidPlan", '$.layouts["A"].dtype', "expected uint32"),
    ("layouts.A.role", "table", "InvalidPlan", '$.layouts["A"].role', "no work descriptor"),
    ("layouts.A", {"dtype": "bfloat16", "logical_shape": [2**20] * 2, "padded_shape": [2**20] * 2,
                   "role": "input"}, "InvalidPlan", "$.layouts", "exceed DRAM"),
    ("layouts.a b", L1_OUT, "InvalidPlan", '$.layouts["a b"]', "identifier"),
    ("io", ["A", "B"], "InvalidPlan", "$.io", "tensor C is not listed"),
    ("io", ["A", "C", "B"], "InvalidPlan", "$.io[2]", "input B comes after output C"),
    ("io", ["A", "B", "B", "C"], "InvalidPlan", "$.io[2]", "twice"),
    ("io", ["A", "B", "D", "C"], "InvalidPlan", "$.io[2]", "not a tensor"),
    ("circular_buffers.0.id", 32, "InvalidPlan", "$.circular_buffers[0].id", "< 32"),
    ("circular_buffers.0.id", 1, "InvalidPlan", "$.circular_buffers[1].id", "another"),
    ("circular_buffers.0.name", "b", "InvalidPlan", "$.circular_buffers[1].name", "of its own"),
    ("circular_buffers.0.page_bytes", 1024, "InvalidPlan", "$.circular_buffers[0].page_bytes",
     "found 1024; expected 2048"),
    ("circular_buffers.0.depth", 70_000, "InvalidPlan", "$.circular_buffers[0].depth", "65535"),
    ("circular_buffers.0.depth", 700, "L1Overflow", "$.circular_buffers",
     "core range [(1,2) - (1,2)] grow to 1551712 B which is beyond max L1 size of 1499136 B"),
    ("circular_buffers.0.data_format", "Bf16", "InvalidPlan",
     "$.circular_buffers[0].data_format", "Bf16"),
    ("circular_buffers.0.unpack_to_dest", True, "InvalidPlan",
     "$.circular_buffers[0].unpack_to_dest", "expected Float32"),
    ("circular_buffers.2.unpack_to_dest", True, "InvalidPlan",
     "$.circular_buffers[2].unpack_to_dest", "consumer brisc"),
    ("layouts.C.role", "input", "PlanInconsistent", "kernel.py:7:5",
     "tensor C is written, its role is input"),
    ("circular_buffers.0.producer", "brisc", "CBEndpoint", "kernel.py:7:5", "not the producer"),
    ("circular_buffers.0.core_ranges", [{"start": [0, 2], "extent": [1, 1]}], "InvalidPlan",
     "$.circular_buffers[0].core_ranges", "core (0, 2) is not in"),
    ("circular_buffers.0.core_ranges", [{"start": [1, 2], "extent": [1, 3]}], "InvalidProgram",
     "kernel.py:7:5", "not on all cores of the program"),
    ("circular_buffers", [*CBS, {**CB, "alias_of": 77}], "InvalidPlan",
     "$.circular_buffers[3].alias_of", "no other"),
    ("circular_buffers", [*CBS, {**CB, "alias_of": 16}], "InvalidPlan",
     "$.circular_buffers[3].alias_of", "another size"),
    ("circular_buffers", [*CBS, {**CB, "tensor": "A"}], "InvalidPlan",
     "$.circular_buffers[3].tensor", "not a tensor sharded over L1"),
    ("semaphores", [{"id": 16, "core_ranges": EVERYWHERE}], "InvalidPlan", "$.semaphores[0].id",
     "< 16"),
    ("semaphores", [{"id": 1, "core_ranges": EVERYWHERE}] * 2, "InvalidPlan", "$.semaphores[1].id",
     "already in use"),
    ("kernels.0.program", "writer", "InvalidPlan", "$.kernels[2].program", "placed twice"),
    ("kernels.0.program", "nobody", "InvalidPlan", "$.kernels[0].program", "no such program"),
    ("kernels.0.program", "nobody", "InvalidPlan", "$.kernels", "program reader runs nowhere"),
    ("kernels.0.noc", 1, "InvalidPlan", "$.kernels[2].noc", "runs $.kernels[0] on that NoC"),
    ("kernels.0.noc", None, "InvalidPlan", "$.kernels[0]", "neither"),
    ("kernels.1.noc", 0, "InvalidPlan", "$.kernels[1]", "both"),
    ("kernels.0.core_ranges", [{"start": [1, 2], "extent": [2, 2]}], "InvalidPlan",
     '$.kernels[0].runtime_args["(1,4)"]', "not the key of one of the kernel's cores"),
    ("kernels.0.runtime_args.(1, 2)", [0, 2], "InvalidPlan",
     '$.kernels[0].runtime_args["(1, 2)"]', "no spaces"),
    ("kernels.0.runtime_args.(1,2)", [0], "PlanInconsistent",
     '$.kernels[0].runtime_args["(1,2)"]', "found 1 values; expected 2 values"),
    ("kernels.0.runtime_args.(1,2)", [1, 2], "PlanInconsistent",
     '$.kernels[0].runtime_args["(1,2)"][0]', "not the start"),
    ("kernels.0.runtime_args.(1,2)", [-1, 2], "InvalidPlan",
     '$.kernels[0].runtime_args["(1,2)"][0]', "unsigned 32-bit"),
    ("kernels.0.runtime_args.(1,2)", [0] * 340, "InvalidPlan", "$.kernels[0].runtime_args",
     "at most 341"),
    ("kernels.0.runtime_args", {}, "PlanInconsistent", "$.kernels[0].runtime_args", "found none"),
    ("kernels.0.compile_args", {"B": {"accessor": "B"}, "A": {"accessor": "A"}, "grid_x": 3},
     "PlanInconsistent", "$.kernels[0].compile_args", 'found ["B", "A", "grid_x"]'),
    ("kernels.0.compile_args.grid_x", {"accessor": "A"}, "InvalidPlan",
     '$.kernels[0].compile_args["grid_x"]', "not declared as an accessor"),
    ("kernels.0.compile_args.grid_x", {"addr": "A"}, "InvalidPlan",
     '$.kernels[0].compile_args["grid_x"]', "not an argument value of this place"),
    ("kernels.0.compile_args.A", 3, "InvalidPlan", '$.kernels[0].compile_args["A"]', "bound to"),
    ("kernels.0.common_args.A_addr", {"addr": "B"}, "PlanInconsistent",
     '$.kernels[0].common_args["A_addr"]', "the buffer accessor A is bound to"),
    ("kernels.0.common_args.A_addr", {"addr": "Z"}, "InvalidPlan",
     '$.kernels[0].common_args["A_addr"].addr', "does not exist"),
    ("kernels.0.common_args.A_addr", {"noc_xy": [8, 0]}, "InvalidPlan",
     '$.kernels[0].common_args["A_addr"].noc_xy', "does not exist"),
    ("kernels.0.common_args.A_addr", {"sem": 0}, "InvalidPlan",
     '$.kernels[0].common_args["A_addr"].sem', "does not exist"),
    ("kernels.0.work_args.start", "len_k", "PlanInconsistent",
     '$.kernels[0].runtime_args["(1,2)"][0]', "not the len_k"),
    ("kernels.0.work_args.count", "width", "PlanInconsistent",
     '$.kernels[0].runtime_args["(1,2)"][1]', "has no width"),
    ("kernels.0.work_args.begin", "start", "InvalidPlan", '$.kernels[0].work_args["begin"]',
     "no such runtime argument"),
    ("kernels.0.work_args.start", "begin", "InvalidPlan", '$.kernels[0].work_args["start"]',
     "not a field"),
]  # fmt: skip


def found_by(findings: tuple[Finding, ...], code: str, location: str, words: str) -> bool:
    """Whether some finding has that code, place and text."""
    return any(
        item.code == code and item.location == location and words in item.message
        for item in findings
    )


@pytest.mark.parametrize(
    ("place", "new", "code", "location", "words"),
    RULES,
    ids=[f"{index}-{row[0]}" for index, row in enumerate(RULES)],
)
def test_rule(place: str, new: Any, code: str, location: str, words: str) -> None:
    """A plan that breaks the rule is refused at the place concerned, with the values."""
    findings = validate_artifact(edited(GEMM, place, new), PROGRAMS)
    assert found_by(findings, code, location, words), "\n".join(i.message for i in findings)


@pytest.mark.parametrize("make", [copy_artifact, gemm_artifact])
def test_sound_artifacts_pass(make: Any) -> None:
    """The rules refuse nothing that is right."""
    assert validate_artifact(*make()) == ()


def test_an_erratum_is_a_warning() -> None:
    """HiFi4 with 32-bit DST on Wormhole may be asked for, and is pointed out."""
    plan = edited(GEMM, "kernels.1.compute.math_fidelity", "HiFi4")
    plan = edited(plan, "options.fidelity", "HiFi4")
    found = validate_artifact(plan, PROGRAMS)
    assert [(item.code, item.severity, item.location) for item in found] == [
        ("ErratumWH38306", "warning", "$.kernels[1].compute.math_fidelity")
    ]


def test_grayskull_has_no_32_bit_dst() -> None:
    """A mode the chip lacks is refused where it is asked for."""
    plan = edited(GEMM, "device", {"name": "grayskull_e150", "arch": "grayskull", "board": "e150"})
    assert found_by(validate_plan(plan), "InvalidPlan", "$.kernels[1].compute.fp32_dest_acc_en",
                    "no 32-bit destination")  # fmt: skip


def test_too_many_findings_are_counted() -> None:
    """A plan that is wrong in a thousand places gives a readable answer."""
    data = spelled_out(GEMM)
    data["work_partition"]["(1,2)"] = [
        {"io": 0, "jo": 0, "len_k": index + 1} for index in range(1000)
    ]
    found = judge(data, spelled_out(PROGRAMS))
    assert len(found) < 150
    assert any("more of this kind" in item.message for item in found)


@pytest.mark.parametrize(("depth", "fits"), [(668, True), (669, False)])
def test_clash_with_l1_tensors(depth: int, fits: bool) -> None:
    """Buffers from below and tensors from above share one L1, to the page."""
    data = spelled_out(GEMM)
    data["layouts"]["D"] = L1_OUT
    data["io"].append("D")
    # 105,824 + a + b (4,096) + c (16,384) must stay below D's shard at 1,499,136 - 4,096
    data["circular_buffers"][0]["depth"] = depth
    data["circular_buffers"][2]["depth"] = 4
    messages = [i.message for i in judge(data, spelled_out(PROGRAMS)) if i.code == "L1Overflow"]
    assert bool(messages) != fits
    assert fits or "clash with L1 buffers. L1 buffer allocated at 1495040" in messages[0]


def test_a_backed_buffer_takes_no_room_of_its_own() -> None:
    """A circular buffer over a shard is the shard: format, size and cores must be its own."""
    data = spelled_out(GEMM)
    data["layouts"]["D"] = L1_OUT
    data["io"].append("D")
    backed = {**CB, "tensor": "D", "data_format": "Float32", "page_bytes": 4096, "depth": 1}
    programs = spelled_out(PROGRAMS)

    def about_it(**fields: Any) -> list[str]:
        plan = {**data, "circular_buffers": [*CBS, {**backed, **fields}]}
        return [i.message for i in judge(plan, programs) if (i.location or "").startswith("$.circ")]

    assert about_it() == []
    assert "another size" in about_it(depth=2)[0]
    assert "another format" in about_it(data_format="Int32")[0]
    assert "other cores" in about_it(core_ranges=[{"start": [1, 2], "extent": [1, 1]}])[0]


def test_one_program_decodes_one_form() -> None:
    """Block 0 is block 0 in either order, but the program reads every start in one of them."""
    data = spelled_out(GEMM)
    one, two = list(data["work_partition"])[:2]
    data["work_partition"][two].insert(0, data["work_partition"][one].pop())
    for key, start, count in ((one, 0, 1), (two, 1, 3)):
        data["work_descriptors"][key] |= {"start": start, "count": count}
        for kernel, values in ((0, [start, count]), (1, [count]), (2, [start, count])):
            data["kernels"][kernel]["runtime_args"][key] = values
    assert judge(data, spelled_out(PROGRAMS)) == ()
    data["work_descriptors"][two]["order"] = "row_major"
    data["work_descriptors"][one]["order"] = "column_major"
    for item in (item for items in data["work_partition"].values() for item in items):
        item["tile_order"] = None
    found = judge(data, spelled_out(PROGRAMS))
    assert {item.code for item in found} == {"PlanInconsistent"}
    assert "found linear row_major; expected linear column_major" in found[0].message


def test_idle_cores_have_empty_lists() -> None:
    """More cores than blocks is legal: an idle core has no items and count 0."""
    data = changed(spelled_out(GEMM), ("kernel_grid",), [3, 2, 1])
    data["layouts"]["A"] |= {"logical_shape": [64, 64], "padded_shape": [64, 64]}
    data["layouts"]["C"] |= {"logical_shape": [64, 90], "padded_shape": [64, 96]}
    for key in list(data["work_partition"])[3:]:
        data["work_partition"][key] = []
        data["work_descriptors"][key] |= {"start": 0, "count": 0}
        for kernel, values in ((0, [0, 0]), (1, [0]), (2, [0, 0])):
            data["kernels"][kernel]["runtime_args"][key] = values
    assert judge(data, spelled_out(PROGRAMS)) == ()
