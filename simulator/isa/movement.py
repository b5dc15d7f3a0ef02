"""Ops of the data-movement RISC-Vs, and the circular-buffer handshake of every thread."""

from __future__ import annotations

from simulator.isa.spec import ANY_THREAD, DATA_MOVEMENT, OpSpec, op


def data_movement() -> tuple[OpSpec, ...]:
    """NoC transfers, semaphores, and what the RISC itself writes to L1."""
    rect = "x0:expr y0:expr x1:expr y1:expr"
    return (
        op(
            "noc_async_read_page",
            "page:expr tensor:tensor l1:l1",
            DATA_MOVEMENT,
            "dm",
            "noc_read",
            "Start reading one page of a tensor into local L1; visible after the read barrier.",
        ),
        op(
            "noc_async_write_page",
            "page:expr tensor:tensor l1:l1",
            DATA_MOVEMENT,
            "dm",
            "noc_write",
            "Start writing one page of a tensor from local L1.",
        ),
        op(
            "noc_async_read_partial_page",
            "page:expr tensor:tensor l1:l1 offset:expr bytes:expr",
            DATA_MOVEMENT,
            "dm",
            "noc_read",
            "Start reading bytes of one page of a tensor, from an offset in it, into local L1.",
        ),
        op(
            "noc_async_write_partial_page",
            "page:expr tensor:tensor l1:l1 offset:expr bytes:expr",
            DATA_MOVEMENT,
            "dm",
            "noc_write",
            "Start writing bytes of one page of a tensor, from an offset in it, from local L1.",
        ),
        op(
            "noc_async_read",
            "x:expr y:expr src:l1 dst:l1 bytes:expr",
            DATA_MOVEMENT,
            "dm",
            "noc_read",
            "Start reading bytes from L1 of core (x, y) into local L1.",
        ),
        op(
            "noc_async_write",
            "src:l1 x:expr y:expr dst:l1 bytes:expr",
            DATA_MOVEMENT,
            "dm",
            "noc_write",
            "Start writing bytes from local L1 into L1 of core (x, y).",
        ),
        op(
            "noc_async_write_multicast",
            f"src:l1 {rect} dst:l1 bytes:expr num_dests:expr",
            DATA_MOVEMENT,
            "dm",
            "noc_write",
            "Write local L1 into L1 of every core of a rectangle except the sender.",
        ),
        op(
            "noc_async_write_multicast_loopback_src",
            f"src:l1 {rect} dst:l1 bytes:expr num_dests:expr",
            DATA_MOVEMENT,
            "dm",
            "noc_write",
            "Write local L1 into L1 of every core of a rectangle, the sender included.",
        ),
        op(
            "noc_async_read_barrier",
            "",
            DATA_MOVEMENT,
            "dm",
            "noc_barrier",
            "Wait for this RISC's reads.",
        ),
        op(
            "noc_async_write_barrier",
            "",
            DATA_MOVEMENT,
            "dm",
            "noc_barrier",
            "Wait until this RISC's writes are visible at their destination.",
        ),
        op(
            "noc_async_writes_flushed",
            "",
            DATA_MOVEMENT,
            "dm",
            "noc_barrier",
            "Wait until this RISC's writes have left: their source may be reused.",
        ),
        op(
            "noc_semaphore_set",
            "sem:sem value:expr",
            DATA_MOVEMENT,
            "dm",
            "semaphore",
            "Set a local semaphore.",
        ),
        op(
            "noc_semaphore_wait",
            "sem:sem value:expr",
            DATA_MOVEMENT,
            "dm",
            "semaphore",
            "Wait until a local semaphore equals a value.",
        ),
        op(
            "noc_semaphore_wait_min",
            "sem:sem value:expr",
            DATA_MOVEMENT,
            "dm",
            "semaphore",
            "Wait until a local semaphore is at least a value.",
        ),
        op(
            "noc_semaphore_inc",
            "x:expr y:expr sem:sem value:expr",
            DATA_MOVEMENT,
            "dm",
            "semaphore",
            "Atomically add to the semaphore of core (x, y).",
        ),
        op(
            "noc_semaphore_set_multicast",
            f"sem:sem {rect} num_dests:expr",
            DATA_MOVEMENT,
            "dm",
            "semaphore",
            "Copy the local semaphore's value to the same semaphore of a rectangle of cores.",
        ),
        op(
            "noc_semaphore_inc_multicast",
            f"sem:sem {rect} value:expr num_dests:expr",
            DATA_MOVEMENT,
            "dm",
            "semaphore",
            "Add to the same semaphore of a rectangle of cores, the sender excluded.",
        ),
        op(
            "zero_tile_region",
            "cb:cb l1:l1 rows:expr cols:expr",
            DATA_MOVEMENT,
            "dm",
            "l1_write",
            "In the tile at l1 (format of cb) keep the top-left rows x cols datums, zero the rest.",
        ),
        op(
            "generate_reduce_scaler",
            "cb:cb l1:l1 value:float",
            DATA_MOVEMENT,
            "dm",
            "l1_write",
            "Write a scaler tile: the value in the first row of each face, zero elsewhere.",
        ),
        op(
            "index_tile_l1",
            "cb:cb l1:l1 base:expr row_step:expr col_step:expr",
            DATA_MOVEMENT,
            "dm",
            "l1_write",
            "Write a Float32 tile of base + row * row_step + column * col_step.",
        ),
        op(
            "fill_tile_l1",
            "cb:cb l1:l1 value:float",
            DATA_MOVEMENT,
            "dm",
            "l1_write",
            "Write a tile of one value in the CB's format.",
        ),
        op(
            "copy_l1",
            "cb:cb l1:l1 src:l1 bytes:expr",
            DATA_MOVEMENT,
            "dm",
            "l1_write",
            "Copy bytes of another CB, whole words, within local L1 to the window of cb.",
        ),
        op(
            "copy_datums_l1",
            "cb:cb l1:l1 src:l1 rows:expr cols:expr to_row:expr to_col:expr down:expr right:expr"
            " to_width:expr row:expr col:expr row_down:expr col_down:expr col_right:expr"
            " width:expr",
            DATA_MOVEMENT,
            "dm",
            "l1_write",
            "Copy rows x cols datums within L1, between blocks of tiles that are to_width and width"
            " tiles wide: datum (m, n) goes to row to_row + m * down and column to_col + n * right,"
            " from row + m * row_down and col + m * col_down + n * col_right.",
        ),
    )


def handshake() -> tuple[OpSpec, ...]:
    """The circular-buffer handshake."""
    return tuple(
        op(name, "cb:cb n:expr", ANY_THREAD, f"dm {stage}", "cb", doc)
        for name, stage, doc in (
            ("cb_reserve_back", "pack", "Producer waits until n pages are free."),
            ("cb_push_back", "pack", "Producer hands n pages over."),
            ("cb_wait_front", "unpack", "Consumer waits until n pages are available, cumulative."),
            ("cb_pop_front", "unpack", "Consumer frees n pages."),
        )
    )
