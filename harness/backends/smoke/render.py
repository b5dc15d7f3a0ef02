"""A smoke report as JUnit XML and as one HTML page."""

from __future__ import annotations

import html
import xml.etree.ElementTree as ET

from harness.backends.smoke.report import SmokeReport, Step

_STYLE = """\
body { font: 15px/1.45 system-ui, sans-serif; max-width: 70em; margin: 2em auto; padding: 0 1em; }
table { border-collapse: collapse; width: 100%; } td, th { padding: .25em .7em; text-align: left;
border-bottom: 1px solid #ddd; vertical-align: top; } .pass { color: #176b2c; }
.fail { color: #a11; font-weight: 600; } .skip { color: #666; } td.n { text-align: right; }
"""


def junit(report: SmokeReport) -> bytes:
    """One suite per plan; steps are cases, skips state their reason."""
    root = ET.Element("testsuites", name="smoke", time=f"{report.seconds:.3f}")
    groups = [("device", report.facts), *((p.name, p.steps) for p in report.plans)]
    for name, steps in groups:
        suite = ET.SubElement(root, "testsuite", name=name, tests=str(len(steps)), errors="0",
                              failures=str(sum(s.status == "fail" for s in steps)),
                              skipped=str(sum(s.status == "skip" for s in steps)))  # fmt: skip
        for step in steps:
            case = ET.SubElement(suite, "testcase", classname=f"smoke.{name}", name=step.name,
                                 time=f"{step.seconds:.3f}")  # fmt: skip
            if step.status != "pass":
                tag = "failure" if step.status == "fail" else "skipped"
                ET.SubElement(case, tag, message=_printable(step.detail))
    ET.indent(root)
    text: str = ET.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="utf-8"?>\n{text}\n'.encode()


def page(report: SmokeReport) -> str:
    """One page without scripts or anything fetched."""
    counts = report.counts()
    summary = ", ".join(f"{counts[s]} {w}" for s, w in
                        (("pass", "passed"), ("fail", "failed"), ("skip", "skipped")))  # fmt: skip
    parts = [
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>smoke</title>',
        f"<style>{_STYLE}</style>",
        f"<h1>Smoke: {html.escape(report.backend)} against the simulator</h1>",
        f"<p>Plans for {html.escape(report.device)}: {summary} in {report.seconds:.0f} s.</p>",
        _table("Device", report.facts),
    ]
    for plan in report.plans:
        parts.append(_table(f"{plan.name}: {plan.adds}", plan.steps))
        if plan.case:
            parts.append(f"<p>Case saved in <code>{html.escape(plan.case)}</code></p>")
    return "\n".join(parts) + "\n</html>\n"


def _table(title: str, steps: tuple[Step, ...]) -> str:
    rows = "".join(
        f'<tr><td class="{s.status}">{s.status}</td><td>{html.escape(s.name)}</td>'
        f'<td class="n">{s.seconds:.2f} s</td><td>{html.escape(_printable(s.detail))}</td></tr>'
        for s in steps
    )
    return f"<h2>{html.escape(title)}</h2><table>{rows}</table>"


def _printable(text: str) -> str:
    """Without control characters, which neither format can hold."""
    return "".join(c if c.isprintable() else " " for c in text)
