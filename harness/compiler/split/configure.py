"""Placing init and reconfigure ops in the compute program.

Every compute op needs some configuration (data formats of SrcA, SrcB and packer, the FPU's and the
SFPU's op); :func:`configure` walks the program with what is configured so far and inserts the
cheapest op that establishes what is needed. What a loop needs in one value only is established once,
in front of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from tvm import tirx
from tvm.ir import Call

from harness.compiler.kernel import statements
from harness.compiler.tt_ops import MATMUL_TRANSPOSED, call, seq
from harness.language.regions import constant
from simulator.formats.dataformat import DataFormat
from simulator.isa import OPS

_SOURCES: Final = (
    (("matmul_tiles", "matmul_tiles_transposed"), 1, 0),
    (("copy_tile", "transpose_tile"), 0, None),
)
"""Ops and which CB operands go to SrcA and SrcB; other FPU ops take in0 to SrcA, in1 to SrcB."""

FIELDS: Final = ("src_a", "src_b", "pack", "math", "sfpu")


@dataclass(frozen=True)
class Need:
    """One needed value of a field, and the operands of the op that establishes it."""

    field: str
    value: Any
    operands: tuple[Any, ...]


State = dict[str, Need]


def needs(op: Call, formats: Mapping[int, DataFormat]) -> list[Need]:
    """What a device-op call needs configured."""
    name = op.op.name.removeprefix("tt.")
    plain = "matmul_tiles" if op.op.name == MATMUL_TRANSPOSED else name
    spec = OPS[plain]
    if spec.effect == "pack":
        cb = _cb(op, 1)
        return [Need("pack", formats[cb], (cb,))]
    if spec.effect == "sfpu":
        return [Need("sfpu", spec.config, ())]
    if spec.effect != "unpack_math":
        return []
    a, b = next(((a, b) for names, a, b in _SOURCES if name in names), (0, 1))
    out = [Need("src_a", formats[_cb(op, a)], (_cb(op, a),))]
    if b is not None:
        out.append(Need("src_b", formats[_cb(op, b)], (_cb(op, b),)))
    operands: tuple[Any, ...] = tuple(_cb(op, i) for i, o in enumerate(spec.operands)
                                      if o.kind == "cb")  # fmt: skip
    value: tuple[Any, ...] = (spec.config,)
    if plain == "matmul_tiles":
        flag = int(op.op.name == MATMUL_TRANSPOSED)
        operands, value = (*operands, flag), (*value, flag)
    out.append(Need("math", value, operands))
    return out


def _cb(op: Call, index: int) -> int:
    return int(constant(op.args[index]))  # type: ignore[arg-type]


def _init_op(config: str) -> str:
    return next(s.name for s in OPS.values() if s.effect == "config" and s.config == config)


def all_needs(stmts: Iterable[Any], formats: Mapping[int, DataFormat]) -> dict[str, dict[Any, Need]]:
    """Every needed value per field below some statements, in program order."""
    out: dict[str, dict[Any, Need]] = {f: {} for f in FIELDS}
    for stmt in stmts:
        for node in statements(stmt):
            if isinstance(node, tirx.Evaluate) and isinstance(node.value, Call):
                for need in needs(node.value, formats):
                    out[need.field].setdefault(need.value, need)
    return out


def startup(stmts: list[Any], formats: Mapping[int, DataFormat]) -> tuple[Any, State]:
    """``compute_kernel_hw_startup`` for what the program needs first, and the state after it."""
    wanted = all_needs(stmts, formats)
    first = {f: next(iter(wanted[f].values()), None) for f in ("src_a", "src_b", "pack")}
    pack = first["pack"]
    if pack is None:
        raise AssertionError("a compute program that packs nothing")
    a, b = first["src_a"] or pack, first["src_b"] or first["src_a"] or pack
    matmul = any(v[0] == "matmul" for v in wanted["math"])
    if matmul:
        op = call("compute_kernel_hw_startup", "Reverse", b.operands[0], a.operands[0],
                  pack.operands[0])  # fmt: skip
    else:
        op = call("compute_kernel_hw_startup", "Forward", a.operands[0], b.operands[0],
                  pack.operands[0])  # fmt: skip
    state = {"src_a": Need("src_a", formats[a.operands[0]], a.operands),
             "src_b": Need("src_b", formats[b.operands[0]], b.operands), "pack": pack}  # fmt: skip
    return op, state


def configure(
    stmts: list[Any], formats: Mapping[int, DataFormat], state: State, span: Any = None
) -> list[Any]:
    """The statements with init and reconfigure ops; ``state`` is updated to what holds after."""
    out: list[Any] = []
    for stmt in stmts:
        if isinstance(stmt, tirx.Evaluate) and isinstance(stmt.value, Call):
            found = needs(stmt.value, formats)
            out += establish(found, state, stmt.value.span)
            out.append(_plain(stmt))
        elif isinstance(stmt, (tirx.For, tirx.IfThenElse)):
            out += _nested(stmt, formats, state)
        elif isinstance(stmt, tirx.SeqStmt):
            out += configure(list(stmt.seq), formats, state, span)
        else:
            out.append(stmt)
    return out


def _nested(stmt: Any, formats: Mapping[int, DataFormat], state: State) -> list[Any]:
    wanted = all_needs([stmt], formats)
    single = [next(iter(v.values())) for v in wanted.values() if len(v) == 1]
    out = establish(single, state, stmt.span)
    changing = [f for f, v in wanted.items() if len(v) > 1]
    if isinstance(stmt, tirx.For):
        inner = {f: n for f, n in state.items() if f not in changing}
        body = configure([stmt.body], formats, inner)
        out.append(tirx.For(stmt.loop_var, stmt.min, stmt.extent, stmt.kind, seq(body),
                            annotations=stmt.annotations, span=stmt.span))  # fmt: skip
    else:
        then = configure([stmt.then_case], formats, dict(state))
        other = None if stmt.else_case is None else seq(
            configure([stmt.else_case], formats, dict(state)))  # fmt: skip
        out.append(tirx.IfThenElse(stmt.condition, seq(then), other, stmt.span))
    for name in changing:
        state.pop(name, None)
    return out


def establish(found: list[Need], state: State, span: Any) -> list[Any]:
    """Ops that make ``state`` hold what is needed; ``state`` is updated."""
    missing = {n.field: n for n in found if n.field not in state or state[n.field].value != n.value}
    out = []
    if "src_b" in missing:
        a = missing.get("src_a") or state.get("src_a") or missing["src_b"]
        out.append(call("reconfig_data_format", a.operands[0], missing["src_b"].operands[0],
                        span=span))  # fmt: skip
        state["src_a"] = Need("src_a", a.value, a.operands)
    elif "src_a" in missing:
        out.append(call("reconfig_data_format_srca", missing["src_a"].operands[0], span=span))
    if "pack" in missing:
        out.append(call("pack_reconfig_data_format", missing["pack"].operands[0], span=span))
    if "math" in missing:
        need = missing["math"]
        out.append(call(_init_op(need.value[0]), *need.operands, span=span))
    if "sfpu" in missing:
        out.append(call(_init_op(missing["sfpu"].value), span=span))
    state.update(missing)
    return out


def _plain(stmt: Any) -> Any:
    if stmt.value.op.name != MATMUL_TRANSPOSED:
        return stmt
    return call("matmul_tiles", *stmt.value.args, span=stmt.value.span)
