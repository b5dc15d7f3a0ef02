"""What a plan declares is held against source and options, whatever compiled it."""

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

from harness import check
from harness.artifact import Artifact
from harness.artifact import compile as compile_kernel
from harness.compiler.options import CompileOptions
from harness.kernels import norm
from harness.kernels.elementwise import sharded_copy
from harness.kernels.gemm import matmul
from harness.mutants.edit import Built, replace
from simulator.plan.schema import Plan, Semaphore


def _kernel() -> Any:
    return matmul(M=64, N=64, K=64, block_M=32, block_N=32)


def _compiled(**options: Any) -> Artifact:
    return compile_kernel(_kernel(), grid=(2, 1), **options)


def _codes(built: Built, **options: Any) -> dict[str, str]:
    sealed = built.sealed()
    asked = CompileOptions(grid=(2, 1), **options)
    edited = dataclasses.replace(_compiled(), plan=sealed.plan, programs=sealed.programs)
    verdict = check(_kernel(), artifact=edited, options=asked)
    return {f.code: f.location or "" for f in reversed(verdict.findings)}


def test_what_the_compiler_makes_declares_what_was_asked_for() -> None:
    """A fresh artifact has nothing to object to."""
    made = _compiled()
    assert _codes(Built(made.plan, made.programs)) == {}


@pytest.mark.parametrize(
    ("given", "asked", "where"),
    [
        ({}, {"strategy": "column_major"}, "$.options"),
        ({}, {"double_buffer": False, "prefetch": False}, "$.options"),
        ({"strategy": "block"}, {}, "$.options"),
    ],
)
def test_a_dropped_option_is_found_although_the_answer_is_right(
    given: dict[str, Any], asked: dict[str, Any], where: str
) -> None:
    """An artifact compiled with other options than asked for is inconsistent."""
    made = _compiled(**given)
    assert "PlanInconsistent" in _codes(Built(made.plan, made.programs), **asked)
    assert where.startswith("$")


def test_a_plan_that_only_claims_the_option_is_found() -> None:
    """Copying the options into the plan does not hide that the strategy was dropped."""
    made = _compiled()
    asked = CompileOptions(grid=(2, 1), strategy="column_major")
    plan = replace(made.plan, options=asked.to_json())
    found = _codes(Built(plan, made.programs), strategy="column_major")
    assert "work_descriptors" in found["PlanInconsistent"]


@pytest.mark.parametrize(
    ("asked", "depth"), [({}, 1), ({"double_buffer": False, "prefetch": False}, 2)]
)
def test_depths_keep_what_double_buffer_promises(asked: dict[str, Any], depth: int) -> None:
    """Two blocks in flight where asked for, one where not."""
    made = _compiled(**asked)
    cbs = tuple(replace(cb, depth=depth) for cb in made.plan.circular_buffers)
    found = _codes(Built(replace(made.plan, circular_buffers=cbs), made.programs), **asked)
    assert "circular_buffers" in found["PlanInconsistent"]


@pytest.mark.parametrize("field", ["dst_full_sync_en", "bfp8_pack_precise"])
def test_a_mode_nobody_asked_for_is_found(field: str) -> None:
    """Modes without an option stay off."""
    made = _compiled()
    kernels = tuple(
        k if k.compute is None else replace(k, compute=replace(k.compute, **{field: True}))
        for k in made.plan.kernels
    )
    found = _codes(Built(replace(made.plan, kernels=kernels), made.programs))
    assert field in found["NumericModeMismatch"]


def test_a_wrong_length_of_k_is_found() -> None:
    """The K length of the work lists is the source's."""
    made = _compiled()
    work = {c: tuple(replace(i, len_k=1) for i in v) for c, v in made.plan.work_partition.items()}
    found = _codes(Built(replace(made.plan, work_partition=work), made.programs))
    assert "work_partition" in found["PlanInconsistent"]


def test_padding_said_to_be_zero_is_found() -> None:
    """The host leaves padding unspecified, and a plan may not count on more."""
    made = _compiled()
    layouts = {n: replace(la, padding="zero") for n, la in made.plan.layouts.items()}
    found = _codes(Built(replace(made.plan, layouts=layouts), made.programs))
    assert "padding" in found["PlanInconsistent"]


def _changed(index: int, **fields: Any) -> dict[str, str]:
    """What is said of the compiled plan with one circular buffer changed."""
    made = compile_kernel(norm.layer_norm(M=32, N=32), grid=(1, 1))
    cbs = list(made.plan.circular_buffers)
    at = [i for i, cb in enumerate(cbs) if cb.unpack_to_dest][index]
    cbs[at] = replace(cbs[at], **fields)
    built = Built(replace(made.plan, circular_buffers=tuple(cbs)), made.programs).sealed()
    edited = dataclasses.replace(made, plan=built.plan)
    verdict = check(made, artifact=edited)
    return {f.code: f.location or "" for f in verdict.findings}


@pytest.mark.parametrize("index", range(3))
def test_a_spill_that_loses_bits_is_found(index: int) -> None:
    """A float32 block copied to DST through SrcA would be right within its bound, and is not so."""
    assert "unpack_to_dest" in _changed(index, unpack_to_dest=False)["NumericModeMismatch"]


