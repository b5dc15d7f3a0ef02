"""Attributes: one spelling of each key, and values that come back as they went in."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.compiler import attrs, ir_sugar
from harness.compiler.attrs import CoreRange, WorkItem
from tests.harness.compiler import samples

COMPILER = Path(attrs.__file__).parent
NUMBERS = st.integers(0, 1000)
RANGES = st.builds(
    CoreRange, st.tuples(NUMBERS, NUMBERS), st.tuples(st.integers(1, 99), st.integers(1, 99))
)
ITEMS = st.builds(
    WorkItem, NUMBERS, NUMBERS, st.none() | st.integers(1, 99),
    st.none() | st.sampled_from(["row_major", "block"]), NUMBERS,
)  # fmt: skip


@given(item=ITEMS, core_range=RANGES)
def test_values_survive_json(item: WorkItem, core_range: CoreRange) -> None:
    """A work item and a core range are the same after the way to JSON and back."""
    assert WorkItem.from_json(item.to_json()) == item
    assert CoreRange.from_json(core_range.to_json()) == core_range


@given(
    ranges=st.lists(RANGES, min_size=1, max_size=4),
    partition=st.dictionaries(st.sampled_from(["(0,0)", "(3,1)", "(10,2)"]), st.lists(ITEMS)),
)
def test_values_survive_a_function(
    ranges: list[CoreRange], partition: dict[str, list[WorkItem]]
) -> None:
    """What ir_sugar attaches comes back as plain data, not as TVM's containers."""
    func = ir_sugar.with_core_ranges(samples.copy(), ranges)
    func = ir_sugar.with_work_partition(func, partition)
    assert ir_sugar.core_ranges(func) == ranges
    assert ir_sugar.work_partition(func) == partition
    single = attrs.get(func, attrs.TT_CORE_RANGE)
    assert single == (ranges[0].to_json() if len(ranges) == 1 else None)


@pytest.mark.parametrize(
    "data", [{}, {"start": [0, 0]}, {"start": [0], "extent": [1, 1]}, {"start": None, "extent": 1}]
)
def test_a_core_range_is_two_pairs(data: dict[str, Any]) -> None:
    """Upstream's from_json took tuples of any length."""
    with pytest.raises((ValueError, TypeError)):
        CoreRange.from_json(data)


def test_a_work_item_has_both_indices() -> None:
    """An item without io or jo is refused, where a default would be block 0."""
    with pytest.raises(ValueError, match="io or jo"):
        WorkItem.from_json({"io": 1})


def test_empty_attributes_are_refused() -> None:
    """An empty grid or no range at all cannot be attached."""
    with pytest.raises(ValueError, match="empty"):
        ir_sugar.with_core_grid(samples.copy(), 0, 1)
    with pytest.raises(ValueError, match="no core range"):
        ir_sugar.with_core_ranges(samples.copy(), [])


def test_keys_are_written_once() -> None:
    """Outside attrs.py and the legacy functions no pass spells a tt. attribute as text."""
    known = {v for k, v in vars(attrs).items() if k.startswith("TT_")}
    found = []
    for path in sorted(COMPILER.rglob("*.py")):
        if path.name == "attrs.py" or path.parent.name == "compat":
            continue
        found += [
            f"{path.relative_to(COMPILER)}:{node.lineno}: {node.value!r}"
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            if isinstance(node, ast.Constant) and node.value in known
        ]
    assert not found, "\n".join(found)


def test_attributes_keep_the_order_of_their_own_entries() -> None:
    """TVM takes maps of other order for equal; a plan lists tensors in its own function's."""
    orders = [["A", "B"], ["B", "A"]]
    funcs = [samples.copy().with_attr("tt.x", dict.fromkeys(o, 1)) for o in orders]
    assert [list(attrs.get(func, "tt.x")) for func in funcs] == orders
    first = attrs.get(funcs[0], "tt.x")
    first["C"] = 2
    assert list(attrs.get(funcs[0].with_attr("tt.y", 1), "tt.x")) == orders[0], "the caller's own"
