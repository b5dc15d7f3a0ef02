"""Where a kernel finds its arguments: one table for the kernel's text and for the host.

Compile-time words are those of the accessors, one after another, then the program's compile-time
integers; how many words an accessor takes only ttnn knows, so positions behind them are printed as
``<last accessor>_args.next_compile_time_args_offset() + i``. Common and per-core runtime arguments
are one 32-bit word each, in the program's order.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from harness.codegen.errors import CodegenError
from simulator.plan.schema import ArgValue, Kernel
from simulator.program import Program


@dataclass(frozen=True)
class Arguments:
    """The arguments of one kernel, by position.

    Attributes:
        accessors: (accessor, buffer) whose compile-time words come first.
        compile: (name, value) of compile-time integers, behind the accessors' words.
        common: (name, value) of runtime arguments all cores share.
        runtime: names of per-core runtime arguments.
        per_core: their values by core key.
        semaphores: names whose value is a semaphore's id: the kernel turns it into an address.
    """

    accessors: tuple[tuple[str, str], ...]
    compile: tuple[tuple[str, ArgValue], ...]
    common: tuple[tuple[str, ArgValue], ...]
    runtime: tuple[str, ...]
    per_core: dict[str, tuple[ArgValue, ...]]
    semaphores: frozenset[str]


def arguments_of(kernel: Kernel, program: Program) -> Arguments:
    """The arguments of ``program`` as ``kernel`` binds them.

    Raises:
        CodegenError: an argument without a value, or one that is a semaphore on some cores only.
    """
    try:
        accessors = tuple((n, _buffer(kernel.compile_args[n], n)) for n in program.accessors)
        compiled = tuple((n, kernel.compile_args[n]) for n in program.compile_args)
        common = tuple((n, kernel.common_args[n]) for n in program.common_args)
    except KeyError as error:
        raise CodegenError(f"kernel {program.name}: argument {error} has no value") from None
    semaphores = {name for name, value in (*compiled, *common) if _is_semaphore(value)}
    for index, name in enumerate(program.runtime_args):
        forms = {_is_semaphore(values[index]) for values in kernel.runtime_args.values()}
        if len(forms) > 1:
            raise CodegenError(f"argument {name} is a semaphore on some cores only")
        if forms == {True}:
            semaphores.add(name)
    return Arguments(
        accessors, compiled, common, program.runtime_args, dict(kernel.runtime_args),
        frozenset(semaphores),
    )  # fmt: skip


def _buffer(value: Any, name: str) -> str:
    if not isinstance(value, dict) or not isinstance(value.get("accessor"), str):
        raise CodegenError(f"accessor {name} is bound to {value!r}, not to a buffer")
    return str(value["accessor"])


def _is_semaphore(value: ArgValue) -> bool:
    return isinstance(value, dict) and "sem" in value
