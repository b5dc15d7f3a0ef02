"""Elements at computed places inside tiles: strides, shifts and pairs, of blocks and tensors."""

from __future__ import annotations

import textwrap
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import harness
from harness.errors import CompileError
from harness.fuzz.stages import validate
from simulator.run import execute
from tests.harness.compiler import samples

DEVICES = ["wormhole_n150", "blackhole_p150"]


def kernel(header: str, body: str) -> Any:
    """A kernel from its parameters and its body."""
    source = f"\n@T.prim_func\ndef main({header}):\n" + textwrap.indent(body, " " * 4) + "\n"
    return samples.from_text(source, "main")


def right(func: Any, device: str, given: dict[str, Any], wanted: dict[str, Any]) -> None:
    """Compiled, a kernel answers what NumPy says, after every pass, and as both readings of it."""
    made = harness.compile(func, device=device)
    shapes = {name: layout.logical_shape for name, layout in made.plan.layouts.items()}
    placed = {name: value.reshape(shapes[name]) for name, value in given.items()}
    result = execute(made.plan, made.programs, placed)
    assert result.findings == ()
    assert result.determinate
    for name, value in wanted.items():
        found = result.outputs[name].astype(np.float32)  # flat tensors lie as the matrix they are
        np.testing.assert_array_equal(found, value.reshape(shapes[name]))
    assert validate(made).name == ""
    for oracle in ("auto", "llvm"):
        verdict = harness.check(func, device=device, oracle=oracle)
        assert verdict.passed, (oracle, verdict.reason, verdict.findings)


def numbers(*shape: int) -> Any:
    """Small integers, which every dtype holds."""
    return np.random.default_rng(3).integers(-60, 60, shape).astype(np.float32)


def counted(index: str, i: Any, j: Any) -> Any:
    """The numbers an index is, with arrays for its variables."""
    return eval(index, {"i": i, "j": j})  # noqa: S307  (the text stands in this file)


MAPS = {
    "pairs, the even": ("i", "2 * j"),
    "pairs, the odd": ("i", "2 * j + 1"),
    "pairs exchanged": ("i", "j + 1 - 2 * (j % 2)"),
    "halves exchanged": ("i", "(j + 24) % 48"),
    "shifted": ("i", "j + 1"),
    "shifted by tiles and more": ("i", "j + 37"),
    "backwards": ("i", "95 - j"),
    "each twice": ("i", "j // 2"),
    "of groups": ("i", "j // 16"),
    "every other row": ("2 * i", "j"),
    "one row below": ("i + 1", "j"),
    "rows of one in two": ("i // 2", "i % 2 * 48 + j"),
    "rows exchanged": ("(i + 13) % 26", "j"),
    "both": ("2 * i + 1", "95 - 2 * j"),
}


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("where", ["block", "tensor"])
@pytest.mark.parametrize("name", MAPS)
def test_every_map(name: str, where: str, device: str) -> None:
    """A block of 26 rows and 48 columns takes of 53 and 96, wherever the index says."""
    row, col = MAPS[name]
    dtype = ["bfloat16", "float32", "float16"][len(name) % 3]
    read = {"block": f"x[{row}, {col}]", "tensor": f"X[b, {row}, {col}]"}[where]
    load = f"x = T.alloc_shared((53, 96), '{dtype}')\n    T.copy(X[b, :, :], x)\n    "
    func = kernel(
        f"X: T.Tensor((2, 53, 96), '{dtype}'), Y: T.Tensor((2, 26, 48), '{dtype}')",
        "with T.Kernel(2) as b:\n"
        f"    {load if where == 'block' else ''}y = T.alloc_fragment((26, 48), '{dtype}')\n"
        "    for i, j in T.Parallel(26, 48):\n"
        f"        y[i, j] = {read} * 2.0\n"
        "    T.copy(y, Y[b, :, :])")  # fmt: skip
    i, j = np.mgrid[:26, :48]
    X = numbers(2, 53, 96)
    r, c = (np.broadcast_to(counted(e, i, j), i.shape) for e in (row, col))
    right(func, device, {"X": X}, {"Y": 2 * X[:, r, c]})


