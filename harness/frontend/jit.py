"""``@tilelang.jit``: factories that return a kernel, and kernels that declare their tensors."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from harness.errors import LanguageError
from harness.frontend.autotune import first_config
from harness.frontend.kernel import JitKernel
from harness.language.dynamic import DynamicKernel, solve
from harness.language.parsing import eager
from harness.language.parsing.scopes import plain
from harness.language.rewriting.inturn import parameters

_ACCEPTED: Final = ("target_host", "verbose", "pass_configs", "compile_flags", "debug_root_path",
                    "execution_backend", "cache_kwargs", "mode", "workspace_idx", "skip_check",
                    "supply_type", "ref_prog", "profiler")  # fmt: skip
"""Arguments of jit and compile that choose how a GPU kernel is built; without meaning here."""


def _check(options: Mapping[str, object], what: str) -> None:
    for name in options:
        if name not in _ACCEPTED:
            raise LanguageError(f"{what} has no argument {name!r}", code="InvalidArguments")


def compile(func: Any, out_idx: Sequence[int] | int | None = None, *_: object,  # noqa: A001
            target: object = None, **options: object) -> JitKernel:  # fmt: skip
    """``tilelang.compile(func, out_idx=[-1])``: a kernel to call on arrays.

    ``target`` may name a device of this package; a GPU target is accepted and has no meaning.

    Raises:
        LanguageError: not a kernel, or an unknown argument.
    """
    _check(options, "tilelang.compile")
    if not _is_kernel(func):
        raise LanguageError(f"tilelang.compile takes a kernel, not a {type(func).__name__}",
                            next_step="give what @T.prim_func returns")  # fmt: skip
    return JitKernel(func, out_idx, target)


def _is_kernel(func: Any) -> bool:
    return isinstance(func, DynamicKernel) or hasattr(func, "script")


def par_compile(funcs: Any, *args: Any, **keywords: Any) -> list[JitKernel]:
    """``tilelang.par_compile(funcs)``: each compiled, one after the other."""
    keywords.pop("num_workers", None)
    keywords.pop("ignore_error", None)
    return [compile(f, *args, **keywords) for f in funcs]


def jit(func: Any = None, *, out_idx: Sequence[int] | int | None = None,
        target: object = None, **options: object) -> Any:  # fmt: skip
    """``@tilelang.jit``, with or without arguments; above ``@T.prim_func`` it compiles."""
    _check(options, "tilelang.jit")
    if func is None:
        return lambda function: jit(function, out_idx=out_idx, target=target, **options)
    if _is_kernel(func):
        return compile(func, out_idx, target=target, **options)
    return JitFunction(func, out_idx, target)


lazy_jit = jit


class JitFunction:
    """A function under ``@tilelang.jit``.

    Attributes:
        func: the function.
        configs: what ``@tilelang.autotune`` was given, if anything.
        tensors: parameters declared as tensors in the body; empty for a factory.
        mode: ``eager`` for a kernel, ``lazy`` for a factory.
    """

    def __init__(self, func: Callable[..., Any], out_idx: Sequence[int] | int | None,
                 target: object) -> None:  # fmt: skip
        """``out_idx`` is for factories; eager kernels return what they make."""
        if not inspect.isfunction(func):
            raise LanguageError(f"tilelang.jit decorates functions, not {type(func).__name__}")
        functools.update_wrapper(self, func)
        self.__name__ = func.__name__
        self.func = func
        self.out_idx = out_idx
        self.target = target
        self.configs: Any = None
        self.tensors = eager.declares_tensors(func)
        self.mode = "eager" if self.tensors or eager.enters_kernel(func) else "lazy"
        if self.mode == "eager" and out_idx is not None:
            raise LanguageError("out_idx is for factories, not for kernels that declare tensors",
                                location=self._place(),
                                next_step="make outputs with T.empty and return them")  # fmt: skip
        self._kernels: dict[Any, JitKernel] = {}

    def _place(self) -> str:
        code = self.func.__code__
        return f"{code.co_filename}:{code.co_firstlineno}"

    @property
    def signature(self) -> inspect.Signature:
        """The function's own parameters."""
        return inspect.signature(self.func, follow_wrapped=False)

    def _bound(self, args: tuple[Any, ...], keywords: Mapping[str, Any]) -> dict[str, Any]:
        """Values by parameter: given, else from the first configuration, else the default."""
        parameters = self.signature.parameters
        try:
            given = self.signature.bind_partial(*args, **keywords).arguments
        except TypeError as error:
            raise LanguageError(f"{self.__name__}: {error}", code="InvalidArguments") from None
        values = {name: plain(value) for name, value in given.items()}
        config = first_config(self.configs, args, keywords)
        for name, parameter in parameters.items():
            if values.get(name) is None and name in config:
                values[name] = config[name]
            elif name not in values and parameter.default is not parameter.empty:
                values[name] = parameter.default
        missing = [n for n in parameters if n not in values and n not in self.tensors]
        if missing:
            raise LanguageError(f"{self.__name__} needs {missing[0]!r}", code="InvalidArguments",
                                next_step=f"it takes {', '.join(parameters)}")  # fmt: skip
        return values

    def _split(self, keywords: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        own = {k: v for k, v in keywords.items() if k in self.signature.parameters}
        return own, {k: plain(v) for k, v in keywords.items() if k not in own}

    def compile(self, *args: Any, **keywords: Any) -> JitKernel:
        """The kernel for these parameters; sizes of an eager kernel are given by name.

        Raises:
            LanguageError: missing or unknown parameters, or a construct that is refused.
        """
        if self.mode == "lazy":
            made = self.func(**self._bound(args, keywords))
            return made if isinstance(made, JitKernel) else compile(made, self.out_idx,
                                                                    target=self.target)  # fmt: skip
        own, sizes = self._split(keywords)
        values = {k: v for k, v in self._bound(args, own).items() if k not in self.tensors}
        key = (_frozen(values), _frozen(sizes))
        if key not in self._kernels:
            func, returned = eager.build(self.func, values, sizes)
            names = parameters(func)
            self._kernels[key] = JitKernel(func, [names.index(n) for n in returned] or None,
                                           self.target)  # fmt: skip
        return self._kernels[key]

    def get_tir(self, *args: Any, **keywords: Any) -> Any:
        """The PrimFunc for these parameters."""
        return self.compile(*args, **keywords)._func  # noqa: SLF001  (the sizes may be open)

    def par_compile(self, configs: Any, **_: object) -> list[JitKernel]:
        """The kernel for each configuration."""
        return [self.compile(**c) if isinstance(c, dict) else self.compile(*c) for c in configs]

    def __call__(self, *args: Any, **keywords: Any) -> Any:
        """A factory's kernel; an eager kernel runs on the arrays it is given.

        Raises:
            LanguageError: arguments that do not fit.
        """
        if self.mode == "lazy":
            key = (_frozen(args), _frozen(keywords))
            if key not in self._kernels:
                self._kernels[key] = self.compile(*args, **keywords)
            return self._kernels[key]
        own, sizes = self._split(keywords)
        values = self._bound(args, own)
        arrays = {n: values.pop(n) for n in self.tensors if n in values}
        missing = [n for n in self.tensors if n not in arrays]
        if missing:
            raise LanguageError(f"{self.__name__} needs the tensor {missing[0]!r}",
                                code="InvalidArguments")  # fmt: skip
        declared = eager.read_declarations(self.func, values)
        sizes = solve(declared.shapes, arrays, sizes)
        return self.compile(**values, **sizes)(*(arrays[n] for n in declared.shapes))

    def __repr__(self) -> str:
        """Name and style."""
        return f"JitFunction({self.__name__}, {self.mode})"


def _frozen(value: Any) -> Any:
    """A hashable form of arguments; what has none stands for itself."""
    if isinstance(value, Mapping):
        return tuple((k, _frozen(v)) for k, v in value.items())
    if isinstance(value, (list, tuple)):
        return tuple(map(_frozen, value))
    try:
        hash(value)
    except TypeError:
        return id(value)
    return (type(value).__name__, value)
