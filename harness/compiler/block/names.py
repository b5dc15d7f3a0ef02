"""Block buffers to TIR variables: one L1 tile array each."""

from __future__ import annotations

from typing import Any, Final

from tvm import tirx

from harness.compiler.block.model import Buffer
from harness.language.blockformats import carried

L1_SCOPE: Final = "tt.l1"
"""Storage scope of a named L1 tile array, shape (tiles, 32, 32)."""


class Names:
    """Declares a TIR buffer per block buffer, once."""

    def __init__(self) -> None:
        """Nothing declared yet."""
        self._known: dict[Buffer, Any] = {}

    def __getitem__(self, buffer: Buffer) -> Any:
        """The TIR variable of a block buffer."""
        if buffer not in self._known:
            self._known[buffer] = tirx.decl_buffer(
                (buffer.tiles, 32, 32), carried(buffer.dtype), name=buffer.name, scope=L1_SCOPE
            )
        return self._known[buffer]

    def allocations(self) -> list[Any]:
        """Allocation statements of everything declared, in order of declaration."""
        return [tirx.AllocBuffer(b) for b in self._known.values()]
