"""A kernel in the making: what is defined so far, its statements, and its text."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from harness.fuzz.coverage import STATED

TILE: Final = 32
RUN: Final = 16
"""Rows and columns of a face of a tile."""
OUTPUT: Final = "Y"
"""Stem of outputs' names."""


@dataclass(frozen=True)
class Tensor:
    """A parameter; ``written`` where it is an output, ``alone`` where it is a single number."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    written: bool = False
    alone: bool = False

    @property
    def annotation(self) -> str:
        """What it is annotated with."""
        return f"T.{self.dtype}" if self.alone else f'T.Tensor({self.shape!r}, "{self.dtype}")'


@dataclass
class Scene:
    """What a kernel has so far.

    Attributes:
        whole_inputs: tensors of the kernel's extents that a block each was read from.
        blocks: full blocks that hold values: name and dtype.
        rows: vectors with one value per row.
        columns: vectors with one value per column.
        tables: tensors of indices.
        runs: tensors whose elements are moved in runs of 16.
        told: outputs of which data choose what is stored.
        turned: tensors whose tiles may lie along other dimensions than the last two.
        lines: statements under the grid.
        past: rows of tensors behind those that blocks begin in.
        numbering: how the kernel numbers its blocks by hand; empty where T.Kernel does.
    """

    M: int
    N: int
    K: int
    batch: int
    bm: int
    bn: int
    bk: int
    axes: int
    dtype: str
    blocks: list[tuple[str, str]] = field(default_factory=list)
    rows: list[str] = field(default_factory=list)
    columns: list[str] = field(default_factory=list)
    tensors: list[Tensor] = field(default_factory=list)
    whole_inputs: list[tuple[str, str]] = field(default_factory=list)
    tables: list[str] = field(default_factory=list)
    runs: list[str] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    turned: list[str] = field(default_factory=list)
    allocations: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    count: int = 0
    past: int = 0
    numbering: str = ""

    def name(self, stem: str) -> str:
        """A new name."""
        self.count += 1
        return f"{stem}{self.count}"

    def tensor(self, stem: str, shape: tuple[int, ...], dtype: str) -> str:
        """A new tensor parameter; those called Y are outputs."""
        name = self.name(stem)
        self.tensors.append(Tensor(name, shape, dtype, stem == OUTPUT))
        return name

    def number(self, stem: str, dtype: str) -> str:
        """A new parameter that is a number."""
        name = self.name(stem)
        self.tensors.append(Tensor(name, (1,), dtype, alone=True))
        return name

    def rewrite(self, name: str) -> None:
        """An input is an output as well."""
        self.tensors = [replace(t, written=True) if t.name == name else t for t in self.tensors]

    def used(self) -> list[Tensor]:
        """Tensors that statements name; the others are no parameters."""
        said = set(re.findall(r"\w+", "\n".join(self.lines)))
        return [t for t in self.tensors if t.name in said]

    def grid(self, blocks: tuple[int, int] | None = None) -> tuple[int, int, int]:
        """Blocks per axis, joined to whole tiles as TTTilesToCoreMap joins them, or of a size."""
        bm, bn = blocks or self.joined
        rows = -(-self.M // bm)
        if self.axes == 1:
            return rows, 1, 1
        return -(-self.N // bn), rows, self.batch

    @property
    def extents(self) -> tuple[int, int]:
        """Columns and rows of blocks as they are written."""
        return -(-self.N // self.bn), -(-self.M // self.bm)

    @property
    def joined(self) -> tuple[int, int]:
        """Rows and columns of blocks once joined to whole tiles."""
        return math.lcm(self.bm, TILE), math.lcm(self.bn, TILE)

    @property
    def summable(self) -> tuple[int, ...]:
        """Dimensions an op may combine the elements of: joined blocks stay apart."""
        return tuple(d for d, extent in enumerate((self.bm, self.bn))
                     if extent % RUN == 0 or (d and self.axes == 1))  # fmt: skip

    @property
    def whole(self) -> bool:
        """Whether blocks are whole faces; others can only be joined, and may do less."""
        return self.bm % RUN == 0 and (self.axes == 1 or self.bn % RUN == 0)

    @property
    def has_integers(self) -> bool:
        """Whether it reads whole numbers as data."""
        lines = (*self.lines, *self.allocations)
        small = any(f'"{dtype}"' in line for dtype in ("int8", "uint8", "int32") for line in lines)
        return small or any(t.dtype == "int32" and t.name not in self.tables for t in self.tensors)

    @property
    def needs_32_bits(self) -> bool:
        """Whether it computes with whole numbers that a 16-bit destination does not hold."""
        quotients = [test for test in self.tests if "%" in test or "//" in test]
        return self.has_integers or any(f"({test}," in line for test in quotients
                                        for line in self.lines)  # fmt: skip

    @property
    def tests(self) -> tuple[str, ...]:
        """Conditions on an element's place; where blocks are joined only a few may be asked."""
        if not self.whole:
            row, column = self.element
            return (f"{row} >= {column}", f"{row} > 5", f"{column} < 40", "j < 7",
                    f"by * {self.bm // 2} + i > 5")  # fmt: skip
        place = f"(by * {self.bm} + i)"
        return ("i >= j", "i + by > j", "j < 7", "i + 1 <= j", "(i + j) // 7 % 2 == 0",
                "(i * 3 + j) % 11 < 4", "(i - j) % 5 < 2", f"{place} // 3 != j // 5",
                f"{place} % 6 >= j // 9", "T.Or(i < 3, j > 20)", "T.And(i > j, j > 4)")  # fmt: skip

    @property
    def element(self) -> tuple[str, str]:
        """Row and column of element (i, j) in a tensor of the kernel's extents."""
        return f"by * {self.bm} + i", "j" if self.axes == 1 else f"bx * {self.bn} + j"

    @property
    def shares(self) -> bool:
        """Whether blocks of a row or column read something in common."""
        return any("T.gemm(" in line for line in self.lines)

    def alloc(self, stem: str, shape: tuple[int, ...], dtype: str, scope: str) -> str:
        """A new on-chip buffer."""
        name = self.name(stem)
        extents = f"({shape[0]},)" if len(shape) == 1 else f"({', '.join(map(str, shape))})"
        self.allocations.append(f'{name} = T.alloc_{scope}({extents}, "{dtype}")')
        return name

    def load_rows(self, scope: str) -> None:
        """Load a vector with one value per row."""
        name = self.tensor("V", (self.M,), "float32")
        vector = self.alloc("v", (self.bm,), "float32", scope)
        self.emit(f"T.copy({name}[by * {self.bm}], {vector})")
        self.rows.append(vector)

    def full_tensor(self, stem: str, dtype: str, wider: int = 0) -> tuple[str, str]:
        """A tensor of the kernel's extents, or wider, and the start of this block in it."""
        lead: tuple[int, ...] = (self.batch,) if self.axes == 3 else ()
        shape = (*lead, self.M + self.past, self.N + wider)
        name = self.tensor(stem, shape, dtype)
        return name, f"{name}[{self.start()}]"

    @property
    def column(self) -> str:
        """Index of a block's first column in a tensor of the kernel's extents."""
        return "0" if self.axes == 1 else f"bx * {self.bn}"

    def start(self) -> str:
        """Indices of a block's first element in a tensor of the kernel's extents."""
        return f"{'bz, ' if self.axes == 3 else ''}by * {self.bm}, {self.column}"

    def parallel(self, *stores: str) -> list[str]:
        """Stores to element (i, j) of a block, for all of it."""
        return [f"for i, j in T.Parallel({self.bm}, {self.bn}):", *(f"    {s}" for s in stores)]

    def emit(self, *lines: str) -> None:
        """Add statements."""
        self.lines += lines

    def add_up(
        self, turns: int | str, region: str, stages: int = 0, before: Sequence[str] = (),
        test: str = "",
    ) -> None:  # fmt: skip
        """Blocks copied from a tensor's ``region``, which may name turn ``k``, added up.

        ``before`` are statements of the loop ahead of the copy, which happens where ``test`` holds.
        """
        block = self.alloc("h", (self.bm, self.bn), self.dtype, "shared")
        total = self.alloc("g", (self.bm, self.bn), "float32", "fragment")
        head = f"T.Pipelined({turns}, num_stages={stages})" if stages else f"T.serial({turns})"
        added = self.parallel(f"{total}[i, j] += {block}[i, j]")
        body = [*before, f"T.copy({region}, {block})", *added]
        if test:
            body = [f"if {test}:", *(f"    {line}" for line in body)]
        self.emit(f"T.clear({total})", f"for k in {head}:", *(f"    {line}" for line in body))
        self.blocks.append((total, "float32"))


