"""Passes 1 and 2 against what upstream's did wrong: grids, names, partial and wrong annotations."""

from __future__ import annotations

from typing import Any

import pytest

from harness.compiler import (
    annotate_tt_layout,
    annotate_tt_schedule,
    attrs,
    ir_sugar,
    lower,
    validate_plan,
)
from harness.compiler.attrs import CoreRange, WorkItem
from harness.errors import CompileError, OptionError
from tests.harness.compiler import samples


@pytest.mark.parametrize("grid", [(1,), (2, 3), (2, 3, 4), (1, 1, 5)])
def test_the_grid_is_t_kernels(grid: tuple[int, ...]) -> None:
    """Upstream read T.Kernel(2, 3) as [1, 1], and dropped the third dimension."""
    gx, gy, gz = (*grid, 1, 1)[:3]
    text = (
        "@T.prim_func\n"
        f'def f(X: T.Tensor(({gz}, {32 * gy}, {32 * gx}), "bfloat16"),'
        f' Y: T.Tensor(({gz}, {32 * gy}, {32 * gx}), "bfloat16")):\n'
        f"    with T.Kernel({gx}, {gy}, {gz}) as (bx, by, bz):\n"
        '        s = T.alloc_shared((32, 32), "bfloat16")\n'
        "        T.copy(X[bz, by * 32, bx * 32], s)\n"
        "        T.copy(s, Y[bz, by * 32, bx * 32])\n"
    )
    func = samples.only(samples.staged(samples.from_text(text, "f"), 1))
    assert attrs.get(func, attrs.TT_CORE_GRID) == [gx, gy]
    assert attrs.get(func, attrs.TT_KERNEL_GRID) == [gx, gy, gz]


def test_a_stated_grid_must_be_the_kernels() -> None:
    """The attribute does not override what the body does."""
    right = ir_sugar.with_core_grid(samples.gemm(), 2, 3)
    assert samples.plan(right)["kernel_grid"] == [2, 3, 1]
    with pytest.raises(CompileError) as caught:
        lower(ir_sugar.with_core_grid(samples.gemm(), 3, 2))
    assert caught.value.code == "LayoutConflict"


@pytest.mark.parametrize(
    ("inputs", "output"),
    [
        (("A", "B"), "C"),
        (("C", "output"), "A"),
        (("weight", "result"), "input"),
        (("Out", "c"), "a"),
        (("ab", "ba"), "x"),
    ],
)
def test_roles_come_from_what_the_body_does(inputs: tuple[str, str], output: str) -> None:
    """Upstream took a tensor called C or output for the result, and weight for interleaved."""
    text = (
        "@T.prim_func\n"
        f'def f({output}: T.Tensor((64, 64), "bfloat16"), {inputs[0]}: T.Tensor((64, 64),'
        f' "bfloat16"), {inputs[1]}: T.Tensor((64, 64), "bfloat16")):\n'
        "    with T.Kernel(2, 2) as (bx, by):\n"
        '        p = T.alloc_shared((32, 32), "bfloat16")\n'
        '        q = T.alloc_shared((32, 32), "bfloat16")\n'
        f"        T.copy({inputs[0]}[by * 32, bx * 32], p)\n"
        f"        T.copy({inputs[1]}[by * 32, bx * 32], q)\n"
        "        for i, j in T.Parallel(32, 32):\n"
        "            p[i, j] = p[i, j] - q[i, j]\n"
        f"        T.copy(p, {output}[by * 32, bx * 32])\n"
    )
    data = samples.plan(samples.from_text(text, "f"))
    assert {n: la["role"] for n, la in data["layouts"].items()} == {
        inputs[0]: "input", inputs[1]: "input", output: "output",
    }  # fmt: skip
    assert data["io"] == [*inputs, output]
    assert list(data["output_blocks"]) == [output]


def test_a_tensor_read_and_written_is_both() -> None:
    """An in-place kernel's tensor is neither input nor output alone."""
    data = samples.plan(samples.fma())
    assert {n: la["role"] for n, la in data["layouts"].items()} == {
        "A": "input", "B": "input", "C": "inout",
    }  # fmt: skip


def test_partial_annotations_are_merged() -> None:
    """Upstream raised TypeError when only some tensors were annotated."""
    plain = samples.plan(samples.gemm())
    for func in (
        ir_sugar.with_layout_desc(samples.gemm(), {"A": {"shard": "DRAM"}}),
        annotate_tt_layout(samples.gemm(), {"B": {"memory": "DRAM", "layout": "interleaved"}}),
        annotate_tt_layout(
            ir_sugar.with_layout_desc(samples.gemm(), {"A": {"interleave": True}}),
            {"A": {"tile_shape": [32, 32]}, "C": {"tile_id_order": "row_major"}},
        ),
    ):
        assert samples.plan(func) == plain


