"""Legacy functions and the pipeline are one compiler: a drawn kernel has one plan, to the byte."""

import textwrap
from typing import Any

import pytest
from hypothesis import given

from harness.compiler import annotate_tt_layout, annotate_tt_schedule, compat
from harness.compiler.compat import common
from harness.compiler.options import CompileOptions
from harness.compiler.pipeline import tt_passes
from harness.errors import HarnessError
from harness.fuzz.campaigns.units import ALONE
from harness.fuzz.case import Case
from harness.fuzz.judge import source_of
from harness.fuzz.legacy import STEPS, WHOLE, difference
from harness.fuzz.options import cases
from tests.harness.compiler import samples
from tests.harness.compiler.compat import legacy


@given(cases(ALONE))
def test_drawn_kernels_have_one_plan(case: Case) -> None:
    """All transforms in one, and all functions in turn, give the pipeline's plan and programs."""
    source = source_of(case)
    for steps in ((WHOLE,), STEPS):
        assert not difference(source, case.options["device"], steps), case.text()


KERNEL = """
@T.prim_func
def main({params}Y: T.Tensor((4, 64, 64), "bfloat16")):
    with T.Kernel(4) as bx:
        k = T.alloc_shared((64, 64), "bfloat16")
{lines}
        T.copy(k, Y[bx, :, :])
"""
TENSORS = {
    "K": 'K: T.Tensor((64, 4, 64), "bfloat16"), ',
    "t": 't: T.Tensor((4,), "int32"), ',
}
REWRITTEN = {
    "view": "T.copy(K[:, bx, :], k)",
    "scalar": 'x = T.alloc_var("int32", 1)\nx = bx\nT.copy(K[:, x, :], k)',
    "name": "p = t[bx]\nT.copy(K[:, p, :], k)",
    "mask": "T.clear(k)\nfor i, j in T.Parallel(64, 64):\n    if i >= j:\n        k[i, j] = 1.0",
}
"""Kernels that InferTTLayout writes anew."""


@pytest.mark.parametrize("lines", REWRITTEN.values(), ids=REWRITTEN)
def test_what_a_pass_writes_anew_is_kept_with_its_attributes(lines: str) -> None:
    """A converter that keeps attributes of a pass and drops its body makes another kernel."""
    params = "".join(tensor for name, tensor in TENSORS.items() if f"{name}[" in lines)
    text = KERNEL.format(params=params, lines=textwrap.indent(lines, " " * 8))
    assert difference(samples.from_text(text, "main"), "wormhole_n150", STEPS) == ""


def test_every_legacy_function_takes_part() -> None:
    """No wrapper is left out; that of one function is the module's, which takes part."""
    assert {*STEPS, WHOLE, "legacy_to_new_attrs"} == set(compat.TABLE)


def test_a_wrapper_that_drops_an_option_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another default in one of the two is seen in the plan, with the line that tells."""

    def careless(options: CompileOptions) -> Any:
        return tt_passes(CompileOptions(device=options.device, double_buffer=False))

    monkeypatch.setattr(common, "tt_passes", careless)
    found = difference(samples.gemm(), "wormhole_n150", (WHOLE,))
    assert found is not None
    assert "tt.plan.json" in found


def test_a_wrapper_that_accepts_more_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """A kernel one side refuses and the other compiles is a difference, with the code."""

    def refusing(*_: Any, **__: Any) -> Any:
        raise HarnessError("no", code="Planted")

    monkeypatch.setattr("harness.artifact.compile", refusing)
    found = difference(samples.gemm(), "wormhole_n150", (WHOLE,))
    assert found == "legacy functions: a plan; the pipeline: Planted"


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_partition_mode_is_not_overwritten() -> None:
    """Attributes that cannot say local_shard are refused, and none replaces what the user said."""
    blocks = {"C": {"sharding": {"strategy": "block", "grid": [3, 4]}}}
    func = annotate_tt_schedule(annotate_tt_layout(samples.gemm(256, 192, 64), blocks),
                                {"partition_mode": "local_shard"})  # fmt: skip
    with pytest.raises(HarnessError, match="one grid of tiles for all cores"):
        legacy.run("layout_aware_work_partition_tt", func)
    assert difference(func, "wormhole_n150", STEPS) is None
    assert difference(func, "wormhole_n150", ("grid_to_persistent_tt",)) == ""