NUMBERINGS: Final = ("rows", "columns", "pairs", "waves", "waves of three")
"""Ways a kernel on two axes may number its blocks by hand."""


def _by_hand(way: str, gx: int, gy: int) -> tuple[int, list[str], int]:
    """Extent of T.Kernel, the statements that find bx and by, and how deep they nest."""
    total = gx * gy
    places = {"columns": (f"b // {gy}", f"b % {gy}"),
              "pairs": (f"b // 2 % {gx}", f"b // {2 * gx} * 2 + b % 2")}  # fmt: skip
    way = "rows" if way == "pairs" and gy % 2 else way
    bx, by = places.get(way, (f"b % {gx}", f"b // {gx}"))
    found = [f"bx = {bx}", f"by = {by}"]
    if not way.startswith("waves"):
        return total, found, 0
    cores = min(3 if way.endswith("three") else 2, total)
    lines = [f"for w in T.serial({-(-total // cores)}):", f"    b = w * {cores} + p"]
    if total % cores == 0:
        return cores, [*lines, *(f"    {line}" for line in found)], 1
    return cores, [*lines, f"    if b < {total}:", *(f"        {line}" for line in found)], 2


def render(scene: Scene, layouts: Mapping[str, Any] | None = None) -> str:
    """The scene as text, with layouts of some of its tensors."""
    return _function(scene.used(), _body(scene, layouts))


