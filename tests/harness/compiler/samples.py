"""Small kernels for the compiler's tests, and the few things every test does with one."""

from __future__ import annotations

import hashlib
import json
import linecache
from typing import Any

import tvm
from tvm import tirx
from tvm.ir import Call

import harness.language as T
from harness.compiler import Compilation, lower
from harness.compiler.attrs import CoreRange
from harness.compiler.facts.statements import statements
from harness.compiler.options import CompileOptions
from harness.compiler.pipeline import tt_passes
from simulator.plan.load import dump_plan, dump_programs
from simulator.plan.validate import validate_artifact

PASSES = ("InferTTLayout", "PropagateTTLayout", "TTTilesToCoreMap", "LowerTTTileIntrinsics",
          "GridToPersistentTT")  # fmt: skip
CORNER = (CoreRange((0, 0), (2, 2)),)
"""Four cores."""
FAR = (CoreRange((4, 4), (1, 1)),)
"""One core elsewhere."""


def gemm(
    M: int = 96,
    N: int = 64,
    K: int = 128,
    bm: int = 32,
    bn: int = 32,
    bk: int = 32,
    dtype: str = "bfloat16",
    accum: str = "float32",
) -> tirx.PrimFunc:
    """C = A B with a float32 accumulator; 2 x 3 blocks and four K tiles unless told otherwise."""

    @T.prim_func
    def main(A: T.Tensor((M, K), dtype), B: T.Tensor((K, N), dtype), C: T.Tensor((M, N), dtype)):
        with T.Kernel(T.ceildiv(N, bn), T.ceildiv(M, bm)) as (bx, by):
            a = T.alloc_shared((bm, bk), dtype)
            b = T.alloc_shared((bk, bn), dtype)
            c = T.alloc_fragment((bm, bn), accum)
            T.clear(c)
            for k in T.Pipelined(T.ceildiv(K, bk), num_stages=2):
                T.copy(A[by * bm, k * bk], a)
                T.copy(B[k * bk, bx * bn], b)
                T.gemm(a, b, c)
            T.copy(c, C[by * bm, bx * bn])

    return main


def copy(M: int = 64, N: int = 96, dtype: str = "bfloat16") -> tirx.PrimFunc:
    """Out = In, block by block."""

    @T.prim_func
    def main(In: T.Tensor((M, N), dtype), Out: T.Tensor((M, N), dtype)):
        with T.Kernel(T.ceildiv(N, 32), T.ceildiv(M, 32)) as (bx, by):
            s = T.alloc_shared((32, 32), dtype)
            T.copy(In[by * 32, bx * 32], s)
            T.copy(s, Out[by * 32, bx * 32])

    return main


def fma(M: int = 64, N: int = 64) -> tirx.PrimFunc:
    """D = C + A * B elementwise: not a matrix product."""

    @T.prim_func
    def main(
        A: T.Tensor((M, N), "bfloat16"),
        B: T.Tensor((M, N), "bfloat16"),
        C: T.Tensor((M, N), "bfloat16"),
    ):
        with T.Kernel(N // 32, M // 32) as (bx, by):
            a = T.alloc_shared((32, 32), "bfloat16")
            b = T.alloc_shared((32, 32), "bfloat16")
            c = T.alloc_shared((32, 32), "bfloat16")
            T.copy(A[by * 32, bx * 32], a)
            T.copy(B[by * 32, bx * 32], b)
            T.copy(C[by * 32, bx * 32], c)
            for i, j in T.Parallel(32, 32):
                c[i, j] = c[i, j] + a[i, j] * b[i, j]
            T.copy(c, C[by * 32, bx * 32])

    return main


def sum_and_difference(M: int = 64, N: int = 96) -> tirx.PrimFunc:
    """Two outputs of two inputs."""

    @T.prim_func
    def main(
        A: T.Tensor((M, N), "bfloat16"),
        B: T.Tensor((M, N), "bfloat16"),
        Sum: T.Tensor((M, N), "bfloat16"),
        Diff: T.Tensor((M, N), "bfloat16"),
    ):
        with T.Kernel(N // 32, M // 32) as (bx, by):
            a = T.alloc_shared((32, 32), "bfloat16")
            b = T.alloc_shared((32, 32), "bfloat16")
            s = T.alloc_shared((32, 32), "bfloat16")
            d = T.alloc_shared((32, 32), "bfloat16")
            T.copy(A[by * 32, bx * 32], a)
            T.copy(B[by * 32, bx * 32], b)
            for i, j in T.Parallel(32, 32):
                s[i, j] = a[i, j] + b[i, j]
            for i, j in T.Parallel(32, 32):
                d[i, j] = a[i, j] - b[i, j]
            T.copy(s, Sum[by * 32, bx * 32])
            T.copy(d, Diff[by * 32, bx * 32])

    return main


def batched(B: int = 3, M: int = 64, N: int = 64) -> tirx.PrimFunc:
    """A copy of a batch of matrices, the batch along the third grid dimension."""

    @T.prim_func
    def main(X: T.Tensor((B, M, N), "bfloat16"), Y: T.Tensor((B, M, N), "bfloat16")):
        with T.Kernel(N // 32, M // 32, B) as (bx, by, bz):
            s = T.alloc_shared((32, 32), "bfloat16")
            T.copy(X[bz, by * 32, bx * 32], s)
            T.copy(s, Y[bz, by * 32, bx * 32])

    return main


def from_text(text: str, name: str) -> tirx.PrimFunc:
    """The kernel ``name`` that ``text`` defines, with ``T`` in scope."""
    file = f"kernel_{hashlib.sha256(text.encode()).hexdigest()[:12]}.py"
    linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
    scope: dict[str, Any] = {"T": T}
    try:
        exec(compile(text, file, "exec"), scope)  # noqa: S102  (text of the tests' own making)
    finally:
        del linecache.cache[file]
    return scope[name]


def module(**functions: tirx.PrimFunc) -> tvm.IRModule:
    """A module of several kernels."""
    return tvm.IRModule(functions)


def staged(source: Any, last: int, **options: Any) -> tvm.IRModule:
    """The module after passes 1 to ``last``."""
    mod = source if isinstance(source, tvm.IRModule) else tvm.IRModule({"main": source})
    for one in tt_passes(CompileOptions(**options))[:last]:
        mod = one(mod)
    return mod


def only(mod: tvm.IRModule) -> tirx.PrimFunc:
    """The one function of a module."""
    (func,) = mod.functions.values()
    return func


def plan(source: Any, **options: Any) -> dict[str, Any]:
    """The plan of a kernel as plain data, checked together with its programs."""
    (kernel,) = lower(source, **options).kernels
    assert not validate_artifact(kernel.plan, kernel.programs)
    data: dict[str, Any] = json.loads(dump_plan(kernel.plan))
    return data


def artifact_bytes(compilation: Compilation) -> list[bytes]:
    """Plan and programs of every kernel, as they would lie on disk."""
    return [
        data for k in compilation.kernels for data in (dump_plan(k.plan), dump_programs(k.programs))
    ]


def ops(func: Any) -> list[str]:
    """Names of the calls in a function or statement, in order."""
    body = func.body if isinstance(func, tirx.PrimFunc) else func
    return [
        str(node.value.op.name)
        for node in statements(body)
        if isinstance(node, tirx.Evaluate) and isinstance(node.value, Call)
    ]


def blocks(data: dict[str, Any]) -> list[tuple[int, int, int]]:
    """(io, jo, bo) of every work item of a plan."""
    return [
        (item["io"], item["jo"], item.get("bo", 0))
        for items in data["work_partition"].values()
        for item in items
    ]
