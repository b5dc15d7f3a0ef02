"""Properties of the packaged kernels over drawn shapes, types, devices, placements and modes."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import tvm
import tvm_ffi
from hypothesis import given, settings
from hypothesis import strategies as st

import harness
from harness.kernels import batched, elementwise, gemm
from simulator.arch import find_arch
from simulator.plan.load import dump_plan, dump_programs
from tests.harness.compiler import samples
from tests.properties.drawing import DEVICES, FACTORIES, Case, cases, modes, params, placements
from tests.properties.invariants import check_plan

Arrays = dict[str, npt.NDArray[Any]]


def artifact_bytes(artifact: harness.Artifact) -> bytes:
    """Plan and programs as they lie on disk."""
    return dump_plan(artifact.plan) + dump_programs(artifact.programs)


def integers(artifact: harness.Artifact, seed: int, limit: int) -> Arrays:
    """Integers small enough that no step of a packaged kernel rounds."""
    rng = np.random.default_rng(seed)
    return {
        name: rng.integers(-limit, limit + 1, layout.logical_shape).astype(np.float32)
        for name, layout in artifact.plan.layouts.items()
        if layout.role == "input"
    }


def answer(case: Case, arrays: Arrays) -> npt.NDArray[np.float64]:
    """The packaged kernel in NumPy."""
    given_arrays = {n: a.astype(np.float64) for n, a in arrays.items()}
    if case.kernel == "copy":
        return given_arrays["A"]
    if case.kernel == "add":
        return elementwise.add_reference(**given_arrays)
    if case.kernel == "multiply_add":
        return elementwise.multiply_add_reference(**given_arrays, alpha=case.params["alpha"])
    if case.kernel == "batched_matmul":
        return batched.reference(**given_arrays)
    a, b = given_arrays["A"], given_arrays["B"]
    return gemm.reference(a, b, case.params["trans_A"], case.params["trans_B"])


def output(case: Case, arrays: Arrays) -> npt.NDArray[Any]:
    """The one output of a case on the simulator; no finding may be reported."""
    result = harness.compile(case.source(), **case.options).run(arrays)
    assert result.findings == ()
    array: npt.NDArray[Any]
    (array,) = result.outputs.values()
    return array


@given(case=cases())
def test_plan_invariants(case: Case) -> None:
    """Coverage, ranges, descriptors, budgets and depths hold, recomputed from the parameters."""
    arch = find_arch(case.options["device"])
    artifact = harness.compile(case.source(), **case.options)
    check_plan(case, artifact.plan, arch.grid, arch.l1_bytes - arch.l1_base, arch.num_cbs)


@given(case=cases())
def test_compiling_again_gives_the_same_bytes_and_leaves_the_source(case: Case) -> None:
    """Compilation is a function of source and options and never changes its input."""
    source = case.source()
    module = tvm.IRModule({"main": source})
    before = module.script()
    first = artifact_bytes(harness.compile(module, **case.options))
    assert module.script() == before
    assert tvm_ffi.structural_equal(source, case.source())
    assert artifact_bytes(harness.compile(source, **case.options)) == first
    assert artifact_bytes(harness.compile(case.source(), **case.options)) == first


@given(case=cases(), seed=st.integers(0, 2**16))
def test_check_passes(case: Case, seed: int) -> None:
    """What the simulator computes is what the source says, within the source's own bound."""
    verdict = harness.check(case.source(), seed=seed, **case.options)
    assert verdict.passed, (verdict, verdict.reason, verdict.findings)


@st.composite
def twins(draw: st.DrawFn) -> tuple[Case, Case]:
    """One kernel placed and buffered in two ways, numbers being the same."""
    kernel = draw(st.sampled_from(sorted(FACTORIES)))
    device = draw(st.sampled_from(DEVICES))
    numeric = {n: v for n, v in draw(modes(device)).items() if n in ("fp32_dest", "fidelity")}
    values = draw(params(kernel))
    out = []
    for _ in range(2):
        buffering = {"double_buffer": draw(st.booleans()), "prefetch": draw(st.booleans())}
        stages = {"num_stages": draw(st.integers(0, 3))} if kernel == "matmul" else {}
        options = {"device": device} | draw(placements(device)) | buffering | numeric
        out.append(Case(kernel, values | stages, options))
    return out[0], out[1]


