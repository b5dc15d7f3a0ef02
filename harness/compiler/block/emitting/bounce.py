"""Pieces smaller than what a device reads at once: whole spans come first, to a place of their own.

Both ends of a NoC read are alike modulo the alignment of the memory it reads, 64 bytes of DRAM on
Blackhole, and a row of a face has 32 in 16 bits. So the aligned span around each piece is read, and
the RISC copies the piece from there to where the block has it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import tvm
from tvm import tirx

from harness.compiler.block.emitting.lookup import Lookup
from harness.compiler.tt_ops import TILE_ADDR, address, call
from harness.language.blockformats import dtype_of
from harness.language.walks import replaced, structural_map
from simulator.formats.dataformat import DataFormat


@dataclass(frozen=True)
class Piece:
    """Bytes of a page of a tensor, and where its block has them; ``number`` tells it from others.

    ``offset`` is where in the page they begin, ``where`` their address.
    """

    page: Any
    offset: Any
    where: Any
    size: int
    number: Any


Move = Callable[[Piece], Any]
"""The statement that moves a piece, or part of its way."""


def directly(op: str, tensor: Any, span: Any) -> Move:
    """Moves by one transfer of part of a page."""
    return lambda p: call(op, p.page, tensor, p.where, p.offset, p.size, span=span)


@dataclass(frozen=True)
class Bounce:
    """Spans of ``align`` bytes of a tensor in an array of L1, one per piece."""

    tensor: Any
    spans: Any
    align: int
    simplify: Callable[[Any], Any]

    def _slot(self, number: Any, further: Any = 0) -> Any:
        """The address ``further`` bytes into the span of a piece."""
        tile = DataFormat.from_ir(dtype_of(self.tensor)).tile_bytes()
        per = tirx.const(tile // self.align, "int32")
        where = address(TILE_ADDR, self.spans, self.simplify(tirx.FloorDiv(number, per)))
        return where + self.simplify(tirx.FloorMod(number, per) * self.align + further)

    def fetch(self, span: Any) -> Move:
        """Reads the span around a piece."""

        def move(piece: Piece) -> Any:
            align = tirx.const(self.align, "int32")
            start = self.simplify(tirx.FloorDiv(piece.offset, align) * align)
            return call("noc_async_read_partial_page", piece.page, self.tensor,
                        self._slot(piece.number), start, self.align, span=span)  # fmt: skip

        return move

    def settle(self, buffer: Any, span: Any) -> Move:
        """Copies a piece out of its span to the block ``buffer``."""

        def move(piece: Piece) -> Any:
            if self.align % piece.size:
                raise AssertionError(f"{piece.size} bytes of a span of {self.align}")
            rest = tirx.FloorMod(piece.offset, tirx.const(self.align, "int32"))
            return call("copy_l1", buffer, piece.where, self._slot(piece.number, rest), piece.size,
                        span=span)  # fmt: skip

        return move


def anew(stmts: Sequence[Any], asked: Sequence[Lookup]) -> list[Any]:
    """Statements with variables of their own for what tensors of indices answer."""
    own = {a.var: tirx.Var(a.var.name, "int32") for a in asked}
    if not own:
        return list(stmts)

    def rebind(bind: tirx.Bind) -> Any:
        value = replaced(bind.value, own)
        return tirx.Bind(own.get(bind.var, bind.var), value, bind.span)

    rules = [(tirx.Bind, rebind), (tvm.ir.Var, lambda v: own.get(v, v))]
    return [structural_map(s, rules, order="pre") for s in stmts]
