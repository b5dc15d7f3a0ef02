"""From plain JSON to ttnn's program descriptor. Nothing is decided here."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]
CB_SLOTS = 64
"""Entries of ComputeConfigDescriptor.unpack_to_dest_mode: one per circular buffer id."""


@dataclass
class Known:
    """What the device knows: addresses, accessor words, NoC coordinates.

    Without a device they are the parent's assumptions, so that descriptors can be built anyway.
    """

    addresses: dict[str, int]
    accessors: dict[str, list[int]]
    columns: list[int]
    rows: list[int]
    tensors: dict[str, Any] = field(default_factory=dict)

    def word(self, value: Any) -> int:
        """An argument value as its 32-bit word."""
        if isinstance(value, int):
            return value
        ((kind, what),) = value.items()
        if kind == "addr":
            return self.addresses[what]
        if kind == "noc_xy":  # logical, as in the simulator; kernels translate through tables
            return int(what[1]) << 16 | int(what[0])
        return int(what)  # u32, or the id of a semaphore


def core_set(ttnn: Any, rectangles: list[list[int]]) -> Any:
    """A CoreRangeSet of ``[x0, y0, x1, y1]`` rectangles, corners included."""
    return ttnn.CoreRangeSet([
        ttnn.CoreRange(ttnn.CoreCoord(x0, y0), ttnn.CoreCoord(x1, y1))
        for x0, y0, x1, y1 in rectangles
    ])  # fmt: skip


def circular_buffer(ttnn: Any, spec: Json, known: Known) -> Any:
    """One CBDescriptor; in place over a sharded tensor where the plan says so."""
    if spec["tensor"] is not None and spec["tensor"] in known.tensors:
        return ttnn.cb_descriptor_from_sharded_tensor(
            spec["formats"][0]["id"], known.tensors[spec["tensor"]]
        )
    pieces = ttnn._ttnn.program_descriptor  # noqa: SLF001  (TileDescriptor has no public name)
    formats = [
        ttnn.CBFormatDescriptor(
            buffer_index=item["id"],
            data_format=getattr(ttnn, item["format"]),
            page_size=item["page"],
            tile=pieces.TileDescriptor(*item["tile"]),
        )
        for item in spec["formats"]
    ]
    return ttnn.CBDescriptor(
        total_size=spec["bytes"],
        core_ranges=core_set(ttnn, spec["cores"]),
        format_descriptors=formats,
    )


def kernel_config(ttnn: Any, spec: Json) -> Any:
    """Processor and NoC of a data-movement kernel, or the modes of a compute kernel."""
    if "compute" not in spec:
        # NOC.RISCV_0_default is NoC 0, NOC.RISCV_1_default is NoC 1, whichever RISC uses them.
        return ttnn.DataMovementConfigDescriptor(
            processor=getattr(ttnn.DataMovementProcessor, spec["processor"]),
            noc=getattr(ttnn.NOC, f"RISCV_{spec['noc']}_default"),
        )
    given = dict(spec["compute"])
    given["math_fidelity"] = getattr(ttnn.MathFidelity, given["math_fidelity"])
    config = ttnn.ComputeConfigDescriptor(**given)
    if spec["unpack_to_dest"]:
        mode = ttnn._ttnn.program_descriptor.UnpackToDestMode  # noqa: SLF001
        chosen = set(spec["unpack_to_dest"])
        config.unpack_to_dest_mode.extend(
            [mode.UnpackToDestFp32 if i in chosen else mode.Default for i in range(CB_SLOTS)]
        )
    return config


def kernel(ttnn: Any, spec: Json, known: Known) -> Any:
    """One KernelDescriptor, accessor words spliced in front of the compile-time integers."""
    words: list[int] = []
    for buffer in spec["accessors"]:
        words.extend(known.accessors[buffer])
    words.extend(known.word(value) for value in spec["compile"])
    runtime = ttnn.RuntimeArgs()
    for key, values in spec["runtime"].items():
        x, y = (int(part) for part in key.strip("()").split(","))
        runtime[x][y] = [known.word(value) for value in values]
    defines = []
    if spec["coordinates"]:
        defines = [("NOC_COLUMNS", ",".join(map(str, known.columns))),
                   ("NOC_ROWS", ",".join(map(str, known.rows)))]  # fmt: skip
    return ttnn.KernelDescriptor(
        kernel_source=spec["source"],
        source_type=ttnn.KernelDescriptor.SourceType.SOURCE_CODE,
        core_ranges=core_set(ttnn, spec["cores"]),
        compile_time_args=words,
        defines=defines,
        runtime_args=runtime,
        common_runtime_args=[known.word(value) for value in spec["common"]],
        config=kernel_config(ttnn, spec),
    )


def program(ttnn: Any, job: Json, known: Known) -> Any:
    """The whole ProgramDescriptor."""
    return ttnn.ProgramDescriptor(
        kernels=[kernel(ttnn, spec, known) for spec in job["kernels"]],
        semaphores=[
            ttnn.SemaphoreDescriptor(
                id=spec["id"],
                core_ranges=core_set(ttnn, spec["cores"]),
                initial_value=spec["initial"],
            )
            for spec in job["semaphores"]
        ],
        cbs=[circular_buffer(ttnn, spec, known) for spec in job["circular_buffers"]],
    )