@pytest.mark.parametrize("device", DEVICES)
def test_stencils_read_zero_beyond_a_tensor(device: str) -> None:
    """A tensor has zeros beside it, so a stencil over columns needs no condition."""
    func = kernel(
        "X: T.Tensor((40, 70), 'float32'), Y: T.Tensor((40, 70), 'float32')",
        "with T.Kernel(3, 2) as (x, y):\n"
        "    out = T.alloc_fragment((32, 32), 'float32')\n"
        "    for i, j in T.Parallel(32, 32):\n"
        "        out[i, j] = X[y * 32 + i, x * 32 + j - 1] + X[y * 32 + i, x * 32 + j + 1]\n"
        "    T.copy(out, Y[y * 32, x * 32])")  # fmt: skip
    X = numbers(40, 70)
    wide = np.pad(X, ((0, 0), (1, 1)))
    right(func, device, {"X": X}, {"Y": wide[:, :-2] + wide[:, 2:]})


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("taps", [4, 3])
def test_convolution_along_the_last_axis(taps: int, device: str) -> None:
    """A causal convolution: which columns are taken depends on a loop."""
    func = kernel(
        f"X: T.Tensor((2, 40, 80), 'bfloat16'), W: T.Tensor((40, {taps}), 'float32'),"
        " Y: T.Tensor((2, 40, 80), 'float32')",
        "with T.Kernel(3, 2, 2) as (x, y, b):\n"
        "    out = T.alloc_fragment((32, 32), 'float32')\n"
        f"    w = T.alloc_shared((32, {taps}), 'float32')\n"
        f"    T.copy(W[y * 32, 0], w)\n"
        "    T.clear(out)\n"
        f"    for k in T.serial({taps}):\n"
        "        for i, j in T.Parallel(32, 32):\n"
        f"            out[i, j] += w[i, k] * X[b, y * 32 + i, x * 32 + j + k - {taps - 1}]\n"
        "    T.copy(out, Y[b, y * 32, x * 32])")  # fmt: skip
    X, W = numbers(2, 40, 80), numbers(40, taps) % 4
    wide = np.pad(X, ((0, 0), (0, 0), (taps - 1, 0)))
    wanted = sum(W[None, :, k : k + 1] * wide[..., k : k + 80] for k in range(taps))
    right(func, device, {"X": X, "W": W}, {"Y": wanted})


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("start", [5, 16, 1, 95])
@pytest.mark.parametrize("dtype", ["bfloat16", "float32"])
def test_copies_from_any_column(start: int, dtype: str, device: str) -> None:
    """T.copy of columns that begin inside a run, into another dtype, beyond the edge zero."""
    func = kernel(
        f"X: T.Tensor((3, 40, 100), '{dtype}'), Y: T.Tensor((3, 40, 48), 'float32')",
        "with T.Kernel(3) as b:\n"
        "    x = T.alloc_fragment((40, 48), 'float32')\n"
        f"    T.copy(X[b, 0:40, {start} : {start} + 48], x)\n"
        "    T.copy(x, Y[b, 0:40, 0:48])")  # fmt: skip
    X = numbers(3, 40, 100)
    wanted = np.pad(X, ((0, 0), (0, 0), (0, 48)))[..., start : start + 48]
    right(func, device, {"X": X}, {"Y": wanted})


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", ["bfloat16", "float32"])
def test_stores_to_every_other_column(dtype: str, device: str) -> None:
    """Rotary embedding in pairs, as it is written: two stores that fill a block between them."""
    func = kernel(
        f"X: T.Tensor((40, 96), '{dtype}'), C: T.Tensor((40, 48), '{dtype}'),"
        f" Y: T.Tensor((40, 96), '{dtype}')",
        "with T.Kernel(2) as b:\n"
        f"    x = T.alloc_shared((32, 96), '{dtype}')\n"
        f"    c = T.alloc_shared((32, 48), '{dtype}')\n"
        f"    y = T.alloc_fragment((32, 96), '{dtype}')\n"
        "    T.copy(X[b * 32, 0], x)\n"
        "    T.copy(C[b * 32, 0], c)\n"
        "    for i, j in T.Parallel(32, 48):\n"
        "        y[i, 2 * j] = x[i, 2 * j] * c[i, j] - x[i, 2 * j + 1]\n"
        "        y[i, 2 * j + 1] = x[i, 2 * j] + x[i, 2 * j + 1] * c[i, j]\n"
        "    T.copy(y, Y[b * 32, 0])")  # fmt: skip
    X, C = numbers(40, 96) % 12, numbers(40, 48) % 6
    wanted = np.empty_like(X)
    wanted[:, ::2] = X[:, ::2] * C - X[:, 1::2]
    wanted[:, 1::2] = X[:, ::2] + X[:, 1::2] * C
    right(func, device, {"X": X, "C": C}, {"Y": wanted})


