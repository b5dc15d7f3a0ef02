"""Per-pass validation: which pass is the first whose result does not mean what the source says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from harness.fuzz import claims
from harness.fuzz.blockrun import BlockRun, tiled, untiled
from harness.inputs import Draws
from simulator.formats.dataformat import SIGNED_BYTE
from simulator.plan.views import restored, stored, viewed

PASSES: Final = ("InferTTLayout", "PropagateTTLayout", "TTTilesToCoreMap", "LowerTTTileIntrinsics",
                 "GridToPersistentTT")  # fmt: skip

ROUNDED: Final = 2.0**-20
"""The part of its bound by which an answer that rounds may differ once blocks have another shape.

A product of one row adds up in another order than one of many, in float64; a bound allows for sums
of at most 24 bits. An answer without a bound leaves nothing to round, and has to be the same.
"""


@dataclass(frozen=True)
class Blame:
    """The first bad pass, and why; ``name`` is empty where the first four passes are right."""

    name: str = ""
    reason: str = ""


def first_bad_pass(
    artifact: Any, kind: str = "auto", seed: int = 0, draws: Draws | None = None
) -> str:  # fmt: skip
    """Name of the first bad pass of a failed case; the last one where the others are right."""
    return validate(artifact, seed, kind, draws).name or PASSES[-1]


def validate(
    artifact: Any, seed: int = 0, kind: str = "auto", draws: Draws | None = None
) -> Blame:  # fmt: skip
    """Check the IR after each of the first four passes against the source.

    ``draws`` has inputs drawn for the artifact before.

    The fifth pass yields the plan and programs, which the simulator executes.
    """
    from golden.source import read_kernel
    from harness.compiler.inspect import attributes, function, same_body

    contract = artifact.contract
    inputs, golden = _inputs(draws or Draws(artifact.source, contract), seed, kind)
    after = [function(p.module, artifact.name) for p in artifact.compilation.passes[:4]]
    found = [attributes(f) for f in after]
    views = _views(found[0])
    written = {n: stored(t.written, views.get(n, ())) for n, t in golden.outputs.items()}
    first = read_kernel(after[0])  # which may number blocks otherwise than the source
    reason = _inferred(artifact.source, after[0], inputs, golden, contract)
    if reason:
        return Blame(PASSES[0], reason)
    reason = claims.propagate_layout(first, found[1])
    if not reason and not same_body(after[0], after[1]):
        reason = "the body is not what InferTTLayout left"
    if reason:
        return Blame(PASSES[1], reason)
    reason = claims.core_map(first, read_kernel(after[2]), found[2], written)
    if not reason and not same_body(after[0], after[2]):
        reason = _rewritten(after[2], inputs, golden, contract, views)
    if reason:
        return Blame(PASSES[2], reason)
    reason = _executed(after[3], found[3], inputs, golden)
    return Blame(PASSES[3], reason) if reason else Blame()


def infers_wrongly(source: Any, func: Any, contract: Any) -> str:
    """What is wrong with what the first pass made of a source; empty if nothing is."""
    return _inferred(source, func, *_inputs(Draws(source, contract), 0, "auto"), contract)


def _inferred(source: Any, func: Any, inputs: Any, golden: Any, contract: Any) -> str:
    from golden.source import read_kernel
    from harness.compiler.inspect import attributes, same_body

    found = attributes(func)
    reason = claims.infer_layout(read_kernel(source), read_kernel(func), found)
    if not reason and not same_body(source, func):
        reason = _rewritten(func, inputs, golden, contract, _views(found))
    return reason


def _views(found: Mapping[str, Any]) -> dict[str, Any]:
    return {n: d.get("view", ()) for n, d in found.get("tt.layout_desc", {}).items()}


def _inputs(draws: Draws, seed: int, kind: str) -> tuple[dict[str, Any], Any]:
    """Exact inputs where the kernel has them, else those the case drew."""
    from golden import GoldenError

    for one in dict.fromkeys(("tagged" if kind == "tagged" else "exact", "random")):
        try:
            arrays, _ = draws.draw(one, seed)
        except GoldenError:
            continue
        return arrays, draws.answer(one, seed)
    raise AssertionError("random inputs can always be drawn")


def _rewritten(
    func: Any, inputs: Mapping[str, Any], golden: Any, contract: Any, views: Mapping[str, Any]
) -> str:
    """Whether a kernel whose blocks were joined, or tensors turned, still answers as the source."""
    from golden import evaluate

    again = evaluate(func, {n: stored(a, views[n]) for n, a in inputs.items()}, contract)
    for name, want in golden.outputs.items():
        have = again.outputs.get(name)
        shape = want.written.shape
        if have is None or not np.array_equal(restored(have.written, views[name], shape),
                                              want.written):  # fmt: skip
            return f"after the rewriting, {name} is written elsewhere"
        value = restored(have.answer.value, views[name], shape)
        sure = np.isclose(value, want.answer.value, 0, 0, equal_nan=True)
        with np.errstate(invalid="ignore"):
            sure |= np.abs(value - want.answer.value) <= ROUNDED * want.answer.error
        sure |= want.free  # any answer is right there, and the value says nothing
        for answer, view in ((want.answer, ()), (have.answer, views[name])):
            if answer.jumped is not None:  # it stands between two branches, in either form
                sure |= restored(np.broadcast_to(answer.jumped, answer.value.shape), view, shape)
        if not np.all(sure):
            return f"after the rewriting, {name} has other values"
    return ""


def _executed(func: Any, found: Mapping[str, Any], inputs: Mapping[str, Any], golden: Any) -> str:
    """Whether the block program, executed in sequence, answers what the source answers."""
    from golden import judge
    from golden.blocks import stored_by_host
    from harness.compiler.inspect import block_program

    body, axes, buffers = block_program(func)
    layouts = found["tt.layout_desc"]
    tensors: dict[str, Any] = {}
    for name, layout in layouts.items():
        given = inputs.get(name)
        start = np.full(layout["logical_shape"], np.nan) if given is None else (
            stored_by_host(np.asarray(given), layout["dtype"]))  # fmt: skip
        if layout["dtype"] == SIGNED_BYTE:
            start = start % 256
        whole = stored(start, layout["view"])
        is_rows = layout["tile_shape"][0] == 1
        tensors[name] = whole.reshape(-1, 1, whole.shape[-1]) if is_rows else tiled(whole)
    grid = [1, 1, 1]
    for axis, (want, factor) in enumerate(
        zip(found["tt.kernel_grid"], found["tt.coalesce"], strict=True)
    ):
        grid[axis] = -(-want // factor)
    try:
        BlockRun(body, axes, grid, buffers, tensors).run()
    except Exception as error:  # noqa: BLE001  (whatever it stumbles over is the pass's doing)
        return f"{type(error).__name__}: {error}"
    outputs = {}
    for n in golden.outputs:
        shape, view = layouts[n]["logical_shape"], layouts[n]["view"]
        outputs[n] = restored(untiled(tensors[n], viewed(shape, view)), view, shape)
        if layouts[n]["dtype"] == SIGNED_BYTE:
            held = np.where(outputs[n] > 127, outputs[n] - 256, outputs[n])
            outputs[n] = np.where((outputs[n] < 0) | (outputs[n] > 255), np.nan, held)
    for name, block in found["tt.output_blocks"].items():
        left = outputs[name][~golden.outputs[name].written]
        if block["coverage"] == "told" and not np.isnan(left).all():
            return f"{name} is stored where data do not say"
    judged = judge(outputs, golden)
    return "" if judged.passed else judged.reason
