"""What a plan must mean, beyond its schema. Nothing here raises on a plan that could be decoded.

The order matters: each check may rely on what the earlier ones established, and what rests on a
broken part is not judged at all.
"""

from __future__ import annotations

from simulator.findings import Finding
from simulator.plan.facts import Facts
from simulator.plan.report import Report
from simulator.plan.schema import Layout, Plan
from simulator.plan.validate_binding import check_binding
from simulator.plan.validate_device import check_device
from simulator.plan.validate_kernels import check_kernels
from simulator.plan.validate_layouts import check_layouts
from simulator.plan.validate_memory import check_buffers, check_capacity
from simulator.plan.validate_outputs import check_homes, check_outputs
from simulator.plan.validate_work import check_work
from simulator.program import ProgramFile
from simulator.program.check import check_programs


def validate_plan(plan: Plan) -> tuple[Finding, ...]:
    """Everything that can be held against ``plan`` alone; empty for a sound plan.

    Findings of severity ``warning`` do not make a plan invalid.
    """
    report = Report()
    _plan(plan, report)
    return report.findings


def validate_artifact(plan: Plan, programs: ProgramFile) -> tuple[Finding, ...]:
    """Everything that can be held against a plan, its programs, and the two together."""
    report = Report()
    facts = _plan(plan, report)
    if facts is not None:
        with report.subject("$.kernels"):
            check_binding(facts, programs, report)
    return report.findings + check_programs(programs, plan)


def _plan(plan: Plan, report: Report) -> Facts | None:
    with report.subject("$"):
        facts = check_device(plan, report)
    if facts is None:
        return None
    with report.subject("$.work_partition"):
        check_work(facts, report)
    with report.subject("$.layouts"):
        sound = check_layouts(facts, report)
    with report.subject("$.circular_buffers"):
        check_buffers(facts, report)
    if sound:
        with report.subject("$.output_blocks"):
            check_outputs(facts, report)
        if not report.findings and all(_placeable(la) for la in plan.layouts.values()):
            with report.subject("$.work_partition"):
                check_homes(facts, report)
        if all(_placeable(la) for la in plan.layouts.values()):
            with report.subject("$.circular_buffers"):
                check_capacity(facts, report)
    with report.subject("$.kernels"):
        check_kernels(facts, report)
    return facts


def _placeable(layout: Layout) -> bool:
    """Whether the size of a tensor's shards can be told."""
    if layout.shard is None:
        return True
    rank = len(layout.padded_shape) if layout.shard.strategy == "nd" else 2
    return len(layout.shard.shape) == rank
