"""Blocks that begin or end inside tiles: moved in pieces, and done in turn where written."""

from __future__ import annotations

import textwrap
from typing import Any

import numpy as np
import pytest

import harness
import harness.language as T
from harness.errors import CompileError
from harness.kernels.attention import flash_attention
from tests.harness.compiler import samples

DEVICES = ["wormhole_n150", "blackhole_p150"]


def right(kernel: Any, device: str = "wormhole_n150") -> harness.Artifact:
    """The artifact of a kernel, which answers what its source says."""
    verdict = harness.check(kernel, device=device)
    assert verdict.passed, (verdict.reason, verdict.findings)
    return harness.compile(kernel, device=device)


def text(header: str, body: str) -> Any:
    """A kernel from its parameters and its body."""
    source = f"\n@T.prim_func\ndef main({header}):\n" + textwrap.indent(body, " " * 4) + "\n"
    return samples.from_text(source, "main")


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(
    ("rows", "keys", "length", "causal"),
    [(64, 48, 192, False), (48, 80, 240, False), (48, 48, 200, False), (40, 40, 160, False),
     (48, 48, 192, True), (48, 32, 144, True), (16, 64, 96, True)],
)  # fmt: skip
def test_attention_in_blocks_of_no_whole_tiles(
    rows: int, keys: int, length: int, causal: bool, device: str
) -> None:  # fmt: skip
    """Blocks of queries and keys may have any rows; causal ones know where they stand."""
    right(flash_attention(heads=1, seq_len=length, dim=32, block_M=rows, block_N=keys,
                          is_causal=causal), device)  # fmt: skip


STEPS = {
    "a sum per step": "T.reduce_sum(a, r, dim=1)\nfor i, j in T.Parallel(32, 32):\n"
                      "    c[i, j] += r[i]",
    "the last product alone": "T.gemm(a, b, c, clear_accum=True)",
    "a product now and then": "if k > 0:\n    T.gemm(a, b, c)",
    "a count of steps": "for i, j in T.Parallel(32, 32):\n    c[i, j] += 1.0",
    "the place in K": "for i, j in T.Parallel(32, 16):\n    a[i, j] = a[i, j] * k\n"
                      "T.gemm(a, b, c)",
    "a tail that is not zero": "for i, j in T.Parallel(32, 16):\n    a[i, j] = a[i, j] + 1.0\n"
                               "for i, j in T.Parallel(16, 32):\n    b[i, j] = b[i, j] + 1.0\n"
                               "T.gemm(a, b, c)",
}  # fmt: skip


@pytest.mark.parametrize("what", STEPS)
def test_steps_below_a_tile_that_are_no_sum_are_taken_one_by_one(what: str) -> None:
    """K blocks below a tile are joined only where the joined steps give the same sum."""
    right(text(
        "A: T.Tensor((64, 80), 'bfloat16'), B: T.Tensor((80, 64), 'bfloat16'),"
        " C: T.Tensor((64, 64), 'float32')",
        "with T.Kernel(2, 2) as (x, y):\n"
        "    a = T.alloc_shared((32, 16), 'bfloat16')\n"
        "    b = T.alloc_shared((16, 32), 'bfloat16')\n"
        "    c = T.alloc_fragment((32, 32), 'float32')\n"
        "    r = T.alloc_fragment((32,), 'float32')\n"
        "    T.clear(c)\n"
        "    for k in T.serial(5):\n"
        "        T.copy(A[y * 32, k * 16], a)\n"
        "        T.copy(B[k * 16, x * 32], b)\n"
        f"{textwrap.indent(STEPS[what], ' ' * 8)}\n"
        "    T.copy(c, C[y * 32, x * 32])"))  # fmt: skip


