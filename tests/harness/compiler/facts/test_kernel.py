"""Kernels taken apart: analyses are shared by kernels of one body, and by no others."""

from __future__ import annotations

from harness.compiler.facts.kernel import read_kernel, with_body
from harness.compiler.facts.lookups import index_tensors
from harness.compiler.facts.ties import places
from harness.compiler.passes.propagate_layout import describe_onchip
from tests.harness.compiler import samples


def test_attributes_do_not_make_another_kernel() -> None:
    """Passes attach attributes one after another, and analyses would be made anew for each."""
    func = samples.gemm()
    one, other = read_kernel(func), read_kernel(func.with_attr("tt.x", 1))
    assert one == other
    assert one is not other
    assert places(one) is places(other)
    assert describe_onchip(one) is describe_onchip(other)
    assert index_tensors(one) is index_tensors(other)
    assert one.accesses is other.accesses


def test_another_grid_or_body_is_another_kernel() -> None:
    """Blocks joined under the same body would be taken for those before."""
    func = samples.gemm()
    kernel = read_kernel(func)
    var = next(v for v in kernel.block_vars if v is not None)
    regrown = read_kernel(with_body(func, kernel.body, {var: 7}))
    assert regrown.body.same_as(kernel.body)
    assert regrown != kernel
    assert read_kernel(samples.gemm()) != kernel, "two alike have variables of their own"