@pytest.mark.parametrize("options", [
    {"grid": (1, 1)}, {"grid": (2, 1), "double_buffer": False}, {"prefetch": False},
    {"grid": (1, 1), "double_buffer": False, "prefetch": False}, {"fp32_dest": False},
    {"device": "grayskull_e150", "fp32_dest": False},
])  # fmt: skip
def test_whatever_the_options(options: dict[str, Any]) -> None:
    """The reader waits for compute and compute for it, block after block, at any depth."""
    func = kernel(
        "X: T.Tensor((3, 40, 96), 'bfloat16'), Y: T.Tensor((3, 40, 96), 'bfloat16')",
        "with T.Kernel(2, 3) as (x, b):\n"
        "    y = T.alloc_fragment((32, 96), 'bfloat16')\n"
        "    for i, j in T.Parallel(32, 48):\n"
        "        y[i, 2 * j] = X[b, x * 32 + i, 2 * j + 1] * 2.0\n"
        "        y[i, 2 * j + 1] = y[i, 2 * j] + X[b, x * 32 + i, 2 * j]\n"
        "    T.copy(y, Y[b, x * 32, 0])")  # fmt: skip
    verdict = harness.check(func, **options)
    assert verdict.passed, (verdict.reason, verdict.findings)


@pytest.mark.parametrize("device", DEVICES)
def test_a_store_leaves_the_others_as_they_are(device: str) -> None:
    """What a strided store does not name keeps its value, over steps of a loop too."""
    func = kernel(
        "X: T.Tensor((32, 40), 'float32'), Y: T.Tensor((32, 80), 'float32')",
        "with T.Kernel(1):\n"
        "    x = T.alloc_shared((32, 40), 'float32')\n"
        "    y = T.alloc_fragment((32, 80), 'float32')\n"
        "    T.copy(X, x)\n"
        "    T.fill(y, 7.0)\n"
        "    for k in T.serial(3):\n"
        "        for i, j in T.Parallel(16, 40):\n"
        "            y[i * 2 + 1, j + k * 20] = x[i, j] + y[i * 2 + 1, j + k * 20]\n"
        "    T.copy(y, Y)")  # fmt: skip
    X = numbers(32, 40)
    wanted = np.full((32, 80), 7, np.float32)
    for k in range(3):
        wanted[1::2, k * 20 : k * 20 + 40] += X[:16]
    right(func, device, {"X": X}, {"Y": wanted})


@pytest.mark.parametrize("device", DEVICES)
def test_halves_chosen_by_condition(device: str) -> None:
    """Rotated halves: each side of a choice lies outside of its block where it is not chosen."""
    func = kernel(
        "X: T.Tensor((64, 80), 'bfloat16'), Y: T.Tensor((64, 80), 'bfloat16')",
        "with T.Kernel(2) as b:\n"
        "    x = T.alloc_shared((32, 80), 'bfloat16')\n"
        "    y = T.alloc_fragment((32, 80), 'bfloat16')\n"
        "    T.copy(X[b * 32, 0], x)\n"
        "    for i, j in T.Parallel(32, 80):\n"
        "        y[i, j] = x[i, j] + T.if_then_else(j < 40, -x[i, j + 40], x[i, j - 40])\n"
        "    T.copy(y, Y[b * 32, 0])")  # fmt: skip
    X = numbers(64, 80)
    wanted = X + np.concatenate([-X[:, 40:], X[:, :40]], axis=1)
    right(func, device, {"X": X}, {"Y": wanted})


