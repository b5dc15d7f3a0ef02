"""Arithmetic: accumulation, operands, DST, broadcasts, reductions, masks, padding."""

from __future__ import annotations

from typing import Any, Final

from harness.mutants.edit import (
    Built,
    dropped,
    edit,
    edit_bodies,
    is_op,
    replace,
    swap_args,
    with_arg,
)
from harness.mutants.registry import in_built as _one
from simulator.program import If, Loop, Op

DST: Final = ("tile_regs_acquire", "tile_regs_commit", "tile_regs_wait", "tile_regs_release")
ZERO: Final = "zero_tile_region"


def _arg(name: str, index: int, change: Any, which: str = "all") -> Any:
    return lambda b: edit(b, with_arg(name, index, change), which=which)


def _drop(*names: str) -> Any:
    return lambda b: edit(b, dropped(*names))


def _each(change: Any, *names: str) -> Any:
    """``change`` of every op of these names."""
    return lambda b: edit(b, lambda s: change(s) if is_op(s, *names) else None)


def _pack_per_step(built: Built) -> Any:
    """DST released and taken again in every K step."""
    ring = tuple(Op(name=n) for n in DST[1:] + DST[:1])

    def change(stmt: Any) -> Any:
        if isinstance(stmt, Loop) and stmt.var == "ko" and any(is_op(s, "matmul_tiles")
                                                               for s in stmt.body):  # fmt: skip
            return (replace(stmt, body=(*stmt.body, *ring)),)
        return None

    return edit(built, change, thread="compute")


def _not_cleared(built: Built) -> Any:
    """DST acquired in the first work item only and released in none but the last."""

    def change(stmt: Any) -> Any:
        if is_op(stmt, "tile_regs_acquire"):
            return (If(cond=["==", "item", 0], then=(stmt,)),)
        if is_op(stmt, "tile_regs_release"):
            return (If(cond=["==", "item", ["-", "count", 1]], then=(stmt,)),)
        return None

    return edit(built, change, thread="compute")


def _loops(built: Built, inner: str, change: Any) -> Any:
    """Loops directly around an op."""

    def visit(stmt: Any) -> Any:
        if (
            isinstance(stmt, Loop)
            and isinstance(stmt.stop, int)
            and stmt.stop > 1
            and any(is_op(s, inner) for s in stmt.body)
        ):
            return (change(stmt),)
        return None

    return edit(built, visit, thread="compute")


def _regions(change: Any) -> Any:
    """The condition and the op of padded tiles together."""

    def visit(stmt: Any) -> Any:
        if isinstance(stmt, If) and any(is_op(s, ZERO) for s in stmt.then):
            new = change(stmt)
            return None if new == stmt else (new,)
        return None

    return lambda b: edit(b, visit)


def _kept(index: int, change: Any) -> Any:
    def new(stmt: If) -> If:
        then = tuple(
            replace(s, args=(*s.args[:index], change(s), *s.args[index + 1 :]))
            if isinstance(s, Op) and s.name == ZERO else s for s in stmt.then
        )  # fmt: skip
        return replace(stmt, cond=1, then=then)

    return new


def _early_zero(built: Built) -> Any:
    def change(body: tuple[Any, ...]) -> Any:
        out = list(body)
        for i in range(len(out) - 1):
            after = out[i + 1]
            if (
                is_op(out[i], "noc_async_read_barrier")
                and isinstance(after, If)
                and any(is_op(s, ZERO) for s in after.then)
            ):
                out[i], out[i + 1] = after, out[i]
        return tuple(out) if tuple(out) != body else None

    return edit_bodies(built, change, "ncrisc")


def _mask(built: Built) -> Any:
    """Index tiles one column to the right."""
    return edit(built, with_arg("index_tile_l1", 2, lambda e: ["+", e, 1]), which="last")


def _dim(stmt: Any, index: int, ring: dict[str, str]) -> Any:
    if stmt.args[index] not in ring:
        return None
    args = list(stmt.args)
    args[index] = ring[args[index]]
    return (replace(stmt, args=tuple(args)),)


