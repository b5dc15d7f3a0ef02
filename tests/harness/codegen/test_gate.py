"""The kernel gate, with the real headers: good kernels pass, seeded faults do not.

The headers come from the wheel of ttnn, which is not installed: ``make gate`` fetches it once. A
few units run whenever it is there; the sweep belongs to the nightly profile.
"""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

import pytest

from harness.codegen import print_kernels, write_kernels
from harness.codegen.gate import gate, lint_kernels
from harness.codegen.gate.banned import BANNED
from harness.codegen.gate.compile import check_unit, find_compiler, threads_of
from harness.codegen.gate.flags import TARGETS, Target
from harness.codegen.gate.run import lint_names
from harness.codegen.gate.wheel import Headers, find_headers
from harness.codegen.printer import print_kernel
from harness.compiler.pipeline import lower
from harness.kernels.table import KERNELS
from simulator.artifact import Artifact, write_artifact
from tests.harness.backends.plans import generated
from tests.harness.codegen import samples

FETCH = os.environ.get("CI") == "true" or os.environ.get("HYPOTHESIS_PROFILE") == "nightly"
WORMHOLE, BLACKHOLE = TARGETS

FAULTS = {
    "unknown function": ("reader", "noc_async_read_page(", "noc_async_read_pages("),
    "removed init": ("compute", "matmul_init(", "mm_init("),
    "removed startup": ("compute", "matmul_init(", "binary_op_init_common("),
    "removed pack": ("compute", "pack_tile(t, ", "pack_tile_block(t, "),
    "too few arguments": ("compute", "matmul_tiles(cb_A_shared, ", "matmul_tiles("),
    "too many arguments": ("compute", "tile_regs_wait()", "tile_regs_wait(1)"),
    "missing handshake count": ("writer", "cb_pop_front(cb_C_local_out, 4)",
                                "cb_pop_front(cb_C_local_out)"),
    "missing include": ("compute", '#include "api/compute/matmul.h"\n', ""),
    "old include path": ("reader", "api/dataflow/dataflow_api.h", "dataflow_api.h"),
    "old compute path": ("compute", "api/compute/pack.h", "compute_kernel_api/pack.h"),
    "compute call in a reader": ("reader", "noc_async_read_barrier()", "tile_regs_acquire()"),
    "reader call in compute": ("compute", "tile_regs_commit()", "noc_async_read_barrier()"),
    "missing compile-time word": ("reader", "TensorAccessorArgs<0>", "TensorAccessorArgs<40>"),
    "old address generator": ("writer", "TensorAccessor(C_args,", "InterleavedAddrGenFast<true>("),
    "old entry point": ("compute", "void kernel_main() {", "namespace NAMESPACE { void MAIN {"),
    "no entry point": ("writer", "void kernel_main()", "void writer_main()"),
    "undeclared argument": ("reader", "Args::A_addr)", "Args::A_address)"),
    "undeclared buffer": ("writer", "get_read_ptr(cb_C_local_out)", "get_read_ptr(cb_C)"),
    "argument of 8 bytes": ("compute", "get_arg_val<int32_t>", "get_arg_val<uint64_t>"),
    "unknown enumerator": ("compute", "SrcOrder::Reverse", "SrcOrder::Backwards"),
    "a warning the JIT refuses": ("reader", "item < count", "static_cast<uint32_t>(item) < count"),
    "deprecated release": ("compute", "tile_regs_release()", "release_dst()"),
    "deprecated copy": ("compute", "matmul_init(cb_A_shared, cb_B_shared, 0)",
                        "copy_tile_init(cb_A_shared)"),
}  # fmt: skip
"""Name to (kernel, text, replacement)."""


@cache
def headers() -> Headers:
    """The wheel's headers; the test is skipped, with the reason, where they cannot be had."""
    return find_headers(fetch=FETCH)


def root() -> Path:
    """Their directory, and a compiler to read them with."""
    found = headers()
    if found.root is None:
        pytest.skip(f"{found.reason}; 'make gate' fetches it")
    if find_compiler() is None:
        pytest.skip("there is no g++ on the path")
    return found.root


def complaints(name: str, text: str, target: Target, limit: int = 3) -> list[str]:
    """What the gate says of one kernel, in its first ``limit`` threads."""
    said = [item.message for item in lint_names(name, text, headers().version)]
    for thread in threads_of(samples.THREADS[name])[:limit]:
        found, _ = check_unit("g++", root(), target, thread, name, text, samples.gemm().plan,
                              samples.kernel(name))  # fmt: skip
        said += [item.message for item in found]
    return said


@pytest.mark.parametrize(("name", "target"), [("reader", WORMHOLE), ("compute", BLACKHOLE)],
                         ids=["reader", "compute"])  # fmt: skip
def test_a_packaged_kernel_passes(name: str, target: Target) -> None:
    """The printed text is accepted by the headers it was printed for."""
    assert complaints(name, print_kernels(samples.gemm())[name], target) == []


