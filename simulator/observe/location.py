"""Places in programs as a person names them, and the ops they stand for."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any, Final

from simulator.engine.code import Code
from simulator.errors import InputError

FORMS: Final = (
    "write PROGRAM:NUMBER (compute:17), PROGRAM:PATH (compute:2.0.1), FILE.py:LINE or"
    " PROGRAM:FILE.py:LINE, with @N for the N-th time"
)
_FORM: Final = re.compile(
    r"(?:(?P<program>[A-Za-z_][\w-]*):)?"
    r"(?:(?P<file>[^:@]+\.\w+):(?P<line>\d+)|(?P<path>\d+(?:\.(?:\d+|e))+|end)|(?P<number>\d+))"
    r"(?:@(?P<hit>[1-9]\d*))?"
)


class LocationError(InputError):
    """A place that cannot be read, or that no program has."""


@dataclass(frozen=True)
class Location:
    """A place in a program.

    Attributes:
        text: as written.
        program: program or thread name; None for any.
        number: of a statement in :func:`listing`. path: in the program tree.
        file, line: in the kernel's source. Exactly one of number, path and file is given.
        hit: stop the how-manieth time.
    """

    text: str
    program: str | None = None
    number: int | None = None
    path: str | None = None
    file: str | None = None
    line: int | None = None
    hit: int = 1

    def find(self, code: Code) -> list[int]:
        """Indices of the ops of a program that the place stands for; empty where it has none."""
        if self.program not in (None, code.program, code.thread):
            return []
        if self.number is not None:
            return [row["op"] for row in listing(code) if row["number"] == self.number]
        if self.path is not None:
            inside = self.path + "."
            for number, place in enumerate(code.places):
                if place.path == self.path or place.path.startswith(inside):
                    return [number]
            return []
        return [number for number, place in enumerate(code.places) if self._on_line(place.loc)]

    def _on_line(self, loc: str | None) -> bool:
        if loc is None or self.file is None:
            return False
        file, line, *_ = (*loc.rsplit(":", 2), "", "") if loc.count(":") > 1 else (loc, "", "")
        return line == str(self.line) and PurePath(file).name == PurePath(self.file).name


def parse_location(text: str) -> Location:
    """A place as written on the command line.

    Raises:
        LocationError: none of the accepted forms.
    """
    match = _FORM.fullmatch(text)
    if match is None:
        raise LocationError(f"{text!r} is no place in a program", location="break",
                            next_step=FORMS)  # fmt: skip
    part = match.groupdict()
    if part["program"] is None and part["file"] is None:
        raise LocationError(f"{text!r} names no program", location="break", next_step=FORMS)
    return Location(
        text,
        part["program"],
        None if part["number"] is None else int(part["number"]),
        part["path"],
        part["file"],
        None if part["line"] is None else int(part["line"]),
        int(part["hit"] or 1),
    )


def listing(code: Code) -> list[dict[str, Any]]:
    """The statements of a compiled program.

    Keys: ``number``, ``op`` (index of the op), ``path``, ``text``, ``loc``. A nest of tile loops
    that runs as one op is one statement; a let of a constant is none.
    """
    rows: list[dict[str, Any]] = []
    for index, place in enumerate(code.places):
        if place.text.startswith("end of ") and place.path != "end":
            continue
        rows.append({"number": len(rows), "op": index, "path": place.path, "text": place.text,
                     "loc": place.loc})  # fmt: skip
    return rows
