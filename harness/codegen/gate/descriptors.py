"""Headers the JIT generates beside a kernel: formats and tile shapes of circular buffers, modes.

Names are those the wheel's ``llk_operands.h``, ``llk_outputs.h`` and ``dataflow_api.h`` read.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from harness.codegen.gate.flags import Thread
from simulator.formats.dataformat import DataFormat
from simulator.plan.schema import CircularBuffer, ComputeConfig, Plan

SLOTS: Final = 64
"""Circular buffers the tables have room for, on every architecture."""

_FIDELITY: Final = {"LoFi": 0, "HiFi2": 2, "HiFi3": 3, "HiFi4": 4}
"""ckernel::MathFidelity's values (llk_defs.h)."""

_CODES: Final = {
    "Float32": 0, "Float16": 1, "Bfp8": 2, "Bfp4": 3, "Tf32": 4, "Float16_b": 5, "Bfp8_b": 6,
    "Bfp4_b": 7, "Int32": 8, "UInt16": 9, "Int8": 14, "Bfp2_b": 15, "UInt32": 24, "UInt8": 30,
}  # fmt: skip
"""DataFormat's values (tensix_types.h)."""


def chlkc_descriptors(plan: Plan, compute: ComputeConfig | None, thread: Thread) -> str:
    """``chlkc_descriptors.h`` of one thread; data-movement kernels read the unpack tables."""
    by_id = {cb.id: cb for cb in plan.circular_buffers}

    def table(kind: str, name: str, value: Callable[[CircularBuffer | None], int]) -> str:
        values = ", ".join(str(value(by_id.get(i))) for i in range(SLOTS))
        return f"constexpr {kind} {name}[{SLOTS}] = {{{values}}};\n"

    def shape(axis: int) -> Callable[[CircularBuffer | None], int]:
        return lambda cb: 32 if cb is None else cb.tile_shape[axis]

    def faces(axis: int) -> Callable[[CircularBuffer | None], int]:
        return lambda cb: 2 if cb is None else max(cb.tile_shape[axis] // 16, 1)

    side = "pack" if thread == "pack" else "unpack"
    out = ["#pragma once\n#include <cstdint>\n"]
    out += [table("unsigned char", f"{side}_{end}_format", _code) for end in ("src", "dst")]
    out += [
        table("std::uint8_t", f"{side}_tile_num_faces",
              lambda cb: 4 if cb is None else faces(0)(cb) * faces(1)(cb)),
        table("std::uint8_t", f"{side}_partial_face", lambda cb: int(shape(0)(cb) < 16)),
        table("std::uint8_t", f"{side}_tile_face_r_dim", lambda cb: min(shape(0)(cb), 16)),
        table("std::uint8_t", f"{side}_narrow_tile", lambda cb: int(shape(1)(cb) < 32)),
        table("std::uint8_t", f"{side}_tile_r_dim", shape(0)),
        table("std::uint8_t", f"{side}_tile_c_dim", shape(1)),
        table("std::uint8_t", f"{side}_num_faces_r_dim", faces(0)),
        table("std::uint8_t", f"{side}_num_faces_c_dim", faces(1)),
        table("std::uint16_t", f"{side}_tile_size", lambda cb: 0 if cb is None else cb.page_bytes),
    ]  # fmt: skip
    if compute is not None:
        sync = "Full" if compute.dst_full_sync_en else "Half"
        wide = any(cb.unpack_to_dest for cb in plan.circular_buffers)
        out += [
            '#include "llk_defs.h"\n',
            f"#define DST_SYNC_MODE DstSync::Sync{sync}\n",
            f"constexpr bool DST_ACCUM_MODE = {_bool(compute.fp32_dest_acc_en)};\n",
            f"constexpr bool UnpackToDestEn = {_bool(wide)};\n",
            f"constexpr bool APPROX = {_bool(compute.math_approx_mode)};\n",
            (
                "constexpr ckernel::MathFidelity MATH_FIDELITY ="
                f" static_cast<ckernel::MathFidelity>({_FIDELITY[compute.math_fidelity]});\n"
            ),
        ]
    return "".join(out)


def _code(cb: CircularBuffer | None) -> int:
    return 255 if cb is None else _CODES[DataFormat.from_name(cb.data_format).value]


def _bool(value: object) -> str:
    return "true" if value else "false"


@lru_cache(maxsize=4)
def sfpi_names(root: Path) -> str:
    """``sfpi_names.h``: what the wheel's headers use of namespace sfpi, as declarations."""
    text = "".join(path.read_text("utf-8", "replace") for path in sorted(_sfpu_headers(root)))
    enums: dict[str, set[str]] = {}
    for name, member in re.findall(r"\bsfpi::([A-Z]\w*)::(\w+)", text):
        enums.setdefault(name, set()).add(member)
    constants = set(re.findall(r"\b(SFP[A-Z0-9]*_\w+)\b", text))
    vectors = set(re.findall(r"\bsfpi::([vs][A-Z]\w*)\b", text))
    calls = set(re.findall(r"\bsfpi::([a-z]\w*)\s*(?:<[^<>;()]*>)?\s*\(", text))
    made = sorted(name for name in vectors if not name.startswith("vConst"))
    out = ["#pragma once\nnamespace sfpi {\n"]
    out += [f"enum class {name} {{ {', '.join(sorted(members))} }};\n"
            for name, members in sorted(enums.items())]  # fmt: skip
    out += [f"using {name} = Vector<{index}>;\n" for index, name in enumerate(made, 1)]
    out += [f"inline constexpr Vector<0> {name}{{}};\n"
            for name in sorted({*(vectors - set(made)), "dst_reg", "l_reg"})]  # fmt: skip
    out += [f"inline constexpr int {name} = 0;\n" for name in sorted(constants)
            if not re.search(rf"#\s*define\s+{name}\b", text)]  # fmt: skip
    for name in sorted(calls - {"as", "convert"} - set(made)):
        out.append(f"template <auto... Modes, class... T> constexpr Vector<0> {name}"
                   "(const T&...) { return {}; }\n")  # fmt: skip
    for name in ("as", "convert"):
        out.append(f"template <class To, auto... Modes, class... T> constexpr To {name}"
                   "(const T&...) { return {}; }\n")  # fmt: skip
    return "".join(out) + "}  // namespace sfpi\n"


def _sfpu_headers(root: Path) -> list[Path]:
    metal = root / "tt_metal"
    places: tuple[Any, ...] = ("tt-llk/common", "tt-llk/tt_llk_wormhole_b0",
                               "tt-llk/tt_llk_blackhole", "hw/ckernels/wormhole_b0",
                               "hw/ckernels/blackhole")  # fmt: skip
    return [path for place in places for path in (metal / place).rglob("*.h")]
