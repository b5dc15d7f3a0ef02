"""Compile options on the command line: each has its effect or is refused by name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness.cli.options import Build
from harness.cli.params import parse_params
from tests.harness.cli.conftest import GEMM, SMALL, Command


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--device", "wormhole"], None),
        (["--device", "wormhole_n151"], "--device: unknown device 'wormhole_n151'"),
        (["--grid", "3y5"], "--grid: grid '3y5' is not COLUMNSxROWS"),
        (["--grid", "9x1"], "--grid: grid 9x1 does not fit"),
        (["--core-ranges", "0,0"], "--core-ranges: core range '0,0' is not X,Y:WxH"),
        (["--core-ranges", "0,0:2x2;1,1:2x2"], "overlaps"),
        (["--strategy", "spiral"], "--strategy: unknown partition strategy"),
        (["--fidelity", "HiFi5"], "--fidelity: unknown math fidelity"),
        (["--device", "grayskull_e150", "--fp32-dest"], "--fp32-dest: grayskull_e150 has no"),
        (["--function", "other"], "--function: the module has no kernel 'other'"),
        (["--frobnicate"], "No such option"),
        (["--json"], "requires an argument"),
    ],
)
def test_an_option_is_taken_or_refused_by_name(
    command: Command, words: list[str], complaint: str | None
) -> None:
    """Protects users from options that are ignored or refused without saying which."""
    reply = command("compile", GEMM, *SMALL, "-o", "made", *words)
    assert reply.status == (0 if complaint is None else 2)
    if complaint is not None:
        assert complaint in reply.complaint()
        assert not Path("made").exists()


@pytest.mark.parametrize(
    ("words", "field", "value"),
    [
        (["--grid", "3x5"], "core_grid", [3, 5]),
        (["--core-ranges", "0,0:2x2;4,4:1x2"], "core_ranges",
         [{"start": [0, 0], "extent": [2, 2]}, {"start": [4, 4], "extent": [1, 2]}]),
        (["--device", "blackhole_p100"], "core_grid", [11, 10]),
    ],
)  # fmt: skip
def test_an_option_reaches_the_plan(
    command: Command, words: list[str], field: str, value: Any
) -> None:
    """Protects the spelling of grids and ranges: columns first, starts with sizes."""
    assert command("compile", GEMM, *SMALL, "-o", "made", *words).status == 0
    assert json.loads(Path("made/tt.plan.json").read_text())[field] == value


def test_flags_change_the_artifact(command: Command) -> None:
    """Protects --no-double-buffer, --no-fp32-dest and --fidelity from being dropped."""
    command("compile", GEMM, *SMALL, "-o", "plain")
    command("compile", GEMM, *SMALL, "-o", "single", "--no-double-buffer")
    command("compile", GEMM, *SMALL, "-o", "lofi", "--fidelity", "LoFi")
    names = ("plain", "single", "lofi")
    plans = {name: json.loads(Path(name, "tt.plan.json").read_text()) for name in names}
    depth = {n: [cb["depth"] for cb in plan["circular_buffers"]] for n, plan in plans.items()}
    assert sum(depth["single"]) < sum(depth["plain"])
    modes = [k["compute"]["math_fidelity"] for k in plans["lofi"]["kernels"] if "compute" in k]
    assert modes == ["LoFi"]


def test_values_are_json_literals_or_strings() -> None:
    """Protects ``--param K=V``: JSON literals and Python's are values, the rest is text."""
    given = ["a=512", "b=true", "c=bfloat16", 'd="7"', "e=[1,2]", "f=1.5", "g=NaN", "h=", "i=x=y",
             "j=False", "k=True", "l=None", "m='False'"]  # fmt: skip
    assert parse_params(given) == {
        "a": 512, "b": True, "c": "bfloat16", "d": "7", "e": [1, 2], "f": 1.5, "g": "NaN", "h": "",
        "i": "x=y", "j": False, "k": True, "l": None, "m": "'False'",
    }  # fmt: skip


def test_the_command_again_has_every_option() -> None:
    """Protects the reproduction line: it must build the same artifact."""
    build = Build("a b.py:f", ["M=1"], "wormhole_n300", "3x5", "0,0:1x1;2,2:1x1", "block",
                  False, True, "LoFi", False, "main")  # fmt: skip
    assert build.command("run", "--seed", 3) == (
        "tt-harness run 'a b.py:f' --param M=1 --device wormhole_n300 --grid 3x5"
        " --core-ranges '0,0:1x1;2,2:1x1' --strategy block --fidelity LoFi --function main"
        " --no-double-buffer --prefetch --no-fp32-dest --seed 3"
    )
