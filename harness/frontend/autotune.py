"""``@tilelang.autotune``: passed through, since there is no board to time configurations on.

Parameters that a call leaves open take their values from the first configuration.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from harness.frontend.errors import FrontendError, user_place


def autotune(func: Any = None, *, configs: Any = None, **_: object) -> Any:
    """The decorated kernel, its open parameters filled from the first of ``configs``."""
    if func is None:
        return lambda function: autotune(function, configs=configs)
    from harness.frontend.jit import JitFunction, jit

    made = func if isinstance(func, JitFunction) else jit(func)
    made.configs = configs
    return made


def first_config(
    configs: Any, args: tuple[Any, ...], keywords: Mapping[str, Any]
) -> dict[str, Any]:
    """The first configuration; ``configs`` may be a list or a function of the call's arguments."""
    if callable(configs):
        configs = _call(configs, args, keywords)
    for config in configs or ():
        return dict(config)
    return {}


def _call(configs: Callable[..., Any], args: tuple[Any, ...], keywords: Mapping[str, Any]) -> Any:
    try:
        return configs(*args, **keywords)
    except TypeError:
        return configs()


@contextmanager
def set_autotune_inputs(*_: object, **__: object) -> Iterator[None]:
    """Nothing is tuned, so no inputs are kept for tuning."""
    yield


class AutoTuner:
    """``AutoTuner.from_kernel(…)``: needs a board.

    Raises:
        FrontendError: on construction.
    """

    def __init__(self, *_: object, **__: object) -> None:
        """Refuse."""
        raise FrontendError("AutoTuner times kernels, which needs a board", location=user_place(),
                            next_step="choose a configuration and call the kernel")  # fmt: skip

    from_kernel = classmethod(lambda cls, *_, **__: cls())
