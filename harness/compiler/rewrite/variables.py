"""On-chip blocks of one whole number that are scalars: ``x = T.alloc_local((1,), "int32")``.

``x[0] = i`` outside T.Parallel is what ``x = i`` is for T.alloc_var. Such a block becomes one,
unless a tile op moves it or it is made of what cores compute.
"""

from __future__ import annotations

from typing import Any

from tvm import tirx
from tvm.ir import TensorRegion

from harness.compiler.facts.accesses import loads_of
from harness.compiler.facts.kernel import Kernel, read_kernel
from harness.compiler.facts.statements import statements
from harness.compiler.retensor import with_tensors
from harness.language.blockformats import dtype_of
from harness.language.nests import is_parallel
from harness.language.regions import constant
from harness.language.tensors import LOCAL, VAR
from harness.language.walks import structural_walk


def with_variables(func: tirx.PrimFunc) -> tirx.PrimFunc:
    """The function with scalars for such blocks."""
    kernel = read_kernel(func)
    found = [b for b in kernel.onchip if b.ty.storage_scope == LOCAL and dtype_of(b) == "int32"
             and all(constant(d) == 1 for d in b.ty.shape)]  # fmt: skip
    if not found:
        return func
    others = _others(kernel)
    found = [b for b in found if b not in others]
    stores = [s for s in statements(kernel.body) if isinstance(s, tirx.BufferStore)]
    while True:
        known = {*kernel.params, *found, *(b for b in kernel.onchip if b.ty.storage_scope == VAR)}
        kept = [
            b
            for b in found
            if all(
                load.source in known
                for s in stores
                if s.buffer.same_as(b)
                for load in loads_of(s.value)
            )
        ]
        if len(kept) == len(found):
            break
        found = kept
    new = {b: tirx.decl_buffer(b.ty.shape, "int32", name=b.name, scope=VAR) for b in found}
    return with_tensors(func, new) if new else func


def _others(kernel: Kernel) -> set[Any]:
    """Buffers that tile ops move or change, or that iterations of T.Parallel store to."""
    found: set[Any] = set()
    structural_walk(kernel.body, [(TensorRegion, lambda r: found.add(r.source))])
    for loop in statements(kernel.body):
        if is_parallel(loop):
            found |= {s.buffer for s in statements(loop.body) if isinstance(s, tirx.BufferStore)}
    return found
