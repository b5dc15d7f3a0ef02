"""A ttnn program descriptor as plain JSON again, for comparison with what was asked for."""

from __future__ import annotations

import re
from typing import Any

Json = dict[str, Any]


def rectangles(core_ranges: Any) -> list[list[int]]:
    """A CoreRangeSet as ``[x0, y0, x1, y1]`` rectangles, in order of their first core."""
    out = [[r.start.x, r.start.y, r.end.x, r.end.y] for r in core_ranges.ranges()]
    return sorted(out, key=lambda r: (r[1], r[0]))


def kernel(descriptor: Any, keys: list[str]) -> Json:
    """One kernel: text, cores, argument words, configuration."""
    config = descriptor.config
    out: Json = {
        "source": descriptor.kernel_source,
        "cores": rectangles(descriptor.core_ranges),
        "compile_words": list(descriptor.compile_time_args),
        "common_words": list(descriptor.common_runtime_args),
        "defines": [list(item) for item in descriptor.defines],
        "runtime_words": {key: _core_args(descriptor.runtime_args, key) for key in keys},
    }
    if hasattr(config, "math_fidelity"):
        out["compute"] = {
            "math_fidelity": config.math_fidelity.name,
            "fp32_dest_acc_en": config.fp32_dest_acc_en,
            "dst_full_sync_en": config.dst_full_sync_en,
            "math_approx_mode": config.math_approx_mode,
            "bfp8_pack_precise": config.bfp8_pack_precise,
        }
        modes = [mode.name for mode in config.unpack_to_dest_mode]
        out["unpack_to_dest"] = [i for i, name in enumerate(modes) if name == "UnpackToDestFp32"]
    else:
        out["processor"] = config.processor.name
        out["noc"] = int(re.sub(r"\D", "", config.noc.name))
    return out


def _core_args(args: Any, key: str) -> list[int]:
    x, y = (int(part) for part in key.strip("()").split(","))
    return list(args[x][y])


def circular_buffer(descriptor: Any) -> Json:
    """One piece of memory with its formats."""
    return {
        "bytes": descriptor.total_size,
        "cores": rectangles(descriptor.core_ranges),
        "formats": [
            {
                "id": item.buffer_index,
                "code": item.data_format_as_uint8,
                "page": item.page_size,
                "tile": [item.tile.height, item.tile.width] if item.tile else None,
            }
            for item in descriptor.format_descriptors
        ],
    }


def program(descriptor: Any, job: Json) -> Json:
    """The whole descriptor."""
    return {
        "kernels": [
            kernel(item, list(spec["runtime"]))
            for item, spec in zip(descriptor.kernels, job["kernels"], strict=True)
        ],
        "circular_buffers": [circular_buffer(item) for item in descriptor.cbs],
        "semaphores": [
            {"id": item.id, "cores": rectangles(item.core_ranges), "initial": item.initial_value}
            for item in descriptor.semaphores
        ],
    }
