"""Numbers of 8 bits read, cut, stored or taken apart otherwise."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import numpy as np

from golden.interpret.expressions import Evaluator
from harness.compiler.block import whole
from harness.compiler.block.model import Binary, Const, Convert, Leaf, Unary
from harness.compiler.block.reading import shifts
from harness.compiler.block.settling import integers
from harness.compiler.rewrite import bits
from harness.mutants.registry import Mutant, Where, substitution
from simulator import host

FAMILY: Final = "numbers of 8 bits"


def _other(name: str, where: Where, breaks: str, wrap: Any, *places: tuple[Any, str]) -> Mutant:
    return substitution(FAMILY, f"eight-{name}", where, breaks, *((*at, wrap) for at in places))


def _numbers(over: float, step: float) -> Any:
    """Bytes of at least ``over`` are ``step`` less."""

    def wrap(old: Any) -> Any:
        def number(block: Any) -> Any:
            if block.dtype != whole.SIGNED:
                return old(block)
            value = Convert(whole.REAL, Leaf(block))
            test = Unary("gez", Binary("sub", value, Const(over)))
            return Binary("sub", value, Binary("mul", test, Const(step)))

        return number

    return wrap


def _stored(step: float) -> Any:
    """Negative numbers are stored ``step`` higher."""

    def wrap(old: Any) -> Any:
        def as_stored(value: Any, dtype: str) -> Any:
            if dtype != whole.SIGNED:
                return old(value, dtype)
            below = Binary("mul", Unary("ltz", value), Const(step))
            return Convert(whole.WHOLE, Binary("add", value, below))

        return as_stored

    return wrap


def _first_amount(old: Any) -> Any:
    def amounts(*args: Any) -> Any:
        found = old(*args)
        return found and found[:1]

    return amounts


def _amounts_by_one(old: Any) -> Any:
    def amounts(*args: Any) -> Any:
        found = old(*args)
        return found and [n + 1 for n in found]

    return amounts


def _wider(old: Any) -> Any:
    return lambda a, mask: old(a, mask * 2 + 1)


def _golden_by_one(old: Any) -> Any:
    def integers_(self: Any, kind: str, a: Any, b: Any, expr: Any) -> Any:
        return old(self, kind, a, replace(b, value=b.value + (kind == "RShift")), expr)

    return integers_


MUTANTS: Final = (
    _other("unsigned", Where.PASS4, "int8 is read without a sign.", _numbers(256, 256),
           (whole, "number")),
    _other("last-positive", Where.PASS4, "127 is read as a negative number.", _numbers(127, 256),
           (whole, "number")),
    _other("step-short", Where.PASS4, "Negative int8 is read one too high.", _numbers(128, 255),
           (whole, "number")),
    _other("stored-unsigned", Where.PASS4, "Negative int8 is stored without a sign.", _stored(0),
           (whole, "as_stored"), (integers, "as_stored")),
    _other("stored-short", Where.PASS4, "Negative int8 is stored one too low.", _stored(255),
           (whole, "as_stored"), (integers, "as_stored")),
    _other("one-amount", Where.PASS4, "Every place is shifted by one amount.", _first_amount,
           (shifts, "_amounts")),
    _other("further", Where.PASS4, "Every place is shifted by one bit more.", _amounts_by_one,
           (shifts, "_amounts")),
    _other("divisor", Where.PASS4, "Remainders are those by another number.",
           lambda old: lambda value: 2 * (old(value) or 0) or None, (shifts, "constant")),
    _other("mask", Where.PASS1, "Masks have a bit more.", _wider, (bits, "_masked")),
    _other("exclusive", Where.PASS1, "Exclusive or is or.", lambda old: bits._either,  # noqa: SLF001
           (bits, "_one")),
    _other("golden-further", Where.GOLDEN, "Golden shifts by one bit more.", _golden_by_one,
           (Evaluator, "_integers")),
    _other("host-signs", Where.SIMULATOR, "The host gives up signs.",
           lambda old: lambda array, name: np.abs(old(array, name).view(np.int8)).view(np.uint8),
           (host, "_as_bytes")),
)  # fmt: skip
