"""Every field that a source and its options decide is held against them, each by itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from harness.artifact import Artifact
from harness.artifact import compile as compile_kernel
from harness.checking.declared import declared
from harness.kernels.elementwise import sharded_copy
from harness.kernels.gemm import matmul
from harness.kernels.grouped import unpermute
from harness.mutants.edit import Built, with_arg
from harness.mutants.edit import edit as changed
from simulator.plan.schema import CoreRange, Plan, Shard

Edit = Callable[[Plan], Plan]
replace = msgspec.structs.replace


def layout(name: str, **changes: Any) -> Edit:
    """A tensor's layout with other fields."""
    return lambda plan: replace(
        plan, layouts={**plan.layouts, name: replace(plan.layouts[name], **changes)})  # fmt: skip


def work(**changes: Any) -> Edit:
    """The last item of the last core's work with other fields."""

    def edit(plan: Plan) -> Plan:
        core = list(plan.work_partition)[-1]
        *before, last = plan.work_partition[core]
        items = (*before, replace(last, **changes))
        return replace(plan, work_partition={**plan.work_partition, core: items})

    return edit


def elsewhere(plan: Plan) -> Plan:
    """As many core ranges, of as many cores, somewhere else."""
    moved = tuple(CoreRange(start=(r.start[0] + 1, r.start[1]), extent=r.extent)
                  for r in plan.core_ranges)  # fmt: skip
    return replace(plan, core_ranges=moved)


def uneven(plan: Plan) -> Plan:
    """All of the work on the first core."""
    first, *others = plan.work_partition
    items = tuple(item for one in plan.work_partition.values() for item in one)
    return replace(plan, work_partition={first: items, **dict.fromkeys(others, ())})


def resharded(name: str) -> Edit:
    """Shards of the same memory in another shape."""

    def edit(plan: Plan) -> Plan:
        shard = plan.layouts[name].shard
        assert isinstance(shard, Shard)
        return layout(name, shard=replace(shard, shape=tuple(2 * n for n in shard.shape)))(plan)

    return edit


EDITS: dict[str, tuple[str, Edit]] = {
    "kernel": ("$.name", lambda p: replace(p, name="other")),
    "device": ("$.device", lambda p: replace(p, device=replace(p.device, name="wormhole_n300"))),
    "an option": ("$.options", lambda p: replace(p, options={**p.options, "prefetch": False})),
    "an option left out": ("$.options", lambda p: replace(p, options={
        k: v for k, v in p.options.items() if k != "fidelity"})),
    "one option more": ("$.options", lambda p: replace(p, options={**p.options, "more": 1})),
    "grid of cores": ("$.core_grid", lambda p: replace(p, core_grid=(1, 2))),
    "cores": ("$.core_ranges", elsewhere),
    "grid of blocks": ("$.kernel_grid", lambda p: replace(p, kernel_grid=(2, 1, 1))),
    "dealing": ("$.work_partition", uneven),
    "length of K": ("$.work_partition", work(len_k=1)),
    "order": ("$.work_partition", work(tile_order="column_major")),
    "order of tensors": ("$.io", lambda p: replace(p, io=(p.io[1], p.io[0], *p.io[2:]))),
    "dtype": ("$.layouts.A.dtype", layout("A", dtype="float16")),
    "shape": ("$.layouts.A.logical_shape", layout("A", logical_shape=(64, 63))),
    "role": ("$.layouts.C.role", layout("C", role="inout")),
    "input's role": ("$.layouts.A.role", layout("A", role="inout")),
    "what blocks write": ("$.output_blocks.C.coverage", lambda p: replace(p, output_blocks={
        "C": replace(p.output_blocks["C"], coverage="told")})),
    "padding": ("$.layouts.B.padding", layout("B", padding="zero")),
    "a tensor more": ("$.layouts", lambda p: replace(p, layouts={
        **p.layouts, "D": p.layouts["A"]})),
    "a tensor less": ("$.layouts", lambda p: replace(p, layouts={
        k: v for k, v in p.layouts.items() if k != "B"})),
}  # fmt: skip


@pytest.fixture(scope="module")
def product() -> Artifact:
    """A product on two cores."""
    return compile_kernel(matmul(M=64, N=64, K=64, block_M=32, block_N=32, block_K=32),
                          grid=(2, 1))  # fmt: skip


def found(made: Artifact, plan: Plan) -> set[str]:
    """Where a plan differs from what was asked for."""
    return {f.location or "" for f in declared(plan, made.source, made.options, made.contract,
                                               name=made.name)}  # fmt: skip


def test_the_plan_as_compiled_declares_what_was_asked_for(product: Artifact) -> None:
    """Nothing to find."""
    assert found(product, product.plan) == set()


@pytest.mark.parametrize("what", EDITS)
def test_a_field_that_differs_is_found(what: str, product: Artifact) -> None:
    """Alone, and at its place."""
    where, edit = EDITS[what]
    assert where in {place.partition("[")[0] if where.count(".") == 1 else place
                     for place in found(product, edit(product.plan))}  # fmt: skip


@pytest.mark.parametrize("pages", [0, -1])
def test_a_handshake_of_no_pages_is_left_to_the_machine(pages: int, product: Artifact) -> None:
    """Depths are held against blocks of pages; of none, check says what the machine says."""
    counts = ("cb_reserve_back", "cb_push_back", "cb_wait_front", "cb_pop_front")
    built = Built(product.plan, product.programs)
    for name in counts:
        built = changed(built, with_arg(name, 1, lambda _: pages))
    sealed = built.sealed()
    assert not list(declared(sealed.plan, product.source, product.options, product.contract,
                             sealed.programs, name=product.name))  # fmt: skip


def test_what_data_choose_is_told() -> None:
    """A plan may not promise blocks places that data give their rows."""
    made = compile_kernel(unpermute(), grid=(2, 1))
    assert found(made, made.plan) == set()
    block_map = replace(made.plan.output_blocks["Y"], coverage="full")
    plan = replace(made.plan, output_blocks={"Y": block_map})
    assert found(made, plan) == {"$.output_blocks.Y.coverage"}


def test_where_a_tensor_lies_and_how_it_is_cut_is_found() -> None:
    """Shards in another shape, and another memory."""
    made = compile_kernel(sharded_copy(M=64, N=64, block_M=32, block_N=32), grid=(2, 2))
    for field, edit in (("shard", resharded("A")), ("memory", layout("A", memory="DRAM"))):
        places = declared(edit(made.plan), made.source, made.options, made.contract,
                          made.programs, name=made.name)  # fmt: skip
        assert f"$.layouts.A.{field}" in {f.location for f in places}
