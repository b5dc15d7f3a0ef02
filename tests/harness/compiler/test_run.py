"""run_pipeline, build_tt_pipeline, lower: one pipeline under three names."""

from __future__ import annotations

from pathlib import Path

import pytest
import tvm
import tvm_ffi

from harness.compiler import (
    InferTTLayout,
    build_tt_pipeline,
    dump_ir,
    lower,
    plan_dict,
    plans_of,
    run_pipeline,
    validate_module_for_tt,
)
from harness.compiler.diagnostics import TTPass
from harness.compiler.pipeline import kernels_of
from harness.errors import CompileError, OptionError
from simulator.plan.load import dump_plan
from simulator.program import Program
from tests.harness.compiler import samples

OPTIONS = {
    "target_device": "blackhole_p100",
    "partition_strategy": "column_major",
    "enable_double_buffer": False,
    "enable_prefetch": False,
}


def test_every_option_of_run_pipeline_has_an_effect() -> None:
    """Upstream's last version accepted these five and read none of them."""
    mod = samples.module(main=samples.gemm())
    plain = plan_dict(run_pipeline(mod))
    for name, value in OPTIONS.items():
        changed = plan_dict(run_pipeline(mod, **{name: value}))  # type: ignore[arg-type]
        assert {**changed, "options": None} != {**plain, "options": None} or name == (
            "enable_prefetch"
        )
        assert changed["options"] != plain["options"]


def test_the_three_names_agree() -> None:
    """lower, run_pipeline and the built pass give one and the same module and plan."""
    mod = samples.module(main=samples.gemm(100, 70, 50))
    built = build_tt_pipeline(**OPTIONS)(mod)  # type: ignore[arg-type]
    ran = run_pipeline(mod, **OPTIONS)  # type: ignore[arg-type]
    lowered = lower(
        mod, device="blackhole_p100", strategy="column_major", double_buffer=False, prefetch=False
    )
    assert tvm_ffi.structural_equal(built, ran)
    assert tvm_ffi.structural_equal(lowered.module, ran)
    assert plans_of(built) == plans_of(ran) == plans_of(lowered)


def test_the_built_pipeline_is_a_tvm_pass() -> None:
    """It can stand in a Sequential of the user's own."""
    pipeline = build_tt_pipeline()
    assert isinstance(pipeline, tvm.transform.Pass)
    whole = tvm.transform.Sequential([pipeline])
    assert plan_dict(whole(samples.module(main=samples.gemm())))["name"] == "main"


def test_custom_passes_run_before_the_last_one() -> None:
    """Passes of ours, of TVM's and plain functions are all run, on block programs."""
    seen: list[str] = []

    def function(mod: tvm.IRModule) -> tvm.IRModule:
        seen.append(f"function {sorted(v.name_hint for v in mod.functions)}")
        return mod

    @tvm.transform.module_pass(opt_level=0, name="Theirs")
    def theirs(mod: tvm.IRModule, ctx: object) -> tvm.IRModule:
        seen.append(f"theirs {'tt.compute_config' in mod['main'].attrs}")
        return mod

    class Ours(TTPass):
        name = "Ours"

        def transform_module(self, mod: tvm.IRModule) -> tvm.IRModule:
            seen.append("ours")
            return mod

    custom = [function, theirs, Ours()]
    run_pipeline(samples.module(main=samples.gemm()), custom_passes=custom)
    assert seen == ["function ['main']", "theirs True", "ours"]
    with pytest.raises(OptionError):
        build_tt_pipeline(custom_passes=[3])  # type: ignore[list-item]


def test_instruments_of_the_caller_see_every_pass() -> None:
    """Timing and dumps of a PassContext work, also after lower returned."""
    timing = tvm.ir.instrument.PassTimingInstrument()
    with tvm.transform.PassContext(instruments=[timing]):
        lower(samples.gemm())
        run_pipeline(samples.gemm())
        text = timing.render()
    for name in samples.PASSES:
        assert text.count(name) == 2, name


def test_a_disabled_pass_is_noticed() -> None:
    """A pass the caller's context switches off is missed by its successor."""
    with (
        tvm.transform.PassContext(disabled_pass=["PropagateTTLayout"]),
        pytest.raises(CompileError) as caught,
    ):
        run_pipeline(samples.gemm())
    assert caught.value.code == "PassOrder"


def test_lower_records_the_passes_in_order() -> None:
    """Each pass appears once, with its time and the module after it."""
    compilation = lower(samples.gemm())
    assert tuple(r.name for r in compilation.passes) == samples.PASSES
    assert all(r.seconds > 0 for r in compilation.passes)
    assert tvm_ffi.structural_equal(compilation.passes[-1].module, compilation.module)


