"""Tiles of integers and tiles of reals: what an op takes, and that nothing else is a defect."""

from __future__ import annotations

from itertools import product
from typing import Any, Final

import numpy as np
import pytest

from simulator.formats.dataformat import DataFormat
from simulator.isa import OPS, OpSpec
from simulator.program import Stmt
from simulator.run import RunOptions
from tests.simulator.builders import layout, op
from tests.simulator.pipes import codes, pipe, run

NAMES: Final = tuple(name for name, spec in OPS.items() if spec.effect in ("unpack_math", "sfpu"))
BEFORE: Final = {"none": None, "fill": "fill_tile", "copy": "copy_tile", "product": "matmul_tiles"}
ROLES: Final = (("A", "input"), ("C", "output"))
CASTS: Final = (("Int32", "Float32"), ("Float32", "Int32"), ("Float32", "Float16_b"))


def _call(name: str, formats: tuple[str, ...] = ()) -> Stmt:
    """An op on the first page of circular buffer 0 and the first tile of DST."""
    given = iter(formats)
    words: list[Any] = []
    for operand in OPS[name].operands:
        if operand.kind == "cb":
            words.append(1 if operand.name == "out" else 0)
        elif operand.kind == "enum":
            words.append(operand.choices[0])
        elif operand.kind == "format":
            words.append(next(given))
        else:
            words.append(1.0 if operand.kind == "float" else 0)
    return op(name, *words)


def _configured(name: str, formats: tuple[str, ...] = ()) -> tuple[Stmt, ...]:
    """An op behind the init of its key."""
    spec = OPS[name]
    inits = [s.name for s in OPS.values() if s.effect == "config" and s.config == spec.config]
    return (*(_call(init, formats) for init in inits), _call(name, formats))


def _codes(
    fmt: str, before: str | None, name: str, cast: tuple[str, ...], out: str, arithmetic: bool
) -> list[str]:
    """Findings of one tile in ``fmt``: an op onto what another left in DST, packed as ``out``."""
    first = () if before is None else _configured(before)
    order = "Reverse" if "matmul_tiles" in (name, before) else "Regular"
    undone: tuple[Stmt, ...] = ()
    if name == "reduce_tile":
        undone = (op("reduce_uninit"),)
    if name == "unary_bcast":
        undone = (op("unary_bcast_uninit", "ROW", 0),)
    body = (
        op("compute_kernel_hw_startup", order, 0, 0, 1),
        op("cb_wait_front", 0, 1),
        op("tile_regs_acquire"),
        *first,
        *_configured(name, cast),
        op("tile_regs_commit"),
        op("cb_pop_front", 0, 1),
        op("cb_reserve_back", 1, 1),
        op("tile_regs_wait"),
        op("pack_tile", 0, 1),
        op("tile_regs_release"),
        op("cb_push_back", 1, 1),
        *undone,
    )
    source, target = DataFormat.from_name(fmt), DataFormat.from_name(out)
    sketch = pipe(
        1,
        compute=body,
        tensors={
            "A": layout(source.spec.ir_dtype, (32, 32), "input"),
            "C": layout(target.spec.ir_dtype, (32, 32), "output"),
        },
        buffers={0: (fmt, 2, "ncrisc", "compute"), 1: (out, 2, "compute", "brisc")},
    )
    numbers = np.arange(1024).reshape(32, 32) % 101
    given = numbers.astype(np.float32 if source.is_float else np.int32)
    return codes(run(sketch, RunOptions(arithmetic=arithmetic, repair=False), A=given))


def _integers(fmt: str) -> bool:
    return DataFormat.from_name(fmt).is_integer


def _product(fmt: str) -> bool | None:
    """Whether a product of tiles with themselves gives integers; None if there is none."""
    return {"Int8": True, "Float16_b": False}.get(fmt)


def _fits(fmt: str, held: bool | None, spec: OpSpec, cast: tuple[str, ...], out: str) -> bool:
    """The rule, told without the engine: DST holds integers (or not, or nothing) before the op."""
    if spec.name == "matmul_tiles":
        gives = _product(fmt)
        fits = gives is not None and held in (None, gives)
    elif spec.effect == "unpack_math":
        gives, moves = _integers(fmt), spec.name in ("copy_tile", "transpose_tile", "unary_bcast")
        reads_dst = spec.name.startswith(("mul_", "reduce_"))
        fits = moves or not (gives or (reads_dst and held))
    elif spec.name == "fill_tile":
        gives, fits = False, True
    elif spec.name == "transpose_dest":
        gives, fits = held, True
    else:
        takes, makes = cast or ("Float32", "Float32")
        gives, fits = _integers(makes), held == _integers(takes)
    return fits and gives == _integers(out)


@pytest.mark.parametrize("name", NAMES)
def test_numbers_are_taken_as_what_they_are(name: str) -> None:
    """Every op, on reals and integers, onto what every kind of op left in DST: works or is told."""
    spec = OPS[name]
    for cast in CASTS if name == "typecast_tile" else ((),):
        for fmt, before, out in product(
            ("Float16_b", "Int8", "Int32"), BEFORE, ("Float32", "Int32")
        ):
            held = {"none": None, "fill": False, "copy": _integers(fmt), "product": _product(fmt)}
            if before == "product" and held[before] is None:
                continue  # refused before this op comes
            expected = [] if _fits(fmt, held[before], spec, cast, out) else ["ShapeMismatch"]
            reads = spec.effect == "sfpu" and name != "fill_tile"
            if before == "none" and reads:
                expected = ["UninitialisedRead"]
            for arithmetic in (True, False):
                found = _codes(fmt, BEFORE[before], name, cast, out, arithmetic)
                assert found == expected, (fmt, before, cast, out, arithmetic)


@pytest.mark.parametrize(
    ("fmt", "good", "bad"),
    [("Int8", (-127, 127), (-128, 128, 0.5)), ("UInt8", (0, 255), (-1, 256)),
     ("Int32", (-(2**31), 2**30), (2**31, float("inf"), float("nan")))],
)  # fmt: skip
def test_constants_of_integers(fmt: str, good: tuple[float, ...], bad: tuple[float, ...]) -> None:
    """The RISC fills tiles with numbers their format has; -128 as Int8 once was a traceback."""
    dtype = DataFormat.from_name(fmt).spec.ir_dtype
    for value in (*good, *bad):
        fill = op("fill_tile_l1", 0, ["get_write_ptr", 0], float(value))
        sketch = pipe(
            1,
            reader=(op("cb_reserve_back", 0, 1), fill, op("cb_push_back", 0, 1)),
            tensors={name: layout(dtype, (32, 32), role) for name, role in ROLES},
            buffers={0: (fmt, 2, "ncrisc", "compute"), 1: (fmt, 2, "compute", "brisc")},
        )
        result = run(sketch, RunOptions(repair=False), A=np.zeros((32, 32), np.int32))
        assert ("OutOfBounds" in codes(result)) == (value in bad)
        if value in good:
            assert (result.outputs["C"] == value).all()


def test_a_constant_is_no_start_for_a_product_of_integers() -> None:
    """fill_tile writes a real; a product of Int8 added to it once ended in an internal error."""
    found = _codes("Int8", "fill_tile", "matmul_tiles", (), "Int32", True)
    assert found == ["ShapeMismatch"]