@pytest.mark.parametrize(("trans_a", "trans_b"), [(0, 0), (1, 0), (0, 1), (1, 1)])
def test_steps_below_a_tile_are_joined_however_operands_lie(trans_a: int, trans_b: int) -> None:
    """Four steps of 16 are two products of tiles, whether an operand is transposed or not."""
    a, b = ((16, 32) if trans_a else (32, 16)), ((32, 16) if trans_b else (16, 32))
    whole_a, whole_b = (tuple(64 if n == 16 else n for n in shape) for shape in (a, b))
    first = "A[k * 16, 0]" if trans_a else "A[0, k * 16]"
    second = "B[0, k * 16]" if trans_b else "B[k * 16, 0]"
    verdict = harness.check(text(
        f"A: T.Tensor({whole_a}, 'bfloat16'), B: T.Tensor({whole_b}, 'bfloat16'),"
        " C: T.Tensor((32, 32), 'float32')",
        "with T.Kernel(1):\n"
        f"    a = T.alloc_shared({a}, 'bfloat16')\n"
        f"    b = T.alloc_shared({b}, 'bfloat16')\n"
        "    c = T.alloc_fragment((32, 32), 'float32')\n"
        "    T.clear(c)\n"
        "    for k in T.serial(4):\n"
        f"        T.copy({first}, a)\n"
        f"        T.copy({second}, b)\n"
        f"        T.gemm(a, b, c, {bool(trans_a)}, {bool(trans_b)})\n"
        "    T.copy(c, C)"))  # fmt: skip
    assert verdict.passed, (verdict.reason, verdict.findings)
    assert verdict.stats["tile_ops"]["matmul_tiles"] == 2


@pytest.mark.parametrize("steps", [3, 4])
def test_steps_below_a_tile_end_where_the_loop_does(steps: int) -> None:
    """Steps that are no whole tiles together are not joined to more than the loop sums."""
    right(text(
        "A: T.Tensor((32, 96), 'bfloat16'), B: T.Tensor((96, 32), 'bfloat16'),"
        " C: T.Tensor((32, 32), 'float32')",
        "with T.Kernel(1):\n"
        "    a = T.alloc_shared((32, 16), 'bfloat16')\n"
        "    b = T.alloc_shared((16, 32), 'bfloat16')\n"
        "    c = T.alloc_fragment((32, 32), 'float32')\n"
        "    T.clear(c)\n"
        f"    for k in T.serial({steps}):\n"
        "        T.copy(A[0, k * 16], a)\n"
        "        T.copy(B[k * 16, 0], b)\n"
        "        T.gemm(a, b, c)\n"
        "    T.copy(c, C)"))  # fmt: skip


@pytest.mark.parametrize("device", DEVICES)
def test_an_axis_that_also_moves_by_tiles(device: str) -> None:
    """Half a tile of a tensor per block beside whole tiles of another: joined, tiles were lost."""
    right(text(
        "A: T.Tensor((64, 128), 'float32'), S: T.Tensor((64, 64), 'float32'),"
        " B: T.Tensor((64, 64), 'float32'), C: T.Tensor((64, 128), 'float32')",
        "with T.Kernel(4, 2) as (x, y):\n"
        "    s = T.alloc_shared((32, 16), 'float32')\n"
        "    t = T.alloc_shared((32, 32), 'float32')\n"
        "    T.copy(S[y * 32, x * 16], s)\n"
        "    T.copy(s, B[y * 32, x * 16])\n"
        "    T.copy(A[y * 32, x * 32], t)\n"
        "    T.copy(t, C[y * 32, x * 32])\n"), device)  # fmt: skip


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("rows", [16, 48])
def test_what_blocks_leave_of_a_tile_stays(rows: int, device: str) -> None:
    """Three blocks end inside a tile; joined to four they wrote rows the source leaves alone."""
    kernel = text(
        "A: T.Tensor((256, 64), 'bfloat16'), B: T.Tensor((256, 64), 'bfloat16')",
        f"with T.Kernel(3) as y:\n    s = T.alloc_shared(({rows}, 64), 'bfloat16')\n"
        f"    T.copy(A[y * {rows}, 0], s)\n    T.copy(s, B[y * {rows}, 0])")  # fmt: skip
    a = (np.arange(256 * 64).reshape(256, 64) % 251).astype(np.float32)
    before = np.full((256, 64), -7.0, np.float32)
    got = right(kernel, device).run({"A": a, "B": before}).outputs["B"].astype(np.float64)
    np.testing.assert_array_equal(got[: 3 * rows], a[: 3 * rows])
    np.testing.assert_array_equal(got[3 * rows :], before[3 * rows :])


