"""Kernel text to IR: parsed in the dialect, never imported or executed as a module.

Only what a kernel needs is let through: one ``@T.prim_func`` made of statements, ``T.<name>`` and
local names. Anything that could reach the host (imports, attributes of objects, other calls) is
refused before the parser, which evaluates expressions, sees it.
"""

from __future__ import annotations

import ast
from collections.abc import Container, Mapping
from typing import Any, Final

from harness.errors import HarnessError, LanguageError

IMPORT: Final = "import harness.language as T"
_REFUSED: Final = frozenset((
    ast.FunctionDef, ast.Lambda, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp,
    ast.Await, ast.Yield, ast.YieldFrom, ast.NamedExpr, ast.Starred, ast.ClassDef,
    ast.AsyncFunctionDef, ast.Delete, ast.Global, ast.Nonlocal, ast.Import, ast.ImportFrom, ast.Try,
    ast.While, ast.JoinedStr,
))  # fmt: skip


def as_module(kernel: str, params: Mapping[str, Any] | None = None) -> str:
    """The kernel as a ``.py`` file that runs: its import, its parameters, the text."""
    values = "".join(f"{name} = {value!r}\n" for name, value in (params or {}).items())
    return f"{IMPORT}\n\n{values}\n\n{kernel.strip()}\n".replace("\n\n\n\n", "\n\n\n")


def parse_kernel(kernel: str, params: Mapping[str, Any] | None = None) -> Any:
    """The PrimFunc of a kernel's text, or the module of several T.Kernel in turn.

    ``params`` are names it may use.

    Raises:
        LanguageError: text that is no kernel of the dialect, with its line.
    """
    import harness.language as T
    from harness.language.parsing.reading import Text, read
    from harness.language.rewriting.finished import finished

    body = kernel.replace(IMPORT, "", 1) if kernel.lstrip().startswith(IMPORT) else kernel
    tree = _inspect(body, params or {})
    try:
        return finished(read(Text(body, tree), {**(params or {}), "T": T}))
    except HarnessError:
        raise
    except Exception as error:  # noqa: BLE001  (TVM wraps what the dialect raised)
        raise _cause(error) from None


def _inspect(text: str, params: Mapping[str, Any]) -> ast.Module:
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError) as error:
        raise LanguageError(f"the kernel text is not Python: {error}", code="SourceError") from None
    if len(tree.body) != 1 or not isinstance(tree.body[0], ast.FunctionDef):
        raise LanguageError("the kernel text is one @T.prim_func function and nothing else",
                            code="SourceError")  # fmt: skip
    decorators = [ast.unparse(d) for d in tree.body[0].decorator_list]
    if decorators != ["T.prim_func"]:
        raise LanguageError(f"the kernel is decorated with {decorators}", code="SourceError",
                            next_step="use @T.prim_func")  # fmt: skip
    for name, value in params.items():
        if (
            not name.isidentifier()
            or name == "T"
            or not isinstance(value, bool | int | float | str)
        ):
            raise LanguageError(f"parameter {name!r} is {value!r}", code="SourceError",
                                next_step="parameters are numbers and text")  # fmt: skip
    nodes = list(ast.walk(tree))
    known = {"T", "range", *params}
    known |= {n.id for n in nodes if type(n) is ast.Name and type(n.ctx) is ast.Store}
    known |= {a.arg for n in nodes if type(n) is ast.arguments for a in n.args}
    for node in nodes:
        wrong = "" if node is tree.body[0] else _misplaced(node, known)
        if wrong:
            raise LanguageError(wrong, code="SourceError",
                                location=f"line {getattr(node, 'lineno', 1)}")  # fmt: skip
    return tree


def _misplaced(node: ast.AST, known: Container[str]) -> str:
    """Why a node has no place in a kernel's text; empty where it has one."""
    kind = type(node)
    if kind in _REFUSED:
        return f"{kind.__name__} has no place in a kernel text"
    if isinstance(node, ast.Name):
        return "" if node.id in known else f"{node.id!r} is not defined"
    if isinstance(node, ast.Attribute):
        of_t = isinstance(node.value, ast.Name) and node.value.id == "T"
        named = of_t and not node.attr.startswith("_")
        return "" if named else f"{ast.unparse(node)} is not a name of T"
    if isinstance(node, ast.Call) and not isinstance(node.func, ast.Attribute):
        counts = isinstance(node.func, ast.Name) and node.func.id == "range"
        return "" if counts else f"call of {ast.unparse(node.func)}"
    return ""


def _cause(error: BaseException) -> HarnessError:
    seen: BaseException | None = error
    last = error
    while seen is not None:
        if isinstance(seen, HarnessError):
            return seen
        last, seen = seen, seen.__cause__ or seen.__context__
    lines = str(last).strip().splitlines() or [type(last).__name__]
    return LanguageError(f"{type(last).__name__}: {lines[-1]}", code="SourceError")
