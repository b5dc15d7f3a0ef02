"""Errors cross TVM whole: code, source location and advice, from every entrance (decision 29)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import tvm
from tvm import tirx

from harness.compiler import (
    InferTTLayout,
    TTTilesToCoreMap,
    attrs,
    build_tt_pipeline,
    lower,
    run_pipeline,
    validate_module_for_tt,
)
from harness.compiler.compat import verify_tt_ir
from harness.compiler.diagnostics import delivering, refuse
from harness.errors import CompileError, HarnessError, OptionError
from simulator.program import Loop, Op
from tests.harness.compiler import samples


def no_grid() -> tirx.PrimFunc:
    """A function without T.Kernel."""
    return samples.from_text(
        "@T.prim_func\n"
        'def f(A: T.Tensor((32, 32), "bfloat16"), B: T.Tensor((32, 32), "bfloat16")):\n'
        '    s = T.alloc_shared((32, 32), "bfloat16")\n'
        "    T.copy(A, s)\n"
        "    T.copy(s, B)\n",
        "f",
    )


def no_output() -> tirx.PrimFunc:
    """A kernel that keeps its result."""
    return samples.from_text(
        "@T.prim_func\n"
        'def f(A: T.Tensor((32, 32), "bfloat16")):\n'
        "    with T.Kernel(1) as bx:\n"
        '        s = T.alloc_shared((32, 32), "bfloat16")\n'
        "        T.copy(A, s)\n",
        "f",
    )


def never_written() -> tirx.PrimFunc:
    """A buffer read before anything is in it."""
    return samples.from_text(
        "@T.prim_func\n"
        'def f(A: T.Tensor((32, 32), "bfloat16")):\n'
        "    with T.Kernel(1) as bx:\n"
        '        s = T.alloc_shared((32, 32), "bfloat16")\n'
        "        T.copy(s, A)\n",
        "f",
    )


def uneven(M: int = 80, bm: int = 48, step: int = 40) -> tirx.PrimFunc:
    """Blocks of 48 rows, 40 rows apart."""
    return samples.from_text(
        "@T.prim_func\n"
        f'def f(A: T.Tensor(({M}, 32), "bfloat16"), B: T.Tensor(({M}, 32), "bfloat16")):\n'
        f"    with T.Kernel(1, {M // step}) as (bx, by):\n"
        f'        s = T.alloc_shared(({bm}, 32), "bfloat16")\n'
        f"        T.copy(A[by * {step}, 0], s)\n"
        f"        T.copy(s, B[by * {step}, 0])\n",
        "f",
    )


def overlapping() -> tirx.PrimFunc:
    """Every block writes the same tile."""
    return samples.from_text(
        "@T.prim_func\n"
        'def f(A: T.Tensor((64, 32), "bfloat16"), B: T.Tensor((64, 32), "bfloat16")):\n'
        "    with T.Kernel(2) as bx:\n"
        '        s = T.alloc_shared((32, 32), "bfloat16")\n'
        "        T.copy(A[bx * 32, 0], s)\n"
        "        T.copy(s, B[0, 0])\n",
        "f",
    )


def too_large() -> tirx.PrimFunc:
    """A block that no L1 holds."""
    return samples.from_text(
        "@T.prim_func\n"
        'def f(A: T.Tensor((1024, 1024), "float32"), B: T.Tensor((1024, 1024), "float32")):\n'
        "    with T.Kernel(1) as bx:\n"
        '        s = T.alloc_shared((1024, 1024), "float32")\n'
        "        T.copy(A, s)\n"
        "        T.copy(s, B)\n",
        "f",
    )


REFUSED: dict[str, tuple[Callable[[], Any], str, int]] = {
    "no T.Kernel": (no_grid, "NoKernel", 3),
    "no output": (no_output, "NoOutput", 4),
    "read but never written": (never_written, "UninitialisedBuffer", 5),
    "blocks that overlap": (uneven, "OverlappingWrites", 6),
    "two blocks, one tile": (overlapping, "OverlappingWrites", 6),
    "more than L1": (too_large, "L1Overflow", 3),
}
ENTRANCES: dict[str, Callable[[tvm.IRModule], Any]] = {
    "lower": lower,
    "run_pipeline": run_pipeline,
    "run_pipeline, verbose": lambda mod: run_pipeline(mod, verbose=True),
    "build_tt_pipeline": build_tt_pipeline(),
    "passes one by one": lambda mod: samples.staged(mod, 5),
}


@pytest.mark.parametrize("entrance", list(ENTRANCES))
@pytest.mark.parametrize("what", list(REFUSED))
def test_every_entrance_raises_the_error_itself(what: str, entrance: str) -> None:
    """TVM's bare RuntimeError never reaches the user: code and source line are there."""
    make, code, line = REFUSED[what]
    func = make()
    with pytest.raises(HarnessError) as caught:
        ENTRANCES[entrance](samples.module(main=func))
    error = caught.value
    assert error.code == code
    assert error.location is not None
    file, found, column = error.location.split(":")
    assert file.startswith("kernel_")
    assert int(found) == line
    assert int(column) > 0
    assert error.__cause__ is None
    assert error.__suppress_context__


