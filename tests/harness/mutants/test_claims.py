"""Claims between passes that a later pass now holds an earlier one to."""

from typing import Any

import pytest

from harness.compiler import attrs
from harness.compiler.pipeline import sequential, tt_passes
from harness.errors import HarnessError
from harness.mutants.baseline import compile_options, prepare
from harness.mutants.subjects.cases import FIXED
from harness.mutants.tir import change_each, drop

GEMM = FIXED[0]


def _refusal(index: int, mutate: Any) -> HarnessError:
    """What the rest of the pipeline says to a function changed after ``index`` passes."""
    import tvm

    base = prepare(GEMM)
    assert base is not None
    ((var, func),) = base.modules[index].functions_items()
    module = tvm.IRModule({var: mutate(func)})
    with pytest.raises(HarnessError) as caught:
        sequential(tt_passes(compile_options(GEMM))[index:])(module)
    return caught.value


@pytest.mark.parametrize(
    "change", [{"data_format": "Float16"}, {"page_bytes": 1}, {"form": "row"}, {"tiles": [1, 9, 9]}]
)
def test_descriptions_of_buffers_must_be_true(change: dict[str, Any]) -> None:
    """Pass 4 refuses on-chip descriptions that do not fit the buffers."""
    error = _refusal(2, change_each(attrs.TT_ONCHIP_DESC, lambda *_: change))
    assert error.code == "LayoutConflict"


@pytest.mark.parametrize("op", ["matmul_tiles", "noc_async_read_page", "noc_async_write_page"])
def test_a_buffer_without_an_end_is_refused(op: str) -> None:
    """Pass 5 refuses a block program that fills a buffer nobody uses, or uses one nobody fills."""
    assert _refusal(4, drop(op)).code == "UnpairedBuffer"
