"""Whole numbers that a kernel computes: which blocks of int32 are kept as float32 instead.

The vector unit computes in float32, which holds whole numbers below 2 ** 24 exactly; they become
int32 where they are stored. That they stay so small is proved by ``spans``.
"""

from __future__ import annotations

from typing import Any, Final

from tvm.ir import Call, TensorLoad, TensorRegion

from harness.compiler.diagnostics import refuse
from harness.compiler.facts.kernel import Kernel
from harness.language.blockformats import dtype_of
from harness.language.ops import COPY, FILL, GEMM
from harness.language.tensors import DTYPES

WHOLE: Final = "int32"
WHOLES: Final = (WHOLE, "int8", "uint8")
"""Dtypes of blocks whose numbers may be computed."""
KEPT: Final = "float32"
"""The dtype whole numbers are computed in."""
INDICES: Final = (*WHOLES, "int64")
"""Dtypes a real number is cut to."""


def computed_integers(kernel: Kernel) -> set[str]:
    """Names of the blocks of integers that something other than copies and products writes."""
    whole = {b.name for b in kernel.onchip if dtype_of(b) in WHOLES}
    dtypes = {b.name: dtype_of(b) for b in (*kernel.params, *kernel.onchip)}
    multiplied, computed = set(), set()
    sources: dict[str, set[str]] = {}
    for access in kernel.accesses:
        node, name = access.node, access.buffer.name
        if isinstance(node, Call) and node.op.name == GEMM:
            multiplied.add(name)
        if not access.write or name not in whole:
            continue
        source = _copied(node)
        if source is None or dtypes[source] != dtypes[name]:
            computed.add(name)
        else:
            sources.setdefault(name, set()).add(source)
    while more := {n for n, found in sources.items() if found & computed} - computed:
        computed |= more
    return (whole & computed) - multiplied


def is_computed(value: Any, held: set[str]) -> bool:
    """Whether a stored value is made of numbers, and not passed on as it lies in memory."""
    return not isinstance(value, TensorLoad) or value.source.name in held


def check_whole(call: Call) -> None:
    """Refuse tile ops that would put real numbers where whole ones are kept: nothing cuts them.

    Raises:
        CompileError: at the call.
    """
    regions = [arg for arg in call.args[:] if isinstance(arg, TensorRegion)]
    target = dtype_of(regions[-1].source)
    if call.op.name in (COPY, GEMM) or target not in WHOLES:
        return
    real = [r.source.name for r in regions[:-1] if dtype_of(r.source) in DTYPES]
    value = 0.0
    if call.op.name == FILL:
        value = float(getattr(call.args[1], "value", 0.0))
    if real or not value.is_integer():
        what = repr(real[0]) if real else str(value)
        refuse(f"{what}, of real numbers, goes to {regions[-1].source.name!r} of {target}",
               node=call, code="UnsupportedDtype",
               next_step="T.copy them there, which cuts them, or keep them in float32")  # fmt: skip


def _copied(node: Any) -> str | None:
    """The block or tensor a write copies, or None."""
    if isinstance(node, Call):
        return str(node.args[0].source.name) if node.op.name == COPY else None
    value = getattr(node, "value", None)
    return str(value.source.name) if isinstance(value, TensorLoad) else None
