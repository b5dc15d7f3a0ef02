"""What configuration each compute op needs, and which ops establish and undo it.

The rules are the engine's (``simulator/engine/config.py``): data formats of SrcA and SrcB and of
the packer, one slot for the FPU's op, one for the SFPU's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from tvm import tirx
from tvm.ir import Call, StringImm

from harness.compiler.facts.statements import children
from harness.compiler.split.buffers import Circular
from harness.compiler.tt_ops import MATMUL_TRANSPOSED
from harness.language.regions import constant
from simulator.isa import OPS

FIELDS: Final = ("src_a", "src_b", "pack", "math", "sfpu")
UNINIT: Final = (("reduce", 0), ("unary_bcast", 2))
"""FPU configurations that must be undone, and how many of the init's operands undoing takes."""

MOVES: Final = ("copy_tile", "transpose_tile", "unary_bcast")
"""Ops set up for the unpacker's way of their buffer's tiles: into DST, or through a source."""

Buffers = Mapping[int, Circular]
ByField: TypeAlias = "dict[str, dict[Any, Need]]"
"""Needs by field and value, the first of each value."""


@dataclass(frozen=True)
class Need:
    """One needed value of a field, and the operands of the op that establishes it."""

    field: str
    value: Any
    operands: tuple[Any, ...]


def needs(op: Call, cbs: Buffers) -> list[Need]:
    """What a device-op call needs configured."""
    called = op.op.name
    name, flipped = called.removeprefix("tt."), called == MATMUL_TRANSPOSED
    spec = OPS["matmul_tiles" if flipped else name]
    if spec.effect not in ("pack", "sfpu", "unpack_math") and name != "transpose_dest":
        return []
    literal = [_literal(a) for a in op.args[:]]
    if spec.effect == "pack":
        return [Need("pack", cbs[literal[1]].format, (literal[1],))]
    if name == "transpose_dest":
        return [Need("math", (spec.config,), ())]
    if spec.effect == "sfpu":
        formats = tuple(v for v, o in zip(literal, spec.operands, strict=False)
                        if o.kind == "format")  # fmt: skip
        return [Need("sfpu", (spec.config, *formats), formats)]
    names = [v for v, o in zip(literal, spec.operands, strict=False) if o.kind == "enum"]
    ids = [v for v, o in zip(literal, spec.operands, strict=False) if o.kind == "cb"]
    a, b = _sources(spec.name, names, ids, cbs)
    out = [Need(field, cbs[cb].format, (cb,)) for field, cb in (("src_a", a), ("src_b", b))
           if cb is not None]  # fmt: skip
    value: tuple[Any, ...] = (spec.config, *names)
    operands: tuple[Any, ...] = (*names, *ids)
    if spec.name in MOVES:
        value = (*value, cbs[ids[0]].unpack_to_dest)
    if spec.name == "matmul_tiles":
        value, operands = (*value, int(flipped)), (*operands, int(flipped))
    out.append(Need("math", value, operands))
    return out


def _literal(value: Any) -> Any:
    return str(value.value) if isinstance(value, StringImm) else constant(value)


def _sources(
    name: str, names: list[Any], ids: list[Any], cbs: Buffers
) -> tuple[int | None, int | None]:
    """Circular buffers whose formats SrcA and SrcB must have."""
    if name == "matmul_tiles":
        return ids[1], ids[0]
    if name in ("copy_tile", "transpose_tile"):
        return ids[0], None
    if name == "unary_bcast":
        return (ids[0], None) if cbs[ids[0]].unpack_to_dest else (None, ids[0])
    if name == "reduce_tile":
        swapped = names[0] != "MAX" and names[1] == "REDUCE_ROW"
        return (ids[1], ids[0]) if swapped else (ids[0], ids[1])
    return ids[0], ids[1]


def init_op(config: str) -> str:
    """The op that establishes an FPU or SFPU configuration."""
    return next(s.name for s in OPS.values() if s.effect == "config" and s.config == config)


class Wanted:
    """What the ops below statements need configured, each statement asked once."""

    def __init__(self, cbs: Buffers) -> None:
        """``cbs`` are the circular buffers by number."""
        self.cbs = cbs
        self._below: dict[Any, ByField] = {}

    def below(self, stmts: Iterable[Any]) -> ByField:
        """Every needed value per field below some statements, in program order."""
        out: ByField = {f: {} for f in FIELDS}
        for stmt in stmts:
            for field, found in self._of(stmt).items():
                for value, need in found.items():
                    out[field].setdefault(value, need)
        return out

    def _of(self, stmt: Any) -> ByField:
        known = self._below.get(stmt)
        if known is None:
            if type(stmt) is tirx.Evaluate and isinstance(stmt.value, Call):
                known = {n.field: {n.value: n} for n in needs(stmt.value, self.cbs)}
            else:
                known = self.below(children(stmt))
            self._below[stmt] = known
        return known
