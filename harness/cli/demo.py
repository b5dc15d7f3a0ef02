"""``tt-harness demo``: the main job once, on a packaged matrix product."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from harness.cli import options as o
from harness.cli.judge import Question
from harness.cli.run import run_build
from harness.cli.session import Outcome, Session
from simulator.arch import DEFAULT_DEVICE


def demo(
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="DIR", help="artifact goes here")
    ] = Path("out/demo"),
    device: o.DeviceOpt = DEFAULT_DEVICE,
    seed: o.SeedOpt = 0,
    json: o.JsonOpt = None,
) -> int:
    """Compile a packaged bf16 GEMM (512x384x320 in 64x64x32 blocks), simulate and judge it."""
    from harness.kernels import __file__ as packaged

    gemm = Path(packaged).parent / "gemm.py"
    sizes = ("M=512", "N=384", "K=320", "block_M=64", "block_N=64", "block_K=32")
    build = o.Build(f"{gemm}:matmul", sizes, device)

    def body(session: Session) -> Outcome:
        words = ["tt-harness", "demo", "--device", device, "--seed", str(seed), "-o", str(output)]
        again = shlex.join(words)
        return run_build(session, build, Question(seed=seed), output, again=again)

    return Session("demo", json).conduct(body)
