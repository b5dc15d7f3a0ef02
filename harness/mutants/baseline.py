"""What a case is without a mutant: artifact, inputs, answers, and canaries for the judges."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import tvm

from golden import GoldenError, GoldenResult, evaluate
from golden.exact_inputs import inexactness
from golden.second import NoSecondOpinionError, SecondOpinion
from harness.artifact import Artifact, compile_all
from harness.checking.sequences import step_inputs
from harness.compiler.options import CompileOptions, parse_core_ranges
from harness.errors import HarnessError
from harness.inputs import EXACT, draw
from harness.language.rewriting.finished import as_written
from harness.mutants.edit import Built, dropped, edit, edit_bodies, is_op, replace, swapped
from harness.mutants.subjects.cases import Case
from harness.mutants.subjects.sources import SOURCES
from harness.mutants.subjects.texts import DRAWN
from simulator.arch import TILE
from simulator.run import RunOptions, execute

Arrays = dict[str, npt.NDArray[Any]]
OPTIONS: Final = RunOptions(max_steps=400_000, max_seconds=10.0, repair=False)
"""A budget for programs that no longer end; no search for repairs."""
KINDS: Final = ("exact", "random", "tagged", "wide")


@dataclass(frozen=True)
class Round:
    """Inputs of one kind, golden's answer, and the packaged reference's, by output name."""

    kind: str
    inputs: Arrays
    golden: GoldenResult
    reference: dict[str, npt.NDArray[np.float64]]

    @property
    def oracle(self) -> str:
        """How outputs are judged."""
        return "exact" if self.kind in EXACT else "bound"


@dataclass
class Baseline:
    """A case that passes.

    Attributes:
        case: where it came from.
        artifact: as compiled; ``built`` is its plan and programs, edited where the case says so.
        tiles: tiles along the longest axis of its tensors.
        cores: cores with work.
        rounds: inputs, drawn when first asked for.
        written: the kernel before the dialect rewrote it.
        before: of a kernel in a sequence, those that run before it.
    """

    case: Case
    artifact: Artifact
    built: Built
    tiles: int
    cores: int
    contract: Any
    written: Any
    before: tuple[Baseline, ...] = ()
    rounds: dict[tuple[str, int], Round | None] = field(default_factory=dict)
    outputs: dict[tuple[str, int], Any] = field(default_factory=dict)

    @cached_property
    def second(self) -> SecondOpinion | None:
        """The source as it was written, compiled by LLVM; None where it has no lowering."""
        try:
            return SecondOpinion(self.written)
        except NoSecondOpinionError:
            return None

    @property
    def modules(self) -> list[tvm.IRModule]:
        """The source module and the module after each pass."""
        done = self.artifact.compilation
        return [done.source, *(p.module for p in done.passes)]

    def round(self, kind: str, seed: int) -> Round | None:
        """Inputs of a kind; None where the kernel has none of it."""
        key = (kind, seed)
        if key not in self.rounds:
            self.rounds[key] = self._draw(kind, seed)
        return self.rounds[key]

    def _draw(self, kind: str, seed: int) -> Round | None:
        if self.case.step:
            return self._fed(kind, seed)
        try:
            inputs, result = draw(self.artifact.source, kind, self.contract, seed)
            result = result or evaluate(self.artifact.source, inputs, self.contract)
        except GoldenError:
            return None
        return Round(kind, inputs, result, self.reference(inputs, result))

    def _fed(self, kind: str, seed: int) -> Round | None:
        """Inputs of a kernel in a sequence: what those before it answer, the others drawn."""
        known: Arrays = {}
        for one in self.before:
            done, fed = answers(one, kind, seed), one.round(kind, seed)
            if done is None or fed is None:
                return None
            known |= fed.inputs | dict(done.outputs)
        try:
            inputs = step_inputs(self.artifact.source, known, kind, seed, self.contract)
            result = evaluate(self.artifact.source, inputs, self.contract)
        except GoldenError:
            return None
        wrong = kind in EXACT and inexactness(result)
        return None if wrong else Round(kind, inputs, result, {})

    def reference(self, inputs: Arrays, result: GoldenResult) -> Arrays:
        """The packaged NumPy answer, by output; nothing for a drawn text."""
        if self.case.kernel == DRAWN:
            return {}
        given = [inputs[t.name].astype(np.float64) for t in self.artifact.source.params
                 if t.name in inputs]  # fmt: skip
        extra = {k: v for k, v in self.case.params.items() if k in ("trans_A", "trans_B")}
        with np.errstate(all="ignore"):
            answer = SOURCES[self.case.kernel].reference(*given, **extra)
        answers = answer if isinstance(answer, tuple) else (answer,)
        return {n: np.asarray(a).reshape(result.outputs[n].written.shape)
                for n, a in zip(result.outputs, answers, strict=True)}  # fmt: skip


def compile_options(case: Case) -> CompileOptions:
    """The options of a case."""
    given = dict(case.options)
    if "ranges" in given:
        given["core_ranges"] = parse_core_ranges(given.pop("ranges"))
    return CompileOptions(**given)


def prepare(case: Case) -> Baseline | None:
    """Compile a case; None where the compiler refuses it."""
    try:
        (artifact,) = compile_all(case.source(), compile_options(case))
    except HarnessError:
        return None
    built = case.edited(Built(artifact.plan, artifact.programs)).sealed()
    layouts = built.plan.layouts.values()
    tiles = max(-(-d // TILE) for la in layouts for d in la.padded_shape[-2:])
    cores = sum(1 for items in built.plan.work_partition.values() if items)
    before = [prepare(one) for one in case.before]
    if None in before:
        return None
    written = as_written(artifact.source) or artifact.source
    return Baseline(case, artifact, built, tiles, cores, artifact.contract, written,
                    tuple(one for one in before if one is not None))  # fmt: skip


def canaries(base: Baseline) -> list[Built]:
    """Artifacts that are wrong in ways every machine must notice."""
    changes = (
        ("ncrisc", dropped("noc_async_read_barrier")),
        ("brisc", dropped("noc_async_write_barrier")),
        ("brisc", dropped("cb_wait_front")),
        ("ncrisc", dropped("cb_reserve_back")),
        ("compute", dropped("cb_pop_front")),
        ("compute", dropped("tile_regs_commit")),
        ("compute", dropped("matmul_init", "copy_init", "add_init")),
        ("compute", dropped("reduce_uninit")),
        ("ncrisc", dropped("zero_tile_region")),
        ("brisc", dropped("noc_async_write_page")),
        ("brisc", dropped("cb_pop_front")),
        ("brisc", dropped("noc_semaphore_inc")),
        ("ncrisc", dropped("noc_semaphore_wait")),
    )
    found = [edit(base.built, change, thread=thread) for thread, change in changes]
    for barrier, handed, thread in (
        ("noc_async_read_barrier", "cb_push_back", "ncrisc"),
        ("noc_async_write_barrier", "cb_pop_front", "brisc"),
        ("noc_semaphore_wait", "noc_semaphore_set", "ncrisc"),
    ):
        late = swapped(partial(_is, barrier), partial(_is, handed))
        found.append(edit_bodies(base.built, late, thread))
    found.append(edit(base.built, _far_dst, thread="compute"))
    return [one.sealed() for one in found if one is not None]


def _is(name: str, stmt: Any) -> bool:
    return is_op(stmt, name)


def _far_dst(stmt: Any) -> Any:
    """Operations on DST tiles no mode has."""
    if is_op(stmt, "copy_tile", "matmul_tiles", "pack_tile"):
        at = 0 if stmt.name == "pack_tile" else -1
        args = list(stmt.args)
        args[at] = ["+", args[at], 16]
        return (replace(stmt, args=tuple(args)),)
    return None


def answers(base: Baseline, kind: str, seed: int) -> Any:
    """The unmutated machine's result for a round."""
    key = (kind, seed)
    if key not in base.outputs:
        one = base.round(kind, seed)
        base.outputs[key] = (
            None if one is None
            else execute(base.built.plan, base.built.programs, one.inputs, OPTIONS)
        )  # fmt: skip
    return base.outputs[key]
