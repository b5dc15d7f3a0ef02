"""The persistent loop: each core visits its work items and recovers the block indices."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import tvm
from tvm import tirx

from harness.compiler.facts.affine import mentioned
from harness.compiler.split.arguments import argument_names
from harness.compiler.tt_ops import seq
from simulator.plan.zorder import bit_places


@dataclass(frozen=True)
class WorkForm:
    """How descriptors of a plan are written: linear with an order, or rect.

    ``arguments`` are the descriptor fields a core receives as runtime arguments.
    """

    form: str
    order: str | None

    @property
    def arguments(self) -> tuple[str, ...]:
        """Descriptor fields, in argument order."""
        return ("start", "count") if self.form == "linear" else ("x0", "y0", "width", "height")

    def names(self, tensors: Iterable[str]) -> dict[str, str]:
        """Name to field of the runtime arguments, kept apart from the tensors' own names."""
        known = tuple(tensors)
        return {free_name(field, "work_", known): field for field in self.arguments}


def free_name(name: str, prefix: str, tensors: Sequence[str]) -> str:
    """An argument's name, prefixed until it is no tensor's and no tensor's address."""
    taken = argument_names(tensors)
    while name in taken:
        name = prefix + name
    return name


def work_form(descriptors: Sequence[dict[str, Any]]) -> WorkForm:
    """The common form of all cores' descriptors.

    Raises:
        ValueError: cores with different forms.
    """
    forms = {(d["form"], d.get("order")) for d in descriptors}
    if len(forms) != 1:
        raise ValueError(f"work descriptors of several forms: {sorted(map(str, forms))}")
    ((form, order),) = forms
    return WorkForm(form, order)


def persist(
    body: list[Any],
    form: WorkForm,
    grid: tuple[int, int, int],
    block_vars: Sequence[Any],
    arguments: dict[str, Any],
) -> Any:
    """The loop over a core's work items around one item's statements.

    bx, by, bz are bound from the item number: for ``row_major`` bx = id mod gx, by = id div gx mod
    gy, bz = id div (gx*gy); for ``column_major`` by runs fastest; in a rectangle bx, then by, then
    bz. For ``z_order`` the bits of bx and by are taken out of the position on the curve, and
    positions outside the grid are passed over.
    Only indices that the statements use are bound.
    """
    gx, gy, gz = grid
    item = tirx.Var("item", "int32")
    if form.order == "z_order":
        extent, values = arguments["count"], _curve(arguments["start"] + item, grid)
    elif form.form == "linear":
        extent = arguments["count"]
        number = arguments["start"] + item
        fast, slow = (gx, gy) if form.order == "row_major" else (gy, gx)
        first, second = _mod(number, fast, last=slow * gz == 1), _mod(
            _div(number, fast), slow, last=gz == 1)  # fmt: skip
        bx, by = (first, second) if form.order == "row_major" else (second, first)
        values = (bx, by, _div(number, gx * gy))
    else:
        width, height = arguments["width"], arguments["height"]
        extent = width * height if gz == 1 else width * height * gz
        row = tirx.FloorDiv(item, width)
        by = row if gz == 1 else tirx.FloorMod(row, height)
        values = (arguments["x0"] + tirx.FloorMod(item, width), arguments["y0"] + by,
                  tirx.FloorDiv(item, width * height))  # fmt: skip
    guard = None
    if form.order == "z_order":
        guard, block_vars = _on_grid(grid, block_vars)
    whole = seq(body if guard is None else [tirx.IfThenElse(guard, seq(body), None)])
    met = mentioned(whole)
    binds = [
        tirx.Bind(var, tvm.sym.Analyzer().simplify(value))
        for var, value in zip(block_vars, values, strict=True)
        if var is not None and var in met
    ]
    return tirx.For(item, tirx.const(0, "int32"), extent, tirx.ForKind.SERIAL, seq([*binds, whole]))


def _curve(code: Any, grid: tuple[int, int, int]) -> tuple[Any, Any, Any]:
    """bx, by and bz of a position on the Z curve."""
    across, down = bit_places(grid)

    def gather(places: tuple[int, ...]) -> Any:
        out: Any = tirx.const(0, "int32")
        for bit, place in enumerate(places):
            out = out + _mod(_div(code, 1 << place), 2, last=False) * (1 << bit)
        return out

    return gather(across), gather(down), _div(code, 1 << (len(across) + len(down)))


def _on_grid(grid: tuple[int, int, int], block_vars: Sequence[Any]) -> tuple[Any, list[Any]]:
    """The condition that a position's block exists, None where all do, and block variables."""
    names = [v if v is not None else tirx.Var(n, "int32")
             for v, n in zip(block_vars, ("bx", "by", "bz"), strict=True)]  # fmt: skip
    tests = [var < extent for var, extent in zip(names[:2], grid, strict=False)
             if extent & (extent - 1)]  # fmt: skip
    if not tests:
        return None, list(block_vars)
    return tests[0] if len(tests) == 1 else tirx.And(*tests), names


def _div(value: Any, by: int) -> Any:
    return value if by == 1 else tirx.FloorDiv(value, tirx.const(by, "int32"))


def _mod(value: Any, by: int, *, last: bool) -> Any:
    if by == 1:
        return tirx.const(0, "int32")
    return value if last else tirx.FloorMod(value, tirx.const(by, "int32"))
