"""Bad sources and parameters: one line that names the place, exit 2, no traceback."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.harness.cli.conftest import GEMM, Command

FILE = """\
import functools

import harness.language as T

print("printed by the kernel file")


def broken(M, N=3):
    print("printed by the factory")
    return 1 // 0


def no_kernel():
    return 5


def leaves():
    raise SystemExit(7)


number = 5


def unsupported():
    @T.prim_func
    def main(A: T.Tensor((64, 64), "float32"), B: T.Tensor((64, 64), "float32")):
        with T.Kernel(2, 2) as (bx, by):
            T.atomic_add(A[0, 0], 1)

    return main


def copy(M=64, /, N=64, *, block=32):
    @T.prim_func
    def main(A: T.Tensor((M, N), "float32"), B: T.Tensor((M, N), "float32")):
        with T.Kernel(T.ceildiv(N, block), T.ceildiv(M, block)) as (bx, by):
            s = T.alloc_shared((block, block), "float32")
            T.copy(A[by * block, bx * block], s)
            T.copy(s, B[by * block, bx * block])

    return main


kernel = copy()
partial = functools.partial(copy, block=64)
"""

NO_GRID = """\
import harness.language as T


@T.prim_func
def main(A: T.Tensor((64, 64), "float32"), B: T.Tensor((64, 64), "float32")):
    for i in T.serial(64):
        B[i, 0] = A[i, 0]
"""


@pytest.fixture
def kernels(tmp_path: Path) -> Path:
    """A file of factories, most of them bad."""
    path = tmp_path / "kernels.py"
    path.write_text(FILE)
    (tmp_path / "syntax.py").write_text("x = 1\ndef f(:\n")
    (tmp_path / "imports.py").write_text("import no_such_module\n")
    (tmp_path / "binary.py").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "nul.py").write_bytes(b"x = 1\x00\n")
    (tmp_path / "grid.py").write_text(NO_GRID)
    return path


@pytest.mark.parametrize(
    ("spec", "place", "words"),
    [
        ("missing.py:f", "missing.py", "No such file"),
        ("syntax.py:f", "syntax.py:2", "SyntaxError"),
        ("imports.py:f", "imports.py:1", "no_such_module"),
        ("binary.py:f", "binary.py", "[SourceError]"),
        ("nul.py:f", "nul.py", "[SourceError]"),
        (".:f", ".", "Is a directory"),
        ("kernels.py", "'kernels.py'", "FILE.py:NAME"),
        ("kernels.py:", "'kernels.py:'", "FILE.py:NAME"),
        ("kernels.py:gone", "kernels.py", "it defines broken, copy"),
        ("kernels.py:number", "kernels.py:number", "of type int"),
        ("kernels.py:no_kernel", "kernels.py:no_kernel", "of type int"),
        ("kernels.py:leaves", "kernels.py:18", "SystemExit"),
        ("kernels.py:unsupported", "kernels.py:28", "T.atomic_add is not supported"),
        ("grid.py:main", "grid.py:6", "T.Kernel"),
    ],
)
def test_bad_source_is_named(
    command: Command, kernels: Path, spec: str, place: str, words: str
) -> None:
    """Protects newcomers from tracebacks: file, line and what was expected, exit 2."""
    reply = command("run", spec)
    assert reply.status == 2
    assert reply.out == ""
    assert f"tt-harness run: {place}" in reply.complaint()
    assert words in reply.complaint()
    assert not (kernels.parent / "out").exists()


def test_an_exception_in_the_factory_names_its_line(command: Command, kernels: Path) -> None:
    """Protects authors from searching: what a factory raises is shown with file and line."""
    reply = command("compile", "kernels.py:broken", "--param", "M=1", "-o", "made")
    assert reply.status == 2
    assert "kernels.py:10: ZeroDivisionError" in reply.complaint()
    assert not Path("made").exists()


@pytest.mark.parametrize(
    ("params", "words"),
    [
        (["Q=1"], "no parameter 'Q'"),
        (["M=1", "M=2"], "M is given twice"),
        (["M"], "'M' is not K=V"),
        (["=3"], "'=3' is not K=V"),
        (["M=none"], "dimension 'none'"),
        (["dtype=int7"], "dtype 'int7' is not supported"),
    ],
)
def test_bad_parameters_are_usage_errors(command: Command, params: list[str], words: str) -> None:
    """Protects the parameter syntax: what does not fit is refused before anything is written."""
    given = [word for item in params for word in ("--param", item)]
    reply = command("run", GEMM, *given)
    assert reply.status == 2
    assert words in reply.complaint()


def test_unknown_and_missing_parameters_show_the_signature(command: Command, kernels: Path) -> None:
    """Protects users from opening the file to learn a factory's parameters."""
    reply = command("run", "kernels.py:broken", "--param", "K=1")
    assert reply.status == 2
    assert "no parameter 'K'; parameter 'M' is missing" in reply.complaint()
    assert "its parameters are (M, N=3)" in reply.complaint()


