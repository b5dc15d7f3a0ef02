"""Kernels that run one after another: a module that says in which order.

Tensors of one name are one tensor. What one kernel writes and a later one reads is an intermediate;
what remains are the sequence's inputs and results.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import tvm

from harness.compiler import attrs
from harness.compiler.diagnostics import as_module, place
from harness.compiler.facts.kernel import read_kernel
from harness.compiler.passes.infer_layout import InferTTLayout, roles, touched
from harness.errors import CompileError
from harness.language.blockformats import dtype_of
from harness.language.regions import constant
from harness.language.rewriting.extrema import told
from harness.language.rewriting.handed import marked
from harness.language.rewriting.inturn import TT_SEQUENCE, steps


class SequenceError(CompileError):
    """Kernels that do not follow one another."""

    code = "InvalidSequence"


def sequence(*kernels: Any) -> tvm.IRModule:
    """A module of kernels that run in the order given, each on what the ones before it wrote.

    Raises:
        SequenceError: no kernels, two of one name, tensors of one name that differ, or a tensor
            written twice, but for updates, or written after it was read.
    """
    names = [_name(kernel) for kernel in kernels]
    if not kernels or len(set(names)) < len(names):
        raise SequenceError(f"a sequence of {names or 'nothing'}",
                            next_step="give kernels of different function names")  # fmt: skip
    _follow(kernels)
    functions = dict(zip(names, told(marked(kernels)), strict=True))
    return tvm.IRModule(functions).with_attr(TT_SEQUENCE, names)


def check_sequence_of(module: Any) -> None:
    """Refuse several T.Kernel of one function that do not follow one another.

    Raises:
        SequenceError: a kernel listed twice, tensors read before they are written, or left in a
            layout that a later kernel does not look for.
        CompileError: what InferTTLayout refuses.
    """
    order = order_of(module)
    if len(set(order)) < len(order):
        raise SequenceError(f"a sequence of {list(order)}", next_step="name every kernel once")
    if order:
        _follow(steps(module))
        _meet(steps(module))


def _follow(kernels: Sequence[Any]) -> None:
    seen: dict[str, tuple[Any, str]] = {}
    written: dict[str, str] = {}
    read: dict[str, str] = {}
    for kernel in kernels:
        name = _name(kernel)
        for param, role in _roles(kernel).items():
            var = next(p for p in kernel.params if p.name == param)
            form = (tuple(constant(d) for d in var.ty.shape), dtype_of(var))
            known, first = seen.setdefault(param, (form, name))
            if known != form:
                raise SequenceError(f"tensor {param!r} is {_words(known)} in {first!r} and"
                                    f" {_words(form)} in {name!r}", location=place(kernel.body),
                                    next_step="give different tensors different names")  # fmt: skip
            if role != "input":
                if param in read:
                    raise SequenceError(f"tensor {param!r} is written by {name!r}, after"
                                        f" {read[param]!r} read it", location=place(kernel.body),
                                        next_step="give every result its own name")  # fmt: skip
                if param in written and role == "output":
                    raise SequenceError(f"tensor {param!r} is written by {name!r} over what"
                                        f" {written[param]!r} wrote", location=place(kernel.body),
                                        next_step="give every result its own name")  # fmt: skip
                written[param] = name
            elif param in written:
                continue
            elif param in touched(read_kernel(kernel))[0]:
                read.setdefault(param, name)


def _meet(kernels: Sequence[Any]) -> None:
    """Every kernel finds what one before it wrote where that left it.

    Inputs that several kernels read are stored for each as its plan says.
    """
    left: dict[str, tuple[dict[str, Any], str]] = {}
    for kernel in kernels:
        name = _name(kernel)
        ((_, func),) = InferTTLayout()(as_module(kernel)).functions_items()
        for tensor, layout in attrs.get(func, attrs.TT_LAYOUT_DESC).items():
            role = layout.pop("role")
            known, writer = left.get(tensor, (layout, name))
            for fact in sorted(known.keys() | layout.keys()):
                mine, theirs = layout.get(fact), known.get(fact)
                if mine != theirs:
                    raise SequenceError(
                        f"tensor {tensor!r} is left by {writer!r} with {fact} {theirs}, and"
                        f" {name!r} looks for {fact} {mine}", location=place(kernel.body),
                        next_step="state one layout for it in every kernel, and use it along the"
                        " same dimensions in all",
                    )  # fmt: skip
            if role != "input":
                left[tensor] = layout, name


def order_of(module: Any) -> tuple[str, ...]:
    """Names of a sequence's kernels in order; empty for anything else."""
    attributes = getattr(module, "attrs", None) if isinstance(module, tvm.IRModule) else None
    if not attributes or TT_SEQUENCE not in attributes:
        return ()
    return tuple(str(name) for name in attributes[TT_SEQUENCE])


def kernel_of(module: tvm.IRModule, name: str) -> Any:
    """A module's kernel by name."""
    return next(f for v, f in module.functions_items() if v.name_hint == name)


def _name(kernel: Any) -> str:
    return str((kernel.attrs or {}).get("global_symbol", "main"))


def _roles(kernel: Any) -> Mapping[str, str]:
    return roles(read_kernel(kernel))


def _words(form: tuple[Any, str]) -> str:
    shape, dtype = form
    return f"{'x'.join(map(str, shape))} {dtype}"
