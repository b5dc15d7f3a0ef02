"""Named L1 buffers to circular-buffer ids and pointers, per thread."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import tvm
import tvm_ffi
from tvm import tirx
from tvm.ir import Call

from harness.compiler.split.buffers import Circular
from harness.compiler.tt_ops import TILE_ADDR, address, seq
from harness.language.regions import is_buffer


def bind(stmts: list[Any], thread: str, circular: Mapping[Any, Circular]) -> list[Any]:
    """A thread's statements with buffers replaced by circular-buffer ids.

    ``tile_addr(buffer, i)`` becomes the write pointer where the thread produces the buffer, else
    the read pointer, plus ``i`` pages.
    """
    ana = tvm.sym.Analyzer()

    def rewrite(call: Call) -> Any:
        name = call.op.name
        if name == TILE_ADDR:
            cb = circular[call.args[0]]
            pointer = "tt.get_write_ptr" if cb.producer == thread else "tt.get_read_ptr"
            offset = ana.simplify(call.args[1] * cb.page_bytes)
            base = address(pointer, cb.id)
            return base if isinstance(offset, tirx.IntImm) and not int(offset) else base + offset
        if not name.startswith("tt."):
            return call
        args = [
            tirx.const(circular[a].id, "int32") if is_buffer(a) and a in circular else a
            for a in call.args[:]
        ]
        return Call(call.op, args, ret_ty=call.ty, span=call.span)

    bound = tvm_ffi.structural_map(seq(stmts), [(Call, rewrite)], order="pre")
    return [bound] if len(stmts) == 1 else bound.seq[:]
