"""Who does what: cores' work exchanged, doubled, lost; the maps that say which tiles come out."""

from __future__ import annotations

from functools import partial
from typing import Any, Final

from harness.mutants.edit import Built, change_kernels, replace, with_plan
from harness.mutants.registry import in_built
from simulator.plan.schema import Linear

FAMILY: Final = "work partition"


_one = partial(in_built, FAMILY)


def _busy(built: Built) -> list[str]:
    return [core for core, items in built.plan.work_partition.items() if items]


def _runtime(built: Built, change: Any, programs: tuple[str, ...] = ()) -> Any:
    """``change(args by core)`` gives new runtime arguments of every kernel."""

    def kernel(k: Any) -> Any:
        if programs and k.program not in programs:
            return None
        new = change(dict(k.runtime_args), k)
        return None if new is None else replace(k, runtime_args=new)

    return change_kernels(built, kernel)


def _swap(table: dict[str, Any], a: str, b: str) -> dict[str, Any]:
    return {**table, a: table[b], b: table[a]} if a in table and b in table else table


def _exchanged(*programs: str) -> Any:
    def apply(built: Built) -> Any:
        busy = _busy(built)
        if len(busy) < 2:
            return None
        return _runtime(built, lambda t, k: _swap(t, busy[0], busy[1]), programs)

    return apply


def _whole_exchange(built: Built) -> Any:
    """Two cores' work exchanged everywhere: partition, descriptors, arguments.

    Cores that signal each other, or work on shards in place, cannot do each other's.
    """
    busy, plan = _busy(built), built.plan
    in_place = any(cb.tensor is not None for cb in plan.circular_buffers)
    if len(busy) < 2 or plan.semaphores or in_place:
        return None
    a, b = busy[:2]
    moved = with_plan(
        built,
        work_partition=_swap(dict(plan.work_partition), a, b),
        work_descriptors=_swap(dict(plan.work_descriptors), a, b),
    )
    return moved and _runtime(moved, lambda t, k: _swap(t, a, b))


def _same_tile(built: Built) -> Any:
    """The second core told to do the first one's work, everywhere."""
    busy, plan = _busy(built), built.plan
    if len(busy) < 2:
        return None
    a, b = busy[:2]
    copied = with_plan(
        built,
        work_partition={**plan.work_partition, b: plan.work_partition[a]},
        work_descriptors={**plan.work_descriptors, b: plan.work_descriptors[a]},
    )
    return copied and _runtime(copied, lambda t, k: {**t, b: t[a]} if a in t and b in t else t)


def _fields(change: Any) -> Any:
    """Arguments that are fields of the work descriptor: ``change(field, value)``."""

    def apply(built: Built) -> Any:
        def table(args: dict[str, Any], k: Any) -> Any:
            program = next(p for p in built.programs.programs if p.name == k.program)
            fields = [k.work_args.get(name) for name in program.runtime_args]
            return {core: tuple(change(f, v) for f, v in zip(fields, values, strict=True))
                    for core, values in args.items()}  # fmt: skip

        return _runtime(built, table)

    return apply


def _lost_remainder(built: Built) -> Any:
    """The busiest linear core's last block dropped from list, descriptor and arguments."""
    plan = built.plan
    busy = [c for c in _busy(built) if isinstance(plan.work_descriptors[c], Linear)]
    if not busy:
        return None
    core = busy[-1]
    one = plan.work_descriptors[core]
    if not isinstance(one, Linear):
        return None
    left = replace(one, count=one.count - 1, start=one.start if one.count > 1 else 0)
    shorter = with_plan(
        built,
        work_partition={**plan.work_partition, core: plan.work_partition[core][:-1]},
        work_descriptors={**plan.work_descriptors, core: left},
    )

    def table(args: dict[str, Any], k: Any) -> Any:
        program = next(p for p in built.programs.programs if p.name == k.program)
        fields = [k.work_args.get(name) for name in program.runtime_args]
        values = tuple(left.count if f == "count" else left.start if f == "start" else v
                       for f, v in zip(fields, args.get(core, ()), strict=False))  # fmt: skip
        return {**args, core: values} if core in args else args

    return _runtime(shorter, table)


def _items(change: Any) -> Any:
    def apply(built: Built) -> Any:
        new = {c: tuple(change(i) for i in items) for c, items in
               built.plan.work_partition.items()}  # fmt: skip
        return with_plan(built, work_partition=new)

    return apply


