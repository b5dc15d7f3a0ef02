"""Placing init, uninit and reconfigure ops in the compute program.

:func:`configure` walks the program with what is configured so far and inserts the op that
establishes what is needed next. What a loop needs in one value only is established once, in front
of it; what must be undone is undone by the level that established it.
"""

from __future__ import annotations

from typing import Any

from tvm import tirx
from tvm.ir import Call

from harness.compiler import attrs
from harness.compiler.facts.statements import statements
from harness.compiler.split.needs import UNINIT, Need, Wanted, init_op, needs
from harness.compiler.tt_ops import MATMUL_TRANSPOSED, call, seq
from harness.language.nests import relooped

State = dict[str, Need]


def startup(stmts: list[Any], wants: Wanted) -> tuple[Any, State]:
    """``compute_kernel_hw_startup`` for what the program needs first, and the state after it."""
    wanted, cbs = wants.below(stmts), wants.cbs
    first = {f: next(iter(wanted[f].values()), None) for f in ("src_a", "src_b", "pack")}
    pack = first["pack"]
    if pack is None:
        raise AssertionError("a compute program that packs nothing")
    (out,) = pack.operands
    a = (first["src_a"] or first["src_b"] or pack).operands[0]
    b = (first["src_b"] or first["src_a"] or pack).operands[0]
    reverse = any(v[0] == "matmul" for v in wanted["math"])
    op = call("compute_kernel_hw_startup", "Reverse" if reverse else "Regular",
              b if reverse else a, a if reverse else b, out)  # fmt: skip
    state = {"src_a": Need("src_a", cbs[a].format, (a,)),
             "src_b": Need("src_b", cbs[b].format, (b,)), "pack": pack}  # fmt: skip
    return op, state


def configure(stmts: list[Any], wants: Wanted, state: State) -> list[Any]:
    """The statements with configuration ops; ``state`` is updated to what holds after them."""
    out: list[Any] = []
    for stmt in stmts:
        if isinstance(stmt, tirx.SeqStmt):
            out += configure(stmt.seq[:], wants, state)
        elif isinstance(stmt, tirx.Evaluate) and isinstance(stmt.value, Call):
            out += _around(needs(stmt.value, wants.cbs), [_plain(stmt)], state, stmt.value.span)
        elif isinstance(stmt, (tirx.For, tirx.IfThenElse)):
            out += _nested(stmt, wants, state)
        elif isinstance(stmt, tirx.AttrStmt) and stmt.attr_key == attrs.TT_CONFIG_SCOPE:
            single = _single(wants.below([stmt.body]))
            before, undo = establish(single, state, None)
            out += [*before, *configure([stmt.body], wants, state), *undo]
            if undo:
                state.pop("math")
        else:
            out.append(stmt)
    return out


def _single(wanted: dict[str, dict[Any, Need]]) -> list[Need]:
    return [next(iter(v.values())) for v in wanted.values() if len(v) == 1]


def _around(found: list[Need], inner: list[Any], state: State, span: Any) -> list[Any]:
    before, undo = establish(found, state, span)
    if undo:
        state.pop("math")
    return [*before, *inner, *undo]


def _nested(stmt: Any, wants: Wanted, state: State) -> list[Any]:
    wanted = wants.below([stmt])
    scoped = any(isinstance(s, tirx.AttrStmt) for s in statements(stmt))
    single = [n for n in _single(wanted) if not (scoped and n.field == "math")]
    before, undo = establish(single, state, stmt.span)
    changing = [f for f, v in wanted.items() if len(v) > 1 or (scoped and f == "math" and v)]
    if isinstance(stmt, tirx.For):
        inner = {f: n for f, n in state.items() if f not in changing}
        body = seq(configure([stmt.body], wants, inner))
        made: Any = relooped(stmt, body)
    else:
        then = seq(configure([stmt.then_case], wants, dict(state)))
        other = None
        if stmt.else_case is not None:
            other = seq(configure([stmt.else_case], wants, dict(state)))
        made = tirx.IfThenElse(stmt.condition, then, other, stmt.span)
    for name in [*changing, *(["math"] if undo else [])]:
        state.pop(name, None)
    return [*before, made, *undo]


def establish(found: list[Need], state: State, span: Any) -> tuple[list[Any], list[Any]]:
    """Ops that make ``state`` hold what is needed, and ops that undo it; ``state`` is updated."""
    missing = {n.field: n for n in found if n.field not in state or state[n.field].value != n.value}
    out, undo = [], []
    if "src_b" in missing:
        a = missing.get("src_a") or state.get("src_a") or missing["src_b"]
        out.append(call("reconfig_data_format", a.operands[0], missing["src_b"].operands[0],
                        span=span))  # fmt: skip
        state["src_a"] = Need("src_a", a.value, a.operands)
    elif "src_a" in missing:
        out.append(call("reconfig_data_format_srca", missing["src_a"].operands[0], span=span))
    if "pack" in missing:
        out.append(call("pack_reconfig_data_format", missing["pack"].operands[0], span=span))
    state.update({f: n for f, n in missing.items() if f not in ("math", "sfpu")})
    if "math" in missing:
        need = missing["math"]
        operands = need.operands
        if need.value[0] == "reduce":
            operands = (*operands, state["pack"].operands[0])
        out.append(call(init_op(need.value[0]), *operands, span=span))
        count = dict(UNINIT).get(need.value[0])
        if count is not None:
            undo.append(call(f"{need.value[0]}_uninit", *need.operands[:count], span=span))
    if "sfpu" in missing:
        need = missing["sfpu"]
        out.append(call(init_op(need.value[0]), *need.operands, span=span))
    state.update(missing)
    return out, undo


def _plain(stmt: Any) -> Any:
    if stmt.value.op.name != MATMUL_TRANSPOSED:
        return stmt
    return call("matmul_tiles", *stmt.value.args, span=stmt.value.span)
