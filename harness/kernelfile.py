"""``FILE.py:NAME``: loading a kernel file by path, and the kernel a name in it stands for."""

from __future__ import annotations

import contextlib
import hashlib
import inspect
import linecache
import sys
import traceback
import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import HarnessError
from harness.parameters import bind


class SourceError(HarnessError):
    """A kernel file that is missing or does not run, or a name it does not have."""

    code = "SourceError"


@dataclass(frozen=True)
class Source:
    """A name in a kernel file, e.g. ``gemm.py:matmul``."""

    path: Path
    name: str

    def __str__(self) -> str:
        return f"{self.path}:{self.name}"


def parse_source(spec: str) -> Source:
    """``FILE.py:NAME`` taken apart.

    Raises:
        SourceError: no colon, or nothing on one side of it.
    """
    path, _, name = spec.rpartition(":")
    if not path or not name.isidentifier():
        raise SourceError(f"{spec!r} is not FILE.py:NAME",
                          next_step="name a factory or kernel in a Python file")  # fmt: skip
    return Source(Path(path), name)


def load(spec: str, **params: Any) -> Any:
    """The kernel that ``"FILE.py:NAME"`` stands for: a PrimFunc, or an IRModule.

    The file runs as ``tt-harness run`` runs it: ``import tilelang`` works in it, whether TileLang
    is installed or not. ``params`` are those of the factory, and open sizes.

    Raises:
        SourceError: the file, the name, or what running them raised, with file and line.
        ParameterError: parameters that do not fit the factory.
        HarnessError: what the language refused.
    """
    return load_kernel(parse_source(spec), params)


def load_kernel(source: Source, params: Mapping[str, Any]) -> Any:
    """The PrimFunc or IRModule that ``source`` stands for; a factory is called with ``params``.

    Raises:
        SourceError: the file, the name, or what running them raised, with file and line.
        ParameterError: parameters that do not fit the factory.
        HarnessError: what the language refused.
    """
    from harness.frontend import as_factory, as_prim_func, open_symbols

    module = _execute(source.path, source.name)
    found = getattr(module, source.name, None)
    if found is None:
        names = ", ".join(_names(module)) or "nothing"
        raise SourceError(f"has no {source.name!r}", location=str(source.path),
                          next_step=f"it defines {names}")  # fmt: skip
    if hasattr(found, "script"):  # a PrimFunc or IRModule as it stands
        if params:
            raise SourceError(f"is not a factory, so it takes no parameter {min(params)}",
                              location=str(source))  # fmt: skip
        return found
    if not callable(found):
        raise SourceError(f"is of type {type(found).__name__}", location=str(source),
                          next_step="name a factory, a PrimFunc or an IRModule")  # fmt: skip
    factory = as_factory(found, params) or found
    open_sizes = _beyond(factory, params)
    arguments, keywords = bind(
        factory, {k: v for k, v in params.items() if k not in open_sizes}, str(source)
    )
    with _user_code(source.path):
        made = as_prim_func(factory(*arguments, **keywords))
        if open_sizes and set(open_sizes) <= set(open_symbols(made)):
            made = made.specialize(**open_sizes)
        elif open_sizes:
            bind(factory, params, str(source))
    if open_symbols(made):
        names = ", ".join(open_symbols(made))
        raise SourceError(f"has open sizes {names}", location=str(source),
                          next_step="give each as a parameter, e.g. "
                          f"{open_symbols(made)[0]}=128")  # fmt: skip
    if not hasattr(made, "script"):
        raise SourceError(f"returns a value of type {type(made).__name__}", location=str(source),
                          next_step="return a PrimFunc or an IRModule")  # fmt: skip
    return made


def _beyond(factory: Any, params: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters a factory does not take: sizes its kernel may leave open."""
    known = inspect.signature(factory).parameters
    takes_any = any(p.kind is inspect.Parameter.VAR_KEYWORD for p in known.values())
    misses = any(p.default is p.empty and n not in params for n, p in known.items())
    if takes_any or misses:  # the whole complaint is the signature's
        return {}
    return {name: value for name, value in params.items() if name not in known}


def _names(module: types.ModuleType) -> list[str]:
    return sorted(
        name
        for name, value in vars(module).items()
        if not name.startswith("_")
        and not isinstance(value, types.ModuleType | type)
        and getattr(value, "__module__", module.__name__) == module.__name__
        and (callable(value) or hasattr(value, "script"))
    )


def _execute(path: Path, name: str) -> types.ModuleType:
    """The file as a module of a name of its own, its text where tracebacks and TVM find it.

    A TileLang file often goes on to run its kernel on a GPU; what fails after ``name`` is defined
    is said on stderr and left aside.
    """
    try:
        data = path.read_bytes()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise SourceError(f"cannot be read: {reason}", location=str(path),
                          next_step="name a Python file") from None  # fmt: skip
    where = str(path.resolve())
    try:
        content = _decode(data)
        code = compile(content, where, "exec", dont_inherit=True)
    except SyntaxError as error:
        place = f"{path}:{error.lineno}" if error.lineno else str(path)
        raise SourceError(f"{type(error).__name__}: {error.msg}", location=place) from None
    except (ValueError, LookupError) as error:
        raise SourceError(f"is not Python source: {error}", location=str(path)) from None
    linecache.cache[where] = (len(content), None, content.splitlines(keepends=True), where)
    digest = hashlib.sha256(where.encode()).hexdigest()[:12]
    module = types.ModuleType(f"tt_kernel_{path.stem}_{digest}")
    module.__file__ = where
    sys.modules[module.__name__] = module
    finder: Any = None
    try:
        with _user_code(path) as finder:
            exec(code, vars(module))  # noqa: S102  (running the user's file is what was asked for)
    except HarnessError as error:
        if finder is None or not finder.used or name not in vars(module):
            raise
        sys.stderr.write(f"{path.name}: stopped after {name!r} was defined: {error}\n")
    return module


def _decode(data: bytes) -> str:
    from importlib.util import decode_source

    return decode_source(data)


@contextlib.contextmanager
def _user_code(path: Path) -> Iterator[Any]:
    """Run code of the user's file: its prints leave stdout alone, its errors name file and line.

    ``import tilelang`` is served inside; what is yielded says whether it was asked for.
    """
    from harness.frontend import serving

    folder = str(path.resolve().parent)
    sys.path.append(folder)  # behind everything, so that a neighbour called numpy.py stays harmless
    try:
        with contextlib.redirect_stdout(sys.stderr), serving() as finder:
            yield finder
    except (HarnessError, MemoryError):
        raise
    except (Exception, SystemExit) as error:  # noqa: BLE001  (whatever the user's code raises)
        raise SourceError(_words(error), location=_place(error, path)) from None
    finally:
        with contextlib.suppress(ValueError):
            sys.path.remove(folder)


def _words(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[-1]}" if lines else type(error).__name__


def _place(error: BaseException, path: Path) -> str:
    """File and line of the innermost frame in the user's file, or of a file it imports."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}:{error.lineno}"
    where = str(path.resolve())
    lines = [f.lineno for f in traceback.extract_tb(error.__traceback__) if f.filename == where]
    return f"{path}:{lines[-1]}" if lines else str(path)
