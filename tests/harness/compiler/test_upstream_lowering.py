"""Passes 4 and 5 against what upstream's did wrong: markers, wrong operands, missing protocol."""

from __future__ import annotations

from typing import Any

import pytest

import harness
from harness.compiler import lower
from harness.compiler.facts.statements import statements
from simulator.plan.validate import validate_artifact
from simulator.program import Let, Loop, Op
from tests.harness.compiler import samples


def programs(source: Any, **options: Any) -> dict[str, Any]:
    """The programs of a kernel by name."""
    (kernel,) = lower(source, **options).kernels
    assert not validate_artifact(kernel.plan, kernel.programs)
    return {p.name: p for p in kernel.programs.programs}


def flat(body: Any, depth: int = 0) -> list[tuple[int, Any]]:
    """(loop depth, op) of every op, in order."""
    out: list[tuple[int, Any]] = []
    for stmt in body:
        if isinstance(stmt, Op):
            out.append((depth, stmt))
        elif isinstance(stmt, Loop):
            out += flat(stmt.body, depth + 1)
        elif not isinstance(stmt, Let):
            out += flat(stmt.then, depth) + flat(stmt.orelse, depth)
    return out


def names(program: Any) -> list[str]:
    """Op names of a program, in order."""
    return [op.name for _, op in flat(program.body)]


@pytest.mark.parametrize("marker", ["tile_intrinsics_lowered", "persistent_kernel", "inserted"])
def test_no_marker_stands_for_work(marker: str) -> None:
    """Upstream set such attributes on bodies it had not touched; here only data is attached."""
    for last in range(1, 6):
        for func in samples.staged(samples.gemm(), last).functions.values():
            assert not any(marker in str(key) for key, _ in func.attrs.items())


def test_a_product_takes_its_two_operands() -> None:
    """Upstream multiplied circular buffer 0 by itself, and pushed A and B into one buffer."""
    found = programs(samples.gemm())
    (matmul,) = [op for _, op in flat(found["compute"].body) if op.name == "matmul_tiles"]
    assert matmul.args[0] != matmul.args[1]
    reads = [op.args[1] for _, op in flat(found["reader"].body) if "read_page" in op.name]
    pushed = [op.args[0] for _, op in flat(found["reader"].body) if op.name == "cb_push_back"]
    assert reads == ["A", "B"]
    assert pushed == [matmul.args[0], matmul.args[1]]


def test_products_accumulate_over_k_and_are_packed_once() -> None:
    """Upstream acquired, packed and pushed in every K step, or never accumulated at all."""
    found = flat(programs(samples.gemm())["compute"].body)
    depth = {op.name: d for d, op in found}
    assert depth["matmul_tiles"] == depth["tile_regs_acquire"] + 1
    for name in ("tile_regs_commit", "tile_regs_wait", "pack_tile", "tile_regs_release"):
        assert depth[name] == depth["tile_regs_acquire"]
    order = [op.name for _, op in found]
    for earlier, later in (
        ("tile_regs_acquire", "matmul_tiles"), ("matmul_tiles", "tile_regs_commit"),
        ("tile_regs_commit", "tile_regs_wait"), ("tile_regs_wait", "pack_tile"),
        ("pack_tile", "tile_regs_release"), ("compute_kernel_hw_startup", "matmul_init"),
        ("matmul_init", "matmul_tiles"),
    ):  # fmt: skip
        assert order.index(earlier) < order.index(later), (earlier, later)


def test_an_accumulator_that_holds_values_keeps_them() -> None:
    """The accumulate flag follows the source: what is in the fragment is loaded before adding."""
    text = (
        "@T.prim_func\n"
        'def f(A: T.Tensor((32, 32), "bfloat16"), B: T.Tensor((32, 32), "bfloat16"),'
        ' D: T.Tensor((32, 32), "float32"), C: T.Tensor((32, 32), "float32")):\n'
        "    with T.Kernel(1) as bx:\n"
        '        a = T.alloc_shared((32, 32), "bfloat16")\n'
        '        b = T.alloc_shared((32, 32), "bfloat16")\n'
        '        c = T.alloc_fragment((32, 32), "float32")\n'
        "        T.copy(D, c)\n"
        "        T.copy(A, a)\n"
        "        T.copy(B, b)\n"
        "        T.gemm(a, b, c{flag})\n"
        "        T.copy(c, C)\n"
    )
    kept = names(programs(samples.from_text(text.format(flag=""), "f"))["compute"])
    assert "copy_tile" in kept[: kept.index("matmul_tiles")]
    fresh = text.format(flag=", clear_accum=True").replace("        T.copy(D, c)\n", "")
    fresh = fresh.replace('D: T.Tensor((32, 32), "float32"), ', "")
    assert "copy_tile" not in names(programs(samples.from_text(fresh, "f"))["compute"])


