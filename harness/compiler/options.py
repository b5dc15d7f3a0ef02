"""Compile options: each has an effect or is refused."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, replace
from numbers import Integral
from typing import Any, Final

from harness.compiler.attrs import CoreRange
from harness.errors import OptionError
from simulator.arch import DEFAULT_DEVICE, Arch, device_names, find_arch

STRATEGIES: Final = ("row_major", "column_major", "block", "z_order", "match_shard")
FIDELITIES: Final = ("LoFi", "HiFi2", "HiFi3", "HiFi4")
ALIASES: Final = (("wormhole", "wormhole_n150"), ("blackhole", "blackhole_p100"),
                  ("grayskull", "grayskull_e150"))  # fmt: skip
"""Family names the seed project accepted as target_device."""


def parse_grid(text: str) -> tuple[int, int]:
    """``"3x5"`` to (3 columns, 5 rows).

    Raises:
        OptionError: any other spelling.
    """
    match = re.fullmatch(r"([1-9]\d{0,3})x([1-9]\d{0,3})", text.strip())
    if match is None:
        raise OptionError(f"grid {text!r} is not COLUMNSxROWS", next_step="write e.g. 3x5")
    return int(match[1]), int(match[2])


def parse_core_ranges(text: str) -> tuple[CoreRange, ...]:
    """``"0,0:2x2;4,4:2x2"`` to core ranges.

    Raises:
        OptionError: any other spelling.
    """
    ranges = []
    for part in text.split(";"):
        match = re.fullmatch(r"\s*(\d{1,4}),(\d{1,4}):([1-9]\d{0,3})x([1-9]\d{0,3})\s*", part)
        if match is None:
            raise OptionError(f"core range {part!r} is not X,Y:WxH",
                              next_step='write e.g. "0,0:2x2;4,4:2x2"')  # fmt: skip
        x, y, w, h = (int(g) for g in match.groups())
        ranges.append(CoreRange((x, y), (w, h)))
    return tuple(ranges)


def _pair(value: Any) -> tuple[int, int] | None:
    """``value`` as two whole numbers, or None."""
    if not isinstance(value, (list, tuple)) or len(value) != 2:
        return None
    if any(isinstance(v, bool) or not isinstance(v, Integral) for v in value):
        return None
    return int(value[0]), int(value[1])


def _range(value: Any) -> CoreRange | None:
    """A core range as such, or as (first core, size), or None."""
    if isinstance(value, CoreRange):
        value = (value.start, value.extent)
    if not isinstance(value, (list, tuple)) or len(value) != 2:
        return None
    start, extent = _pair(value[0]), _pair(value[1])
    return None if start is None or extent is None else CoreRange(start, extent)


@dataclass(frozen=True)
class CompileOptions:
    """What a user may choose.

    Attributes:
        device: name of the architecture table, or a family name.
        grid: sub-grid (columns, rows) at the device's origin; None for the whole compute grid.
        core_ranges: rectangles of cores to use, each a CoreRange or (first core, size); None for
            the whole (sub-)grid.
        strategy: how blocks are dealt to cores.
        double_buffer: two or more blocks in flight per circular buffer of a loop, and per output.
        prefetch: blocks read once per work item are read one work item ahead.
        fidelity: math fidelity; None for the default of device and destination mode.
        fp32_dest: 32-bit destination register; None for the device's default.
        multicast: blocks that a row or column of cores shares are read by one and multicast.
    """

    device: str = DEFAULT_DEVICE
    grid: tuple[int, int] | None = None
    core_ranges: tuple[CoreRange, ...] | None = None
    strategy: str = "row_major"
    double_buffer: bool = True
    prefetch: bool = True
    fidelity: str | None = None
    fp32_dest: bool | None = None
    multicast: bool = False

    def __post_init__(self) -> None:
        """Refuse what does not exist or does not fit.

        Raises:
            OptionError: naming the option and what is accepted.
        """
        for old, name in ALIASES:
            if self.device == old:
                object.__setattr__(self, "device", name)
        if self.device not in device_names():
            raise OptionError(f"unknown device {self.device!r}", location="device",
                              next_step=f"use one of {', '.join(device_names())}")  # fmt: skip
        if self.strategy not in STRATEGIES:
            raise OptionError(f"unknown partition strategy {self.strategy!r}", location="strategy",
                              next_step=f"use one of {', '.join(STRATEGIES)}")  # fmt: skip
        if self.fidelity is not None and self.fidelity not in FIDELITIES:
            raise OptionError(f"unknown math fidelity {self.fidelity!r}", location="fidelity",
                              next_step=f"use one of {', '.join(FIDELITIES)}")  # fmt: skip
        if self.fp32_dest and not self.arch.fp32_dest:
            raise OptionError(f"{self.device} has no 32-bit destination register",
                              location="fp32_dest", next_step="use --no-fp32-dest")  # fmt: skip
        for flag in ("double_buffer", "prefetch", "multicast", "fp32_dest"):
            value = getattr(self, flag)
            if not isinstance(value, bool) and (flag, value) != ("fp32_dest", None):
                raise OptionError(f"{flag} is {value!r}, not true or false", location=flag)
        self._check_grid()
        self._check_ranges()

    def _check_grid(self) -> None:
        if self.grid is None:
            return
        full, pair = self.arch.grid, _pair(self.grid)
        if pair is None:
            raise OptionError(f"grid is {self.grid!r}, not (columns, rows)", location="grid",
                              next_step="write e.g. (3, 5)")  # fmt: skip
        if any(not 1 <= g <= f for g, f in zip(pair, full, strict=True)):
            raise OptionError(
                f"grid {pair[0]}x{pair[1]} does not fit {self.device}",
                location="grid",
                next_step=f"at most {full[0]}x{full[1]}",
            )
        object.__setattr__(self, "grid", pair)

    def _check_ranges(self) -> None:
        if self.core_ranges is None:
            return
        given: Any = self.core_ranges
        ranges = [_range(r) for r in given] if isinstance(given, (list, tuple)) else [None]
        if None in ranges:
            raise OptionError(f"core_ranges is {given!r}, not rectangles of cores",
                              location="core_ranges",
                              next_step="write e.g. [((0, 0), (2, 2)), ((4, 4), (2, 2))]: "
                              "first core and size")  # fmt: skip
        object.__setattr__(self, "core_ranges", tuple(ranges))
        width, height = self.physical_grid
        seen: set[tuple[int, int]] = set()
        for r in self.core_ranges or ():
            (x, y), (w, h) = r.start, r.extent
            if w < 1 or h < 1 or x < 0 or y < 0 or x + w > width or y + h > height:
                raise OptionError(f"core range {r.to_json()} is not inside {width}x{height}",
                                  location="core_ranges")  # fmt: skip
            cores = {(x + i, y + j) for i in range(w) for j in range(h)}
            if seen & cores:
                raise OptionError(f"core range {r.to_json()} overlaps another",
                                  location="core_ranges")  # fmt: skip
            seen |= cores
        if self.core_ranges is not None and not self.core_ranges:
            raise OptionError("core_ranges is empty", location="core_ranges")

    @property
    def arch(self) -> Arch:
        """The device's row of the architecture table."""
        return find_arch(self.device)

    @property
    def physical_grid(self) -> tuple[int, int]:
        """(columns, rows) that core ranges lie in."""
        return self.grid or self.arch.grid

    @property
    def ranges(self) -> tuple[CoreRange, ...]:
        """The core ranges in force."""
        return self.core_ranges or (CoreRange((0, 0), self.physical_grid),)

    @property
    def use_fp32_dest(self) -> bool:
        """Whether DST holds 32-bit datums."""
        return self.arch.fp32_dest if self.fp32_dest is None else self.fp32_dest

    def math_fidelity(self, *, integers: bool) -> str:
        """The fidelity in force; ``integers``: int8 is multiplied, all bits of which HiFi4 takes.

        Otherwise HiFi4 + 32-bit DST is an RTL bug on Wormhole (tt-metal #38306).
        """
        if self.fidelity is not None:
            return self.fidelity
        faulty = self.arch.family == "wormhole" and self.use_fp32_dest
        return "HiFi3" if faulty and not integers else "HiFi4"

    def to_json(self) -> dict[str, Any]:
        """Plain data, as the plan records it."""
        out = asdict(self)
        out["grid"] = None if self.grid is None else list(self.grid)
        out["core_ranges"] = (
            None if self.core_ranges is None else [r.to_json() for r in self.core_ranges]
        )
        return out


