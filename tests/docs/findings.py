"""``python -m tests.docs.findings`` writes docs/findings.md and the examples ``explain`` shows."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from simulator.program.text import program_lines
from tests.docs.test_plans import PLANS
from tests.simulator.builders import Sketch
from tests.simulator.engine.test_protocol import BROKEN, FOUR, OUTSIDE
from tests.simulator.pipes import pipe

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "findings.md"
EXAMPLES = ROOT / "harness" / "codes" / "examples.json"
FILE = "simulator/engine/test_protocol.py"
PLAN_TEST = "docs/test_plans.py::test_every_rule_of_plans_has_its_finding"
TEST = f"{FILE}::test_every_rule_has_its_finding"


def examples() -> str:
    """The first failing program of every rule in test_protocol.py, or its plan in test_plans.py."""
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
    for code, example in PLANS.items():
        lines = [f"# {example.title}", *example.lines()]
        out[code] = {"test": f"{PLAN_TEST}[{code}]", "program": "\n".join(lines)}
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
    code = "from tests.docs.findings import page; print(page(), end='')"  # reads the new examples
    PAGE.write_bytes(subprocess.check_output([sys.executable, "-c", code], cwd=ROOT))
