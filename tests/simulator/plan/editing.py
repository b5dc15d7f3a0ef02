"""Changing single values of a plan or of programs, as a hand on the JSON would."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any, TypeVar

import msgspec

from simulator.errors import ArtifactError
from simulator.findings import Finding
from simulator.plan.load import load_plan, load_programs
from simulator.plan.schema import Plan
from simulator.plan.validate import validate_artifact
from simulator.program import ProgramFile

S = TypeVar("S", bound=msgspec.Struct)
Place = tuple[str | int, ...]


def spelled_out(value: Any) -> Any:
    """``value`` as plain data with every default written down."""
    if isinstance(value, msgspec.Struct):
        fields = {name: spelled_out(getattr(value, name)) for name in value.__struct_fields__}
        config = value.__struct_config__
        return ({config.tag_field: config.tag} if config.tag_field else {}) | fields
    if isinstance(value, dict):
        return {key: spelled_out(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [spelled_out(item) for item in value]
    return value


def leaves(value: Any, place: Place = ()) -> Iterator[tuple[Place, Any]]:
    """Every number, string, boolean and null of plain data, with its place."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from leaves(item, (*place, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from leaves(item, (*place, index))
    else:
        yield place, value


def changed(value: Any, place: Place, new: Any) -> Any:
    """A copy of plain data with the item at ``place`` replaced."""
    out = copy.deepcopy(value)
    level = out
    for step in place[:-1]:
        level = level[step]
    level[place[-1]] = new
    return out


def edited(plan: Plan, place: str, new: Any) -> Plan:
    """``plan`` with the value at ``"kernels.0.noc"`` replaced; the schema is still held to."""
    steps = tuple(int(s) if s.lstrip("-").isdigit() else s for s in place.split("."))
    return msgspec.convert(changed(spelled_out(plan), steps, new), Plan)


def judge(plan: Any, programs: Any) -> tuple[Finding, ...]:
    """Findings on plain data read as an artifact: of the schema first, else of the meaning."""
    try:
        return validate_artifact(
            load_plan(json.dumps(plan).encode()), load_programs(json.dumps(programs).encode())
        )
    except ArtifactError as error:
        return error.findings


def refusals(plan: Plan, programs: ProgramFile) -> list[str]:
    """``"Code location"`` of every finding of severity error."""
    return [
        f"{item.code} {item.location or item.program}"
        for item in validate_artifact(plan, programs)
        if item.severity == "error"
    ]