def chosen(options: CompileOptions | None, **keywords: Any) -> CompileOptions:
    """The options of a pass: given whole, or by single keywords (None stands for the default).

    Raises:
        OptionError: both ways at once, or a value that does not exist or does not fit.
    """
    given = {name: value for name, value in keywords.items() if value is not None}
    if options is None:
        return CompileOptions(**given)
    if given:
        raise OptionError(f"options and {min(given)} are both given", location="options",
                          next_step="give one of the two")  # fmt: skip
    return options


def in_force(
    options: CompileOptions,
    *,
    device: str,
    strategy: str,
    grid: tuple[int, int],
    core_ranges: tuple[CoreRange, ...],
    fp32_dest: bool,
    fidelity: str,
    integers: bool,
) -> CompileOptions:
    """``options`` with what earlier passes settled; None stays where it stands for the same."""

    def keep(asked: Any, default: Any, used: Any) -> Any:
        return asked if (default if asked is None else asked) == used else used

    arch = find_arch(device)
    usual = CompileOptions(device=device, fp32_dest=fp32_dest).math_fidelity(integers=integers)
    return replace(
        options,
        device=device,
        strategy=strategy,
        grid=keep(options.grid, arch.grid, grid),
        core_ranges=keep(options.core_ranges, (CoreRange((0, 0), grid),), core_ranges),
        fp32_dest=keep(options.fp32_dest, arch.fp32_dest, fp32_dest),
        fidelity=keep(options.fidelity, usual, fidelity),
    )
