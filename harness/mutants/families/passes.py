"""What passes 1 to 3 leave behind: grid, layouts, formats, forms, and who gets which blocks."""

from __future__ import annotations

from typing import Any, Final

from harness.compiler import attrs
from harness.mutants.registry import Kind, Mutant, Where
from harness.mutants.tir import change_attr, change_each


def _one(where: Where, family: str, name: str, breaks: str, apply: Any,
         equivalent: str | None = None) -> Mutant:  # fmt: skip
    return Mutant(name, family, where, Kind.FUNC, breaks, apply, equivalent)


def _both(first: Any, second: Any) -> Any:
    """Two mutators, both or neither."""

    def apply(func: Any) -> Any:
        half = first(func)
        return None if half is None else second(half)

    return apply


def _scaled_down(desc: dict[str, Any]) -> dict[str, Any]:
    """A core's descriptor with its last block (or row of blocks) left out."""
    key = "count" if "count" in desc else "height"
    return {**desc, key: max(desc[key] - 1, 0)} if desc[key] else desc


def _last_core(table: dict[str, Any], change: Any) -> dict[str, Any]:
    busy = [c for c, v in table.items() if (v if isinstance(v, list) else
                                            v.get("count", v.get("height")))]  # fmt: skip
    return {**table, busy[-1]: change(table[busy[-1]])}


def _all_to_first(table: dict[str, Any]) -> dict[str, Any]:
    """Every list of work moved to the first core."""
    first = next(iter(table))
    everything = [item for items in table.values() for item in items]
    return {core: everything if core == first else [] for core in table}


def _first_only(table: dict[str, Any]) -> dict[str, Any]:
    first = next(iter(table))
    return {c: v if c == first else [] for c, v in table.items()}


def _idle(table: dict[str, Any]) -> dict[str, Any]:
    first = next(iter(table))
    zero = {"start": 0, "count": 0, "x0": 0, "y0": 0, "width": 0, "height": 0}
    return {c: v if c == first else {k: zero.get(k, x) for k, x in v.items()}
            for c, v in table.items()}  # fmt: skip


def _same_as_first(table: dict[str, Any]) -> dict[str, Any]:
    first = next(iter(table.values()))
    return dict.fromkeys(table, first)


def _swapped(table: dict[str, Any]) -> dict[str, Any]:
    names = list(table)
    if len(names) < 2:
        return table
    return {**table, names[0]: table[names[1]], names[1]: table[names[0]]}