def _blocks(change: Any) -> Any:
    def apply(built: Built) -> Any:
        new = {n: change(m) for n, m in built.plan.output_blocks.items()}
        return with_plan(built, output_blocks=new)

    return apply


def _first_only(built: Built) -> Any:
    """Kernels placed on the first core only."""
    if len(built.plan.work_partition) < 2:
        return None
    return change_kernels(built, lambda k: replace(
        k, core_ranges=(replace(k.core_ranges[0], extent=(1, 1)),)))  # fmt: skip


def _idle_others(built: Built) -> Any:
    """All other cores are told to do nothing."""
    first = _busy(built)[0]
    others = {c for c in _busy(built) if c != first}
    return _runtime(built, lambda t, k: {c: tuple(0 for _ in v) if c in others else v
                                         for c, v in t.items()})  # fmt: skip


MUTANTS: Final = (
    _one("reader-works-for-the-other-core", "Two readers have each other's arguments.",
         _exchanged("reader")),
    _one("writer-works-for-the-other-core", "Two writers have each other's arguments.",
         _exchanged("writer")),
    _one("arguments-exchanged", "Two cores have each other's arguments; the plan says otherwise.",
         _exchanged()),
    _one("control-cores-exchanged", "Two cores do each other's work, and the plan says so.",
         _whole_exchange, "the same blocks on the same cores' twins"),
    _one("two-cores-same-tile", "Two cores compute the same block, and none the other.",
         _same_tile),
    _one("remainder-block-lost", "The last core's last block is dealt to nobody.",
         _lost_remainder),
    _one("start-off-by-one", "Cores are told to start a block later.",
         _fields(lambda f, v: v + 1 if f in ("start", "x0") else v)),
    _one("count-one-more", "Cores are told to do a block more.",
         _fields(lambda f, v: v + 1 if f in ("count", "height") else v)),
    _one("count-one-less", "Cores are told to do a block less.",
         _fields(lambda f, v: max(v - 1, 0) if f in ("count", "height") else v)),
    _one("only-core-zero-contributes", "All cores but the first are told to do nothing.",
         _idle_others),
    _one("kernels-on-first-core-only", "Kernels are placed on the first core only.", _first_only),
    _one("items-reversed", "The plan lists work in another order than the core does it.",
         lambda b: with_plan(b, work_partition={c: v[::-1]
                                                for c, v in b.plan.work_partition.items()})),
    _one("items-transposed", "The plan's work items have io for jo.",
         _items(lambda i: replace(i, io=i.jo, jo=i.io))),
    _one("len-k-one-less", "The plan claims a K step less.",
         _items(lambda i: replace(i, len_k=i.len_k - 1) if (i.len_k or 0) > 1 else i)),
    _one("tile-order-label", "The plan names another order of work.",
         _items(lambda i: replace(i, tile_order="column_major"
                                  if i.tile_order != "column_major" else "row_major"))),
    _one("block-map-axes-exchanged", "The map of output blocks has bx for by.",
         _blocks(lambda m: replace(m, x=m.y, y=m.x))),
    _one("block-map-shifted", "The map of output blocks starts a tile late.",
         _blocks(lambda m: replace(m, base=(*m.base[:-1], m.base[-1] + 1)))),
    _one("block-map-too-small", "The map of output blocks has a tile row less.",
         _blocks(lambda m: replace(m, extent=(*m.extent[:-1], max(m.extent[-1] - 1, 1))))),
    _one("kernel-grid-transposed", "The plan's kernel grid has columns for rows.",
         lambda b: with_plan(b, kernel_grid=(b.plan.kernel_grid[1], b.plan.kernel_grid[0],
                                             b.plan.kernel_grid[2]))),
    _one("coalesce-doubled", "The plan joins twice the blocks.",
         lambda b: with_plan(b, coalesce=(2, *b.plan.coalesce[1:]))
         if b.plan.kernel_grid[0] > 1 else None),
    _one("core-ranges-shrunk", "The plan's core ranges end a column early.",
         lambda b: with_plan(b, core_ranges=(replace(b.plan.core_ranges[0], extent=(
             b.plan.core_ranges[0].extent[0] - 1, b.plan.core_ranges[0].extent[1])),
             *b.plan.core_ranges[1:])) if b.plan.core_ranges[0].extent[0] > 1 else None),
    _one("core-grid-smaller", "The plan's core grid is one core.",
         lambda b: with_plan(b, core_grid=(1, 1))),
)  # fmt: skip
