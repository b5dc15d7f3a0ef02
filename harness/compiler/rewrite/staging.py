"""T.copy from tensor to tensor, by way of an on-chip block.

Nothing moves data from one tensor to another but through L1: the reader fills a block of it, the
writer stores the block. The block has the shape of what is moved, unit dimensions aside.
"""

from __future__ import annotations

from typing import Any

import tvm
from tvm import tirx
from tvm.ir import Call, TensorRegion
from tvm.tirx.stmt import BufferRegionType

from harness.compiler.facts.kernel import Kernel, read_kernel, with_body
from harness.compiler.tt_ops import seq
from harness.language.blockformats import BLOCK_FORMATS, VALUES, dtype_of
from harness.language.ops import COPY
from harness.language.regions import constant
from harness.language.tensors import SHARED
from harness.language.walks import structural_map


def staged(func: tirx.PrimFunc) -> tirx.PrimFunc:
    """The function without copies from tensor to tensor."""
    kernel = read_kernel(func)
    work = _Staging(kernel)
    body = structural_map(kernel.body, [(tirx.Evaluate, work.copy)])
    return with_body(func, seq([*work.allocated, body])) if work.allocated else func


class _Staging:
    """Rewrites one kernel; ``allocated`` are the blocks it needs."""

    def __init__(self, kernel: Kernel) -> None:
        """Every name of the kernel is taken."""
        self.params = set(kernel.params)
        self.names = {b.name for b in (*kernel.params, *kernel.onchip)}
        self.allocated: list[Any] = []

    def copy(self, stmt: tirx.Evaluate) -> Any:
        """A statement, or the two copies that do what it says."""
        call = stmt.value
        if not isinstance(call, Call) or call.op.name != COPY:
            return stmt
        source, target = call.args
        if source.source not in self.params or target.source not in self.params:
            return stmt
        block = self._block(source, stmt.span)

        def part(a: Any, b: Any) -> tirx.Evaluate:
            made = Call(COPY, [a, b], call.attrs, ret_ty="void", span=call.span)
            return tirx.Evaluate(made, span=stmt.span)

        return tirx.SeqStmt([part(source, block), part(block, target)])

    def _block(self, source: TensorRegion, span: Any) -> TensorRegion:
        tensor = source.source
        base = name = f"{tensor.name}_block"
        count = 0
        while name in self.names:
            count += 1
            name = f"{base}_{count}"
        self.names.add(name)
        extents = [constant(r.extent) or 1 for r in source.region[:]]
        shape = [e for e in extents if e != 1] or [1]
        dtype = dtype_of(tensor)
        made = tirx.decl_buffer(
            shape, VALUES if dtype in BLOCK_FORMATS else dtype, name=name, scope=SHARED
        )
        self.allocated.append(tirx.AllocBuffer(made, None, span))
        whole = [tvm.ir.Range(0, e) for e in shape]
        return TensorRegion(made, whole, BufferRegionType())
