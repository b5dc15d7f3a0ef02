"""The grammar: what is drawn is valid, text and IR are one, draws depend on the unit alone."""

import subprocess
import sys
from pathlib import Path

import pytest
import tvm_ffi
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import LanguageError
from harness.fuzz.campaigns.draw import batch
from harness.fuzz.campaigns.units import BATCH, FOCI, SHARDS, Unit, units
from harness.fuzz.case import Case
from harness.fuzz.judge import run_case
from harness.fuzz.kernels.grammar import kernels
from harness.fuzz.options import cases
from harness.fuzz.text import as_module, parse_kernel
from harness.kernelfile import load_kernel, parse_source

ROOT = Path(__file__).resolve().parents[4]


@given(kernels())
def test_every_kernel_is_valid(kernel: str) -> None:
    """Keeps the grammar inside the language: whatever it draws, the dialect parses."""
    parse_kernel(kernel)


@given(kernel=kernels())
def test_text_is_the_ir(kernel: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    """A case printed as a module and imported is the kernel that was judged."""
    path = tmp_path_factory.mktemp("printed") / "kernel.py"
    path.write_text(as_module(kernel))
    made = load_kernel(parse_source(f"{path}:main"), {})
    assert tvm_ffi.structural_equal(made, parse_kernel(kernel))


@given(cases())
def test_cases_survive_their_file(case: Case) -> None:
    """A case file holds the whole case, in at most 30 lines."""
    import json

    text = case.text()
    assert Case.from_json(json.loads(text)).to_json() == case.to_json()
    assert len(case.expecting({"verdict": "pass"}).text().splitlines()) <= 30


@given(st.sampled_from([f for f in FOCI if f != "plan"]).flatmap(cases))
def test_a_drawn_case_is_no_failure(case: Case) -> None:
    """Every focus draws kernels that compile and compute what they say, or are refused."""
    found = run_case(case)
    assert not found.failed, f"{found.key}: {found.message}\n{case.text()}"


def test_units_are_the_same_whoever_draws_them() -> None:
    """Keeps cases independent of the process, of what it imported and of what ran before."""
    unit = Unit(5, 11, 0, 12)
    code = (
        "import json\nfrom harness.fuzz.campaigns.units import Unit\n"
        "from harness.fuzz.campaigns.draw import batch\n"
        "print(json.dumps([c.text() for c in batch(Unit(5, 11, 0, 12))]))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True,
                          check=True)  # fmt: skip
    import json

    assert json.loads(done.stdout) == [case.text() for case in batch(unit)]


def test_units_cover_the_examples_once() -> None:
    """Keeps the number of cases what was asked for, whatever divides it."""
    made = list(units(1, 64 * BATCH + 7, None))
    assert sum(u.count for u in made) == 64 * BATCH + 7
    assert len({(u.shard, u.round) for u in made}) == len(made)
    assert {u.shard for u in made} == set(range(SHARDS))


@pytest.mark.parametrize(
    "text",
    [
        "import os\n",
        "@T.prim_func\ndef main(A: T.Tensor((32,), 'float32')):\n    T.copy(open('/x'), A)\n",
        "@T.prim_func\ndef main(A: T.Tensor(().__class__, 'float32')):\n    T.clear(A)\n",
        "@T.prim_func\ndef main(A: T.Tensor((32,), 'float32')):\n    T.__getattr__('x')(A)\n",
        "@T.prim_func\ndef main(A: T.Tensor((32,), 'float32')):\n    [A for i in range(2)]\n",
        "@print\ndef main(A: T.Tensor((32,), 'float32')):\n    T.clear(A)\n",
        "@T.prim_func\ndef main(A: T.Tensor((32,), f'{A}')):\n    T.clear(A)\n",
        "x = 1\n@T.prim_func\ndef main(A: T.Tensor((32,), 'float32')):\n    T.clear(A)\n",
    ],
)
def test_text_that_reaches_for_the_host_is_refused(text: str) -> None:
    """A case file from a stranger cannot run code: only the dialect is parsed."""
    with pytest.raises(LanguageError) as caught:
        parse_kernel(text)
    assert caught.value.code == "SourceError"


def test_parameters_are_names_of_the_text() -> None:
    """A case may keep a factory's parameters apart from its text."""
    text = (
        "@T.prim_func\ndef main(A: T.Tensor((M, 32), dtype), B: T.Tensor((M, 32), dtype)):\n"
        "    with T.Kernel(T.ceildiv(M, 32)) as by:\n"
        "        a = T.alloc_shared((32, 32), dtype)\n"
        "        T.copy(A[by * 32, 0], a)\n        T.copy(a, B[by * 32, 0])\n"
    )
    case = Case(kernel=text, params={"M": 70, "dtype": "bfloat16"},
                options={"device": "wormhole_n150"})  # fmt: skip
    assert run_case(case).kind == "pass"
    assert "M = 70" in as_module(text, case.params)
