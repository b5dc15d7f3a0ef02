"""``@T.macro``: a function whose body is put in place of its call.

Names in the body are looked up where the macro was written: in its module and enclosing functions,
or, for a macro inside a kernel, in the kernel as it stands at the call.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from tvm.script.parser._core import doc, utils
from tvm.script.parser.core.parser import VarTable

from harness.errors import LanguageError
from harness.language.parsing.located import PARSER, TOKEN
from harness.language.parsing.reading import Text
from harness.language.parsing.scopes import outermost

_NOTHING = object()


class Macro:
    """A macro; calling it inside a kernel expands it there."""

    def __init__(self, node: Any, source: Text, defaults: Mapping[str, Any],
                 scope: Callable[[], Mapping[str, Any]]) -> None:  # fmt: skip
        """``scope`` gives the names the body may use besides its parameters."""
        self.node = node
        self.source = source
        self.defaults = defaults
        self.scope = scope
        self.__name__ = node.name

    def __call__(self, *args: Any, **keywords: Any) -> Any:
        """Expand; the value of the macro's ``return``, if it has one.

        Raises:
            LanguageError: called outside a kernel, or with arguments that do not fit.
        """
        parser = PARSER.get()
        if parser is None:
            raise LanguageError(f"macro {self.__name__!r} is called outside a kernel")
        bound = self._bind(args, keywords)
        saved, parser.var_table = parser.var_table, VarTable()
        parser.macro_results = [*getattr(parser, "macro_results", []), _NOTHING]
        try:
            with (
                outermost(parser),
                parser.with_diag_source(self.source),
                parser.var_table.with_frame(),
            ):
                for name, value in self.scope().items():
                    parser.var_table.add(name, value)
                with parser.var_table.with_frame():
                    for name, value in bound.items():
                        parser.var_table.add(name, value)
                    parser.visit_body(self.node.body)
            result = parser.macro_results[-1]
            return None if result is _NOTHING else result
        finally:
            parser.var_table = saved
            parser.macro_results = parser.macro_results[:-1]

    def _bind(self, args: tuple[Any, ...], keywords: Mapping[str, Any]) -> dict[str, Any]:
        arguments = self.node.args
        names = [a.arg for a in [*(arguments.posonlyargs or []), *arguments.args]]
        only = [a.arg for a in (arguments.kwonlyargs or [])]
        if len(args) > len(names):
            raise LanguageError(f"macro {self.__name__!r} takes {len(names)} arguments,"
                                f" got {len(args)}")  # fmt: skip
        bound = dict(zip(names, args, strict=False))
        for name, value in keywords.items():
            if name in bound or name not in [*names, *only]:
                raise LanguageError(f"macro {self.__name__!r} has no argument {name!r} left")
            bound[name] = value
        for name in [*names, *only]:
            if name not in bound:
                if name not in self.defaults:
                    raise LanguageError(f"macro {self.__name__!r} needs argument {name!r}")
                bound[name] = self.defaults[name]
        return bound


def macro(func: Any = None, **options: object) -> Any:
    """``@T.macro``: the decorated function is expanded where it is called.

    Raises:
        LanguageError: an unknown option, or not a function.
    """
    for name in options:
        if name != "hygienic":
            raise LanguageError(f"T.macro has no option {name!r}")
    if func is None:
        return macro
    if not inspect.isfunction(func):
        raise LanguageError(f"T.macro decorates functions, not {type(func).__name__}")
    source = Text(func)
    nodes = [n for n in source.as_ast().body if isinstance(n, doc.FunctionDef)]
    defaults = {name: p.default for name, p in inspect.signature(func).parameters.items()
                if p.default is not inspect.Parameter.empty}  # fmt: skip
    # A macro may call macros defined after it, so the enclosing names are looked up late.
    return Macro(nodes[0], source, defaults, lambda: utils.inspect_function_capture(func))


def define_inside(parser: Any, node: Any) -> None:
    """A macro written inside a kernel: it sees the kernel's names as they stand at the call.

    Raises:
        LanguageError: another decorator, or none.
    """
    decorators = [parser.eval_expr(d) for d in node.decorator_list]
    if decorators != [macro] and not (decorators and decorators[-1] is macro):
        raise LanguageError(f"function {node.name!r} inside a kernel is not a macro",
                            next_step="decorate it with @T.macro")  # fmt: skip
    arguments = node.args
    defaults = dict(zip([a.arg for a in arguments.args][::-1],
                        [parser.eval_expr(d) for d in (arguments.defaults or [])][::-1],
                        strict=False))  # fmt: skip
    only, values = arguments.kwonlyargs or [], arguments.kw_defaults or []
    for argument, value in zip(only, values, strict=False):
        if value is not None:
            defaults[argument.arg] = parser.eval_expr(value)
    table = parser.var_table
    parser.var_table.add(node.name, Macro(node, parser.diag.source, defaults, table.get),
                         allow_shadowing=True)  # fmt: skip


def give_back(parser: Any, value: Any) -> bool:
    """Record the value of a ``return`` in a macro; False where no macro is being expanded."""
    results = getattr(parser, "macro_results", [])
    if not results:
        return False
    if results[-1] is not _NOTHING:
        raise LanguageError("a macro returns twice", next_step="return once, at its end")
    results[-1] = value
    return True


macro.dispatch_token = TOKEN  # type: ignore[attr-defined]
