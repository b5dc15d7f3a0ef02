"""One store of a T.Parallel nest: places of its buffers, and its expression."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NoReturn

import tvm
from tvm import tirx
from tvm.ir import Call, TensorLoad

from harness.compiler.block.fold import RING, binary, is_real, number
from harness.compiler.block.lines import side
from harness.compiler.block.model import (
    Binary,
    Buffer,
    Const,
    Convert,
    Eltwise,
    Expr,
    Leaf,
    Load,
    Select,
    Statement,
    Transpose,
    Unary,
)
from harness.compiler.block.reading.access import REPEATED, accessed, check_pooling
from harness.compiler.block.reading.blocks import make_buffer
from harness.compiler.block.reading.choose import Pick, picked, picks, window
from harness.compiler.block.reading.computed import is_moved, moved_leaf, moved_store, moved_tensor
from harness.compiler.block.reading.conditions import condition, is_truth, whole
from harness.compiler.block.reading.copies import Copies, lies
from harness.compiler.block.reading.gather import gathered, gathers_into, is_gathered
from harness.compiler.block.reading.held import INDICES, KEPT, WHOLES, is_computed
from harness.compiler.block.reading.scatter import scattered
from harness.compiler.block.region import Region
from harness.compiler.block.whole import NARROW, NUMBERS, REAL, WHOLE, copied, in_parts, total
from harness.compiler.diagnostics import refuse
from harness.compiler.facts.accesses import loads
from harness.compiler.facts.affine import mentions
from harness.language.blockformats import BLOCK_FORMATS, VALUES, dtype_of
from harness.language.tensors import TRUTH

_ARITHMETIC: Final = (*RING, (tirx.Div, "div"))
_FUNCTIONS: Final = ("exp", "exp2", "log", "log1p", "sqrt", "rsqrt", "sigmoid", "tanh", "erf",
                     "sin", "cos", "floor", "ceil", "round")  # fmt: skip
_LOG2_E: Final = 1.4426950408889634


class Nest:
    """Reads expressions over one iteration space; loads it needs collect in ``before``."""

    def __init__(self, reader: Copies, variables: list[Any], extents: list[int]) -> None:
        """``variables`` and ``extents`` of the loops, outermost first."""
        self.reader = reader
        self.variables = variables
        self.extents = extents
        self.parts = reader.parts()
        self.before = self.parts.before
        self.node: Any = None
        self.target: Buffer | None = None
        self.guards: list[Any] = []  # conditions under which an operand is chosen

    def store(self, stmt: tirx.BufferStore, where: Any = None) -> list[Statement]:
        """The statements of one store; one whose place data say happens ``where`` that holds."""
        self.node = stmt
        buffer, indices = stmt.buffer, stmt.indices[:]
        check_pooling(self.variables, stmt)
        if buffer.name in self.reader.buffers and is_moved(self, buffer, indices):
            return moved_store(self, stmt)
        if buffer.name in self.reader.buffers:
            starts, extents, access = accessed(self.variables, self.extents, buffer, indices, stmt)
            if access not in ("full", "line"):
                refuse(f"{buffer.name!r} is not stored over the whole iteration space", node=stmt,
                       code="UnsupportedIndex",
                       next_step="index the block by the loop variables in order")  # fmt: skip
            block = self.target = self.parts.write(buffer, starts, extents, stmt)
            if buffer.name in self.reader.held:
                self.check_whole(stmt)
            expr = self.expr(stmt.value)
            if isinstance(expr, Leaf) and (load := gathers_into(self.before, expr, block)):
                load.dst = block
                return [*self.before, *self.parts.after]
            return [*self.before, Eltwise(stmt, block, expr), *self.parts.after]
        told = scattered(self, buffer, indices, where, stmt)
        region = self.region(buffer, indices, stmt) if told is None else told
        form = "full" if len(self.extents) > 1 else lies(region)
        dtype = dtype_of(buffer)
        computed = dtype in WHOLES and is_computed(stmt.value, self.reader.held)
        kept = KEPT if computed else self.reader.stored(buffer)
        block = make_buffer(self.reader.temp(f"{buffer.name}_block"), kept, tuple(self.extents),
                            form)  # fmt: skip
        self.target = block
        if computed:
            self.check_whole(stmt)
            self.reader.whole[block] = dtype
        expr = self.expr(stmt.value)
        return [*self.before, Eltwise(stmt, block, expr), *self.reader.unload(stmt, region, block)]

    def check_whole(self, stmt: tirx.BufferStore) -> None:
        """Refuse real numbers where whole ones are stored, unless they are cut."""
        if is_real(stmt.value):
            dtype = dtype_of(stmt.buffer)
            refuse(f"real numbers are stored to {stmt.buffer.name!r} of {dtype}", node=stmt,
                   code="UnsupportedDtype",
                   next_step=f'cut them, T.cast(T.clamp(x, -100, 100), "{dtype}"), or keep them in'
                   " float32")  # fmt: skip

    # Places -----------------------------------------------------------------------------------

    def leaf(self, buffer: Any, indices: list[Any], node: Any) -> Expr:
        """The operand an on-chip element is; vectors in the other form are turned first."""
        if is_moved(self, buffer, indices):
            return moved_leaf(self, buffer, indices, node)
        starts, extents, access = accessed(self.variables, self.extents, buffer, indices, node)
        parts = self.parts
        fixed = [dim for dim in range(max(len(indices) - 2, 0), len(indices))
                 if not mentions(indices[dim], self.variables)
                 and (access == "line" or not parts.is_aligned(starts[dim]))]  # fmt: skip
        chosen = picks(parts, buffer, starts, extents, fixed, node) if fixed else []
        block = parts.read(buffer, starts, extents, node)
        if not chosen:
            alone = self.target is not None and block.shape == self.target.shape == (1, 1)
            repeated = None if alone else REPEATED.get(access)  # repeating cuts to TF32
            return self.operand(block, repeated, node, turned=self._lies(block, access))
        return self._picked(block, chosen, access, node)

    def _lies(self, block: Buffer, access: str) -> bool:
        """Whether a block lies the other way round."""
        form = block.form if self.target is None else self.side(self.target)
        if access in ("full", "line"):
            return self.side(block) != form and (1, 1) not in (block.shape, self._shape())
        if " as " in access:
            return block.form != REPEATED[access].lower()
        along = {"ROW": "row", "COL": "col"}.get(access, block.form)
        return access == "turned" or block.form not in ("full", along)

    def side(self, block: Buffer) -> str:
        """How a block lies along one loop: a matrix of one column, or of one row, is a vector."""
        return block.form if len(self.variables) > 1 else side(block)

    def _shape(self) -> tuple[int, int] | None:
        return None if self.target is None or len(self.variables) > 1 else self.target.shape

    def operand(self, block: Buffer, bcast: str | None, node: Any, *, turned: bool) -> Expr:
        """The operand a block is, turned and repeated as asked; whole numbers become real."""
        if not self._is_whole(node):
            return Leaf(self._turned(block) if turned else block, bcast)
        if bcast is None and not turned and self.target is not None:
            return copied(block, self.target)
        made, parts = in_parts(block, self.node, self.reader.temp)
        self.before += made
        return total(Leaf(self._turned(part) if turned else part, bcast) for part in parts)

    def _turned(self, block: Buffer) -> Buffer:
        for known in self.before:
            if isinstance(known, Transpose) and known.src is block:
                return known.dst
        turned = block.turned(self.reader.temp(f"{block.name}_t"))
        self.before.append(Transpose(self.node, turned, block))
        return turned

    def region(self, buffer: Any, indices: list[Any], node: Any) -> Region:
        """The region of a tensor that start + loop variables, in order, run over."""
        ana = tvm.sym.Analyzer()
        starts, sizes, used = [], [], 0
        for index in indices:
            positions = [k for k in range(used, len(self.variables))
                         if mentions(index, [self.variables[k]])]  # fmt: skip
            if not mentions(index, self.variables):
                starts.append(index)
                sizes.append(1)
                continue
            rest = ana.simplify(index - self.variables[positions[0]]) if positions else index
            if not positions or mentions(rest, self.variables):
                refuse(f"tensor {buffer.name!r} is not indexed by start + loop variable in order",
                       node=node, code="UnsupportedIndex",
                       next_step="index as tensor[start + i, start + j], or store so to an on-chip"
                       " block and T.copy that")  # fmt: skip
            starts.append(rest)
            sizes.append(self.extents[positions[0]])
            used = positions[0] + 1
        return Region(buffer, starts, sizes)

    def _is_turned(self, indices: list[Any]) -> bool:
        """Whether two loops run over a tensor's elements the other way round."""
        used = [k for i in indices for k, v in enumerate(self.variables) if mentions(i, [v])]
        return len(self.variables) == 2 and used == [1, 0]

    def tensor(self, buffer: Any, indices: list[Any], node: Any, inside: Any = None) -> Expr:
        """An element of a tensor: its region is loaded to a block of its own.

        One at a computed place is zero where ``inside`` does not hold.
        """
        if is_gathered(indices, self.variables):
            moved = moved_tensor(self, buffer, indices, node, inside)
            return gathered(self, buffer, indices, inside, node) if moved is None else moved
        if self._is_turned(indices):
            turned = Nest(self.reader, self.variables[::-1], self.extents[::-1])
            name, kept = self.reader.temp(f"{buffer.name}_block"), self.reader.stored(buffer)
            block = make_buffer(name, kept, tuple(turned.extents))
            self.before += self.reader.load(node, block, turned.region(buffer, indices, node))
            return self.operand(block, None, node, turned=True)
        used = [k for k, v in enumerate(self.variables) if any(mentions(i, [v]) for i in indices)]
        region = self.region(buffer, indices, node)
        fixed = [d for d in range(max(len(indices) - 2, 0), len(indices))
                 if not mentions(indices[d], self.variables)
                 and not self.parts.is_aligned(indices[d])]  # fmt: skip
        rank, text, dtype = len(self.variables), str(region.starts), self.reader.stored(buffer)
        way = {(): "SCALAR", (rank - 2,): "COL", (rank - 1,): "ROW" if rank > 1 else "line"}
        exact = way.get(tuple(used)) == "line" and fixed == [len(indices) - 2]  # choosing cuts it
        if tuple(used) in way and (fixed or not used) and not (exact and dtype == "float32"):
            region, chosen = window(self.parts, region, fixed)
            name, shape = self.reader.temp(f"{buffer.name}_block"), tuple([1, *region.extents][-2:])
            block = make_buffer(name, dtype, shape)
            self.before += self.reader.load(node, block, region)
            return self._picked(block, chosen, way[tuple(used)], node)
        if used == list(range(rank)):
            access, shape = None, tuple(self.extents)
            form = self.side(self.target) if rank == 1 and self.target is not None else "full"
        elif used == [rank - 1]:
            access, shape, form = "ROW", (self.extents[-1],), "row"
        elif used == [rank - 2]:
            # Integers are not turned as they are: in_parts, then.
            form = "row" if self._is_whole(node) else "col"
            access, shape = "COL", (self.extents[-2],)
        else:
            refuse(f"tensor {buffer.name!r} is read neither elementwise nor as a broadcast",
                   node=node, code="UnsupportedIndex",
                   next_step="copy it to an on-chip block first")  # fmt: skip
        for known in self.before:
            if (
                isinstance(known, Load)
                and known.region.tensor.same_as(buffer)
                and (str(known.region.starts) == text and access is None)
                and list(known.region.extents) == list(region.extents)
                and known.dst.form == form
            ):
                return self.operand(known.dst, None, node, turned=False)
        block = make_buffer(self.reader.temp(f"{buffer.name}_block"), dtype, shape, form)
        self.before += self.reader.load(node, block, region)
        return self.operand(block, access, node, turned=(access, form) == ("COL", "row"))

    def _picked(self, block: Buffer, chosen: Sequence[Pick], access: str, node: Any) -> Expr:
        """The operand that is chosen from a block; whole numbers become real before."""
        blocks = [block]
        if self._is_whole(node):
            made, blocks = in_parts(block, self.node, self.reader.temp)
            self.before += made
        found = []
        for part in blocks:
            made, vector = picked(part, chosen, node, self.reader.temp)
            self.before += made
            turned = self._lies(vector, access)
            found.append(Leaf(self._turned(vector) if turned else vector, REPEATED.get(access)))
        return total(found)

    # Expressions ------------------------------------------------------------------------------

    def expr(self, value: Any) -> Expr:
        """The block expression of a floating TIR expression."""
        if isinstance(value, (tirx.FloatImm, tirx.IntImm)):
            return number(value.value, self.node)
        if isinstance(value, tirx.Cast):
            return self._cast(value)
        if isinstance(value, TensorLoad):
            if value.source.name in self.reader.buffers:
                return self.leaf(value.source, value.indices[:], value)
            found = self.tensor(value.source, value.indices[:], value)
            return Unary("nez", found) if is_truth(value) else found
        if dtype_of(value) in BLOCK_FORMATS:
            refuse(f"arithmetic of {dtype_of(value)} values", node=value, code="UnsupportedDtype",
                   next_step=f"cast them to {VALUES} or float32 first")  # fmt: skip
        if not is_real(value):
            return condition(self, value) if is_truth(value) else whole(self, value)
        for kind, op in _ARITHMETIC:
            if isinstance(value, kind):
                return binary(op, self.expr(value.a), self.expr(value.b))
        if isinstance(value, tirx.Select):
            return self._select(value.condition, value.true_value, value.false_value)
        if isinstance(value, Call):
            return self._call(value)
        self.no(type(value).__name__, value)

    def _is_whole(self, load: TensorLoad) -> bool:
        """Whether data are whole numbers to compute with, not to pass on as they are."""
        target = self.target
        stored = self.reader.stored(load.source)
        return stored in NUMBERS and target is not None and not target.format.is_integer

    def no(self, what: str, node: Any) -> NoReturn:
        """Refuse what no expression may have."""
        refuse(f"{what} in an elementwise expression", node=node,
               next_step="docs/language.md lists the functions expressions may use")  # fmt: skip

    def _call(self, value: Call) -> Expr:
        name = value.op.name.split(".", 1)[-1]
        if name in _FUNCTIONS:
            return Unary(name, self.expr(value.args[0]))
        if name == "fabs":
            return Unary("abs", self.expr(value.args[0]))
        if name == "log2":
            return Binary("mul", Unary("log", self.expr(value.args[0])), Const(_LOG2_E))
        if name == "pow":
            return Binary("power", self.expr(value.args[0]), self.expr(value.args[1]))
        if name == "if_then_else":
            return self._select(*value.args)
        self.no(name, value)

    def _select(self, test: Any, a: Any, b: Any) -> Expr:
        if isinstance(a, TensorLoad) and a.source.name in self.reader.params:
            gathered = is_gathered(a.indices[:], self.variables)
            if gathered and self.expr(b) == Const(0.0) and not list(loads(test)):
                return self.tensor(a.source, a.indices[:], a, inside=test)
        chosen, other = self._under(test, a), self._under(tirx.Not(test), b)
        return Select(condition(self, test), chosen, other)

    def _under(self, test: Any, value: Any) -> Expr:
        """An operand that is chosen where a condition holds."""
        self.guards.append(test)
        made = self.expr(value)
        self.guards.pop()
        return made

    def _cast(self, value: tirx.Cast) -> Expr:
        inner, target = value.value, str(value.ty.dtype)
        if target == TRUTH:
            return condition(self, value)
        expr = self.expr(inner)
        source = str(inner.ty.dtype)
        if isinstance(expr, Const) or target in ("float32", source):
            return expr
        if dtype_of(inner) in BLOCK_FORMATS and target == VALUES:
            return expr  # which holds their values
        if target in NARROW:
            return Convert(REAL, Convert(target, expr))  # cut, and a number again
        if (value.same_as(self.node.value) and target not in INDICES) or not is_real(inner):
            return expr  # rounding is the store's
        if target in INDICES:
            return Convert(REAL, Convert(WHOLE, expr))
        return Convert(target, expr)
