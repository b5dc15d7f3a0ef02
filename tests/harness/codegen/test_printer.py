"""Whole kernels: stable, located, and bound to the plan's arguments."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

from harness.codegen import print_kernels, write_kernels
from harness.codegen.arguments import arguments_of
from harness.codegen.errors import CodegenError
from harness.codegen.names import RESERVED, identifiers
from harness.codegen.printer import print_kernel, programs_by_name
from harness.compiler.pipeline import lower
from harness.kernels.gemm import matmul
from simulator.program import If, Let, Loop, Op, Program, Stmt
from tests.harness.codegen import samples


def count_ops(body: tuple[Stmt, ...]) -> int:
    """Device ops below some statements."""
    total = 0
    for stmt in body:
        total += isinstance(stmt, Op)
        for part in ("body", "then", "orelse"):
            total += count_ops(getattr(stmt, part, ()))
    return total


def test_text_depends_on_the_plan_alone() -> None:
    """Compiled and printed twice, byte for byte the same."""
    again = lower(matmul()).kernels[0]
    assert print_kernels(samples.gemm()) == print_kernels(again)


@pytest.mark.parametrize("parameters", [{}, {"M": 100, "N": 70, "K": 50}], ids=["whole", "ragged"])
def test_one_line_per_device_op(parameters: dict[str, int]) -> None:
    """The printer adds no call of its own and leaves none out."""
    artifact = samples.gemm(**parameters)
    texts = print_kernels(artifact)
    for program in artifact.programs.programs:
        body = texts[program.name].split("void kernel_main() {\n")[1]
        calls = re.findall(r"^ +[a-z]\w*(?:<[^;]*>)?\([^;]*\);$", body, re.MULTILINE)
        assert len(calls) == count_ops(program.body)


def test_the_reader_of_a_gemm() -> None:
    """Names of the source survive, and every group says where it comes from."""
    text = print_kernels(samples.gemm())["reader"]
    assert "constexpr uint32_t cb_A_shared = 0;  // 4 pages of 2048 bytes, Float16_b" in text
    assert "enum Runtime : uint32_t { start, count };" in text
    assert (
        "const auto A = TensorAccessor(A_args, get_common_arg_val<uint32_t>(Args::A_addr));" in text
    )
    assert "// gemm.py:47:21\n            cb_reserve_back(cb_A_shared, 2);" in text
    assert (
        "noc_async_read_page(by * 20 + i * 10 + ko, A, get_write_ptr(cb_A_shared) + i * 2048);"
        in text
    )


def test_accessors_are_spliced_not_counted() -> None:
    """How many words an accessor takes is ttnn's business: the next starts where it says."""
    text = print_kernels(samples.gemm())["reader"]
    assert "B_args = TensorAccessorArgs<A_args.next_compile_time_args_offset()>();" in text


def test_compile_time_integers_follow_the_accessors() -> None:
    """Their positions count from the last accessor's end."""
    base = samples.kernel("reader")
    kernel = msgspec.structs.replace(base, compile_args={**base.compile_args, "depth": 3})
    program = msgspec.structs.replace(
        samples.program("reader"), compile_args=("depth",),
        body=(Op(name="cb_push_back", args=(0, "depth")),),
    )  # fmt: skip
    text = print_kernel(samples.gemm().plan, kernel, program)
    assert ("const int32_t depth = get_compile_time_arg_val("
            "B_args.next_compile_time_args_offset() + Args::depth);") in text  # fmt: skip
    assert "enum Compile : uint32_t { depth };" in text


def test_a_semaphore_argument_becomes_an_address() -> None:
    """The host passes its id; the kernel knows where semaphores lie."""
    base = samples.kernel("writer")
    kernel = msgspec.structs.replace(base, common_args={**base.common_args, "ready": {"sem": 2}})
    program = msgspec.structs.replace(
        samples.program("writer"), common_args=("C_addr", "ready"),
        body=(Let(var="at", value=["+", "ready", 0]),),
    )  # fmt: skip
    text = print_kernel(samples.gemm().plan, kernel, program)
    assert "get_semaphore(get_common_arg_val<uint32_t>(Args::ready))" in text


def test_an_argument_without_a_value_is_refused() -> None:
    """A kernel never reads what nobody writes."""
    kernel = msgspec.structs.replace(samples.kernel("writer"), common_args={})
    with pytest.raises(CodegenError, match="C_addr"):
        arguments_of(kernel, samples.program("writer"))


def test_a_kernel_without_a_program_is_refused() -> None:
    """Plan and programs must belong together."""
    with pytest.raises(CodegenError, match="reader"):
        programs_by_name(samples.gemm().plan, ())


def test_names_that_cxx_reserves_are_changed() -> None:
    """A tensor called ``register`` or like an op compiles all the same, and stays distinct."""
    made = identifiers(["register", "v_register", "pack_tile", "_x", "x", "a b", "a_b"])
    assert len(set(made.values())) == 7
    assert not set(made.values()) & RESERVED
    assert made["x"] == "x"


def test_loops_down_and_else_branches() -> None:
    """Statements a GEMM does not need."""
    push = Op(name="cb_push_back", args=(0, 1))
    body = (
        Loop(var="i", start=4, stop=0, step=-1, body=(push,)),
        Loop(var="j", start=0, stop=8, step=2, body=(push,)),
        If(cond=["==", "start", 1], then=(push,), orelse=(push, push)),
    )
    program = Program(name="reader", thread="ncrisc", runtime_args=("start", "count"), body=body)
    text = print_kernel(samples.gemm().plan, samples.kernel("reader"), program)
    assert "for (int32_t i = 4; i > 0; --i) {" in text
    assert "for (int32_t j = 0; j < 8; j += 2) {" in text
    assert "if (start == 1) {" in text
    assert "} else {" in text


def test_a_division_is_plain_only_as_far_as_the_loop_reaches() -> None:
    """Toward zero and down are the same to the last iteration, and to no further one."""
    body = tuple(
        Loop(var=f"k{n}", start=2, stop=7, step=step,
             body=(Op(name="cb_push_back", args=(0, ["//", ["-", n, f"k{n}"], 2])),))
        for n, step in ((6, 1), (5, 1), (6, 2))
    )  # fmt: skip
    program = Program(name="reader", thread="ncrisc", runtime_args=("start", "count"), body=body)
    text = print_kernel(samples.gemm().plan, samples.kernel("reader"), program)
    assert text.count("(6 - k6) / 2") == 2
    assert "floor_div(5 - k5, 2)" in text


def test_addresses_are_unsigned() -> None:
    """A pointer's sum, and a buffer's address that the host passes, may pass 2^31."""
    body = (Let(var="at", value=["+", ["get_write_ptr", 0], "start"]),
            Let(var="there", value=["+", "A_addr", "start"]))  # fmt: skip
    program = msgspec.structs.replace(samples.program("reader"), body=body)
    text = print_kernel(samples.gemm().plan, samples.kernel("reader"), program)
    assert "const auto at = get_write_ptr(cb_A_shared) + start;" in text
    assert "const uint32_t A_addr = get_common_arg_val<uint32_t>(Args::A_addr);" in text


def test_kernels_on_disk(tmp_path: Path) -> None:
    """``kernels/<program>.cpp``, one per program of the plan."""
    paths = write_kernels(tmp_path, samples.gemm())
    assert [path.name for path in paths] == ["reader.cpp", "compute.cpp", "writer.cpp"]
    texts = print_kernels(samples.gemm())
    assert [path.read_text() for path in paths] == list(texts.values())
