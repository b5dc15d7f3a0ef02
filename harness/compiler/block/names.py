"""Block buffers to TIR variables: one L1 tile array each."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from tvm import tirx

from harness.compiler.block.model import Buffer
from harness.compiler.block.whole import SIGNED
from harness.compiler.facts.signed import stored_dtype
from harness.language.blockformats import carried
from simulator.formats.dataformat import DataFormat

L1_SCOPE: Final = "tt.l1"
"""Storage scope of a named L1 tile array, shape (tiles, 32, 32); a row of indices is (1, 1, n)."""
INDEX: Final = "int32"
"""What indices are kept as in device memory, and truths that decide: RISCs load words."""


class Names:
    """Declares a TIR buffer per block buffer, once."""

    def __init__(self, taken: Iterable[str] = (), signed: frozenset[str] = frozenset()) -> None:
        """Nothing declared yet; ``taken`` are names that nothing else may have.

        ``signed`` names the int8 tensors that hold two's complement.
        """
        self._signed = signed
        self._known: dict[Buffer, Any] = {}
        self._extra: list[Any] = []
        self._taken = set(taken)

    def __getitem__(self, buffer: Buffer) -> Any:
        """The TIR variable of a block buffer."""
        if buffer not in self._known:
            self._known[buffer] = tirx.decl_buffer(
                (buffer.tiles, 32, 32), _spelled(buffer.dtype), name=buffer.name, scope=L1_SCOPE
            )
        return self._known[buffer]

    def row(self, tensor: Any) -> Any:
        """A TIR variable for one row of a tensor of indices, each time another."""
        width = int(tensor.ty.shape[-1])
        return self._make(f"{tensor.name}_row", (1, 1, width), INDEX)

    def spans(self, tensor: Any, count: int, size: int) -> Any:
        """A TIR variable for ``count`` pieces of a tensor of ``size`` bytes, each time another."""
        dtype = _spelled(stored_dtype(tensor, self._signed))
        tiles = -(-count * size // DataFormat.from_ir(dtype).tile_bytes())
        return self._make(f"{tensor.name}_spans", (tiles, 32, 32), dtype)

    def _make(self, stem: str, shape: tuple[int, ...], dtype: str) -> Any:
        name = stem
        while name in self._taken:
            name = f"{stem}_{len(self._extra)}_{len(self._taken)}"
        self._taken.add(name)
        made = tirx.decl_buffer(shape, dtype, name=name, scope=L1_SCOPE)
        self._extra.append(made)
        return made

    def allocations(self) -> list[Any]:
        """Allocation statements of everything declared, in order of declaration."""
        return [tirx.AllocBuffer(b) for b in (*self._known.values(), *self._extra)]


def _spelled(dtype: str) -> str:
    """A dtype as TVM spells it: bytes are bytes."""
    return "uint8" if dtype == SIGNED else carried(dtype)


def is_index_row(buffer: Any) -> bool:
    """Whether an L1 array is one row of a tensor of indices."""
    return int(buffer.ty.shape[1]) == 1