@pytest.mark.parametrize("device", DEVICES)
def test_vectors(device: str) -> None:
    """Along one loop too: every other number of a row of numbers, and of a column of them."""
    func = kernel(
        "X: T.Tensor((64, 96), 'float32'), Y: T.Tensor((48,), 'float32'),"
        " Z: T.Tensor((32,), 'float32')",
        "with T.Kernel(1):\n"
        "    x = T.alloc_shared((64, 96), 'float32')\n"
        "    v = T.alloc_fragment((96,), 'float32')\n"
        "    w = T.alloc_fragment((64,), 'float32')\n"
        "    y = T.alloc_fragment((48,), 'float32')\n"
        "    z = T.alloc_fragment((32,), 'float32')\n"
        "    T.copy(X, x)\n"
        "    T.reduce_max(x, v, dim=0)\n"
        "    T.reduce_max(x, w, dim=1)\n"
        "    for j in T.Parallel(48):\n"
        "        y[j] = v[2 * j] - v[2 * j + 1]\n"
        "    for i in T.Parallel(32):\n"
        "        z[i] = w[63 - 2 * i] * 2.0\n"
        "    T.copy(y, Y)\n"
        "    T.copy(z, Z)")  # fmt: skip
    X = numbers(64, 96)
    top, best = X.max(0), X.max(1)
    right(func, device, {"X": X}, {"Y": top[::2] - top[1::2], "Z": best[::-1][::2] * 2})


@pytest.mark.parametrize("device", DEVICES)
def test_slices_inside_tiles(device: str) -> None:
    """Parts of a block from anywhere to anywhere: read, filled from a tensor, computed, summed."""
    func = kernel(
        "X: T.Tensor((64, 40), 'bfloat16'), Y: T.Tensor((64, 120), 'bfloat16'),"
        " S: T.Tensor((64,), 'float32')",
        "with T.Kernel(2) as b:\n"
        "    y = T.alloc_shared((32, 120), 'bfloat16')\n"
        "    t = T.alloc_shared((32, 40), 'bfloat16')\n"
        "    z = T.alloc_shared((20, 24), 'bfloat16')\n"
        "    s = T.alloc_fragment((32,), 'float32')\n"
        "    T.copy(X[b * 32, 0], y[:, 0:40])\n"
        "    for k in T.serial(2):\n"
        "        T.copy(y[:, k * 40 : k * 40 + 40], t)\n"
        "        T.copy(t, y[:, k * 40 + 40 : k * 40 + 80])\n"
        "    T.copy(y[5:25, 70:94], z)\n"
        "    for i, j in T.Parallel(20, 24):\n"
        "        y[i + 12, j + 1] = z[i, j] + y[i + 12, j + 1]\n"
        "    T.reduce_sum(y[:, 3:37], s, dim=1)\n"
        "    T.copy(y, Y[b * 32, 0])\n"
        "    T.copy(s, S[b * 32])")  # fmt: skip
    X = numbers(64, 40)
    Y = np.concatenate([X, X, X], axis=1).reshape(2, 32, 120)
    Y[:, 12:32, 1:25] += Y[:, 5:25, 70:94].copy()
    right(func, device, {"X": X}, {"Y": Y.reshape(64, 120), "S": Y[..., 3:37].sum(-1).reshape(64)})


COLUMNS = st.sampled_from(["j", "C - 1 - j", "(j + 5) % C", "j // 2", "j + 1 - 2 * (j % 2)", "0",
                           "j * 3 % C", "j // 2 * 2", "k % 4", "j // 8"])  # fmt: skip
ROWS = st.sampled_from(["i", "R - 1 - i", "(i + 7) % R", "i // 2", "0", "k"])
TARGETS = st.sampled_from([("i", "j", 1, 1), ("i", "2 * j + k % 2", 1, 2), ("2 * i + 1", "j", 2, 1),
                           ("R - 1 - i", "C - 1 - j", 1, 1), ("i", "j + 3", 1, 2)])  # fmt: skip


