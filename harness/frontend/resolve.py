"""What a name in a kernel file stands for, as a factory with a signature, and its PrimFunc."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from harness.frontend.jit import JitFunction
from harness.frontend.kernel import JitKernel
from harness.language.dynamic import DynamicKernel
from harness.language.parsing import eager

_KEYWORD = inspect.Parameter.KEYWORD_ONLY


def as_factory(found: Any, params: Mapping[str, Any]) -> Callable[..., Any] | None:
    """A callable that takes a kernel's parameters and returns a PrimFunc; None for other things.

    Its signature names everything that must be given: an eager kernel's plain parameters and sizes,
    the open sizes of a dynamic kernel. Which sizes an eager kernel has may depend on its plain
    parameters, so they are read with what is given, ``params``.
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
        filled += _sizes(found, filled, params)
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


def _sizes(found: JitFunction, own: list[inspect.Parameter],
           params: Mapping[str, Any]) -> list[inspect.Parameter]:  # fmt: skip
    """Sizes of an eager kernel, as parameters; any at all where its declarations cannot be read."""
    values = {p.name: params.get(p.name, p.default) for p in own}
    try:
        names = eager.read_declarations(
            found.func, {n: v for n, v in values.items() if v is not inspect.Parameter.empty}
        ).sizes
    except Exception:  # noqa: BLE001  (the real reading reports it)
        name = "sizes" + "_" * sum(p.name.startswith("sizes") for p in own)
        return [inspect.Parameter(name, inspect.Parameter.VAR_KEYWORD)]
    return [inspect.Parameter(n, _KEYWORD) for n in names]


def _with_signature(
    function: Callable[..., Any], parameters: list[inspect.Parameter]
) -> Callable[..., Any]:
    def factory(*args: Any, **keywords: Any) -> Any:
        return function(*args, **keywords)

    rest = [p for p in parameters if p.kind is p.VAR_KEYWORD]
    plain = [p.replace(kind=p.POSITIONAL_OR_KEYWORD) for p in parameters if p not in rest]
    plain.sort(key=lambda p: p.default is not p.empty)  # required ones first, as Python wants
    factory.__signature__ = inspect.Signature([*plain, *rest])  # type: ignore[attr-defined]
    return factory