BCAST: Final = ("unary_bcast_init", "unary_bcast", "unary_bcast_uninit")
REDUCE: Final = ("reduce_init", "reduce_tile")
A, D, E, R, Z = "accumulation", "destination register", "elementwise", "reduction", "padding"
MUTANTS: Final = (
    _one(A, "transpose-flag-flipped", "matmul_init transposes in1 where it must not, or not.",
         _arg("matmul_init", 2, lambda t: 1 - t)),
    _one(A, "in0-tile-constant", "Products always take tile 0 of in0.",
         _arg("matmul_tiles", 2, lambda _: 0)),
    _one(A, "in1-tile-constant", "Products always take tile 0 of in1.",
         _arg("matmul_tiles", 3, lambda _: 0)),
    _one(A, "one-operand-twice", "Products take in0 for both operands.",
         lambda b: edit(b, lambda s: (replace(s, args=(s.args[0], s.args[0], *s.args[2:4],
                                                       *s.args[4:])),)
                        if is_op(s, "matmul_tiles") else None)),
    _one(A, "operands-exchanged", "Products take in0 and in1 crosswise.",
         lambda b: edit(b, swap_args("matmul_tiles", 0, 1))),
    _one(A, "pack-per-k-step", "DST is handed over and cleared in every K step.", _pack_per_step),
    _one(A, "accumulator-not-cleared", "DST is kept from one work item to the next.",
         _not_cleared),
    _one(A, "accumulator-overwritten", "A fill clears the accumulator in every K step.",
         lambda b: edit(b, lambda s: (Op(name="fill_tile_init"),
                                      Op(name="fill_tile", args=(s.args[4], 0.0)), s)
                        if is_op(s, "matmul_tiles") else None)),
    _one(A, "partial-sum-not-reloaded", "A spilled accumulator is not loaded before the product.",
         lambda b: edit_bodies(b, lambda body: tuple(
             s for i, s in enumerate(body) if not (
                 is_op(s, "copy_tile") and any(is_op(t, "matmul_tiles") for t in body[i:i + 4])))
             if any(is_op(t, "matmul_tiles") for t in body) else None, "compute")),
    _one(A, "product-twice", "Every product is added twice.",
         _each(lambda s: (s, s), "matmul_tiles")),
    _one(A, "product-missing", "The last product is left out.",
         lambda b: edit(b, dropped("matmul_tiles"), which="last")),
    _one(A, "accumulator-fill-dropped", "The accumulator's first fill is left out.",
         _drop("fill_tile")),
    _one(D, "missing-acquire", "Math does not wait for a free DST half.",
         _drop("tile_regs_acquire")),
    _one(D, "missing-commit", "Math never hands DST over.", _drop("tile_regs_commit")),
    _one(D, "missing-dst-wait", "The packer does not wait for DST.", _drop("tile_regs_wait")),
    _one(D, "missing-release", "The packer never frees DST.", _drop("tile_regs_release")),
    _one(D, "commit-after-wait", "The packer waits before math hands over.",
         lambda b: edit(b, lambda s: (replace(s, name={"tile_regs_commit": "tile_regs_wait",
                                                       "tile_regs_wait": "tile_regs_commit"}
                                              [s.name]),)
                        if is_op(s, "tile_regs_commit", "tile_regs_wait") else None),
         "math commits and the packer waits, each on a RISC of its own: their calls do not order"
         " each other"),
    _one(D, "dst-off-by-one", "Products go to the next DST tile.",
         _arg("matmul_tiles", 4, lambda d: ["+", d, 1])),
    _one(D, "dst-constant", "Products all go to DST tile 0.",
         _arg("matmul_tiles", 4, lambda _: 0)),
    _one(D, "packs-dst-off-by-one", "The packer takes the next DST tile.",
         _arg("pack_tile", 0, lambda d: ["+", d, 1])),
    _one(D, "packs-dst-constant", "The packer takes DST tile 0 every time.",
         _arg("pack_tile", 0, lambda _: 0)),
    _one(D, "pack-missing", "The last pack is left out.",
         lambda b: edit(b, dropped("pack_tile"), which="last")),
    _one(D, "pack-twice", "Every tile is packed twice.", _each(lambda s: (s, s), "pack_tile")),
    _one(D, "dst-beyond-capacity", "Work goes to DST tile 16 and up.",
         lambda b: edit(b, lambda s: (replace(s, args=(*s.args[:-1], ["+", s.args[-1], 16])),)
                        if is_op(s, "copy_tile", "matmul_tiles", "reduce_tile") else None)),
    _one(E, "subtraction-reversed", "Operands of a subtraction exchanged.",
         lambda b: edit(b, swap_args("sub_tiles", 2, 3)) or edit(b, swap_args("sub_tiles", 0, 1))
         or edit(b, swap_args("sub_binary_tile", 0, 1))),
    _one(E, "addition-for-subtraction", "sub becomes add, its init too.",
         lambda b: edit(b, lambda s: (replace(s, name=s.name.replace("sub_", "add_")),)
                        if is_op(s, "sub_init", "sub_tiles", "sub_binary_tile",
                                 "sub_binary_tile_init") else None)),
    _one(E, "scalar-wrong", "An immediate operand is 1 % off.",
         lambda b: edit(b, lambda s: (replace(s, args=(s.args[0], s.args[1] * 1.01)),)
                        if is_op(s, "mul_unary_tile", "div_unary_tile", "add_unary_tile")
                        else None)),
    _one(E, "exp2-for-exp", "exp2 in place of exp.",
         lambda b: edit(b, lambda s: (replace(s, name=s.name.replace("exp_", "exp2_")),)
                        if is_op(s, "exp_tile", "exp_tile_init") else None)),
    _one(E, "relu-dropped", "The activation is left out.", _drop("relu_tile")),
    _one(E, "min-for-max", "binary_min in place of binary_max.",
         lambda b: edit(b, lambda s: (replace(s, name=s.name.replace("max", "min")),)
                        if is_op(s, "binary_max_tile", "binary_max_tile_init") else None)),
    _one(E, "where-branches-exchanged", "A select takes its branches crosswise.",
         lambda b: edit(b, swap_args("where_tile", 1, 2))),
    _one(E, "mask-off-by-one", "The mask's index tiles start one too far.", _mask),
    _one(E, "comparison-includes-equal", "A comparison takes equality in, or leaves it out.",
         lambda b: edit(b, lambda s: (replace(s, name={"gez": "gtz", "gtz": "gez", "lez": "ltz",
                                                       "ltz": "lez"}[s.name[:3]] + s.name[3:]),)
                        if isinstance(s, Op) and s.name[:3] in ("gez", "gtz", "lez", "ltz")
                        else None)),
    _one(E, "copy-of-first-tile-only", "Copies take tile 0 of the buffer.",
         _arg("copy_tile", 1, lambda _: 0)),
    _one(E, "wrong-broadcast-dim", "Rows are repeated where columns belong, and the other way.",
         lambda b: edit(b, lambda s: _dim(s, 0, {"ROW": "COL", "COL": "ROW"})
                        if is_op(s, *BCAST) else None)),
    _one(E, "broadcast-tile-constant", "A broadcast takes tile 0 of its buffer.",
         _arg("unary_bcast", 2, lambda _: 0)),
    _one(E, "fpu-broadcast-dim", "An FPU broadcast along the other axis.",
         lambda b: edit(b, lambda s: (replace(s, name=s.name.replace("_cols", "_ROWS").replace(
             "_rows", "_cols").replace("_ROWS", "_rows")),)
             if isinstance(s, Op) and ("bcast_cols" in s.name or "bcast_rows" in s.name)
             else None)),
    _one(E, "vector-not-transposed", "A row vector is not turned into a column.",
         _drop("transpose_dest")),
    _one(R, "reduce-dim-wrong", "Reductions run along the other axis.",
         lambda b: edit(b, lambda s: _dim(s, 1, {"REDUCE_ROW": "REDUCE_COL",
                                                 "REDUCE_COL": "REDUCE_ROW"})
                        if is_op(s, *REDUCE) else None)),
    _one(R, "max-for-sum", "The pool is MAX where SUM is asked for, and the other way.",
         lambda b: edit(b, lambda s: _dim(s, 0, {"SUM": "MAX", "MAX": "SUM"})
                        if is_op(s, *REDUCE) else None)),
    _one(R, "reduce-scaler-wrong", "The scaler tile holds 2.",
         _arg("generate_reduce_scaler", 2, lambda v: 2 * v)),
    _one(R, "reduce-scaler-average", "The scaler tile holds 1/32, as for a mean.",
         _arg("generate_reduce_scaler", 2, lambda v: v / 32)),
    _one(R, "reduce-first-tile-replicated", "A reduction takes its first tile every time.",
         _arg("reduce_tile", 4, lambda _: 0)),
    _one(R, "reduce-last-tile-dropped", "A reduction leaves its last tile out.",
         lambda b: _loops(b, "reduce_tile", lambda lo: replace(lo, stop=lo.stop - 1))),
    _one(R, "reduce-tile-twice", "Every tile is reduced twice.",
         _each(lambda s: (s, s) if s.args[0] == "SUM" else None, "reduce_tile")),
    _one(Z, "padding-not-zeroed", "Tiles keep what lies beyond the tensor.", _drop(ZERO)),
    _one(Z, "padding-rows-kept", "zero_tile_region keeps all rows.",
         _regions(_kept(2, lambda s: 32))),
    _one(Z, "padding-columns-kept", "zero_tile_region keeps all columns.",
         _regions(_kept(3, lambda s: 32))),
    _one(Z, "padding-row-too-many", "One row of padding is kept.",
         _regions(_kept(2, lambda s: ["min", ["+", s.args[2], 1], 32]))),
    _one(Z, "padding-row-too-few", "One row of the tensor is zeroed.",
         _regions(_kept(2, lambda s: ["max", ["-", s.args[2], 1], 0]))),
    _one(Z, "padding-column-too-few", "One column of the tensor is zeroed.",
         _regions(_kept(3, lambda s: ["max", ["-", s.args[3], 1], 0]))),
    _one(Z, "padding-axes-exchanged", "zero_tile_region takes rows for columns.",
         lambda b: edit(b, swap_args(ZERO, 2, 3))),
    _one(Z, "padding-everything", "Padded tiles are zeroed altogether.",
         _regions(_kept(2, lambda s: 0))),
    _one(Z, "padding-condition-inverted", "Only tiles without padding are treated.",
         _regions(lambda s: replace(s, cond=["!", s.cond]))),
    _one(Z, "padding-before-barrier", "Padding is zeroed while the tile still arrives.",
         _early_zero),
    _one(Z, "padding-filled-with-one", "A tile beyond the tensor gets ones instead of zeros.",
         lambda b: edit(b, lambda s: (Op(name="fill_tile_l1", args=(*s.args[:2], 1.0)),)
                        if is_op(s, ZERO) else None)),
)  # fmt: skip
