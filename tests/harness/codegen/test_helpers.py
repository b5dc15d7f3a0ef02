"""The inline helpers, run on this machine, write what the simulator's formats say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from harness.codegen.helpers import HELPERS, helper_text
from harness.codegen.printer import print_kernel
from simulator.formats.codec import decode_tiles, encode_tiles
from simulator.formats.dataformat import DataFormat
from simulator.formats.host import quantise_host
from simulator.plan.schema import Plan
from simulator.program import Op, Program
from tests.harness.codegen import samples
from tests.harness.codegen.native import run

WINDOW = ["get_write_ptr", 0]


def plan_with(fmt: DataFormat, tile: tuple[int, int]) -> Plan:
    """The sample plan with circular buffer 0 in another format."""
    plan = samples.gemm().plan
    first = msgspec.structs.replace(
        plan.circular_buffers[0], data_format=fmt.value, tile_shape=tile,
        page_bytes=fmt.tile_bytes(tile),
    )  # fmt: skip
    return msgspec.structs.replace(plan, circular_buffers=(first, *plan.circular_buffers[1:]))


def executed(op: Op, fmt: DataFormat, tile: tuple[int, int], start: bytes, at: Path) -> bytes:
    """L1 after a kernel of one op, compiled from its printed text."""
    program = Program(name="reader", thread="ncrisc", runtime_args=("start", "count"), body=(op,))
    text = print_kernel(plan_with(fmt, tile), samples.kernel("reader"), program)
    text = "\n".join(line for line in text.splitlines() if not line.startswith("#include"))
    data = ", ".join(map(str, start))
    source = f"""
