"""Conditions and loop bounds that a tensor of indices decides, from source to numbers."""

from __future__ import annotations

import textwrap
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import harness
from golden import evaluate
from golden.formats import round_even
from harness.errors import CompileError
from harness.fuzz.stages import validate
from simulator.program import ops_of
from simulator.run import RunOptions, execute
from tests.harness.compiler import samples

SPARSE = """
@T.prim_func
def main(A: T.Tensor((96, 128), "bfloat16"), B: T.Tensor((128, 64), "bfloat16"),
         mask: T.Tensor((3, 2, 4), "int32"), C: T.Tensor((96, 64), "float32")):
    with T.Kernel(2, 3) as (bx, by):
        a = T.alloc_shared((32, 32), "bfloat16")
        b = T.alloc_shared((32, 32), "bfloat16")
        c = T.alloc_fragment((32, 32), "float32")
        T.clear(c)
        for k in T.Pipelined(4, num_stages=2):
            if mask[by, bx, k] != 0:
                T.copy(A[by * 32, k * 32], a)
                T.copy(B[k * 32, bx * 32], b)
                T.gemm(a, b, c)
        T.copy(c, C[by * 32, bx * 32])
"""

COUNTED = """
@T.prim_func
def main(X: T.Tensor((5, 128, 32), "bfloat16"), first: T.Tensor((5,), "int32"),
         count: T.Tensor((5,), "int32"), Y: T.Tensor((5, 32, 32), "float32")):
    with T.Kernel(5) as b:
        x = T.alloc_shared((32, 32), "bfloat16")
        y = T.alloc_fragment((32, 32), "float32")
        T.clear(y)
        for k in T.serial(first[b], first[b] + count[b]):
            T.copy(X[b, k * 32, 0], x)
            for i, j in T.Parallel(32, 32):
                y[i, j] += x[i, j]
        T.copy(y, Y[b, 0, 0])
"""

STORED = """
@T.prim_func
def main(X: T.Tensor((6, 32, 32), "bfloat16"), keep: T.Tensor((6,), "int32"),
         Y: T.Tensor((6, 32, 32), "bfloat16")):
    with T.Kernel(6) as b:
        x = T.alloc_shared((32, 32), "bfloat16")
        if keep[b] > 1:
            T.copy(X[b, 0, 0], x)
            T.copy(x, Y[b, 0, 0])
        else:
            T.fill(x, -1.0)
            if b > 0 and keep[b - 1] > 1:
                T.fill(x, -2.0)
            T.copy(x, Y[b, 0, 0])
"""
OPTIONS: list[dict[str, Any]] = [
    {}, {"grid": (2, 2)}, {"grid": (1, 1)}, {"strategy": "z_order"},
    {"device": "blackhole_p150", "double_buffer": False, "prefetch": False},
]  # fmt: skip


TRUTHS = SPARSE.replace('"int32")', '"bool")').replace("k] != 0:", "k] or by > 1:")

LIST = """T.clear(c)
        wanted = T.alloc_local((4,), "bool")
        for v in T.serial(4):
            wanted[v] = mask[by, bx, v]
"""


def run(text: str, given: dict[str, Any], **options: Any) -> Any:
    """The outputs of a simulation without findings, from which schedule does not matter."""
    made = harness.compile(samples.from_text(text, "main"), **options)
    result = execute(made.plan, made.programs, given)
    assert result.findings == ()
    assert result.determinate
    return result


@given(st.lists(st.integers(-1, 1), min_size=24, max_size=24), st.sampled_from(OPTIONS))
def test_blocks_are_skipped_where_the_mask_says(mask: list[int], options: dict[str, Any]) -> None:
    """A product leaves out the blocks its mask leaves out, core by core, and reads none of them."""
    rng = np.random.default_rng(0)
    A, B = (rng.integers(-3, 4, s).astype(np.float32) for s in ((96, 128), (128, 64)))
    blocks = np.reshape(mask, (3, 2, 4)).astype(np.int32)
    result = run(SPARSE, {"A": A, "B": B, "mask": blocks}, **options)
    kept = (blocks != 0).repeat(32, 0).repeat(32, 1).repeat(32, 2)
    assert (result.outputs["C"] == np.einsum("mk,kn,mnk->mn", A, B, kept)).all()
    asked = int((blocks != 0).sum()) * 2048
    read = result.stats.dram_read_bytes
    assert (read.get("A", 0), read.get("B", 0)) == (asked, asked)


