"""``x.dtype`` of any value of a kernel, which TVM gives of buffers only.

Helper functions of kernels are plain Python: they are handed the values themselves, so that the
attribute has to be the class's.
"""

from __future__ import annotations

from typing import Any

import tvm
from tvm.ir.expr import ExprOperand

from harness.language.dtypes import DType


def register() -> None:
    """Give every expression its dtype; buffers keep TVM's."""
    of_buffers: Any = tvm.ir.Var.dtype

    def of_expr(value: Any) -> DType:
        return DType(str(value.ty.dtype))

    def of_var(value: Any) -> Any:
        return of_expr(value) if isinstance(value.ty, tvm.ir.PrimType) else of_buffers.fget(value)

    ExprOperand.dtype = property(of_expr)
    tvm.ir.Var.dtype = property(of_var)
