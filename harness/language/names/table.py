"""What becomes of every public name of TileLang's language: works, ignored, or refused.

The one place that says so: ``T.name`` raises what stands here, ``docs/language.md`` is printed from
here (``python -m harness.language``), and a test compares both with the language itself.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from typing import Final, Literal, NoReturn

from harness.errors import LanguageError
from harness.language.dtypes import NAMES as DTYPE_NAMES
from harness.language.names.hints import REASONS
from harness.language.names.names import NAMES
from harness.language.names.refusals import FAMILIES, REFUSED
from harness.language.tensors import DTYPES, INTEGERS, MASKS, TRUTH

Status = Literal["works", "ignored", "refused"]


@dataclass(frozen=True)
class Entry:
    """One name: what becomes of it, why, and (refused) what to write instead."""

    name: str
    status: Status
    note: str
    instead: str = ""


_EXTREME: Final = (
    "over an axis of a block, with or without clear; of float32 the 11 leading bits, as T.gemm"
    " takes them, so that none may equal the result: look for places in bfloat16 or float16"
)
_WORKS: Final = {
    "prim_func": "a kernel; its parameters are tensors, and numbers that callers pass,"
    " `alpha: T.float32`",
    "macro": "expanded where it is called, inside a kernel or out",
    "const": "sizes of an eager kernel, from the arguments' shapes or by name",
    "empty": "an output of an eager kernel",
    "dynamic": "a size known at the call; one plan per concrete size, kept",
    "symbolic": "the older name of T.dynamic",
    "Tensor": "a tensor in device memory; the host may store one that is only read as bfloat8_b or"
    " bfloat4_b, whose values are bfloat16 once read; T.Tensor(shape, dtype, x.data) is tensor x"
    " in another shape, which it is then used and stored in throughout",
    "Buffer": "the older name of T.Tensor",
    "Kernel": "the grid of blocks, which may number their places by hand, with // and %, in waves"
    " or not; threads have no meaning here; several in one function run one after another, each a"
    " kernel of its own",
    "Parallel": "independent iterations over a tile, in any order of the loops; a store under `if`"
    " updates where it holds; int32 tensors may say which rows are read, `x[ids[i], j]`, or stored,"
    " `out[start[b] + i, j] = …` under `if i < count[b]`, and which of each other's elements are"
    " asked, `x[table[ids[i]], j]`; no row may be stored twice; one row or column of a block may be"
    " stored by itself, `w[i, k] = top[i]`, where a loop around says which; vectors used element by"
    " element lie 1024 to a tile, docs/layouts.md",
    "Persistent": "the places of a domain, dealt to cores as blocks of the grid are",
    "Pipelined": "a loop whose copies may run ahead of its computation",
    "serial": "a sequential loop, with a step if wanted; its bounds, and `if` around tile ops, may"
    " depend on indices and on elements of int32 tensors that are only read",
    "Serial": "as T.serial",
    "unroll": "a sequential loop; unrolling changes no value",
    "Unroll": "as T.unroll",
    "vectorized": "independent iterations, as T.Parallel",
    "Vectorized": "as T.vectorized",
    "grid": "nested sequential loops",
    "alloc_global": "device memory that one T.Kernel of a function leaves to a later one",
    "alloc_shared": "a block on chip",
    "alloc_fragment": "a block on chip",
    "alloc_local": "a block on chip; one of a single int32 is as T.alloc_var, and of a small one"
    " each element may be stored by itself; one of a single element inside T.Parallel is a scalar"
    " of the iteration",
    "alloc_var": "a scalar, int32 or float32, of values that follow from indices, parameters and"
    " elements of tensors that are only read; one that places nothing also of what blocks hold, of"
    " what a loop carries on, `top = T.max(top, x[b, k])`, and of what data decide,"
    " `if x[b, k] > top: top = x[b, k]; at = k`; inside T.Parallel every iteration has its own, of"
    " any value",
    "copy": "between tensors and blocks, tensors, or blocks of one shape; a block may run along any"
    " two dimensions of a tensor, and an int32 tensor of indices may choose along any but the last,"
    " as in `T.copy(KV[table[b, k], :, :], block)`, or `T.copy(block, KV[table[b, k], :, :])`;"
    " sizes may be expressions, `T.copy(x[a:b, :], block[0 : b - a, :])`",
    "fill": "a block set to a number, infinities included",
    "clear": "a block set to zero",
    "gemm": "C += A B on blocks, both transposes; int8 by int8 into int32, at HiFi4 unless"
    " another fidelity is asked for",
    "alloc_reducer": "a block that iterations of T.Parallel are reduced into, by sum, max or min",
    "reducer_init": "a reducer set to what changes nothing, or to a value",
    "reducer_update": "a value given to an element of a reducer,"
    " `T.reducer_update(acc[i], x[i, j])`; in T.Parallel also as `acc[i] += x[i, j]` or"
    " `acc[i] = T.max(acc[i], x[i, j])`",
    "finalize_reducer": "what was reduced, copied to a block if one is given",
    "reduce": "a reduction by name: sum, max, min, absmax, abssum",
    "reduce_sum": "over an axis of a block, with or without clear",
    "reduce_max": _EXTREME,
    "reduce_min": _EXTREME,
    "reduce_absmax": _EXTREME,
    "reduce_abssum": "over an axis of a block",
    "transpose": "a block of two dimensions into one the other way round",
    "cumsum": "running sums along an axis of a block, from either end; a line with an infinity or a"
    " NaN is NaN from end to end",
    "reshape": "an on-chip block with dimensions of extent 1 left out or added, or its elements in"
    " another shape, for tile ops and T.Parallel alike; a block of three dimensions whose rows or"
    " groups of columns are one matrix's elsewhere is kept as that matrix; a tensor's other shape"
    " is T.Tensor(shape, dtype, x.data)",
    "view": "as T.reshape, in the block's own dtype",
    "im2col": "patches of an image as rows of a block; channels and columns of the block are"
    " multiples of 16, and read in runs of 16",
    "c2d_im2col": "as T.im2col",
    "if_then_else": "elementwise choice; both sides are evaluated",
    "If": "with T.If(condition): the statement if, its parts in T.Then and T.Else",
    "Then": "with T.Then(): inside T.If, or beside it: with T.If(condition), T.Then()",
    "Else": "with T.Else(): inside T.If, after T.Then",
    "Select": "as T.if_then_else",
    "any_of": "some of the conditions holds, of a block or slice some element",
    "all_of": "all of the conditions hold, of a block or slice every element",
    "And": "both conditions hold",
    "Or": "one of the conditions holds",
    "Not": "the condition does not hold",
    "likely": "the condition itself",
    "cast": "a value in another dtype",
    "Cast": "as T.cast, dtype first",
    "clamp": "within two values",
    "max": "elementwise, or of two numbers",
    "min": "elementwise, or of two numbers",
    "pow": "elementwise; whole powers up to 4 become products; `x ** y` too, where 0.5 and -0.5 are"
    " T.sqrt and T.rsqrt, and other powers want x > 0",
    "isinf": "elementwise: T.abs(x) > T.max_value(dtype)",
    "isfinite": "elementwise: T.abs(x) <= T.max_value(dtype)",
    "isnan": "elementwise: `x != x`",
    "fma": "a * b + c; the product is rounded before the sum",
    "infinity": "infinity of a dtype",
    "max_value": "the largest finite value of a dtype",
    "min_value": "the smallest finite value of a dtype",
    "annotate_layout": "DRAM or L1, interleaved or sharded, for tensors; GPU layouts of"
    " on-chip blocks are ignored, since blocks are kept in tiles",
    "ceildiv": "of sizes and indices",
    "cdiv": "as T.ceildiv",
    "floordiv": "of indices, and of whole numbers by powers of two",
    "floormod": "of indices, and of whole numbers by powers of two",
    "bitwise_and": "of indices and whole numbers, one of them a number: masks",
    "bitwise_or": "of indices and whole numbers, one of them a number or without common bits",
    "bitwise_xor": "of indices and whole numbers, one of them a number",
    "bitwise_not": "of indices and whole numbers",
    "shift_left": "of indices and whole numbers, by numbers and what follows from the place",
    "shift_right": "of indices and whole numbers, by numbers and what follows from the place",
    "align_up": "of sizes and indices",
    "meta_var": "the value itself",
    "dtype": "a dtype by name",
    "get_tvm_dtype": "the plain name of a dtype",
    "GemmWarpPolicy": "an argument of T.gemm; has no effect here",
}
_COMPOSED: Final = {
    "exp10": "T.exp(x * ln 10)", "__exp10": "T.exp(x * ln 10)", "log10": "T.log(x) / ln 10",
    "__log10": "T.log(x) / ln 10", "tan": "T.sin(x) / T.cos(x)", "__tan": "T.sin(x) / T.cos(x)",
    "sinh": "(T.exp(x) - T.exp(-x)) / 2", "cosh": "(T.exp(x) + T.exp(-x)) / 2",
    "trunc": "T.ceil(x) below zero, T.floor(x) above",
}  # fmt: skip
_ELEMENTWISE: Final = ("abs", "fabs", "exp", "exp2", "log", "log2", "log1p", "sqrt", "rsqrt",
                       "sigmoid", "tanh", "erf", "sin", "cos", "floor", "ceil", "round", "__exp",
                       "__log", "__log2", "__sin", "__cos")  # fmt: skip
_IGNORED: Final = {
    **REASONS,
    "annotate_safe_value": "0, which reads outside a tensor give anyway; other values are refused",
    "Layout": "a GPU layout, for T.annotate_layout",
    "Fragment": "a GPU layout, for T.annotate_layout",
    "Ref": "the type of a macro's parameter; macros are expanded, so nothing checks it",
    "SharedBuffer": "the type of a macro's parameter",
    "FragmentBuffer": "the type of a macro's parameter",
    "LocalBuffer": "the type of a macro's parameter",
}
_LANES: Final = (2, 4, 8, 16, 32, 64)
_VECTOR = re.compile(r"(?:b?float|u?int|tfloat)\d+\w*?x\d+")


def _entries() -> dict[str, Entry]:
    table: dict[str, Entry] = {}
    for name, note in _WORKS.items():
        table[name] = Entry(name, "works", note)
    for name, meaning in _COMPOSED.items():
        table[name] = Entry(name, "works", f"elementwise, computed as {meaning}")
    for name in _ELEMENTWISE:
        table[name] = Entry(name, "works", "elementwise, in T.Parallel")
    for name, target in DTYPE_NAMES.items():
        use = "indices, conditions and host code"
        if target in DTYPES:
            use = "tensors, blocks and casts"
        elif target == "int32":
            use += (
                "; tensors and blocks of int8 T.gemm, which runs simulated only; tensors and blocks"
                " whose numbers are used as real ones, exact below 2**24, or are computed from"
                " indices, conditions, bounded data and real numbers that are cut, and provably"
                " stay that small"
            )
        elif target in INTEGERS:
            use += (
                "; tensors and blocks of T.gemm, from -127 to 127, which runs simulated only;"
                " others hold numbers from -128 to 127, cut from real ones that are clamped and"
                " used as real ones"
            )
        elif target == TRUTH:
            use += (
                "; blocks of conditions, stored from comparisons in T.Parallel; tensors that are"
                " only read, of bytes that are zero or not"
            )
        elif target in MASKS:
            use += (
                "; tensors and blocks of numbers from 0 to 255, cut from real ones that are clamped"
                " and used as real ones"
            )
        table[name] = Entry(name, "works", f"the dtype {target}: for {use}")
    for name, note in _IGNORED.items():
        table[name] = Entry(name, "ignored", note)
    for name in (*REFUSED, *NAMES):
        if name not in table:
            table[name] = refusal(name)
    return dict(sorted(table.items(), key=lambda item: (item[0].lower(), item[0])))


def refusal(name: str) -> Entry:
    """Why a name is refused, known or not."""
    if name in REFUSED:
        why, instead = REFUSED[name]
        return Entry(name, "refused", why, instead)
    for pattern, why, instead in FAMILIES:
        if re.fullmatch(pattern, name):
            return Entry(name, "refused", why, instead)
    return Entry(name, "refused", "is not a name this language has",
                 "docs/language.md lists what can be written")  # fmt: skip


TABLE: Final = _entries()
"""Every name, in alphabetical order."""


def refuse(name: str) -> NoReturn:
    """Raise what the table says of a refused name.

    Raises:
        LanguageError: always.
    """
    if name not in TABLE and not any(re.fullmatch(p, name) for p, *_ in FAMILIES[:-1]):
        near = difflib.get_close_matches(name, [e.name for e in TABLE.values()
                                                if e.status != "refused"], 1)  # fmt: skip
        raise LanguageError(f"T.{name} is no name of TileLang's",
                            next_step=f"write T.{near[0]}" if near
                            else "docs/language.md lists what can be written")  # fmt: skip
    entry = TABLE.get(name) or refusal(name)
    raise LanguageError(f"T.{name} is not supported: {entry.note}", next_step=entry.instead)


def markdown() -> str:
    """The table as a Markdown document."""
    lines = [
        "# The language, name by name",
        "",
        (
            "Printed by `python -m harness.language`; edit `harness/language/names/table.py` and"
            " `refusals.py`, not this file."
        ),
        "",
        (
            "Kernels are written as TileLang kernels, with `import tilelang.language as T` (read by"
            " `tt-harness`) or `import harness.language as T`. A refused name raises at its line."
        ),
        "",
    ]
    heads = {"works": ("Works", "meaning"), "ignored": ("Accepted and ignored", "why that is safe"),
             "refused": ("Refused", "why, and what to write instead")}  # fmt: skip
    for status, (head, column) in heads.items():
        lines += [f"## {head}", "", f"| name | {column} |", "|---|---|"]
        for entry in TABLE.values():
            if entry.status == status:
                text = entry.note + (f"; {entry.instead}" if entry.instead else "")
                lines.append(f"| `T.{entry.name}` | {text.replace('|', chr(92) + '|')} |")
        lines.append("")
    lines += ["Vector dtypes (`T.float16x4` and the like) are refused: tiles are the vectors here.",
              ""]  # fmt: skip
    return "\n".join(lines)
