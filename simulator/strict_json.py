"""JSON in, under limits; JSON out, the same bytes every time and pleasant to read."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NoReturn

import numpy as np

from simulator.errors import UnreadableError

MAX_BYTES: Final = 64 * 2**20
"""Largest file read. A plan of 10,000 blocks takes about 1 MB."""

MAX_DEPTH: Final = 200
"""Deepest nesting decoded; Python's own limit is 1,000 frames. A program uses about ten."""

LINE_WIDTH: Final = 100

_OPEN: Final = np.frombuffer(b"[{", dtype=np.uint8)
_CLOSE: Final = np.frombuffer(b"]}", dtype=np.uint8)
_SURROGATE: Final = re.compile("[\ud800-\udfff]")


def read_limited(path: Path) -> bytes:
    """The bytes of ``path``; raises UnreadableError when missing or above MAX_BYTES."""
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise UnreadableError(f"cannot be read: {reason}", location=str(path)) from None
    if len(data) > MAX_BYTES:
        raise UnreadableError(f"is larger than {MAX_BYTES} bytes", location=str(path))
    return data


def decode(data: bytes, *, location: str) -> Any:
    """The JSON value of ``data``.

    Raises:
        UnreadableError: not UTF-8, not JSON, nested deeper than MAX_DEPTH, a key twice in one
            object, a number that is not finite, or half of a surrogate pair.
    """

    def refuse(message: str) -> NoReturn:
        raise UnreadableError(message, location=location)

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        out = dict(items)
        if len(out) != len(items):
            keys = [key for key, _ in items]
            twice = next(key for key in keys if keys.count(key) > 1)
            refuse(f"an object has key {twice!r} twice")
        return out

    def real(text: str) -> float:
        value = float(text)
        if value in (float("inf"), float("-inf")):
            refuse(f"number {text[:40]} is out of range")
        return value

    if len(data) > MAX_BYTES:
        refuse(f"is larger than {MAX_BYTES} bytes")
    depth = nesting(data)
    if depth > MAX_DEPTH:
        refuse(f"is nested {depth} deep; at most {MAX_DEPTH} is read")
    try:
        text = data.decode("utf-8")
        value = json.loads(
            text,
            object_pairs_hook=pairs,
            parse_float=real,
            parse_constant=lambda name: refuse(f"{name} is not a JSON number"),
        )
    except UnicodeDecodeError as error:
        refuse(f"is not UTF-8 (byte {error.start})")
    except json.JSONDecodeError as error:
        refuse(f"is not JSON: {error.msg} at line {error.lineno} column {error.colno}")
    except ValueError as error:  # an integer of more digits than Python converts
        refuse(f"is not readable JSON: {error}")
    if "\\u" in text and _SURROGATE.search(json.dumps(value, ensure_ascii=False)):
        refuse("contains half of a surrogate pair")
    return value


def nesting(data: bytes) -> int:
    """Deepest nesting of arrays and objects, brackets in strings left out."""
    raw = np.frombuffer(data, dtype=np.uint8)
    if raw.size == 0:
        return 0
    quote = raw == ord('"')
    slash = raw == ord("\\")
    if slash.any():  # a quote after an odd run of backslashes is escaped
        index = np.arange(raw.size, dtype=np.int32)
        last_other = np.maximum.accumulate(np.where(slash, -1, index))
        run = index - last_other  # length of the backslash run ending here
        quote[1:] &= (run[:-1] & 1) == 0
    outside = (np.cumsum(quote, dtype=np.int32) & 1) == 0
    step = np.isin(raw, _OPEN).astype(np.int8) - np.isin(raw, _CLOSE).astype(np.int8)
    return int(np.cumsum(np.where(outside, step, 0), dtype=np.int32).max(initial=0))


def render(value: Any) -> bytes:
    """``value`` as indented JSON: what fits on a line stays on it. Ends with a newline."""
    return ("\n".join(_lines(value, "", "")) + "\n").encode()


_ENCODER: Final = json.JSONEncoder(ensure_ascii=False, allow_nan=False)


def compact(value: Any) -> str:
    """``value`` on one line."""
    kind = type(value)  # numbers and plain names are most there are, and are spelt as they stand
    if kind is int:
        return str(value)
    if kind is str and value.isidentifier() and value.isascii():
        return f'"{value}"'
    return _ENCODER.encode(value)


def _lines(value: Any, indent: str, prefix: str) -> Iterator[str]:
    is_nested = isinstance(value, (Mapping, list, tuple))
    if not is_nested or len(value) * 3 < LINE_WIDTH:  # an entry takes three characters at least
        line = indent + prefix + compact(value)
        if len(line) < LINE_WIDTH or not value or not is_nested:
            yield line
            return
    is_map = isinstance(value, Mapping)
    yield indent + prefix + ("{" if is_map else "[")
    entries = (
        [(compact(key) + ": ", item) for key, item in value.items()]
        if isinstance(value, Mapping)
        else [("", item) for item in value]
    )
    for position, (key, item) in enumerate(entries):
        comma = "," if position < len(entries) - 1 else ""
        held: str | None = None
        for text in _lines(item, indent + "  ", key):
            if held is not None:
                yield held
            held = text
        yield (held or "") + comma
    yield indent + ("}" if is_map else "]")
