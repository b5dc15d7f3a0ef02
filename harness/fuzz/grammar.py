"""Kernels by grammar: Hypothesis draws the statements of a valid TileLang kernel, as text.

A kernel works on blocks of ``bm x bn`` under a grid of one to three axes. A scene keeps what is
defined so far: full blocks, one vector per row, one vector per column. Statements draw from it and
add to it, so that every kernel is valid by construction. Which kinds of statements take part is
drawn first (swarm), so that rare combinations come up.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from hypothesis import strategies as st

from harness.fuzz.coverage import STATED
from harness.fuzz.expressions import elementwise, update, vector_update

TILE: Final = 32
OUTPUT: Final = "Y"
"""Stem of outputs' names."""
DTYPES: Final = ("bfloat16", "float32", "float16")
KINDS: Final = ("elementwise", "update", "reduce", "gemm", "fill", "cast", "loop", "vector",
                "column", "row_reload", "guard")  # fmt: skip
"""Kinds of statements a swarm chooses from."""
_FOCUSED: Final = {
    "gemm": ("gemm", "gemm", "elementwise", "cast"),
    "elementwise": ("elementwise", "update", "vector", "column", "cast"),
    "reduce": ("reduce", "reduce", "vector", "elementwise"),
    "layout": ("cast", "elementwise", "gemm"),
    "schedule": ("gemm", "loop", "reduce"),
}


