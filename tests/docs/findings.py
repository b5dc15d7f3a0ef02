"""``python -m tests.docs.findings`` writes docs/findings.md and the examples ``explain`` shows."""

from __future__ import annotations

import json
from pathlib import Path

from simulator.program_text import program_lines
from tests.simulator.engine.test_protocol import BROKEN, FOUR
from tests.simulator.pipes import pipe

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "findings.md"
EXAMPLES = ROOT / "harness" / "codes" / "examples.json"
TEST = "simulator/engine/test_protocol.py::test_every_rule_has_its_finding"


def examples() -> str:
    """The first failing program of every rule that has one in the table of test_protocol.py."""
    right = pipe(FOUR).programs
    out: dict[str, dict[str, str]] = {}
    for name, (code, sketch) in BROKEN.items():
        if code in out:
            continue
        lines = [f"# {name}"]
        for program in sketch.programs.values():
            if program != right[program.name]:
                lines += [f"{program.name} ({program.thread}):"]
                lines += program_lines(program.body, "    ") if program.body else ["    nothing"]
        out[code] = {"test": f"{TEST}[{name}]", "program": "\n".join(lines)}
    return json.dumps(dict(sorted(out.items())), indent=1) + "\n"


def page() -> str:
    """The page."""
    from harness.codes.page import page_text

    return page_text()


if __name__ == "__main__":
    EXAMPLES.write_text(examples())
    PAGE.write_text(page())
