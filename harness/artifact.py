"""Compiled kernels: compile, run on the simulator, save, load."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from harness.errors import OptionError
from simulator.artifact import Artifact as MachineArtifact
from simulator.artifact import write_artifact
from simulator.plan.load import dump_plan
from simulator.plan.schema import Plan
from simulator.program import ProgramFile
from simulator.run import RunOptions, RunResult, Workspace, execute

if TYPE_CHECKING:
    from golden import NumericContract
    from harness.compiler.options import CompileOptions
    from harness.compiler.pipeline import Compilation

Arrays = Mapping[str, npt.NDArray[Any]]
_TOOLS = ("tt-harness", "apache-tvm", "apache-tvm-ffi", "numpy", "ml_dtypes")


@dataclass(frozen=True)
class Result:
    """What a run produced.

    Attributes:
        outputs: arrays by tensor name, logical shape; float32 for floating tensors.
        run: the machine's own result: findings, statistics, determinacy, written masks.
    """

    outputs: dict[str, npt.NDArray[Any]]
    run: RunResult = field(repr=False)

    @property
    def findings(self) -> tuple[Any, ...]:
        """Broken rules, if any."""
        return self.run.findings

    def to_json(self) -> dict[str, Any]:
        """Plain data: shapes of outputs, findings, statistics."""
        import msgspec

        return {
            "outputs": {n: {"shape": list(a.shape), "dtype": str(a.dtype)}
                        for n, a in self.outputs.items()},
            "findings": [msgspec.to_builtins(f) for f in self.run.findings],
            "completed": self.run.completed,
            "determinate": self.run.determinate,
        }  # fmt: skip

    def __repr__(self) -> str:
        """Outputs by shape and the number of findings."""
        shapes = ", ".join(f"{n}: {'x'.join(map(str, a.shape))}" for n, a in self.outputs.items())
        return f"Result({shapes}; {len(self.findings)} findings)"


@dataclass(frozen=True)
class Artifact:
    """A compiled kernel.

    Attributes:
        name: the kernel's name.
        plan: what runs where.
        programs: what each thread does.
        options: the compile options.
        source: the kernel's PrimFunc, before the first pass.
        compilation: passes with times, and the module after each.
    """

    name: str
    plan: Plan
    programs: ProgramFile
    options: CompileOptions
    source: Any = field(repr=False)
    compilation: Compilation = field(repr=False)

    @cached_property
    def contract(self) -> NumericContract:
        """The precision owed to source and options; plan and programs have no say in it.

        Raises:
            golden.GoldenError: options that contradict the source.
        """
        from golden import contract_for

        chosen = self.options
        return contract_for(self.source, chosen.arch.family, chosen.fidelity, chosen.fp32_dest)

    def run(
        self,
        inputs: Arrays,
        options: RunOptions | None = None,
        workspace: Workspace | None = None,
    ) -> Result:
        """Execute on the simulator.

        Args:
            inputs: arrays by tensor name in logical or declared shape, float32 for floating
                tensors; a name of an output sets its initial content.
            options: number model, checking level and budgets.
            workspace: memory that several runs may share; fresh memory costs its page faults.

        Raises:
            simulator.errors.InputError: names, shapes, dtypes or values that do not fit.
        """
        given, settings = self.in_used_shapes(inputs), options or RunOptions()
        done = execute(self.plan, self.programs, given, settings, workspace)
        shapes = self._declared
        return Result({n: a.reshape(shapes.get(n, a.shape)) for n, a in done.outputs.items()}, done)

    @cached_property
    def _declared(self) -> Mapping[str, tuple[int, ...]]:
        """Shapes of tensors that the kernel uses under another one than it declares."""
        from harness.language.rewriting.flat import declared_shapes

        return declared_shapes(self.source)

    def in_used_shapes(self, arrays: Mapping[str, Any]) -> dict[str, Any]:
        """Arrays of declared shapes in those the kernel uses them in; others as they are."""
        layouts = self.plan.layouts
        return {n: a.reshape(layouts[n].logical_shape)
                if n in layouts and n in self._declared and np.shape(a) == self._declared[n] else a
                for n, a in arrays.items()}  # fmt: skip

    def manifest(self) -> dict[str, Any]:
        """Where the artifact came from: tools, source hash, options, plan hash."""
        tools = {}
        for tool in _TOOLS:
            try:
                tools[tool] = version(tool)
            except PackageNotFoundError:
                tools[tool] = "not installed"
        text = self.compilation.source.script()
        return {
            "kernel": self.name,
            "tools": {**tools, "python": platform.python_version()},
            "source_sha256": hashlib.sha256(text.encode()).hexdigest(),
            "options": self.options.to_json(),
            "plan_sha256": hashlib.sha256(dump_plan(self.plan)).hexdigest(),
        }

    def save(self, directory: Path | str) -> Path:
        """Write plan, programs, manifest and IR; returns the plan's path.

        Raises:
            simulator.errors.UnreadableError: the directory cannot be written to.
        """
        from harness.compiler.pipeline import dump_ir

        path = write_artifact(directory, MachineArtifact(self.plan, self.programs, self.manifest()))
        dump_ir(self.compilation, Path(directory) / "ir")
        return path

    def to_json(self) -> dict[str, Any]:
        """Plain data: name, device, grid, passes with seconds."""
        return {
            "name": self.name,
            "device": self.plan.device.name,
            "kernel_grid": list(self.plan.kernel_grid),
            "core_grid": list(self.plan.core_grid),
            "passes": [{"name": p.name, "seconds": p.seconds} for p in self.compilation.passes],
        }

    def __repr__(self) -> str:
        """Name, device and sizes."""
        x, y = self.plan.core_grid
        grid = "x".join(map(str, self.plan.kernel_grid))
        return f"Artifact({self.name} for {self.plan.device.name}, {grid} blocks on {x}x{y} cores)"


def compile_all(
    kernel: Any, options: CompileOptions | None = None, **keywords: Any
) -> list[Artifact]:
    """Compile every kernel of a module; see :func:`compile`."""
    from harness.compiler.diagnostics import as_module
    from harness.compiler.options import CompileOptions as Options
    from harness.compiler.pipeline import lower
    from harness.compiler.sequence import check_sequence_of

    try:
        chosen = options or Options(**keywords)
    except TypeError as error:
        raise OptionError(str(error).replace("CompileOptions.__init__() ", "")) from None
    module = as_module(kernel)
    check_sequence_of(module)
    compilation = lower(module, chosen)
    sources = {var.name_hint: function for var, function in module.functions_items()}
    return [
        Artifact(k.name, k.plan, k.programs, chosen, sources[k.name], compilation)
        for k in compilation.kernels
    ]


def compile(  # noqa: A001  (the verb users know)
    kernel: Any, *, function: str | None = None, options: CompileOptions | None = None,
    **keywords: Any,
) -> Artifact:  # fmt: skip
    """Compile a kernel to a plan and programs.

    Args:
        kernel: a PrimFunc (what a factory returns) or an IRModule.
        function: which kernel, where the module has several.
        options: compile options as one object.
        **keywords: or one by one: ``device``, ``grid``,
            ``core_ranges``, ``strategy``, ``double_buffer``, ``prefetch``, ``fidelity``,
            ``fp32_dest``.

    Raises:
        HarnessError: a refused construct or option, with place and what would be accepted.
    """
    made = compile_all(kernel, options, **keywords)
    if function is None and len(made) == 1:
        return made[0]
    for artifact in made:
        if artifact.name == function:
            return artifact
    names = ", ".join(a.name for a in made)
    what = "several kernels; name one" if function is None else f"no kernel {function!r}"
    raise OptionError(f"the module has {what}", location="function", next_step=f"one of {names}")


__all__ = ["Artifact", "Result", "compile", "compile_all"]
