"""Expressions mean in C++ what they mean to the simulator."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from harness.codegen.errors import CodegenError
from harness.codegen.expression import Scope
from harness.codegen.helpers import HELPERS
from simulator.program import EXPR_OPS
from tests.harness.codegen.native import run

NAMES = {"a": 7, "b": 3, "n": -5}
RANGES = {"a": (0, 100), "b": (1, 9), "n": None}
OPERATORS = [name for name in EXPR_OPS if not name.startswith("get_")]


def scope() -> Scope:
    """Three names: two known to be non-negative, one that is not."""
    return Scope({n: n for n in NAMES}, dict(RANGES), lambda op, i: f"{op}({i})")


def drawn(rng: random.Random, depth: int) -> Any:
    """A random expression."""
    if depth == 0 or rng.random() < 0.15:
        return rng.choice([*NAMES, rng.randint(-4, 9)])
    operator = rng.choice(OPERATORS)
    parts = [drawn(rng, depth - 1) for _ in range(EXPR_OPS[operator])]
    if operator in ("//", "%"):
        parts[1] = rng.choice(["b", 4, -3])
    return [operator, *parts]


def value(expr: Any) -> int:
    """What the simulator takes an expression for."""
    if isinstance(expr, int):
        return expr
    if isinstance(expr, str):
        return NAMES[expr]
    v = [value(item) for item in expr[1:]]
    plain = {
        "+": lambda: v[0] + v[1], "-": lambda: v[0] - v[1], "*": lambda: v[0] * v[1],
        "//": lambda: v[0] // v[1], "%": lambda: v[0] % v[1], "min": lambda: min(v),
        "max": lambda: max(v), "<": lambda: v[0] < v[1], "<=": lambda: v[0] <= v[1],
        "==": lambda: v[0] == v[1], "!=": lambda: v[0] != v[1],
        "&&": lambda: bool(v[0]) and bool(v[1]), "||": lambda: bool(v[0]) or bool(v[1]),
        "!": lambda: not v[0], "?": lambda: v[1] if v[0] else v[2],
    }  # fmt: skip
    return int(plain[expr[0]]())


def test_random_expressions_agree_when_compiled(tmp_path: Path) -> None:
    """400 expressions, compiled and run: precedence, floor division and signs are right."""
    rng = random.Random(20260)  # noqa: S311  (a fixed sequence)
    exprs: list[Any] = []
    while len(exprs) < 400:
        expr = drawn(rng, 4)
        if abs(value(expr)) < 2**31:
            exprs.append(expr)
    made = scope()
    lines = [f'    std::printf("%d\\n", (int)({made.print(expr)}));' for expr in exprs]
    text = "".join(HELPERS[name] for name in HELPERS if name in made.helpers)
    names = "".join(f"    const int32_t {n} = {v};\n" for n, v in NAMES.items())
    output = run(f"{text}int main() {{\n{names}{chr(10).join(lines)}\n}}\n", tmp_path)
    assert [int(line) for line in output.split()] == [value(expr) for expr in exprs]


@pytest.mark.parametrize(
    ("expr", "text"),
    [
        (["+", ["*", "a", 4], ["-", "b", ["-", "a", 1]]], "a * 4 + (b - (a - 1))"),
        (["//", ["+", "a", "b"], 6], "(a + b) / 6"),
        (["%", "n", 6], "floor_mod(n, 6)"),
        (["//", ["-", "a", "b"], 6], "floor_div(a - b, 6)"),
        (["?", ["<", "a", 3], 1, 2], "a < 3 ? 1 : 2"),
        (["!", ["&&", "a", ["||", "b", 0]]], "!(a && (b || 0))"),
        (["+", ["get_write_ptr", 4], 2**31], "get_write_ptr(4) + 2147483648u"),
        (["min", "a", ["max", "b", 0]], "std::min<int32_t>(a, std::max<int32_t>(b, 0))"),
    ],
)
def test_spellings(expr: Any, text: str) -> None:
    """Few parentheses; plain division only where no operand can be negative."""
    assert scope().print(expr) == text


@pytest.mark.parametrize("expr", ["unknown", ["**", 1, 2], [], None])
def test_what_is_no_expression_is_refused(expr: Any) -> None:
    """A damaged program never becomes C++."""
    with pytest.raises(CodegenError):
        scope().print(expr)


def test_a_load_takes_the_datum_the_simulator_takes(tmp_path: Path) -> None:
    """The cast, the index and what is done with the value are C++, signed, of the read window."""
    names = Scope({"a": "a", "page": "page"}, {"a": None}, lambda op, i: f"(uintptr_t) {op}_{i}")
    load, use = names.print(["load_l1", 2, ["-", "a", 1]]), names.print(["+", ["*", "page", 2], 1])
    assert (
        load == "reinterpret_cast<volatile tt_l1_ptr int32_t*>((uintptr_t) get_read_ptr_2)[a - 1]"
    )
    source = f"""int main() {{
    int32_t get_read_ptr_2[] = {{5, -7, 9}}; const int32_t a = 2;
    const int32_t page = {load};
    std::printf("%d %d", page, {use});
}}"""
    assert run(source, tmp_path) == "-7 -13"


def test_a_compute_program_loads_by_the_unpackers_mailboxes() -> None:
    """A compute thread has no pointers: the datum comes by read_tile_value, signed."""
    names = Scope({"a": "a"}, {"a": None}, lambda _, i: f"cb{i}", compute=True)
    found = names.print(["load_l1", 2, ["-", "a", 1]])
    assert found == "static_cast<int32_t>(read_tile_value(cb2, 0, a - 1))"
