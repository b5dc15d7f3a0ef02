"""Rungs of the ladder that judge by other means than one golden: replay, Freivalds, relations.

Each is asked for by name. One that does not apply to a kernel says so (``NoOracle``) and is never
passed over in silence.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from harness.errors import HarnessError, OptionError

if TYPE_CHECKING:
    from golden import Judgement, NumericContract
    from golden.products import Product
    from harness.compiler.options import CompileOptions
    from harness.inputs import Draws

Arrays = Mapping[str, Any]
Run = Callable[[Arrays, bool], Arrays | None]
"""(inputs, in the exact number model) to outputs; None where the run did not complete."""

RUNGS: Final = ("replay", "freivalds", "metamorphic")
PLAIN: Final[Mapping[str, Any]] = {"grid": (1, 1), "double_buffer": False, "prefetch": False}
"""The plainest way to compile: one core, nothing read ahead."""
KEPT: Final = ("device", "fidelity", "fp32_dest")
"""Options that change numbers, which the plainest way keeps."""


class NoOracleError(HarnessError):
    """The oracle asked for does not apply to this kernel."""

    code = "NoOracle"


@dataclass(frozen=True)
class Asked:
    """What is to be judged: source, contract, options, seed of the inputs, and how to run it.

    ``draws`` is where the inputs come from.
    """

    source: Any
    contract: NumericContract
    options: CompileOptions
    seed: int
    run: Run
    draws: Draws

    def product(self, name: str) -> Product:
        """The plain product the kernel is.

        Raises:
            NoOracleError: it is not one.
        """
        from golden.products import find_product

        found = find_product(self.source)
        if found is None:
            raise NoOracleError(
                f"oracle {name} judges plain products C = A B, which this kernel is not",
                next_step="use --oracle exact, bound or metamorphic",
            )
        return found

    def drawn(self, kind: str) -> tuple[dict[str, Any], Any]:
        """Inputs of a kind, and the golden where drawing told."""
        return self.draws.draw(kind, self.seed)


def judge_by(rung: str, asked: Asked) -> tuple[Judgement | None, str]:
    """The judgement, None where a run did not complete, and the kind of inputs.

    Raises:
        NoOracleError: the rung does not apply to the kernel.
        OptionError: no such rung.
    """
    known = {"replay": _replayed, "freivalds": _freivalds, "metamorphic": _related}
    if rung not in known:
        raise OptionError(f"unknown oracle {rung!r}", location="oracle")
    return known[rung](asked)


def _replayed(asked: Asked) -> tuple[Judgement | None, str]:
    """The bits of a plain product, from a second implementation of the matrix unit."""
    from golden import judge
    from golden.replay import replay

    asked.product("replay")
    arrays, _ = asked.drawn("random")
    golden = replay(asked.source, arrays, asked.contract)
    if golden is None:
        raise NoOracleError("the products of this dtype are not replayed",
                            next_step="use bfloat16 or float32, or --oracle bound")  # fmt: skip
    outputs = asked.run(arrays, True)
    if outputs is None:
        return None, "random"
    return replace(judge(outputs, golden, oracle="exact"), oracle="replay"), "random"


def _freivalds(asked: Asked) -> tuple[Judgement | None, str]:
    """A product by random vectors; golden in full where that does not tell."""
    from golden import judge
    from golden.products import freivalds
    from golden.source import read_kernel

    product = asked.product("freivalds")
    arrays, golden = asked.drawn("exact")
    outputs = asked.run(arrays, False)
    if outputs is None:
        return None, "exact"
    dtypes = {t.name: t.dtype for t in read_kernel(asked.source).tensors}
    if freivalds(product, dtypes, arrays, outputs[product.c], asked.seed):
        size = int(outputs[product.c].size)
        return _said("freivalds", "C times random vectors is A times (B times them)", size), "exact"
    return replace(judge(outputs, golden, oracle="exact"), oracle="freivalds"), "exact"


def _related(asked: Asked) -> tuple[Judgement | None, str]:
    """Relations between runs on real numbers in the exact model; no golden."""
    arrays, _ = asked.drawn("random")
    first = asked.run(arrays, True)
    if first is None:
        return None, "random"
    plain = plainly(asked, arrays)
    names = [f"{name} on one core without buffering: the same bits"
             for name in _unlike(first, plain)]  # fmt: skip
    relations = _relations(asked, arrays)
    for relation, output in relations:
        second = asked.run(relation.inputs, True)
        if second is None:
            return None, "random"
        if not relation.holds(first[output], second[output]):
            names.append(relation.name)
    size = sum(int(np.asarray(array).size) for array in first.values())
    if plain is None and not relations:
        raise NoOracleError("no relation applies: the kernel fits no single core",
                            next_step="use --oracle exact or bound")  # fmt: skip
    if not names:
        held = len(relations) + (plain is not None)
        return _said("metamorphic", f"{held} relations hold", size), "random"
    return _said("metamorphic", f"broken: {'; '.join(names)}", size, wrong=1), "random"


def _relations(asked: Asked, arrays: Arrays) -> list[tuple[Any, str]]:
    from golden.metamorphic import product_relations
    from golden.products import find_product
    from golden.source import read_kernel

    product = find_product(asked.source)
    if product is None:
        return []
    dtypes = {t.dtype for t in read_kernel(asked.source).tensors}
    roomy = "float16" not in dtypes and asked.contract.dest != "float16"
    relations = product_relations(product, arrays, asked.seed, roomy=roomy)
    return [(relation, product.c) for relation in relations]


def plainly(asked: Asked, arrays: Arrays) -> Arrays | None:
    """The answer of the kernel without layouts and placement, compiled the plainest way.

    None where the compiler refuses that: what fits many cores may not fit one.
    """
    from harness.artifact import compile_all
    from harness.compiler.annotations import without_annotations
    from simulator.run import RunOptions

    given = {name: getattr(asked.options, name) for name in KEPT} | dict(PLAIN)
    try:
        made = compile_all(without_annotations(asked.source), **given)[0]
    except HarnessError:
        return None
    return dict(made.run(dict(arrays), RunOptions(numbers="exact")).outputs)


def _unlike(first: Arrays, second: Arrays | None) -> list[str]:
    """Outputs that differ in any bit."""
    if second is None:
        return []
    return [n for n, have in first.items() if have.tobytes() != second[n].tobytes()]


def _said(oracle: str, reason: str, compared: int, wrong: int = 0) -> Judgement:
    """A judgement that counts nothing but the elements compared."""
    from golden import Judgement

    return Judgement(
        verdict="fail" if wrong else "pass", oracle=oracle, reason=reason, max_error=None,
        bound_ratio=None, pcc=None, compared=compared, exact=0, wrong=wrong, free=0,
        tainted_share=0.0, jumped_share=0.0, tensors={},
    )  # fmt: skip
