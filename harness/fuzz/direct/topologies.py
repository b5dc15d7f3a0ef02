"""Topologies of plans: how cores and buffers hand pages on. Each is right under every schedule.

``stream``: every core passes its pages through a chain of buffers, alone. ``multicast``: the first
core of each row (or column) reads and sends to the others. ``ring``: pages go round by writes to
the next core's L1. ``fetch``: every core reads the page the core before it staged. ``tree``: pages
are added up in pairs of cores at distance 1, 2, 4, … Semaphores are waited for by equality and set
back, or count up and are waited for by at-least.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

from harness.fuzz.direct.made import (
    Buffer,
    Made,
    fetched,
    hop,
    loop,
    op,
    plus,
    programs,
    slot,
    startup,
    stored,
    when,
)
from simulator.formats.dataformat import DataFormat
from simulator.program import Stmt

Recipe = Mapping[str, Any]


def make(recipe: Recipe) -> Made:
    """The plan of a recipe."""
    return TOPOLOGIES[str(recipe.get("topology", "stream"))](recipe)


def _page(recipe: Recipe) -> int:
    return DataFormat.from_ir(str(recipe.get("dtype", "bfloat16"))).tile_bytes()


def stream(recipe: Recipe) -> Made:
    """``tiles`` pages per core in blocks of ``block`` through buffers of ``depths``."""
    tiles, block = int(recipe.get("tiles", 1)), int(recipe.get("block", 1))
    depths = [int(d) for d in recipe.get("depths", (1, 1))]
    width, height = (int(n) for n in recipe.get("cores", (1, 1)))
    page, last = _page(recipe), len(depths) - 1
    number = plus("start", ["*", "t", block])
    read = op("noc_async_read_page", plus(number, "i"), "A", slot("get_write_ptr", 0, page, "i"))
    reader: list[Stmt] = [op("cb_reserve_back", 0, block), loop("i", block, read),
                          op("noc_async_read_barrier"), op("cb_push_back", 0, block)]  # fmt: skip
    hops = [stmt for cb in range(last) for stmt in hop(cb, cb + 1, block)]
    starts = {(x, y): ((y * width + x) * tiles,) for x in range(width) for y in range(height)}
    return Made(
        cores=(width, height),
        dtype=str(recipe.get("dtype", "bfloat16")),
        buffers=tuple(
            Buffer(depth, "ncrisc" if i == 0 else "compute", "brisc" if i == last else "compute",
                   to_dest=i < last)
            for i, depth in enumerate(depths)
        ),
        programs=programs(
            [loop("t", tiles // block, *reader)],
            [startup(0, last), loop("t", tiles // block, *hops)],
            [loop("t", tiles // block, *stored(number, last, block, page))],
            ("start",),
        ),
        args={"reader": starts, "writer": starts},
        meaning=tuple((p,) for p in range(tiles * width * height)),
        pages=tiles * width * height,
    )  # fmt: skip


def _network(
    recipe: Recipe, cores: tuple[int, int], reader: Sequence[Stmt], block: int, meaning: Any,
    pages: int, semaphores: tuple[int, ...],
) -> Made:  # fmt: skip
    """Cores that know their places; of each block of buffer 0 the last page is stored.

    Core (x, y) stores page ``(y * width + x) * steps + t``.
    """
    steps = int(recipe.get("steps", 1))
    skip = [op("cb_wait_front", 0, block), op("cb_pop_front", 0, block - 1)] if block > 1 else []
    mine = plus(["*", plus(["*", "y", cores[0]], "x"), steps], "t")
    places = {(x, y): (x, y) for x in range(cores[0]) for y in range(cores[1])}
    return Made(
        cores=cores,
        dtype=str(recipe.get("dtype", "bfloat16")),
        buffers=(
            Buffer(block * int(recipe.get("depth", 1)), "ncrisc", "compute", to_dest=True),
            Buffer(int(recipe.get("out", 1)), "compute", "brisc"),
        ),
        programs=programs(
            [loop("t", steps, op("cb_reserve_back", 0, block), *reader,
                  op("cb_push_back", 0, block))],
            [startup(0, 1), loop("t", steps, *skip, *hop(0, 1, 1))],
            [loop("t", steps, *stored(mine, 1, 1, _page(recipe)))],
            ("x", "y"),
        ),
        args={"reader": places, "writer": places},
        meaning=tuple(meaning),
        pages=pages,
        semaphores=semaphores,
    )  # fmt: skip


def _signals(recipe: Recipe, semaphore: int, each: int) -> list[Stmt]:
    """Waiting for ``each`` more signals at step t."""
    if recipe.get("wait") == "least":
        return [op("noc_semaphore_wait_min", semaphore, ["*", plus("t", 1), each])]
    return [op("noc_semaphore_wait", semaphore, each), op("noc_semaphore_set", semaphore, 0)]


def multicast(recipe: Recipe) -> Made:
    """Rows (or columns) of ``cores``; ``steps`` pages each."""
    width, height = (int(n) for n in recipe["cores"])
    steps, page, down = int(recipe["steps"]), _page(recipe), recipe.get("along") == "column"
    least = recipe.get("wait") == "least"
    count, lines = (height, width) if down else (width, height)
    line, place = ("x", "y") if down else ("y", "x")
    rect = ("x", 1, "x", height - 1) if down else (1, "y", width - 1, "y")
    home = ("x", 0) if down else (0, "y")
    ptr, others = ["get_write_ptr", 0], count - 1
    value = plus("t", 1) if least else 1
    send = [
        *fetched(plus(["*", line, steps], "t"), ptr),
        *_signals(recipe, 0, others),
        op("noc_async_write_multicast", ptr, *rect, ptr, page, others),
        op("noc_semaphore_set", 1, value),
        op("noc_semaphore_set_multicast", 1, *rect, others),
        op("noc_async_write_barrier"),
    ]
    receive = [
        *([] if least else [op("noc_semaphore_set", 1, 0)]),
        op("noc_semaphore_inc", *home, 0, 1),
        op("noc_semaphore_wait_min" if least else "noc_semaphore_wait", 1, value),
    ]
    meaning = [((x if down else y) * steps + t,)
               for y in range(height) for x in range(width) for t in range(steps)]  # fmt: skip
    return _network(recipe, (width, height), [when(["==", place, 0], send, receive)], 1, meaning,
                    lines * steps, (0, 0))  # fmt: skip


def ring(recipe: Recipe) -> Made:
    """Every page goes ``hops`` cores to the right, in each of ``steps`` rounds."""
    width, steps, hops = int(recipe["cores"][0]), int(recipe["steps"]), int(recipe["hops"])
    page = _page(recipe)
    right, left = (["%", plus("x", n), width] for n in (1, width - 1))
    body: list[Stmt] = [
        *fetched(plus(["*", "x", steps], "t"), slot("get_write_ptr", 0, page, 0)),
        op("noc_semaphore_inc", left, 0, 0, 1),
        op("noc_semaphore_wait_min", 0, plus("t", 1)),
    ]
    for h in range(1, hops + 1):
        here, there = (slot("get_write_ptr", 0, page, n) for n in (h - 1, h))
        body += [
            op("noc_async_write", here, right, 0, there, page),
            op("noc_async_write_barrier"),
            op("noc_semaphore_inc", right, 0, 1, 1),
            op("noc_semaphore_wait_min", 1, plus(["*", "t", hops], h)),
        ]
    meaning = [((x - hops) % width * steps + t,) for x in range(width) for t in range(steps)]
    return _network(recipe, (width, 1), body, hops + 1, meaning, width * steps, (0, 0))


def fetch(recipe: Recipe) -> Made:
    """Every core reads from the core to its left, which waits until that is done."""
    width, steps, page = int(recipe["cores"][0]), int(recipe["steps"]), _page(recipe)
    right, left = (["%", plus("x", n), width] for n in (1, width - 1))
    mine, room = (slot("get_write_ptr", 0, page, n) for n in (0, 1))
    body: list[Stmt] = [
        *fetched(plus(["*", "x", steps], "t"), mine),
        op("noc_semaphore_inc", right, 0, 0, 1),
        *_signals(recipe, 0, 1),
        op("noc_async_read", left, 0, mine, room, page),
        op("noc_async_read_barrier"),
        op("noc_semaphore_inc", left, 0, 1, 1),
        *_signals(recipe, 1, 1),
    ]
    meaning = [((x - 1) % width * steps + t,) for x in range(width) for t in range(steps)]
    return _network(recipe, (width, 1), body, 2, meaning, width * steps, (0, 0))


def tree(recipe: Recipe) -> Made:
    """2 to the ``levels`` cores; buffers: own page, a received one, the sum, the sum to send."""
    levels, page = int(recipe["levels"]), _page(recipe)
    width = 1 << levels
    reader: list[Stmt] = [op("cb_reserve_back", 0, 1), *fetched("x", ["get_write_ptr", 0]),
                          op("cb_push_back", 0, 1)]  # fmt: skip
    for level in range(levels):
        if recipe.get("wait") == "least":
            arrived = [op("noc_semaphore_wait_min", 1, level + 1)]
        else:
            arrived = [op("noc_semaphore_wait", 1, 1), op("noc_semaphore_set", 1, 0)]
        receive = [op("cb_reserve_back", 1, 1),
                   op("noc_semaphore_inc", plus("x", 1 << level), 0, 0, 1), *arrived,
                   op("cb_push_back", 1, 1)]  # fmt: skip
        reader.append(when(["<", level, "adds"], receive))
    add = [
        op("cb_wait_front", 2, 1), op("cb_wait_front", 1, 1), op("tile_regs_acquire"),
        op("add_tiles", 2, 1, 0, 0, 0), op("tile_regs_commit"), op("cb_pop_front", 2, 1),
        op("cb_pop_front", 1, 1), op("cb_reserve_back", 2, 1), op("tile_regs_wait"),
        op("pack_tile", 0, 2), op("tile_regs_release"), op("cb_push_back", 2, 1),
    ]  # fmt: skip
    add_init = [op("reconfig_data_format", 2, 1), op("add_init", 2, 1)]
    send = [
        op("noc_semaphore_wait", 0, 1),
        op("noc_async_write", ["get_read_ptr", 3], "parent", 0, ["get_write_ptr", 1], page),
        op("noc_async_write_barrier"),
        op("noc_semaphore_inc", "parent", 0, 1, 1),
    ]
    keep = [op("noc_async_write_page", 0, "C", ["get_read_ptr", 3]), op("noc_async_write_barrier")]
    writer: list[Stmt] = [op("cb_wait_front", 3, 1), when(["==", "x", 0], keep, send),
              op("cb_pop_front", 3, 1)]  # fmt: skip
    low = {x: x & -x or width for x in range(width)}
    adds = {x: n.bit_length() - 1 for x, n in low.items()}
    ends = (("ncrisc", "compute"), ("ncrisc", "compute"), ("compute", "compute"),
            ("compute", "brisc"))  # fmt: skip
    edges = {(x, 0): (x, adds[x], x - low[x] if x else 0) for x in range(width)}
    return Made(
        cores=(width, 1),
        dtype=str(recipe.get("dtype", "bfloat16")),
        buffers=tuple(Buffer(1, *pair) for pair in ends),
        programs=programs(
            reader,
            [startup(0, 2), *hop(0, 2, 1), *add_init, loop("l", "adds", *add), *hop(2, 3, 1)],
            writer,
            ("x", "adds", "parent"),
            ("adds",),
        ),
        args={"reader": edges, "writer": edges,
              "compute": {(x, 0): (adds[x],) for x in range(width)}},
        meaning=(tuple(range(width)),),
        pages=width,
        semaphores=(0, 0),
    )  # fmt: skip


TOPOLOGIES: Final[Mapping[str, Callable[[Recipe], Made]]] = MappingProxyType(
    {"stream": stream, "multicast": multicast, "ring": ring, "fetch": fetch, "tree": tree}
)
"""Name to maker."""
