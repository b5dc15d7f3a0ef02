"""Blocks done in turn, and what they store element by element collected.

``out[b] = s[0]`` is one element of each block: a core that does 32 blocks in turn has a run of
them, which is written once it has done all.
"""

from __future__ import annotations

from typing import Any

from tvm import tirx

from harness.compiler.block.emitting.pieces import FACE
from harness.compiler.facts.kernel import Kernel, read_kernel
from harness.compiler.facts.statements import statements
from harness.compiler.facts.ties import step_of
from harness.compiler.joining.turns import in_pieces, in_turns, turns_of
from harness.compiler.joining.unitrows import with_store_loops
from harness.compiler.rewrite.collected import collected_in_turns


def done_in_turns(kernel: Kernel, axis: int, number: int) -> tirx.PrimFunc | None:
    """The function with ``number`` blocks along an axis in turn; None where they move elements.

    Raises:
        CompileError: blocks that write the same elements, or one that may use what another made.
    """
    var = kernel.block_vars[axis]
    if in_pieces(kernel, var):
        return in_turns(kernel, axis, number)
    if number == 1 or not in_pieces(kernel, var, elements=True):
        return None
    func = collected_in_turns(in_turns(kernel, axis, number))
    return None if _elements_left(func) else with_store_loops(func)


def _elements_left(func: tirx.PrimFunc) -> bool:
    """Whether blocks done in turn store single elements of tensors still."""
    params: set[Any] = set(read_kernel(func).params)
    stores = ((turn, s) for turn, body in turns_of(func.body) for s in statements(body)
              if isinstance(s, tirx.BufferStore) and s.buffer in params)  # fmt: skip
    return any((step_of(s.indices[-1], turn) or 0) % FACE for turn, s in stores)
