import json
import os
from importlib import import_module
from pathlib import Path
from typing import Any

import msgspec
import pytest

import harness
from harness.errors import HarnessError, LanguageError
from harness.frontend.bridge import PYTHON, load_with_tilelang, python, unavailable
from harness.language.parsing.rebuild import rebuild
from tests.harness.frontend.loading import KERNELS, kernel
from tests.harness.frontend.test_idiom import CASES

ALIKE = [c for c, (name, _) in CASES.items() if name not in ("scale_in_place", "dynamic_copy")]
"""Not: a scalar and an open size, which TileLang keeps as parameters of the kernel."""


def without_lines(programs: Any) -> Any:
    """Programs as plain data, without source lines, which TileLang does not keep."""

    def clean(node: Any) -> Any:
        if isinstance(node, dict):
            return {k: clean(v) for k, v in node.items() if k != "loc"}
        return [clean(v) for v in node] if isinstance(node, (list, tuple)) else node

    return clean(msgspec.to_builtins(programs))


def without_hash(plan: Any) -> dict[str, Any]:
    """A plan as plain data, without the hash of its programs, which have lines."""
    data: dict[str, Any] = msgspec.to_builtins(plan)
    return {k: v for k, v in data.items() if k != "programs_sha256"}


@pytest.fixture
def tilelang() -> None:
    """Skip where no Python with TileLang is named; one that is named has to have it."""
    why = unavailable(python())
    if why is not None and PYTHON in os.environ:
        pytest.fail(f"{PYTHON} names {python()}: {why}")
    if why is not None:
        pytest.skip(f"TileLang cannot be used ({why}); name a Python that has it in {PYTHON}")


PACKAGED: dict[str, dict[str, Any]] = {
    "gemm.matmul": {"M": 100, "trans_A": True, "trans_B": True},
    "batched.batched_matmul": {},
    "linear.gemm_bias_relu": {},
    "linear.gemv": {},
    "linear.linear_attention": {},
    "softmax.online_softmax": {},
    "norm.layer_norm": {},
    "elementwise.multiply_add": {},
    "elementary.rotary": {},
    "convolution.conv2d": {},
    "attention.flash_attention": {"is_causal": True, "window": 70},
    "gathered.paged_attention": {"page_size": 48},
    "gathered.expert_gemm": {},
    "grouped.grouped_gemm": {},
    "grouped.packed_attention": {},
}
"""Packaged kernels, by module and factory, and the parameters to try."""


@pytest.mark.usefixtures("tilelang")
@pytest.mark.parametrize("name", PACKAGED)
def test_packaged_kernels_are_tilelang(name: str, tmp_path: Path) -> None:
    """With TileLang's own import line TileLang parses them, and the plan is the same."""
    module = import_module(f"harness.kernels.{name.partition('.')[0]}")
    factory, params = name.partition(".")[2], PACKAGED[name]
    text = Path(str(module.__file__)).read_text()
    text = text.replace("import harness.language as T", "import tilelang.language as T")
    file = tmp_path / "kernels.py"
    file.write_text(text.replace("from __future__ import annotations\n", ""))
    ours = harness.compile(getattr(module, factory)(**params))
    theirs = harness.compile(load_with_tilelang(file, factory, params))
    assert without_hash(ours.plan) == without_hash(theirs.plan)


@pytest.mark.usefixtures("tilelang")
@pytest.mark.parametrize("case", ALIKE)
def test_both_ways_of_reading_give_the_same_plan(case: str) -> None:
    """Compares plan and programs of a kernel parsed here and parsed by TileLang."""
    name, params = CASES[case]
    ours = harness.compile(kernel(name, **params))
    theirs = harness.compile(load_with_tilelang(KERNELS, name, params))
    assert without_hash(ours.plan) == without_hash(theirs.plan)
    assert without_lines(ours.programs) == without_lines(theirs.programs)


