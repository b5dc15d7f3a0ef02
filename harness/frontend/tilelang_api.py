"""What ``import tilelang`` gives: jit, compile, autotune and the settings real files touch."""

from __future__ import annotations

import enum

from harness import language
from harness.frontend.autotune import autotune
from harness.frontend.jit import JitFunction as JITImpl
from harness.frontend.jit import compile as compile_kernel
from harness.frontend.jit import jit, lazy_jit, par_compile
from harness.frontend.kernel import JitKernel as JITKernel

__version__ = "0.1.15"
globals()["compile"] = compile_kernel


class _Keys(type):
    """Every name is a key: pass configurations steer GPU passes, so none means anything here."""

    def __getattr__(cls, name: str) -> str:
        if name.startswith("__"):
            raise AttributeError(name)
        return "tl." + name.lower()


class PassConfigKey(metaclass=_Keys):
    """``tilelang.PassConfigKey.TL_…``: accepted as a key of ``pass_configs``."""


class TensorSupplyType(enum.Enum):
    """How a profiler fills tensors; accepted."""

    Integer = 1
    Uniform = 2
    Normal = 3
    Randn = 4
    Zero = 5
    One = 6
    Auto = 7


def cdiv(a: int, b: int) -> int:
    """``tilelang.cdiv(a, b)``: division rounded up."""
    return -(-a // b)


def next_power_of_2(n: int) -> int:
    """The smallest power of two not below ``n``."""
    return 1 << max(n - 1, 0).bit_length()


def _nothing(*_: object, **__: object) -> None:
    """A switch of TileLang's compiler cache or log; nothing here has it."""


enable_cache = disable_cache = set_log_level = register_cuda_postproc_callback = _nothing


__all__ = ["JITImpl", "JITKernel", "PassConfigKey", "TensorSupplyType", "autotune", "cdiv",
           "disable_cache", "enable_cache", "jit", "language", "lazy_jit", "par_compile",
           "set_log_level"]  # fmt: skip
