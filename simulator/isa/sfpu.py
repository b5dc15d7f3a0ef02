"""SFPU ops: functions of DST tiles."""

from __future__ import annotations

from typing import Final

from simulator.isa.spec import COMPUTE, OpSpec, op

SFPU_UNARY: Final = (
    "exp",
    "exp2",
    "log",
    "log1p",
    "sqrt",
    "rsqrt",
    "recip",
    "sigmoid",
    "tanh",
    "relu",
    "gelu",
    "silu",
    "erf",
    "sin",
    "cos",
    "floor",
    "ceil",
    "round",
    "square",
    "sign",
    "abs",
    "negative",
    "eqz",
    "nez",
    "gtz",
    "ltz",
    "gez",
    "lez",
)
"""SFPU functions of one DST tile, in place: ``<name>_tile_init`` and ``<name>_tile``."""

ROUNDING: Final = ("floor", "ceil", "round")
"""Those of them that share one init, ``rounding_op_tile_init``."""

SFPU_BINARY: Final = (
    "add_binary",
    "sub_binary",
    "mul_binary",
    "div_binary",
    "power_binary",
    "binary_max",
    "binary_min",
)
"""SFPU functions of two DST tiles: ``<name>_tile(a, b, out)``."""

SFPU_SCALAR: Final = ("add_unary", "sub_unary", "rsub_unary", "mul_unary", "div_unary")
"""SFPU functions of a DST tile and a float32 immediate: ``<name>_tile(dst, value)``."""


def sfpu() -> tuple[OpSpec, ...]:
    """The rows of this file."""
    rows: list[OpSpec] = []

    def add(base: str, operands: str, doc: str, init: str | None = None, given: str = "") -> None:
        init = init or f"{base}_tile_init"
        if not any(r.name == init for r in rows):
            what = f"Configure {init.removesuffix('_tile_init')}."
            rows.append(op(init, given, COMPUTE, "math", "config", what, init))
        rows.append(op(f"{base}_tile", operands, COMPUTE, "math", "sfpu", doc, init))

    for name in SFPU_UNARY:
        init = "rounding_op_tile_init" if name in ROUNDING else None
        add(name, "dst:dst", f"DST[dst] = {name}(DST[dst]).", init)
    for name in SFPU_BINARY:
        add(name, "a:dst b:dst out:dst", f"DST[out] = {name}(DST[a], DST[b]).")
    for name in SFPU_SCALAR:
        add(
            name,
            "dst:dst value:float",
            f"DST[dst] = {name}(DST[dst], value).",
            "binop_with_scalar_tile_init",
        )
    add("fill", "dst:dst value:float", "DST[dst] = value everywhere.")
    add("where", "cond:dst a:dst b:dst out:dst", "DST[out] = a where cond is non-zero, else b.")
    formats = "from_format:format to_format:format"
    add("typecast", f"dst:dst {formats}", "Convert DST[dst] in place.", given=formats)
    return tuple(rows)
