"""docs/architecture.md: where things are."""

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_every_folder_is_described() -> None:
    """Whoever looks for something finds every package in the table, in the words it has itself."""
    text = (ROOT / "docs" / "architecture.md").read_text()
    found = [line for line in text.splitlines() if line.startswith(("| `har", "| `sim", "| `gol"))]
    described = [
        f"| `{file.parent.relative_to(ROOT).as_posix()}` | {said.splitlines()[0]} |".replace(
            "``", "`"
        )
        for name in ("harness", "simulator", "golden")
        for file in sorted((ROOT / name).glob("**/__init__.py"))
        for said in [ast.get_docstring(ast.parse(file.read_text())) or ""]
    ]
    assert [line for line in found if line.count("|") == 3] == described
