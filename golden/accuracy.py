"""The accuracy table ``accuracy.json``: how far each device op may be off."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from types import MappingProxyType
from typing import Any, Final

from golden.errors import GoldenError

_BF16_IN_FLOAT32: Final = 2.0**16
"""Float32 units in the last place per bfloat16 unit."""


@dataclass(frozen=True)
class Accuracy:
    """Largest error of a vector function.

    Attributes:
        name: the function, as in ``<name>_tile``.
        bfloat16: units in the last place of a result in 16-bit DST.
        float32: units in the last place of a result in 32-bit DST.
        floor: absolute error allowed on top.
        source: where the numbers come from.
    """

    name: str
    bfloat16: float
    float32: float
    floor: float
    source: str

    def ulps(self, dest: str) -> float:
        """Units in the last place of a DST format."""
        return self.float32 if dest == "float32" else self.bfloat16


@functools.cache
def accuracy_table() -> Mapping[str, Accuracy]:
    """Accuracy of each vector function, by name."""
    rows: dict[str, Accuracy] = {}
    for name, row in _document()["vector"].items():
        single = row["float32"]
        if single is None:
            single = row["bfloat16"] * _BF16_IN_FLOAT32
        rows[name] = Accuracy(name, row["bfloat16"], single, row["floor"], row["source"])
    return MappingProxyType(rows)


def find_accuracy(name: str) -> Accuracy:
    """The accuracy of a vector function.

    Raises:
        GoldenError: the table has no such function.
    """
    table = accuracy_table()
    if name not in table:
        raise GoldenError(f"no accuracy of {name!r}", next_step=f"one of {sorted(table)}")
    return table[name]


def covers(op: str) -> bool:
    """Whether the table says something about a device op."""
    document = _document()
    if op.endswith(("_init", "_uninit")):
        return True
    if op in document["matrix"] or op in document["without_numbers"]:
        return True
    return op.removesuffix("_tile") in document["vector"]


@functools.cache
def _document() -> Mapping[str, Any]:
    text = resources.files("golden").joinpath("accuracy.json").read_text(encoding="utf-8")
    return MappingProxyType(json.loads(text))
