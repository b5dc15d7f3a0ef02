"""Running printed kernels on this machine: the device's API as functions that log their arguments.

A kernel compiled against the shim prints one line per device op, with the values its expressions
really have. :func:`expected` says the same by walking the program tree, so that the two can be
compared: control flow, arithmetic, arguments and operand order of the printed text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from harness.codegen.arguments import arguments_of
from harness.codegen.expression import Scope
from harness.codegen.fields import Fields
from harness.codegen.helpers import HELPERS
from harness.codegen.names import circular_names
from harness.codegen.printer import print_kernel
from harness.codegen.table import LINES
from simulator.isa import OPS
from simulator.plan.schema import Kernel, Plan
from simulator.program import If, Let, Loop, Op, Program, Stmt
from tests.harness.codegen.native import run

_ENUMS = """
enum class SrcOrder { Regular, Reverse };
enum class PoolType { SUM, AVG, MAX };
enum class ReduceDim { REDUCE_ROW, REDUCE_COL, REDUCE_SCALAR };
enum class BroadcastType { NONE, ROW, COL, SCALAR };
enum class DataFormat { Float32, Float16_b, Float16, Bfp8_b, Bfp4_b, UInt8, UInt16, UInt32, Int8,
                        Int32 };
template <unsigned Offset> struct TensorAccessorArgs {
    static constexpr unsigned next_compile_time_args_offset() { return Offset + 2; }
};
struct TensorAccessor {
    uint32_t address;
    template <class T> TensorAccessor(const T&, uint32_t address) : address(address) {}
};
template <class T> void show(T value) { std::printf(" %lld", (long long)(int32_t)value); }
inline void show(float value) { std::printf(" %.9g", value); }
inline void show(const TensorAccessor& tensor) { show(tensor.address); }
template <class... T> void log(const char* name, const T&... values) {
    std::printf("%s", name);
    (show(values), ...);
    std::printf("\\n");
}
uint32_t get_write_ptr(uint32_t cb) { return 0x10000 * (cb + 1); }
uint32_t get_read_ptr(uint32_t cb) { return 0x10000 * (cb + 1) + 0x8000; }
uint32_t get_semaphore(uint32_t id) { return 16 * id; }
template <class T> T get_arg_val(int i) { return (T)runtime_words[i]; }
template <class T> T get_common_arg_val(int i) { return (T)common_words[i]; }
template <class D, int H, int W, unsigned X, class... T> void zero_tile_region(const T&... v) {
    log("zero_tile_region", v...);
}
template <class D, class... T> void copy_datums_l1(const T&... v) { log("copy_datums_l1", v...); }
template <int H, int W, unsigned X, class... T> void zero_tile_region_4bit(const T&... v) {
    log("zero_tile_region_4bit", v...);
}
"""


def address_of(buffer: str) -> int:
    """The address a kernel is told for a buffer."""
    return 0x100000 + 64 * (sum(map(ord, buffer)) % 1000)


def executed(plan: Plan, kernel: Kernel, program: Program, core: str, at: Path) -> list[str]:
    """What the printed kernel issues on a core."""
    text = print_kernel(plan, kernel, program)
    for name in ("fill_tile_l1", "generate_reduce_scaler", "index_tile_l1", "copy_l1",
                 "copy_datums_l1", "zero_tile_region", "zero_tile_region_4bit"):  # fmt: skip
        text = text.replace(HELPERS[name], "")
    text = "\n".join(line for line in text.splitlines() if not line.startswith("#include"))
    args = arguments_of(kernel, program)
    words = ", ".join(str(word(v)) for v in args.per_core.get(core, ())) or "0"
    common = ", ".join(str(word(v)) for _, v in args.common) or "0"
    names = sorted({called(op) for op in OPS} - {
        "zero_tile_region", "zero_tile_region_4bit", "copy_datums_l1", ""})  # fmt: skip
    functions = "".join(
        f'template <auto... M, class... T> void {name}(const T&... v) {{ log("{name}", v...); }}\n'
        for name in names
    )
    return run(
        f"static const uint32_t runtime_words[] = {{{words}}};\n"
        f"static const uint32_t common_words[] = {{{common}}};\n"
        f"{_ENUMS}{functions}{text}\nint main() {{ kernel_main(); }}\n",
        at,
    ).splitlines()


def called(op: str) -> str:
    """The function a line of the table calls."""
    match = re.match(r"\w+", LINES[op].text)
    return match[0] if match else ""


def word(value: Any) -> int:
    """An argument's word."""
    return value if isinstance(value, int) else address_of(value["addr"])


