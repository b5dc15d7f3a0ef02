"""Tensors in device memory against a page of plain bytes, and where their pages lie."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from simulator.arch import find_arch
from simulator.formats.bytemap import WHOLE, ByteMap
from simulator.formats.codec import encode_tiles
from simulator.memory.dram import GARBAGE, NOBODY, Placement, Tensor, placement_of
from tests.simulator.builders import layout, rows

PAGES = 3
WRITES = st.lists(
    st.tuples(
        st.lists(st.integers(0, PAGES - 1), min_size=1, max_size=PAGES, unique=True),
        st.none() | st.tuples(st.sampled_from([5, 32, WHOLE]), st.sampled_from([7, 16, WHOLE])),
        st.integers(0, 100), st.integers(1, 28), st.booleans(),
    ),
    min_size=1, max_size=6,
)  # fmt: skip


def made(dtype: str, *grains: int) -> Tensor:
    """A tensor of three tiles that is written in parts."""
    one = layout(dtype, (PAGES * 32, 32), "output")
    tensor = Tensor("A", one, placement_of(one, 0x100000, find_arch("wormhole_n150")))
    tensor.make_writable()
    for grain in grains or (16,):
        tensor.refine(grain)
    tensor.values = np.zeros((PAGES, 32, 32), tensor.fmt.value_dtype)
    return tensor


@pytest.mark.parametrize("dtype", ["bfloat16", "float32", "int32"])
@given(WRITES)
@example([([0], (5, 7), 0, 1, False), ([0, 1], (32, 16), 0, 1, False), ([1], None, 0, 1, False)])
def test_writes_of_pages_and_of_parts_of_them(dtype: str, writes: list[Any]) -> None:
    """Bytes are what was written last, and data where the last write said so, whichever kind."""
    tensor, rng = made(dtype), np.random.default_rng(0)
    size, known = tensor.page_bytes, ByteMap(tensor.fmt, (32, 32))
    data = encode_tiles(tensor.values, tensor.fmt)
    held = np.ones((PAGES, size), np.bool_)
    for pages, extents, first, units, is_part in writes:
        ids = np.array(pages)
        values = rng.integers(-99, 99, (len(ids), 32, 32)).astype(tensor.fmt.value_dtype)
        new = encode_tiles(values, tensor.fmt)
        if is_part:
            part = slice(16 * first, 16 * (first + units))
            said = np.repeat(rng.random((len(ids), units)) < 0.7, 16, axis=1)
            tensor.fill_part(ids, part.start, said)
            tensor.put(ids, part.start, new[:, part])
            data[ids, part], held[ids, part] = new[:, part], said
        else:
            valid = None if extents is None else np.tile(np.array(extents, np.int16), (len(ids), 1))
            tensor.values[ids] = values
            tensor.fill(ids, valid)
            data[ids] = new
            held[ids] = True if valid is None else known.bytes_of(valid)
    everything = np.arange(PAGES)
    np.testing.assert_array_equal(tensor.bytes_held(everything), held)
    np.testing.assert_array_equal(tensor.page(everything)[held], data[held])
    units = np.ones(PAGES * size // 16, np.bool_)
    np.testing.assert_array_equal(tensor.datums(units), known.datums_of(held))
    if tensor.valid is None:
        assert held.all()
    else:
        found, wanted = (known.bytes_of(v) for v in (tensor.valid, known.extents_of(held)))
        np.testing.assert_array_equal(found, wanted)


def test_what_no_part_filled_is_garbage_and_none_of_the_data_is() -> None:
    """A page that held data only in part shows where a check is missing, nowhere else."""
    tensor = made("bfloat16")
    tensor.values[:] = 1
    tensor.fill(np.array([1]), np.array([[5, WHOLE]], np.int16))
    tensor.fill_part(np.array([0]), 0, np.ones((1, 16), np.bool_))
    held = tensor.bytes_held(np.arange(PAGES))
    assert (~held).sum() == 27 * 32 * 2
    assert (tensor.page(np.arange(PAGES))[~held] == GARBAGE).all()
    assert (tensor.values[:, :5] == 1).all()


def test_units_are_numbered_through_their_tensor() -> None:
    """Parts of pages are counted in the tensor's grain, and told by the byte they begin at."""
    tensor = made("bfloat16", 96, 64)
    assert tensor.grain == 32
    found = tensor.units(np.array([[0, 2]]), 32, 96)
    assert found.tolist() == [[1, 2, 3, 2 * 64 + 1, 2 * 64 + 2, 2 * 64 + 3]]
    assert len(tensor.units(np.array([[1]]), 32)[0]) == 63
    assert tensor.named(2 * 64 + 3) == "byte 96 of page 2 of tensor A"


def test_cleared_it_is_as_before_a_run() -> None:
    """Of who wrote what, what was counted and what parts hold nothing is left."""
    tensor = made("bfloat16")
    owner, written = tensor.owner, tensor.written_in
    assert owner is not None
    assert written is not None
    owner[3], written[3] = 1, (2, 4)
    tensor.starts(np.zeros(1, np.int64).tobytes(), (1, 1, 1, 1)).add(1)
    tensor.fill_part(np.array([0]), 0, np.zeros((1, 16), np.bool_))
    assert (tensor.least_read(), tensor.least_written()) == (2048, 16)
    tensor.clear()
    assert (owner == NOBODY).all()
    assert not written.any()
    assert tensor.held is None
    assert (tensor.least_read(), tensor.least_written()) == (0, 0)


@pytest.mark.parametrize("device", ["wormhole_n150", "blackhole_p150"])
@pytest.mark.parametrize("memory", ["DRAM", "L1"])
def test_pages_are_dealt_to_banks_in_turn(device: str, memory: str) -> None:
    """Each bank or core gets every so-many-th page, one after another, aligned, none twice."""
    arch = find_arch(device)
    one = rows("int32", (200, 4), "input", 4, memory=memory)
    banks = arch.dram_banks if memory == "DRAM" else arch.grid[0] * arch.grid[1]
    placement: Placement = placement_of(one, 0x40000, arch)
    places = [placement.address(page) for page in range(200)]
    assert len(set(places)) == 200
    assert [bank for bank, _ in places] == [page % banks for page in range(200)]
    assert all(at % arch.alignment(memory) == 0 for _, at in places)
    inside = [at for bank, at in places if bank == 0]
    stride = inside[1] - inside[0]
    assert stride == max(16, arch.alignment(memory))
    assert inside == [0x40000 + stride * n for n in range(len(inside))]
