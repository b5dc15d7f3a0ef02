"""T.Persistent loops as the grid they run over.

Block ``b`` of ``W`` visits the places ``w * W + b`` of a domain, wave by wave. Places and pairs
``(w, b)`` correspond one to one, so the domain becomes the grid, one block per place, and the
pipeline deals these blocks to cores as it does for every kernel. What the loop starts from is made
again for every place, which changes nothing as long as the loop leaves it alone.
"""

from __future__ import annotations

import math
from typing import Any, NoReturn

import tvm
from tvm import tirx
from tvm.ir import TensorLoad, TensorRegion

from harness.compiler.diagnostics import refuse
from harness.compiler.facts.accesses import accesses
from harness.compiler.facts.kernel import AXES, Kernel, read_kernel
from harness.compiler.tt_ops import seq
from harness.language.parsing.frames import PERSISTENT
from harness.language.walks import structural_map


def spread(func: tirx.PrimFunc) -> tirx.PrimFunc:
    """The function with the domain of its persistent loop as grid.

    Raises:
        CompileError: a persistent loop that is not the whole work of its blocks, or whose places
            depend on each other.
    """
    kernel = read_kernel(func)
    found = [s for s in kernel.statements
             if isinstance(s, tirx.For) and PERSISTENT in s.annotations]  # fmt: skip
    if not found:
        return func
    loop = found[0]
    parts = kernel.body.seq[:] if isinstance(kernel.body, tirx.SeqStmt) else [kernel.body]
    if len(found) > 1 or not parts[-1].same_as(loop):
        _no("it is not the last statement of its kernel", loop)
    _check_alone(kernel, parts[:-1], loop)
    wave, *domain = (int(n) for n in loop.annotations[PERSISTENT])
    grid = list(zip(kernel.block_vars, kernel.grid, strict=True))
    axis = next((a for a, (v, g) in enumerate(grid)
                 if v is not None and g == wave and _is_place(loop, v, wave, domain)),
                None)  # fmt: skip
    if axis is None:
        _no("its index is not a block index of T.Kernel, or wave_size not that axis's extent", loop)
    others = [(v, g) for a, (v, g) in enumerate(grid) if a != axis and v is not None]
    if len(domain) + len(others) > len(AXES):
        _no(f"its domain and the other axes of T.Kernel are more than {len(AXES)} dimensions", loop)
    places = [tirx.Var(f"place_{i}", "int32") for i in range(len(domain))]
    body = _placed(kernel.block_vars[axis], loop, parts[:-1], places, domain, wave)
    axes = [*zip(reversed(places), reversed(domain), strict=True), *others]
    for tag, (var, extent) in reversed(list(zip(AXES, axes, strict=False))):
        bounds = tvm.ir.Range(0, extent)
        thread = tirx.IterVar(bounds, var, tirx.IterVar.ThreadIndex, tag)
        body = tirx.AttrStmt(thread, "thread_extent", tirx.const(extent, "int32"), body, loop.span)
    return func.with_body(body)


def _no(what: str, node: Any) -> NoReturn:
    refuse(f"T.Persistent: {what}", node=node,
           next_step="give T.Kernel the whole domain as grid, which is made persistent by"
           " itself")  # fmt: skip


def _check_alone(kernel: Kernel, before: list[Any], loop: tirx.For) -> None:
    """Places share nothing: no block made before is changed, no tensor both read and written."""
    made = {a.buffer for s in before for a in accesses(s) if a.write}
    inside = list(accesses(loop))
    changed = {a.buffer for a in inside if a.write}
    read = {a.buffer for a in inside if not a.write}
    for buffer in kernel.onchip:
        if buffer in made & changed:
            _no(f"buffer {buffer.name!r} is filled before it and changed inside", loop)
    for tensor in kernel.params:
        if tensor in made:
            _no(f"tensor {tensor.name!r} is written before it", loop)
        if tensor in read & changed:
            _no(f"tensor {tensor.name!r} is read and written inside", loop)


def _is_place(loop: tirx.For, block: Any, wave: int, domain: list[int]) -> bool:
    """Whether the loop's body is guarded by ``w * W + b`` lying in the domain."""
    guard = loop.body.condition if isinstance(loop.body, tirx.IfThenElse) else None
    analyzer = tvm.sym.Analyzer()
    place = loop.loop_var * wave + block
    return isinstance(guard, tirx.LT) and bool(
        analyzer.can_prove_equal(guard.a, place)
        and analyzer.can_prove_equal(guard.b, math.prod(domain))
    )


def _placed(
    block: Any, loop: tirx.For, before: list[Any], places: list[Any], domain: list[int], wave: int
) -> Any:  # fmt: skip
    """What happens at one place: the loop's body with wave and block computed from the place."""
    number: Any = tirx.const(0, "int32")
    for var, extent in zip(places, domain, strict=True):
        number = number * extent + var
    size = tirx.const(wave, "int32")
    values = {block: tirx.FloorMod(number, size), loop.loop_var: tirx.FloorDiv(number, size)}
    analyzer = tvm.sym.Analyzer()
    for var, extent in zip(places, domain, strict=True):
        analyzer.bind(var, tvm.ir.Range(0, extent))
    return substituted(seq([*before, loop.body.then_case]), values, analyzer)


def substituted(stmt: Any, values: dict[Any, Any], analyzer: Any) -> Any:
    """A statement with variables replaced, and its indices and bounds simplified."""
    simple = analyzer.simplify

    def region(node: TensorRegion) -> TensorRegion:
        ranges = [tvm.ir.Range.from_min_extent(simple(r.min), r.extent) for r in node.region[:]]
        return TensorRegion(node.source, ranges, node.ty, node.span)

    def load(node: TensorLoad) -> TensorLoad:
        return tirx.BufferLoad(node.source, [simple(i) for i in node.indices[:]], span=node.span)

    def store(node: tirx.BufferStore) -> tirx.BufferStore:
        indices = [simple(i) for i in node.indices[:]]
        return tirx.BufferStore(node.buffer, node.value, indices, span=node.span)

    def loop(node: tirx.For) -> tirx.For:
        return tirx.For(node.loop_var, simple(node.min), simple(node.extent), node.kind, node.body,
                        annotations=node.annotations, span=node.span)  # fmt: skip

    def branch(node: tirx.IfThenElse) -> tirx.IfThenElse:
        return tirx.IfThenElse(simple(node.condition), node.then_case, node.else_case, node.span)

    callbacks = [
        (tvm.ir.Var, lambda v: values.get(v, v)), (TensorRegion, region), (TensorLoad, load),
        (tirx.BufferStore, store), (tirx.For, loop), (tirx.IfThenElse, branch),
    ]  # fmt: skip
    return structural_map(stmt, callbacks, order="post")
