"""docs/migration.md: every line of code in it runs, and every old name has a line."""

from __future__ import annotations

import re
import warnings
from pathlib import Path
from typing import Any

import pytest

import harness.compiler
from harness.compiler import compat, ir_sugar
from tests.harness.compiler import samples

PAGE = Path(__file__).resolve().parents[2] / "docs" / "migration.md"
BLOCK = re.compile(r"```python\n(.*?)```", re.DOTALL)
CELL = re.compile(r"`([^`]+)`")


def blocks() -> list[str]:
    """The fenced blocks, in order."""
    return BLOCK.findall(PAGE.read_text(encoding="utf-8"))


def rows() -> list[list[str]]:
    """The cells of every table row but the headings and the rules under them."""
    lines = [x for x in PAGE.read_text(encoding="utf-8").splitlines() if x.startswith("| `")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


def calls() -> list[str]:
    """Every call in a table, with its parentheses."""
    found = [code for row in rows() for cell in row for code in CELL.findall(cell)]
    return [code for code in dict.fromkeys(found) if "(" in code]


def scope(tmp_path: Path) -> dict[str, Any]:
    """The names the page says its lines may use."""
    names: dict[str, Any] = {"mod": samples.module(main=samples.gemm()), "func": samples.gemm(),
                             "plan_path": tmp_path / "tt.plan.json"}  # fmt: skip
    exec(blocks()[0], names)  # noqa: S102  (the page's own imports)
    return names


@pytest.mark.parametrize("code", calls())
def test_every_call_in_a_table_runs(code: str, tmp_path: Path) -> None:
    """A reader can paste any call of the tables and it works as it stands."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        eval(code, scope(tmp_path))  # noqa: S307  (the page's own line)


@pytest.mark.parametrize("number", range(1, len(blocks())))
def test_every_block_runs(number: int, tmp_path: Path) -> None:
    """A reader can paste any block after the imports."""
    exec(blocks()[number], scope(tmp_path))  # noqa: S102  (the page's own block)


def test_every_old_name_has_a_line() -> None:
    """No legacy function is missing from the page, and its successor is the table's own."""
    first = {CELL.findall(row[0])[0]: row for row in rows() if len(row) == 3}
    assert set(compat.TABLE) <= set(first)
    assert set(compat.__all__) - {"TABLE", "Legacy"} == set(compat.TABLE)
    old = {n for n in vars(ir_sugar) if n.startswith("with_tt_")}
    text = PAGE.read_text(encoding="utf-8")
    assert all(f"`{name}`" in text for name in old)


def test_everything_exported_is_there() -> None:
    """The package's public names exist, and the page's star import brings them."""
    for name in harness.compiler.__all__:
        assert hasattr(harness.compiler, name)
