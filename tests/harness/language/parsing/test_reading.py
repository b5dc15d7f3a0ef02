"""A kernel's source is read once, and its expressions are evaluated without TVM's evaluator."""

import ast
from pathlib import Path
from typing import Any

import pytest
import tvm_ffi
from tvm import tirx
from tvm.ir import Expr
from tvm.script.parser._core import doc, parse

import harness.language as T
from harness.language.parsing.located import language_error
from harness.language.parsing.reading import Text, read

KERNEL = """@T.prim_func
def main(A: T.Tensor((M, 64), "float32"), B: T.Tensor((M, 64), "float32")):
    with T.Kernel(T.ceildiv(64, 32), M // 32, threads=128) as (bx, by):
        a = T.alloc_shared((32, 32), "float32")
        b = T.alloc_fragment([32, 32], "float32")
        T.copy(A[by * 32 : by * 32 + 32, bx * 32 : bx * 32 + 32], a)
        for i, j in T.Parallel(32, 32):
            b[i, j] = T.if_then_else(not i < 2, -a[i, j] * 2.0, T.max(a[i, j], 0.5))
        for i, j in T.Parallel(32, 32):
            x = b[i, j] + 1.0
            b[i, j] += x if M > 32 else b[i, j]
        T.copy(b, B[by * 32, bx * 32])
"""


def spans(func: Any) -> list[str]:
    """Class and place of every node, in order."""
    found: list[str] = []

    def see(node: Any) -> None:
        span = node.span
        where = None if span is None else (span.line, span.column, span.end_line, span.end_column)
        found.append(f"{type(node).__name__} {where}")

    tvm_ffi.structural_walk(func.body, [(tirx.Stmt, see), (Expr, see)])
    return found


def test_a_kernel_is_what_tvm_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Text, places and all of the IR are those that TVM's own reading and evaluator make."""
    names = {"M": 64, "T": T}
    mine = read(Text(KERNEL), dict(names))
    monkeypatch.setattr("harness.language.parsing.expressions._READERS", {})
    theirs = parse(KERNEL, dict(names))
    assert mine.script() == theirs.script()
    assert spans(mine) == spans(theirs)


@pytest.mark.parametrize("path", sorted(Path("harness/kernels").glob("*.py")), ids=str)
def test_trees_are_tvms(path: Path) -> None:
    """Every node and field of a source's tree is the one that TVM's conversion makes."""
    source = path.read_text()
    if any(isinstance(n, ast.GeneratorExp) for n in ast.walk(ast.parse(source))):
        pytest.skip("generator expressions are read otherwise on purpose")
    assert plain(Text(source).as_ast()) == plain(doc.parse(source))


def plain(node: Any) -> Any:
    """A tree as nested tuples."""
    if isinstance(node, doc.AST):
        return type(node).__name__, {k: plain(v) for k, v in vars(node).items()}
    return [plain(n) for n in node] if isinstance(node, list) else node


@pytest.mark.parametrize(
    "line",
    [
        "T.copy(A, nothing)",
        "x = A[0, 0] @ 2.0",
        "x = T.ceildiv(1, 2).width",
        "x = T.max(A[0, 0], (1, 2)[5])",
        "x, y = 1, 2, 3",
    ],
)
def test_what_fails_is_told_as_tvm_tells_it(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An expression that fails is an error with the message TVM's evaluator would give it."""
    lines = KERNEL.splitlines()
    text = "\n".join([*lines[:3], " " * 8 + line, *lines[3:]])
    mine = refused(text)
    monkeypatch.setattr("harness.language.parsing.expressions._READERS", {})
    assert mine == refused(text)


def refused(text: str) -> str:
    """What is said of a text that is no kernel."""
    with pytest.raises(Exception, match=r".") as caught:
        read(Text(text), {"M": 64, "T": T})
    return str(language_error(caught.value))
