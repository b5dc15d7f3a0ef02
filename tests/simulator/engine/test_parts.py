"""The small parts of the engine: expressions, lane sets, values, blocks, segments."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.engine import expr
from simulator.engine.expr import ExprError
from simulator.engine.lanes import LaneTable
from simulator.engine.pool import ALIGNMENT, Pool
from simulator.engine.segs import Seg, join_lanes, join_pages, select_block
from simulator.engine.values import FEW, join, squeeze, take
from simulator.formats.bytemap import WHOLE
from tests.simulator.reference import Interpreter

NAMES = {"a": 1, "b": 2}

LEAVES = st.integers(-20, 20) | st.sampled_from(["a", "b"])
EXPRESSIONS = st.recursive(
    LEAVES,
    lambda inner: st.tuples(
        st.sampled_from(["+", "-", "*", "min", "max", "<", "<=", "==", "!=", "&&", "||"]), inner,
        inner,
    ).map(list)
    | st.tuples(st.sampled_from(["//", "%"]), inner, st.integers(1, 9)).map(list)
    | st.tuples(st.just("?"), inner, inner, inner).map(list)
    | st.tuples(st.just("!"), inner).map(list),
    max_leaves=12,
)  # fmt: skip


def evaluate(expression: Any, a: Any, b: Any) -> Any:
    """The engine's value of an expression over names a and b."""
    scope = {name: expr.name(name) for name in NAMES}
    poly = expr.poly_of(expression, scope)
    text = expr.source_of(poly, lambda item: f"r[{NAMES[item]}]")
    return expr.compile_text(text, {})([None, a, b])


@given(EXPRESSIONS, st.integers(-9, 9), st.integers(-9, 9))
def test_expressions_mean_what_they_say(expression: Any, a: int, b: int) -> None:
    """Polynomials and generated text agree with plain evaluation, floor division included."""
    plain = Interpreter.__new__(Interpreter).value(expression, {"a": a, "b": b})
    assert evaluate(expression, a, b) == plain


@given(EXPRESSIONS, st.lists(st.integers(-9, 9), min_size=2, max_size=4))
def test_vectors_are_lanes(expression: Any, values: list[int]) -> None:
    """A vector gives, lane by lane, what its entries give."""
    a = np.array(values, np.int64)
    whole = np.broadcast_to(evaluate(expression, a, 3), a.shape)
    assert whole.tolist() == [evaluate(expression, value, 3) for value in values]


def test_slopes() -> None:
    """Indices are split into coefficient and rest; what is not linear is refused."""
    scope = {name: expr.name(name) for name in ("i", "n")}
    poly = expr.poly_of(["+", ["*", ["+", "i", 2], ["*", "n", 3]], 5], scope)
    parts = expr.slope(poly, "i")
    assert parts is not None
    assert parts[0] == {("n",): 3}
    assert parts[1] == {("n",): 6, (): 5}
    assert expr.slope(expr.poly_of(["*", "i", "i"], scope), "i") is None
    assert expr.slope(expr.poly_of(["//", "i", 2], scope), "i") is None


@pytest.mark.parametrize(
    "bad", [["+"], ["^", 1, 2], 1.5, None, True, ["get_write_ptr", "x"], "nobody", 2**70]
)
def test_what_is_no_expression(bad: Any) -> None:
    """Wrong expressions are refused with a reason."""
    with pytest.raises(ExprError):
        expr.poly_of(bad, {})


def test_deep_expressions_are_refused() -> None:
    """Nesting is bounded before Python's own parser gives up."""
    deep: Any = "a"
    for _ in range(1000):
        deep = ["//", deep, 3]
    with pytest.raises(ExprError, match="deeper"):
        expr.poly_of(deep, {"a": expr.name("a")})


def test_lane_sets_exist_once() -> None:
    """Equal sets are one object, and cuts remember rows."""
    table = LaneTable()
    one, two = table.of_ids(np.array([1, 3, 5])), table.of_mask(0b101010)
    assert one is two
    cut = table.cut(one, table.of_mask(0b001010))
    assert cut.common is table.of_mask(0b001010)
    assert cut.rest is table.of_mask(0b100000)
    assert cut.common_rows.tolist() == [0, 1]
    assert cut.rest_rows.tolist() == [2]


