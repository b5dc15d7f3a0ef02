"""An artifact on disk: a directory with the plan, its programs and, beside them, a manifest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from simulator.errors import ArtifactError, UnreadableError
from simulator.files import make_directory, write_atomic
from simulator.findings import Finding
from simulator.plan.load import dump_plan, dump_programs, load_plan, load_programs
from simulator.plan.schema import Plan
from simulator.plan.validate import validate_artifact
from simulator.program import ProgramFile
from simulator.strict_json import decode, read_limited, render

PLAN_FILE: Final = "tt.plan.json"
PROGRAMS_FILE: Final = "programs.json"
MANIFEST_FILE: Final = "manifest.json"


@dataclass(frozen=True)
class Artifact:
    """A plan and its programs, enough to execute.

    Attributes:
        plan: the plan.
        programs: the programs it places.
        manifest: where the artifact came from (tool versions, source and options, hashes); its
            content is the writer's business, None where there is none.
        warnings: findings of severity ``warning`` from validation.
    """

    plan: Plan
    programs: ProgramFile
    manifest: Mapping[str, Any] | None = None
    warnings: tuple[Finding, ...] = field(default=(), compare=False)


def load_artifact(directory: Path | str) -> Artifact:
    """The artifact in ``directory``, valid in form and meaning.

    Raises:
        UnreadableError: a file is missing or not JSON.
        ArtifactError: plan or programs break their schema or their meaning.
    """
    root = Path(directory)
    if not root.is_dir():
        raise UnreadableError(
            "is not a directory", location=str(root),
            next_step=f"Name a directory that holds {PLAN_FILE} and {PROGRAMS_FILE}.",
        )  # fmt: skip
    plan = load_plan(root / PLAN_FILE)
    programs = load_programs(root / PROGRAMS_FILE)
    findings = validate_artifact(plan, programs)
    if any(item.severity == "error" for item in findings):
        raise ArtifactError(findings)
    manifest_path = root / MANIFEST_FILE
    manifest = None
    if manifest_path.exists():
        manifest = decode(read_limited(manifest_path), location=str(manifest_path))
        if not isinstance(manifest, dict):
            raise UnreadableError("is not a JSON object", location=str(manifest_path))
    return Artifact(plan, programs, manifest, findings)


def write_artifact(directory: Path | str, artifact: Artifact) -> Path:
    """Write an artifact, file by file under temporary names; the plan last of those that count.

    A reader that comes in between finds no plan, or the old one with programs whose hash it does
    not state, and refuses both. Returns the plan's path.

    Raises:
        UnreadableError: the directory cannot be written to.
    """
    root = Path(directory)
    make_directory(root)
    write_atomic(root / PROGRAMS_FILE, dump_programs(artifact.programs))
    if artifact.manifest is not None:
        write_atomic(root / MANIFEST_FILE, render(artifact.manifest))
    else:
        (root / MANIFEST_FILE).unlink(missing_ok=True)
    write_atomic(root / PLAN_FILE, dump_plan(artifact.plan))
    return root / PLAN_FILE
