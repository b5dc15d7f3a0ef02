"""Block programs executed as they stand: one core, one statement after another, ideal numbers.

The second opinion on LowerTTTileIntrinsics: no circular buffers, threads, rounding or formats, only
what each device op means on 32x32 tiles of float64. Written from the op table's documentation and
sharing nothing with the simulator's engine.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from harness.fuzz.tileops import BINARY, SCALAR, UNARY, UNORDERED
from simulator.formats.dataformat import DataFormat

F64 = npt.NDArray[np.float64]
_Reading = Callable[[Mapping[str, int]], int]
TILE: Final = 32
DST: Final = 32


class BlockError(Exception):
    """A block program does what none may: reads what nobody wrote, leaves its buffers."""


def tiled(array: npt.NDArray[Any]) -> F64:
    """Tiles of a tensor by page number, padding NaN: nothing may depend on it."""
    shape = array.shape if array.ndim > 1 else (1, *array.shape)
    flat = np.asarray(array, np.float64).reshape(-1, *shape[-2:])
    rows, columns = (-(-n // TILE) for n in shape[-2:])
    padded = np.full((len(flat), rows * TILE, columns * TILE), np.nan)
    padded[:, : shape[-2], : shape[-1]] = flat
    split = padded.reshape(len(flat), rows, TILE, columns, TILE)
    return split.transpose(0, 1, 3, 2, 4).reshape(-1, TILE, TILE)


def untiled(tiles: F64, shape: Sequence[int]) -> F64:
    """The inverse of :func:`tiled`."""
    full = tuple(shape) if len(shape) > 1 else (1, *shape)
    rows, columns = (-(-n // TILE) for n in full[-2:])
    split = tiles.reshape(-1, rows, columns, TILE, TILE).transpose(0, 1, 3, 2, 4)
    padded = split.reshape(-1, rows * TILE, columns * TILE)
    return padded[:, : full[-2], : full[-1]].reshape(tuple(shape))


class BlockRun:
    """One execution over the whole grid."""

    def __init__(
        self, body: Sequence[Any], axes: Sequence[str | None], grid: Sequence[int],
        buffers: Mapping[str, tuple[tuple[int, ...], str]], tensors: Mapping[str, F64],
    ) -> None:  # fmt: skip
        """``tensors`` are tiles by page, changed in place; ``buffers`` L1 tile arrays by name."""
        self.body, self.axes, self.grid = body, axes, grid
        self.buffers, self.tensors = buffers, tensors
        self.env: dict[str, int] = {}
        self.l1: dict[str, F64] = {}
        self.dst = np.full((DST, TILE, TILE), np.nan)
        self.packed: dict[str, int] = {}
        self.mask: str | None = None
        self.filled: set[int] = set()
        self._known: dict[int, tuple[Any, _Reading]] = {}
        """Expressions read before, by identity, and kept so that it stays theirs."""

    def run(self) -> None:
        """Every block of the grid, in row-major order.

        Raises:
            BlockError: an access outside its buffer or tensor.
        """
        gx, gy, gz = self.grid
        for block in range(gx * gy * gz):
            ids = block % gx, block // gx % gy, block // gx // gy
            self.env = {n: i for n, i in zip(self.axes, ids, strict=True) if n is not None}
            self.l1 = {n: np.full(shape, np.nan) for n, (shape, _) in self.buffers.items()}
            with np.errstate(all="ignore"):
                self._run(self.body)

    def _run(self, body: Sequence[Any]) -> None:
        for node in body:
            kind = node[0]
            if kind == "op":
                self._op(node[1], node[2])
            elif kind == "for":
                start, extent = self.value(node[2]), self.value(node[3])
                for i in range(start, start + extent):
                    self.env[node[1]] = i
                    self._run(node[4])
            elif kind == "thread":
                self.packed, self.mask = {}, None
                self._run(node[2])
            elif kind == "if":
                self._run(node[2] if self.value(node[1]) else node[3])
            else:
                self.env[node[1]] = self.value(node[2])

    def value(self, expr: Any) -> int:
        """An index expression's value."""
        if type(expr) is str:
            return self.env[expr]
        if not isinstance(expr, list | tuple):
            return expr  # type: ignore[no-any-return]
        known = self._known.get(id(expr))
        if known is None:
            known = self._known[id(expr)] = expr, self._reading(expr)
        return known[1](self.env)

    def _reading(self, expr: Any) -> _Reading:
        """An expression as a function of the variables: read once, evaluated often."""
        if isinstance(expr, int | float):
            return lambda _: expr  # type: ignore[return-value]
        if isinstance(expr, str):
            return lambda env: env[expr]
        operator, *args = expr
        if operator == "load_l1":
            at = self._reading(args[1])
            return lambda env: self._load(args[0], at(env))
        read = [self._reading(arg) for arg in args]
        if operator == "?":
            cond, then, orelse = read
            return lambda env: then(env) if cond(env) else orelse(env)
        apply = _INDEX[operator]
        if len(read) == 1:
            only = read[0]
            return lambda env: int(apply(only(env)))
        left, right = read
        return lambda env: int(apply(left(env), right(env)))

    def _load(self, buffer: Any, at: int) -> int:
        """A datum of a row in L1."""
        row = self.tile(buffer, 0)[0]
        if not 0 <= at < len(row) or np.isnan(row[at]):
            raise BlockError(f"datum {at} of {buffer[1]}, where nothing was read")
        return int(row[at])

    def tile(self, buffer: Any, index: Any) -> F64:
        """A tile of a named L1 buffer."""
        name, at = buffer[1], self.value(index)
        if not 0 <= at < len(self.l1[name]):
            raise BlockError(f"tile {at} of {name}, which has {len(self.l1[name])}")
        found: F64 = self.l1[name][at]
        return found

    def page(self, tensor: Any, index: Any) -> F64:
        """A page of a tensor."""
        name, at = tensor[1], self.value(index)
        if not 0 <= at < len(self.tensors[name]):
            raise BlockError(f"page {at} of {name}, which has {len(self.tensors[name])}")
        found: F64 = self.tensors[name][at]
        return found

    def at(self, address: Any) -> F64:
        """The tile at an address ``tile_addr(buffer, index)``."""
        return self.tile(address[1], address[2])

    def _move_part(
        self, page: Any, tensor: Any, address: Any, offset: Any, count: Any, *, write: bool
    ) -> None:  # fmt: skip
        """Bytes of a page to as many of a tile, or back, both face by face: as they lie there."""
        where, further = _parted(address)
        mine, theirs = (self._datums(where, start, count) for start in (further, offset))
        inside, there = self.at(where), self.page(tensor, page)
        if write:
            there[theirs] = inside[mine]
        else:
            inside[mine] = there[theirs]

    def _copy(self, _: Any, target: Any, source: Any, count: Any) -> None:
        """Bytes of a tile to as many of another."""
        (into, at), (out, start) = _parted(target), _parted(source)
        self.at(into)[self._datums(into, at, count)] = self.at(out)[
            self._datums(out, start, count)]  # fmt: skip

    def _lattice(self, target: Any, source: Any, of: list[int]) -> None:
        """Datum by datum from one block of tiles to another."""
        rows, cols, to_row, to_col, down, right, to_width = of[:7]
        row, col, row_down, col_down, col_right, width = of[7:]
        into, out = self.l1[target[1][1]], self.l1[source[1][1]]
        to, since = self.value(target[2]), self.value(source[2])
        for m, n in np.ndindex(rows, cols):
            r, c = to_row + m * down, to_col + n * right
            i, j = row + m * row_down, col + m * col_down + n * col_right
            if min(r, c, i, j) < 0 or c >= to_width * TILE or j >= width * TILE:
                raise BlockError(f"row {i}, column {j} to row {r}, column {c}")
            value = out[since + i // TILE * width + j // TILE, i % TILE, j % TILE]
            into[to + r // TILE * to_width + c // TILE, r % TILE, c % TILE] = value

    def _datums(self, where: Any, start: Any, count: Any) -> Any:
        """Rows and columns of the datums that bytes of a tile are."""
        size = DataFormat.from_ir(self.buffers[where[1][1]][1]).tile_bytes() // TILE**2
        first, rest = divmod(self.value(start), size)
        end = first + self.value(count) // size
        if rest or self.value(count) % size or not 0 <= first < end <= TILE**2:
            raise BlockError(f"{count} bytes from byte {start} of a tile of {where[1][1]}")
        return _by_face(first, end)

    def _op(self, name: str, args: list[Any]) -> None:
        if name in UNORDERED:
            return
        if name == "noc_async_read_page":
            self.at(args[2])[:] = self.page(args[1], args[0])
        elif name == "noc_async_write_page":
            self.page(args[1], args[0])[:] = self.at(args[2])
        elif name in ("noc_async_read_partial_page", "noc_async_write_partial_page"):
            self._move_part(*args, write="write" in name)
        elif name == "zero_tile_region":
            target, rows, columns = self.at(args[1]), self.value(args[2]), self.value(args[3])
            target[rows:], target[:, columns:] = 0.0, 0.0
        elif name in ("generate_reduce_scaler", "fill_tile_l1"):
            self.at(args[1])[:] = args[2]
        elif name == "index_tile_l1":
            base, down, right = (self.value(a) for a in args[2:5])
            self.at(args[1])[:] = base + np.arange(TILE)[:, None] * down + np.arange(TILE) * right
        elif name == "copy_l1":
            self._copy(*args[:4])
        elif name == "copy_datums_l1":
            self._lattice(args[1], args[2], [self.value(a) for a in args[3:]])
        elif name == "tile_regs_acquire":
            self.dst[:] = 0.0
            self.filled = set()
        elif name == "pack_tile":
            self._pack(args[1], self.packed.get(args[1][1], 0), self.value(args[0]))
        else:
            self._math(name, args)

    def _pack(self, buffer: Any, index: int, source: int) -> None:
        result = self.dst[source].copy()
        if self.mask == "REDUCE_ROW":
            result[:, 1:] = 0.0
        elif self.mask == "REDUCE_COL":
            result[1:] = 0.0
        self.tile(buffer, index)[:] = result
        count = len(self.l1[buffer[1]])
        self.packed[buffer[1]] = (index + 1) % count

    def _math(self, name: str, args: list[Any]) -> None:
        dst = self.dst
        if name == "copy_tile":
            dst[self.value(args[2])] = self.tile(args[0], args[1])
            self.filled.add(self.value(args[2]))
        elif name == "transpose_tile":
            dst[self.value(args[2])] = self.tile(args[0], args[1]).T
        elif name == "transpose_dest":
            dst[self.value(args[0])] = dst[self.value(args[0])].T.copy()
        elif name in ("matmul_tiles", "matmul_tiles_transposed"):
            b = self.tile(args[1], args[3])
            dst[self.value(args[4])] += self.tile(args[0], args[2]) @ (
                b.T if "trans" in name else b
            )
        elif name == "unary_bcast":
            dst[self.value(args[3])] = spread(self.tile(args[1], args[2]), args[0][1])
        elif name == "reduce_tile":
            self._reduce(args)
        elif name.split("_", maxsplit=1)[0] in ("add", "sub", "mul") and "_tiles" in name:
            a, b = self.tile(args[0], args[2]), self.tile(args[1], args[3])
            if "bcast" in name:
                b = spread(
                    b, {"rows": "ROW", "cols": "COL", "scalar": "SCALAR"}[name.rsplit("_", 1)[1]]
                )
            into = self.value(args[4])  # to which products are added, as the matrix unit's are
            held = dst[into] if name.startswith("mul") else 0.0
            dst[into] = held + BINARY[f"{name[:3]}_binary"](a, b)
        else:
            self._sfpu(name.removesuffix("_tile"), args)

    def _reduce(self, args: list[Any]) -> None:
        pool, dim = args[0][1], args[1][1]
        tile, scaler = self.tile(args[2], args[4]), self.tile(args[3], args[5])[0, 0]
        into, axis = self.value(args[6]), 1 if dim == "REDUCE_ROW" else 0
        self.mask = dim
        part = tile.max(axis) if pool == "MAX" else tile.sum(axis) * scaler
        held = self.dst[into][:, 0] if axis else self.dst[into][0]
        if pool != "MAX":
            part = held + part
        elif into in self.filled:  # a maximum over cleared DST starts below every number
            part = np.maximum(held, part)
        self.filled.add(into)
        self.dst[into][:] = 0.0
        if axis:
            self.dst[into][:, 0] = part
        else:
            self.dst[into][0] = part

    def _operand(self, arg: Any) -> Any:
        """A DST index, a number or a word."""
        if isinstance(arg, tuple):
            return arg[1]
        return arg if isinstance(arg, float) else self.value(arg)

    def _sfpu(self, name: str, args: list[Any]) -> None:
        dst = self.dst
        at: list[Any] = [self._operand(a) for a in args]
        if name in UNARY:
            dst[at[0]] = UNARY[name](dst[at[0]])
        elif name in BINARY:
            dst[at[2]] = BINARY[name](dst[at[0]], dst[at[1]])
        elif name in SCALAR:
            dst[at[0]] = SCALAR[name](dst[at[0]], args[1])
        elif name == "fill":
            dst[at[0]] = args[1]
        elif name == "where":
            dst[at[3]] = np.where(dst[at[0]] != 0, dst[at[1]], dst[at[2]])
        elif name == "typecast":
            if DataFormat.from_name(at[2]).is_integer:
                dst[at[0]] = np.trunc(dst[at[0]])
        else:
            raise BlockError(f"no meaning for {name}")


def _parted(address: Any) -> tuple[Any, Any]:
    """An address as that of a tile, and how many bytes further."""
    return (address, 0) if address[0] == "tile_addr" else (address[1], address[2])


def _by_face(first: int, end: int) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Rows and columns of the elements of a tile from one place to another, as they lie."""
    face, inside = np.divmod(np.arange(first, end), (TILE // 2) ** 2)
    row, column = np.divmod(inside, TILE // 2)
    return row + face // 2 * (TILE // 2), column + face % 2 * (TILE // 2)


def spread(tile: F64, dim: str) -> F64:
    """A tile's first row, column or element, everywhere."""
    first = {"ROW": tile[:1], "COL": tile[:, :1], "SCALAR": tile[:1, :1]}[
        dim.upper().rsplit("_")[-1]
    ]
    return np.broadcast_to(first, tile.shape)


_INDEX: Final[Mapping[str, Callable[..., Any]]] = {
    "Add": lambda a, b: a + b, "Sub": lambda a, b: a - b, "Mul": lambda a, b: a * b,
    "FloorDiv": lambda a, b: a // b, "FloorMod": lambda a, b: a % b, "Min": min, "Max": max,
    "LT": lambda a, b: a < b, "LE": lambda a, b: a <= b, "GT": lambda a, b: a > b,
    "GE": lambda a, b: a >= b, "EQ": lambda a, b: a == b, "NE": lambda a, b: a != b,
    "And": lambda a, b: a and b, "Or": lambda a, b: a or b, "!": lambda a: not a,
}  # fmt: skip