def test_exponents_of_another_width_are_found() -> None:
    """Ones are ones in float16 too, but tt-metal builds no kernel of exponents of both widths."""
    made = compile_kernel(norm.layer_norm(M=32, N=32), grid=(1, 1))
    scalers = [i for i, cb in enumerate(made.plan.circular_buffers) if "scaler" in cb.name]
    assert scalers
    cbs = tuple(
        replace(cb, data_format="Float16") if i in scalers else cb
        for i, cb in enumerate(made.plan.circular_buffers)
    )
    built = Built(replace(made.plan, circular_buffers=cbs), made.programs).sealed()
    verdict = check(made, artifact=dataclasses.replace(made, plan=built.plan))
    found = [f.location for f in verdict.findings if f.code == "NumericModeMismatch"]
    assert found == [f"$.circular_buffers[{i}].data_format" for i in scalers]


def test_a_tensor_placed_elsewhere_is_found() -> None:
    """Who asks for nothing gets DRAM, page by page."""
    made = _compiled()
    layouts = {n: replace(la, memory="L1") for n, la in made.plan.layouts.items()}
    found = _codes(Built(replace(made.plan, layouts=layouts), made.programs))
    assert "memory" in found["PlanInconsistent"]


def test_what_no_program_uses_is_found() -> None:
    """A semaphore nobody names is a leftover of something."""
    made = _compiled()
    idle = (Semaphore(id=7, core_ranges=made.plan.core_ranges),)
    found = _codes(Built(replace(made.plan, semaphores=idle), made.programs))
    assert "semaphores" in found["PlanInconsistent"]


@pytest.mark.parametrize("depth", [3, 5])
def test_parts_of_blocks_are_found(depth: int) -> None:
    """A buffer of one block and a half would wrap inside a block."""
    made = compile_kernel(matmul(M=64, N=64, K=64, block_M=32, block_N=64), grid=(2, 1))
    cbs = tuple(replace(cb, depth=depth) if cb.id == 1 else cb for cb in made.plan.circular_buffers)
    built = Built(replace(made.plan, circular_buffers=cbs), made.programs).sealed()
    verdict = check(made, artifact=dataclasses.replace(made, plan=built.plan))
    assert "PlanInconsistent" in {f.code for f in verdict.findings}


def _given(kernel: Any, change: Callable[[Plan], dict[str, Any]], **options: Any) -> str:
    """Where a compiled plan with some fields changed is found inconsistent."""
    made = compile_kernel(kernel, **options)
    built = Built(replace(made.plan, **change(made.plan)), made.programs).sealed()
    verdict = check(made, artifact=dataclasses.replace(made, plan=built.plan))
    (found,) = {f.location for f in verdict.findings if f.code == "PlanInconsistent"}
    return str(found)


def test_tensors_in_another_order_are_found() -> None:
    """The host binds tensors by place, so inputs of one shape would change places unseen."""
    io = _given(_kernel(), lambda _: {"io": ("B", "A", "C")}, grid=(2, 1))
    assert io == "$.io"


def test_another_name_is_found() -> None:
    """A plan is of the function it says it is of."""
    assert _given(_kernel(), lambda _: {"name": "other"}, grid=(2, 1)) == "$.name"


@pytest.mark.parametrize("order", [None, "column_major", "match_shard"])
def test_work_in_an_order_nobody_asked_for_is_found(order: str | None) -> None:
    """Every item says by which strategy it was dealt, on cores of one block, too."""

    def change(plan: Plan) -> dict[str, Any]:
        dealt = {c: tuple(replace(i, tile_order=order) for i in v)
                 for c, v in plan.work_partition.items()}  # fmt: skip
        return {"work_partition": dealt}

    assert _given(_kernel(), change, grid=(2, 2)).startswith("$.work_partition")


def test_padding_of_shards_is_the_host_s() -> None:
    """Sharded or not, the host zeroes padding where datums share exponents, and nowhere else."""

    def change(plan: Plan) -> dict[str, Any]:
        return {"layouts": {n: replace(la, padding="zero") for n, la in plan.layouts.items()}}

    made = compile_kernel(sharded_copy())
    assert {la.layout for la in made.plan.layouts.values()} == {"sharded"}
    built = Built(replace(made.plan, **change(made.plan)), made.programs).sealed()
    verdict = check(made, artifact=dataclasses.replace(made, plan=built.plan))
    found = {f.location for f in verdict.findings if f.code == "PlanInconsistent"}
    assert found == {f"$.layouts.{name}.padding" for name in made.plan.layouts}


@pytest.mark.parametrize("program", ["reader", "compute", "writer"])
def test_a_number_that_is_no_field_is_found(program: str) -> None:
    """A program that is told its work is told so by the plan, and not only the other programs."""

    def change(plan: Plan) -> dict[str, Any]:
        return {"kernels": tuple(replace(k, work_args={}) if k.program == program else k
                                 for k in plan.kernels)}  # fmt: skip

    made = _given(_kernel(), change, grid=(2, 1))
    assert made.startswith("$.kernels[")
    assert made.endswith("].work_args")


def test_places_of_cores_are_no_fields_of_work() -> None:
    """What cores that multicast are told besides their work is where they are."""
    kernel = matmul(M=128, N=128, K=64, block_M=32, block_N=32)
    made = compile_kernel(kernel, grid=(2, 2), multicast=True)
    assert any(len(v) > len(k.work_args) for k in made.plan.kernels
               for v in k.runtime_args.values())  # fmt: skip
    assert check(made).passed
