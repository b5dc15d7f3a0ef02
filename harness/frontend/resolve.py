"""What a name in a kernel file stands for, as a factory with a signature, and its PrimFunc."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from harness.frontend.jit import JitFunction
from harness.frontend.kernel import JitKernel
from harness.language import eager
from harness.language.dynamic import DynamicKernel

_KEYWORD = inspect.Parameter.KEYWORD_ONLY


def as_factory(found: Any, given: Mapping[str, Any] | None = None) -> Callable[..., Any] | None:
    """A callable that takes a kernel's parameters and returns a PrimFunc; None for other things.

    ``given`` are the parameters it will be called with, as far as they are known: dtypes and flags
    among them decide which sizes an eager kernel has.

    Its signature names everything that must be given: an eager kernel's plain parameters and sizes,
    the open sizes of a dynamic kernel.
    """
    if isinstance(found, JitKernel):
        found = found._func  # noqa: SLF001  (its sizes may be open)
        if not isinstance(found, DynamicKernel):
            return _with_signature(lambda: found, [])
    if isinstance(found, DynamicKernel):
        sizes = [inspect.Parameter(n, _KEYWORD) for n in found.symbols]
        return _with_signature(found.specialize, sizes)
    if not isinstance(found, JitFunction):
        return None
    own = [p.replace(kind=_KEYWORD) for n, p in found.signature.parameters.items()
           if n not in found.tensors]  # fmt: skip
    filled = _filled(found, own)
    if found.mode == "eager":
        filled += [inspect.Parameter(n, _KEYWORD) for n in _sizes(found, filled, given or {})]
    return _with_signature(found.get_tir, filled)


def as_prim_func(made: Any) -> Any:
    """What a factory returned, as a PrimFunc where it is a compiled kernel."""
    return made._func if isinstance(made, JitKernel) else made  # noqa: SLF001


def open_symbols(made: Any) -> tuple[str, ...]:
    """Sizes that are still open in what a factory returned."""
    return made.symbols if isinstance(made, DynamicKernel) else ()


def _filled(found: JitFunction, own: list[inspect.Parameter]) -> list[inspect.Parameter]:
    """Parameters with defaults from the first configuration of autotune."""
    from harness.frontend.autotune import first_config

    config = first_config(found.configs, (), {}) if found.configs is not None else {}
    return [p.replace(default=config[p.name]) if p.name in config and p.default in (p.empty, None)
            else p for p in own if p.kind is _KEYWORD]  # fmt: skip


def _sizes(found: JitFunction, own: list[inspect.Parameter], given: Mapping[str, Any]) -> list[str]:
    """Sizes an eager kernel names; those that depend on missing parameters come up later."""
    values = {p.name: p.default for p in own if p.default is not p.empty}
    missing = [p for p in own if p.default is p.empty]
    values |= {p.name: 32 for p in missing}  # most are numbers, and any will do to read names
    values |= {p.name: given[p.name] for p in own if p.name in given}
    try:
        return eager.read_declarations(found.func, values).sizes
    except Exception:  # noqa: BLE001  (the real reading reports it, with the real values)
        return []


def _with_signature(
    function: Callable[..., Any], parameters: list[inspect.Parameter]
) -> Callable[..., Any]:
    def factory(*args: Any, **keywords: Any) -> Any:
        return function(*args, **keywords)

    plain = [p.replace(kind=p.POSITIONAL_OR_KEYWORD) for p in parameters]
    plain.sort(key=lambda p: p.default is not p.empty)  # required ones first, as Python wants
    factory.__signature__ = inspect.Signature(plain)  # type: ignore[attr-defined]
    return factory
