"""Integer inputs for which no step of the whole program rounds, so that judging is equality.

A range is tried from the largest down; the interpreter proves each try on the drawn values (grains
and peaks through every op: products obey the alignment, fidelity and accumulator conditions of the
matrix unit, packed values fit their buffers). Larger ranges tell more wrong answers apart.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import numpy as np

from golden.contract import NumericContract, contract_for
from golden.errors import GoldenError
from golden.formats import find_format, round_even
from golden.inputs import BYTES, Array, as_parameter, drawn_bytes, generator, wanted
from golden.interpret import evaluate
from golden.result import GoldenResult
from golden.source import Kernel, read_kernel
from golden.tables.indices import drawn_indices

RANGES: Final = (
    (31, 1.0),
    (15, 1.0),
    (7, 1.0),
    (4, 1.0),
    (3, 1.0),
    (2, 1.0),
    (1, 1.0),
    (1, 0.25),
    (1, 0.0625),
    (1, 0.01),
)
"""(largest magnitude, share of non-zero elements). 31 is safe for K up to 16384 with 32-bit DST."""
_ALL: Final = 255
"""Bytes are drawn from all there are, and what else there is from the widest range of RANGES."""
_Range = TypeVar("_Range")
_ROUNDED: Final = "even for integers up to 1"
"""How the reason ends of a range that rounds, rather than meets what is not finite."""
_PROBES: Final = 4
"""Blocks tried before the whole program."""


@dataclass(frozen=True)
class ExactInputs:
    """Inputs with one right answer.

    Attributes:
        inputs: by parameter name.
        golden: the answer.
        largest: largest magnitude drawn.
        share: share of non-zero elements.
    """

    inputs: dict[str, Array]
    golden: GoldenResult
    largest: int
    share: float


def exact_inputs(
    func: Any, contract: NumericContract | None = None, seed: int = 0, largest: int | None = None
) -> ExactInputs:
    """Integers of the widest range for which the program is exact, and what it must answer.

    Args:
        func: the source PrimFunc.
        contract: precision; the default contract of a Wormhole without one.
        seed: of the draws.
        largest: try no magnitude above this.

    Raises:
        GoldenError: ``NoExactRange``, with the output that rounds in every range.
    """
    kernel = read_kernel(func)
    contract = contract or contract_for(func)
    probes = _probes(kernel)
    indices = drawn_indices(kernel, seed, empty=True)

    def tried(top: int, share: float) -> ExactInputs | str:
        inputs = _draw(kernel, top, share, seed) | indices
        if probes is not None:
            rounds = _unfit(evaluate(func, inputs, contract, bounded=False, blocks=probes))
            if rounds:
                return rounds
        golden = evaluate(func, inputs, contract)
        reason = inexactness(golden) or ("" if share == 1 else _emptiness(golden))
        return reason or ExactInputs(inputs, golden, top, share)

    whole = any(info.stored in BYTES for info in wanted(kernel)) and largest is None
    ranges = [*([(_ALL, 1.0)] if whole else []),
              *(r for r in RANGES if largest is None or r[0] <= largest)]  # fmt: skip
    found = widest(ranges, lambda one: tried(*one))
    if isinstance(found, ExactInputs):
        return found
    raise GoldenError(
        f"{kernel.name} has no exact inputs: {found}",
        code="NoExactRange",
        next_step="use random inputs and the bound",
    )


def widest(
    ranges: Sequence[_Range], tried: Callable[[_Range], ExactInputs | str]
) -> ExactInputs | str:  # fmt: skip
    """What the first range gives that fits, or why the last one does not.

    Where the first does not fit and the last rounds, all between are left out: what rounds the
    fewest and least numbers rounds the others. Answers that are not finite, or all zero, say
    nothing of the kind.

    Args:
        ranges: the widest first.
        tried: the inputs of a range, or why they are not exact.
    """
    if not ranges:
        return "it writes nothing"
    found = tried(ranges[0])
    if isinstance(found, ExactInputs) or len(ranges) == 1:
        return found
    least = tried(ranges[-1])
    if isinstance(least, str) and least.endswith(_ROUNDED):
        return least
    for one in ranges[1:-1]:
        found = tried(one)
        if isinstance(found, ExactInputs):
            return found
    return least


def _draw(kernel: Kernel, top: int, share: float, seed: int) -> dict[str, Array]:
    inputs = {}
    reach = min(top, RANGES[0][0])
    for info in wanted(kernel):
        rng = generator(seed, info.name)
        if top == _ALL and info.stored in BYTES:
            inputs[info.name] = drawn_bytes(rng, info)
            continue
        low = 0 if info.dtype in ("int32", "int64", "uint8", "uint16", "uint32") else -reach
        values = rng.integers(low, reach + 1, info.shape).astype(np.float64)
        if share < 1:
            values *= rng.random(info.shape) < share
        inputs[info.name] = as_parameter(values, info.dtype)
    return inputs


def _probes(kernel: Kernel) -> list[int] | None:
    """First, last and a few blocks between; None where the grid is small."""
    total = int(np.prod([extent for _, extent in kernel.grid], dtype=np.int64))
    if total <= 2 * _PROBES:
        return None
    return sorted({int(b) for b in np.linspace(0, total - 1, _PROBES)})


def _unfit(golden: GoldenResult) -> str:
    """Whether values alone show that an output cannot hold them, without deriving bounds."""
    for name, result in golden.outputs.items():
        values = result.answer.value[result.written]
        fmt = find_format(result.dtype)
        if not fmt.is_integer and (round_even(values, result.dtype) != values).any():
            return f"{name} holds sums that {result.dtype} rounds, {_ROUNDED}"
    return ""


def _emptiness(golden: GoldenResult) -> str:
    """Whether so few elements are left that an answer is zero throughout, which tells nothing."""
    for name, result in golden.outputs.items():
        if not result.answer.value[result.written].any():
            return f"{name} is exact only where it is zero"
    return ""


def inexactness(golden: GoldenResult) -> str:
    """Why a result is not exact, empty if it is."""
    if not golden.outputs:
        return "it writes nothing"
    for name, result in golden.outputs.items():
        answer, written = result.answer, result.written
        if answer.taint is not None and answer.taint[written].any():
            return f"{name} holds numbers that are not finite, or memory nobody wrote"
        if answer.bound is not None and answer.bound[written].any():
            share = float((answer.bound[written] > 0).mean())
            return f"{share:.0%} of {name} may be rounded {_ROUNDED}"
        if answer.value2 is not None:
            return f"{name} depends on a threshold"
    return ""
