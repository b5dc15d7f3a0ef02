"""The options commands share, and the compile options and command line they make."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Final

import typer

from harness.cli.failure import UsageError
from harness.cli.params import parse_params
from harness.errors import HarnessError, OptionError
from harness.kernelfile import load_kernel, parse_source
from simulator.arch import DEFAULT_DEVICE

SourceArg = Annotated[
    str,
    typer.Argument(metavar="FILE.py:NAME", help="a kernel: factory, PrimFunc or IRModule",
                   show_default=False),
]  # fmt: skip
ParamOpt = Annotated[
    list[str] | None,
    typer.Option("--param", metavar="K=V", help="factory parameter; V is JSON, else a string",
                 show_default=False),
]  # fmt: skip
FrontendOpt = Annotated[
    str | None,
    typer.Option("--frontend", metavar="NAME", help="tilelang: let TileLang parse the file",
                 show_default=False),
]  # fmt: skip
DeviceOpt = Annotated[str, typer.Option("--device", metavar="NAME", help="target device")]
GridOpt = Annotated[
    str | None, typer.Option("--grid", metavar="CxR", help="sub-grid, columns x rows, e.g. 3x5")
]
RangesOpt = Annotated[
    str | None,
    typer.Option("--core-ranges", metavar="X,Y:WxH;...", help='cores, e.g. "0,0:2x2;4,4:2x2"'),
]
StrategyOpt = Annotated[
    str | None,
    typer.Option(
        "--strategy",
        metavar="NAME",
        help="row_major (default), column_major, block, z_order or match_shard",
    ),
]
DoubleOpt = Annotated[
    bool | None,
    typer.Option("--double-buffer/--no-double-buffer", help="blocks in flight (default: on)"),
]
PrefetchOpt = Annotated[
    bool | None,
    typer.Option("--prefetch/--no-prefetch", help="read one work item ahead (default: on)"),
]
MulticastOpt = Annotated[
    bool | None,
    typer.Option("--multicast/--no-multicast", help="read shared blocks once (default: off)"),
]
FidelityOpt = Annotated[
    str | None,
    typer.Option("--fidelity", metavar="NAME", help="LoFi, HiFi2, HiFi3 or HiFi4"),
]
Fp32DestOpt = Annotated[
    bool | None,
    typer.Option("--fp32-dest/--no-fp32-dest", help="32-bit destination (default: the device's)"),
]
FunctionOpt = Annotated[
    str | None,
    typer.Option("--function", metavar="NAME", help="which kernel, where there are several"),
]
DumpOpt = Annotated[
    Path | None, typer.Option("--dump-ir", metavar="DIR", help="write the IR after every pass")
]
JsonOpt = Annotated[
    str | None,
    typer.Option("--json", metavar="PATH|-", help="write the result as JSON; - is stdout"),
]
InputsOpt = Annotated[
    Path | None,
    typer.Option("--inputs", metavar="NPZ", help="arrays by parameter name (default: generated)"),
]
OutputsOpt = Annotated[
    Path | None, typer.Option("--outputs", metavar="NPZ", help="where output arrays go")
]
OracleOpt = Annotated[
    str, typer.Option("--oracle", metavar="NAME", help="auto, exact, bound, ... as docs/oracles.md")
]
KindOpt = Annotated[
    str | None,
    typer.Option("--input-kind", metavar="NAME", help="generated: exact, tagged, random, ..."),
]
NumbersOpt = Annotated[
    str, typer.Option("--numbers", metavar="NAME", help="number model: fast or exact")
]
BackendOpt = Annotated[
    str, typer.Option("--backend", metavar="NAME", help="what executes: simulator or ttnn")
]
SeedOpt = Annotated[int, typer.Option("--seed", metavar="N", min=0, help="of generated inputs")]
StepsOpt = Annotated[
    int | None, typer.Option("--max-steps", metavar="N", min=1, help="budget: ops executed")
]
SecondsOpt = Annotated[
    float | None, typer.Option("--max-seconds", metavar="S", min=0, help="budget: time of the run")
]

DirArg = Annotated[Path, typer.Argument(metavar="DIR", help="holds tt.plan.json")]

_UNITS: Final = MappingProxyType({"": 1, "s": 1, "m": 60, "h": 3600})


def duration(text: str) -> float:
    """Seconds of ``90``, ``90s``, ``30m`` or ``2h``, as ``--time`` takes them.

    Raises:
        UsageError: anything else.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smh]?)", text.strip())
    if match is None or float(match[1]) == 0:
        raise UsageError(f"{text!r} is no duration", location="--time",
                         next_step="write e.g. 90s, 30m or 2h")  # fmt: skip
    return float(match[1]) * _UNITS[match[2]]


@dataclass(frozen=True)
class Build:
    """A kernel and how to compile it, as the command line gave them."""

    source: str
    params: Sequence[str]
    device: str = DEFAULT_DEVICE
    grid: str | None = None
    core_ranges: str | None = None
    strategy: str | None = None
    double_buffer: bool | None = None
    prefetch: bool | None = None
    fidelity: str | None = None
    fp32_dest: bool | None = None
    function: str | None = None
    multicast: bool | None = None
    frontend: str | None = None

    def kernel(self) -> Any:
        """The PrimFunc or IRModule."""
        source, params = parse_source(self.source), parse_params(self.params)
        if self.frontend is None:
            return load_kernel(source, params)
        if self.frontend != "tilelang":
            raise OptionError(f"there is no frontend {self.frontend!r}", location="frontend",
                              next_step="leave it out, or use tilelang")  # fmt: skip
        from harness.frontend.bridge import load_with_tilelang

        return load_with_tilelang(source.path, source.name, params)

    def options(self) -> dict[str, Any]:
        """Keywords for ``harness.compile``; what was not given is left to its defaults.

        Raises:
            OptionError: a grid or core ranges that cannot be read.
        """
        from harness.compiler.options import parse_core_ranges, parse_grid

        given: dict[str, Any] = {"device": self.device}
        if self.grid is not None:
            given["grid"] = _read("grid", parse_grid, self.grid)
        if self.core_ranges is not None:
            given["core_ranges"] = _read("core_ranges", parse_core_ranges, self.core_ranges)
        for name in ("strategy", "double_buffer", "prefetch", "multicast", "fidelity", "fp32_dest"):
            value = getattr(self, name)
            if value is not None:
                given[name] = value
        return given

    def command(self, verb: str, *more: object) -> str:
        """The command line that builds the same, e.g. for ``run``, with ``more`` arguments."""
        words = ["tt-harness", verb, self.source]
        for item in self.params:
            words += ["--param", item]
        words += ["--device", self.device]
        for name in ("frontend", "grid", "core_ranges", "strategy", "fidelity", "function"):
            value = getattr(self, name)
            if value is not None:
                words += ["--" + name.replace("_", "-"), value]
        for name in ("double_buffer", "prefetch", "multicast", "fp32_dest"):
            value = getattr(self, name)
            if value is not None:
                words.append(("--" if value else "--no-") + name.replace("_", "-"))
        return shlex.join([*words, *map(str, more)])


def _read(option: str, parse: Callable[[str], Any], value: str) -> Any:
    """A parsed value; its error names the option."""
    try:
        return parse(value)
    except HarnessError as error:
        error.location = error.location or option
        raise