ONE, TWO, THREE = Where.PASS1, Where.PASS2, Where.PASS3
L, F, W = "layouts", "on-chip formats", "block dealing"
MUTANTS: Final = (
    _one(ONE, L, "grid-transposed", "The grid has columns for rows.",
         change_attr(attrs.TT_KERNEL_GRID, lambda g: [g[1], g[0], g[2]])),
    _one(ONE, L, "grid-depth-dropped", "The grid's third axis is one.",
         change_attr(attrs.TT_KERNEL_GRID, lambda g: [*g[:2], 1])),
    _one(ONE, L, "layout-roles-inverted", "Inputs become outputs and outputs inputs.",
         change_each(attrs.TT_LAYOUT_DESC, lambda n, d: {
             "role": {"input": "output", "output": "input"}.get(d["role"], d["role"])})),
    _one(ONE, L, "layout-unpadded", "Padded shapes are not rounded up to tiles.",
         change_each(attrs.TT_LAYOUT_DESC, lambda n, d: {"padded_shape": d["logical_shape"]}
                     if len(d["logical_shape"]) > 1 else None)),
    _one(ONE, L, "layout-padded-too-far", "Padded shapes have a row of tiles too many.",
         change_each(attrs.TT_LAYOUT_DESC, lambda n, d: {"padded_shape": [
             *d["padded_shape"][:-2], d["padded_shape"][-2] + 32, d["padded_shape"][-1]]})),
    _one(ONE, L, "layout-shape-transposed", "Logical shapes have columns for rows.",
         change_each(attrs.TT_LAYOUT_DESC, lambda n, d: {
             "logical_shape": d["logical_shape"][::-1]})),
    _one(ONE, L, "layout-dtype-float16", "bfloat16 tensors become float16.",
         change_each(attrs.TT_LAYOUT_DESC, lambda n, d: {"dtype": "float16"}
                     if d["dtype"] == "bfloat16" else None)),
    _one(ONE, L, "layout-of-one-missing", "The last tensor has no layout.",
         change_attr(attrs.TT_LAYOUT_DESC, lambda t: dict(list(t.items())[:-1]))),
    _one(ONE, L, "layouts-rotated", "Tensors have each other's layouts.",
         change_attr(attrs.TT_LAYOUT_DESC, lambda t: dict(zip(
             t, [*list(t.values())[1:], *list(t.values())[:1]], strict=True)))),
    _one(TWO, F, "forms-exchanged", "Row vectors become columns and columns rows.",
         change_each(attrs.TT_ONCHIP_DESC, lambda n, d: {
             "form": {"row": "col", "col": "row"}.get(d["form"], d["form"])})),
    _one(TWO, F, "form-full", "One-dimensional buffers claim to be full tiles.",
         change_each(attrs.TT_ONCHIP_DESC, lambda n, d: {"form": "full"})),
    _one(TWO, F, "form-row", "Columns claim to be rows.",
         change_each(attrs.TT_ONCHIP_DESC, lambda n, d: {"form": "row"}
                     if d["form"] == "col" else None)),
    _one(TWO, F, "onchip-format-float16", "bfloat16 buffers become float16.",
         change_each(attrs.TT_ONCHIP_DESC, lambda n, d: {"data_format": "Float16"}
                     if d["data_format"] == "Float16_b" else None)),
    _one(TWO, F, "onchip-format-narrowed", "Float32 buffers become bfloat16.",
         change_each(attrs.TT_ONCHIP_DESC, lambda n, d: {
             "data_format": "Float16_b", "page_bytes": 2048}
             if d["data_format"] == "Float32" else None)),
    _one(TWO, F, "onchip-page-halved", "Pages have half a tile's bytes.",
         change_each(attrs.TT_ONCHIP_DESC, lambda n, d: {"page_bytes": d["page_bytes"] // 2})),
    _one(TWO, F, "onchip-tiles-transposed", "Buffers have tile rows for tile columns.",
         change_each(attrs.TT_ONCHIP_DESC, lambda n, d: {
             "tiles": [d["tiles"][0], d["tiles"][2], d["tiles"][1]]})),
    _one(TWO, F, "onchip-tile-row-lost", "Buffers lose their last tile column.",
         change_each(attrs.TT_ONCHIP_DESC, lambda n, d: {
             "tiles": [*d["tiles"][:2], max(d["tiles"][2] - 1, 1)]})),
    _one(TWO, F, "onchip-shape-rounded-down", "Buffers' shapes are a tile short.",
         change_each(attrs.TT_ONCHIP_DESC, lambda n, d: {
             "shape": [max(s - 32, 32) for s in d["shape"]]})),
    _one(TWO, F, "onchip-buffer-missing", "The last buffer has no description.",
         change_attr(attrs.TT_ONCHIP_DESC, lambda t: dict(list(t.items())[:-1]))),
    _one(THREE, W, "dealt-remainder-lost", "The last busy core loses its last block, in list and"
         " descriptor.",
         _both(change_attr(attrs.TT_WORK_DESCRIPTORS, lambda t: _last_core(t, _scaled_down)),
               change_attr(attrs.TT_WORK_PARTITION, lambda t: _last_core(t, lambda v: v[:-1])))),
    _one(THREE, W, "dealt-only-to-core-zero", "Cores but the first get nothing, and their blocks"
         " are lost.",
         _both(change_attr(attrs.TT_WORK_DESCRIPTORS, _idle),
               change_attr(attrs.TT_WORK_PARTITION, _first_only))),
    _one(THREE, W, "dealt-twice", "Every core gets the first core's blocks.",
         _both(change_attr(attrs.TT_WORK_DESCRIPTORS, _same_as_first),
               change_attr(attrs.TT_WORK_PARTITION, _same_as_first))),
    _one(THREE, W, "descriptors-exchanged", "Two cores have each other's descriptors.",
         change_attr(attrs.TT_WORK_DESCRIPTORS, _swapped)),
    _one(THREE, W, "partition-exchanged", "Two cores have each other's lists.",
         change_attr(attrs.TT_WORK_PARTITION, _swapped)),
    _one(THREE, W, "partition-all-on-first", "The first core's list has all blocks.",
         change_attr(attrs.TT_WORK_PARTITION, _all_to_first)),
    _one(THREE, W, "descriptor-start-off-by-one", "Runs of blocks start one late.",
         change_each(attrs.TT_WORK_DESCRIPTORS, lambda n, d: {"start": d["start"] + 1}
                     if "start" in d else {"x0": d["x0"] + 1})),
    _one(THREE, W, "descriptor-order-wrong", "Runs of blocks go down instead of across.",
         change_each(attrs.TT_WORK_DESCRIPTORS, lambda n, d: {
             "order": {"row_major": "column_major", "column_major": "row_major"}[d["order"]]}
             if "order" in d else None)),
    _one(THREE, W, "output-map-transposed", "The map of output tiles has bx for by.",
         change_each(attrs.TT_OUTPUT_BLOCKS, lambda n, d: {"x": d["y"], "y": d["x"]})),
    _one(THREE, W, "output-map-shrunk", "The map of output tiles has a tile less.",
         change_each(attrs.TT_OUTPUT_BLOCKS, lambda n, d: {
             "extent": [*d["extent"][:-1], max(d["extent"][-1] - 1, 1)]})),
    _one(THREE, W, "len-k-in-blocks", "The K length is one tile more.",
         change_attr(attrs.TT_LEN_K, lambda k: k + 1),
         "the work lists carry the K length that is used; nobody reads this one"),
    _one(THREE, W, "coalesce-forgotten", "The joined blocks are counted twice.",
         change_attr(attrs.TT_COALESCE, lambda c: [2 * c[0], *c[1:]])),
    _one(THREE, W, "device-grid-one-core", "The device's grid is one core.",
         change_attr(attrs.TT_DEVICE_GRID, lambda g: [1, 1])),
    _one(THREE, W, "strategy-label-wrong", "The strategy is called otherwise.",
         change_attr(attrs.TT_PARTITION_STRATEGY, lambda s: "column_major"
                     if s != "column_major" else "row_major")),
)  # fmt: skip
