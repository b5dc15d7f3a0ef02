"""Statements about numbers of 8 bits: cut from real numbers, read from memory, and their bits."""

from __future__ import annotations

from hypothesis import strategies as st

from harness.fuzz.kernels.scene import OUTPUT, Scene

_SCOPES = ("shared", "fragment")
_RANGES = {"int8": (-128, 127), "uint8": (0, 255)}


def quantised(draw: st.DrawFn, scene: Scene) -> None:
    """A block cut to 8 bits, perhaps stored so, and made a block of real numbers again."""
    if not scene.blocks:
        return
    source, _ = draw(st.sampled_from(scene.blocks))
    dtype = draw(st.sampled_from(("int8", "uint8")))
    low, high = _RANGES[dtype]
    low, high = draw(st.sampled_from(((low, high), (low, high), (max(low, -7), 9))))
    factor = draw(st.sampled_from(("1.0", "16.0", "0.75")))
    value = f"T.clamp({source}[i, j] * {factor}, {low}, {high})"
    if draw(st.booleans()):
        value = f"T.round({value})"
    block = scene.alloc("q", (scene.bm, scene.bn), dtype, draw(st.sampled_from(_SCOPES)))
    if draw(st.booleans()):
        scene.emit(*scene.parallel(f'{block}[i, j] = T.cast({value}, "{dtype}")'))
    else:
        real = scene.alloc("x", (scene.bm, scene.bn), "float32", "fragment")
        scene.emit(*scene.parallel(f"{real}[i, j] = {value}"), f"T.copy({real}, {block})")
    if draw(st.booleans()):
        _, start = scene.full_tensor(OUTPUT, dtype)
        scene.emit(f"T.copy({block}, {start})")
    _again(draw, scene, f"{block}[i, j]")


def unpacked(draw: st.DrawFn, scene: Scene) -> None:
    """A tensor of bytes, or their bits, as a block of real numbers."""
    dtype = draw(st.sampled_from(("int8", "uint8")))
    _, start = scene.full_tensor("Q", dtype)
    block = scene.alloc("q", (scene.bm, scene.bn), dtype, draw(st.sampled_from(_SCOPES)))
    scene.emit(f"T.copy({start}, {block})")
    _again(draw, scene, f"{block}[i, j]")


def _again(draw: st.DrawFn, scene: Scene, held: str) -> None:
    """A block of real numbers, of numbers of 8 bits or of some of their bits."""
    whole = f'T.cast({held}, "int32")'
    value = draw(st.sampled_from((
        held, held, f"({whole} >> (j % 2) * 4) & 15", f"({whole} >> {draw(st.integers(0, 7))}) & 3",
        f"({whole} & 15) - 8", f"{whole} ^ 8", f"({whole} << 4) | (i & 15)", f"{whole} // 16",
        f"({whole} >> (i % 4)) % 8", f"{whole} & ~3",
    )))  # fmt: skip
    block = scene.alloc("d", (scene.bm, scene.bn), "float32", draw(st.sampled_from(_SCOPES)))
    factor = draw(st.sampled_from(("", " * 0.5", " - 3.0")))
    scene.emit(*scene.parallel(f'{block}[i, j] = T.cast({value}, "float32"){factor}'))
    scene.blocks.append((block, "float32"))
