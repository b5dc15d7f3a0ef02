"""Short cuts around walks of expressions answer what the walks answer."""

from __future__ import annotations

from typing import Any

import pytest
import tvm
import tvm_ffi
from tvm import tirx
from tvm.ir import Call, TensorLoad

from golden import walks as golden_walks
from harness.compiler.facts.accesses import loads, reads_nothing
from harness.compiler.facts.affine import mentions
from harness.compiler.split.tree import Block, Cond, Loop, Node, touches
from harness.language import walks
from harness.language.ops import COPY, new_call
from harness.language.regions import constant

X, Y, Z = (tirx.Var(name, "int32") for name in "xyz")
TABLE = tirx.decl_buffer((64,), "int32", name="table")
READ = TABLE[X + 1]
EXPRESSIONS = {
    "number": tirx.const(3, "int32"),
    "variable": X,
    "arithmetic": tirx.FloorDiv(X * 4 + Y, tirx.const(8, "int32")) - Z,
    "read": READ,
    "read deep inside": (Y + tirx.FloorMod(READ, tirx.const(4, "int32"))) * 32,
    "read on the left": READ * 32 + Y,
    "condition": tirx.Select(X < 3, READ, Y),
    "cast": tirx.Cast("int32", tirx.Cast("int64", X + Y)),
    "minimum": tirx.Min(X, Y + READ),
}


def _walked(expr: Any, kind: Any) -> list[Any]:
    found: list[Any] = []
    tvm_ffi.structural_walk(expr, [(kind, found.append)])
    return found


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_reads_are_those_a_walk_finds(name: str) -> None:
    """No read from memory is passed over because an expression looks like plain arithmetic."""
    expr = EXPRESSIONS[name]
    walked = _walked(expr, TensorLoad)
    assert len(list(loads(expr))) == len(walked)
    assert not (reads_nothing(expr) and walked)


def test_arithmetic_is_seen_without_a_walk() -> None:
    """Indices as blocks have them are known to read nothing."""
    assert all(reads_nothing(EXPRESSIONS[n]) for n in ("number", "variable", "arithmetic"))


@pytest.mark.parametrize("name", EXPRESSIONS)
@pytest.mark.parametrize("var", [X, Y, Z], ids=str)
def test_mentions_is_what_a_walk_finds(name: str, var: Any) -> None:
    """A variable is mentioned exactly where a walk over the whole expression meets it."""
    expr = EXPRESSIONS[name]
    assert mentions(expr, [var]) == any(v.same_as(var) for v in _walked(expr, tvm.ir.Var))


def test_a_variable_is_no_constant() -> None:
    """What is not simplified because it is a variable has no value; what cancels has one."""
    assert constant(X) is None
    assert constant(X - X + 5) == 5


def _tree() -> list[Node]:
    def block(defs: str, uses: str) -> Block:
        return Block("compute", None, tuple(defs), tuple(uses))

    inner = Loop(None, [block("b", "a"), block("a", "b")])
    branch = Cond(None, [block("c", "")], [block("d", "c"), block("", "d")])
    return [Loop(None, [block("c", "c"), inner, branch]), branch, inner, block("a", "a")]


def _paths(nodes: list[Node]) -> list[list[Block]]:
    """The blocks of every way through some nodes, loops run once or not at all."""
    paths: list[list[Block]] = [[]]
    for node in nodes:
        if isinstance(node, Block):
            ways = [[node]]
        elif isinstance(node, Loop):
            ways = [*_paths(node.body), *([] if node.sure else [[]])]
        else:
            ways = [*_paths(node.then), *_paths(node.orelse)]
        paths = [[*path, *way] for path in paths for way in ways]
    return paths


@pytest.mark.parametrize("number", range(4))
def test_first_touches_are_those_of_some_path(number: int) -> None:
    """A node uses what its first op of a buffer uses on any path, a use before a def."""
    node = _tree()[number]
    inside: list[Node] = list(node.body) if isinstance(node, Loop) else [node]
    for buffer in "abcde":
        first = [next((b for b in path if buffer in (*b.defs, *b.uses)), None)
                 for path in _paths(inside)]  # fmt: skip
        met = [b for b in first if b is not None]
        used = any(buffer in b.uses for b in met)
        assert touches(node, buffer) == ("use" if used else "def" if met else None)


@pytest.mark.parametrize("order", ["pre", "post"])
@pytest.mark.parametrize("name", EXPRESSIONS)
def test_walks_meet_what_tvm_ffi_meets(name: str, order: str) -> None:
    """Asked for by their functions' names, walks call the same callbacks in the same order."""
    expr = EXPRESSIONS[name]

    def met(walk: Any) -> list[tuple[str, str]]:
        found: list[tuple[str, str]] = []
        visitors = [
            ((tirx.Add, tirx.Mul), lambda n: found.append(("sum", str(n)))),
            (tvm.ir.Var, lambda n: found.append(("name", str(n)))),
            (tvm.ir.Expr, lambda n: found.append(("other", str(n)))),
        ]
        walk(expr, visitors, order=order)
        return found

    want = met(tvm_ffi.structural_walk)
    assert want
    assert met(walks.structural_walk) == want
    assert met(golden_walks.structural_walk) == want


@pytest.mark.parametrize("order", ["pre", "post"])
@pytest.mark.parametrize("name", EXPRESSIONS)
def test_maps_make_what_tvm_ffi_makes(name: str, order: str) -> None:
    """A map changes the same nodes as tvm_ffi's."""
    swap = [(tvm.ir.Var, lambda v: {X: Y, Y: X}.get(v, v)), (tirx.IntImm, lambda n: n + 1)]
    want = tvm_ffi.structural_map(EXPRESSIONS[name], swap, order=order)
    tvm.ir.assert_structural_equal(walks.structural_map(EXPRESSIONS[name], swap, order=order), want)


@pytest.mark.parametrize("ty", ["void", "int32"])
def test_calls_are_those_of_their_constructor(ty: str) -> None:
    """A call made without the constructor is the call it would make, span included."""
    span = tvm.ir.Span(tvm.ir.SourceName("here"), 1, 1, 2, 3)
    made, want = new_call(COPY, [X, Y], ty, span), Call(COPY, [X, Y], ret_ty=ty, span=span)
    assert type(made) is Call
    tvm.ir.assert_structural_equal(made, want)
    assert made.op.same_as(want.op)
    assert made.span.same_as(span)
    assert made.attrs is None
    assert want.attrs is None
