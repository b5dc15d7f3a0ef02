"""Artifacts and programs the tests of the C++ printer and the gate work on."""

from __future__ import annotations

from functools import cache
from typing import Any

import msgspec

from harness.compiler.pipeline import CompiledKernel, lower
from harness.kernels.gemm import matmul
from simulator.isa import OPS, OpSpec
from simulator.plan.schema import Kernel
from simulator.program import Op, Program

THREADS = {"reader": "ncrisc", "compute": "compute", "writer": "brisc"}

_EXAMPLE: dict[str, Any] = {
    "cb": 0, "expr": 1, "dst": 0, "tensor": "A", "l1": ["get_write_ptr", 0], "sem": 0,
    "float": 1.5, "format": "Float16_b",
}  # fmt: skip


@cache
def gemm(**parameters: Any) -> CompiledKernel:
    """A compiled packaged GEMM."""
    return lower(matmul(**parameters)).kernels[0]


def operands(spec: OpSpec) -> tuple[Any, ...]:
    """Operands an op could have."""
    if spec.name in ("typecast_tile", "typecast_tile_init"):
        return (*range(len(spec.operands) - 2), "Float32", "Float16_b")
    return tuple(o.choices[0] if o.kind == "enum" else _EXAMPLE[o.kind] for o in spec.operands)


def every_op(thread: str) -> Program:
    """A program that issues every op its thread may issue, once; never meant to run."""
    base = program("compute" if thread == "compute" else "reader")
    body = tuple(Op(name=n, args=operands(s)) for n, s in OPS.items() if thread in s.threads)
    return msgspec.structs.replace(base, body=body)


def program(name: str) -> Program:
    """A program of the sample GEMM."""
    return next(p for p in gemm().programs.programs if p.name == name)


def kernel(name: str) -> Kernel:
    """Its placement."""
    return next(k for k in gemm().plan.kernels if k.program == name)
