"""``python -m tests.docs.findings`` writes docs/findings.md and the examples ``explain`` shows."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from simulator.program_text import program_lines
from tests.simulator.builders import Sketch
from tests.simulator.engine.test_protocol import BROKEN, FOUR, OUTSIDE
from tests.simulator.pipes import pipe

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "findings.md"
EXAMPLES = ROOT / "harness" / "codes" / "examples.json"
FILE = "simulator/engine/test_protocol.py"
TEST = f"{FILE}::test_every_rule_has_its_finding"


def examples() -> str:
    """The first failing program of every rule that has one in the table of test_protocol.py."""
    right = pipe(FOUR)
    out: dict[str, dict[str, str]] = {}
    table = [(code, name, sketch, f"{TEST}[{name}]") for name, (code, sketch) in BROKEN.items()]
    table += [
        (code, name, sketch, f"{FILE}::{test}") for code, (name, sketch, test) in OUTSIDE.items()
    ]
    for code, name, sketch, test in table:
        if code in out:
            continue
        lines = [f"# {name}", *plan_lines(sketch, right)]
        for program in sketch.programs.values():
            if program != right.programs[program.name]:
                lines += [f"{program.name} ({program.thread}):"]
                lines += program_lines(program.body, "    ") if program.body else ["    nothing"]
        out[code] = {"test": test, "program": "\n".join(lines)}
    return json.dumps(dict(sorted(out.items())), indent=1) + "\n"


def plan_lines(sketch: Sketch, right: Sketch) -> Iterator[str]:
    """What a sketch's plan has that the right one's has not."""
    for number, (fmt, depth, *_) in sketch.buffers.items():
        if right.buffers.get(number, ())[:2] != (fmt, depth):
            yield f"circular buffer {number}: {depth} pages of {fmt}"
    for name, item in sketch.tensors.items():
        if item.dtype != right.tensors[name].dtype:
            yield f"tensor {name}: {item.dtype}"
    if sketch.cores != right.cores:
        yield f"cores: {sketch.cores[0]}x{sketch.cores[1]}"


def page() -> str:
    """The page."""
    from harness.codes.page import page_text

    return page_text()


if __name__ == "__main__":
    EXAMPLES.write_text(examples())
    PAGE.write_text(page())
