"""Every kernel the language does not accept: one error with code, file, line and a next step."""

from __future__ import annotations

import re
import textwrap
from typing import Any

import pytest

import harness
from harness.errors import CompileError, LanguageError
from tests.harness.compiler import samples

HEAD = """
@T.prim_func
def main(A: T.Tensor((64, 64), "bfloat16"), B: T.Tensor((64, 64), "bfloat16")):
"""
OPEN = """\
    with T.Kernel(2, 2) as (bx, by):
        s = T.alloc_shared((32, 32), "bfloat16")
        f = T.alloc_fragment((32, 32), "float32")
        T.copy(A[by * 32, bx * 32], s)
"""
CLOSE = """\
        T.copy(s, B[by * 32, bx * 32])
"""
FIRST = 8
"""Line of the first statement after OPEN."""


def inside(lines: str) -> str:
    """A kernel with some statements between loading and storing a block."""
    return HEAD + OPEN + textwrap.indent(textwrap.dedent(lines).strip(), " " * 8) + "\n" + CLOSE


def refusal(text: str) -> LanguageError | CompileError:
    """The one error a kernel's text ends in; any other exception is a test failure."""
    with pytest.raises((LanguageError, CompileError)) as caught:
        harness.compile(samples.from_text(text, "main"))
    error = caught.value
    assert isinstance(error, (LanguageError, CompileError))
    assert error.__cause__ is None
    assert error.__suppress_context__ or error.__context__ is None
    assert "Traceback" not in str(error)
    assert "\n" not in str(error)
    return error


