import sys
from pathlib import Path

import pytest

from harness.errors import HarnessError
from harness.frontend import serving
from harness.frontend.errors import FrontendError, MissingLibraryError
from tests.harness.frontend.loading import kernel, load

HEAD = "import tilelang\nimport tilelang.language as T\n"
BODY = """
def k(M=64):
    @T.prim_func
    def main(A: T.Tensor((M, M), "float32"), B: T.Tensor((M, M), "float32")):
        with T.Kernel(T.ceildiv(M, 32), threads=128) as bx:
            t = T.alloc_shared((32, M), "float32")
            T.copy(A[bx * 32, 0], t)
            T.copy(t, B[bx * 32, 0])
    return main
"""


def test_tilelang_is_there_only_while_a_file_runs() -> None:
    """Leaves no tilelang and no torch stand-in behind, and no finder."""
    finders = list(sys.meta_path)
    kernel("causal_mask", N=32)
    assert sys.meta_path == finders
    standins = [m for m in ("tilelang", "tilelang.language") if m in sys.modules]
    assert not standins
    assert getattr(sys.modules.get("torch"), "__file__", "") is not None


def test_what_was_imported_before_is_put_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """Gives a tilelang that was already imported back after the run."""
    mine = type(sys)("tilelang")
    monkeypatch.setitem(sys.modules, "tilelang", mine)
    with serving():
        import tilelang  # type: ignore[import-not-found]  # the stand-in

        assert tilelang is not mine
    assert sys.modules["tilelang"] is mine


@pytest.mark.parametrize("module", ["carver", "intrinsics", "contrib.nvcc", "utils.target"])
def test_other_modules_are_refused_by_name(tmp_path: Path, module: str) -> None:
    """Names the module and the line of an import that is not served."""
    with pytest.raises(FrontendError, match=rf"tilelang\.{module.partition('.')[0]}") as info:
        load(tmp_path, f"{HEAD}import tilelang.{module}\n{BODY}")
    assert info.value.location == "user.py:3"


def test_modules_that_tests_of_a_file_need_are_there(tmp_path: Path) -> None:
    """Takes a kernel whose file brings its own GPU tests, as it stands."""
    head = (
        "import tilelang.testing\n"
        "from tilelang.utils.tensor import torch_assert_close\n"
        "from tilelang.tileop.base import GemmWarpPolicy\n"
        "tilelang.testing.set_random_seed(0)\n"
        "policy = GemmWarpPolicy.FullRow\n"
    )
    tests = (
        "\n@tilelang.testing.requires_cuda\ndef test_a():\n    torch_assert_close(1, 1)\n"
        "\n@tilelang.testing.requires_cuda_compute_version(9, 0)\ndef test_b():\n    test_a()\n"
        'if __name__ == "__main__":\n    tilelang.testing.main()\n'
    )
    made = load(tmp_path, head + HEAD + BODY + tests)
    assert hasattr(made, "script")


def test_modules_of_layouts_and_callbacks_are_there(tmp_path: Path) -> None:
    """Takes a kernel whose file imports layouts and hooks for GPUs, by module or by attribute."""
    head = (
        "from tilelang.layout import make_swizzled_layout\n"
        "from tilelang.engine.callback import register_cuda_postproc_callback\n"
        "from tilelang.math import next_power_of_2\n"
        "assert next_power_of_2(33) == tilelang.math.next_power_of_2(64) == 64\n"
    )
    laid = "T.annotate_layout({t: make_swizzled_layout(t)})"
    body = BODY.replace("T.copy(t, B", f"{laid}\n            T.copy(t, B")
    assert laid in body
    assert hasattr(load(tmp_path, HEAD + head + body), "script")


def test_other_names_of_a_module_are_refused_by_name(tmp_path: Path) -> None:
    """Names what a module that is provided does not give."""
    with pytest.raises(FrontendError, match=r"tilelang\.layout\.rotated is not provided"):
        load(tmp_path, f"{HEAD}tilelang.layout.rotated(1)\n{BODY}")


@pytest.mark.parametrize(
    ("call", "said"),
    [
        ("tilelang.testing.main()", "tests on a GPU"),
        ("tilelang.utils.tensor.torch_assert_close(1, 1)", "by a tolerance"),
    ],
)
def test_what_a_gpu_test_does_is_refused_when_it_is_done(
    tmp_path: Path, call: str, said: str
) -> None:
    """Does not pretend that a file's own tests have run or its answers were compared."""
    text = f"import tilelang.testing\nimport tilelang.utils.tensor\n{HEAD}def k():\n    {call}\n"
    with pytest.raises(FrontendError, match=said):
        load(tmp_path, text)


def test_other_names_are_refused_by_name(tmp_path: Path) -> None:
    """Names what `from tilelang import …` asked for."""
    with pytest.raises(FrontendError, match=r"tilelang\.transport is not provided"):
        load(tmp_path, f"from tilelang import transport\n{HEAD}{BODY}")


def test_a_library_is_missed_when_it_is_used(tmp_path: Path) -> None:
    """Refuses a kernel whose factory really computes with a library that is not installed."""
    text = f"import einops\n{HEAD}\ndef k():\n    return einops.rearrange([1], 'a -> a')\n"
    with pytest.raises(MissingLibraryError, match=r"einops\.rearrange"):
        load(tmp_path, text)


def test_what_follows_the_kernel_may_fail(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Takes a kernel whose file goes on to run it on a GPU, and says where the file stopped."""
    more = "\nkernel = tilelang.compile(k())\nkernel.get_profiler().do_bench()\n"
    made = load(tmp_path, HEAD + BODY + more)
    assert hasattr(made, "script")
    assert "stopped after 'k' was defined" in capsys.readouterr().err


def test_a_file_without_tilelang_may_not_fail(tmp_path: Path) -> None:
    """Keeps the error of an ordinary file that breaks after its kernel."""
    text = f"import harness.language as T\n{BODY}\nraise ValueError('later')\n"
    with pytest.raises(HarnessError, match="later"):
        load(tmp_path, text)


def test_a_refused_construct_names_its_line(tmp_path: Path) -> None:
    """Cites the line of the user's file for a name that is refused."""
    text = (HEAD + BODY).replace("T.copy(t, B[bx * 32, 0])", "T.atomic_add(B[0, 0], t[0, 0])")
    with pytest.raises(HarnessError, match=r"T\.atomic_add is not supported") as info:
        load(tmp_path, text)
    assert str(info.value.location).startswith("user.py:10")
    assert info.value.next_step is not None
    assert "second kernel" in info.value.next_step


def test_all_names_of_a_module_may_be_imported(tmp_path: Path) -> None:
    """Gives `from tilelang.autotuner import *` the decorator that examples take from there."""
    tuned = "@autotune(configs=[{'M': 96}])\n@tilelang.jit\ndef k(M):"
    body = BODY.replace("def k(M=64):", tuned)
    func = load(tmp_path, f"{HEAD}from tilelang.autotuner import *\n{body}")
    assert [int(d) for d in func.params[0].ty.shape] == [96, 96]


def test_a_library_that_is_missing_has_a_place(tmp_path: Path) -> None:
    """Lets a file print where a library comes from: it is not installed."""
    load(tmp_path, f"{HEAD}import triton\nassert 'not installed' in triton.__file__\n{BODY}")
