"""Sums of products, and other blocks, that are computed when somebody looks at them.

A K loop adds one product after the other to the same DST tiles, often by way of a spill buffer.
Operands never change once they exist, so a product may wait: when the sum is needed, all its K
steps are added for a few lanes at a time, and the accumulator stays in the cache instead of
streaming through memory once per K step. The order of the additions, hence every bit, is the
program's (D7).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np

from simulator.engine.pool import Block, Pool
from simulator.numerics.int8 import matmul_int8
from simulator.numerics.model import NumberModel
from simulator.numerics.modes import Mode

CHUNK_BYTES: Final = 1 << 19
"""Bytes of accumulator worked on at a time: small beside a level-2 cache, with as much again for
products; measured best between 256 KiB and 1 MiB."""

MAX_STEPS: Final = 32
"""Products a sum may wait for; bounds the chain and the operand blocks it keeps alive."""


class Products:
    """What all matmuls of one kernel share; ``integers`` are products of Int8 tiles."""

    def __init__(
        self, model: NumberModel, mode: Mode, pool: Pool, *, integers: bool = False
    ) -> None:
        self.model = model
        self.mode = mode
        self.pool = pool
        self.integers = integers
        self.dtype = np.dtype(np.int32 if integers else np.float32)

    def add(self, acc: Any, a: Block, b: Block, out: Block, scratch: Block | None = None) -> None:
        """Out = acc + a @ b, one K tile; ``acc`` None is a cleared DST."""
        if not self.integers:
            self.model.matmul(acc, a, b, self.mode, out=out, scratch=scratch)
            return
        before = np.zeros(out.shape, np.int32) if acc is None else acc
        out[...] = matmul_int8(before, a, b, self.mode.fidelity)


class Deferred:
    """``before + a @ b`` of some shape; stands where a block would stand.

    ``before`` is a block, another deferred sum, or None for cleared tiles. Of a block that is
    another's work (:meth:`other`) ``a`` makes it, and ``products`` is None.
    """

    __slots__ = ("a", "b", "before", "dtype", "products", "result", "shape", "steps")
    products: Products | None
    a: Any
    b: Any

    @classmethod
    def other(
        cls, make: Callable[[], Block], shape: tuple[int, ...], dtype: np.dtype[Any]
    ) -> Deferred:
        """A block somebody else makes."""
        made = cls.__new__(cls)
        made.products, made.before, made.a, made.b = None, None, make, None
        made.shape, made.dtype, made.result, made.steps = shape, dtype, None, 1
        return made

    def __init__(
        self, products: Products, before: Any, a: Block, b: Block, shape: tuple[int, ...]
    ) -> None:
        self.products = products
        self.before = before
        self.a = a
        self.b = b
        self.shape = shape
        self.dtype = products.dtype
        self.result: Block | None = None
        self.steps = 1
        if type(before) is Deferred:
            if before.result is not None:
                self.before = before.result
            elif before.shape != shape or before.products is not products:
                self.before = before.value()
            else:
                self.steps += before.steps
                if self.steps > MAX_STEPS:
                    self.before = before.value()
                    self.steps = 1

    def value(self) -> Block:
        """The sum, computed once."""
        result = self.result
        if result is None:
            result = self.result = self._compute()
            self.before = self.a = self.b = None
        return result

    def _compute(self) -> Block:
        products = self.products
        if products is None:
            return self.a()  # type: ignore[no-any-return]
        steps: list[tuple[Block, Block]] = []
        at: Any = self
        while isinstance(at, Deferred) and at.result is None:
            steps.append((at.a, at.b))
            at = at.before
        start: Block | None = at.result if isinstance(at, Deferred) else at
        if start is not None and start.shape != self.shape:
            start = start.reshape(self.shape)
        steps.reverse()
        shape = self.shape
        dtype = products.dtype
        out = products.pool.take(shape, dtype)
        axis = 0 if shape[0] > 1 else 1
        lane_bytes = out.nbytes // shape[axis]
        count = min(max(1, CHUNK_BYTES // lane_bytes), shape[axis])
        some = list(shape)
        some[axis] = count
        scratch = products.pool.take(tuple(some), dtype)
        add = products.add
        for first in range(0, shape[axis], count):
            part: Any = slice(first, first + count)
            if axis:
                part = (slice(None), part)
            acc = out[part]
            room = scratch[: acc.shape[0], : acc.shape[1]]
            rest = steps
            if start is None:
                a, b = steps[0]
                add(None, a[part], b[part], acc)
                rest = steps[1:]
            else:
                np.copyto(acc, start[part])
            for a, b in rest:
                add(acc, a[part], b[part], acc, room)
        return out
