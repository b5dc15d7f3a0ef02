"""Scalars: whatever a kernel assigns, uses get what the source says, or the loop is refused."""

from __future__ import annotations

import textwrap

from hypothesis import given
from hypothesis import strategies as st

import harness
from harness.errors import CompileError
from tests.harness.compiler import samples

HEAD = """
@T.prim_func
def main(C: T.Tensor((64, 64), "float32")):
    with T.Kernel(2, 2) as (bx, by):
        f = T.alloc_fragment((32, 32), "float32")
        T.clear(f)
        x = T.alloc_var("int32", init=1)
        y = T.alloc_var("int32", init=0)
"""
USE = "for i, j in T.Parallel(32, 32):\n    f[i, j] = f[i, j] + x * 3 - y"
TAIL = textwrap.indent(f"{USE}\nT.copy(f, C[by * 32, bx * 32])\n", " " * 8)
_REFUSED = ("DataDependent", "UnsupportedIndex", "CBCapacity", "L1Overflow")


@st.composite
def _value(draw: st.DrawFn, loops: tuple[str, ...]) -> str:
    names = ("x", "y", "bx", "by", *loops)
    a, b = draw(st.sampled_from(names)), draw(st.sampled_from((*names, "1", "3")))
    return draw(st.sampled_from((a, f"{a} + {b}", f"{a} - {b}", f"({a} + {b}) % 4", f"{a} + 2")))


@st.composite
def _statements(draw: st.DrawFn, loops: tuple[str, ...] = (), depth: int = 2) -> str:
    lines = []
    for _ in range(draw(st.integers(1, 2))):
        kind = draw(st.sampled_from(("assign", "assign", "use", "if", "for")[: 5 if depth else 3]))
        if kind == "assign":
            name = draw(st.sampled_from("xy"))
            lines.append(f"{name} = {draw(_value(loops))}")
        elif kind == "use":
            lines.append(USE)
        else:
            var = f"k{len(loops)}"
            head = {
                "if": f"if {draw(st.sampled_from(('bx > 0', 'x > 1', 'y == by', 'x < 3')))}:",
                "for": f"for {var} in T.serial({draw(st.sampled_from(('3', 'bx', '1, by + 2')))}):",
            }[kind]
            inner = (*loops, var) if kind == "for" else loops
            body = draw(_statements(inner, depth - 1))
            lines.append(f"{head}\n{textwrap.indent(body, '    ')}")
    return "\n".join(lines)


@given(_statements())
def test_uses_see_what_was_assigned_last(body: str) -> None:
    """Loops, branches and recurrences in any nesting give every use the value of the source."""
    func = samples.from_text(HEAD + textwrap.indent(body, " " * 8) + "\n" + TAIL, "main")
    refused: CompileError | None = None
    try:
        verdict = harness.check(func)
    except CompileError as error:
        refused = error
    if refused is not None:
        assert refused.location
        assert refused.code in _REFUSED, refused
        return
    assert verdict.passed, (body, verdict.reason, verdict.findings)
