"""What compiler and golden misread alike: their answers agree, and are wrong.

Each fault is put into pass 4 and into golden at once, on kernels where the two come to the same.
Nothing that holds the one against the other can tell; the source compiled by LLVM can.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from tvm import tirx
from tvm.ir import Call, StringImm

from golden.arithmetic import Arithmetic
from golden.functions import Functions
from golden.interpret import expressions
from golden.interpret.expressions import Evaluator
from golden.interpret.tileops import TileOps
from harness.compiler.block.reading import conditions, nest, read
from harness.compiler.block.reading.nest import Nest
from harness.compiler.passes import lower_tiles
from harness.mutants.families.places import of_region
from harness.mutants.registry import Mutant, Where, on_kernels, substitution

FAMILY: Final = "misread"
READS: Final = {"reduce": (read, "reduced"), "cumsum": (read._Reader, "cumsum")}  # noqa: SLF001
"""What reads a tile op in pass 4."""
Wrap = Callable[[Any], Any]


def _one(name: str, breaks: str, kernels: tuple[str, ...], *parts: tuple[Any, str, Wrap]) -> Mutant:
    return substitution(FAMILY, f"misread-{name}", Where.PASS4, breaks, *parts,
                        applies=on_kernels(kernels), alike=True)  # fmt: skip


def _argument(index: int, change: Callable[[Any], Any]) -> tuple[Wrap, Wrap]:
    """An operand of a tile op, a word or a truth, as pass 4 and as golden read it."""

    def new(args: Any) -> list[Any]:
        return [*args[:index], change(args[index]), *args[index + 1 :]]

    def node(given: Any) -> Any:
        if isinstance(given, StringImm):
            return StringImm(change(str(given.value)))
        return tirx.const(change(bool(int(given))), "bool")

    def called(call: Call) -> Call:
        args = list(call.args)
        args[index] = node(args[index])
        return Call(call.op, args, call.attrs, ret_ty=call.ty, span=call.span)

    return (lambda old: lambda reader, call, parts: old(reader, called(call), parts),
            lambda old: lambda self, args, evaluator: old(self, new(args), evaluator))  # fmt: skip


def _tile_op(name: str, op: str, breaks: str, kernels: tuple[str, ...], index: int,
             change: Callable[[Any], Any]) -> Mutant:  # fmt: skip
    compiled, golden = _argument(index, change)
    return _one(name, breaks, kernels, (*READS[op], compiled), (TileOps, f"_{op}", golden))


def _gemm(**fields: Any) -> Wrap:
    """Products with other flags."""

    def wrap(old: Any) -> Any:
        def new(*args: Any) -> Any:
            made = old(*args)
            for name, value in fields.items():
                setattr(made, name, value)
            return made

        return new

    return wrap


def _flag(index: int, value: int) -> Wrap:
    return lambda old: lambda self, args, evaluator: old(
        self, [*args[:index], value, *args[index + 1 :]], evaluator)  # fmt: skip


def _binary(change: Callable[[str, Any, Any], tuple[str, Any, Any]]) -> Wrap:
    return lambda old: lambda op, a, b: old(*change(op, a, b))


def _kind(ring: Mapping[str, str]) -> Callable[[Any], Any]:
    return lambda kind: ring.get(kind, kind)


def _compared(old: Any) -> Any:
    return tuple((kind, "gtz" if kind is tirx.GE else op) for kind, op in old)


MUTANTS: Final = (
    _one("greater-equal", "A mask's >= is taken for >.", ("masked",),
         (conditions, "_COMPARE", _compared),
         (expressions, "INDEX_OPS", lambda old: {**old, "GE": old["GT"]})),
    _one("branches", "A choice has its branches crosswise.", ("masked",),
         (Nest, "_select", lambda old: lambda self, c, a, b: old(self, c, b, a)),
         (Evaluator, "_select", lambda old: lambda self, c, a, b: old(self, c, b, a))),
    _one("minimum", "A maximum of two is taken for the minimum.", ("mixed",),
         (nest, "binary", _binary(lambda op, a, b: ({"max": "min"}.get(op, op), a, b))),
         (Functions, "maximum", lambda old: Functions.minimum)),
    _one("difference", "A difference has its operands exchanged.", ("mixed",),
         (nest, "binary", _binary(lambda op, a, b: (op, b, a) if op == "sub" else (op, a, b))),
         (Arithmetic, "sub",
          lambda old: lambda self, x, y, *rest: old(self, y, x, *rest))),
    _one("function", "The base of exponentials is taken for 2.", ("softmax",),
         (nest, "Unary", lambda old: lambda op, x: old({"exp": "exp2"}.get(op, op), x)),
         (Functions, "call", lambda old: lambda self, name, *rest: old(
             self, {"exp": "exp2"}.get(name, name), *rest))),
    _one("transpose", "transpose_B is not looked at.", ("gemm",),
         (read, "Gemm", _gemm(trans_b=False)), (TileOps, "_gemm", _flag(4, 0))),
    _one("condition", "Elements at computed places are read where none should be.", ("scattered",),
         (lower_tiles, "emit_gather", of_region(inside=None)),
         (Evaluator, "_select", lambda old: lambda self, c, a, b: self.value(a))),
    _tile_op("reduction", "reduce", "The least of a column is taken for the largest.",
             ("column_max",), 2, _kind({"max": "min"})),
    _tile_op("sizes", "reduce", "Sums are sums of magnitudes.", ("row_sum",), 2,
             _kind({"sum": "abssum"})),
    _tile_op("running-sum", "cumsum", "Running sums all begin at the first element.",
             ("running_sums",), 3, lambda _: False),
)  # fmt: skip
