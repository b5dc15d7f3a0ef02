"""One case: everything a verdict depends on, as one file a person can read."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

from harness.errors import HarnessError
from simulator.files import make_directory, write_atomic

LINES: Final = 30
"""Lines a case file has at most."""
_TOOLS: Final = ("tt-harness", "apache-tvm", "numpy")
_FIELDS: Final = ("kernel", "params", "plan", "options", "annotate", "inputs", "schedule",
                  "versions", "expect", "note")  # fmt: skip
LIMIT: Final = 1 << 20
"""Bytes a case file may have."""


class CaseError(HarnessError):
    """A case file that cannot be read."""

    code = "InvalidCase"


@dataclass(frozen=True)
class Case:
    """A kernel (or a plan recipe), how it is compiled and fed, and what came of it.

    Attributes:
        kernel: text of one ``@T.prim_func``; empty where the case is a plan.
        params: names the text uses, with their values.
        plan: recipe of a plan made without the compiler, see :mod:`harness.fuzz.direct.plans`.
        options: compile options: device, grid, core_ranges, strategy, …
        annotate: what ``annotate_tt_schedule`` attaches: partition_mode, work_partition, …
        inputs: ``{"kind": …, "seed": …}``; kind ``auto`` is exact, then random.
        schedule: the machine's schedule, see :mod:`harness.fuzz.schedules`; empty for round robin.
        versions: tools the expectation was seen with.
        expect: the verdict: kind, and code, pass and op where it failed.
        note: why the case is kept.
    """

    kernel: str = ""
    params: Mapping[str, Any] = field(default_factory=dict)
    plan: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    annotate: Mapping[str, Any] = field(default_factory=dict)
    inputs: Mapping[str, Any] = field(default_factory=dict)
    schedule: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    expect: Mapping[str, Any] = field(default_factory=dict)
    note: str = ""

    def to_json(self) -> dict[str, Any]:
        """Plain data; what is empty is left out."""
        out: dict[str, Any] = {}
        for name in _FIELDS:
            value = getattr(self, name)
            if name == "kernel" and value:
                value = value.strip().splitlines()
            if value:
                out[name] = dict(value) if isinstance(value, Mapping) else value
        return out

    def text(self) -> str:
        """The file: valid JSON, a field per line, the kernel's lines as far as they have room."""
        data = self.to_json()
        kernel = data.pop("kernel", [])
        others = [f"  {json.dumps(k)}: {json.dumps(v)}" for k, v in data.items()]
        if not kernel:
            return "{\n" + ",\n".join(others) + "\n}\n"
        room = max(1, LINES - len(others) - 4)
        per = math.ceil(len(kernel) / room)
        quoted = [json.dumps(line) for line in kernel]
        rows = [", ".join(quoted[i : i + per]) for i in range(0, len(quoted), per)]
        lines = ",\n".join(f"    {row}" for row in rows)
        return "{\n" + ",\n".join([f'  "kernel": [\n{lines}\n  ]', *others]) + "\n}\n"

    @staticmethod
    def from_json(data: Any) -> Case:
        """The inverse of :meth:`to_json`.

        Raises:
            CaseError: a field unknown or of another type.
        """
        if not isinstance(data, Mapping):
            raise CaseError("a case is a JSON object")
        unknown = set(data) - set(_FIELDS)
        if unknown:
            raise CaseError(f"unknown field {min(unknown)!r}", location=f"$.{min(unknown)}",
                            next_step=f"fields are {', '.join(_FIELDS)}")  # fmt: skip
        fields = dict(data)
        kernel = fields.get("kernel", "")
        if isinstance(kernel, list) and all(isinstance(line, str) for line in kernel):
            fields["kernel"] = kernel = "\n".join(kernel) + "\n" if kernel else ""
        for name in ("kernel", "note"):
            if not isinstance(fields.get(name, ""), str):
                raise CaseError("text is expected", location=f"$.{name}")
        for name in set(_FIELDS) - {"kernel", "note"}:
            if not isinstance(fields.get(name, {}), Mapping):
                raise CaseError("an object is expected", location=f"$.{name}")
        if bool(kernel) == bool(fields.get("plan")):
            raise CaseError("a case has a kernel or a plan", location="$.kernel")
        return Case(**fields)

    def expecting(self, expect: Mapping[str, Any]) -> Case:
        """The case with a verdict, and the versions it was seen with."""
        return replace(self, expect=dict(expect), versions=versions())

    def save(self, path: Path) -> Path:
        """Write the file; returns its path."""
        make_directory(path.parent)
        write_atomic(path, self.text().encode())
        return path


def load_case(path: Path) -> Case:
    """A case from its file.

    Raises:
        CaseError: a file that cannot be read, is not JSON, or is no case.
    """
    try:
        with path.open("rb") as stream:  # which may never end, as devices do
            data = stream.read(LIMIT + 1)
    except OSError as error:
        raise CaseError(f"cannot be read: {error.strerror}", location=str(path)) from None
    if len(data) > LIMIT:
        raise CaseError(f"more than {LIMIT} bytes are no case", location=str(path))
    try:
        return Case.from_json(json.loads(data))
    except (ValueError, RecursionError) as error:
        raise CaseError(f"is not JSON: {error}", location=str(path)) from None
    except CaseError as error:
        error.message = f"{error.location or '$'}: {error.message}"
        error.location = str(path)
        raise


def versions() -> dict[str, str]:
    """The tools a verdict depends on."""
    out = {}
    for tool in _TOOLS:
        try:
            out[tool] = version(tool)
        except PackageNotFoundError:
            out[tool] = "not installed"
    return out
