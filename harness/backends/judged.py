"""A kernel's answer from a real device, judged by the same golden as the simulator's."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.backends import find_backend
from harness.errors import OptionError
from harness.verdict import Verdict


class NotRun(Exception):  # noqa: N818  (not an error: the reason a test is skipped)
    """Nothing ran, so there is no verdict; the message says why."""


def check_on_device(
    kernel: Any, inputs: Mapping[str, Any] | None = None, *, oracle: str = "auto",
    input_kind: str | None = None, seed: int = 0, artifacts: Path | None = None, **keywords: Any,
) -> Verdict:  # fmt: skip
    """Compile, run on the device through ttnn, and judge.

    Args:
        kernel: a PrimFunc or an IRModule of one kernel.
        inputs: arrays by tensor name; drawn where absent.
        input_kind: draw this kind only, of ``harness.inputs.KINDS``.
        seed: of drawn inputs.
        oracle: ``auto`` and ``exact`` draw exact inputs where the kernel has them; ``bound`` draws
            reals.
        artifacts: where plan, programs and IR are kept.
        **keywords: compile options.

    Raises:
        NotRun: there is no device, or it did not execute.
        OptionError: options of the simulator, which a device does not have.
    """
    from golden import GoldenError, contract_for, evaluate, judge
    from harness.artifact import compile as compile_kernel
    from harness.inputs import draw

    for name in ("numbers", "run_options"):
        if keywords.pop(name, None) is not None:
            raise OptionError(f"{name} is an option of the simulator", location=name)
    backend = find_backend("ttnn")
    able = backend.capabilities()
    if not able.executes:
        raise NotRun(f"no device executes kernels here: {able.reason}")
    made = compile_kernel(kernel, **keywords)
    if artifacts is not None:
        made.save(artifacts)
    options = made.options
    contract = contract_for(made.source, options.arch.family, options.fidelity, options.fp32_dest)
    kind = input_kind or ("random" if oracle == "bound" else "exact")
    try:
        arrays, known = (dict(inputs), None) if inputs is not None else (
            draw(made.source, kind, contract, seed))  # fmt: skip
    except GoldenError:
        if input_kind is not None or oracle == "exact":
            raise
        kind = "random"
        arrays, known = draw(made.source, kind, contract, seed)
    golden = known or evaluate(made.source, arrays, contract)
    run = backend.run(made, arrays)
    if run.skipped is not None:
        raise NotRun(run.skipped)
    if not run.ok:
        return _verdict(made, "none", seed, kind, findings=run.findings)
    found = judge(run.outputs, golden)
    return _verdict(
        made, found.oracle, seed, kind, findings=run.findings, passed=found.passed,
        max_error=found.max_error, bound_ratio=found.bound_ratio, pcc=found.pcc,
        reason=found.reason, timings=run.timings,
    )  # fmt: skip


def _verdict(made: Any, oracle: str, seed: int, kind: str, *, passed: bool = False,
             max_error: float | None = None, bound_ratio: float | None = None,
             pcc: float | None = None, **facts: Any) -> Verdict:  # fmt: skip
    return Verdict(
        verdict="pass" if passed else "fail",
        kernel=made.name,
        device=made.options.device,
        oracle=oracle,
        max_error=max_error,
        bound_ratio=bound_ratio,
        pcc=pcc,
        seed=seed,
        input_kind=kind,
        **facts,
    )
