"""A kernel from the JSON of TileLang's own IR (harness/frontend/walker.py), as a PrimFunc.

The same builders run as when a kernel is parsed here, so the same kernel gives the same IR. It
keeps no source lines, so errors name the kernel only.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import Any, Final

import tvm
from tvm import tirx
from tvm.ir import Range, TensorRegion
from tvm.script.ir_builder import IRBuilder
from tvm.tirx.script import builder as S
from tvm.tirx.stmt import BufferRegionType

from harness.errors import LanguageError
from harness.language import elementwise as E
from harness.language import ops
from harness.language.blockformats import dtype_of
from harness.language.dtypes import DType
from harness.language.parsing.assign import has_load
from harness.language.parsing.frames import NUM_STAGES, Kernel
from harness.language.parsing.locals import Locals, Stale
from harness.language.rewriting.blockviews import view
from harness.language.rewriting.convolve import im2col
from harness.language.rewriting.finished import finished
from harness.language.rewriting.flat import reshaped
from harness.language.rewriting.inturn import alloc_global, declare_between, declare_made
from harness.language.tensors import (
    TENSOR_DTYPES,
    VAR,
    alloc_fragment,
    alloc_local,
    alloc_shared,
    dtype_name,
)
from harness.language.variables import alloc_var

_OPERATORS: Final[dict[str, Callable[[Any, Any], Any]]] = {
    "Add": operator.add, "Sub": operator.sub, "Mul": operator.mul, "FloorDiv": operator.floordiv,
    "FloorMod": operator.mod, "Div": operator.truediv, "Min": tirx.Min, "Max": tirx.Max,
    "EQ": tirx.EQ, "NE": tirx.NE, "LT": tirx.LT, "LE": tirx.LE, "GT": tirx.GT, "GE": tirx.GE,
    "And": tirx.And, "Or": tirx.Or,
}  # fmt: skip
_UNARY: Final = {"fabs": E.abs} | {n: getattr(E, n) for n in E.UNARY}
_ALLOCATE: Final = {"shared": alloc_shared, "shared.dyn": alloc_shared, "local": alloc_local,
                    "local.fragment": alloc_fragment}  # fmt: skip
_PASSED_OVER: Final = ("tl.launch_thread_idx", "tirx.tvm_tuple", "tir.tvm_tuple",
                       "tirx.tvm_storage_sync", "tir.tvm_storage_sync")  # fmt: skip


def rebuild(data: Mapping[str, Any]) -> Any:
    """The PrimFunc, or a module of several in turn.

    Raises:
        LanguageError: a node without meaning here; the message names it.
    """
    try:
        with IRBuilder() as builder, S.prim_func(is_private=False):
            S.func_name(data["name"])
            _Builder(data).run()
        return finished(builder.get())
    except LanguageError as error:
        error.location = error.location or str(data["name"])
        raise


class _Builder:
    def __init__(self, data: Mapping[str, Any]) -> None:
        self.data = data
        self.buffers: dict[int, Any] = {}
        self.memory: dict[int, Any] = {}
        self.values: dict[int, Any] = {}
        self.names: dict[int, str] = {}
        self.nest: Locals | None = None

    def run(self) -> None:
        """Declare the tensors and emit the body."""
        for number in self.data["params"]:
            if number is None:
                raise LanguageError("a parameter is not a tensor")
            declared = self.data["buffers"][number]
            shape = [self.expr(s) for s in declared["shape"]]
            buffer = S.buffer(tuple(shape), dtype_name(declared["dtype"], accepted=TENSOR_DTYPES))
            self.declare(number, S.arg(declared["name"], buffer))
        self.grids(self.data["body"])
        declare_made(self)

    def grids(self, body: list[Any]) -> None:
        """One T.Kernel, or several in turn and the tensors they leave one another."""
        parts = []
        for statement in body:
            number = statement.get("b")
            if statement["k"] != "alloc" or self.data["buffers"][number]["scope"] != "global":
                parts.append(statement)
                continue
            made = self.data["buffers"][number]
            tensor = alloc_global([self.expr(d) for d in made["shape"]], made["dtype"])
            self.declare(number, declare_between(self, made["name"], tensor))
        several = len(parts) > 1 and all(map(_is_grid, parts))
        for part in [[p] for p in parts] if several else [parts]:
            self.grid(part, [])

    def declare(self, number: int, buffer: Any) -> None:
        """A parameter or block, first of its memory."""
        self.buffers[number] = buffer
        self.memory[self.data["buffers"][number]["data"]] = buffer

    def buffer(self, number: int) -> Any:
        """A buffer; one that was never declared is a view of another's memory."""
        if number not in self.buffers:
            view = self.data["buffers"][number]
            whole = self.memory.get(view["data"])
            if whole is None:
                raise LanguageError(f"{view['name']!r} has no memory")
            shape = tuple(int(self.expr(d)) for d in view["shape"])
            same = shape == tuple(map(int, whole.ty.shape)) and view["dtype"] == dtype_of(whole)
            made = whole if same else self.reshaped(whole, shape, dtype_name(view["dtype"]))
            self.buffers[number] = made if same else IRBuilder.name(view["name"], made)
        return self.buffers[number]

    @staticmethod
    def reshaped(whole: Any, shape: tuple[int, ...], dtype: str) -> Any:
        """A tensor's or block's memory in another shape."""
        if whole.ty.storage_scope in ("", "global"):
            return reshaped(shape, dtype, whole.data)
        return view(whole, shape, dtype)

    def grid(self, body: list[Any], axes: list[dict[str, Any]]) -> None:
        """The loops over blocks, outermost first, and what is under them."""
        if len(body) == 1 and _is_grid(body[0]):
            self.grid(body[0]["body"], [*axes, body[0]])
            return
        axes = sorted(axes, key=lambda axis: str(axis["tag"]))
        if not axes:
            raise LanguageError("no T.Kernel", code="NoKernel")
        with Kernel(*(self.expr(a["extent"]) for a in axes)) as ids:
            for axis, var in zip(axes, ids if isinstance(ids, list) else [ids], strict=True):
                IRBuilder.name(axis["name"], var)
                self.values[axis["var"]] = var
            self.body(body)

    def body(self, statements: list[Any]) -> None:
        """Statements in order."""
        for statement in statements:
            self.statement(statement)

    def statement(self, s: Mapping[str, Any]) -> None:
        """One statement."""
        kind = s["k"]
        if kind == "alloc":
            declared = self.data["buffers"][s["b"]]
            make = _ALLOCATE.get(declared["scope"])
            if declared["scope"] == VAR:
                buffer = alloc_var(declared["dtype"]).named(declared["name"]).source
            elif make is None:
                raise LanguageError(f"a buffer of scope {declared['scope']!r}")
            else:
                buffer = make([self.expr(d) for d in declared["shape"]], declared["dtype"])
                IRBuilder.name(declared["name"], buffer)
            self.declare(s["b"], buffer)
        elif kind == "for":
            self.loop(s)
        elif kind == "store":
            buffer = self.buffer(s["b"])
            value, dtype = self.expr(s["value"]), str(buffer.ty.dtype)
            S.buffer_store(buffer, E.cast(value, DType(dtype)), [self.expr(i) for i in s["i"]])
            for var in self.nest.stored(buffer) if self.nest is not None else ():
                self.values[var] = Stale(self.names[var], buffer.name)
        elif kind == "bind":
            self.bind(s)
        elif kind == "if":
            with S.If(self.expr(s["test"])):
                with S.Then():
                    self.body(s["then"])
                if s["else"]:
                    with S.Else():
                        self.body(s["else"])
        elif kind == "eval":
            self.evaluate(s["value"])
        else:
            raise LanguageError(f"a {s.get('what', kind)} statement has no meaning here")

    def loop(self, s: Mapping[str, Any]) -> None:
        """A loop: serial or unrolled, parallel or vectorized."""
        if s["kind"] not in (0, 1, 2, 3):
            raise LanguageError("a loop over GPU threads has no meaning here")
        start, extent = self.expr(s["min"]), self.expr(s["extent"])
        stop = extent if tvm.sym.Analyzer().can_prove_equal(start, 0) else start + extent
        notes = {} if s["stages"] is None else {"annotations": {NUM_STAGES: s["stages"]}}
        parallel = s["kind"] in (1, 2)
        frame, outer = S.parallel if parallel else S.serial, self.nest
        if parallel:
            self.nest = outer or Locals()
        with ExitStack() as stack:
            var = stack.enter_context(frame(start, stop, **notes))
            IRBuilder.name(_loop_name(s), var)
            self.values[s["var"]] = var
            self.body(s["body"])
        self.nest = outer

    def bind(self, s: Mapping[str, Any]) -> None:
        """A name for a value: what reads memory is kept, indices stand for themselves."""
        if s["value"].get("op") in _PASSED_OVER:
            return
        value = self.expr(s["value"])
        if has_load(value) and self.nest is not None:
            self.nest.note(s["var"], value)
            self.names[s["var"]] = s["name"]
        elif has_load(value):
            value = IRBuilder.name(s["name"], S.Bind(value))
        self.values[s["var"]] = value

    def evaluate(self, value: Mapping[str, Any]) -> None:
        """A tile op."""
        name, args = str(value.get("op", value["k"])), value.get("args", [])
        if value["k"] != "call" or name in _PASSED_OVER:
            return
        op = name.removeprefix("tl.tileop.").removeprefix("tl.")
        if op == "copy":
            S.evaluate(ops.copy(self.region(args[0]), self.region(args[1])))
        elif op == "fill":
            S.evaluate(ops.fill(self.region(args[0]), self.number(args[1])))
        elif op == "gemm":
            flags = [bool(args[i].get("v")) for i in (3, 4, 9)]
            a, b, c = (self.region(r) for r in args[:3])
            S.evaluate(ops.gemm(a, b, c, flags[0], flags[1], clear_accum=flags[2]))
        elif op == "reduce":
            kind, dim, clear = (args[i]["v"] for i in (2, 3, 4))
            src, dst = self.region(args[0]), self.region(args[1])
            S.evaluate(ops.reduce(src, dst, str(kind), int(dim), bool(clear)))
        elif op == "cumsum":
            src, dst = self.region(args[0]), self.region(args[1])
            S.evaluate(ops.cumsum(src, dst, int(args[2]["v"]), bool(args[3]["v"])))
        elif op in ("im2col", "c2d_im2col"):
            img, col = (self.region(r).source for r in args[:2])
            im2col(img, col, *map(self.expr, args[2:4]), *(int(a["v"]) for a in args[4:8]))
        else:
            raise LanguageError(f"T.{op} is not supported by this way of reading",
                                next_step="read the file without --frontend tilelang")  # fmt: skip

    def region(self, value: Mapping[str, Any]) -> TensorRegion:
        """``tl.region(buffer[starts], access, extents…)``."""
        if value.get("op") != "tl.region":
            raise LanguageError("an operand is not a region of a buffer")
        load, _, *extents = value["args"]
        buffer = self.buffer(load["b"])
        ranges = [Range.from_min_extent(self.expr(i), self.expr(e))
                  for i, e in zip(load["i"], extents, strict=True)]  # fmt: skip
        return TensorRegion(buffer, ranges, BufferRegionType())

    def number(self, value: Mapping[str, Any]) -> Any:
        """A number as Python has it, so that it takes the dtype of where it goes."""
        return int(value["v"]) if value["k"] == "int" else self.expr(value)

    def expr(self, e: Mapping[str, Any]) -> Any:
        """An expression."""
        kind = e["k"]
        if kind in ("int", "float"):
            return tirx.const(int(e["v"]) if kind == "int" else float(e["v"]), e["t"])
        if kind == "py":
            return e["v"]
        if kind == "var":
            if e["n"] not in self.values:
                raise LanguageError(
                    "a value of a GPU thread, or a place of T.Persistent, has no meaning here",
                    next_step="read the file without --frontend tilelang",
                )
            value = self.values[e["n"]]
            return value.refuse() if isinstance(value, Stale) else value
        if kind == "load":
            return self.buffer(e["b"])[tuple(self.expr(i) for i in e["i"])]
        if kind in _OPERATORS:
            return _OPERATORS[kind](self.expr(e["a"]), self.expr(e["b"]))
        if kind == "Not":
            return tirx.Not(self.expr(e["a"]))
        if kind == "Cast":
            return tirx.Cast(e["t"], self.expr(e["a"]))
        if kind == "Select":
            return E.if_then_else(self.expr(e["c"]), self.expr(e["a"]), self.expr(e["b"]))
        if kind == "call":
            return self.call(str(e["op"]).split(".", 1)[-1], e)
        raise LanguageError(f"a {e.get('what', kind)} expression has no meaning here")

    def call(self, name: str, e: Mapping[str, Any]) -> Any:
        """A function of expressions."""
        args = e["args"]
        if name == "infinity":
            return E.infinity(args[0]["v"])
        if name == "if_then_else":
            return E.if_then_else(*(self.expr(a) for a in args))
        if name == "clamp":
            return E.clamp(*(self.expr(a) for a in args))
        if name == "pow_of_int":
            return E.pow(self.expr(args[0]), int(args[1]["v"]))
        if name == "pow":
            return E.pow(self.expr(args[0]), self.expr(args[1]))
        if name in _UNARY:
            return _UNARY[name](self.expr(args[0]))
        raise LanguageError(f"T.{name} in an expression is not supported",
                            next_step="docs/language.md lists what can be written")  # fmt: skip


def _is_grid(s: Mapping[str, Any]) -> bool:
    return s["k"] == "for" and str(s["tag"]).startswith("blockIdx")


def _loop_name(loop: Mapping[str, Any]) -> str:
    """A loop's variable; in a loop with a step TileLang binds it first, to a multiple."""
    first: Mapping[str, Any] = next(iter(loop["body"]), {})
    bound = first.get("k") == "bind" and loop["name"].startswith("_tmp")
    return str(first["name"] if bound else loop["name"])
