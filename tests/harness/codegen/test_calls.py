"""Every device op's C++ call, spelled out once more beside the table it is printed from.

Running printed kernels takes the table's word for what an op is called and in which order it takes
its operands. ``calls.txt`` says it a second time, as tt-metal 0.81 declares it, with operands that
all differ; ttnn's headers, where they are at hand, hold names and counts against both.
"""

from __future__ import annotations

from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.codegen.fields import float_literal
from harness.codegen.printer import print_kernel
from simulator.isa import OPS
from simulator.isa.spec import OpSpec
from simulator.program import Op, Program
from tests.harness.codegen import samples

CALLS = Path(__file__).with_name("calls.txt")


def operands(spec: OpSpec) -> tuple[Any, ...]:
    """Operands of an op, no two alike."""
    cbs, numbers, formats = iter((0, 1, 16)), count(11), iter(("Float16_b", "Int32"))
    out: list[Any] = []
    for operand in spec.operands:
        kind = operand.kind
        if kind == "cb":
            out.append(next(cbs))
        elif kind == "enum":
            out.append(operand.choices[-1])
        elif kind == "format":
            out.append(next(formats))
        elif kind == "float":
            out.append(0.123456789)
        elif kind == "tensor":
            out.append("A")
        else:
            out.append(next(numbers))
    return tuple(out)


def printed(name: str) -> str:
    """The call of an op as a kernel has it."""
    spec = OPS[name]
    compute = spec.threads == {"compute"}
    kernel = "compute" if compute else "reader"
    args = () if compute else ("A",)
    program = Program(name=kernel, thread="compute" if compute else "ncrisc", accessors=args,
                      common_args=() if compute else ("A_addr",),
                      body=(Op(name=name, args=operands(spec)),))  # fmt: skip
    text = print_kernel(samples.gemm().plan, samples.kernel(kernel), program)
    return text[text.index("void kernel_main()") :].splitlines()[-2].strip()


def known() -> dict[str, str]:
    """The calls of ``calls.txt``."""
    lines = CALLS.read_text(encoding="utf-8").splitlines()
    return dict(line.split(": ", 1) for line in lines)


@pytest.mark.parametrize("name", sorted(OPS))
def test_a_call_is_what_tt_metal_declares(name: str) -> None:
    """No operand in another's place, no other function, no template argument of another op."""
    assert printed(name) == known()[name]


def test_every_op_is_spelled_out() -> None:
    """An op added to the table is spelled out a second time."""
    assert set(known()) == set(OPS)


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_a_number_is_printed_with_all_its_digits(value: float) -> None:
    """What the compiler reads is the very float32 the program has."""
    text = float_literal(value)
    assert text.endswith("f")
    assert np.float32(float(text[:-1])) == np.float32(value)
