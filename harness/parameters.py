"""How parameters meet a factory's signature."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from harness.errors import HarnessError


class ParameterError(HarnessError):
    """Parameters that do not fit the factory."""

    code = "InvalidParameter"


def bind(
    factory: Callable[..., Any], params: Mapping[str, Any], where: str
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Positional and keyword arguments to call ``factory`` with.

    Raises:
        ParameterError: unknown or missing names; the message shows the signature.
    """
    signature = inspect.signature(factory)
    kinds = inspect.Parameter
    by_name = {
        name: p
        for name, p in signature.parameters.items()
        if p.kind not in (kinds.VAR_POSITIONAL, kinds.VAR_KEYWORD)
    }
    takes_any = any(p.kind is kinds.VAR_KEYWORD for p in signature.parameters.values())
    missing = [n for n, p in by_name.items() if p.default is kinds.empty and n not in params]
    unknown = [] if takes_any else [name for name in params if name not in by_name]
    problems = [f"no parameter {name!r}" for name in unknown]
    problems += [f"parameter {name!r} is missing" for name in missing]
    if problems:
        shown = shown_signature(signature)
        raise ParameterError("; ".join(problems), location=where,
                             next_step=f"its parameters are {shown}")  # fmt: skip
    first = [n for n, p in by_name.items() if p.kind is kinds.POSITIONAL_ONLY and n in params]
    rest = {name: value for name, value in params.items() if name not in first}
    return tuple(params[name] for name in first), rest


def shown_signature(signature: inspect.Signature) -> str:
    """Names and defaults, without types: ``(M, N=384)``."""
    bare = [p.replace(annotation=p.empty) for p in signature.parameters.values()]
    return str(signature.replace(parameters=bare, return_annotation=signature.empty))
