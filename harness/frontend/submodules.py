"""What the modules below ``tilelang`` give."""

from __future__ import annotations

import types
from typing import Any, Final

from harness.frontend import tilelang_api
from harness.frontend.autotune import AutoTuner, autotune, set_autotune_inputs
from harness.frontend.errors import FrontendError, user_place
from harness.frontend.jit import JitFunction, jit, lazy_jit
from harness.frontend.jit import compile as compile_kernel
from harness.frontend.kernel import JitKernel, Profiler


def do_bench(*_: object, **__: object) -> Any:
    """``do_bench(fn)``: a simulator measures no time.

    Raises:
        FrontendError: always.
    """
    raise FrontendError("do_bench measures time, which the simulator does not model",
                        location=user_place(),
                        next_step="tt-harness run reports bytes moved and tile ops")  # fmt: skip


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
}  # fmt: skip
"""The modules of ``tilelang`` that are provided, by name; ``language`` is harness.language."""
