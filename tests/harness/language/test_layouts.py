"""``T.annotate_layout`` of tensors: stated in the kernel, merged with annotations from outside."""

from __future__ import annotations

from typing import Any

import pytest

import harness.language as T
from harness.checking import check
from harness.compiler import annotate_tt_layout, lower
from harness.errors import CompileError, LanguageError

BLOCK = {"sharding": {"strategy": "block", "grid": [3, 2]}}


def copy(layout: Any, again: Any = None) -> Any:
    """Out = In, with a layout of Out stated in the body, and of a block that a GPU would heed."""

    @T.prim_func
    def main(In: T.Tensor((64, 96), "bfloat16"), Out: T.Tensor((64, 96), "bfloat16")):
        with T.Kernel(3, 2) as (bx, by):
            s = T.alloc_shared((32, 32), "bfloat16")
            T.annotate_layout({Out: layout, s: T.Layout(1)})
            T.annotate_layout({Out: again})
            T.copy(In[by * 32, bx * 32], s)
            T.copy(s, Out[by * 32, bx * 32])

    return main


def layout_of(func: Any) -> Any:
    """The plan's layout of Out."""
    (kernel,) = lower(func).kernels
    return kernel.plan.layouts["Out"]


def test_a_layout_in_the_kernel_is_followed() -> None:
    """The plan places the tensor, and the check still passes."""
    assert layout_of(copy({"memory": "L1"})).memory == "L1"
    assert layout_of(copy(BLOCK)).shard.strategy == "block"
    assert check(copy(BLOCK), strategy="match_shard", oracle="exact").passed
    assert layout_of(copy(T.Layout(1))).memory == "DRAM"


def test_kernel_and_annotation_merge_or_conflict() -> None:
    """Both are heard; where they differ, both are named."""
    merged = layout_of(annotate_tt_layout(copy(BLOCK), {"Out": {"memory": "L1"}}))
    assert merged.shard.strategy == "block"
    with pytest.raises(CompileError, match=r"tt\.user_layout and .* tt\.kernel_layout") as caught:
        lower(annotate_tt_layout(copy({"memory": "L1"}), {"Out": {"memory": "DRAM"}}))
    assert caught.value.code == "LayoutConflict"


def test_one_tensor_is_annotated_once() -> None:
    """Two statements may agree; two that differ are refused at the second."""
    assert layout_of(copy(BLOCK, BLOCK)).shard is not None
    with pytest.raises(LanguageError, match="'Out' is annotated twice") as caught:
        copy(BLOCK, {"memory": "L1"})
    assert str(caught.value.location).startswith("test_layouts.py:")


def test_blocks_have_no_placement() -> None:
    """A placement of an on-chip block would have no effect."""
    with pytest.raises(LanguageError, match="'s', which is no tensor parameter"):

        @T.prim_func
        def main(Out: T.Tensor((32, 32), "bfloat16")):
            with T.Kernel(1, 1) as (bx, by):
                s = T.alloc_shared((32, 32), "bfloat16")
                T.annotate_layout({s: {"memory": "L1"}})
                T.copy(s, Out[by * 32, bx * 32])


def test_layouts_come_in_a_dictionary() -> None:
    """Anything else is refused."""
    with pytest.raises(LanguageError, match="takes a dictionary"):
        T.annotate_layout([1])