#include <sys/mman.h>
static uint8_t* memory;
static uint32_t get_write_ptr(uint32_t) {{ return (uint32_t)(uintptr_t)memory; }}
static uint32_t get_read_ptr(uint32_t) {{ return (uint32_t)(uintptr_t)memory; }}
static void invalidate_l1_cache() {{}}
{text}
int main() {{
    static const uint8_t start[] = {{{data}}};
    memory = (uint8_t*)mmap(nullptr, 8192, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
    std::copy(start, start + sizeof start, memory);
    kernel_main();
    for (unsigned i = 0; i < sizeof start; ++i) std::printf("%02x", memory[i]);
}}
"""
    return bytes.fromhex(run(source, at))


def values(fmt: DataFormat, tile: tuple[int, int]) -> np.ndarray[Any, Any]:
    """A tile without a zero."""
    rng = np.random.default_rng(7)
    if fmt.is_integer:
        return rng.integers(1, 200, (1, *tile)).astype(fmt.value_dtype)
    return quantise_host(rng.uniform(0.5, 2, (1, *tile)).astype(np.float32), fmt)


@pytest.mark.parametrize(
    ("fmt", "keep"),
    [("Float32", (32, 5)), ("Float16_b", (7, 32)), ("Float16_b", (17, 19)), ("Bfp8_b", (17, 19)),
     ("Bfp4_b", (17, 19)), ("Bfp4_b", (0, 0)), ("Int32", (1, 16))],
)  # fmt: skip
def test_zero_tile_region(fmt: str, keep: tuple[int, int], tmp_path: Path) -> None:
    """The kept corner is untouched; the rest decodes to zero in every format."""
    form = DataFormat(fmt)
    before = values(form, (32, 32))
    start = encode_tiles(before, form).tobytes()
    op = Op(name="zero_tile_region", args=(0, WINDOW, *keep))
    found = executed(op, form, (32, 32), start, tmp_path)
    after = before.copy()
    after[:, keep[0] :] = 0
    after[:, :, keep[1] :] = 0
    header = form.tile_bytes() - 1024 * form.spec.bits // 8
    expected = encode_tiles(after, form).tobytes()
    if form.is_bfp:  # shared exponents stay, so compare what the bytes mean
        read = decode_tiles(np.frombuffer(found, np.uint8).reshape(1, -1), form)
        assert np.array_equal(read, after)
        assert found[:header] == start[:header]
    else:
        assert found == expected


@pytest.mark.parametrize("fmt", ["Float32", "Float16_b", "Bfp8_b", "Bfp4_b"])
def test_fill_tile_l1(fmt: str, tmp_path: Path) -> None:
    """A constant tile, exponents included."""
    form = DataFormat(fmt)
    op = Op(name="fill_tile_l1", args=(0, WINDOW, 1.5))
    found = executed(op, form, (32, 32), bytes(form.tile_bytes()), tmp_path)
    assert found == encode_tiles(np.full((1, 32, 32), 1.5, np.float32), form).tobytes()


@pytest.mark.parametrize(("fmt", "tile"), [("Float32", (32, 32)), ("Float16_b", (16, 32))])
def test_generate_reduce_scaler(fmt: str, tile: tuple[int, int], tmp_path: Path) -> None:
    """The value in the first row of each face."""
    form = DataFormat(fmt)
    op = Op(name="generate_reduce_scaler", args=(0, WINDOW, 0.25))
    found = executed(op, form, tile, bytes([255]) * form.tile_bytes(tile), tmp_path)
    expected = np.zeros((1, *tile), np.float32)
    expected[:, ::16] = 0.25
    assert found == encode_tiles(expected, form).tobytes()


def test_index_tile_l1(tmp_path: Path) -> None:
    """Integers become binary32 without floating point: signs, zero and 2^24 included."""
    op = Op(name="index_tile_l1", args=(0, WINDOW, -(2**24), 2**20 + 1, 3))
    form = DataFormat.Float32
    found = executed(op, form, (32, 32), bytes(4096), tmp_path)
    rows, cols = np.mgrid[:32, :32]
    expected = (-(2**24) + rows * (2**20 + 1) + cols * 3)[None]
    assert np.abs(expected).max() <= 2**24
    assert found == encode_tiles(expected.astype(np.float32), form).tobytes()


def test_copy_l1(tmp_path: Path) -> None:
    """Whole words, and no byte more, from one place to another."""
    form = DataFormat("Float16_b")
    start = encode_tiles(values(form, (32, 32)), form).tobytes()
    op = Op(name="copy_l1", args=(0, ["+", WINDOW, 64], ["+", ["get_read_ptr", 0], 1024], 32))
    found = executed(op, form, (32, 32), start, tmp_path)
    assert found == start[:64] + start[1024:1056] + start[96:]


@pytest.mark.parametrize("fmt", ["Float16_b", "Float32", "Int8"])
def test_copy_datums_l1(fmt: str, tmp_path: Path) -> None:
    """Datums of every width, across faces and tiles, backwards and sheared, and no others."""
    form = DataFormat(fmt)
    before = np.concatenate([values(form, (32, 32))] * 2)
    before[1] = before[1][::-1]
    before = before % 100 if form.is_integer else before
    start = encode_tiles(before, form).tobytes()
    numbers = (7, 5, 3, 40, 4, -6, 2, 2, 1, 3, 2, 2, 1)
    source = ["+", ["get_read_ptr", 0], 0]
    found = executed(Op(name="copy_datums_l1", args=(0, WINDOW, source, *numbers)), form,
                     (32, 32), start, tmp_path)  # fmt: skip
    after = before.copy()
    for m in range(7):
        for n in range(5):
            row, col = 3 + 4 * m, 40 - 6 * n
            after[col // 32, row, col % 32] = after[0, 2 + 3 * m, 1 + 2 * m + 2 * n]
    assert found == encode_tiles(after, form).tobytes()


def test_helpers_come_in_the_tables_order() -> None:
    """The text does not depend on the order of use."""
    assert helper_text(["floor_mod", "floor_div"]) == helper_text(["floor_div", "floor_mod"])
    assert helper_text(HELPERS) == "".join(text + "\n" for text in HELPERS.values())