def render_in_turn(
    first: Scene, second: Scene, between: str, layouts: tuple[Mapping[str, Any], Mapping[str, Any]]
) -> str:  # fmt: skip
    """Two scenes as the text of one function; the tensor between is memory of its own."""
    tensors = {t.name: t for t in (*second.used(), *first.used())}
    made = tensors.pop(between)
    held = f'{between} = T.alloc_global({made.shape!r}, "{made.dtype}")'
    named = sorted(tensors.values(), key=lambda t: int(t.name[1:]))  # in the order they came up
    body = [*_body(first, layouts[0]), *_body(second, layouts[1])]
    return _function(named, [held, *body])


def _function(tensors: Sequence[Tensor], body: Sequence[str]) -> str:
    params = [f"    {t.name}: {t.annotation}," for t in tensors]
    return "\n".join(["@T.prim_func", "def main(", *params, "):", *(f"    {line}" for line in body),
                      ""])  # fmt: skip


def _body(scene: Scene, layouts: Mapping[str, Any] | None) -> list[str]:
    """The lines of a T.Kernel."""
    grid = [f"T.ceildiv({scene.M}, {scene.bm})"]
    names = ["by"]
    if scene.axes > 1:
        grid, names = [f"T.ceildiv({scene.N}, {scene.bn})", *grid], ["bx", "by"]
    if scene.axes > 2:
        grid, names = [*grid, str(scene.batch)], [*names, "bz"]
    ids = names[0] if len(names) == 1 else f"({', '.join(names)})"
    head = f"with T.Kernel({', '.join(grid)}, threads=128) as {ids}:"
    stated = ", ".join(f"{name}: {layout!r}" for name, layout in (layouts or {}).items())
    said = [f"{STATED}({{{stated}}})"] if stated else []
    lines = scene.lines
    if scene.numbering:
        extent, found, deep = _by_hand(scene.numbering, *scene.extents)
        name = "p" if deep else "b"
        head = f"with T.Kernel({extent}, threads=128) as {name}:"
        lines = [*found, *(f"{'    ' * deep}{line}" for line in lines)]
    return [head, *(f"    {line}" for line in (*said, *scene.allocations, *lines))]