@dataclass(frozen=True)
class Tensor:
    """A parameter; ``written`` where it is an output."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    written: bool = False


@dataclass
class Scene:
    """What a kernel has so far.

    Attributes:
        blocks: full blocks that hold values: name and dtype.
        rows: vectors with one value per row.
        columns: vectors with one value per column.
        lines: statements under the grid.
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
    allocations: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    count: int = 0

    def name(self, stem: str) -> str:
        """A new name."""
        self.count += 1
        return f"{stem}{self.count}"

    def tensor(self, stem: str, shape: tuple[int, ...], dtype: str) -> str:
        """A new tensor parameter; those called Y are outputs."""
        name = self.name(stem)
        self.tensors.append(Tensor(name, shape, dtype, stem == OUTPUT))
        return name

    def used(self) -> list[Tensor]:
        """Tensors that statements name; the others are no parameters."""
        return [t for t in self.tensors if any(f"{t.name}[" in line for line in self.lines)]

    def grid(self) -> tuple[int, int, int]:
        """Blocks per axis, those below a tile joined as TTTilesToCoreMap joins them."""
        rows = -(-self.M // max(self.bm, TILE))
        if self.axes == 1:
            return rows, 1, 1
        return -(-self.N // max(self.bn, TILE)), rows, self.batch

    @property
    def whole(self) -> bool:
        """Whether blocks are whole tiles; smaller ones are joined, and may do less."""
        return self.bm % TILE == 0 and (self.axes == 1 or self.bn % TILE == 0)

    @property
    def tests(self) -> tuple[str, ...]:
        """Conditions on an element's place."""
        return ("i >= j", "i + by > j", "j < 7") if self.whole else ()

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

    def full_tensor(self, stem: str, dtype: str) -> tuple[str, str]:
        """A tensor of the kernel's extents, and the start of this block in it."""
        shape = (self.M, self.N) if self.axes < 3 else (self.batch, self.M, self.N)
        name = self.tensor(stem, shape, dtype)
        return name, f"{name}[{self.start()}]"

    def start(self) -> str:
        """Indices of a block's first element in a tensor of the kernel's extents."""
        row, column = f"by * {self.bm}", "0" if self.axes == 1 else f"bx * {self.bn}"
        return f"{'bz, ' if self.axes == 3 else ''}{row}, {column}"

    def emit(self, *lines: str) -> None:
        """Add statements."""
        self.lines += lines


def _sizes(blocks: tuple[int, ...]) -> st.SearchStrategy[int]:
    """A block extent."""
    return st.sampled_from(blocks)


@st.composite
def _extent(draw: st.DrawFn, block: int, most: int = 4) -> int:
    """A tensor extent: whole blocks, or any ragged number within a few of them."""
    blocks = draw(st.integers(1, most))
    if draw(st.booleans()):
        return draw(st.integers(max(1, block * (blocks - 1) + 1), block * blocks))
    return block * blocks


@st.composite
def _scene(draw: st.DrawFn, focus: str | None) -> Scene:
    axes = draw(st.sampled_from([2, 2, 1, 3]))
    if focus == "reduce":
        axes = draw(st.sampled_from([1, 1, 2]))
    bm = draw(_sizes((32, 32, 64, 16, 8, 96) if axes < 3 else (32, 64)))
    bn = draw(_sizes((32, 32, 64, 96, 128) if axes == 1 else (32, 32, 64)))
    bk = draw(_sizes((32, 32, 64)))
    few = 6 if focus == "schedule" else 3
    M, K = draw(_extent(bm, few)), draw(_extent(bk, few))
    N = draw(st.integers(1, bn)) if axes == 1 and draw(st.booleans()) else bn
    if axes > 1:
        N = draw(_extent(bn, few))
    else:
        bn = N = -(-N // 32) * 32 if bn % 32 == 0 and N > 32 else N
    batch = draw(st.integers(1, 3)) if axes == 3 else 1
    return Scene(M, N, K, batch, bm, bn, bk, axes, draw(st.sampled_from(DTYPES)))


def _load(draw: st.DrawFn, scene: Scene) -> None:
    dtype = draw(st.sampled_from((scene.dtype, scene.dtype, "float32")))
    _, start = scene.full_tensor("A", dtype)
    held = dtype if draw(st.booleans()) else draw(st.sampled_from(DTYPES))
    scope = draw(st.sampled_from(("shared", "fragment")))
    block = scene.alloc("a", (scene.bm, scene.bn), held, scope)
    scene.emit(f"T.copy({start}, {block})")
    scene.blocks.append((block, held))


def _target(draw: st.DrawFn, scene: Scene, stem: str) -> tuple[str, str]:
    """A block to write: a new one, or one that exists."""
    if scene.blocks and draw(st.integers(0, 3)) == 3:
        return draw(st.sampled_from(scene.blocks))
    dtype = draw(st.sampled_from((scene.dtype, "float32")))
    block = scene.alloc(
        stem, (scene.bm, scene.bn), dtype, draw(st.sampled_from(("fragment", "shared")))
    )
    return block, dtype


def _parallel(scene: Scene, *stores: str) -> list[str]:
    return [f"for i, j in T.Parallel({scene.bm}, {scene.bn}):", *(f"    {s}" for s in stores)]


def _elementwise(draw: st.DrawFn, scene: Scene) -> None:
    value = draw(elementwise(scene))
    block, dtype = _target(draw, scene, "e")
    scene.emit(*_parallel(scene, f"{block}[i, j] = {value}"))
    if (block, dtype) not in scene.blocks:
        scene.blocks.append((block, dtype))


def _update(draw: st.DrawFn, scene: Scene) -> None:
    block, _ = draw(st.sampled_from(scene.blocks))
    scene.emit(*_parallel(scene, draw(update(scene, f"{block}[i, j]"))))


def _reduce(draw: st.DrawFn, scene: Scene) -> None:
    block, _ = draw(st.sampled_from(scene.blocks))
    kind = draw(st.sampled_from(("sum", "max", "min", "absmax", "abssum")))
    dims = [d for d, n in ((1, scene.bn), (1, scene.bn), (0, scene.bm)) if n % TILE == 0]
    dim = draw(st.sampled_from(dims or [1]))
    known, extent = (scene.rows, scene.bm) if dim else (scene.columns, scene.bn)
    old = known and draw(st.integers(0, 3)) == 3
    vector = (
        draw(st.sampled_from(known)) if old else scene.alloc("v", (extent,), "float32", "fragment")
    )
    more = ", clear=False" if old and kind != "abssum" and draw(st.booleans()) else ""
    scene.emit(f"T.reduce_{kind}({block}, {vector}, dim={dim}{more})")
    if vector not in known:
        known.append(vector)


def _gemm(draw: st.DrawFn, scene: Scene) -> None:
    bm, bn, bk, dtype = scene.bm, scene.bn, scene.bk, scene.dtype
    flip_a, flip_b = (draw(st.integers(0, 4)) == 4 for _ in range(2))
    lead: tuple[int, ...] = (scene.batch,) if scene.axes == 3 else ()
    z = "bz, " if scene.axes == 3 else ""
    column = "0" if scene.axes == 1 else f"bx * {bn}"
    a_shape, b_shape = (scene.M, scene.K), (scene.K, scene.N)
    A = scene.tensor("A", lead + (a_shape[::-1] if flip_a else a_shape), dtype)
    B = scene.tensor("B", lead + (b_shape[::-1] if flip_b else b_shape), dtype)
    a = scene.alloc("x", (bk, bm) if flip_a else (bm, bk), dtype, "shared")
    b = scene.alloc("w", (bn, bk) if flip_b else (bk, bn), dtype, "shared")
    starts = [f"by * {bm}", f"k * {bk}"], [f"k * {bk}", column]
    flags = "".join(f", transpose_{n}=True" for n, f in (("A", flip_a), ("B", flip_b)) if f)
    seeded = [n for n, d in scene.blocks if d == "float32"]
    if seeded and draw(st.integers(0, 3)) == 3:
        acc = draw(st.sampled_from(seeded))
    else:
        acc = scene.alloc("c", (bm, bn), "float32", "fragment")
        scene.emit(f"T.clear({acc})")
        scene.blocks.append((acc, "float32"))
    stages = draw(st.integers(0, 3))
    head = (
        f"T.Pipelined({-(-scene.K // bk)}, num_stages={stages})"
        if stages
        else f"T.serial({-(-scene.K // bk)})"
    )
    sides = [", ".join(s[::-1] if f else s) for s, f in zip(starts, (flip_a, flip_b), strict=True)]
    scene.emit(
        f"for k in {head}:",
        f"    T.copy({A}[{z}{sides[0]}], {a})",
        f"    T.copy({B}[{z}{sides[1]}], {b})",
        f"    T.gemm({a}, {b}, {acc}{flags})",
    )


def _fill(draw: st.DrawFn, scene: Scene) -> None:
    block, dtype = _target(draw, scene, "f")
    value = draw(st.sampled_from(("0", "1.0", "-2.5", "0.5")))
    scene.emit(f"T.fill({block}, {value})")
    if (block, dtype) not in scene.blocks:
        scene.blocks.append((block, dtype))


def _cast(draw: st.DrawFn, scene: Scene) -> None:
    source, _ = draw(st.sampled_from(scene.blocks))
    dtype = draw(st.sampled_from(DTYPES))
    block = scene.alloc(
        "t", (scene.bm, scene.bn), dtype, draw(st.sampled_from(("fragment", "shared")))
    )
    scene.emit(f"T.copy({source}, {block})")
    scene.blocks.append((block, dtype))


def _loop(draw: st.DrawFn, scene: Scene) -> None:
    """Sum of several blocks of one tensor, as a split reduction does."""
    turns = draw(st.integers(1, 4))
    shape = (turns, scene.M, scene.N) if scene.axes < 3 else (turns * scene.batch, scene.M, scene.N)
    name = scene.tensor("L", shape, scene.dtype)
    block = scene.alloc("l", (scene.bm, scene.bn), scene.dtype, "shared")
    acc = scene.alloc("s", (scene.bm, scene.bn), "float32", "fragment")
    lead = "k" if scene.axes < 3 else f"bz * {turns} + k"
    plane = scene.start().removeprefix("bz, ")
    stages = draw(st.integers(0, 2))
    head = f"T.Pipelined({turns}, num_stages={stages})" if stages else f"range({turns})"
    added = _parallel(scene, f"{acc}[i, j] += {block}[i, j]")
    scene.emit(
        f"T.clear({acc})",
        f"for k in {head}:",
        f"    T.copy({name}[{lead}, {plane}], {block})",
        *(f"    {line}" for line in added),
    )
    scene.blocks.append((acc, "float32"))


def _vector(draw: st.DrawFn, scene: Scene) -> None:
    if not scene.rows:
        _row_reload(draw, scene)
    vector = draw(st.sampled_from(scene.rows))
    scene.emit(f"for i in T.Parallel({scene.bm}):", f"    {draw(vector_update(scene, vector))}")


def _column(draw: st.DrawFn, scene: Scene) -> None:
    del draw
    name = scene.tensor("R", (scene.N,), scene.dtype)
    vector = scene.alloc("r", (scene.bn,), scene.dtype, "shared")
    scene.emit(f"T.copy({name}[{'0' if scene.axes == 1 else f'bx * {scene.bn}'}], {vector})")
    scene.columns.append(vector)


def _row_reload(draw: st.DrawFn, scene: Scene) -> None:
    name = scene.tensor("V", (scene.M,), "float32")
    vector = scene.alloc("v", (scene.bm,), "float32", draw(st.sampled_from(("shared", "fragment"))))
    scene.emit(f"T.copy({name}[by * {scene.bm}], {vector})")
    scene.rows.append(vector)


def _guard(draw: st.DrawFn, scene: Scene) -> None:
    """A statement only some blocks execute."""
    if not scene.whole:
        return _update(draw, scene)
    block, _ = draw(st.sampled_from(scene.blocks))
    test = draw(st.sampled_from(("by > 0", "by == 0", "by % 2 == 1")))
    scene.emit(
        f"if {test}:",
        *(f"    {s}" for s in _parallel(scene, draw(update(scene, f"{block}[i, j]")))),
    )
    return None


_STATEMENTS: Final[dict[str, Any]] = {
    "elementwise": _elementwise, "update": _update, "reduce": _reduce, "gemm": _gemm,
    "fill": _fill, "cast": _cast, "loop": _loop, "vector": _vector, "column": _column,
    "row_reload": _row_reload, "guard": _guard,
}  # fmt: skip


def _store(draw: st.DrawFn, scene: Scene) -> None:
    """One to three outputs; a vector only where exactly one block writes each of its parts."""
    outputs = draw(st.sampled_from((1, 1, 1, 2, 3)))
    chosen = draw(
        st.lists(st.sampled_from(scene.blocks), min_size=1, max_size=outputs, unique=True)
    )
    last = scene.blocks[-1]
    for block, dtype in [last] if len(chosen) == 1 else chosen:
        out = dtype if draw(st.booleans()) else draw(st.sampled_from(DTYPES))
        _, start = scene.full_tensor(OUTPUT, out)
        scene.emit(f"T.copy({block}, {start})")
    if scene.axes == 1 and scene.rows and draw(st.booleans()):
        name = scene.tensor(OUTPUT, (scene.M,), draw(st.sampled_from(("float32", scene.dtype))))
        scene.emit(f"T.copy({scene.rows[-1]}, {name}[by * {scene.bm}])")


@st.composite
def scenes(draw: st.DrawFn, focus: str | None = None) -> Scene:
    """A kernel in the making, whole."""
    scene = draw(_scene(focus))
    swarm = draw(st.lists(st.sampled_from(KINDS), min_size=1, max_size=4, unique=True))
    kinds = (*_FOCUSED.get(focus or "", ()), *swarm[: 1 if focus else 4])
    if kinds[0] != "gemm" or draw(st.booleans()):
        _load(draw, scene)
    for _ in range(draw(st.integers(1, 4))):
        kind = draw(st.sampled_from(kinds)) if scene.blocks else "gemm"
        _STATEMENTS[kind](draw, scene)
    _store(draw, scene)
    return scene


def kernels(focus: str | None = None) -> st.SearchStrategy[str]:
    """The text of a kernel called ``main``, its tensors where they lie by default."""
    return scenes(focus).map(render)


def render(scene: Scene, layouts: Mapping[str, Any] | None = None) -> str:
    """The scene as text, with layouts of some of its tensors."""
    params = [f'    {t.name}: T.Tensor({t.shape!r}, "{t.dtype}"),' for t in scene.used()]
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
    body = [*said, *scene.allocations, *scene.lines]
    return "\n".join(["@T.prim_func", "def main(", *params, "):", f"    {head}",
                      *(f"        {line}" for line in body), ""])  # fmt: skip
