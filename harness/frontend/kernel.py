"""A compiled kernel as TileLang's users know it: called on arrays, it runs on the simulator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from harness.errors import HarnessError, LanguageError
from harness.frontend.arguments import (
    check_half,
    check_made,
    held,
    in_order,
    leave,
    numbers,
    places_of,
)
from harness.frontend.errors import FrontendError, user_place
from harness.language.dynamic import DynamicKernel, solve
from harness.language.rewriting.flat import declared_shapes
from harness.language.rewriting.inturn import parameters, steps
from simulator.formats.dataformat import SIGNED_BYTE

if TYPE_CHECKING:
    from harness.artifact import Artifact
    from simulator.plan.schema import Layout

Array = npt.NDArray[Any]


class SimulationError(HarnessError):
    """A run on the simulator broke a rule of the machine."""

    code = "SimulationFailed"


def device_of(target: object) -> str | None:
    """The device a ``target`` names, None where it names a GPU or nothing."""
    from simulator.arch import device_names

    return target if isinstance(target, str) and target in device_names() else None


class JitKernel:
    """``kernel = tilelang.compile(func, out_idx=[-1])``; ``c = kernel(a, b)``.

    Attributes:
        out_idx: positions of tensors that are made and returned instead of passed.
    """

    def __init__(self, func: Any, out_idx: Sequence[int] | int | None = None,
                 target: object = None) -> None:  # fmt: skip
        """``func`` is a PrimFunc, a module of several in turn, or a kernel with open sizes.

        Raises:
            LanguageError: ``out_idx`` of other things than positions.
        """
        self._func = func
        self._target = target
        self._artifacts: dict[Any, Artifact] = {}
        self.out_idx = _positions(out_idx)

    @property
    def prim_func(self) -> Any:
        """The kernel's PrimFunc.

        Raises:
            LanguageError: its sizes are still open.
        """
        if isinstance(self._func, DynamicKernel):
            return self._func.specialize()
        return self._func

    @property
    def artifact(self) -> Artifact:
        """The compiled kernel; see :func:`harness.compile`."""
        return self._compiled(self.prim_func)

    def _compiled(self, func: Any) -> Artifact:
        from harness import artifact

        if func not in self._artifacts:
            device = device_of(self._target)
            keywords: dict[str, Any] = {} if device is None else {"device": device}
            self._artifacts[func] = artifact.compile(func, **keywords)
        return self._artifacts[func]

    def __call__(self, *arrays: Any, **named: Any) -> Any:
        """Run on the simulator.

        Args:
            arrays: NumPy arrays (or what converts to them) for the parameters in order, without
                those of ``out_idx``. What the kernel writes to them is written into the arrays.
            named: those that are given by the parameter's name instead.

        Returns:
            The tensors of ``out_idx``, float32 where they are floating; one, or a tuple. What the
            kernel does not write is NaN there, 0 in integers.

        Raises:
            LanguageError: arrays that do not fit the declared shapes.
            SimulationError: the machine found a broken rule.
        """
        names = self._names()
        outputs = places_of(self.out_idx or (), names)
        given = [n for i, n in enumerate(names) if i not in outputs]
        passed = in_order(given, arrays, named)
        results = self._run({n: numbers(n, a) for n, a in passed.items()})
        for name, array in passed.items():
            if name in results:
                leave(name, array, results[name])
        if self.out_idx is None:
            return None
        made = tuple(results[names[i]] for i in outputs)
        return made[0] if len(made) == 1 else made

    def _names(self) -> list[str]:
        if isinstance(self._func, DynamicKernel):
            return list(self._func.shapes())
        return parameters(self._func)

    def _run(self, arrays: Mapping[str, Array]) -> dict[str, Array]:
        func = self._func
        if isinstance(func, DynamicKernel):
            func = func.specialize(**solve(func.shapes(), arrays))
        self._follow(func)
        found: dict[str, Array] = {}
        for step in steps(func):
            taken = parameters(step)
            given = {n: a for n, a in ({**arrays, **found}).items() if n in taken}
            found |= self._step(step, given)
        return found

    def _follow(self, func: Any) -> None:
        """Refuse kernels in turn that no check would judge, once."""
        from harness.compiler.sequence import check_sequence_of, order_of

        if order_of(func) and not any(step in self._artifacts for step in steps(func)):
            check_sequence_of(func)

    def _step(self, func: Any, arrays: Mapping[str, Array]) -> dict[str, Array]:
        """One kernel on the simulator."""
        artifact = self._compiled(func)
        declared_as = declared_shapes(func)
        inputs = {}
        for name, passed in arrays.items():
            layout = artifact.plan.layouts[name]
            same = passed.shape == declared_as.get(name)
            array = passed.reshape(layout.logical_shape) if same else passed
            if tuple(layout.logical_shape) != array.shape:
                declared = tuple(layout.logical_shape)
                raise LanguageError(f"{name} is of shape {array.shape}, declared as {declared}",
                                    code="ShapeMismatch")  # fmt: skip
            inputs[name] = held(name, array, _held_as(layout))
            if layout.dtype == "float16" and layout.role != "output":
                check_half(name, inputs[name])
        check_made(artifact.plan, inputs)
        done = artifact.run(inputs)
        broken = [f for f in done.findings if f.severity == "error"]
        if broken or not done.run.completed:
            what = f"{broken[0].code}: {broken[0].message}" if broken else "the run did not end"
            raise SimulationError(f"{artifact.name}: {what}",
                                  next_step="tt-harness run shows the findings")  # fmt: skip
        left = {n: la for n, la in artifact.plan.layouts.items() if n not in arrays}
        found = {n: _unwritten(layout) for n, layout in left.items()} | done.outputs
        return {n: a.reshape(declared_as.get(n, a.shape)) for n, a in found.items()}

    def get_kernel_source(self, *_: object, **__: object) -> str:
        """The programs of the kernel as JSON text: what the three threads of a core run."""
        import msgspec

        return msgspec.json.format(msgspec.json.encode(self.artifact.programs)).decode()

    def get_profiler(self, *_: object, **__: object) -> Profiler:
        """A profiler; it measures nothing."""
        return Profiler()

    def __repr__(self) -> str:
        """What it is compiled from."""
        name = getattr(self._func, "__name__", None) or "kernel"
        return f"JitKernel({name}, out_idx={self.out_idx})"


def _unwritten(layout: Layout) -> Array:
    """A tensor as the host reads it back where nobody wrote."""
    if "float" in layout.dtype:
        return np.full(layout.logical_shape, np.nan, np.float32)
    return np.zeros(layout.logical_shape, _held_as(layout))


def _held_as(layout: Layout) -> npt.DTypeLike:
    """The element type of a host's array for a tensor."""
    if "float" in layout.dtype:
        return np.float32
    return np.int8 if layout.dtype == SIGNED_BYTE else np.dtype(layout.dtype)


def _positions(out_idx: Sequence[int] | int | None) -> list[int] | None:
    if out_idx is None:
        return None
    found = [out_idx] if isinstance(out_idx, int) else list(out_idx)
    if not all(isinstance(i, int) for i in found):
        raise LanguageError(
            f"out_idx={out_idx!r} are not positions of tensors",
            code="InvalidArguments",
            next_step="write e.g. out_idx=[-1]",
        )
    return found


class Profiler:
    """TileLang's profiler: timing and comparing on a GPU, which there is none of."""

    def __init__(self, *_: object, **__: object) -> None:
        """Keep nothing."""

    def __getattr__(self, name: str) -> Any:
        """Refuse every use by name."""
        if name.startswith("__"):
            raise AttributeError(name)
        raise FrontendError(
            f"profiler.{name} needs a GPU", location=user_place(),
            next_step="tt-harness run judges the kernel and counts its work",
        )  # fmt: skip