@pytest.mark.parametrize("dtype", ["bfloat16", "float32"])
@pytest.mark.parametrize(
    ("start", "step"), [(0, 17), (-8, 40), (3, 32), (90, 24)], ids=["odd", "before", "late", "end"]
)
def test_rows_are_read_from_anywhere(start: int, step: int, dtype: str) -> None:
    """Rows before and behind a tensor, whose own end lies inside a tile, are zero."""
    kernel = text(
        f"A: T.Tensor((117, 72), '{dtype}'), B: T.Tensor((96, 72), '{dtype}')",
        f"with T.Kernel(3) as y:\n    s = T.alloc_shared((32, 72), '{dtype}')\n"
        f"    T.copy(A[y * {step} + {start}, 0], s)\n    T.copy(s, B[y * 32, 0])")  # fmt: skip
    a = (1 + np.arange(117 * 72).reshape(117, 72) % 127).astype(np.float32)
    around = np.pad(a, ((40, 200), (0, 0)))
    wanted = [around[40 + start + y * step :][:32] for y in range(3)]
    got = right(kernel).run({"A": a}).outputs["B"].astype(np.float64)
    np.testing.assert_array_equal(got, np.concatenate(wanted))


def test_columns_begin_at_multiples_of_16() -> None:
    """A block at columns 16, 64 and 112 of 100 is read, zero where there are none."""
    kernel = text(
        "A: T.Tensor((32, 100), 'bfloat16'), B: T.Tensor((32, 144), 'bfloat16')",
        "with T.Kernel(3) as x:\n    s = T.alloc_shared((32, 48), 'bfloat16')\n"
        "    T.copy(A[0, x * 48 + 16], s)\n    T.copy(s, B[0, x * 48])")  # fmt: skip
    a = (1 + np.arange(32 * 100).reshape(32, 100) % 113).astype(np.float32)
    got = right(kernel).run({"A": a}).outputs["B"].astype(np.float64)
    np.testing.assert_array_equal(got, np.pad(a, ((0, 0), (0, 60)))[:, 16:])


def test_halves_of_a_tile_are_written_one_after_the_other() -> None:
    """Two stores of 16 rows make a tile; neither takes the other's."""
    right(text(
        "A: T.Tensor((64, 32), 'bfloat16'), B: T.Tensor((64, 32), 'bfloat16')",
        "with T.Kernel(2) as y:\n    s = T.alloc_shared((16, 32), 'bfloat16')\n"
        "    t = T.alloc_shared((16, 32), 'bfloat16')\n"
        "    T.copy(A[y * 32, 0], s)\n    T.copy(A[y * 32 + 16, 0], t)\n"
        "    T.copy(s, B[y * 32 + 16, 0])\n    T.copy(t, B[y * 32, 0])"))  # fmt: skip


