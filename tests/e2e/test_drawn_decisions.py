"""Drawn conditions and bounds over several tables, rows and loops, against plain Python."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

import harness
from simulator.run import execute
from tests.harness.compiler import samples

BLOCKS, STEPS = 4, 4
TABLES = {"t": (BLOCKS, STEPS), "u": (STEPS, BLOCKS), "n": (BLOCKS,)}
KNOWN, TOLD = "kv", "ab"
"""Variables of loops of four steps, and of loops whose bounds a table says."""
HEAD = """
@T.prim_func
def main(X: T.Tensor((128, 128), "bfloat16"), t: T.Tensor((4, 4), "int32"),
         u: T.Tensor((4, 4), "int32"), n: T.Tensor((4,), "int32"),
         Y: T.Tensor((128, 32), "float32")):
    with T.Kernel(4) as by:
        x = T.alloc_shared((32, 32), "bfloat16")
        y = T.alloc_fragment((32, 32), "float32")
        T.clear(y)
{lines}
        T.copy(y, Y[by * 32, 0])
"""
ADD = (
    "T.copy(X[by * 32, {column} * 32], x)",
    "for i, j in T.Parallel(32, 32):",
    "    y[i, j] += x[i, j] * {weight}.0",
)


def _indices(loops: tuple[str, ...]) -> Any:
    """Places of a dimension of four: numbers, the block, loops, and what is made of them."""
    names = ("by", *loops)
    known = tuple(name for name in names if name not in TOLD)
    return st.one_of(
        st.integers(0, 3).map(str),
        st.sampled_from(known),
        st.sampled_from(known).map(lambda name: f"3 - {name}"),
        st.tuples(st.sampled_from(names), st.integers(1, 3)).map(
            lambda p: f"({p[0]} + {p[1]}) % 4"
        ),
    )


@st.composite
def _asked(draw: Any, loops: tuple[str, ...]) -> str:
    name = draw(st.sampled_from(sorted(TABLES)))
    indices = [draw(_indices(loops)) for _ in TABLES[name]]
    return f"{name}[{', '.join(indices)}]"


@st.composite
def _condition(draw: Any, loops: tuple[str, ...]) -> str:
    """One to three comparisons, with parentheses around each pair."""
    found = []
    for _ in range(draw(st.integers(1, 3))):
        other = st.one_of(
            st.integers(0, 3).map(str), st.sampled_from(("by", *loops)), _asked(loops)
        )
        compare = draw(st.sampled_from(("<", "<=", "==", "!=", ">", ">=")))
        found.append(f"{draw(_asked(loops))} {compare} {draw(other)}")
    out = found[0]
    for one in found[1:]:
        out = f"({out}) {draw(st.sampled_from(('and', 'or')))} ({one})"
    return out


@st.composite
def _lines(draw: Any, loops: tuple[str, ...] = (), deep: int = 0) -> list[str]:
    """A statement: a sum, a condition, a loop, or several of them."""
    kinds = ["add", "if", "else", "loop", "two"] if deep < 3 else ["add"]
    kind = draw(st.sampled_from(kinds if deep else kinds[1:]))
    if kind == "two":
        return [*draw(_lines(loops, deep + 1)), *draw(_lines(loops, deep + 1))]
    if kind == "add" or (kind == "loop" and len(loops) == 2):
        words = {
            "column": draw(st.sampled_from((*loops, "0", "by"))),
            "weight": draw(st.integers(1, 3)),
        }
        return [line.format(**words) for line in ADD]
    inner = loops
    if kind == "loop":
        told = draw(st.booleans())
        inner = (*loops, (TOLD if told else KNOWN)[len(loops)])
        first = f"for {inner[-1]} in T.serial({draw(_asked(loops)) if told else 4}):"
    else:
        first = f"if {draw(_condition(loops))}:"
    out = [first, *(f"    {line}" for line in draw(_lines(inner, deep + 1)))]
    if kind == "else":
        out += ["else:", *(f"    {line}" for line in draw(_lines(loops, deep + 1)))]
    return out


class _Serial:
    """What ``T`` is to Python: loops."""

    serial = range


def _wanted(lines: list[str], given: dict[str, Any]) -> Any:
    """The same text run by Python: a sum of blocks is one statement."""
    text = []
    for line in lines:
        pad, words = line[: len(line) - len(line.lstrip())], line.lstrip()
        if words.startswith("T.copy"):
            column = words.split(", ")[1].split(" * ")[0]
            text.append(f"{pad}x = X[by * 32 : by * 32 + 32, {column} * 32 : {column} * 32 + 32]")
        elif words.startswith("y[i, j]"):
            weight = words.split(" * ")[1]
            text.append(f"{pad[4:]}y += x * {weight}")
        elif not words.startswith("for i, j"):
            text.append(line)
    out = np.zeros((128, 32), np.float32)
    for by in range(BLOCKS):
        scope = {**given, "T": _Serial, "by": by, "y": out[by * 32 : by * 32 + 32]}
        exec("\n".join(text), scope)  # noqa: S102 - of the test's own making
    return out


@given(
    _lines(),
    st.randoms(use_true_random=False),
    st.sampled_from(["wormhole_n150", "blackhole_p150"]),
)
def test_drawn_decisions_are_taken(lines: list[str], random: Any, device: str) -> None:
    """Whatever is asked of which row of which table, every thread decides as the text says."""
    text = HEAD.format(lines="\n".join(f"        {line}" for line in lines))
    given = {
        name: np.array([random.randint(0, 3) for _ in range(int(np.prod(shape)))], np.int32)
        .reshape(shape)
        for name, shape in TABLES.items()
    }  # fmt: skip
    given["X"] = (
        np.random.default_rng(random.randint(0, 9)).integers(-9, 10, (128, 128)).astype("f4")
    )
    made = harness.compile(samples.from_text(text, "main"), device=device)
    result = execute(made.plan, made.programs, given)
    assert result.findings == ()
    np.testing.assert_array_equal(result.outputs["Y"], _wanted(lines, given), err_msg=text)
