"""The walls import-linter cannot see: who may touch tirx, dynamic imports, sizes of files."""

import ast
import statistics
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("golden", "harness", "simulator")
MAY_TOUCH_TIRX = ("harness.compiler", "harness.language", "harness.mutants")
# golden reads the source program, which is tirx, by itself.
MAY_READ_TIRX = (*MAY_TOUCH_TIRX, "golden")
FORBIDDEN = {
    "simulator": ("tvm", "tvm_ffi", "harness", "golden"),
    "golden": ("harness", "simulator"),
}
TIRX = ("tvm.tirx", "tvm.script.tirx", "tvm.s_tir")
MAX_LINES = 400
MEDIAN_LINES = 150


def sources(*folders: str) -> list[Path]:
    """Every Python file below the folders, in a stable order."""
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def module_name(path: Path) -> str:
    """The dotted name a file is imported by."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def is_within(name: str, packages: tuple[str, ...]) -> bool:
    """Whether a dotted name is one of the packages or lies below one."""
    return any(name == package or name.startswith(package + ".") for package in packages)


def dotted(node: ast.expr) -> str | None:
    """The text of a chain of attributes such as tvm.tirx.For, else None."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        base = dotted(node.value)
        return base and f"{base}.{node.attr}"
    return None


def references(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and dotted name of everything a module refers to outside itself.

    Covers plain and lazy imports, attribute chains (tvm.tirx.For) and names passed
    to import_module or __import__ as text. Relative imports stay inside their package.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            for alias in node.names:
                yield node.lineno, f"{node.module}.{alias.name}"
        elif isinstance(node, ast.Attribute):
            chain = dotted(node)
            if chain is not None:
                yield node.lineno, chain
        elif isinstance(node, ast.Call) and node.args:
            called = dotted(node.func) or ""
            argument = node.args[0]
            if called.split(".")[-1] in {"import_module", "__import__"} and isinstance(
                argument, ast.Constant
            ):
                yield node.lineno, str(argument.value)


def touches_tirx(name: str) -> bool:
    """Whether a reference reaches the tirx dialect or rewrites IR."""
    return is_within(name, TIRX) or "structural_map" in name.split(".")


def offences(path: Path) -> list[str]:
    """What a file of the three packages refers to across a wall."""
    module = module_name(path)
    forbidden = FORBIDDEN.get(module.split(".")[0], ())
    found = []
    for line, name in references(ast.parse(path.read_text(), str(path))):
        reads_only = is_within(module, MAY_READ_TIRX) and "structural_map" not in name.split(".")
        if is_within(name, forbidden) or (
            touches_tirx(name) and not is_within(module, MAY_TOUCH_TIRX) and not reads_only
        ):
            found.append(f"{path.relative_to(ROOT)}:{line}: {name}")
    return found


@pytest.mark.parametrize("package", PACKAGES)
def test_no_module_reaches_across_a_wall(package: str) -> None:
    """Keeps tirx inside compiler, language and mutants, and judge apart from judged."""
    found = [line for path in sources(package) for line in offences(path)]
    assert not found, "across a wall:\n" + "\n".join(found)


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("import tvm.tirx", "tvm.tirx"),
        ("from tvm import tirx", "tvm.tirx"),
        ("from tvm.tirx import For", "tvm.tirx.For"),
        ("from tvm.script import tirx as T", "tvm.script.tirx"),
        ("def f():\n    from tvm.tirx.script import parser", "tvm.tirx.script.parser"),
        ("import tvm\nx = tvm.tirx.For", "tvm.tirx.For"),
        ("importlib.import_module('tvm.tirx')", "tvm.tirx"),
        ("from tvm_ffi import structural_map", "tvm_ffi.structural_map"),
    ],
)
def test_every_way_to_tirx_is_seen(text: str, seen: str) -> None:
    """Protects the wall test itself from an import spelled in another way."""
    names = [name for _, name in references(ast.parse(text))]
    assert seen in names
    assert touches_tirx(seen)


def test_harmless_references_are_not_seen_as_tirx() -> None:
    """Protects the wall test from refusing TVM outside of tirx, and prose about it."""
    text = '"""Talks of tvm.tirx."""\nimport tvm\nfrom tvm import ir\nfrom . import tirx_notes\n'
    assert not any(touches_tirx(name) for _, name in references(ast.parse(text)))


def test_files_stay_small() -> None:
    """Keeps one idea per file: none over 400 lines, half of the packages' within 150."""
    sizes = {path: len(path.read_text().splitlines()) for path in sources(*PACKAGES, "tests", "ci")}
    large = sorted(
        f"{size:5} {path.relative_to(ROOT)}" for path, size in sizes.items() if size > MAX_LINES
    )
    assert not large, f"over {MAX_LINES} lines:\n" + "\n".join(large)
    # Empty __init__.py files would flatter the median.
    package_sizes = [size for path, size in sizes.items() if size and path in sources(*PACKAGES)]
    assert statistics.median(package_sizes) <= MEDIAN_LINES