def test_products_are_transposed_only_where_asked() -> None:
    """Upstream passed 1 for the last argument of matmul_tiles, which transposes B."""
    for trans_b, flag in ((False, 0), (True, 1)):
        text = (
            "@T.prim_func\n"
            'def f(A: T.Tensor((64, 96), "bfloat16"), B: T.Tensor((96, 96), "bfloat16"),'
            ' C: T.Tensor((64, 96), "bfloat16")):\n'
            "    with T.Kernel(1) as bx:\n"
            '        a = T.alloc_shared((64, 96), "bfloat16")\n'
            '        b = T.alloc_shared((96, 96), "bfloat16")\n'
            '        c = T.alloc_fragment((64, 96), "float32")\n'
            "        T.copy(A, a)\n"
            "        T.copy(B, b)\n"
            "        T.clear(c)\n"
            f"        T.gemm(a, b, c, transpose_B={trans_b})\n"
            "        T.copy(c, C)\n"
        )
        found = flat(programs(samples.from_text(text, "f"))["compute"].body)
        (init,) = [op for _, op in found if op.name == "matmul_init"]
        assert init.args[-1] == flag


def test_an_elementwise_fma_is_no_matrix_product() -> None:
    """Upstream turned C = C + A*B into a matmul without looking at the indices."""
    found = names(programs(samples.fma())["compute"])
    assert "matmul_tiles" not in found
    assert any("mul" in name for name in found)
    assert any("add" in name for name in found)


def test_scalar_loops_become_tile_ops() -> None:
    """No element store is kept beside the tile op that replaces it."""
    for make in (samples.fma, samples.sum_and_difference):
        func = samples.only(samples.staged(make(), 4))
        assert not any(type(s).__name__ == "BufferStore" for s in statements(func.body))


def test_a_kernel_that_only_copies_compiles() -> None:
    """Upstream's generator raised on it, and a test was changed to avoid it."""
    found = programs(samples.copy())
    assert set(found) == {"reader", "writer"}


def test_what_the_writer_waits_for_is_produced() -> None:
    """Upstream's writer waited on circular buffer 16, which nobody filled."""
    for make in (samples.gemm, samples.copy, samples.fma, samples.sum_and_difference):
        found = programs(make())
        pushed = {op.args[0] for p in found.values() for _, op in flat(p.body)
                  if op.name == "cb_push_back"}  # fmt: skip
        for program in found.values():
            for _, op in flat(program.body):
                if op.name == "cb_wait_front":
                    assert op.args[0] in pushed


def test_outputs_have_buffers_of_their_own() -> None:
    """Upstream gave every tensor with out in its name circular buffer 16."""
    data = samples.plan(samples.sum_and_difference())
    outputs = [cb["id"] for cb in data["circular_buffers"] if cb["consumer"] == "brisc"]
    assert len(set(outputs)) == len(outputs) == 2


@pytest.mark.parametrize("strategy", ["row_major", "column_major", "block"])
def test_every_program_loops_over_its_work(strategy: str) -> None:
    """Upstream's documentation described a persistent loop that no code built."""
    for program in programs(samples.batched(), strategy=strategy).values():
        loops = [s for s in program.body if isinstance(s, Loop)]
        assert len(loops) == 1
        stop = str(loops[0].stop)
        wanted = ("count",) if strategy != "block" else ("width", "height")
        assert all(name in stop for name in wanted)
        assert set(wanted) <= set(program.runtime_args)


@pytest.mark.parametrize("loop_var", ["k", "kk", "tile", "bx_k", "item"])
def test_the_k_loop_may_be_called_anything(loop_var: str) -> None:
    """Upstream's tile id used the loop named k and took 0 for every other name."""
    text = (
        "@T.prim_func\n"
        'def f(A: T.Tensor((64, 96), "bfloat16"), B: T.Tensor((96, 64), "bfloat16"),'
        ' C: T.Tensor((64, 64), "bfloat16")):\n'
        "    with T.Kernel(2, 2) as (bx, by):\n"
        '        a = T.alloc_shared((32, 32), "bfloat16")\n'
        '        b = T.alloc_shared((32, 32), "bfloat16")\n'
        '        c = T.alloc_fragment((32, 32), "float32")\n'
        "        T.clear(c)\n"
        f"        for {loop_var} in T.serial(3):\n"
        f"            T.copy(A[by * 32, {loop_var} * 32], a)\n"
        f"            T.copy(B[{loop_var} * 32, bx * 32], b)\n"
        "            T.gemm(a, b, c)\n"
        "        T.copy(c, C[by * 32, bx * 32])\n"
    )
    reads = [op.args[0] for _, op in flat(programs(samples.from_text(text, "f"))["reader"].body)
             if op.name == "noc_async_read_page"]  # fmt: skip
    assert len(reads) == 2
    pages = [str(page) for page in reads]
    assert pages[0] != pages[1]
    inner = next(s for s in flat_loops(programs(samples.from_text(text, "f"))["reader"].body))
    assert all(repr(inner) in page for page in pages)


