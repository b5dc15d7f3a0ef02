"""``--param K=V``: values, and how they meet a factory's signature."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NoReturn

from harness.errors import HarnessError


class ParameterError(HarnessError):
    """Parameters that do not fit the factory."""

    code = "InvalidParameter"


def parse_params(given: Sequence[str]) -> dict[str, Any]:
    """``["M=512", "dtype=float16"]`` to a dictionary: JSON literals, Python's too, else strings.

    Raises:
        ParameterError: no ``=``, no name, or one name twice.
    """
    params: dict[str, Any] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals or not name.isidentifier():
            raise ParameterError(f"{text!r} is not K=V", location="--param",
                                 next_step="write e.g. --param M=512")  # fmt: skip
        if name in params:
            raise ParameterError(f"{name} is given twice", location="--param")
        params[name] = _literal(value)
    return params


_PYTHON: Final = {"True": True, "False": False, "None": None}
"""Spellings of Python, whose texts would all count as true."""


def _literal(value: str) -> Any:
    if value in _PYTHON:
        return _PYTHON[value]

    def refuse(name: str) -> NoReturn:
        raise ValueError(name)

    try:
        return json.loads(value, parse_constant=refuse)
    except (ValueError, RecursionError):
        return value


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
