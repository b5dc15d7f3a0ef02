"""Masks in device memory, bytes or truths: compared, chosen by, copied, as numbers; or refused."""

from __future__ import annotations

import textwrap
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import harness
from harness.errors import CompileError, LanguageError
from simulator.run import execute
from tests.harness.compiler import samples

HEAD = """
@T.prim_func
def main(X: T.Tensor((100, 72), "float32"), K: T.Tensor((100, 72), "{mask}"),
         R: T.Tensor((100,), "{mask}"), C: T.Tensor((72,), "{mask}"),
         Y: T.Tensor((100, 72), "float32")):
    with T.Kernel(3, 4) as (bx, by):
        x = T.alloc_fragment((32, 32), "float32")
        k = T.alloc_shared((32, 32), "{mask}")
        T.copy(X[by * 32, bx * 32], x)
{lines}
        T.copy(x, Y[by * 32, bx * 32])
"""
LOOP = "for i, j in T.Parallel(32, 32):\n    "
COPY = "T.copy(K[by * 32, bx * 32], k)\n"
PLACES = "by * 32 + i, bx * 32 + j"
CASES = {
    "a tensor": (f"{LOOP}x[i, j] = T.if_then_else(K[{PLACES}] != 0, x[i, j], -1)",
                 lambda g: np.where(g.K != 0, g.X, -1)),
    "a block": (f"{COPY}{LOOP}x[i, j] = T.if_then_else(k[i, j] != 0, x[i, j], -1)",
                lambda g: np.where(g.K != 0, g.X, -1)),
    "a store under if": (f"{LOOP}if K[{PLACES}] == 0:\n        x[i, j] = 7",
                         lambda g: np.where(g.K == 0, 7, g.X)),
    "rows and columns": (
        f"{LOOP}x[i, j] = T.if_then_else(R[by * 32 + i] != 0 and C[bx * 32 + j] != 0, x[i, j], 0)",
        lambda g: np.where((g.R[:, None] != 0) & (g.C != 0), g.X, 0)),
    "numbers": (f"{COPY}{LOOP}x[i, j] = x[i, j] + T.cast(k[i, j], 'float32')",
                lambda g: g.X + g.K),
    "a number per row": (f"{LOOP}x[i, j] = x[i, j] - T.cast(R[by * 32 + i], 'float32')",
                         lambda g: g.X - g.R[:, None].astype(np.float32)),
    "a copy": ("T.copy(K[by * 32, bx * 32], x)", lambda g: g.K.astype(np.float32)),
}  # fmt: skip
TRUTHS = {
    "the truth itself": (f"{COPY}{LOOP}x[i, j] = T.if_then_else(k[i, j], x[i, j], -1)",
                         lambda g: np.where(g.K, g.X, -1)),
    "of a tensor": (f"{LOOP}x[i, j] = T.if_then_else(K[{PLACES}], x[i, j], -1)",
                    lambda g: np.where(g.K, g.X, -1)),
    "joined": (f"{COPY}{LOOP}x[i, j] = T.if_then_else(k[i, j] and not R[by * 32 + i], 1, 0)",
               lambda g: (g.K & ~g.R[:, None]).astype(np.float32)),
    "alike": (f"{COPY}{LOOP}x[i, j] = T.if_then_else(k[i, j] == C[bx * 32 + j], 1, 0)",
              lambda g: (g.K == g.C).astype(np.float32)),
}  # fmt: skip


def source(lines: str, mask: str) -> Any:
    """A kernel on masks of a dtype; nothing is a whole number of tiles."""
    text = HEAD.format(mask=mask, lines=textwrap.indent(lines, " " * 8))
    return samples.from_text(text, "main")


def inputs(mask: str) -> dict[str, Any]:
    """Whole numbers, and masks with every byte from 0 to 255 in them."""
    rng = np.random.default_rng(0)
    shapes = {"K": (100, 72), "R": (100,), "C": (72,)}
    bytes_ = {n: rng.integers(0, 256, s) * rng.integers(0, 2, s) for n, s in shapes.items()}
    masks = {n: (v != 0) if mask == "bool" else v.astype(np.uint8) for n, v in bytes_.items()}
    return {"X": rng.integers(-50, 50, (100, 72)).astype(np.float32), **masks}


RUN = [(name, "uint8") for name in (*CASES, "alike")] + [
    (name, "bool") for name in (*CASES, *TRUTHS) if name != "a copy"
]


@pytest.mark.parametrize(("name", "mask"), RUN)
def test_masks_choose_as_in_numpy(name: str, mask: str) -> None:
    """Every element as NumPy has it, of bytes up to 255 and of truths, and no oracle disagrees."""
    lines, reference = {**CASES, **TRUTHS}[name]
    made = harness.compile(source(lines, mask))
    given = inputs(mask)
    result = execute(made.plan, made.programs, given)
    assert result.findings == ()
    assert (result.outputs["Y"] == reference(SimpleNamespace(**given))).all()
    assert harness.check(source(lines, mask), device="blackhole_p150").passed


def test_bytes_of_a_truth_beside_one_are_true() -> None:
    """Whatever is not zero counts as one, should the host keep other bytes for truths."""
    lines, _ = TRUTHS["alike"]
    made = harness.compile(source(lines, "bool"))
    given = inputs("uint8")
    found = execute(made.plan, made.programs, given).outputs["Y"]
    assert (found == ((given["K"] != 0) == (given["C"] != 0))).all()


WRITTEN = """
@T.prim_func
def main(X: T.Tensor((64, 64), "float32"), Y: T.Tensor((64, 64), "uint8")):
    with T.Kernel(2, 2) as (bx, by):
        x = T.alloc_fragment((32, 32), "float32")
        T.copy(X[by * 32, bx * 32], x)
        T.copy(x, Y[by * 32, bx * 32])
"""
SUM = f"{COPY}{LOOP}x[i, j] = T.if_then_else(k[i, j] + k[i, j] > 200, x[i, j], 0)"
REFUSED = [
    (source(SUM, "uint8"), {}, "arithmetic of uint8"),
    (source(CASES["a block"][0], "uint8"), {"fp32_dest": False}, "16-bit destination register"),
    (samples.from_text(WRITTEN, "main"), {}, "numbers of 'Y' that uint8 may not hold"),
    (samples.from_text(WRITTEN.replace("uint8", "bool"), "main"), {}, "only read"),
]


@pytest.mark.parametrize(("kernel", "options", "text"), REFUSED)
def test_what_bytes_do_not_do_is_refused(kernel: Any, options: Any, text: str) -> None:
    """Sums that would wrap, registers that hold no integers, numbers out of range, and truths."""
    with pytest.raises((CompileError, LanguageError), match=text) as caught:
        harness.compile(kernel, **options)
    assert caught.value.code == "UnsupportedDtype"
    assert caught.value.next_step