@given(
    st.lists(st.tuples(TARGETS, ROWS, COLUMNS, ROWS, COLUMNS), min_size=1, max_size=3),
    st.sampled_from([(32, 32), (20, 40), (16, 64)]), st.sampled_from(["bfloat16", "float32"]),
    st.sampled_from(DEVICES),
)  # fmt: skip
@settings(max_examples=settings().max_examples // 10)
def test_moves_one_after_another(
    moves: Any, shape: tuple[int, int], dtype: str, device: str
) -> None:  # fmt: skip
    """In a loop, between two blocks, over what earlier steps left: the reference answers alike."""
    R, C = shape
    body = []
    for number, ((row, col, down, right), *index) in enumerate(moves):
        into, out = ("x", "y") if number % 2 else ("y", "x")
        body.append(
            f"for i, j in T.Parallel({R // down}, {C // right}):\n"
            f"    {into}[{row}, {col}] = {out}[{index[0]}, {index[1]}] - {out}[{index[2]},"
            f" {index[3]}] * 0.5\n"
        )
    text = textwrap.indent("".join(body), " " * 8).replace("R", str(R)).replace("C", str(C))
    verdict = harness.check(kernel(
        f"X: T.Tensor((2, {R}, {C}), '{dtype}'), Y: T.Tensor((2, {R}, {C}), '{dtype}')",
        "with T.Kernel(2) as b:\n"
        f"    x = T.alloc_shared(({R}, {C}), '{dtype}')\n"
        f"    y = T.alloc_fragment(({R}, {C}), '{dtype}')\n"
        "    T.copy(X[b, :, :], x)\n"
        "    T.copy(x, y)\n"
        f"    for k in T.serial(3):\n{text}"
        "    T.copy(y, Y[b, :, :])"), device=device)  # fmt: skip
    assert verdict.passed, (verdict.reason, verdict.findings)


@pytest.mark.parametrize(
    ("store", "code"),
    [("y[i, j] = x[i, 3 * j]", "OutOfBounds"), ("y[i, j] = x[i, j + k]", "OutOfBounds"),
     ("y[i, j] = x[i, j - 1]", "OutOfBounds"), ("y[i, j // 2] = x[i, j]", "UnsupportedIndex"),
     ("y[i, j] = x[i, (j + k) // 2]", "UnsupportedIndex"),
     ("y[i, j] = x[i, i * j % 61]", "UnsupportedIndex")],
)  # fmt: skip
def test_refusals(store: str, code: str) -> None:
    """Outside of a block, twice to one place, and what has no even steps: at its line."""
    func = kernel(
        "X: T.Tensor((32, 64), 'float32'), Y: T.Tensor((32, 64), 'float32')",
        "with T.Kernel(1):\n"
        "    x = T.alloc_shared((32, 64), 'float32')\n"
        "    y = T.alloc_fragment((32, 64), 'float32')\n"
        "    T.copy(X, x)\n"
        "    T.clear(y)\n"
        "    for k in T.serial(2):\n"
        "        for i, j in T.Parallel(32, 64):\n"
        f"            {store}\n"
        "    T.copy(y, Y)")  # fmt: skip
    with pytest.raises(CompileError) as caught:
        harness.compile(func)
    assert caught.value.code == code
    assert caught.value.next_step
    assert ":11:" in str(caught.value.location), str(caught.value)


def test_blocks_below_a_tile_are_not_joined_over_moves() -> None:
    """Reversed within blocks of 16 columns is not reversed within the 32 two of them make."""
    func = kernel(
        "X: T.Tensor((32, 64), 'float32'), Y: T.Tensor((32, 64), 'float32')",
        "with T.Kernel(4) as b:\n"
        "    x = T.alloc_shared((32, 16), 'float32')\n"
        "    y = T.alloc_fragment((32, 16), 'float32')\n"
        "    T.copy(X[0, b * 16], x)\n"
        "    for i, j in T.Parallel(32, 16):\n"
        "        y[i, j] = x[i, 15 - j] + x[i, (j + 3) % 16]\n"
        "    T.copy(y, Y[0, b * 16])")  # fmt: skip
    X = numbers(32, 64)
    parts = X.reshape(32, 4, 16)
    wanted = (parts[..., ::-1] + np.roll(parts, -3, axis=-1)).reshape(32, 64)
    right(func, "wormhole_n150", {"X": X}, {"Y": wanted})
