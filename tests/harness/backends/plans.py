"""Plans of many shapes, formats, grids and devices, for comparing with what ttnn builds."""

from __future__ import annotations

import random
from collections.abc import Iterator
from functools import cache
from typing import Any

from harness.compiler.pipeline import CompiledKernel, lower
from harness.errors import HarnessError
from harness.kernels.attention import flash_attention
from harness.kernels.batched import batched_matmul
from harness.kernels.elementwise import add, copy, multiply_add, sharded_copy
from harness.kernels.gemm import matmul

DEVICES = ("wormhole_n150", "wormhole_n300", "blackhole_p150", "blackhole_p100")


@cache
def packaged() -> tuple[CompiledKernel, ...]:
    """The packaged kernels with their default parameters, and a few GEMMs that differ in kind."""
    kernels = (
        matmul(), batched_matmul(), copy(), add(), multiply_add(), flash_attention(),
        matmul(dtype="float32"), matmul(M=100, N=70, K=50), matmul(trans_A=True, trans_B=True),
        matmul(M=256, N=256, block_M=128, block_N=128),
    )  # fmt: skip
    placed = (
        lower(sharded_copy(), strategy="match_shard"),
        lower(matmul(), multicast=True, strategy="block", grid=(2, 2)),
    )
    return tuple(made.kernels[0] for made in (*map(lower, kernels), *placed))


def generated(count: int, seed: int = 6) -> Iterator[CompiledKernel]:
    """``count`` plans drawn over kernels, shapes, formats, strategies, grids and devices."""
    rng = random.Random(seed)  # noqa: S311  (a fixed sequence)
    made = 0
    while made < count:
        shape = {n: rng.choice((32, 50, 64, 96, 128, 200)) for n in ("M", "N", "K")}
        block = {f"block_{n}": rng.choice((32, 64)) for n in "MN"}
        dtype = rng.choice(("bfloat16", "float32"))
        kernel: Any = rng.choice((matmul, matmul, copy, add, multiply_add))
        parameters: dict[str, Any] = {**shape, **block, "dtype": dtype}
        if kernel is matmul:
            parameters |= {t: rng.random() < 0.3 for t in ("trans_A", "trans_B")}
        else:
            del parameters["K"]
        grid = (rng.randint(1, 7), rng.randint(1, 7))
        options: dict[str, Any] = {
            "device": rng.choice(DEVICES), "grid": grid,
            "strategy": rng.choice(("row_major", "column_major", "block")),
            "double_buffer": rng.random() < 0.7,
        }  # fmt: skip
        try:
            yield lower(kernel(**parameters), **options).kernels[0]
        except HarnessError:  # a drawn combination the compiler refuses
            continue
        made += 1
