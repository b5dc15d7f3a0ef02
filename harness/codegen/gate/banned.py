"""Names a kernel must not call, by ttnn release: removed ones, and deprecated ones with a date.

Read off the headers of the wheels and their ``[[deprecated]]`` marks; a test compares the table
with the headers it is made for.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal


@dataclass(frozen=True)
class Banned:
    """One name.

    Attributes:
        name: the name, or for an include a part of its path.
        state: ``removed`` names do not compile, ``deprecated`` ones will not.
        since: the ttnn release from which that holds.
        instead: what to write.
    """

    name: str
    state: Literal["removed", "deprecated"]
    since: tuple[int, ...]
    instead: str


@dataclass(frozen=True)
class Hit:
    """A banned name found in a text, with its line."""

    line: int
    banned: Banned


def _table() -> tuple[Banned, ...]:
    rows: list[Banned] = []

    def add(state: Literal["removed", "deprecated"], names: Mapping[str, str]) -> None:
        rows.extend(Banned(name, state, (0, 81), instead) for name, instead in names.items())

    startup = "compute_kernel_hw_startup, once at the start, and "
    add("removed", {
        "mm_init": startup + "matmul_init",
        "mm_init_short": "matmul_init",
        "mm_init_short_with_dt": "reconfig_data_format_srca and matmul_init",
        "mm_block_init": startup + "matmul_block_init",
        "binary_op_init_common": startup + "add_init, sub_init or mul_init",
        "add_tiles_init": "add_init",
        "sub_tiles_init": "sub_init",
        "mul_tiles_init": "mul_init",
        "transpose_wh_init": "transpose_init",
        "transpose_wh_init_short": "transpose_init",
        "transpose_wh_tile": "transpose_tile",
        "init_bcast": startup + "an init such as add_bcast_rows_init",
        "add_bcast_rows_init_short": "add_bcast_rows_init",
        "add_bcast_cols_init_short": "add_bcast_cols_init",
        "sub_bcast_cols_init_short": "sub_bcast_cols_init",
        "mul_bcast_cols_init_short": "mul_bcast_cols_init",
        "reduce_init_delta": "reduce_init",
        "reduce_revert_delta": "reduce_uninit",
        "pack_tile_block": "pack_block",
        "get_interleaved_addr_gen_fast": "TensorAccessor",
        "NAMESPACE": "void kernel_main() at file scope",
    })  # fmt: skip
    add("deprecated", {
        "copy_tile_init": "copy_init",
        "copy_tile_to_dst_init_short": "copy_init",
        "unary_op_init_common": startup + "copy_init",
        "init_sfpu": startup + "copy_init",
        "acquire_dst": "tile_regs_acquire",
        "release_dst": "tile_regs_release",
        "untilize_init": "pack_untilize_init",
        "untilize_block": "pack_untilize_block",
        "untilize_uninit": "pack_untilize_uninit",
        "noc_async_read_tile": "noc_async_read_page with a TensorAccessor",
        "noc_async_write_tile": "noc_async_write_page with a TensorAccessor",
        "InterleavedAddrGen": "TensorAccessor",
        "InterleavedAddrGenFast": "TensorAccessor",
        "InterleavedPow2AddrGenFast": "TensorAccessor",
    })  # fmt: skip
    return tuple(rows)


BANNED: Final = _table()

_PATHS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "compute_kernel_api/": "api/compute/",
        "compute_kernel_api.h": "api/compute/compute_kernel_api.h",
        "dataflow_api.h": "api/dataflow/dataflow_api.h",
    }
)
"""Include paths (from their start) that have moved."""

_NOISE: Final = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:[^"\\\n]|\\.)*"', re.DOTALL)


def version_key(version: str) -> tuple[int, ...]:
    """``"0.81.1"`` as numbers."""
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])


def find_banned(text: str, version: str) -> tuple[Hit, ...]:
    """Banned names and include paths of a kernel for a ttnn release, in order of lines."""
    release = version_key(version)
    hits = []
    for match in re.finditer(r'^\s*#\s*include\s*[<"]([^>"]+)[>"]', text, re.MULTILINE):
        at = _line(text, match.start(1))
        hits += [
            Hit(at, Banned(f"#include {match[1]}", "removed", (0, 81), instead))
            for path, instead in _PATHS.items()
            if match[1].startswith(path)
        ]
    # Comments and strings are blanked, so that positions stay.
    code = _NOISE.sub(lambda m: re.sub(r"[^\n]", " ", m[0]), text)
    known = {banned.name: banned for banned in BANNED if release >= banned.since}
    for match in re.finditer(r"\b[A-Za-z_]\w*\b", code):
        if match[0] in known:
            hits.append(Hit(_line(text, match.start()), known[match[0]]))
    return tuple(sorted(hits, key=lambda hit: hit.line))


def _line(text: str, position: int) -> int:
    return text.count("\n", 0, position) + 1
