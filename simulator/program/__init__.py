"""Programs: the structured tree one RISC-V thread (or the compute trio) executes.

A program is loops, ifs, integer lets and device-op calls. It serialises to JSON and back without
loss; the compiler writes it, the machine runs it, the C++ printer prints it.

Expressions are integers, names (a loop variable, a let, or an argument declared by the program)
or prefix lists such as ``["+", "start", ["*", "i", 4]]``; see :data:`EXPR_OPS`.
"""

from __future__ import annotations

from collections.abc import Iterator
from types import MappingProxyType
from typing import Any, Final, TypeAlias

import msgspec

Expr: TypeAlias = "int | str | list[Any]"
"""An integer expression; lists are ``[operator, operand, ...]``."""

Operand: TypeAlias = "int | float | str | list[Any]"
"""One operand of a device op; its meaning is the operand kind in the isa table."""

INFINITIES: Final = ("inf", "-inf")
"""Float operands JSON has no number for, spelled as strings."""

EXPR_OPS: Final = MappingProxyType(
    {
        "+": 2,
        "-": 2,
        "*": 2,
        "//": 2,
        "%": 2,
        "min": 2,
        "max": 2,
        "<": 2,
        "<=": 2,
        "==": 2,
        "!=": 2,
        "&&": 2,
        "||": 2,
        "!": 1,
        "?": 3,
        "get_write_ptr": 1,
        "get_read_ptr": 1,
        "get_semaphore": 1,
    }
)
"""Operator to arity. ``//`` and ``%`` round toward minus infinity; ``?`` is (condition, then,
else). ``get_write_ptr``/``get_read_ptr`` take a literal CB id and give the L1 address of the
window's first byte; ``get_semaphore`` takes a literal id and gives its L1 address."""

LOAD: Final = "load_l1"
"""``[LOAD, cb, index]``, the whole value of a let: datum ``index``, a signed 32-bit integer, of the
first page of the window of a circular buffer whose pages are rows of Int32."""


def load_of(value: Any) -> list[Any] | None:
    """The operands (cb, index) of a let's value that is a load, else None."""
    if isinstance(value, (list, tuple)) and value and value[0] == LOAD:
        return list(value[1:])
    return None


class Node(msgspec.Struct, tag_field="kind", forbid_unknown_fields=True, frozen=True):
    """A statement. ``loc`` is ``file:line:column`` in the kernel's source, or None."""

    loc: str | None = None


class Loop(Node, tag="for", kw_only=True, omit_defaults=True, frozen=True):
    """``for var in range(start, stop, step)``; bounds may depend on arguments and outer loops."""

    var: str
    start: Any
    stop: Any
    step: int = 1
    body: tuple[Stmt, ...]


class If(Node, tag="if", kw_only=True, omit_defaults=True, frozen=True):
    """Runs ``then`` where ``cond`` is non-zero, ``orelse`` elsewhere."""

    cond: Any
    then: tuple[Stmt, ...]
    orelse: tuple[Stmt, ...] = ()


class Let(Node, tag="let", kw_only=True, omit_defaults=True, frozen=True):
    """Binds ``var`` for the rest of the enclosing body. No rebinding, no shadowing."""

    var: str
    value: Any


class Op(Node, tag="op", kw_only=True, omit_defaults=True, frozen=True):
    """A call of device op ``name`` with positional operands, in the isa table's order."""

    name: str
    args: tuple[Any, ...] = ()


Stmt: TypeAlias = Loop | If | Let | Op


def statements(body: tuple[Stmt, ...]) -> Iterator[Stmt]:
    """Every statement of a body, in program order, those around others first."""
    for stmt in body:
        yield stmt
        if isinstance(stmt, Loop):
            yield from statements(stmt.body)
        elif isinstance(stmt, If):
            yield from statements((*stmt.then, *stmt.orelse))


def ops_of(body: tuple[Stmt, ...]) -> Iterator[Op]:
    """Every device op of a body, in program order, both branches of conditions included."""
    return (stmt for stmt in statements(body) if isinstance(stmt, Op))


def is_load(stmt: Stmt) -> bool:
    """Whether a statement loads a value from L1, which addresses may then depend on."""
    return isinstance(stmt, Let) and load_of(stmt.value) is not None


class Program(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """One kernel.

    Attributes:
        name: unique in the artifact, e.g. ``"reader"``.
        thread: ``"brisc"``, ``"ncrisc"`` or ``"compute"``.
        accessors: names of compile-time tensor accessors, each bound to a buffer by the plan.
            An op's tensor operand names one of these. The base address of accessor ``A`` is the
            common argument ``A_addr``.
        compile_args: names of compile-time integers, in order.
        common_args: names of runtime arguments shared by all cores, in order.
        runtime_args: names of per-core runtime arguments, in order.
        body: the statements of ``kernel_main``.
    """

    name: str
    thread: str
    accessors: tuple[str, ...] = ()
    compile_args: tuple[str, ...] = ()
    common_args: tuple[str, ...] = ()
    runtime_args: tuple[str, ...] = ()
    body: tuple[Stmt, ...] = ()


class ProgramFile(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """``programs.json``: the programs of one artifact and the op-table version they assume."""

    op_table_version: int
    programs: tuple[Program, ...]