@pytest.mark.usefixtures("tilelang")
def test_what_tilelang_refuses_is_said(tmp_path: Path) -> None:
    """Hands on what TileLang says about a file."""
    path = tmp_path / "user.py"
    path.write_text(
        "import tilelang.language as T\ndef k():\n    raise ValueError('no such size')\n"
    )
    with pytest.raises(HarnessError, match="no such size"):
        load_with_tilelang(path, "k", {})


def test_without_tilelang_the_way_out_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Names the environment variable where the Python has no TileLang."""
    monkeypatch.setenv(PYTHON, "/bin/false")
    with pytest.raises(HarnessError, match=PYTHON):
        load_with_tilelang(KERNELS, "softmax", {})


def block(*statements: dict[str, Any]) -> dict[str, Any]:
    """The JSON of a kernel that copies A to B through a block, then does more."""
    whole = {"k": "call", "op": "tl.region", "t": "handle"}
    zero, size = {"k": "int", "v": 0, "t": "int32"}, {"k": "int", "v": 32, "t": "int32"}

    def region(number: int) -> dict[str, Any]:
        load = {"k": "load", "b": number, "i": [zero, zero]}
        return {**whole, "args": [load, size, size, size]}

    def copy(source: int, target: int) -> dict[str, Any]:
        call = {"k": "call", "op": "tl.tileop.copy", "t": "handle",
                "args": [region(source), region(target)]}  # fmt: skip
        return {"k": "eval", "value": call}

    buffers = [{"name": n, "dtype": "float32", "scope": s, "shape": [size, size], "data": 10 + m}
               for m, n, s in ((0, "A", "global"), (1, "B", "global"), (2, "t", "shared.dyn"),
                               (3, "lost", "global"))]  # fmt: skip
    grid = {"k": "for", "kind": 4, "tag": "blockIdx.x", "var": 0, "name": "bx", "min": zero,
            "extent": {"k": "int", "v": 1, "t": "int32"}, "stages": None,
            "body": [{"k": "alloc", "b": 2}, copy(0, 2), copy(2, 1), *statements]}  # fmt: skip
    return {"version": 1, "name": "main", "params": [0, 1], "buffers": buffers, "body": [grid]}


def test_a_kernel_is_rebuilt_from_json() -> None:
    """Builds and judges a kernel from JSON alone, as TileLang's process would print it."""
    made = rebuild(json.loads(json.dumps(block())))
    assert harness.check(made).passed


def test_a_view_of_a_block_is_the_block() -> None:
    """A buffer in a block's memory, of one more dimension, is read as the block."""
    data = block()
    one, size = ({"k": "int", "v": v, "t": "int32"} for v in (1, 32))
    zero = {"k": "int", "v": 0, "t": "int32"}
    data["buffers"].append({"name": "v", "dtype": "float32", "scope": "shared.dyn",
                            "shape": [one, size, size], "data": 12})  # fmt: skip
    source = data["body"][0]["body"][2]["value"]["args"][0]
    source["args"] = [{"k": "load", "b": 4, "i": [zero] * 3}, size, one, size, size]
    assert harness.check(rebuild(data)).passed
    data["buffers"][4]["shape"] = source["args"][2:] = [size, one, one]
    with pytest.raises(LanguageError, match="as many elements"):
        rebuild(data)


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ({"k": "other", "what": "While"}, "a While statement"),
        ({"k": "eval", "value": {"k": "call", "op": "tl.atomic_add", "args": []}}, "T.atomic_add"),
        ({"k": "store", "b": 2, "i": [], "value": {"k": "var", "n": 9}}, "GPU thread"),
        ({"k": "store", "b": 2, "i": [], "value": {"k": "other", "what": "Ramp"}}, "a Ramp"),
        ({"k": "store", "b": 3, "i": [], "value": {"k": "py", "v": 1}}, "'lost' has no memory"),
    ],
)
def test_nodes_without_meaning_are_refused(statement: dict[str, Any], message: str) -> None:
    """Refuses IR of TileLang this language has no meaning for, naming kernel and node."""
    with pytest.raises(LanguageError, match=message) as info:
        rebuild(block(statement))
    assert info.value.location == "main"
