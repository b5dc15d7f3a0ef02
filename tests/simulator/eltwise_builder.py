"""A hand-made elementwise plan."""

from __future__ import annotations

from math import ceil

from simulator.formats.dataformat import DataFormat
from simulator.program import Loop, Program, Stmt
from tests.simulator.builders import Sketch, dealt, layout, loop, op, plus, times


def elementwise(
    shape: tuple[int, int],
    function: str = "add_tiles",
    cores: tuple[int, int] = (2, 2),
    *,
    step: int = 1,
    dtype: str = "bfloat16",
    device: str = "wormhole_n150",
    zero_padding: bool = True,
) -> Sketch:
    """C = A (function) B tile by tile, ``step`` tiles per DST cycle; the FPU for bf16."""
    count = ceil(shape[0] / 32) * ceil(shape[1] / 32)
    fmt = DataFormat.from_ir(dtype)
    size = fmt.tile_bytes()
    if count % step:
        raise ValueError("the step must divide the tiles")
    shares = dealt(count // step, cores)
    first = times(plus("start", "t"), step)

    def read(cb: int, tensor: str) -> Loop:
        address = plus(["get_write_ptr", cb], times("i", size))
        return loop("i", step, op("noc_async_read_page", plus(first, "i"), tensor, address))

    reader = Program(
        name="reader", thread="ncrisc", accessors=("A", "B"), runtime_args=("start", "count"),
        body=(loop("t", "count",
                   op("cb_reserve_back", 0, step), op("cb_reserve_back", 1, step),
                   read(0, "A"), read(1, "B"), op("noc_async_read_barrier"),
                   op("cb_push_back", 0, step), op("cb_push_back", 1, step)),),
    )  # fmt: skip
    sfpu = function.endswith("_tile")
    init: tuple[Stmt, ...] = (op(function.replace("_tiles", "_init"), 0, 1),)
    math: tuple[Stmt, ...] = (loop("i", step, op(function, 0, 1, "i", "i", "i")),)
    if sfpu:
        init = (op("copy_init", 0), op(f"{function}_init"))
        math = (
            loop("i", step, op("copy_tile", 0, "i", "i")),
            loop("i", step, op("copy_tile", 1, "i", plus("i", step))),
            loop("i", step, op(function, "i", plus("i", step), "i")),
        )
    compute = Program(
        name="compute", thread="compute", runtime_args=("count",),
        body=(op("compute_kernel_hw_startup", "Regular", 0, 1, 2), *init,
              loop("t", "count",
                   op("cb_wait_front", 0, step), op("cb_wait_front", 1, step),
                   op("tile_regs_acquire"), *math, op("tile_regs_commit"),
                   op("cb_pop_front", 0, step), op("cb_pop_front", 1, step),
                   op("cb_reserve_back", 2, step), op("tile_regs_wait"),
                   loop("i", step, op("pack_tile", "i", 2)),
                   op("tile_regs_release"), op("cb_push_back", 2, step))),
    )  # fmt: skip
    writer = Program(
        name="writer", thread="brisc", accessors=("C",), runtime_args=("start", "count"),
        body=(loop("t", "count", op("cb_wait_front", 2, step),
                   loop("i", step, op("noc_async_write_page", plus(first, "i"), "C",
                                      plus(["get_read_ptr", 2], times("i", size)))),
                   op("noc_async_write_barrier"), op("cb_pop_front", 2, step)),),
    )  # fmt: skip
    padding = "zero" if zero_padding else "unspecified"
    exact = dtype == "float32"
    return Sketch(
        tensors={
            "A": layout(dtype, shape, "input", padding=padding),
            "B": layout(dtype, shape, "input", padding=padding),
            "C": layout(dtype, shape, "output"),
        },
        buffers={
            0: (fmt.value, 2 * step, "ncrisc", "compute"),
            1: (fmt.value, 2 * step, "ncrisc", "compute"),
            2: (fmt.value, 2 * step, "compute", "brisc"),
        },
        programs={"reader": reader, "compute": compute, "writer": writer},
        cores=cores,
        device=device,
        args={
            "reader": shares,
            "writer": shares,
            "compute": {core: (share,) for core, (_, share) in shares.items()},
        },
        unpack_to_dest=frozenset({0, 1} if exact and sfpu else ()),
    )
