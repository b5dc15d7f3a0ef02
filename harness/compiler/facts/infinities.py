"""Infinities that float16 is to hold: the device's has none, and stores -131,008 or 131,008.

What is only the start of a maximum or minimum may be one: any number that is as far out will do.
"""

from __future__ import annotations

import math
from typing import Any, Final

import tvm
from tvm import tirx
from tvm.ir import Call, TensorLoad

from harness.compiler.diagnostics import refuse
from harness.compiler.facts.accesses import loads_of
from harness.compiler.facts.kernel import Kernel
from harness.language.blockformats import dtype_of
from harness.language.ops import FILL, REDUCE
from harness.language.walks import structural_walk

_HALF: Final = "float16"
_MAX: Final = "max"
_MIN: Final = "min"


def check_infinities(kernel: Kernel) -> None:
    """Refuse to store an infinity that the source names as float16.

    Raises:
        CompileError: at the store.
    """
    if not any(dtype_of(buffer) == _HALF for buffer in (*kernel.params, *kernel.onchip)):
        return
    started = _started(kernel)
    for node in kernel.statements:
        if isinstance(node, tirx.BufferStore):
            own = set() if loads_of(node.value) else started.get(node.buffer, set())
            _check(node.buffer, _infinities(node.value) - own, node)
        elif isinstance(node, tirx.Evaluate) and isinstance(node.value, Call):
            call = node.value
            if call.op.name == FILL:
                target = call.args[0].source
                _check(target, _infinities(call.args[1]) - started.get(target, set()), node)


def _check(target: Any, found: set[float], node: Any) -> None:
    if found and dtype_of(target) == _HALF:
        sign = "-" if -math.inf in found else ""
        refuse(f"{target.name!r} would hold {sign}infinity, and float16 has none on the device:"
               f" it would be {sign}131,008", code="UnsupportedDtype", node=node,
               next_step=f"declare {target.name} float32 or bfloat16, or write {sign}30000, which"
               " differences do not take beyond what float16 holds")  # fmt: skip


def _started(kernel: Kernel) -> dict[Any, set[float]]:
    """Blocks that maxima and minima are gathered in, and what they may start from."""
    found: dict[Any, set[float]] = {}

    def call(node: Call) -> None:
        if node.op.name == REDUCE and str(node.args[2].value) in (_MAX, _MIN):
            start = -math.inf if str(node.args[2].value) == _MAX else math.inf
            found.setdefault(node.args[1].source, set()).add(start)

    def store(node: tirx.BufferStore) -> None:
        value = node.value.value if isinstance(node.value, tirx.Cast) else node.value
        for kind, start in ((tirx.Max, -math.inf), (tirx.Min, math.inf)):
            sides = (value.a, value.b) if isinstance(value, kind) else ()
            if any(_is(side, node.buffer) for side in sides):
                found.setdefault(node.buffer, set()).add(start)

    structural_walk(kernel.body, [(Call, call), (tirx.BufferStore, store)])
    return found


def _is(value: Any, block: Any) -> bool:
    value = value.value if isinstance(value, tirx.Cast) else value
    return isinstance(value, TensorLoad) and value.source.same_as(block)


def _infinities(value: Any) -> set[float]:
    """Infinities that the source names and the value may be."""
    if isinstance(value, tirx.FloatImm):
        return {float(value.value)} if math.isinf(float(value.value)) else set()
    if isinstance(value, tirx.Cast):
        return _infinities(value.value)
    if isinstance(value, tirx.Select):
        return _infinities(value.true_value) | _infinities(value.false_value)
    if isinstance(value, tirx.Max):  # of minus infinity and a number it is the number
        return _greater(_infinities(value.a), _infinities(value.b), -math.inf)
    if isinstance(value, tirx.Min):
        return _greater(_infinities(value.a), _infinities(value.b), math.inf)
    if isinstance(value, tirx.Add):
        return _infinities(value.a) | _infinities(value.b)
    if isinstance(value, tirx.Sub):
        return _infinities(value.a) | {-x for x in _infinities(value.b)}
    if isinstance(value, (tirx.Mul, tirx.Div)):
        found = _infinities(value.a)
        if isinstance(value.b, tirx.FloatImm) and value.b.value != 0:
            return {math.copysign(x, x * float(value.b.value)) for x in found}
        found = found | (_infinities(value.b) if isinstance(value, tirx.Mul) else set())
        return found | {-x for x in found}
    if isinstance(value, Call) and isinstance(value.op, tvm.ir.Op):
        if str(value.op.name).endswith("if_then_else"):
            return _infinities(value.args[1]) | _infinities(value.args[2])
        if str(value.op.name).endswith("fabs"):
            return {abs(x) for x in _infinities(value.args[0])}
    return set()


def _greater(one: set[float], two: set[float], least: float) -> set[float]:
    """Infinities of the greater (or lesser) of two: the least one where both may be it."""
    return {x for x in one | two if x != least or (x in one and x in two)}
