"""The machine a plan describes: cores, memories, programs, and what was found in a run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from simulator.arch import Arch, find_arch
from simulator.engine import deadlock
from simulator.engine.arguments import argument_values
from simulator.engine.backing import Backing
from simulator.engine.cb import CircularBuffer
from simulator.engine.code import Code, Names, OpContext
from simulator.engine.compiler import Compiler, bind_arguments
from simulator.engine.config import Config
from simulator.engine.cursors import PARTS, Cursor
from simulator.engine.expr import ExprError
from simulator.engine.gather import Patterns
from simulator.engine.group import Group
from simulator.engine.l1map import L1Map
from simulator.engine.lanes import Lanes, LaneTable, Vector
from simulator.engine.listener import Listener
from simulator.engine.observer import Observer
from simulator.engine.ordering import make_order
from simulator.engine.pool import Pool
from simulator.engine.semaphores import Semaphores
from simulator.engine.values import Value
from simulator.engine.violation import Violation
from simulator.errors import ArtifactError
from simulator.findings import Finding, finding
from simulator.formats.dataformat import DataFormat, rows_refused
from simulator.formats.errors import FormatError
from simulator.formats.host import quantise_host
from simulator.memory.dram import Tensor
from simulator.numerics.models import number_model
from simulator.numerics.modes import Chip, Dest, Fidelity, Mode
from simulator.plan.placement import place
from simulator.plan.schema import ComputeConfig, CoreRange, Kernel, Plan
from simulator.plan.work import all_cores, range_cores
from simulator.program import Program


class Machine:
    """Everything one run needs; made for it, and perhaps used again (simulator.engine.reuse)."""

    def __init__(
        self,
        plan: Plan,
        programs: Mapping[str, Program],
        tensors: dict[str, Tensor],
        *,
        numbers: str = "fast",
        errata: bool = False,
        arithmetic: bool = True,
        strict: bool = True,
        cursors: bool = False,
        observer: Observer | None = None,
        pool: Pool | None = None,
    ) -> None:
        self.plan = plan
        self.arch: Arch = find_arch(plan.device.name)
        self.arithmetic = arithmetic
        self.errata = errata
        self.strict = strict
        self.cursors = cursors
        self.observer = observer
        self.by_order: set[str] = set()  # codes found that three cursors may not find
        self.table = LaneTable()
        self.pool = Pool(arithmetic=arithmetic) if pool is None else pool
        self.patterns = Patterns()
        self.numbers = numbers
        self.model = number_model(numbers)
        self.tensors = tensors
        self.configs: dict[Config, Config] = {}
        self.tally: list[int] = []
        self._slots: dict[str, int] = {}
        self._starts: list[tuple[Code, Lanes, list[Any]]] = []
        self.multicast_bytes = 0
        self.starved: tuple[int, ...] = ()
        self.accesses: dict[str, set[tuple[bool, str]]] = {}
        self.senders: set[str] = set()
        self.waiters: dict[int, set[str]] = {item.id: set() for item in plan.semaphores}
        self.raisers: dict[int, list[tuple[str, str]]] = {}
        self.contexts: list[OpContext] = []
        self.order: Listener | None = None
        self._found: dict[tuple[str, str | None, int], Finding] = {}
        self._kernels: dict[str, Kernel] = {}
        self._threads: dict[str, str] = {}
        self.cores = list(all_cores(plan))
        self._known: dict[tuple[CoreRange, ...], Lanes] = {}
        self._numbers = {core: number for number, core in enumerate(self.cores)}
        self.l1 = L1Map(plan, self.arch, self.cores)
        self.cbs: dict[int, CircularBuffer] = {}
        self.placement = place(plan, self.arch)
        self._make_buffers()
        self.semaphores = Semaphores(len(self.cores))
        for item in plan.semaphores:
            self.semaphores.add(item.id, self._lanes(item.core_ranges).mask, item.initial)
        for number, kernel in enumerate(plan.kernels):
            self._load(number, kernel, programs)
        self.begin()
        self.programs = len(self.groups)
        self.order = make_order(self)
        if self.observer is not None:
            for group in self.groups:
                group.code.steps[:] = self.observer.wrap(self, group.code)

    # --- construction ----------------------------------------------------------------------

    def _lanes(self, ranges: tuple[CoreRange, ...]) -> Lanes:
        lanes = self._known.get(ranges)
        if lanes is None:
            ids = sorted(self._numbers[core] for core in range_cores(ranges))
            lanes = self._known[ranges] = self.table.of_ids(np.array(ids, np.int64))
        return lanes

    def _make_buffers(self) -> None:
        placement = self.placement
        limit = min(self.arch.l1_bytes, placement.l1_floor)
        core, end = max(placement.cb_end.items(), key=lambda item: item[1], default=((0, 0), 0))
        if end > limit:
            what = "the L1 tensors" if limit < self.arch.l1_bytes else "the end of L1"
            raise ArtifactError(
                [
                    finding(
                        "L1Overflow",
                        f"circular buffers grow to {end} B, beyond {what} at {limit} B on"
                        f" {self.arch.name}",
                        core=core,
                        location="$.circular_buffers",
                    )
                ]
            )
        bases = placement.cbs
        for number, spec in enumerate(self.plan.circular_buffers):
            where = f"$.circular_buffers[{number}]"
            try:
                fmt = DataFormat.from_name(spec.data_format)
                size = fmt.tile_bytes(spec.tile_shape)
            except FormatError as error:
                raise ArtifactError([finding("InvalidPlan", str(error), location=where)]) from error
            if size != spec.page_bytes:
                raise ArtifactError(
                    [finding("InvalidPlan", f"page_bytes is {spec.page_bytes}, a"
                             f" {fmt.value} tile has {size}", location=where)]
                )  # fmt: skip
            why = rows_refused(fmt, spec.tile_shape, spec.producer, spec.consumer)
            if why is not None:
                raise ArtifactError([finding("InvalidPlan", why, location=f"{where}.tile_shape")])
            self.cbs[spec.id] = CircularBuffer(
                spec.id, spec.depth, fmt, spec.tile_shape, bases.get(spec.id, self.arch.l1_base),
                self._lanes(spec.core_ranges), self.table, self.pool, self.l1,
                unpack_to_dest=spec.unpack_to_dest,
                strict=self.strict, producer=spec.producer, consumer=spec.consumer,
            )  # fmt: skip

        for spec in self.plan.circular_buffers:
            if spec.tensor is not None and spec.tensor in self.tensors:
                self.cbs[spec.id].backing = Backing(
                    self.tensors[spec.tensor], self.cores, spec.depth
                )
            if spec.alias_of is not None:
                family = [
                    item.id
                    for item in self.plan.circular_buffers
                    if spec.alias_of in (item.id, item.alias_of) and item.id != spec.id
                ]
                own = self.cbs[spec.id]
                own.partners = [self.cbs[number] for number in family]
                root = self.cbs.get(spec.alias_of)
                if root is not None and own not in root.partners:
                    root.partners.append(own)

    def _load(self, number: int, kernel: Kernel, programs: Mapping[str, Program]) -> None:
        program = programs.get(kernel.program)
        if program is None:
            raise ArtifactError(
                [finding("InvalidPlan", f"there is no program {kernel.program!r}",
                         location=f"$.kernels[{number}].program")]
            )  # fmt: skip
        key = f"{program.name}#{number}"
        self._kernels[key] = kernel
        self._threads[key] = program.thread
        if program.thread == "compute" and kernel.compute is None:
            raise ArtifactError(
                [finding("InvalidPlan", "a compute program needs a compute configuration",
                         location=f"$.kernels[{number}].compute")]
            )  # fmt: skip
        parts: tuple[Cursor, ...] = ("all",)
        if self.cursors and program.thread == "compute":
            parts = PARTS
        for cursor in parts:
            self._compile(number, kernel, program, cursor)

    def _compile(self, number: int, kernel: Kernel, program: Program, cursor: Cursor) -> None:
        key = f"{program.name}#{number}"
        code = Code(key, program.name, program.thread, number, cursor)
        names = Names(self, code)
        lanes = self._lanes(kernel.core_ranges)
        cores = [self.cores[i] for i in lanes.ids.tolist()]
        values = argument_values(program, kernel, cores, self, f"$.kernels[{number}]")
        bind_arguments(names, values)
        try:
            Compiler(names).run(program.body)
        except ExprError as error:
            raise ArtifactError(
                [finding("InvalidProgram", str(error), program=program.name)]
            ) from error
        regs: list[Any] = [None] * code.registers
        for name, value in values.items():
            if not isinstance(value, int):
                regs[names.registers[name]] = value
        self._starts.append((code, lanes, regs))

    def begin(self) -> None:
        """Put every program at its start."""
        self.late = False
        self.groups: list[Group] = []
        self.created = 0
        self.spawn([Group(code, x, list(regs), self.table) for code, x, regs in self._starts])

    # --- what ops ask for ------------------------------------------------------------------

    def slot(self, name: str) -> int:
        """Where in ``tally`` executions of an op are counted, in tiles times lanes."""
        if name not in self._slots:
            self._slots[name] = len(self.tally)
            self.tally.append(0)
        return self._slots[name]

    def tile_ops(self) -> dict[str, int]:
        """Executions by op name, in tiles over all lanes."""
        return {name: self.tally[slot] for name, slot in self._slots.items() if self.tally[slot]}

    def _compute(self, key: str) -> ComputeConfig:
        compute = self._kernels[key].compute
        if compute is None:
            raise ExprError("the kernel has no compute configuration")
        return compute

    def mode(self, key: str, *src: DataFormat) -> Mode:
        """Numeric settings of an op of a compute kernel that reads buffers of the formats ``src``.

        DST has one format a kernel, Src registers have one a buffer.
        """
        config = self._compute(key)
        half = any(cb.fmt is DataFormat.Float16 for cb in self.cbs.values())
        narrow = Dest.FP16 if half else Dest.BF16
        return Mode(
            fidelity=Fidelity(config.math_fidelity),
            dest=Dest.FP32 if config.fp32_dest_acc_en else narrow,
            chip=Chip.BLACKHOLE if self.arch.family == "blackhole" else Chip.WORMHOLE,
            errata=self.errata,
            bfp8_precise=config.bfp8_pack_precise,
            half_src=bool(src) and all(f is DataFormat.Float16 for f in src),
        )

    def tf32(self, key: str) -> bool:
        """Whether Float32 buffers reach Src as TF32: no 5-bit exponents on the kernel's cores."""
        mask = self._lanes(self._kernels[key].core_ranges).mask
        return not any(
            cb.fmt is DataFormat.Float16 and cb.lanes.mask & mask for cb in self.cbs.values()
        )

    def dst_capacity(self, key: str) -> tuple[int, int]:
        """(tiles per acquire, sections) of DST in a kernel's mode."""
        config = self._compute(key)
        try:
            tiles = self.arch.dst_tiles(
                fp32_dest=config.fp32_dest_acc_en, full_sync=config.dst_full_sync_en
            )
        except ValueError as error:
            raise ExprError(str(error)) from error
        return tiles, 1 if config.dst_full_sync_en else 2

    def pointer(self, number: int, write: bool, group: Group) -> Value:
        """get_write_ptr or get_read_ptr of a circular buffer."""
        cb = self.cbs.get(number)
        if cb is None:
            raise Violation("InvalidProgram", f"there is no circular buffer {number}")
        return cb.pointer(group.lanes, write=write)

    def noc(self, key: str) -> int:
        """Which NoC a kernel uses: by default 1 on BRISC and 0 on NCRISC, as tt-metal's."""
        kernel = self._kernels[key]
        if kernel.noc is not None:
            return kernel.noc
        return 1 if self._threads[key] == "brisc" else 0

    def core_numbers(self, xs: Vector, ys: Vector, senders: Vector) -> Vector:
        """Numbers of the cores at logical coordinates.

        Raises:
            Violation: a coordinate is no core of the plan.
        """
        out = np.empty(len(xs), np.int64)
        for i, core in enumerate(zip(xs.tolist(), ys.tolist(), strict=True)):
            number = self._numbers.get(core)
            if number is None:
                sender = senders[min(i, len(senders) - 1)]
                raise Violation("OutOfBounds", f"core {core} runs nothing of this plan",
                                np.array([sender]))  # fmt: skip
            out[i] = number
        return out

    def accessor(self, key: str, name: str) -> Tensor:
        """The tensor a program's accessor is bound to."""
        value = self._kernels[key].compile_args.get(name)
        buffer = value.get("accessor") if isinstance(value, dict) else None
        tensor = self.tensors.get(buffer) if isinstance(buffer, str) else None
        if tensor is None:
            raise ExprError(f"accessor {name!r} is bound to no buffer")
        return tensor

    def stored(self, values: Any, fmt: DataFormat) -> Any:
        """A tile as a RISC writes it to memory in a format: rounded to nearest even."""
        if fmt.is_integer:
            return np.trunc(values)
        return quantise_host(values, fmt)

    def spawn(self, groups: list[Group]) -> None:
        """Take up groups that were split off."""
        for group in groups:
            group.serial = self.created
            self.created += 1
            self.groups.append(group)

    # --- findings --------------------------------------------------------------------------

    def finish(self, group: Group) -> None:
        """Check what a program leaves behind."""
        local = group.local
        if local.reading:
            raise Violation("Unbarriered", "the program ends with NoC reads under way")
        if local.writing and local.written < local.writes:
            raise Violation("Unbarriered", "the program ends with NoC writes not known complete")
        queued = local.queue and group.code.cursor in ("all", "pack")
        if local.math is not None or queued or local.packing is not None:
            raise Violation("DirtyExit", "the program ends while DST is held")
        left = local.config.undone(packs=group.code.cursor in ("all", "pack"))
        if left and self.strict:
            raise Violation("DirtyExit", f"the program ends before {left}_uninit")

    def check_exit(self) -> None:
        """Pages left in circular buffers after every program ended; hardware does not mind."""
        for cb in self.cbs.values() if self.strict else ():
            for strand in cb.strands:
                if strand.occ:
                    self._note(
                        "DirtyExit",
                        f"{strand.occ} pages are left in circular buffer {cb.number}, pushed by"
                        f" {cb.producer} and not popped by {cb.consumer}",
                        strand.lanes, None, cb.number,
                    )  # fmt: skip

    def report(self, violation: Violation, group: Group, step: int) -> None:
        """Record a broken rule at a group's current op."""
        lanes = group.lanes
        self.by_order |= {violation.code} if violation.by_order else set()
        if violation.lanes is not None and len(violation.lanes):
            lanes = self.table.of_ids(violation.lanes)
        place = group.pc if violation.place is None else violation.place
        self._note(violation.code, violation.message, lanes, group, place, step)

    def _note(
        self, code: str, message: str, lanes: Lanes, group: Group | None, place: int,
        step: int | None = None,
    ) -> None:  # fmt: skip
        key = (code, None if group is None else group.code.key, place)
        lanes_before = self._found[key].lanes if key in self._found else 0
        if lanes_before:
            return
        where: dict[str, Any] = {"core": self.cores[int(lanes.ids[0])], "lanes": lanes.n}
        if group is not None:
            spot = group.code.places[place]
            where |= {"program": group.code.program, "thread": group.code.thread,
                      "path": spot.path, "location": spot.loc, "step": step}  # fmt: skip
        self._found[key] = finding(code, message, **where)

    def report_budget(self, what: str, group: Group) -> None:
        """Record that a budget is spent."""
        self._note("BudgetSpent", f"the run was stopped after {what}", group.lanes, group, group.pc)

    def report_deadlock(self, groups: list[Group]) -> None:
        """Record a deadlock, unless it only follows from a thread that was stopped."""
        if not any(group.halted for group in self.groups):
            first = groups[0]
            self.starved = deadlock.starved(groups)
            computes = any(group.code.thread == "compute" for group in groups)
            self.by_order |= {"Deadlock"} if computes else set()
            self._note("Deadlock", deadlock.describe(self, groups), first.lanes, first, first.pc)

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What was found, in order."""
        return tuple(self._found.values())
