"""The terminal and Markdown views of a run of the mutants, drawn from its report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from harness.report.terminal import Line, columns, count, heading, seconds, text


def mutant_lines(report: Mapping[str, Any]) -> list[Line]:
    """A report (``Report.to_json``) for a person: rates, curve, who killed what, what survived."""
    figures = report["figures"]
    lines = [
        heading("Proof of strength"),
        *columns(figure_rows(report)),
        text(),
        heading("Killed by"),
        *columns([(name, str(n)) for name, n in figures["by_oracle"].items()], "<>"),
        text(),
        heading("Families"),
        *columns(family_rows(report), "<>>"),
    ]
    for title, status in (("Survived", "survived"), ("Crashed", "crashed"),
                          ("Claims that are wrong", "claim wrong"),
                          ("Changed no case", "not applied")):  # fmt: skip
        rows = [(o["name"], o["family"], str(o["examples"]), (o["crashes"] or [""])[0][:80])
                for o in report["outcomes"] if o["status"] == status]  # fmt: skip
        if rows:
            lines += [text(), heading(title), *columns(rows)]
    same = [(o["name"], str(o["exhausted"]), o["reason"]) for o in report["outcomes"]
            if o["status"] == "equivalent"]  # fmt: skip
    if same:
        lines += [text(), heading("Equivalent: name, small shapes tried, why"), *columns(same)]
    wrong = blame_rows(report)
    if wrong:
        lines += [text(), heading("Blamed elsewhere: mutant, part mutated, part blamed"),
                  *columns(wrong)]  # fmt: skip
    return lines


def figure_rows(report: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The figures as names and texts."""
    f = report["figures"]
    within = ", ".join(f"{share:.1%} in {s} s" for s, share in f["killed_within"].items())
    most, jobs = f["most_examples"], count(report["jobs"], "job")
    cores = count(round(f["median_cores"]), "core")
    size = f"{count(round(f['median_tiles_per_axis']), 'tile')} per axis on {cores}"
    judged = sum(o["status"] not in ("equivalent", "not applied") for o in report["outcomes"])
    return [
        ("mutants", f"{f['mutants']}, of them {len(f['equivalent'])} equivalent"),
        ("killed", f"{f['killed']} of {judged} that are not equivalent: {f['kill_rate']:.1%}"),
        ("time to kill", within),
        ("examples to kill", f"{most} at most, {report['examples_per_mutant']} allowed"),
        ("blame right", f"{f['blame_rate']:.1%} of the killed"),
        ("median killing case", size),
        ("run", f"{seconds(report['seconds'])}, {count(report['cases'], 'case')}, {jobs}"),
    ]


def family_rows(report: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Family, killed, not equivalent."""
    table: dict[str, list[int]] = {}
    for o in report["outcomes"]:
        row = table.setdefault(o["family"], [0, 0])
        row[0] += o["status"] == "killed"
        row[1] += o["status"] not in ("equivalent", "not applied")
    return [(name, str(killed), f"of {total}") for name, (killed, total) in table.items()]


def blame_rows(report: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """The killed whose diagnosis names another part."""
    return [(o["name"], o["where"], o["blamed"]) for o in report["outcomes"]
            if o["status"] == "killed" and o["blamed"] != o["where"]]  # fmt: skip


def mutants_markdown(report: Mapping[str, Any]) -> str:
    """The page ``docs/strength.md``."""
    figures = report["figures"]
    parts = [_HEAD, _table(("figure", "value"), figure_rows(report))]
    parts.append("## What noticed\n")
    parts.append(_ORACLES)
    parts.append(_table(("oracle: code", "kills"),
                        [(f"`{k}`", str(n)) for k, n in figures["by_code"].items()]))  # fmt: skip
    parts.append("## Families\n")
    families = [(a, b, c.removeprefix("of ")) for a, b, c in family_rows(report)]
    parts.append(_table(("family", "killed", "of"), families))
    parts.append(_EQUIVALENT)
    parts.append(_table(("mutant", "tries", "why"), [
        (f"`{o['name']}`", str(o["examples"]), o["reason"])
        for o in report["outcomes"] if o["status"] == "equivalent"]))  # fmt: skip
    gone = [(f"`{o['name']}`", o["status"], (o["crashes"] or [""])[0].replace("|", "/"))
            for o in report["outcomes"]
            if o["status"] in ("survived", "crashed", "claim wrong", "not applied")]  # fmt: skip
    parts.append("## Not killed\n")
    parts.append(_table(("mutant", "fate", "first exception"), gone) if gone else "None.\n")
    wrong = blame_rows(report)
    parts.append("## Blamed elsewhere\n")
    rows = [(f"`{a}`", b, c) for a, b, c in wrong]
    parts.append(_table(("mutant", "mutated", "blamed"), rows) if wrong else "None.\n")
    parts.append("## Every mutant\n")
    parts.append(_table(("mutant", "part", "noticed by", "case", "s"), [
        (f"`{o['name']}`", o["where"], f"{o['oracle']}: {o['code']}" if o["oracle"]
         else o["status"], o["case"], f"{o['seconds']:.2f}")
        for o in report["outcomes"]]))  # fmt: skip
    return "\n".join(parts)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    lines += [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join(lines) + "\n"


_HEAD = """# How strong the checks are

Written by `tt-harness mutants --markdown docs/strength.md`; do not edit by hand.

A mutant is a small seeded fault in one part: the dialect, the output of one of the five passes, the
plan, the programs, the golden or the simulator. It is killed when a pass refuses what it accepts
without the fault, when plan or programs fail validation, when a run breaks a rule, or when an
answer is wrong, on a case that passes without it. A crash is no kill. Faults of the golden and of
the machine count as killed also when they let a canary pass: a wrong answer or a faulty program
that is caught otherwise. Golden's own answers are asked of LLVM first, which needs no reference,
and then of the packaged references. In family `misread` golden and pass 4 have the same fault, and
only LLVM is asked; in family `dialect` the parser or the dialect has it, on kernels drawn as text,
and who reads or executes the text without them is asked.

Cases are tried smallest first. An example is one case with one kind of inputs, and only cases the
mutant changes count. Time runs from a mutant's first example, with unmutated cases prepared before.
The part to blame is found without knowing the mutant: what each pass left is completed by the right
passes and judged by the right judges, and the first that fails is named
(`harness/mutants/blame.py`). The right passes are at hand here, which a fault in the field does not
grant; there, `harness/fuzz/stages.py` executes what each pass left.

The mutants were written beside the checks, and what survived at first led to new rules. So the
figures say that these classes of faults are covered, not that every fault is.
"""
_ORACLES = """`refused`: a pass or the golden refuses; `validation`: reading plan and programs
tells, and what they declare against source and options; `finding`: the machine; `exact` and
`bound`: the answer is wrong; `reference`: golden and the packaged NumPy reference differ;
`canary`: a judge lets a known fault pass.
"""
_EQUIVALENT = """## Equivalent mutants

Each claims to change nothing anybody can observe, and survived the whole budget and every small
shape it applies to.
"""
