"""What the modules below ``tilelang`` give."""

from __future__ import annotations

import inspect
import types
from typing import Any, Final

from harness.frontend import quantize, tilelang_api
from harness.frontend.autotune import AutoTuner, autotune, set_autotune_inputs
from harness.frontend.errors import FrontendError, user_place
from harness.frontend.jit import JitFunction, jit, lazy_jit
from harness.frontend.jit import compile as compile_kernel
from harness.frontend.kernel import JitKernel, Profiler
from harness.language import GemmWarpPolicy, Layout


def do_bench(*_: object, **__: object) -> Any:
    """``do_bench(fn)``: a simulator measures no time.

    Raises:
        FrontendError: always.
    """
    raise FrontendError("do_bench measures time, which the simulator does not model",
                        location=user_place(),
                        next_step="tt-harness run reports bytes moved and tile ops")  # fmt: skip


def main(*_: object, **__: object) -> Any:
    """``tilelang.testing.main()``: runs the tests of a file by pytest, on a GPU.

    Raises:
        FrontendError: always.
    """
    raise FrontendError("tilelang.testing.main runs a file's tests on a GPU",
                        location=user_place(),
                        next_step="tt-harness run judges the kernel")  # fmt: skip


def torch_assert_close(*_: object, **__: object) -> Any:
    """``torch_assert_close(a, b)``: judges a GPU's answer by a tolerance.

    Raises:
        FrontendError: always.
    """
    raise FrontendError("torch_assert_close compares by a tolerance, of which there is none here",
                        location=user_place(),
                        next_step="tt-harness run judges the kernel by derived bounds")  # fmt: skip


def set_random_seed(seed: int = 42) -> None:
    """Inputs are drawn here, by ``--seed``: nothing to set."""
    del seed


def _unneeded(*args: Any, **_: Any) -> Any:
    """A decorator that says what GPU a test needs: the test stays as it is."""
    return args[0] if args and inspect.isfunction(args[0]) else _unneeded


_NEEDS: Final = ("cuda", "rocm", "metal", "llvm", "package", "cuda_compute_version",
                 "cuda_compute_version_eq", "cuda_compute_version_ge", "cuda_compute_version_gt",
                 "cuda_compute_version_le", "cuda_compute_version_lt")  # fmt: skip


def _nothing(*_: object, **__: object) -> None:
    """A switch of TileLang's cache or of its code for GPUs; nothing here has it."""


_LAYOUTS: Final = ("Layout", "Fragment", "make_swizzled_layout", "make_linear_layout",
                   "make_full_bank_swizzled_layout", "make_half_bank_swizzled_layout",
                   "make_quarter_bank_swizzled_layout")  # fmt: skip


def _layout(*_: object, **__: object) -> Layout:
    """A GPU layout: opaque, for ``T.annotate_layout``."""
    return Layout()


class _Decorator(types.SimpleNamespace):
    """``tilelang.jit``: a module that is called."""

    def __call__(self, *args: Any, **keywords: Any) -> Any:
        """As the decorator."""
        return jit(*args, **keywords)


NAMESPACES: Final[dict[str, Any]] = {
    "jit": _Decorator(jit=jit, lazy_jit=lazy_jit, compile=compile_kernel, JITImpl=JitFunction,
                      JITKernel=JitKernel),
    "autotuner": types.SimpleNamespace(autotune=autotune, AutoTuner=AutoTuner,
                                       set_autotune_inputs=set_autotune_inputs),
    "profiler": types.SimpleNamespace(do_bench=do_bench, Profiler=Profiler),
    "utils": types.SimpleNamespace(TensorSupplyType=tilelang_api.TensorSupplyType,
                                   next_power_of_2=tilelang_api.next_power_of_2),
    "utils.tensor": types.SimpleNamespace(TensorSupplyType=tilelang_api.TensorSupplyType,
                                          torch_assert_close=torch_assert_close),
    "testing": types.SimpleNamespace(main=main, set_random_seed=set_random_seed,
                                     **{f"requires_{name}": _unneeded for name in _NEEDS}),
    "layout": types.SimpleNamespace(**dict.fromkeys(_LAYOUTS, _layout)),
    "math": types.SimpleNamespace(next_power_of_2=tilelang_api.next_power_of_2,
                                  cdiv=tilelang_api.cdiv),
    "quantize": types.SimpleNamespace(**quantize.CONVERTERS),
    "cache": types.SimpleNamespace(clear_cache=_nothing),
    "transform": types.SimpleNamespace(PassConfigKey=tilelang_api.PassConfigKey),
    "engine": types.SimpleNamespace(),
    "engine.callback": types.SimpleNamespace(
        register_cuda_postproc_callback=_nothing),
    "tileop": types.SimpleNamespace(),
    "tileop.base": types.SimpleNamespace(GemmWarpPolicy=GemmWarpPolicy),
}  # fmt: skip
"""The modules of ``tilelang`` that are provided, by name; ``language`` is harness.language."""
