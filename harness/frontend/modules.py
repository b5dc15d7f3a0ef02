"""The modules a TileLang file imports, served only while such a file runs.

A meta-path finder gives ``tilelang`` and a few of its modules, refuses the others by name, and
stands in for libraries that are not installed. Everything it put into ``sys.modules`` is taken out
again at the end, and what was there before is put back.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import importlib.util
import sys
import types
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

from harness.frontend import libraries
from harness.frontend.errors import FrontendError, user_place

SERVED: Final = ("language", "jit", "autotuner", "profiler", "utils", "testing", "utils.tensor",
                 "tileop", "tileop.base", "layout", "math", "cache", "transform", "engine",
                 "engine.callback", "quantize")  # fmt: skip
"""Modules of tilelang that are provided."""


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds the stand-ins; also loads them."""

    def __init__(self, *, tilelang: bool) -> None:
        """``tilelang`` serves TileLang's modules, else the libraries beside it."""
        self.tilelang = tilelang
        self.used = False

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: types.ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """A spec for a module this finder serves."""
        del path, target
        root = name.split(".", maxsplit=1)[0]
        if not (root == "tilelang" if self.tilelang else root in libraries.LIBRARIES):
            return None
        self.used = True
        return importlib.machinery.ModuleSpec(name, self, is_package=True)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType:
        """The stand-in."""
        if not self.tilelang:
            return libraries.module(spec.name)
        return tilelang_module(spec.name)

    def exec_module(self, module: types.ModuleType) -> None:
        """Nothing is left to run."""


def tilelang_module(name: str) -> types.ModuleType:
    """A module of TileLang.

    Raises:
        FrontendError: one that is not provided.
    """
    _, _, rest = name.partition(".")
    if rest == "language":
        import harness.language

        return _view(name, harness.language)
    if rest == "":
        from harness.frontend import tilelang_api

        return _view(name, tilelang_api)
    if rest in SERVED:
        from harness.frontend import submodules

        return _view(name, submodules.NAMESPACES[rest])
    raise FrontendError(
        f"module {name!r} is not provided", location=user_place(),
        next_step=f"of tilelang's modules, {', '.join(SERVED)} are",
    )  # fmt: skip


def _view(name: str, source: Any) -> types.ModuleType:
    """A module of another name with the attributes of ``source``."""

    class View(types.ModuleType):
        """A module that looks its names up elsewhere."""

        def __getattr__(self, attr: str) -> Any:
            if attr.startswith("__") and attr.endswith("__"):
                raise AttributeError(attr)
            try:
                return getattr(source, attr)
            except AttributeError:
                inner = f"{name}.{attr}"
                if inner.partition(".")[2] in SERVED:  # reached without an import of its own
                    return tilelang_module(inner)
                raise FrontendError(
                    f"{inner} is not provided", location=user_place(),
                    next_step="docs/language.md says what a kernel can use",
                ) from None  # fmt: skip

        def __call__(self, *args: Any, **keywords: Any) -> Any:
            """``tilelang.jit`` is a module and a decorator at once."""
            return source(*args, **keywords)

    made = View(name, getattr(source, "__doc__", None))
    made.__path__ = []
    if isinstance(source, types.SimpleNamespace):  # a group of names, all of them public
        made.__all__ = list(vars(source))  # type: ignore[attr-defined]
    elif (public := getattr(source, "__all__", None)) is not None:
        made.__all__ = list(public)  # type: ignore[attr-defined]
    return made


@contextmanager
def serving() -> Iterator[_Finder]:
    """Serve the stand-ins to imports made inside; what it yields knows whether it was used."""
    import harness.language  # noqa: F401  (TVM looks for torch when it loads: before the stand-ins)

    first, last = _Finder(tilelang=True), _Finder(tilelang=False)
    roots = ("tilelang", *libraries.LIBRARIES)
    before = {n: m for n, m in sys.modules.items() if n.split(".", maxsplit=1)[0] == "tilelang"}
    for name in before:
        del sys.modules[name]
    # TileLang's own package, if installed, brings another TVM: the stand-in comes first. Real
    # libraries win over their stand-ins, which come last.
    sys.meta_path.insert(0, first)
    sys.meta_path.append(last)
    try:
        yield first
    finally:
        sys.meta_path.remove(first)
        sys.meta_path.remove(last)
        for name, module in list(sys.modules.items()):
            loader = getattr(getattr(module, "__spec__", None), "loader", None)
            if name.split(".", maxsplit=1)[0] in roots and loader in (first, last):
                del sys.modules[name]
        sys.modules.update(before)