def test_a_kernel_that_is_no_factory_takes_no_parameters(command: Command, kernels: Path) -> None:
    """Protects against parameters that would be dropped silently."""
    reply = command("run", "kernels.py:kernel", "--param", "M=64")
    assert reply.status == 2
    assert "not a factory" in reply.complaint()


@pytest.mark.parametrize(
    ("name", "params"),
    [("kernel", []), ("copy", ["--param", "M=32", "--param", "block=32"]), ("partial", [])],
)
def test_a_name_may_be_a_factory_or_a_kernel(
    command: Command, kernels: Path, name: str, params: list[str]
) -> None:
    """Protects FILE:NAME for factories, partials and ready kernels alike."""
    reply = command("compile", f"kernels.py:{name}", *params, "-o", "made")
    assert reply.status == 0, reply.err
    assert Path("made/tt.plan.json").exists()


def test_what_a_kernel_file_prints_stays_off_stdout(command: Command, kernels: Path) -> None:
    """Protects ``--json -``: stdout holds the JSON alone, whatever user code prints."""
    reply = command("compile", "kernels.py:kernel", "-o", "made", "--json", "-")
    assert reply.status == 0
    assert reply.out.startswith("{")
    assert "printed by the kernel file" in reply.err


def test_neighbours_of_a_kernel_file_can_be_imported(command: Command, tmp_path: Path) -> None:
    """Protects kernels that share helpers in a file beside them."""
    (tmp_path / "tt_sizes_of_this_test.py").write_text("SIZE = 64\n")
    head = "from tt_sizes_of_this_test import SIZE\n"
    (tmp_path / "uses.py").write_text(head + FILE.replace("64", "SIZE"))
    assert command("compile", "uses.py:copy", "-o", "made").status == 0


@pytest.mark.parametrize("renamed", ["", '.with_attr("global_symbol", name)'])
def test_several_kernels_get_a_directory_each(
    command: Command, kernels: Path, renamed: str
) -> None:
    """Protects modules of several kernels: compile writes each, run asks which."""
    with kernels.open("a") as stream:
        stream.write(
            "\nimport tvm\n\nsizes = {'first': 64, 'second': 96}\n"
            f"pair = tvm.IRModule({{name: copy(M){renamed} for name, M in sizes.items()}})\n"
        )
    assert command("compile", "kernels.py:pair", "-o", "made").status == 0
    assert sorted(path.name for path in Path("made").iterdir()) == ["first", "second"]
    reply = command("run", "kernels.py:pair")
    assert reply.status == 2
    assert "--function: there are several kernels" in reply.complaint()
    assert "first, second" in reply.complaint()
    again = ("--function", "second", "--json", "result.json")
    assert command("run", "kernels.py:pair", *again).status == 0
    assert command("check", "kernels.py:pair", *again, "--artifact", "made/second").status == 0
    assert command("check", "kernels.py:pair", *again, "--artifact", "made/first").status == 1
