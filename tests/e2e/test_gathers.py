"""Blocks that tensors of indices choose, from source to numbers, and gathers that are refused."""

from __future__ import annotations

import textwrap
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import harness
from golden import GoldenError, evaluate
from golden.formats import round_even
from harness.compiler import annotate_tt_layout, annotate_tt_schedule, attrs
from harness.compiler.diagnostics import as_module
from harness.compiler.passes.infer_layout import InferTTLayout
from harness.errors import CompileError, LanguageError
from harness.fuzz.stages import validate
from simulator.run import RunOptions, execute
from tests.harness.compiler import samples

TWO = """
@T.prim_func
def main(K: T.Tensor((9, 32, 64), "bfloat16"), table: T.Tensor((6, 3), "int32"),
         other: T.Tensor((6,), "int32"), Y: T.Tensor((6, 3, 32, 64), "bfloat16"),
         Z: T.Tensor((6, 32, 64), "bfloat16")):
    with T.Kernel(6) as bx:
        k = T.alloc_shared((32, 64), "bfloat16")
        z = T.alloc_shared((32, 64), "bfloat16")
        for j in T.serial(3):
            page = table[bx, j] * 2
            T.copy(K[page + 1, :, :], k)
            T.copy(k, Y[bx, j, :, :])
        T.copy(K[other[bx], :, :], z)
        T.copy(z, Z[bx, :, :])
"""


def two_tables(**options: Any) -> Any:
    """Y is gathered by an index computed from one table, Z by another, six blocks."""
    return harness.compile(samples.from_text(TWO, "main"), **options)


def inputs(table: Any, other: Any) -> dict[str, Any]:
    """K with another number in every element, and the tables."""
    K = np.random.default_rng(0).standard_normal((9, 32, 64)).astype(np.float32)
    return {"K": K, "table": np.array(table, np.int32), "other": np.array(other, np.int32)}


@given(
    st.lists(st.integers(0, 3), min_size=18, max_size=18),
    st.lists(st.integers(0, 8), min_size=6, max_size=6),
    st.sampled_from([{}, {"grid": (2, 2)}, {"grid": (1, 1)}, {"strategy": "z_order"}, {
        "device": "blackhole_p150", "double_buffer": False, "prefetch": False}]),
)  # fmt: skip
def test_every_block_gathers_by_its_own_indices(
    table: list[int], other: list[int], options: dict[str, Any]
) -> None:
    """Two tables, index arithmetic, several blocks per core and cores per group: every element."""
    made = two_tables(**options)
    given = inputs(np.reshape(table, (6, 3)), other)
    result = execute(made.plan, made.programs, given)
    assert result.findings == ()
    assert result.determinate
    pages = round_even(given["K"], "bfloat16")
    assert (result.outputs["Y"] == pages[given["table"] * 2 + 1]).all()
    assert (result.outputs["Z"] == pages[given["other"]]).all()


def test_bytes_of_tables_are_counted() -> None:
    """A lookup reads one aligned row, a gather whole pages: no more, no less."""
    made = two_tables()
    stats = execute(made.plan, made.programs, inputs(np.ones((6, 3)), np.ones(6))).stats
    assert stats.dram_read_bytes == {"K": 24 * 2 * 2048, "table": 18 * 32, "other": 6 * 32}
    layouts = made.plan.layouts
    assert layouts["table"].tile_shape == layouts["other"].tile_shape == (1, 8)