REFUSED = {
    "columns that move inside rows of faces": (
        "x", "T.copy(A[0, x * 32], s)\n    T.copy(s, B[0, x * 40])", "advance by 40"),
    "a block that may be the one before": (
        "y", "if y > 0:\n        T.copy(A[y * 48, 0], s)\n    T.copy(s, B[y * 48, 0])", "filled"),
    "rows two blocks write": (
        "y", "T.copy(A[y * 32, 0], s)\n    T.copy(s, B[y * 24, 0])", "the same elements"),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_moved_in_pieces_is_refused(what: str) -> None:
    """Columns elsewhere, blocks that depend on each other, or that write over each other."""
    axis, body, words = REFUSED[what]
    kernel = text("A: T.Tensor((96, 128), 'bfloat16'), B: T.Tensor((96, 128), 'bfloat16')",
                  f"with T.Kernel(3) as {axis}:\n    s = T.alloc_shared((32, 32), 'bfloat16')\n"
                  f"    {body}")  # fmt: skip
    with pytest.raises(CompileError, match=words) as caught:
        harness.compile(kernel)
    assert caught.value.location
    assert caught.value.next_step


def test_rows_below_what_this_device_reads_come_in_spans() -> None:
    """Blackhole reads 64 bytes at a time: two rows of bfloat16, and one of float32."""

    def make(dtype: str, start: int) -> Any:
        @T.prim_func
        def main(A: T.Tensor((99, 40), dtype), B: T.Tensor((96, 40), dtype)):
            with T.Kernel(3) as y:
                s = T.alloc_shared((32, 40), dtype)
                T.copy(A[y * 32 + start, 0], s)
                T.copy(s, B[y * 32, 0])

        return main

    for start in (3, -5, 2, 90):
        for dtype in ("float32", "bfloat16", "float16"):
            made = right(make(dtype, start), "blackhole_p150")
            (reader,) = (p for p in made.programs.programs if p.name == "reader")
            bounces = "copy_l1" in str(reader)
            assert bounces is (dtype != "float32" and start % 2 != 0)


def beside(test: str, grid: str = "2, 2, 3") -> Any:
    """Each block writes its own part of O; those for which ``test`` holds write C as well."""
    return text(
        "X: T.Tensor((64, 64), 'float32'), O: T.Tensor((3, 64, 64), 'float32'),"
        " C: T.Tensor((64,), 'float32')",
        f"with T.Kernel({grid}) as (x, y, z):\n"
        "    q = T.alloc_fragment((32, 32), 'float32')\n"
        "    v = T.alloc_fragment((32,), 'float32')\n"
        "    T.copy(X[y * 32, x * 32], q)\n"
        "    T.copy(q, O[z, y * 32, x * 32])\n"
        "    T.reduce_sum(q, v, dim=1)\n"
        f"    if {test}:\n        T.copy(v, C[y * 32])")  # fmt: skip


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("test", ["T.And(x == 0, z == 2)", "T.And(x > 0, z * 2 < 1)"])
def test_one_block_writes_for_all(test: str, device: str) -> None:
    """Blocks along the axes that a condition picks one of are done in turn by one core."""
    made = right(beside(test), device)
    assert made.plan.coalesce == (2, 1, 3)


@pytest.mark.parametrize(
    "test", ["x == 0", "z == 1", "T.And(x == 0, z < 2)", "T.Or(x == 0, z > 1)"]
)
def test_two_blocks_that_write_for_all_are_refused(test: str) -> None:
    """A condition that several blocks meet leaves open which of them is the last."""
    with pytest.raises(CompileError) as caught:
        harness.compile(beside(test))
    assert caught.value.code == "OverlappingWrites"
    assert caught.value.location


@pytest.mark.parametrize("filled", [8, 4])
def test_a_block_of_one_column_is_filled_by_a_loop_over_its_rows(filled: int) -> None:
    """In blocks done in turn its elements are all written before they are read, or they are not."""
    body = f"""
with T.Kernel(2, 4) as (bx, by):
    a = T.alloc_shared((8, 96), "bfloat16")
    v = T.alloc_fragment((8,), "float32")
    q = T.alloc_fragment((8, 1), "float32")
    T.copy(A[by * 8, bx * 96], a)
    T.reduce_min(a, v, dim=1)
    for i in T.Parallel({filled}):
        q[i, 0] = v[i] + 1.0
    for i, j in T.Parallel(8, 96):
        if by * 4 + i > 5:
            a[i, j] = a[i, j] - q[i, 0]
    T.copy(a, C[by * 8, bx * 96])
"""
    kernel = text('A: T.Tensor((32, 192), "bfloat16"), C: T.Tensor((32, 192), "bfloat16")', body)
    if filled == 8:
        right(kernel)
        return
    with pytest.raises(CompileError, match="'q' may be used before it is filled"):
        harness.compile(kernel)


@pytest.mark.parametrize("device", DEVICES)
def test_groups_of_a_few_channels_take_their_factors_from_anywhere(device: str) -> None:
    """Blocks of three rows, each with three numbers of a vector that begin inside faces."""
    right(text(
        "X: T.Tensor((12, 40), 'float32'), W: T.Tensor((12,), 'float32'),"
        " Y: T.Tensor((12, 40), 'float32')",
        "with T.Kernel(4) as g:\n"
        "    x = T.alloc_fragment((3, 40), 'float32')\n"
        "    rows = T.alloc_fragment((3,), 'float32')\n"
        "    all = T.alloc_fragment((1,), 'float32')\n"
        "    T.copy(X[g * 3, 0], x)\n"
        "    T.reduce_max(x, rows, dim=1)\n"
        "    T.reduce_max(rows, all, dim=0)\n"
        "    for i, j in T.Parallel(3, 40):\n"
        "        Y[g * 3 + i, j] = (x[i, j] - all[0]) * W[g * 3 + i]\n"), device)  # fmt: skip