@given(pair=twins(), seed=st.integers(0, 2**16))
def test_placement_and_buffering_change_no_bit(pair: tuple[Case, Case], seed: int) -> None:
    """On exact inputs, grid, strategy, ranges and buffering leave every bit of the answer alone."""
    one, other = pair
    arrays = integers(harness.compile(one.source(), **one.options), seed, 1)
    left, right = output(one, arrays), output(other, arrays)
    assert left.tobytes() == right.tobytes()


@given(case=cases(), seed=st.integers(0, 2**16))
def test_exact_inputs_equal_numpy(case: Case, seed: int) -> None:
    """Ones and zeros survive every mode: the answer equals the packaged NumPy reference."""
    arrays = integers(harness.compile(case.source(), **case.options), seed, 1)
    want = answer(case, arrays)
    assert (np.abs(want) <= 2**8).all()
    np.testing.assert_array_equal(output(case, arrays), want)


TEXT = """
@T.prim_func
def {f}(
    {A}: T.Tensor(({M}, {K}), "{dtype}"),
    {B}: T.Tensor(({K}, {N}), "{dtype}"),
    {C}: T.Tensor(({M}, {N}), "{dtype}"),
):
    with T.Kernel(T.ceildiv({N}, {bn}), T.ceildiv({M}, {bm})) as ({x}, {y}):
        {a} = T.alloc_shared(({bm}, 32), "{dtype}")
        {b} = T.alloc_shared((32, {bn}), "{dtype}")
        {c} = T.alloc_fragment(({bm}, {bn}), "float32")
        T.clear({c})
        for {k} in T.Pipelined(T.ceildiv({K}, 32), num_stages=2):
            T.copy({A}[{y} * {bm}, {k} * 32], {a})
            T.copy({B}[{k} * 32, {x} * {bn}], {b})
            T.gemm({a}, {b}, {c})
        T.copy({c}, {C}[{y} * {bm}, {x} * {bn}])
"""
PLAIN = {"f": "main", "A": "A", "B": "B", "C": "C", "x": "bx", "y": "by",
         "a": "a", "b": "b", "c": "c", "k": "k"}  # fmt: skip
NAMES = ("A", "B", "C", "Out", "weight", "q", "acc", "input", "W", "x", "y", "lhs", "buf", "s")


@given(
    names=st.lists(st.sampled_from(NAMES), min_size=10, max_size=10, unique=True),
    M=st.integers(1, 100), N=st.integers(1, 100), K=st.integers(1, 100),
    bm=st.sampled_from([16, 32, 64]), bn=st.sampled_from([32, 64]),
    dtype=st.sampled_from(["bfloat16", "float32"]),
)  # fmt: skip
def test_renaming_changes_no_bit(
    names: list[str], M: int, N: int, K: int, bm: int, bn: int, dtype: str
) -> None:
    """Names of function, tensors, buffers and loop variables have no meaning."""
    renamed = dict(zip(PLAIN, names, strict=True))
    outputs = []
    for chosen in (PLAIN, renamed):
        text = TEXT.format(**chosen, M=M, N=N, K=K, bm=bm, bn=bn, dtype=dtype)
        artifact = harness.compile(samples.from_text(text, chosen["f"]))
        rng = np.random.default_rng(M)
        arrays = {chosen["A"]: rng.integers(-7, 8, (M, K)).astype(np.float32),
                  chosen["B"]: rng.integers(-7, 8, (K, N)).astype(np.float32)}  # fmt: skip
        outputs.append(artifact.run(arrays).outputs[chosen["C"]].tobytes())
        assert artifact.name == chosen["f"]
    assert outputs[0] == outputs[1]


@pytest.mark.nightly
@settings(max_examples=300)
@given(case=cases())
def test_exact_numbers_pass_as_well(case: Case) -> None:
    """The bit-exact number model stays within the source's bound, too."""
    verdict = harness.check(case.source(), numbers="exact", **case.options)
    assert verdict.passed, (verdict, verdict.reason, verdict.findings)
