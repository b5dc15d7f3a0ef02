"""One program as a tt-metal kernel in C++.

The printer decides nothing: every device op is one line of the table, in the program's order, and
init and reconfigure calls are ops like any other. The text depends on the plan and the program
alone, so it is byte-equal whenever they are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from harness.codegen.arguments import Arguments, arguments_of
from harness.codegen.errors import CodegenError
from harness.codegen.expression import ARGUMENT, Scope
from harness.codegen.fields import Fields
from harness.codegen.helpers import helper_text
from harness.codegen.names import circular_names, local_names
from harness.codegen.table import COMMON, DATAFLOW, LINES, TTNN_VERSION
from simulator.isa import OPS
from simulator.plan.schema import Kernel, Plan
from simulator.program import LOAD, If, Let, Loop, Op, Program, Stmt
from simulator.program.expr import POINTERS, Range

_INDENT: Final = "    "
_ROLES: Final = {"ncrisc": "NCRISC (RISCV_1)", "brisc": "BRISC (RISCV_0)",
                 "compute": "the compute RISCs: unpack, math and pack"}  # fmt: skip


def print_kernel(plan: Plan, kernel: Kernel, program: Program) -> str:
    """The C++ text of ``program`` placed by ``kernel``.

    Raises:
        CodegenError: an op or operand without a tt-metal spelling.
    """
    return _Printer(plan, kernel, program).text()


class _Printer:
    """State of printing one kernel."""

    def __init__(self, plan: Plan, kernel: Kernel, program: Program) -> None:
        self.plan, self.kernel, self.program = plan, kernel, program
        self.arguments = arguments_of(kernel, program)
        names = circular_names(plan)
        self.cbs = {cb.id: (cb, names[cb.id]) for cb in plan.circular_buffers}
        ranges: dict[str, Range] = dict.fromkeys(
            (*program.compile_args, *program.common_args, *program.runtime_args), ARGUMENT
        )
        self.scope = Scope(local_names(program), ranges, self._pointer,
                           compute=program.thread == "compute")  # fmt: skip
        self.includes: set[str] = set()
        self.used_cbs: set[int] = set()
        self.used_names: set[str] = set()

    def text(self) -> str:
        """The whole file."""
        body = list(self._body(self.program.body, 1, None))
        opening = list(self._arguments())
        return "".join(
            (self._head(), self._constants(), helper_text(self.scope.helpers),
             "void kernel_main() {\n", *opening, *body, "}\n")
        )  # fmt: skip

    # --- statements ------------------------------------------------------------------------

    def _body(self, body: tuple[Stmt, ...], depth: int, loc: str | None) -> Iterator[str]:
        pad = _INDENT * depth
        bound = []
        for stmt in body:
            if stmt.loc is not None and stmt.loc != loc:
                loc = stmt.loc
                yield f"{pad}// {loc}\n"
            if isinstance(stmt, Op):
                yield f"{pad}{self._op(stmt)}\n"
            elif isinstance(stmt, Let):
                value = self._expr(stmt.value)
                self.scope.ranges[stmt.var] = self.scope.range_of(stmt.value)
                bound.append(stmt.var)
                kind = "auto" if _is_address(stmt.value) else "int32_t"
                yield f"{pad}const {kind} {self.scope.names[stmt.var]} = {value};\n"
            elif isinstance(stmt, If):
                yield f"{pad}if ({self._expr(stmt.cond)}) {{\n"
                yield from self._body(stmt.then, depth + 1, loc)
                if stmt.orelse:
                    yield f"{pad}}} else {{\n"
                    yield from self._body(stmt.orelse, depth + 1, loc)
                yield f"{pad}}}\n"
            else:
                yield from self._loop(stmt, depth, loc)
        for name in bound:
            del self.scope.ranges[name]

    def _loop(self, stmt: Loop, depth: int, loc: str | None) -> Iterator[str]:
        pad, var = _INDENT * depth, self.scope.names[stmt.var]
        start, stop = self._expr(stmt.start), self._expr(stmt.stop)
        low, high = self.scope.range_of(stmt.start), self.scope.range_of(stmt.stop)
        reach: Range = None
        if stmt.step > 0 and low is not None and high is not None:
            reach = (low[0], max(low[0], high[1] - 1))
        step = {1: f"++{var}", -1: f"--{var}"}.get(stmt.step, f"{var} += {stmt.step}")
        sign = "<" if stmt.step > 0 else ">"
        yield f"{pad}for (int32_t {var} = {start}; {var} {sign} {stop}; {step}) {{\n"
        self.scope.ranges[stmt.var] = reach
        yield from self._body(stmt.body, depth + 1, loc)
        del self.scope.ranges[stmt.var]
        yield f"{pad}}}\n"

    def _op(self, stmt: Op) -> str:
        spec, line = OPS.get(stmt.name), LINES.get(stmt.name)
        if spec is None or line is None:
            raise CodegenError(f"device op {stmt.name!r} has no line", location=stmt.loc)
        for operand, value in zip(spec.operands, stmt.args, strict=False):
            if operand.kind == "cb" and isinstance(value, int):
                self.used_cbs.add(value)
            if operand.kind == "tensor":
                self.used_names.add(value)
            elif operand.kind in ("expr", "dst", "l1"):
                self._note(value)
        try:
            fields = Fields(spec, stmt.args, self.scope, self.cbs, self.kernel.compute,
                            self.kernel.noc)  # fmt: skip
            text = line.text.format_map(fields)
        except CodegenError as error:
            raise CodegenError(f"{stmt.name}: {error.message}", location=stmt.loc,
                               next_step=error.next_step) from None  # fmt: skip
        if line.include:
            self.includes.add(line.include)
        self.scope.helpers.update(line.helpers)
        return text

    def _expr(self, expr: Any) -> str:
        self._note(expr)
        return self.scope.print(expr)

    def _note(self, expr: Any) -> None:
        """Remember the names and circular buffers an expression uses."""
        if isinstance(expr, str):
            self.used_names.add(expr)
        elif isinstance(expr, (list, tuple)) and len(expr) > 1:
            if expr[0] in ("get_write_ptr", "get_read_ptr", LOAD):
                self.used_cbs.add(expr[1])
                for item in expr[2:]:
                    self._note(item)
            elif expr[0] != "get_semaphore":
                for item in expr[1:]:
                    self._note(item)

    def _pointer(self, operator: str, number: Any) -> str:
        if operator == "get_semaphore":
            return f"get_semaphore({number})"
        if number not in self.cbs:
            raise CodegenError(f"{operator}: circular buffer {number} is not in the plan")
        name = self.cbs[number][1]
        return str(name) if operator == LOAD else f"{operator}({name})"

    # --- everything around them -------------------------------------------------------------

    def _head(self) -> str:
        program, compute = self.program, self.program.thread == "compute"
        noc = "" if self.kernel.noc is None else f" on NoC {self.kernel.noc}"
        lines = [
            f"// {program.name} of {self.plan.name}: runs on {_ROLES[program.thread]}{noc}.\n",
            f"// Printed by tt-harness for ttnn {TTNN_VERSION} from programs.json, one line per",
            " device op.\n\n#include <cstdint>\n",
        ]
        wanted = {COMMON, "api/compute/cb_api.h"} if compute else {DATAFLOW}
        if program.accessors:
            wanted.add("api/tensor/tensor_accessor.h")
        if "algorithm" in self.scope.helpers:
            lines.insert(3, "#include <algorithm>\n")
        lines += [f'#include "{name}"\n' for name in sorted(wanted | self.includes)]
        return "".join(lines) + "\n"

    def _constants(self) -> str:
        out = [f"constexpr uint32_t {name} = {number};"
               f"  // {cb.depth} pages of {cb.page_bytes} bytes, {cb.data_format}\n"
               for number, (cb, name) in self.cbs.items() if number in self.used_cbs]  # fmt: skip
        if out:
            out.append("\n")
        names = self.scope.names
        groups = (("Compile", "behind the accessors' words", self.program.compile_args),
                  ("Common", "the same on every core", self.program.common_args),
                  ("Runtime", "per core", self.program.runtime_args))  # fmt: skip
        enums = [f"{_INDENT}enum {group} : uint32_t {{ {', '.join(names[n] for n in listed)} }};"
                 f"  // {what}\n" for group, what, listed in groups if listed]  # fmt: skip
        if enums:
            out += ["// Positions of arguments; the host fills them from the same table.\n",
                    "struct Args {\n", *enums, "};\n\n"]  # fmt: skip
        return "".join(out)

    def _arguments(self) -> Iterator[str]:
        program, args = self.program, self.arguments
        offset = "0"
        for name in program.accessors:
            text = self.scope.names[name]
            yield f"{_INDENT}constexpr auto {text}_args = TensorAccessorArgs<{offset}>();\n"
            address = self.scope.names[f"{name}_addr"]
            yield (f"{_INDENT}const auto {text} = TensorAccessor({text}_args,"
                   f" get_common_arg_val<uint32_t>(Args::{address}));\n")  # fmt: skip
            offset = f"{text}_args.next_compile_time_args_offset()"
        base = "" if offset == "0" else f"{offset} + "
        sources = ((program.compile_args, f"get_compile_time_arg_val({base}Args::{{}})"),
                   (program.common_args, "get_common_arg_val<{kind}>(Args::{})"),
                   (program.runtime_args, "get_arg_val<{kind}>(Args::{})"))  # fmt: skip
        for listed, call in sources:
            for name in listed:
                if name in self.used_names:
                    yield self._argument(name, call, args)

    def _argument(self, name: str, call: str, args: Arguments) -> str:
        text = self.scope.names[name]
        if name in args.semaphores:
            value = call.format(text, kind="uint32_t")
            return f"{_INDENT}const uint32_t {text} = get_semaphore({value});\n"
        kind = "uint32_t" if _is_buffer(args, name) else "int32_t"
        return f"{_INDENT}const {kind} {text} = {call.format(text, kind=kind)};\n"


def _is_buffer(args: Arguments, name: str) -> bool:
    value = dict(args.common).get(name)
    return isinstance(value, dict) and "addr" in value


def _is_address(expr: Any) -> bool:
    """Whether an expression contains a pointer, and so is unsigned."""
    if not isinstance(expr, (list, tuple)):
        return False
    return expr[0] in POINTERS or any(_is_address(item) for item in expr[1:])


def programs_by_name(
    plan: Plan, programs: tuple[Program, ...]
) -> Mapping[str, tuple[Kernel, Program]]:
    """Program name to its placement and tree, in the plan's order.

    Raises:
        CodegenError: a kernel of the plan names no program.
    """
    trees = {program.name: program for program in programs}
    out = {}
    for kernel in plan.kernels:
        if kernel.program not in trees:
            raise CodegenError(f"there is no program {kernel.program!r}")
        out[kernel.program] = (kernel, trees[kernel.program])
    return out
