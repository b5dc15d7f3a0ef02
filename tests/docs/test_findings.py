from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.backends.protocol import DEVICE_RULES
from harness.codes import CODES, nearest
from harness.codes.machine import HARDWARE
from simulator.findings import RULES
from tests.docs.findings import EXAMPLES, PAGE, ROOT, examples, page


def codes_raised() -> Iterator[tuple[str, Path]]:
    """Every code in a ``code=`` argument, a ``code`` attribute or a Failure in the packages."""
    for package in ("golden", "harness"):
        for path in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                value: ast.expr | None = None
                named = isinstance(node, ast.keyword) and node.arg == "code"
                set_ = isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "code"
                if named or set_:
                    value = node.value  # type: ignore[attr-defined]
                if isinstance(value, ast.Constant) and isinstance(value.value, str):
                    yield value.value, path


def test_every_code_that_is_raised_is_explained() -> None:
    """Protects readers of errors: no code without an explanation."""
    missing = {f"{code} in {path.relative_to(ROOT)}" for code, path in codes_raised()
               if code not in CODES}  # fmt: skip
    assert missing == set()


def test_every_rule_has_its_page() -> None:
    """Protects the page: each rule has a heading, hardware's side, a remedy and a test."""
    text = PAGE.read_text()
    for rule in (*RULES.values(), *DEVICE_RULES.values()):
        assert f"\n### {rule.code}\n" in text
    for rule in RULES.values():
        code = CODES[rule.code]
        assert code.meaning == rule.meaning
        assert code.remedy == rule.remedy
        assert code.hardware
        assert code.test
    assert set(HARDWARE) == set(RULES)


def test_page_and_examples_are_current() -> None:
    """Protects against drift: python -m tests.docs.findings would change nothing."""
    assert EXAMPLES.read_text() == examples()
    assert PAGE.read_text() == page()


@pytest.mark.parametrize("code", sorted(RULES))
def test_the_test_named_exists(code: str) -> None:
    """Protects the reference: file and function are there, and the file knows the code."""
    file, _, function = str(CODES[code].test).partition("::")
    text = (ROOT / "tests" / file).read_text()
    assert f'"{code}"' in text or code in text
    assert not function or f"def {function.partition('[')[0]}(" in text


def test_codes_spelled_wrong_are_recognised() -> None:
    """Protects typing: the nearest code is offered, and nothing for noise."""
    assert nearest("deadlok")[0] == "Deadlock"
    assert nearest("zzzz") == []