# (what, statements, line counted from the first one, code)
STATEMENTS = [
    ("while", "while True:\n    T.clear(s)", 0, "UnsupportedConstruct"),
    ("break", "for k in T.serial(3):\n    break", 1, "UnsupportedConstruct"),
    ("continue", "for k in T.serial(3):\n    continue", 1, "UnsupportedConstruct"),
    ("try", "try:\n    T.clear(s)\nfinally:\n    T.clear(s)", 0, "UnsupportedConstruct"),
    ("try in a loop", ("for k in T.serial(2):\n    T.clear(s)\n    try:\n        T.clear(s)\n"
     "    finally:\n        T.clear(s)"), 2, "UnsupportedConstruct"),
    ("raise", "raise ValueError(3)", 0, "UnsupportedConstruct"),
    ("import", "import os", 0, "UnsupportedConstruct"),
    ("from import", "from os import path", 0, "UnsupportedConstruct"),
    ("del", "del s", 0, "UnsupportedConstruct"),
    ("class", "class G:\n    pass", 0, "UnsupportedConstruct"),
    ("chained assignment", "x = y = bx + 1", 0, "UnsupportedConstruct"),
    ("name bound again in a loop", "x = bx\nfor k in T.serial(2):\n    x += 1", 2,
     "UnsupportedConstruct"),
    ("first store reads itself", ('x = T.alloc_fragment((32, 32), "float32")\n'
     "for i, j in T.Parallel(32, 32):\n    if i > j:\n        x[i, j] += 1.0\nT.copy(x, s)"), 3,
     "UninitialisedBuffer"),
    ("no such op", "T.no_such_op(s)", 0, "UnsupportedConstruct"),
    ("atomics", "T.atomic_add(s, s)", 0, "UnsupportedConstruct"),
    ("slice assigned", "s[0:32, 0:32] = 1.0", 0, "UnsupportedConstruct"),
    ("slice with a step", "T.copy(A[0:64:2, 0:32], s)", 0, "SourceError"),
    ("store outside Parallel", "s[0, 0] = 1.0", 0, "UnsupportedConstruct"),
    ("store in serial", "for i in T.serial(31):\n    s[i + 1, 0] = s[i, 0]", 1,
     "UnsupportedConstruct"),
    ("reads what others store", "for i, j in T.Parallel(32, 32):\n    s[i, j] = s[i, 31 - j]", 1,
     "UnsupportedIndex"),
    ("reads a column others store", ("for k in T.serial(4):\n    for i, j in T.Parallel(32, 32):\n"
     "        if j >= k:\n            s[i, j] = s[i, j] - s[i, k]"), 3, "UnsupportedIndex"),
    ("reads what others store where data say", ("for i, j in T.Parallel(32, 32):\n"
     "    s[i, j] = T.if_then_else(s[i, j] > 0.0, s[j, i], s[i, j])"), 1, "UnsupportedIndex"),
    ("a row as a number", "for i, j in T.Parallel(32, 32):\n    s[i, j] = s[i] + 1.0", 1,
     "UnsupportedConstruct"),
    ("a block as a number", "for i, j in T.Parallel(32, 32):\n    s[i, j] = 2.0 * f", 1,
     "UnsupportedConstruct"),
    ("store of wrong rank", "for i in T.Parallel(32):\n    s[i] = 1.0", 1, "ShapeMismatch"),
    ("gemm shapes", 'x = T.alloc_shared((64, 32), "bfloat16")\nT.gemm(s, x, f)', 1,
     "ShapeMismatch"),
    ("gemm of a number", "T.gemm(s, 3, f)", 0, "UnsupportedConstruct"),
    ("loaded by a loop that may not run", ('x = T.alloc_shared((32, 32), "bfloat16")\n'
     "for k in T.serial(bx):\n    T.copy(A[k * 32, 0], x)\nT.copy(x, s)"), 3,
     "UninitialisedBuffer"),
    ("gemm onto nothing", "T.gemm(s, s, f)\nT.copy(f, s)", 0, "UninitialisedBuffer"),
    ("copy shapes", 'x = T.alloc_shared((64, 32), "bfloat16")\nT.copy(s, x)', 1, "ShapeMismatch"),
    ("copy ranks", 'x = T.alloc_shared((2, 32, 32), "bfloat16")\nT.copy(s, x)', 1,
     "ShapeMismatch"),
    ("copy to a number", "T.copy(s, 3)", 0, "UnsupportedConstruct"),
    ("copy of elements", "T.copy(s[0, 0], f[0, 0])", 0, "UnsupportedConstruct"),
    ("shape of block index", 'x = T.alloc_shared((bx, 32), "bfloat16")', 0,
     "UnsupportedConstruct"),
    ("negative shape", 'x = T.alloc_shared((-1, 32), "bfloat16")', 0, "UnsupportedConstruct"),
    ("empty shape", 'x = T.alloc_shared((0, 32), "bfloat16")', 0, "UnsupportedConstruct"),
    ("unknown dtype", 'x = T.alloc_shared((32, 32), "float99")', 0, "UnsupportedDtype"),
    ("uint16", 'x = T.alloc_shared((32, 32), "uint16")', 0, "UnsupportedDtype"),
    ("int16", 'x = T.alloc_fragment((32, 32), "int16")', 0, "UnsupportedDtype"),
    ("float8", 'x = T.alloc_shared((32, 32), "float8_e4m3")', 0, "UnsupportedDtype"),
    ("dtype of a number", "x = T.alloc_shared((32, 32), 3)", 0, "UnsupportedDtype"),
    ("list comprehension", "x = [i for i in range(3)]\nT.clear(x)", 1, "UnsupportedConstruct"),
    ("nested kernel", "with T.Kernel(2) as bz:\n    T.clear(s)", 0, "UnsupportedConstruct"),
    ("undefined name", "T.copy(zz, s)", 0, "SourceError"),
    ("no effect", "bx + 1", 0, "UnsupportedConstruct"),
    ("Parallel variables", "for i, j, k in T.Parallel(32, 32):\n    s[i, j] = 0.0", 0,
     "UnsupportedConstruct"),
    ("Parallel of nothing", "for i in T.Parallel():\n    s[i, i] = 0.0", 0,
     "UnsupportedConstruct"),
    ("Parallel of block index", "for i, j in T.Parallel(bx, 32):\n    s[i, j] = 0.0", 0,
     "UnsupportedConstruct"),
    ("copy under if in Parallel", ("for i, j in T.Parallel(32, 32):\n    if i > j:\n"
     "        T.copy(s, f)"), 2, "UnsupportedConstruct"),
    ("op in Parallel", "for i, j in T.Parallel(32, 32):\n    T.clear(s)", 1,
     "UnsupportedConstruct"),
    ("places at no even steps", ('x = T.alloc_shared((64, 32), "bfloat16")\nT.clear(x)\n'
     "for i, j in T.Parallel(32, 32):\n    s[i, j] = x[i, i * j % 31]"), 3, "UnsupportedIndex"),
    ("part of a tile written", ('x = T.alloc_shared((2, 64, 32), "bfloat16")\nT.clear(x)\n'
     "for i, j in T.Parallel(16, 32):\n    x[1, i, j] = 1.0"), 3, "UnalignedBlock"),
    ("slice across tiles", ('x = T.alloc_shared((2, 64, 32), "bfloat16")\nT.clear(x)\n'
     "T.copy(x[1, 16:48, :], s)"), 2, "UnalignedBlock"),
    ("slice of the block index", ('x = T.alloc_shared((64, 32), "bfloat16")\nT.clear(x)\n'
     "T.copy(x[bx * 64 : bx * 64 + 32, :], s)"), 2, "OutOfBounds"),
    ("running sum over another shape", "T.cumsum(s[:, 0:16], f)", 0, "ShapeMismatch"),
    ("running sum along a third axis", "T.cumsum(s, f, dim=2)", 0, "UnsupportedConstruct"),
    ("scalar from data", ('x = T.alloc_var("int32", 0)\nx = s[0, 0]\nfor k in T.serial(x):\n'
     "    T.clear(f)"), 1, "DataDependent"),
    ("scalar chosen by data", ('x = T.alloc_var("int32", 0)\nif s[0, 0] > 0:\n    x = 1\n'
     "for k in T.serial(x):\n    T.clear(f)"), 2, "DataDependent"),
    ("scalar without a value", ('x = T.alloc_var("int32")\nfor i, j in T.Parallel(32, 32):\n'
     "    s[i, j] = x"), 2, "UninitialisedBuffer"),
    ("infinity in float16", ('x = T.alloc_fragment((32, 32), "float16")\n'
     "for i, j in T.Parallel(32, 32):\n"
     '    x[i, j] = T.if_then_else(i > j, 1, -T.infinity("float16"))'), 2, "UnsupportedDtype"),
    ("filled with infinity in float16", ('x = T.alloc_fragment((32, 32), "float16")\n'
     'T.fill(x, T.infinity("float16"))\nT.reduce_max(s, x[0, :], dim=0, clear=False)'), 1,
     "UnsupportedDtype"),
    ("comparison beyond 2**24", ('x = T.alloc_fragment((32, 32), "int32")\nT.fill(x, 3)\n'
     "for i, j in T.Parallel(32, 32):\n    s[i, j] = T.if_then_else(x[i, j] == 2**24 + 1, 1, 0)"),
     3, "UnsupportedDtype"),
    ("scalar of an iteration without a value", ("for i, j in T.Parallel(32, 32):\n"
     '    x = T.alloc_var("float32")\n    if s[i, j] > 0:\n        x = 1\n    f[i, j] = x'), 4,
     "UninitialisedBuffer"),
    ("scalar in Parallel", ('x = T.alloc_var("int32", 0)\nfor i, j in T.Parallel(32, 32):\n'
     "    x = i"), 2, "UnsupportedConstruct"),
    ("scalar without closed form", ('x = T.alloc_var("int32", 1)\nfor k in T.serial(bx + 1):\n'
     "    x = x * 2\nfor i, j in T.Parallel(32, 32):\n    s[i, j] = x"), 1, "DataDependent"),
    ("scalar of another type", 'x = T.alloc_var("float64")', 0, "UnsupportedDtype"),
    ("gather", "for i, j in T.Parallel(32, 32):\n    s[i, j] = A[i, i * j % 61]", 1,
     "UnsupportedIndex"),
    ("indirect index", "for i, j in T.Parallel(32, 32):\n    s[i, j] = s[s[i, j], j]", 1, None),
    ("shifted index", "for i, j in T.Parallel(32, 32):\n    f[i, j] = s[i + 1, j]", 1,
     "OutOfBounds"),
    ("loop over text", "for i in 'abc':\n    T.clear(s)", 0, "UnsupportedConstruct"),
    ("no step", "for i in T.serial(0, 4, 0):\n    T.clear(s)", 0, "UnsupportedConstruct"),
    ("fractional bound", "for i in T.serial(2.5):\n    T.clear(s)", 0, "UnsupportedConstruct"),
    ("negative stages", "for i in T.Pipelined(2, num_stages=-1):\n    T.clear(s)", 0,
     "UnsupportedConstruct"),
    ("for else", "for i in T.serial(2):\n    T.clear(s)\nelse:\n    T.clear(s)", 0,
     "UnsupportedConstruct"),
    ("fill with text", "T.fill(s, 'x')", 0, "UnsupportedConstruct"),
    ("fill with a buffer", "T.fill(s, s)", 0, "UnsupportedConstruct"),
    ("fill with nothing", "T.fill(s)", 0, "SourceError"),
    ("division by zero", "T.fill(s, 1 / 0)", 0, "SourceError"),
    ("an index divided by zero", "T.copy(A[by // 0, 0], s)", 0, "SourceError"),
    ("reduction of wrong shape", ('m = T.alloc_fragment((16,), "float32")\n'
     "T.reduce_max(s, m, dim=1)"), 1, "ShapeMismatch"),
    ("reduction over no dimension", ('m = T.alloc_fragment((32,), "float32")\n'
     "T.reduce_max(s, m, dim=2)"), 1, "UnsupportedConstruct"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("statements", "line", "code"), [row[1:] for row in STATEMENTS], ids=[r[0] for r in STATEMENTS]
)
def test_a_statement_is_refused_at_its_line(statements: str, line: int, code: str | None) -> None:
    """What the language does not have is named where it stands, never by an exception of TVM."""
    error = refusal(inside(statements))
    assert error.location is not None
    assert re.fullmatch(rf"kernel_\w+\.py:{FIRST + line}:\d+", error.location), str(error)
    assert code is None or error.code == code, str(error)
    assert "InternalError" not in str(error)


def kernel(header: str, body: str) -> str:
    """A kernel of another head."""
    return f"\n@T.prim_func\ndef main({header}):\n" + textwrap.indent(body, " " * 4) + "\n"


TENSORS = 'A: T.Tensor((64, 64), "bfloat16"), B: T.Tensor((64, 64), "bfloat16")'
COPY = (
    "with T.Kernel({grid}) as {names}:\n"
    '    s = T.alloc_shared(({m}, {n}), "bfloat16")\n'
    "    T.copy(A[{at}], s)\n"
    "    T.copy(s, B[{to}])"
)
PLAIN = {"grid": "2, 2", "names": "(x, y)", "m": 32, "n": 32, "at": "y * 32, x * 32",
         "to": "y * 32, x * 32"}  # fmt: skip


def copying(**changed: Any) -> str:
    """A copy kernel with something about it changed."""
    return kernel(TENSORS, COPY.format(**(PLAIN | changed)))


KERNELS = {
    "no grid": (kernel(TENSORS, "T.copy(A, B)"), "NoKernel"),
    "two grids": (kernel(TENSORS, "\n".join([COPY.format(**PLAIN)] * 2)), "InvalidSequence"),
    "grid of four": (copying(grid="2, 2, 1, 1"), "UnsupportedConstruct"),
    "grid of none": (copying(grid=""), "UnsupportedConstruct"),
    "grid of zero": (copying(grid="0, 2"), "UnsupportedConstruct"),
    "negative grid": (copying(grid="-3, 2"), "UnsupportedConstruct"),
    "fractional grid": (copying(grid="2.5, 2"), "UnsupportedConstruct"),
    "grid of text": (copying(grid="'2', 2"), "UnsupportedConstruct"),
    "too few names": (copying(names="x"), "UnsupportedConstruct"),
    "too many names": (copying(names="(x, y, z)"), "UnsupportedConstruct"),
    "another context": (kernel(TENSORS, "with T.Tensor((1,), 'float32'):\n    T.copy(A, B)"), None),
    "two contexts": (
        kernel(TENSORS, "with T.Kernel(2) as x, T.Kernel(2) as y:\n    T.copy(A, B)"),
        "UnsupportedConstruct",
    ),
    "48 x 48 blocks, 40 apart": (copying(m=48, n=48, at="y * 40, x * 40", to="y * 40, x * 40"),
                                 "UnalignedBlock"),
    "blocks at multiples of 17": (copying(at="y * 32, x * 17"), "UnalignedBlock"),
    "48 rows, 40 apart": (copying(m=48, n=64, grid="1, 2", at="y * 40, 0", to="y * 40, 0"),
                          "OverlappingWrites"),
    "two blocks, one tile": (copying(to="y * 32, 0"), "OverlappingWrites"),
    "blocks that overlap": (copying(m=64, to="y * 32, x * 32"), None),
    "more blocks than output": (copying(grid="2, 4"), "OutOfBounds"),
    "index by remainder, not every block": (
        copying(grid="5, 1", at="(x % 2) * 32, (x // 2) * 32"), "OutOfBounds"),
    "no annotation": (kernel("A, B: T.Tensor((64, 64), 'bfloat16')", "T.copy(A, B)"),
                      "UnsupportedConstruct"),
    "parameter that is no tensor": (kernel("A: 'x', B: T.Tensor((64, 64), 'bfloat16')",
                                           "T.copy(A, B)"), "UnsupportedConstruct"),
    "default value": (kernel("A: T.Tensor((64, 64), 'bfloat16') = None", "T.clear(A)"),
                      "UnsupportedConstruct"),
    "star parameter": (kernel("*A: T.Tensor((64, 64), 'bfloat16')", "T.clear(A)"),
                       "UnsupportedConstruct"),
    "no output": (kernel("A: T.Tensor((64, 64), 'bfloat16')",
                         "with T.Kernel(2, 2) as (x, y):\n"
                         "    s = T.alloc_shared((32, 32), 'bfloat16')\n"
                         "    T.copy(A[y * 32, x * 32], s)"), "NoOutput"),
}  # fmt: skip


@pytest.mark.parametrize("name", KERNELS)
def test_a_kernel_is_refused_with_its_place(name: str) -> None:
    """Grids, parameters and block shapes that cannot be compiled are refused with file and line."""
    text, code = KERNELS[name]
    error = refusal(text)
    assert error.location is not None
    assert re.fullmatch(r"kernel_\w+\.py:\d+:\d+", error.location), str(error)
    assert code is None or error.code == code, str(error)


@pytest.mark.parametrize("name", KERNELS)
def test_the_refusals_say_what_to_do(name: str) -> None:
    """Every refusal ends in a next step."""
    assert refusal(KERNELS[name][0]).next_step


@pytest.mark.parametrize("statements", [r[1] for r in STATEMENTS], ids=[r[0] for r in STATEMENTS])
def test_the_refusals_of_statements_say_what_to_do(statements: str) -> None:
    """Every refusal of a statement ends in a next step."""
    assert refusal(inside(statements)).next_step


@pytest.mark.parametrize("dtype", ["int16", "float64", "float8_e4m3", "nonsense"])
def test_a_tensor_of_another_type_is_refused(dtype: str) -> None:
    """A parameter's dtype is checked when the annotation is evaluated, and named with its line."""
    text = kernel(f"A: T.Tensor((64, 64), 'bfloat16'),\n  B: T.Tensor((64, 64), '{dtype}')",
                  "T.clear(A)")  # fmt: skip
    error = refusal(text)
    assert error.code == "UnsupportedDtype"
    line = next(n for n, text in enumerate(text.splitlines(), 1) if dtype in text)
    assert re.fullmatch(rf"kernel_\w+\.py:{line}:\d+", error.location or ""), str(error)
    assert error.next_step


WAVES = {
    "an index that is no block": "for p, q in T.Persistent([2, 2], 3, y + 1):\n    BODY",
    "waves of another size": "for p, q in T.Persistent([2, 2], 2, y):\n    BODY",
    "more work behind it": "for p, q in T.Persistent([2, 2], 3, y):\n    BODY\nT.clear(s)",
    "a block carried on": (
        "T.copy(A[0, 0], s)\nfor p, q in T.Persistent([2, 2], 3, y):\n"
        "    T.copy(s, B[p * 32, q * 32])\n    T.clear(s)"
    ),
    "a tensor written before it": (
        "T.copy(A[0, 0], s)\nT.copy(s, B[y * 32, 0])\nfor p, q in T.Persistent([2, 2], 3, y):\n"
        "    BODY"
    ),
    "a tensor read back": (
        "for p, q in T.Persistent([2, 2], 3, y):\n"
        "    T.copy(B[p * 32, q * 32], s)\n    T.copy(s, B[q * 32, p * 32])\n"
        "    T.copy(A[0, 0], s)"
    ),
    "too many dimensions": "for p, q, r, t in T.Persistent([1, 1, 2, 2], 3, y):\n    BODY",
}


@pytest.mark.parametrize("what", WAVES)
def test_persistent_loops_that_are_no_grid_are_refused(what: str) -> None:
    """A T.Persistent loop means its domain; what would make that wrong is named at the loop."""
    body = "T.copy(A[p * 32, q * 32], s)\n    T.copy(s, B[p * 32, q * 32])"
    loop = textwrap.indent(WAVES[what].replace("BODY", body), "    ")
    error = refusal(kernel(TENSORS, "with T.Kernel(3) as y:\n"
                           f"    s = T.alloc_shared((32, 32), 'bfloat16')\n{loop}"))  # fmt: skip
    assert error.message.startswith("T.Persistent"), error
    assert error.location
    assert error.next_step


def test_persistent_loops_share_the_grid_with_other_axes() -> None:
    """A domain of three dimensions leaves no axis to another one of T.Kernel."""
    body = """with T.Kernel(3, 2) as (y, z):
    s = T.alloc_shared((32, 32), 'bfloat16')
    for p, q, r in T.Persistent([1, 2, 2], 3, y):
        T.copy(A[q * 32, r * 32], s)
        T.copy(s, B[q * 32, r * 32])"""
    assert "more than 3 dimensions" in refusal(kernel(TENSORS, body)).message


SMALL = {
    "half the rows": "for i, j in T.Parallel(4, 64):\n    s[i, j] = 0.0",
    "rows from the middle": "for i, j in T.Parallel(4, 64):\n    s[i, j] = s[i + 4, j]",
    "a slice of rows": "T.clear(s[0:4, :])",
}


@pytest.mark.parametrize("what", SMALL)
def test_parts_of_blocks_below_a_tile_are_done_in_turn(what: str) -> None:
    """Joined, part of a block would not be the same part of the joined one."""
    text = kernel("A: T.Tensor((40, 64), 'bfloat16'), B: T.Tensor((40, 64), 'bfloat16')",
                  "with T.Kernel(5) as y:\n    s = T.alloc_shared((8, 64), 'bfloat16')\n"
                  f"    T.copy(A[y * 8, 0], s)\n{textwrap.indent(SMALL[what], '    ')}\n"
                  "    T.copy(s, B[y * 8, 0])")  # fmt: skip
    func = samples.from_text(text, "main")
    verdict = harness.check(func)
    assert verdict.passed, (verdict.reason, verdict.findings)
    assert harness.compile(func).plan.coalesce == (4, 1, 1)


@pytest.mark.parametrize("value", ["q[i, j] & 15", "q[i, j // 2] >> ((j % 2) * 4)", "q[i, j] | 1"])
def test_packed_numbers_are_unpacked_elsewhere(value: str) -> None:
    """Bits of words are refused where they are asked for, with what holds narrow weights."""
    error = refusal(kernel(
        "Q: T.Tensor((32, 32), 'int32'), B: T.Tensor((32, 32), 'float32')",
        "with T.Kernel(1):\n    q = T.alloc_shared((32, 32), 'int32')\n"
        "    w = T.alloc_fragment((32, 32), 'float32')\n    T.copy(Q, q)\n"
        f"    for i, j in T.Parallel(32, 32):\n        w[i, j] = T.cast({value}, 'float32')\n"
        "    T.copy(w, B)"))  # fmt: skip
    assert "bfloat4_b" in str(error.next_step)
    assert error.location
    assert ":9:" in error.location


def test_words_of_packed_numbers_are_unpacked_elsewhere() -> None:
    """What a tensor of words is meant for is told with what holds narrow weights."""
    error = refusal(kernel("Q: T.Tensor((32, 32), 'uint32')", "with T.Kernel(1):\n    pass"))
    assert "bfloat8_b" in str(error.next_step)


def test_a_row_that_all_blocks_share_is_only_read() -> None:
    """A product in place of what all rows share, in part of a tile: it says what to write."""
    error = refusal(kernel(
        "A: T.Tensor((1, 64), 'float32'), B: T.Tensor((8, 64), 'float32'),"
        " C: T.Tensor((16,), 'float32')",
        "with T.Kernel(8) as n:\n    a = T.alloc_local((64,), 'float32')\n"
        "    b = T.alloc_local((64,), 'float32')\n    s = T.alloc_local((1,), 'float32')\n"
        "    T.copy(A[0, 0:64], a)\n    T.copy(B[n, 0:64], b)\n"
        "    for k in T.Parallel(64):\n        a[k] = a[k] * b[k]\n"
        "    T.reduce_sum(a, s)\n    C[n] = s[0]"))  # fmt: skip
    assert error.code == "UnalignedBlock"
    assert "p[k] = a[k] * b[k]" in str(error.next_step)
