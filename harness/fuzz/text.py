"""Kernel text to IR: parsed in the dialect, never imported or executed as a module.

Only what a kernel needs is let through: one ``@T.prim_func`` made of statements, ``T.<name>`` and
local names. Anything that could reach the host (imports, attributes of objects, other calls) is
refused before the parser, which evaluates expressions, sees it.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Any, Final

from harness.errors import HarnessError, LanguageError

IMPORT: Final = "import harness.language as T"
_REFUSED: Final = (
    ast.Lambda, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp, ast.Await, ast.Yield,
    ast.YieldFrom, ast.NamedExpr, ast.Starred, ast.ClassDef, ast.AsyncFunctionDef, ast.Delete,
    ast.Global, ast.Nonlocal, ast.Import, ast.ImportFrom, ast.Try, ast.While, ast.JoinedStr,
)  # fmt: skip


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
    from harness.language.blockviews import unwrapped
    from harness.language.inturn import in_turn
    from harness.language.reading import Text, read

    body = kernel.replace(IMPORT, "", 1) if kernel.lstrip().startswith(IMPORT) else kernel
    tree = _inspect(body, params or {})
    try:
        return in_turn(unwrapped(read(Text(body, tree), {**(params or {}), "T": T})))
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
    bound = {n.id for n in nodes if isinstance(n, ast.Name)
             and isinstance(n.ctx, ast.Store)}  # fmt: skip
    bound |= {a.arg for n in nodes if isinstance(n, ast.arguments) for a in n.args}
    known = bound | set(params) | {"T", "range"}
    for node in nodes:
        place = f"line {getattr(node, 'lineno', 1)}"
        if isinstance(node, _REFUSED) or (
            isinstance(node, ast.FunctionDef) and node is not tree.body[0]
        ):
            raise LanguageError(f"{type(node).__name__} has no place in a kernel text",
                                code="SourceError", location=place)  # fmt: skip
        if isinstance(node, ast.Attribute) and not (
            isinstance(node.value, ast.Name) and node.value.id == "T"
            and not node.attr.startswith("_")
        ):  # fmt: skip
            raise LanguageError(f"{ast.unparse(node)} is not a name of T", code="SourceError",
                                location=place)  # fmt: skip
        if isinstance(node, ast.Name) and node.id not in known:
            raise LanguageError(f"{node.id!r} is not defined", code="SourceError", location=place)
        if isinstance(node, ast.Call) and not (
            isinstance(node.func, ast.Attribute)
            or (isinstance(node.func, ast.Name) and node.func.id == "range")
        ):
            raise LanguageError(f"call of {ast.unparse(node.func)}", code="SourceError",
                                location=place)  # fmt: skip
    return tree


def _cause(error: BaseException) -> HarnessError:
    seen: BaseException | None = error
    last = error
    while seen is not None:
        if isinstance(seen, HarnessError):
            return seen
        last, seen = seen, seen.__cause__ or seen.__context__
    lines = str(last).strip().splitlines() or [type(last).__name__]
    return LanguageError(f"{type(last).__name__}: {lines[-1]}", code="SourceError")