def test_verbose_speaks_on_stderr_and_only_there(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Progress of verbose goes to stderr, and silence is the default: stdout is for results."""
    run_pipeline(samples.gemm())
    assert capsys.readouterr() == ("", "")
    path = tmp_path / "tt.plan.json"
    run_pipeline(samples.gemm(), path, verbose=True)
    out, err = capsys.readouterr()
    assert out == ""
    for name in samples.PASSES:
        assert name in err
    assert str(path) in err


def test_no_file_is_written_unasked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Upstream wrote tt.plan.json into the current directory whatever the caller did."""
    monkeypatch.chdir(tmp_path)
    run_pipeline(samples.gemm())
    build_tt_pipeline()(samples.module(main=samples.gemm()))
    lower(samples.gemm())
    assert not list(tmp_path.iterdir())


def test_two_kernels_get_two_plans(tmp_path: Path) -> None:
    """Upstream gave the first function a plan and the second none."""
    mod = samples.module(one=samples.gemm(), two=samples.copy())
    out = run_pipeline(mod, tmp_path / "tt.plan.json")
    assert list(plans_of(out)) == ["one", "two"]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["tt.plan.one.json", "tt.plan.two.json"]
    alone = lower(samples.module(two=samples.copy())).kernels[0].plan
    assert (tmp_path / "tt.plan.two.json").read_bytes() == dump_plan(alone)


def test_kernels_of_one_symbol_are_two_kernels() -> None:
    """Two factories' results are both called main; in a module they keep a plan each."""
    first, second = samples.gemm(), samples.copy()
    assert str(first.attrs["global_symbol"]) == str(second.attrs["global_symbol"])
    kernels = lower(samples.module(first=first, second=second)).kernels
    assert [k.name for k in kernels] == ["first", "second"]
    assert [k.plan.name for k in kernels] == ["first", "second"]


def test_validate_module_names_each_refused_kernel() -> None:
    """A module of good and bad kernels gives one line per bad one."""
    bad, worse = samples.gemm(accum="int32"), samples.gemm(dtype="int32")
    mod = samples.module(good=samples.gemm(), bad=bad, worse=worse)
    problems = validate_module_for_tt(mod)
    assert [p.split(":")[0] for p in problems] == ["bad", "worse"]
    assert validate_module_for_tt(samples.gemm()) == []


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float32"])
def test_bfloat16_is_as_good_as_any(dtype: str) -> None:
    """Upstream's check rejected bfloat16, the type the chips are made for."""
    assert validate_module_for_tt(samples.module(main=samples.gemm(dtype=dtype))) == []


def test_validate_module_asks_for_the_device_meant() -> None:
    """What one device takes another may not: a float32 accumulator needs a 32-bit destination."""
    assert validate_module_for_tt(samples.gemm(), "wormhole") == []
    (problem,) = validate_module_for_tt(samples.gemm(), "grayskull")
    assert "NeedsFp32Dest" in problem
    with pytest.raises(OptionError):
        validate_module_for_tt(samples.gemm(), "greyskull")


def test_dumped_ir_can_be_read(tmp_path: Path) -> None:
    """One numbered text per stage, showing source ops before and device ops after."""
    dump_ir(lower(samples.gemm()), tmp_path)
    names = [p.name for p in sorted(tmp_path.iterdir())]
    assert names == ["0_source.py", *(f"{i}_{n}.py" for i, n in enumerate(samples.PASSES, 1))]
    texts = [p.read_text() for p in sorted(tmp_path.iterdir())]
    assert "tl.gemm" in texts[0]
    assert "tt.layout_desc" in texts[1]
    assert "tt.matmul_tiles" in texts[4]
    assert "tl." not in texts[4]
    assert "cb_wait_front" in texts[5]


def test_one_pass_alone_equals_its_part_of_the_pipeline() -> None:
    """Calling a pass and running it in the pipeline is the same thing."""
    mod = samples.module(main=samples.gemm())
    first = lower(mod).passes[0].module
    assert tvm_ffi.structural_equal(InferTTLayout()(mod), first)


def test_programs_are_those_of_the_module_that_left_the_pipeline() -> None:
    """What the last pass translated is what its functions say when they are read once more."""
    made = lower(samples.gemm())
    (again,) = kernels_of(made.module)
    assert made.kernels[0].programs == again.programs
    assert made.kernels[0].plan == again.plan


def test_another_function_is_not_taken_for_a_known_one() -> None:
    """A function that changed after it was translated is translated again."""
    made = lower(samples.gemm())
    (kernel,) = made.kernels
    functions = dict(made.module.functions_items())
    wrong = [Program(name=p.name, thread=p.thread, body=()) for p in kernel.programs.programs]
    known = [(f, p) for f in functions.values() for p in wrong]
    assert kernels_of(made.module, known)[0].programs.programs == tuple(wrong)
    changed = {v: f.with_attr("note", 1) for v, f in functions.items()}
    assert kernels_of(tvm.IRModule(changed), known)[0].programs == kernel.programs