@pytest.mark.parametrize(("bad", "page"), [(4, 18), (-1, -2), (2**30, 2**33 // 2 + 2)])
def test_an_index_out_of_range_is_found_at_its_line(bad: int, page: int) -> None:
    """The simulator names core, tensor and line; the golden refuses to say what is right."""
    table = np.zeros((6, 3), int)
    table[4, 2] = bad
    made = two_tables(grid=(3, 1))
    result = execute(made.plan, made.programs, inputs(table, np.zeros(6)))
    (found,) = result.findings
    assert (found.code, found.core) == ("OutOfBounds", (2, 0))
    assert f"page {page} of tensor K, which has 18" in found.message
    assert str(found.location).endswith(":11:13")
    with pytest.raises(GoldenError, match="a tensor of indices places a copy") as caught:
        evaluate(made.source, inputs(table, np.zeros(6)))
    assert caught.value.code == "InvalidInputs"


@pytest.mark.parametrize("oracle", ["auto", "exact", "tagged", "bound"])
@pytest.mark.parametrize("options", [{}, {"grid": (2, 1)}, {"device": "blackhole_p150"}])
def test_every_oracle_draws_indices_in_range(oracle: str, options: dict[str, Any]) -> None:
    """Drawn indices follow from their use, so that verdicts are about the kernel."""
    verdict = harness.check(samples.from_text(TWO, "main"), oracle=oracle, **options)
    assert verdict.passed, (verdict.reason, verdict.findings)


def test_passes_keep_the_meaning_of_gathers() -> None:
    """Each pass's IR, executed by other means, answers what the source answers."""
    for device in ("wormhole_n150", "blackhole_p150"):
        blame = validate(two_tables(device=device))
        assert not blame.reason, blame


def test_cores_that_choose_their_own_blocks_share_none() -> None:
    """Multicast takes what a row of cores surely shares: X here, never what indices choose."""
    text = """
    @T.prim_func
    def main(X: T.Tensor((64, 64), "bfloat16"), W: T.Tensor((5, 64, 64), "bfloat16"),
             e: T.Tensor((2,), "int32"), Y: T.Tensor((2, 64, 64), "bfloat16")):
        with T.Kernel(2, 2) as (bx, by):
            x = T.alloc_shared((32, 64), "bfloat16")
            w = T.alloc_shared((64, 64), "bfloat16")
            y = T.alloc_fragment((32, 64), "float32")
            T.copy(X[by * 32, 0], x)
            T.copy(W[e[bx], :, :], w)
            T.gemm(x, w, y, clear_accum=True)
            T.copy(y, Y[bx, by * 32, 0])
    """
    func = samples.from_text(textwrap.dedent(text), "main")
    made = harness.compile(func, grid=(2, 2), strategy="block", multicast=True)
    X, W = (np.random.default_rng(1).integers(-2, 3, s).astype(np.float32)
            for s in ((64, 64), (5, 64, 64)))  # fmt: skip
    e = np.array([4, 1], np.int32)
    result = execute(made.plan, made.programs, {"X": X, "W": W, "e": e})
    assert result.findings == ()
    assert (result.outputs["Y"] == X @ W[e]).all()
    assert result.stats.multicast_bytes == 2 * 2 * 2048
    assert result.stats.dram_read_bytes["W"] == 4 * 4 * 2048


MODULO = """
@T.prim_func
def main(G: T.Tensor((64, 64), "bfloat16"), rows: T.Tensor((2, 1), "int32"),
         Y: T.Tensor((64, 64), "bfloat16")):
    with T.Kernel(1, 2) as (bx, by):
        g = T.alloc_shared((32, 64), "bfloat16")
        for k in T.serial(1):
            row = rows[by, k] % 2
            T.copy(G[row * 32, bx * 64], g)
        T.copy(g, Y[by * 32, bx * 64])
"""


def test_a_partition_of_ones_own_is_of_the_grid_as_written() -> None:
    """What a table is asked for numbers no blocks: axes of one block stay where they are."""
    func = samples.from_text(MODULO, "main")
    items = {"(0,0)": [{"io": 1, "jo": 0}], "(1,0)": [{"io": 0, "jo": 0}]}
    dealt = annotate_tt_schedule(func, {"work_partition": items})
    made = harness.compile(dealt, grid=(2, 1))
    assert made.plan.kernel_grid == (1, 2, 1)
    assert [[i.io for i in found] for found in made.plan.work_partition.values()] == [[1], [0]]
    assert harness.check(dealt, grid=(2, 1)).passed


def test_a_gather_in_a_loop_the_block_bounds() -> None:
    """Cores in one group look up different entries, different numbers of times."""
    text = """
    @T.prim_func
    def main(K: T.Tensor((7, 32, 32), "float32"), t: T.Tensor((4, 4), "int32"),
             Y: T.Tensor((4, 32, 32), "float32")):
        with T.Kernel(4) as bx:
            k = T.alloc_shared((32, 32), "float32")
            y = T.alloc_fragment((32, 32), "float32")
            T.clear(y)
            for j in T.serial(bx + 1):
                if j != 1:
                    T.copy(K[t[bx, j], :, :], k)
                    for a, b in T.Parallel(32, 32):
                        y[a, b] += k[a, b]
            T.copy(y, Y[bx, :, :])
    """
    made = harness.compile(samples.from_text(textwrap.dedent(text), "main"), grid=(4, 1))
    K = np.random.default_rng(2).integers(-9, 9, (7, 32, 32)).astype(np.float32)
    t = np.random.default_rng(3).integers(0, 7, (4, 4)).astype(np.int32)
    result = execute(made.plan, made.programs, {"K": K, "t": t}, RunOptions())
    assert result.findings == ()
    for b in range(4):
        assert (result.outputs["Y"][b] == sum(K[t[b, j]] for j in range(b + 1) if j != 1)).all()


PLACED = """
@T.prim_func
def main(K: T.Tensor((4, 64, 64), "bfloat16"), t: T.Tensor((4,), "int32"),
         X: T.Tensor((4, 64, 64), "bfloat16"), Y: T.Tensor((4, 64, 64), "bfloat16")):
    with T.Kernel(4) as bx:
        k = T.alloc_shared((64, 64), "bfloat16")
        x = T.alloc_shared((64, 64), "bfloat16")
        T.copy(K[t[bx], :, :], k)
        T.copy(X[bx, :, :], x)
        for i, j in T.Parallel(64, 64):
            k[i, j] += x[i, j]
        T.copy(k, Y[bx, :, :])
"""
OWN = {"sharding": {"strategy": "height", "grid": [2, 2]}}


@pytest.mark.parametrize("mode", ["global", "local_shard"])
@pytest.mark.parametrize("table", [[3, 2, 1, 0], [0, 1, 2, 3], [2, 2, 2, 2]])
def test_shards_are_used_in_place_except_where_indices_choose(table: list[int], mode: str) -> None:
    """K lies as X does, and a core may need any of it, even where its own is what it asks for."""
    func = annotate_tt_layout(samples.from_text(PLACED, "main"), {"K": OWN, "X": OWN, "Y": OWN})
    func = annotate_tt_schedule(func, {"partition_mode": mode})
    made = harness.compile(func, strategy="match_shard")
    assert [c.tensor for c in made.plan.circular_buffers if c.tensor] == ["X", "Y"]
    rng = np.random.default_rng(6)
    K, X = (rng.integers(-9, 9, (4, 64, 64)).astype(np.float32) for _ in range(2))
    result = execute(made.plan, made.programs, {"K": K, "X": X, "t": np.array(table, np.int32)})
    assert result.findings == ()
    assert (result.outputs["Y"] == K[table] + X).all()


@pytest.mark.parametrize("place", [{"memory": "L1"}, OWN | {"sharding": {
    "strategy": "height", "grid": [1, 1]}}])  # fmt: skip
def test_tables_lie_in_dram(place: dict[str, Any]) -> None:
    """A table anywhere else is refused; what is said of tensors left open does not move it."""
    func = samples.from_text(PLACED, "main")
    with pytest.raises(CompileError, match="not interleaved in DRAM") as caught:
        harness.compile(annotate_tt_layout(func, {"t": place}))
    assert caught.value.code == "LayoutConflict"
    (inferred,) = InferTTLayout({"shard": "L1"})(as_module(func)).functions.values()
    found = attrs.get(inferred, attrs.TT_LAYOUT_DESC)
    assert {n: d["memory"] for n, d in found.items()} == {
        "K": "L1", "t": "DRAM", "X": "L1", "Y": "L1"}  # fmt: skip


def test_a_table_of_three_dimensions() -> None:
    """Rows of a table are numbered over all its dimensions but the last."""
    text = """
    @T.prim_func
    def main(K: T.Tensor((60, 32, 32), "float32"), t: T.Tensor((3, 4, 5), "int32"),
             Y: T.Tensor((3, 4, 5, 32, 32), "float32")):
        with T.Kernel(5, 4, 3) as (bx, by, bz):
            k = T.alloc_shared((32, 32), "float32")
            T.copy(K[t[bz, by, bx], :, :], k)
            T.copy(k, Y[bz, by, bx, :, :])
    """
    made = harness.compile(samples.from_text(textwrap.dedent(text), "main"))
    K = np.arange(60, dtype=np.float32)[:, None, None].repeat(32, 1).repeat(32, 2)
    t = np.random.default_rng(4).permutation(60).reshape(3, 4, 5).astype(np.int32)
    result = execute(made.plan, made.programs, {"K": K, "t": t})
    assert result.findings == ()
    assert (result.outputs["Y"] == K[t]).all()


GUARDED = """for j in T.serial(6):
    if j < 4:
        T.copy(K[t[bx, j], :, :], k)"""
SCALAR = """x = T.alloc_var("int32", 1)
p = t[bx, x] % 3 + x
x = 3
T.copy(K[p, :, :], k)"""
PERSISTENT = """for i, j in T.Persistent([2, 2], 4, bx):
    p = t[i, j]
    T.copy(K[p, :, :], k)
    T.copy(k, Y[i * 2 + j, :, :])"""
LOOKED_UP: list[tuple[str, str, Any]] = [
    ("remainder by name", "p = t[bx, 0]\nq = p % 4\nT.copy(K[q, :, :], k)", lambda t: t[:, 0] % 4),
    ("quotient by name", "p = t[bx, 1] // 2 + T.min(t[bx, 2], 1)\nT.copy(K[p, :, :], k)",
     lambda t: t[:, 1] // 2 + np.minimum(t[:, 2], 1)),
    ("choice", "T.copy(K[T.if_then_else(bx > 1, t[bx, 0], 3 - t[bx, 1]), :, :], k)",
     lambda t: np.where(np.arange(4) > 1, t[:, 0], 3 - t[:, 1])),
    ("two tables", "T.copy(K[T.max(t[bx, 0], u[bx]), :, :], k)",
     lambda t: np.maximum(t[:, 0], [2, 0, 3, 1])),
    ("a condition that proves it", GUARDED, lambda t: t[:, 3]),
    ("elements of a page", "for a, b in T.Parallel(64, 64):\n    k[a, b] = K[t[bx, 0], a, b]",
     lambda t: t[:, 0]),
    ("another that does", "if bx > 0:\n    T.copy(K[t[bx - 1, 0], :, :], k)",
     lambda t: np.array([-1, *t[:3, 0]])),
    ("a scalar beside it", SCALAR, lambda t: t[:, 1] % 3 + 1),
    ("places of T.Persistent", PERSISTENT, lambda t: t[:2, :2].ravel()),
]  # fmt: skip


@pytest.mark.parametrize(("what", "lines", "chosen"), LOOKED_UP)
@pytest.mark.parametrize("options", [{}, {"grid": (2, 1)}])
def test_indices_are_computed_as_written(
    what: str, lines: str, chosen: Any, options: dict[str, Any]
) -> None:
    """Names, arithmetic, choices and conditions: NumPy's pages, in the simulator and the golden."""
    start = "" if "Persistent" in lines else CLEAR
    uses = [K, TABLE, *(['u: T.Tensor((4,), "int32")'] if "u[" in lines else [])]
    source = HEAD.format(params=", ".join(uses), lines=textwrap.indent(start + lines, " " * 8))
    if "Persistent" in lines:
        source = source.rsplit("        T.copy", 1)[0]
    made = harness.compile(samples.from_text(source, "main"), **options)
    rng = np.random.default_rng(5)
    pages = rng.integers(-99, 99, (4, 64, 64)).astype(np.float32)
    given = {"K": pages, "t": rng.integers(0, 4, (4, 4)).astype(np.int32),
             "u": np.array([2, 0, 3, 1], np.int32)}  # fmt: skip
    given = {name: given[name] for name in made.plan.io if name != "Y"}
    result = execute(made.plan, made.programs, given)
    assert result.findings == ()
    want = np.concatenate([pages, np.zeros((1, 64, 64), np.float32)])[chosen(given["t"])]
    assert (result.outputs["Y"] == want).all()
    assert (evaluate(made.source, given).outputs["Y"].answer.value == want).all()
    if "alloc_var" not in lines:  # scalars have no description to hold against the source
        assert not validate(made).reason


HEAD = """
@T.prim_func
def main({params}, Y: T.Tensor((4, 64, 64), "bfloat16")):
    with T.Kernel(4) as bx:
        k = T.alloc_shared((64, 64), "bfloat16")
{lines}
        T.copy(k, Y[bx, :, :])
"""
K = 'K: T.Tensor((4, 64, 64), "bfloat16")'
L = 'L: T.Tensor((256, 256), "bfloat16")'
TABLE = 't: T.Tensor((4, 4), "int32")'
MADE = 'i = T.alloc_shared((4, 4), "int32")\nT.fill(i, 1)\n'
BLOCK = 'i = T.alloc_shared((4, 4), "int32")\nT.copy(t, i)\n'
CLEAR = "T.clear(k)\n"
REFUSED = [
    ("columns", [L, TABLE], "T.copy(L[0, t[bx, 0] * 64], k)  #", "UnsupportedIndex",
     "columns inside the tiles of 'L'"),
    ("indices that are data", [K, TABLE], BLOCK + "T.copy(K[t[bx, 0], :, :], k)  #",
     "UnsupportedIndex", "as two parameters"),
    ("indices outside", [K, TABLE], "T.copy(K[t[bx, bx + 1], :, :], k)  #", "OutOfBounds",
     "may lie outside its 4"),
    ("from what is written", [TABLE], "T.copy(Y[t[bx, 0], :, :], k)  #", "UnsupportedIndex",
     "gathered from and written"),
    ("loop", [K, TABLE],
     MADE + CLEAR + "for j in T.serial(i[bx, 0]):  #\n    T.copy(K[j, :, :], k)",
     "DataDependent", "a loop depends on 'i'"),
    ("condition", [K, TABLE], MADE + CLEAR + "if i[bx, 0] > 1:  #\n    T.copy(K[bx, :, :], k)",
     "DataDependent", "a condition depends on 'i'"),
    ("condition by what is data", [K, TABLE],
     BLOCK + CLEAR + "p = t[bx, 0]\nif p > 1:  #\n    T.copy(K[p, :, :], k)",
     "UnsupportedIndex", "as two parameters"),
    ("elements by column", [L, TABLE],
     "for a, b in T.Parallel(64, 64):\n    k[a, b] = L[t[bx, b % 4], a]  #",
     "UnsupportedIndex", "not asked once per row"),
    ("a table's rows", [L, TABLE],
     "for a, b in T.Parallel(64, 64):\n    k[a, b] = L[t[a % 4, bx], b]  #",
     "UnsupportedIndex", "not asked once per row"),
    ("bits", [K, TABLE], "T.copy(K[t[bx, 0] & t[bx, 1], :, :], k)  #", "UnsupportedIndex",
     "BitwiseAnd"),
]  # fmt: skip


@pytest.mark.parametrize("index", ["t[bx, 0] & 1", "(t[bx, 0] >> 1) & 3"])
def test_bits_of_a_table_choose(index: str) -> None:
    """A mask or a shift by a number is a remainder or a quotient, which readers know."""
    source = HEAD.format(params=f"{K}, {TABLE}", lines=f"        T.copy(K[{index}, :, :], k)")
    verdict = harness.check(samples.from_text(source, "main"))
    assert verdict.passed, verdict.reason


def test_a_scalar_may_hold_the_index() -> None:
    """A variable set to an element of a table gathers what the element itself would."""
    lines = 'x = T.alloc_var("int32", 0)\nx = t[bx, 0]\nT.copy(K[x, :, :], k)'
    source = HEAD.format(params=f"{K}, {TABLE}", lines=textwrap.indent(lines, " " * 8))
    assert harness.check(samples.from_text(source, "main")).passed


@pytest.mark.parametrize(("what", "params", "lines", "code", "text"), REFUSED)
def test_other_gathers_are_refused_at_their_line(
    what: str, params: list[str], lines: str, code: str, text: str
) -> None:
    """What no reader can look up is refused where it stands, with the reason and a way out."""
    source = HEAD.format(params=", ".join(params), lines=textwrap.indent(lines, " " * 8))
    with pytest.raises((CompileError, LanguageError)) as caught:
        harness.compile(samples.from_text(source, "main"))
    error = caught.value
    assert error.code == code, (what, str(error))
    assert text in str(error)
    assert error.next_step
    line = next(n for n, text in enumerate(source.split("\n"), 1) if text.endswith("#"))
    assert f":{line}:" in str(error.location), str(error)
