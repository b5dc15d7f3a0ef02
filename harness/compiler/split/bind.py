"""Named L1 buffers to circular-buffer ids and pointers, per thread."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import tvm
from tvm import tirx
from tvm.ir import Call

from harness.compiler.split.buffers import Circular
from harness.compiler.tt_ops import COPIES, TILE_ADDR, address, seq
from harness.language.ops import new_call
from harness.language.regions import is_buffer
from harness.language.walks import structural_map


def bind(stmts: list[Any], thread: str, circular: Mapping[Any, Circular]) -> list[Any]:
    """A thread's statements with buffers replaced by circular-buffer ids.

    ``tile_addr(buffer, i)`` becomes the write pointer where the thread produces the buffer, else
    the read pointer, plus ``i`` pages. What a thread copies from it may have produced itself.
    """
    ana = tvm.sym.Analyzer()

    def pointer(call: Call, name: str) -> Any:
        cb = circular[call.args[0]]
        offset = ana.simplify(call.args[1] * cb.page_bytes)
        base = address(name, cb.id)
        return base if isinstance(offset, tirx.IntImm) and not int(offset) else base + offset

    def source(call: Call) -> Any:
        return pointer(call, "tt.get_read_ptr") if call.op.name == TILE_ADDR else call

    def rewrite(call: Call) -> Any:
        name = call.op.name
        if name == TILE_ADDR:
            mine = circular[call.args[0]].producer == thread
            return pointer(call, "tt.get_write_ptr" if mine else "tt.get_read_ptr")
        if not name.startswith("tt."):
            return call
        copied = COPIES.get(name)
        args = [
            structural_map(a, [(Call, source)], order="pre") if at == copied else a
            for at, a in enumerate(call.args[:])
        ]
        args = [
            tirx.const(circular[a].id, "int32") if is_buffer(a) and a in circular else a
            for a in args
        ]
        return new_call(call.op, args, call.ty, call.span)

    bound = structural_map(seq(stmts), [(Call, rewrite)], order="pre")
    return [bound] if len(stmts) == 1 else bound.seq[:]