def expected(plan: Plan, kernel: Kernel, program: Program, core: str) -> list[str]:
    """What the program tree issues on a core."""
    args = arguments_of(kernel, program)
    names = dict(zip(program.runtime_args, map(word, args.per_core.get(core, ())), strict=True))
    names |= {name: word(value) for name, value in args.common}
    cbs = circular_names(plan)
    buffers = {cb.id: (cb, cbs[cb.id]) for cb in plan.circular_buffers}
    accessors = {a: address_of(b) for a, b in args.accessors}
    return [_line(op, env, kernel, buffers, accessors) for op, env in _walk(program.body, names)]


def _walk(body: tuple[Stmt, ...], env: dict[str, int]) -> Iterator[tuple[Op, dict[str, int]]]:
    env = dict(env)
    for stmt in body:
        if isinstance(stmt, Op):
            yield stmt, env
        elif isinstance(stmt, Let):
            env[stmt.var] = value(stmt.value, env)
        elif isinstance(stmt, If):
            yield from _walk(stmt.then if value(stmt.cond, env) else stmt.orelse, env)
        elif isinstance(stmt, Loop):
            for i in range(value(stmt.start, env), value(stmt.stop, env), stmt.step):
                yield from _walk(stmt.body, {**env, stmt.var: i})


def value(expr: Any, env: dict[str, int]) -> int:
    """The value of an expression."""
    if isinstance(expr, int):
        return expr
    if isinstance(expr, str):
        return env[expr]
    operator = expr[0]
    if operator == "get_write_ptr":
        return 0x10000 * (int(expr[1]) + 1)
    if operator == "get_read_ptr":
        return 0x10000 * (int(expr[1]) + 1) + 0x8000
    if operator == "?":
        return value(expr[2] if value(expr[1], env) else expr[3], env)
    v = [value(item, env) for item in expr[1:]]
    return int({
        "+": lambda: v[0] + v[1], "-": lambda: v[0] - v[1], "*": lambda: v[0] * v[1],
        "//": lambda: v[0] // v[1], "%": lambda: v[0] % v[1], "min": lambda: min(v),
        "max": lambda: max(v), "<": lambda: v[0] < v[1], "<=": lambda: v[0] <= v[1],
        "==": lambda: v[0] == v[1], "!=": lambda: v[0] != v[1],
        "&&": lambda: v[0] and v[1], "||": lambda: v[0] or v[1], "!": lambda: not v[0],
    }[operator]())  # fmt: skip


def _line(
    op: Op, env: dict[str, int], kernel: Kernel, buffers: Any, accessors: dict[str, int]
) -> str:
    """``name value value``, the values in the order of the C++ call."""
    spec = OPS[op.name]
    kinds = {o.name: (o.kind, a) for o, a in zip(spec.operands, op.args, strict=True)}
    plain = Scope({n: n for n in env}, {}, lambda o, i: f"{o}({i})")
    fields = Fields(spec, op.args, plain, buffers, kernel.compute, kernel.noc)
    text = LINES[op.name].text.split("//")[0]
    call = re.search(r"\((.*)\)", text)
    name = called(op.name) or re.match(r"\w+", fields[text[1 : text.index("}")]])[0]  # type: ignore[index]
    unknown: tuple[str, Any] = ("", None)
    out = [name]
    for item in re.findall(r"\{(\w+)\}|(\d+)", call[1] if call else ""):
        field, literal = item
        if literal:
            out.append(literal)
            continue
        kind, given = kinds.get(field, unknown)
        if kind in ("expr", "dst", "l1"):
            out.append(str(value(given, env)))
        elif kind == "cb":
            out.append(str(given))
        elif kind == "tensor":
            out.append(str(accessors[given]))
        elif kind == "float":
            out.append(f"{_single(given):.9g}")
        else:
            words = [int(part.rstrip("u"), 0) for part in fields[field].split(", ")]
            out += [str(w - 2**32 if w >= 2**31 else w) for w in words]
    return " ".join(out)


def _single(number: float) -> float:
    import numpy as np

    return float(np.float32(number))