@pytest.mark.parametrize(
    "annotation",
    [
        {"memory": "HBM"},
        {"shard": "HBM"},
        {"memory": "DRAM", "shard": "L1"},
        {"shard": "L1", "interleave": False},
        {"shard": "L1", "layout": "sharded"},
        {"interleave": False},
        {"layout": "interleaved", "interleave": False},
        {"layout": "sharded"},
        {"layout": "tiled"},
        {"tile_id_order": "column_major"},
        {"tile_id_order": "match_shard"},
        {"tile_id_order": "z_order"},
        {"tile_id_order": "any"},
        {"tile_shape": [16, 32]},
        {"tile_shape": [32]},
        {"nd_shard": {"axes": ["M", "N"]}},
        {"halo": 1},
        {"cb_depth": 4},
        {"dtype": "float32"},
        {"role": "output"},
        {"logical_shape": [95, 128]},
        {"padded_shape": [128, 128]},
        {"padding": "zero"},
        {"memory": 3},
    ],
)
@pytest.mark.parametrize("way", ["tt.layout_desc", "tt.user_layout"])
def test_an_annotation_without_effect_is_refused(annotation: dict[str, Any], way: str) -> None:
    """Upstream let unknown memories through, replaced unknown orders and warned about the rest."""
    with pytest.raises(CompileError) as caught:
        lower(samples.gemm().with_attr(way, {"A": annotation}))
    assert caught.value.code == "LayoutConflict"
    assert caught.value.location == "tt.layout_desc.A"
    assert caught.value.next_step


def test_an_annotation_for_no_tensor_is_refused() -> None:
    """A misspelt tensor name is an error that lists the tensors, not a warning in a log."""
    with pytest.raises(CompileError) as caught:
        lower(annotate_tt_layout(samples.gemm(), {"D": {"memory": "DRAM"}}))
    assert "A, B, C" in str(caught.value.next_step)


def test_annotations_take_kernels_only() -> None:
    """The annotation helpers refuse anything but a PrimFunc, as upstream's did."""
    for annotate in (annotate_tt_layout, annotate_tt_schedule):
        with pytest.raises(TypeError, match="PrimFunc"):
            annotate(samples.module(main=samples.gemm()), {})


def test_a_schedule_annotation_decides_where_blocks_run() -> None:
    """Upstream attached tt.user_schedule, and no pass of its pipeline read it."""
    ranges = [CoreRange((0, 0), (1, 2)), CoreRange((3, 3), (1, 1))]
    items = {
        "(0,0)": [WorkItem(0, 0), WorkItem(0, 1)],
        "(0,1)": [WorkItem(1, 0), WorkItem(1, 1)],
        "(3,3)": [WorkItem(2, 0), WorkItem(2, 1)],
    }
    schedule = {"partition_mode": "global", "core_ranges": ranges, "work_partition": items}
    data = samples.plan(annotate_tt_schedule(samples.gemm(), schedule))
    assert [r["start"] for r in data["core_ranges"]] == [[0, 0], [3, 3]]
    assert {c: [(i["io"], i["jo"]) for i in l_] for c, l_ in data["work_partition"].items()} == {
        "(0,0)": [(0, 0), (0, 1)], "(0,1)": [(1, 0), (1, 1)], "(3,3)": [(2, 0), (2, 1)],
    }  # fmt: skip
    plain = {
        "core_ranges": [r.to_json() for r in ranges],
        "work_partition": {c: [i.to_json() for i in l_] for c, l_ in items.items()},
    }
    assert samples.plan(annotate_tt_schedule(samples.gemm(), plain)) == data


@pytest.mark.parametrize(
    "schedule",
    [
        {"partition_mode": "local"},
        {"grid_tiles": [3, 2]},
        {"shard_grid": [2, 2]},
        {"local_shape_tiles": [1, 1]},
        {"runtime_args": ["start_id"]},
        {"policy": "contiguous"},
    ],
)
def test_a_schedule_key_without_effect_is_refused(schedule: dict[str, Any]) -> None:
    """What the pipeline would not follow is refused where it is given."""
    with pytest.raises(OptionError) as caught:
        annotate_tt_schedule(samples.gemm(), schedule)
    assert caught.value.next_step


def test_every_on_chip_buffer_has_format_and_page() -> None:
    """Pass 2 describes the source's own buffers from their dtype, not from their names."""
    func = samples.only(samples.staged(samples.gemm(bm=64, bk=64, dtype="float16"), 2))
    found = attrs.get(func, attrs.TT_ONCHIP_DESC)
    assert {n: (d["data_format"], d["page_bytes"], d["tiles"]) for n, d in found.items()} == {
        "a": ("Float16", 2048, [1, 2, 2]),
        "b": ("Float16", 2048, [1, 2, 1]),
        "c": ("Float32", 4096, [1, 2, 1]),
    }


def test_every_layout_can_be_executed_alone() -> None:
    """Upstream's plan named neither shapes nor dtypes, so nothing could be run from it."""
    data = samples.plan(samples.gemm(100, 70, 50))
    assert data["layouts"]["B"]["logical_shape"] == [50, 70]
    assert data["layouts"]["B"]["padded_shape"] == [64, 96]
    for layout in data["layouts"].values():
        assert {"dtype", "logical_shape", "padded_shape", "role"} <= set(layout)
    assert validate_plan(data) == []
