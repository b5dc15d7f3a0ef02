"""The ttnn backend: the plan on whatever device ttnn opens, in a process of its own."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any, Final

import numpy as np

from harness.backends.channel import Answer, call
from harness.backends.device_program import device_inputs, device_program, unsupported
from harness.backends.interpreter import Interpreter, ask, find_interpreter
from harness.backends.protocol import (
    Arrays,
    Capabilities,
    Compiled,
    Outcome,
    device_finding,
)
from simulator.findings import Finding
from simulator.formats.dataformat import SIGNED_BYTE
from simulator.host import check_inputs
from simulator.plan.views import restored, stored_shape

TIMEOUT: Final = 120.0
"""Seconds a plan may take on a device, compilation of its kernels included."""

TIMEOUT_ENVIRONMENT: Final = "TT_HARNESS_DEVICE_TIMEOUT"
PROBE_SECONDS: Final = 60.0


class TtnnBackend:
    """Runs artifacts with ``ttnn.generic_op`` on a board, or on what ``TT_METAL_*`` names."""

    name = "ttnn"

    def __init__(
        self,
        *,
        python: str | None = None,
        device: int = 0,
        timeout: float | None = None,
        environment: Mapping[str, str] | None = None,
        verdict: Callable[[Compiled], str] | None = None,
    ) -> None:
        """Choose an interpreter and a device.

        Args:
            python: interpreter with ttnn; found when not given.
            device: ttnn's device id.
            timeout: seconds per plan.
            environment: added to the worker's environment.
            verdict: what the simulator thinks of a plan, for the message of a timeout.
        """
        self.device = device
        limit = os.environ.get(TIMEOUT_ENVIRONMENT)
        self.timeout = timeout or (float(limit) if limit else TIMEOUT)
        self.environment = dict(environment or {})
        self.verdict = verdict
        self._python = python

    @cached_property
    def interpreter(self) -> tuple[Interpreter | None, str | None]:
        """The interpreter, or why there is none."""
        if self._python is None:
            return find_interpreter()
        found = ask(self._python)
        if found is None or not found.usable:
            return None, f"{self._python} is no Python 3.12 or 3.10 with ttnn and NumPy"
        return found, None

    def ask(
        self, job: Mapping[str, Any], arrays: Arrays | None = None, *, timeout: float
    ) -> Answer:
        """One job for the worker.

        Raises:
            RuntimeError: there is no interpreter; look at :meth:`capabilities` first.
        """
        interpreter, reason = self.interpreter
        if interpreter is None:
            raise RuntimeError(reason)
        return call(interpreter.path, job, arrays, timeout=timeout, environment=self.environment)

    def capabilities(self) -> Capabilities:
        """Interpreter, ttnn and device, asked once."""
        return self._capabilities

    @cached_property
    def _capabilities(self) -> Capabilities:
        interpreter, reason = self.interpreter
        if interpreter is None:
            return Capabilities(False, "none", reason)
        answer = self.ask({"mode": "probe"}, timeout=PROBE_SECONDS)
        if answer.state != "ok":
            return Capabilities(False, "none", f"ttnn does not start: {answer.message}")
        facts = {"interpreter": interpreter.path, **answer.result}
        if not facts["devices"]:
            said = str(facts.get("why", "")).splitlines()
            why = said[-1] if said else "no device found"
            advice = "needs a board, or a simulator library named by TT_METAL_SIMULATOR"
            return Capabilities(False, "none", f"{why}; {advice}", facts)
        if facts["kind"] == "mock":
            reason = "a mock device executes nothing: its outputs are zeros"
            return Capabilities(False, "none", reason, facts)
        return Capabilities(True, "device", None, facts)

    def run(self, artifact: Compiled, inputs: Arrays) -> Outcome:
        """Execute on the device; without one, a skip with its reason.

        Raises:
            simulator.errors.InputError: arrays that do not fit the plan.
            CodegenError: a kernel that cannot be printed.
        """
        plan = artifact.plan
        check_inputs(plan, inputs)
        reason = unsupported(plan) or self.capabilities().reason
        if reason is not None:
            return Outcome(self.name, skipped=reason)
        job = {"mode": "run", "device": self.device, "program": device_program(artifact)}
        answer = self.ask(job, device_inputs(plan, inputs), timeout=self.timeout)
        times = {**answer.result.get("timings", {}), "total": answer.seconds}
        if answer.state != "ok":
            finding = self._failure(answer, artifact)
            return Outcome(self.name, findings=(finding,), timings=times)
        outputs = {}
        for name, array in answer.arrays.items():
            layout = plan.layouts[name]
            signed = layout.dtype == SIGNED_BYTE
            held = array.astype(np.uint8).view(np.int8) if signed else array
            held = held.reshape(stored_shape(layout))
            outputs[name] = restored(held, layout.view, layout.logical_shape)
        seen = str(answer.result.get("device", {}).get("arch", plan.device.arch))
        findings: tuple[Finding, ...] = ()
        if plan.device.arch not in seen:
            what = f"the plan is for {plan.device.arch}, the device is {seen}"
            findings = (device_finding("DeviceMismatch", what),)
        return Outcome(self.name, outputs, findings, times, completed=True)

    def _failure(self, answer: Answer, artifact: Compiled) -> Finding:
        if answer.state != "timeout":
            what = "ended the process" if answer.state == "died" else "raised"
            return device_finding("DeviceError", f"ttnn {what}: {answer.message}")
        said = self.verdict(artifact) if self.verdict is not None else "not asked"
        return device_finding(
            "DeviceTimeout",
            f"no answer in {self.timeout:g} s: possible deadlock; the simulator's verdict on this"
            f" plan was: {said}. The log ends: {answer.message}",
        )
