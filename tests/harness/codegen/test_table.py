"""The printer's table against the op table."""

from __future__ import annotations

import pytest

from harness.codegen.errors import CodegenError
from harness.codegen.printer import print_kernel
from harness.codegen.table import LINES
from simulator.isa import OPS
from simulator.program import Op, Program
from tests.harness.codegen import samples


def test_every_device_op_has_a_line() -> None:
    """An op added to the isa without a tt-metal spelling fails here, not on a user's board."""
    assert set(LINES) == set(OPS)


@pytest.mark.parametrize("thread", ["ncrisc", "compute"])
def test_every_line_can_be_filled(thread: str) -> None:
    """Each template's fields exist for its op."""
    name = "compute" if thread == "compute" else "reader"
    plan, program = samples.gemm().plan, samples.every_op(thread)
    text = print_kernel(plan, samples.kernel(name), program)
    body = text[text.index("void kernel_main()") :].splitlines()
    assert sum(line.rstrip().endswith(";") or "; //" in line.replace(";  //", "; //")
               for line in body) >= len(program.body)  # fmt: skip
    assert "{" not in "".join(body[1:-1])


@pytest.mark.parametrize(
    ("op", "text"),
    [
        (Op(name="pack_tile_out_of_order", args=(1, 16, 3)),
         "pack_tile<true>(1, cb_C_local_out, 3);"),
        (Op(name="fill_tile", args=(2, -0.5)), "fill_tile(2, -0.5f);"),
        (Op(name="fill_tile", args=(2, float("-inf"))), "fill_tile(2, -__builtin_inff());"),
        (Op(name="mul_unary_tile", args=(0, 0.125)), "mul_unary_tile(0, 0x3e000000u);  // 0.125f"),
        (Op(name="rounding_op_tile_init"), "rounding_op_tile_init();"),
        (Op(name="typecast_tile_init", args=("Float32", "Int32")),
         "typecast_tile_init<(uint32_t)DataFormat::Float32, (uint32_t)DataFormat::Int32>();"),
        (Op(name="typecast_tile", args=(1, "Int32", "Float32")),
         "typecast_tile<(uint32_t)DataFormat::Int32, (uint32_t)DataFormat::Float32>(1);"),
        (Op(name="gelu_tile", args=(0,)), "gelu_tile<false>(0);"),
        (Op(name="where_tile", args=(0, 1, 2, 3)), "where_tile<DataFormat::Float32>(0, 1, 2, 3);"),
        (Op(name="reduce_tile", args=("SUM", "REDUCE_ROW", 0, 1, 2, 0, 3)),
         "reduce_tile<PoolType::SUM, ReduceDim::REDUCE_ROW>(cb_A_shared, cb_B_shared, 2, 0, 3);"),
    ],
)  # fmt: skip
def test_spellings(op: Op, text: str) -> None:
    """Ops whose call is not simply their name and operands."""
    program = Program(name="compute", thread="compute", runtime_args=("count",), body=(op,))
    printed = print_kernel(samples.gemm().plan, samples.kernel("compute"), program)
    assert f"    {text}\n" in printed


@pytest.mark.parametrize(
    ("op", "text"),
    [
        (Op(name="fill_tile_l1", args=(0, ["get_write_ptr", 0], 1.0)),
         "fill_tile_l1(get_write_ptr(cb_A_shared), 0, 0, 512, 0x3f803f80u);  // 1.0f"),
        (Op(name="generate_reduce_scaler", args=(0, ["get_write_ptr", 0], 0.5)),
         "generate_reduce_scaler(get_write_ptr(cb_A_shared), 4, 128, 8, 0x3f003f00u);  // 0.5f"),
        (Op(name="noc_semaphore_inc", args=(3, "start", 2, 1)),
         "noc_semaphore_inc(get_noc_addr(noc_columns[3], noc_rows[start], get_semaphore(2)), 1);"),
        (Op(name="noc_semaphore_set_multicast", args=(1, 0, 0, 7, 3, 31)),
         ("noc_semaphore_set_multicast(get_semaphore(1), get_noc_multicast_addr(noc_columns[0],"
          " noc_rows[0], noc_columns[7], noc_rows[3], get_semaphore(1)), 31);")),
    ],
)  # fmt: skip
def test_data_movement_spellings(op: Op, text: str) -> None:
    """Constants come as patterns of the buffer's format; cores are looked up by logical place."""
    program = Program(name="reader", thread="ncrisc", runtime_args=("start", "count"), body=(op,))
    printed = print_kernel(samples.gemm().plan, samples.kernel("reader"), program)
    assert f"    {text}\n" in printed


def test_multicast_on_noc_1_starts_at_the_far_corner() -> None:
    """NoC 1 runs the other way, and a rectangle given in NoC 0's order would be empty."""
    op = Op(name="noc_semaphore_set_multicast", args=(1, 0, 0, 7, 3, 31))
    program = Program(name="writer", thread="brisc", runtime_args=("start", "count"), body=(op,))
    printed = print_kernel(samples.gemm().plan, samples.kernel("writer"), program)
    assert "noc_columns[7], noc_rows[3], noc_columns[0], noc_rows[0]" in printed


def test_an_op_without_a_spelling_is_refused_with_its_place() -> None:
    """Nothing is left out silently."""
    body = (Op(name="teleport_tile", loc="kernel.py:3:5"),)
    program = Program(name="compute", thread="compute", runtime_args=("count",), body=body)
    with pytest.raises(CodegenError, match=r"kernel.py:3:5: NotPrintable: .*teleport_tile"):
        print_kernel(samples.gemm().plan, samples.kernel("compute"), program)