@pytest.mark.parametrize("fault", ["removed init", "missing compile-time word"])
def test_a_fault_is_caught(fault: str) -> None:
    """The gate has teeth (two of the seeded faults; the rest is in the nightly sweep)."""
    assert seeded(fault)


@pytest.mark.nightly
@pytest.mark.parametrize("fault", FAULTS)
def test_every_seeded_fault_is_caught(fault: str) -> None:
    """Each way a generator goes stale or wrong, one at a time."""
    assert seeded(fault)


def seeded(fault: str) -> list[str]:
    """Complaints about a kernel with one fault."""
    name, text, replacement = FAULTS[fault]
    good = print_kernels(samples.gemm())[name]
    assert text in good
    return complaints(name, good.replace(text, replacement, 1), WORMHOLE, 1)


@pytest.mark.nightly
@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.family)
@pytest.mark.parametrize("thread", ["ncrisc", "compute"])
def test_every_op_of_the_isa_is_accepted(thread: str, target: Target) -> None:
    """Name, arity, template arguments and header of every line of the table are real."""
    name = "compute" if thread == "compute" else "reader"
    text = print_kernel(samples.gemm().plan, samples.kernel(name), samples.every_op(thread))
    assert complaints(name, text, target) == []


@pytest.mark.nightly
@pytest.mark.parametrize("parameters", [
    {}, {"M": 256, "N": 256, "block_M": 128, "block_N": 128}, {"M": 100, "N": 70, "K": 50},
    {"dtype": "float32"}, {"trans_A": True, "trans_B": True},
], ids=["plain", "spill", "ragged", "float32", "transposed"])  # fmt: skip
def test_generated_kernels_pass_on_both_architectures(parameters: dict[str, object]) -> None:
    """All five threads of a core, Wormhole and Blackhole."""
    root()
    report = gate(samples.gemm(**parameters), headers=headers())
    assert report.ok, str(report)
    assert len(report.units) == 10


@pytest.mark.nightly
@pytest.mark.parametrize("ragged", [False, True], ids=["whole", "ragged"])
@pytest.mark.parametrize("name", KERNELS)
def test_packaged_kernels_pass_on_both_architectures(name: str, ragged: bool) -> None:
    """Every kernel the project ships, with even and with uneven sizes."""
    root()
    packaged = KERNELS[name]
    for compiled in lower(packaged.factory(**(packaged.ragged if ragged else {}))).kernels:
        report = gate(compiled, headers=headers())
        assert report.ok, str(report)


def test_what_the_risc_copies_passes() -> None:
    """Spans that Blackhole reads, and datums of pairs: the helpers that copy them compile."""
    root()
    for name, op in (("embedding", "copy_l1("), ("interleaved_rotary", "copy_datums_l1<")):
        (compiled,) = lower(KERNELS[name].factory(), device="blackhole_p150").kernels
        assert op in print_kernels(compiled)["reader"]
        report = gate(compiled, headers=headers())
        assert report.ok, str(report)


@pytest.mark.nightly
def test_a_sample_of_generated_kernels_passes() -> None:
    """Drawn shapes, formats, strategies and devices."""
    root()
    for compiled in generated(8, seed=8):
        report = gate(compiled, headers=headers())
        assert report.ok, str(report)


@pytest.mark.nightly
def test_the_lint_table_agrees_with_the_headers() -> None:
    """Removed names are gone from the headers; deprecated ones are there and marked."""
    import re

    api = root() / "tt_metal/hw/inc/api"
    text = "".join(path.read_text("utf-8", "replace") for path in sorted(api.rglob("*.h")))
    code = re.sub(r"//[^\n]*|/\*.*?\*/", " ", text, flags=re.DOTALL)
    for banned in BANNED:
        found = re.findall(rf"\b{banned.name}\b", code)
        assert bool(found) is (banned.state == "deprecated"), banned
        if banned.state == "deprecated":
            marked = rf"deprecated\([^\]]*\]\][^;{{}}]*\b{banned.name}\b"
            assert re.search(marked, code), banned


def test_a_missing_wheel_is_a_stated_skip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No wheel is no pass: the report says what was not done, and the names are linted still."""
    monkeypatch.setenv("TT_HARNESS_TTNN_WHEEL", str(tmp_path / "nowhere"))
    k = samples.gemm()
    write_artifact(tmp_path, Artifact(k.plan, k.programs))
    for path in write_kernels(tmp_path, k):
        path.write_text(path.read_text().replace("matmul_init", "mm_init"))
    report = lint_kernels(tmp_path)
    assert report.skipped is not None
    assert "compiler not run" in str(report)
    assert [p.message for p in report.problems] == [
        (
            "mm_init is removed in ttnn 0.81.1; use compute_kernel_hw_startup, once at the start,"
            " and matmul_init"
        )
    ]
    assert report.to_json()["ok"] is False
