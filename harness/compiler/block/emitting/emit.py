"""Compute statements of a block program as device ops on tiles: DST brackets, loops, packs."""

from __future__ import annotations

from typing import Any

import tvm
from tvm import tirx

from harness.compiler.block.emitting.expression import Micro, registers_needed, schedule
from harness.compiler.block.model import (
    Accumulate,
    Buffer,
    Cumsum,
    Eltwise,
    Gemm,
    Reduce,
    Statement,
    Transpose,
)
from harness.compiler.block.names import Names
from harness.compiler.block.parts import Extract, Insert
from harness.compiler.block.settling.paths import exact_transpose
from harness.compiler.diagnostics import refuse
from harness.compiler.tt_ops import call, config_scope, loop, thread


def largest_divisor(n: int, limit: int) -> int:
    """The largest divisor of ``n`` that is at most ``limit``."""
    return max(d for d in range(1, min(n, limit) + 1) if n % d == 0)


def simplified(expr: Any) -> Any:
    """An index expression, shorter where it can be."""
    return tvm.sym.Analyzer().simplify(expr)


class ComputeEmitter:
    """Emits compute statements; ``dst_tiles`` is the capacity of DST per acquire."""

    def __init__(self, names: Names, dst_tiles: int) -> None:
        """``names`` maps block buffers to their TIR variables."""
        self.names = names
        self.dst_tiles = dst_tiles

    def eltwise(self, stmt: Eltwise) -> Any:
        """Elementwise: load operands, combine in DST, pack."""
        needed = registers_needed(stmt.expr)
        span, out = getattr(stmt.node, "span", None), self.names[stmt.dst]
        per = largest_divisor(stmt.dst.tiles, self.dst_tiles // needed)

        def segment(s: Any) -> list[Any]:
            math: list[Any] = []
            for micro in schedule(stmt.expr):
                math += loop(
                    "t",
                    per,
                    lambda t, m=micro: [self._micro(stmt, m, s * per + t, t * needed, span)],
                )
            packs = loop("t", per, lambda t: [call("pack_tile", t * needed, out, span=span)])
            return self.bracket(math, packs, span)

        return thread("compute", loop("s", stmt.dst.tiles // per, segment))

    def _micro(self, stmt: Eltwise, micro: Micro, tile: Any, base: Any, span: Any) -> Any:
        registers = [base + r for r in micro.registers]
        buffers = [self.names[b] for b in micro.buffers]
        if micro.kind == "copy":
            return call("copy_tile", buffers[0], tile, registers[0], span=span)
        if micro.kind == "cut":
            return call("transpose_tile", buffers[0], tile, registers[0], span=span)
        if micro.kind == "turn":
            return call("transpose_dest", registers[0], span=span)
        if micro.kind == "bcast":
            index = self._repeated(stmt.dst, micro.names[0], tile)
            return call("unary_bcast", micro.names[0], buffers[0], index, registers[0], span=span)
        if micro.kind == "fpu":
            _, _, suffix = micro.op.partition("_bcast_")
            dim = {"rows": "ROW", "cols": "COL", "scalar": "SCALAR"}.get(suffix)
            other = tile if dim is None else self._repeated(stmt.dst, dim, tile)
            return call(micro.op, *buffers, tile, other, registers[0], span=span)
        if micro.kind in ("binary", "where", "unary"):
            return call(f"{micro.op}_tile", *registers, span=span)
        if micro.kind == "cast":
            return call("typecast_tile", registers[0], *micro.names, span=span)
        return call(f"{micro.op}_tile", registers[0], micro.value, span=span)

    @staticmethod
    def _repeated(dst: Buffer, dim: str, tile: Any) -> Any:
        """Tile of a row, column or scalar operand that goes with tile ``tile`` of the result."""
        if dim == "SCALAR":
            return tirx.const(0, "int32")
        within = tirx.FloorMod(tile, tirx.const(dst.rows * dst.cols, "int32"))
        if dim == "ROW":
            index = tirx.FloorMod(within, tirx.const(dst.cols, "int32"))
        else:
            index = tirx.FloorDiv(within, tirx.const(dst.cols, "int32"))
        return index

    def reduce(self, stmt: Reduce) -> Any:
        """reduce_tile over a row (or column) of tiles into one, under the packer's mask."""
        span, src = getattr(stmt.node, "span", None), stmt.src
        dim = "REDUCE_ROW" if stmt.axis == 1 else "REDUCE_COL"
        outer, inner = (src.rows, src.cols) if stmt.axis == 1 else (src.cols, src.rows)

        def one(o: Any) -> list[Any]:
            math = loop("c", inner, lambda i: [call(
                "reduce_tile", stmt.pool, dim, self.names[src], self.names[stmt.scaler],
                o * src.cols + i if stmt.axis == 1 else i * src.cols + o, 0, 0,
                span=span)])  # fmt: skip
            packs = [call("pack_tile", 0, self.names[stmt.dst], span=span)]
            return self.bracket(math, packs, span)

        return thread("compute", [config_scope(loop("r", outer, one))])

    def cumsum(self, stmt: Cumsum) -> Any:
        """Each tile: the triangle times its own, ones times those before it (or behind)."""
        span, src = getattr(stmt.node, "span", None), stmt.src
        own, ones, axis = self.names[src], self.names[stmt.ones], stmt.axis
        size, stride = (src.cols, 1) if axis == 1 else (src.rows, src.cols)

        def tile(index: Any, at: Any) -> list[Any]:
            count = size - at if stmt.reverse else at + 1
            step = tirx.Var("t", "int32")
            source = index + step * stride if stmt.reverse else index - step * stride
            pair = [(own, simplified(source)), (ones, tirx.Min(step, tirx.const(1, "int32")))]
            (a, i), (b, j) = pair if axis == 1 else pair[::-1]
            product = call("matmul_tiles", a, b, i, j, 0, span=span)
            math = tirx.For(step, 0, simplified(count), tirx.ForKind.SERIAL, product)
            packs = [call("pack_tile", 0, self.names[stmt.dst], span=span)]
            return self.bracket([math], packs, span)

        return thread("compute", loop("b", src.lead, lambda b: loop("r", src.rows, lambda r: loop(
            "c", src.cols, lambda c: tile((b * src.rows + r) * src.cols + c,
                                          c if axis == 1 else r)))))  # fmt: skip

    def transpose(self, stmt: Transpose) -> Any:
        """Tile (i, j) of the result is tile (j, i) of the source, transposed."""
        span = getattr(stmt.node, "span", None)
        src, dst = stmt.src, stmt.dst
        per = largest_divisor(dst.cols, self.dst_tiles)
        exact = exact_transpose(stmt)

        def move(index: Any, t: Any) -> list[Any]:
            if not exact:
                return [call("transpose_tile", self.names[src], index, t, span=span)]
            return [call("copy_tile", self.names[src], index, t, span=span)]

        def row(i: Any) -> list[Any]:
            def segment(s: Any) -> list[Any]:
                math = loop("t", per, lambda t: move((s * per + t) * src.cols + i, t))
                if exact:
                    math += loop("t", per, lambda t: [call("transpose_dest", t, span=span)])
                packs = loop("t", per, lambda t: [call("pack_tile", t, self.names[dst], span=span)])
                return self.bracket(math, packs, span)

            return loop("s", dst.cols // per, segment)

        return thread("compute", loop("r", dst.rows, row))

    def extract(self, stmt: Extract) -> Any:
        """Tiles of a part, one after another."""
        span, part, whole, at = getattr(stmt.node, "span", None), stmt.dst, stmt.src, stmt.window
        per = largest_divisor(part.cols, self.dst_tiles)

        def row(lead: Any, i: Any) -> list[Any]:
            first = (lead * whole.rows + at.row + i) * whole.cols + at.col

            def segment(s: Any) -> list[Any]:
                math = loop("t", per, lambda t: [call(
                    "copy_tile", self.names[whole], simplified(first + s * per + t), t,
                    span=span)])  # fmt: skip
                packs = loop("t", per, lambda t: [call("pack_tile", t, self.names[part],
                                                       span=span)])  # fmt: skip
                return self.bracket(math, packs, span)

            return loop("s", part.cols // per, segment)

        def down(dims: tuple[Any, ...], lead: Any) -> list[Any]:
            if not dims:
                return loop("r", part.rows, lambda i: row(lead, i))
            (start, extent, size), *rest = dims
            return loop("b", extent, lambda b: down(tuple(rest), lead * size + start + b))

        return thread("compute", down(at.lead, tirx.const(0, "int32")))

    def insert(self, stmt: Insert) -> Any:
        """Every tile of the block, from the part or from what the block held."""
        span, part, whole, at = getattr(stmt.node, "span", None), stmt.src, stmt.dst, stmt.window

        def tile(old: Any, new: Any, inside: list[Any]) -> list[Any]:
            here, there = (call("copy_tile", self.names[b], simplified(i), 0, span=span)
                           for b, i in ((part, new), (stmt.base, old)))  # fmt: skip
            test = simplified(inside[0] if len(inside) == 1 else tirx.all(*inside))
            packs = [call("pack_tile", 0, self.names[whole], span=span)]
            return self.bracket([tirx.IfThenElse(test, here, there)], packs, span)

        dims = [*at.lead, (at.row, part.rows, whole.rows), (at.col, part.cols, whole.cols)]

        def down(rest: list[Any], old: Any, new: Any, inside: list[Any]) -> list[Any]:
            if not rest:
                return tile(old, new, inside)
            (start, extent, size), *inner = rest

            def step(i: Any) -> list[Any]:
                own = [] if extent == size else [i >= start, i < start + extent]
                return down(inner, old * size + i, new * extent + i - start, [*inside, *own])

            return loop("i", size, step)

        zero = tirx.const(0, "int32")
        return thread("compute", down(dims, zero, zero, []))

    def gemm(self, stmt: Gemm) -> Any:
        """A product on memory accumulators: reload, accumulate, pack."""
        span, c = getattr(stmt.node, "span", None), stmt.c
        width = largest_divisor(c.cols, self.dst_tiles)
        height = largest_divisor(c.rows, self.dst_tiles // width) if width == c.cols else 1

        def block(r: Any, s: Any) -> list[Any]:
            math: list[Any] = []
            if stmt.acc is not None:
                acc = stmt.acc
                math += loop("m", height, lambda m: loop("n", width, lambda n: [
                    call("copy_tile", self.names[acc], (r * height + m) * c.cols + s * width + n,
                         m * width + n, span=span)]))  # fmt: skip
            math += self.products(stmt, r * height, s * width, height, width, 0)
            packs = loop("m", height, lambda m: loop("n", width, lambda n: [
                call("pack_tile", m * width + n, self.names[c], span=span)]))  # fmt: skip
            return self.bracket(math, packs, span)

        return thread("compute", loop("r", c.rows // height, lambda r: loop(
            "s", c.cols // width, lambda s: block(r, s))))  # fmt: skip

    def products(
        self, stmt: Gemm, row: Any, col: Any, height: int, width: int, base: int
    ) -> list[Any]:
        """matmul_tiles over K, then rows, then columns of a sub-block of C, from DST ``base``."""
        span, a, b = getattr(stmt.node, "span", None), stmt.a, stmt.b
        depth = a.cols

        def one(k: Any, m: Any, n: Any) -> list[Any]:
            j = col + n
            in1 = j * b.cols + k if stmt.trans_b else k * b.cols + j
            op = "matmul_tiles_transposed" if stmt.trans_b else "matmul_tiles"
            return [call(op, self.names[a], self.names[b], (row + m) * a.cols + k, in1,
                         base + m * width + n, span=span)]  # fmt: skip

        return loop("k", depth, lambda k: loop("m", height, lambda m: loop(
            "n", width, lambda n: one(k, m, n))))  # fmt: skip

    def accumulate_open(self, stmt: Accumulate) -> Any:
        """Take DST before the loop, with zeros where it may stay as it is."""
        span = getattr(stmt.node, "span", None)
        zeros: list[Any] = []
        base = 0
        for acc in stmt.accs:
            if acc in stmt.bare:
                zeros += loop("t", acc.tiles, lambda t, b=base: [
                    call("fill_tile", b + t, 0.0, span=span)])  # fmt: skip
            base += acc.tiles
        return thread("compute", [call("tile_regs_acquire", span=span), *zeros])

    def accumulate_step(self, stmt: Gemm, base: int) -> Any:
        """One product into the accumulator at DST ``base``."""
        return thread("compute", self.products(stmt, 0, 0, stmt.c.rows, stmt.c.cols, base))

    def accumulate_close(self, stmt: Accumulate) -> Any:
        """Hand DST to the packer and pack every accumulator."""
        span = getattr(stmt.node, "span", None)
        packs: list[Any] = []
        base = 0
        for acc, out in zip(stmt.accs, stmt.outs, strict=True):
            packs += loop("t", acc.tiles, lambda t, b=base, o=out: [
                call("pack_tile", b + t, self.names[o], span=span)])  # fmt: skip
            base += acc.tiles
        return thread("compute", self.close(packs, span))

    def bracket(self, math: list[Any], packs: list[Any], span: Any) -> list[Any]:
        """acquire, math, commit, wait, pack, release."""
        return [call("tile_regs_acquire", span=span), *math, *self.close(packs, span)]

    @staticmethod
    def close(packs: list[Any], span: Any) -> list[Any]:
        """commit, wait, pack, release."""
        return [call("tile_regs_commit", span=span), call("tile_regs_wait", span=span), *packs,
                call("tile_regs_release", span=span)]  # fmt: skip

    def statement(self, stmt: Statement) -> Any:
        """Any single compute statement."""
        if isinstance(stmt, Eltwise):
            return self.eltwise(stmt)
        if isinstance(stmt, Transpose):
            return self.transpose(stmt)
        if isinstance(stmt, Reduce):
            return self.reduce(stmt)
        if isinstance(stmt, Cumsum):
            return self.cumsum(stmt)
        if isinstance(stmt, Gemm):
            return self.gemm(stmt)
        if isinstance(stmt, Extract):
            return self.extract(stmt)
        if isinstance(stmt, Insert):
            return self.insert(stmt)
        refuse(f"no lowering for {type(stmt).__name__}", node=stmt.node)
