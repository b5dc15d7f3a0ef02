"""``--param K=V``: names and values as a command line spells them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final, NoReturn

from harness.parameters import ParameterError


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