@pytest.mark.parametrize("what", list(REFUSED))
def test_asking_beforehand_gives_the_same_answer(what: str) -> None:
    """validate_module_for_tt and verify_tt_ir find what the pipeline would raise."""
    make, code, _ = REFUSED[what]
    mod = samples.module(main=make())
    (problem,) = validate_module_for_tt(mod)
    assert code in problem
    with pytest.warns(DeprecationWarning, match="verify_tt_ir"):
        checked = verify_tt_ir(mod)
    assert attrs.get(checked["main"], "tt_validation_error_count") == 1
    assert attrs.get(checked["main"], "tt_ir_validated") is False


def test_a_custom_passs_error_is_delivered_too() -> None:
    """A user's own pass may refuse with a coded error, and that error arrives."""

    def mine(mod: tvm.IRModule) -> tvm.IRModule:
        if mod.functions:
            refuse("not today", code="Mine", location="here")
        return mod

    with pytest.raises(CompileError) as caught:
        build_tt_pipeline(custom_passes=[mine])(samples.module(main=samples.gemm()))
    assert (caught.value.code, caught.value.location) == ("Mine", "here")


def test_a_foreign_error_stays_what_tvm_makes_of_it() -> None:
    """An exception nobody planned is not dressed up as a refusal of the kernel."""

    def broken(mod: tvm.IRModule) -> tvm.IRModule:
        raise ZeroDivisionError(f"nobody planned this in {len(mod.functions)}")

    with pytest.raises(RuntimeError, match="nobody planned this") as caught:
        build_tt_pipeline(custom_passes=[broken])(samples.module(main=samples.gemm()))
    assert not isinstance(caught.value, HarnessError)


def test_an_old_error_does_not_come_back() -> None:
    """The sink is per call: an error of an earlier run is not delivered in a later one."""
    with pytest.raises(CompileError):
        lower(no_output())
    assert lower(samples.gemm()).kernels
    with pytest.raises(RuntimeError, match="other"), delivering():
        raise RuntimeError("other")


def test_errors_name_what_would_be_accepted() -> None:
    """A refusal tells the reader what to write instead."""
    with pytest.raises(CompileError) as caught:
        lower(uneven())
    assert caught.value.next_step
    assert "elements of its own" in caught.value.next_step
    assert str(caught.value).startswith(str(caught.value.location))


@pytest.mark.parametrize("given", [None, 3, "kernel", [], lambda: None])
def test_something_that_is_no_kernel_is_named(given: Any) -> None:
    """Compiling a thing of another type says what type it is and what is wanted."""
    with pytest.raises(CompileError) as caught:
        lower(given)
    assert caught.value.code == "NoKernel"
    assert type(given).__name__ in caught.value.message


def test_an_empty_module_has_no_kernel() -> None:
    """A module without a kernel is refused, not compiled to nothing."""
    with pytest.raises(CompileError) as caught:
        lower(tvm.IRModule({}))
    assert caught.value.code == "NoKernel"
    assert validate_module_for_tt(tvm.IRModule({}))


def test_a_pass_raises_the_error_itself_inside_an_open_context() -> None:
    """The caller's PassContext does not change how a pass refuses."""
    with tvm.transform.PassContext(opt_level=3), pytest.raises(CompileError) as caught:
        InferTTLayout()(samples.module(main=no_output()))
    assert caught.value.code == "NoOutput"


def test_an_option_error_inside_a_pass_is_delivered() -> None:
    """An option that only a pass can judge, such as ranges on the function, keeps its class."""
    func = samples.gemm().with_attr(attrs.TT_CORE_RANGES, [{"start": [7, 7], "extent": [2, 2]}])
    with pytest.raises(OptionError) as caught:
        TTTilesToCoreMap()(samples.staged(func, 2))
    assert caught.value.location == "core_ranges"


def test_source_spans_reach_the_programs() -> None:
    """Every device op of the programs names the kernel's line it comes from."""
    (kernel,) = lower(uneven(64, 32, 32)).kernels
    text = str(kernel.programs)
    assert "kernel_" in text
    for program in kernel.programs.programs:
        (loop,) = [s for s in program.body if isinstance(s, Loop)]
        places = [s.loc for s in loop.body if isinstance(s, Op)]
        assert places
        assert all(place and place.split(":")[1] in "56" for place in places)