@given(
    st.lists(st.tuples(st.integers(0, 4), st.integers(-2, 4)), min_size=5, max_size=5),
    st.sampled_from(OPTIONS),
)
def test_loops_run_as_often_as_a_table_says(
    bounds: list[tuple[int, int]], options: dict[str, Any]
) -> None:
    """Uneven loops, none and negative counts among them; what lies behind the tensor reads zero."""
    X = np.random.default_rng(1).integers(-9, 10, (5, 128, 32)).astype(np.float32)
    first, count = (np.array(column, np.int32) for column in zip(*bounds, strict=True))
    result = run(COUNTED, {"X": X, "first": first, "count": count}, **options)
    for b, (start, trips) in enumerate(bounds):
        blocks = X[b].reshape(4, 32, 32)[start : start + max(trips, 0)]
        assert (result.outputs["Y"][b] == blocks.sum(0)).all()


@given(st.lists(st.integers(0, 3), min_size=6, max_size=6), st.sampled_from(OPTIONS))
def test_both_sides_of_a_decision_are_stored(keep: list[int], options: dict[str, Any]) -> None:
    """The writer decides as reader and compute do; ``b > 0`` keeps ``keep[b - 1]`` in its table."""
    X = np.random.default_rng(2).standard_normal((6, 32, 32)).astype(np.float32)
    result = run(STORED, {"X": X, "keep": np.array(keep, np.int32)}, **options)
    for b, kept in enumerate(keep):
        other = -2.0 if b and keep[b - 1] > 1 else -1.0
        want = round_even(X[b], "bfloat16") if kept > 1 else np.full((32, 32), other)
        assert (result.outputs["Y"][b] == want).all()


@given(st.lists(st.booleans(), min_size=24, max_size=24), st.booleans())
def test_masks_may_be_of_bool(mask: list[bool], lists: bool) -> None:
    """Truths decide as they are, asked of the tensor or of a list on chip, and golden agrees."""
    text = TRUTHS
    if lists:
        text = text.replace("mask[by, bx, k] or", "wanted[k] or").replace("T.clear(c)\n", LIST)
    rng = np.random.default_rng(0)
    A, B = (rng.integers(-3, 4, s).astype(np.float32) for s in ((96, 128), (128, 64)))
    blocks = np.reshape(mask, (3, 2, 4))
    given = {"A": A, "B": B, "mask": blocks}
    kept = (blocks | (np.arange(3) > 1)[:, None, None]).repeat(32, 0).repeat(32, 1).repeat(32, 2)
    want = np.einsum("mk,kn,mnk->mn", A, B, kept)
    assert (run(text, given).outputs["C"] == want).all()
    judged = evaluate(samples.from_text(text, "main"), given).outputs["C"]
    assert (judged.answer.value == want).all()


@pytest.mark.parametrize("text", [SPARSE, COUNTED, STORED, TRUTHS])
@pytest.mark.parametrize("device", ["wormhole_n150", "blackhole_p150"])
def test_decisions_are_judged_by_every_oracle(text: str, device: str) -> None:
    """Drawn tables take both ways, and each pass keeps what the source means."""
    func = samples.from_text(text, "main")
    for oracle in ("exact", "bound"):
        verdict = harness.check(func, oracle=oracle, device=device)
        assert verdict.passed, (verdict.reason, verdict.findings)
    blame = validate(harness.compile(func, device=device))
    assert not blame.reason, blame


def test_the_parts_of_the_compute_trio_decide_alike() -> None:
    """With a cursor for each RISC, math and packer take what the unpacker tells them."""
    made = harness.compile(samples.from_text(SPARSE, "main"), grid=(2, 1))
    A, B = (np.ones(s, np.float32) for s in ((96, 128), (128, 64)))
    mask = np.arange(24, dtype=np.int32).reshape(3, 2, 4) % 3
    given = {"A": A, "B": B, "mask": mask}
    apart = execute(made.plan, made.programs, given, RunOptions(cursors=True))
    assert apart.findings == ()
    assert (apart.outputs["C"][::32, ::32] == 32 * (mask != 0).sum(-1)).all()


def test_sums_of_products_that_are_left_out_stay_in_the_destination_register() -> None:
    """A skipped product costs nothing, and the others no way through memory: packed once."""
    made = harness.compile(samples.from_text(SPARSE, "main"))
    compute = next(p for p in made.programs.programs if p.thread == "compute")
    names = [op.name for op in ops_of(compute.body)]
    assert "copy_tile" not in names
    assert (names.count("matmul_tiles"), names.count("pack_tile")) == (1, 1)