def test_values_stay_integers_while_lanes_agree() -> None:
    """Vectors that become uniform turn into ints."""
    vector = np.array([4, 4, 5], np.int64)
    assert take(vector, np.array([0, 1])) == 4
    assert isinstance(squeeze(vector), np.ndarray)
    assert join([(2, np.array([0])), (2, np.array([1]))], 2) == 2
    assert np.array_equal(join([(2, np.array([1])), (3, np.array([0]))], 2), [3, 2])


@given(st.integers(1, 2 * FEW), st.integers(-9, 9), st.data())
def test_vectors_of_any_length_are_squeezed_alike(
    size: int, value: int, data: st.DataObject
) -> None:
    """Short vectors and long ones become an int where all entries agree, and else stay."""
    vector = np.full(size, value, np.int64)
    assert squeeze(vector) == value
    assert type(squeeze(vector)) is int
    vector[data.draw(st.integers(0, size - 1))] += 1
    assert squeeze(vector) is vector if size > 1 else squeeze(vector) == value + 1


def test_pool_never_hands_out_what_is_in_use() -> None:
    """A block, or any view of it, keeps it from being reused."""
    pool = Pool()
    first = pool.take((1, 1, 1, 2, 4, 4))
    view = first[:, :, :, 1:]
    number = id(first)
    del first
    assert id(pool.take((1, 1, 1, 2, 4, 4))) != number
    del view
    assert id(pool.take((1, 1, 1, 2, 4, 4))) == number


@given(st.lists(st.integers(1, 40), min_size=1, max_size=4), st.sampled_from(["f4", "i4", "u1"]))
def test_pool_blocks_start_at_a_cache_line(shape: list[int], dtype: str) -> None:
    """Whatever the shape, no vector of a block straddles two cache lines."""
    block = Pool().take(tuple(shape), np.dtype(dtype))
    assert block.ctypes.data % ALIGNMENT == 0
    assert block.shape == tuple(shape)
    assert block.flags.c_contiguous


@given(
    st.sampled_from([(1, 12), (12, 1), (3, 4), (2, 6)]),
    st.integers(0, 3), st.integers(1, 3), st.integers(0, 3), st.integers(1, 3), st.integers(0, 3),
)  # fmt: skip
def test_selecting_pages(
    axes: tuple[int, int], start: int, n1: int, s1: int, n2: int, s2: int
) -> None:
    """Whatever way the tiles are arranged, page numbers select the same tiles."""
    last = start + s1 * (n1 - 1) + s2 * (n2 - 1)
    if last >= 12:
        return
    block = np.arange(12).reshape(1, 1, *axes, 1, 1)
    got = select_block(block, start, n1, s1, n2, s2)
    want = start + s1 * np.arange(n1)[:, None] + s2 * np.arange(n2)
    assert got.shape == (1, 1, n1, n2, 1, 1)
    assert np.array_equal(got[0, 0, :, :, 0, 0], want)


def test_joining_pages_keeps_what_is_invalid() -> None:
    """Pages nobody wrote stay invalid beside valid ones."""
    seg = Seg(2, np.ones((1, 2, 1, 2, 32, 32), np.float32))
    joined = join_pages([seg, Seg(1, None)], 2, 2, Pool())
    assert joined.pages == 3
    assert joined.valid is not None
    assert joined.valid[:, :2].min() == WHOLE
    assert joined.valid[:, 2].max() == 0


def test_joining_lanes_finds_the_block_they_came_from() -> None:
    """Lanes parted from one block and joined again are that block, without a copy."""
    block = np.arange(4.0).reshape(2, 2, 1, 1, 1, 1)
    seg = Seg(1, block)
    left, right = np.array([0, 3]), np.array([1, 2])
    joined = join_lanes([(seg.take(left), left), (seg.take(right), right)], 4)
    assert joined.block is block
    mixed = join_lanes([(seg.take(left), right), (seg.take(right), left)], 4)
    assert mixed.values().reshape(-1).tolist() == [1, 0, 3, 2]
