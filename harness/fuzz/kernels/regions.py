"""Statements about regions of tensors: any two dimensions, from tensor to tensor, single rows."""

from __future__ import annotations

from hypothesis import strategies as st

from harness.fuzz.kernels.scene import OUTPUT, Scene


def _slices(scene: Scene, between: str = "") -> str:
    """Rows and columns of this block, an index between them where one is given."""
    row, column = f"by * {scene.bm}", scene.column
    return f"{row} : {row} + {scene.bm}, {between}{column} : {column} + {scene.bn}"


def viewed(draw: st.DrawFn, scene: Scene) -> None:
    """Blocks along the first and the last dimension of a tensor, added up along the others."""
    turns = draw(st.integers(1, 3))
    lead: tuple[int, ...] = (scene.batch,) if scene.axes == 3 else ()
    name = scene.tensor("B", (scene.M, turns, *lead, scene.N), scene.dtype)
    scene.turned.append(name)
    scene.add_up(turns, f"{name}[{_slices(scene, 'k, bz, ' if lead else 'k, ')}]")


def staged(draw: st.DrawFn, scene: Scene) -> None:
    """A block from tensor to tensor, of which another may have other columns."""
    wider = draw(st.sampled_from((0, 0, 8, 40))) if scene.axes == 1 else 0
    dtype = draw(st.sampled_from((scene.dtype, "float32")))
    source, _ = scene.full_tensor("C", dtype, wider)
    target, _ = scene.full_tensor(OUTPUT, dtype)
    lead = "bz, " if scene.axes == 3 else ""
    part = f"[{lead}{_slices(scene)}]"
    scene.emit(f"T.copy({source}{part}, {target}{part})")


def lone(draw: st.DrawFn, scene: Scene) -> None:
    """A row in a block of one dimension, where blocks have one row; elsewhere, two dimensions."""
    if scene.bm > 1:
        return draw(st.sampled_from((viewed, staged)))(draw, scene)
    source, start = scene.full_tensor("A", scene.dtype)
    target, out = scene.full_tensor(OUTPUT, "float32")
    row = scene.alloc("r", (scene.bn,), scene.dtype, draw(st.sampled_from(("shared", "fragment"))))
    made = scene.alloc("e", (scene.bn,), "float32", "fragment")
    change = draw(st.sampled_from(("* 2.0", "+ 1.0", "- 0.5")))
    loop = f"for j in T.Parallel({scene.bn}):"
    scene.emit(f"T.copy({start}, {row})", loop, f"    {made}[j] = {row}[j] {change}")
    if 1 in scene.summable and draw(st.booleans()):
        one = scene.alloc("n", (1,), "float32", "fragment")
        kind, operator = draw(st.sampled_from(("sum", "max", "min"))), draw(st.sampled_from("+-*"))
        scene.emit(f"T.reduce_{kind}({made}, {one}, dim=0)",
                   loop, f"    {made}[j] = {made}[j] {operator} {one}[0]")  # fmt: skip
    scene.emit(f"T.copy({made}, {out})")
    scene.turned += [source, target]
    return None