TIMES = """
@T.prim_func
def main(A: T.Tensor((128, 256), "bfloat16"), t: T.Tensor({shape}, "int32"),
         C: T.Tensor((128, 32), "float32")):
    with T.Kernel(4) as by:
        a = T.alloc_shared((32, 32), "bfloat16")
        c = T.alloc_fragment((32, 32), "float32")
        T.clear(c)
{lines}
                    T.copy(A[by * 32, k * 32], a)
                    for i, j in T.Parallel(32, 32):
                        c[i, j] += a[i, j]
        T.copy(c, C[by * 32, 0])
"""


@pytest.mark.parametrize(
    ("shape", "lines", "rows"),
    [
        ((4, 8), ["for k in T.serial(8):", "    if t[by, k] > 0:"], 4),
        ((4, 8), ["for k in T.serial(8):", "    if t[k % 4, by] > 0:"], 4 * 8),
        ((3, 8), ["if by < 3:", "    for k in T.serial(8):", "        if t[by, k] > 0:"], 3),
        ((3, 8), ["for k in T.serial(8):", "    if by < 3:", "        if t[by, k] > 0:"], 3 * 8),
        ((4, 2), ["if True:", "    for k in T.serial(t[by, 0] - t[by, 1], t[by, 0]):"], 4),
        ((4, 2), ["for k in T.serial(t[by, 0]):", "    if t[by, 1] > k:"], 4 * 2),  # two questions
        ((2, 4), ["for k in T.serial(t[0, by]):", "    if t[1, by] > k:"], 4 * 2),
    ],
)
@pytest.mark.parametrize("device", ["wormhole_n150", "blackhole_p150"])
def test_rows_are_read_no_more_often_than_they_differ(
    shape: tuple[int, int], lines: list[str], rows: int, device: str
) -> None:
    """Once ahead of a loop for all that is asked of it, in every iteration only if it is another.

    Reader and compute get a copy each, of 32 bytes, or 64.
    """
    text = TIMES.format(shape=shape, lines=textwrap.indent("\n".join(lines), " " * 8))
    func = samples.from_text(text, "main")
    assert harness.check(func, device=device).passed
    A = np.ones((128, 256), np.float32)
    read = run(text, {"A": A, "t": np.ones(shape, np.int32)}, device=device).stats.dram_read_bytes
    assert read["t"] == 2 * rows * (32 if device == "wormhole_n150" else 64)


def test_cores_that_decide_for_themselves_share_nothing() -> None:
    """Multicast under such a condition would leave senders and receivers waiting."""
    with pytest.raises(CompileError, match="different numbers of steps") as caught:
        harness.compile(samples.from_text(SPARSE, "main"), grid=(2, 3), strategy="block",
                        multicast=True)  # fmt: skip
    assert caught.value.code == "NoMulticast"


HEAD = """
@T.prim_func
def main(X: T.Tensor((64, 64), "bfloat16"), t: T.Tensor((4, 4), "{dtype}"),
         Y: T.Tensor((64, 64), "bfloat16")):
    with T.Kernel(2) as bx:
        x = T.alloc_shared((32, 64), "bfloat16")
        T.copy(X[bx * 32, 0], x)
{lines}
        T.copy(x, Y[bx * 32, 0])
"""
REFUSED = [
    ("if x[0, 0] > 0.0:  #\n    T.clear(x)", "int32", "DataDependent", "what they compute"),
    ("if t[bx, 0] > 0:  #\n    T.clear(x)", "float32", "UnsupportedIndex", "holds float32"),
    ("if t[bx, bx + 3] > 0:  #\n    T.clear(x)", "int32", "OutOfBounds", "may lie outside its 4"),
    ("if t[bx, bx - 1] > 0:  #\n    T.clear(x)", "int32", "OutOfBounds", "may lie outside its 4"),
    ("if t[bx - 1, 0] > 0:  #\n    T.clear(x)", "int32", "OutOfBounds", "may lie outside its 4"),
    ("if t[bx + 3, 0] > 0:  #\n    T.clear(x)", "int32", "OutOfBounds", "may lie outside its 4"),
]


@pytest.mark.parametrize(("lines", "dtype", "code", "text"), REFUSED)
def test_other_decisions_are_refused_at_their_line(
    lines: str, dtype: str, code: str, text: str
) -> None:
    """Blocks, reals and places outside the table decide nothing; line and way out are told."""
    source = HEAD.format(dtype=dtype, lines=textwrap.indent(lines, " " * 8))
    with pytest.raises(CompileError) as caught:
        harness.compile(samples.from_text(source, "main"))
    error = caught.value
    assert error.code == code, str(error)
    assert text in str(error)
    assert error.next_step
    line = next(n for n, text in enumerate(source.split("\n"), 1) if text.endswith("#"))
    assert f":{line}:" in str(error.location), str(error)