def flat_loops(body: Any) -> list[str]:
    """Variables of loops inside the persistent one."""
    (outer,) = [s for s in body if isinstance(s, Loop)]
    return [s.var for s in outer.body if isinstance(s, Loop)]


@pytest.mark.parametrize("shape", [(50, 50, 50), (100, 70, 50), (33, 31, 65), (1, 1, 1)])
def test_ragged_shapes_compile_and_are_masked(shape: tuple[int, int, int]) -> None:
    """Upstream crashed on every condition, division and comparison a ragged shape brings."""
    M, N, K = shape
    found = programs(samples.gemm(M, N, K))
    assert "zero_tile_region" in names(found["reader"])
    data = samples.plan(samples.gemm(M, N, K))
    assert data["layouts"]["C"]["logical_shape"] == [M, N]
    assert data["layouts"]["C"]["padded_shape"] == [-(-M // 32) * 32, -(-N // 32) * 32]


def test_every_runtime_argument_has_a_value_on_every_core() -> None:
    """Upstream's plans named arguments; the values were never computed, or all zero."""
    data = samples.plan(samples.gemm(160, 160, 128), grid=(4, 4))
    for kernel in data["kernels"]:
        assert set(kernel["runtime_args"]) == set(data["work_partition"])
        for core, values in kernel["runtime_args"].items():
            fields = data["work_descriptors"][core]
            assert values == [fields[f] for f in kernel["work_args"].values()]


def test_arguments_are_known_by_name() -> None:
    """Upstream read the address and the first tile from one index; here a name is one argument."""
    for program in programs(samples.gemm()).values():
        arguments = [*program.common_args, *program.runtime_args]
        assert len(set(arguments)) == len(arguments)


@pytest.mark.parametrize("name", ["start", "count", "item", "work_start", "x0", "main", "bx"])
def test_a_tensor_may_be_called_like_an_argument(name: str) -> None:
    """A tensor named as the compiler names its own things is still only a tensor."""
    text = (
        "@T.prim_func\n"
        f'def f({name}: T.Tensor((64, 64), "bfloat16"), other: T.Tensor((64, 64), "bfloat16")):\n'
        "    with T.Kernel(2, 2) as (p, q):\n"
        '        s = T.alloc_shared((32, 32), "bfloat16")\n'
        f"        T.copy({name}[q * 32, p * 32], s)\n"
        "        T.copy(s, other[q * 32, p * 32])\n"
    )
    for strategy in ("row_major", "block"):
        data = samples.plan(samples.from_text(text, "f"), strategy=strategy)
        assert data["io"] == [name, "other"]


@pytest.mark.parametrize("names", [
    ("A", "A_addr"), ("A_addr", "A"), ("A_addr", "A_addr_addr"), ("A_addr", "A_addr_"),
    ("start", "start_addr"),
])  # fmt: skip
def test_tensors_named_like_addresses_keep_apart(names: tuple[str, str]) -> None:
    """A tensor named A_addr beside A is never mistaken for A's address, whichever comes first."""
    a, b = names
    text = (
        "@T.prim_func\n"
        f'def f({a}: T.Tensor((32, 32), "bfloat16"), {b}: T.Tensor((32, 32), "bfloat16"),\n'
        '      C: T.Tensor((32, 32), "bfloat16")):\n'
        "    with T.Kernel(1) as bx:\n"
        "        for i, j in T.Parallel(32, 32):\n"
        f"            C[i, j] = {a}[i, j] - {b}[i, j] * 2.0\n"
    )
    func = samples.from_text(text, "f")
    kernels = samples.plan(func)["kernels"]
    read = {k: v for kernel in kernels for k, v in kernel.get("compile_args", {}).items()}
    assert {v["accessor"] for v in read.values()} == {a, b, "C"}
    for kernel in kernels:
        bound = {**kernel.get("common_args", {}), **kernel.get("work_args", {})}
        assert not set(kernel.get("compile_args", ())) & set(bound)
    assert harness.check(func).passed
