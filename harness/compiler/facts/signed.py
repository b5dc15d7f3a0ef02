"""Which int8 buffers hold two's complement, whose bytes the vector unit turns into numbers.

The matrix unit multiplies int8 of sign and magnitude, in which -128 does not exist: what T.gemm
reads is kept so, with all that copies join to it. Every other int8 tensor and block holds bytes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tvm.ir import Call, TensorLoad

from harness.language.blockformats import dtype_of
from harness.language.ops import COPY, GEMM
from harness.language.tensors import TRUTH

if TYPE_CHECKING:
    from harness.compiler.facts.kernel import Kernel

INT8: Final = "int8"


def signed_bytes(kernel: Kernel) -> frozenset[str]:
    """Names of the int8 tensors and blocks that are kept as bytes in two's complement."""
    names = {b.name for b in (*kernel.params, *kernel.onchip) if dtype_of(b) == INT8}
    multiplied: set[str] = set()
    joined: list[set[str]] = []
    for access in kernel.accesses if names else ():
        node, name = access.node, access.buffer.name
        if isinstance(node, Call) and node.op.name == GEMM:
            multiplied.add(name)
        elif isinstance(node, Call) and node.op.name == COPY:
            joined.append({str(arg.source.name) for arg in node.args[:2]})
        elif access.write and isinstance(getattr(node, "value", None), TensorLoad):
            joined.append({name, str(node.value.source.name)})
    while more := {n for pair in joined if pair & multiplied for n in pair} - multiplied:
        multiplied |= more
    return frozenset(names - multiplied)


def stored_dtype(buffer: Any, signed: frozenset[str] = frozenset()) -> str:
    """The dtype elements of a tensor or block lie in memory in: conditions are bytes of 0 and 1.

    Without ``signed``, which of the two int8 is not told: both have one size.
    """
    from harness.compiler.block.whole import SIGNED

    dtype = dtype_of(buffer)
    if dtype == TRUTH:
        return "uint8"
    return SIGNED if dtype == INT8 and buffer.name in signed else dtype
