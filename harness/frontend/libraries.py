"""Stand-ins for libraries a kernel file imports for its own reference: torch and its kin.

Only what a kernel needs works: dtypes by name, decorators, annotations and base classes. Anything
else raises :class:`MissingLibraryError` when it is used, not when it is imported.
"""

from __future__ import annotations

import types
from typing import Any, Final, NoReturn

from harness.frontend.errors import MissingLibraryError, user_place
from harness.language.dtypes import ALIASES

LIBRARIES: Final = ("torch", "triton", "einops", "flash_attn", "fla", "torchvision", "matplotlib",
                    "pandas", "tqdm")  # fmt: skip
"""Libraries that are stood in for where they are not installed."""

_DTYPES: Final = ("float32", "float16", "bfloat16", "float64", "int8", "int16", "int32", "int64",
                  "uint8", "bool", "half", "float", "int", "long")  # fmt: skip
_DECORATORS: Final = ("no_grad", "inference_mode", "compile", "enable_grad", "script", "jit",
                      "custom_op", "autotune", "heuristics")  # fmt: skip
_QUIET: Final = ("manual_seed", "manual_seed_all", "set_default_device", "set_default_dtype",
                 "set_printoptions", "set_float32_matmul_precision")  # fmt: skip


class Missing:
    """Something of a library that is not installed; using it raises."""

    def __init__(self, path: str) -> None:
        """``path`` is its dotted name."""
        self.__dict__["_path"] = path

    def __getattr__(self, name: str) -> Any:
        """Parts are missing as well; names of Python's protocols are not there."""
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(name)
        return attribute(self._path, name)

    def _raise(self) -> NoReturn:
        library = self._path.split(".", maxsplit=1)[0]
        raise MissingLibraryError(f"{self._path} is used, and {library} is not installed",
                             location=user_place(),
                             next_step=f"install {library}, or do without")  # fmt: skip

    def __call__(self, *args: Any, **_: Any) -> Any:
        """Decorators give the function back; the rest raises."""
        name = self._path.rsplit(".", maxsplit=1)[-1]
        if name in _DECORATORS:
            return args[0] if args and isinstance(args[0], types.FunctionType | type) else _same
        if name in _QUIET:
            return None
        if name == "is_available":
            return False
        return self._raise()

    def __mro_entries__(self, bases: tuple[Any, ...]) -> tuple[type, ...]:
        """As a base class it is nothing."""
        del bases
        return ()

    def __instancecheck__(self, _: object) -> bool:
        """Nothing is an instance of it."""
        return False

    def __getitem__(self, _: object) -> Missing:
        """In annotations it may be subscripted."""
        return self

    def __or__(self, _: object) -> Missing:
        """In annotations it may be in a union."""
        return self

    __ror__ = __or__

    def __iter__(self) -> Any:
        """Iterating over it is a use."""
        self._raise()

    def __bool__(self) -> bool:
        """Testing it is a use."""
        return bool(self._raise())

    def __repr__(self) -> str:
        """Its dotted name."""
        return f"<{self._path}, not installed>"


def _same(function: Any) -> Any:
    return function


class _Dtype(str):
    """A torch dtype: its name, as the language reads it."""

    __slots__ = ()

    @property
    def itemsize(self) -> int:
        """Bytes of one element."""
        from harness.language.dtypes import dtype

        return int(dtype(self).bytes)


def attribute(path: str, name: str) -> Any:
    """``path.name`` of a library that is not installed."""
    if path == "torch" and name in _DTYPES:
        return _Dtype(ALIASES.get(name, name))
    return Missing(f"{path}.{name}")


def module(name: str) -> types.ModuleType:
    """The stand-in of a library, or of a module of it."""

    class Standin(types.ModuleType):
        """A module whose every name is missing."""

        def __getattr__(self, attr: str) -> Any:
            if attr.startswith("__") and attr.endswith("__"):
                raise AttributeError(attr)
            return attribute(name, attr)

    made = Standin(name, f"{name} is not installed; only what a kernel needs works.")
    made.__path__ = []  # a package, so that its modules can be imported
    made.__file__ = f"<{name}, not installed>"  # files print where a library comes from
    return made
