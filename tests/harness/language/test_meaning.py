from collections.abc import Callable
from typing import Any

import pytest

import harness.language as T
from harness.compiler.facts.kernel import read_kernel
from harness.errors import LanguageError


def test_a_name_cannot_change_its_meaning_in_a_loop() -> None:
    """Refuses a Python number counted up in a loop, which would be counted once."""
    with pytest.raises(LanguageError, match="'offset' is assigned again inside a loop"):

        @T.prim_func
        def main(A: T.Tensor((64, 64), "float32")):
            with T.Kernel(1, threads=128) as _:
                t = T.alloc_shared((32, 64), "float32")
                offset = 0
                for _ in range(2):
                    T.copy(A[offset, 0], t)
                    offset = offset + 32


def test_a_name_cannot_change_its_meaning_in_a_branch() -> None:
    """Refuses a number that depends on a branch decided on the device."""
    with pytest.raises(LanguageError, match="'rows' is assigned again"):

        @T.prim_func
        def main(A: T.Tensor((64, 64), "float32")):
            with T.Kernel(2, threads=128) as bx:
                t = T.alloc_shared((32, 64), "float32")
                rows = 0
                if bx > 0:
                    rows = 32
                T.copy(A[rows, 0], t)


def test_a_block_keeps_its_name() -> None:
    """Refuses a buffer's name for a value: what reads it later would be unclear."""
    with pytest.raises(LanguageError, match="'t' is a buffer"):

        @T.prim_func
        def main(A: T.Tensor((64, 64), "float32")):
            with T.Kernel(2, threads=128) as bx:
                t = T.alloc_shared((32, 64), "float32")
                t = bx  # noqa: F841


def test_macros_return_values_and_keep_their_names_apart() -> None:
    """Expands a macro twice, with locals of its own and a value to use."""

    @T.macro
    def start(block: Any, size: int = 32):
        return block * size

    @T.prim_func
    def main(A: T.Tensor((64, 64), "float32"), B: T.Tensor((64, 64), "float32")):
        with T.Kernel(2, threads=128) as bx:
            t = T.alloc_shared((32, 64), "float32")
            first = start(bx)
            T.copy(A[first, 0], t)
            T.copy(t, B[start(bx, size=32), 0])

    assert main.script().count("bx * 32") == 4


def test_blocks_of_one_name_are_told_apart() -> None:
    """A macro's own block is another one in every expansion, and blocks in a list have names."""

    @T.macro
    def doubled(block: Any):
        t = T.alloc_fragment((32, 64), "float32")
        for i, j in T.Parallel(32, 64):
            t[i, j] = block[i, j] * 2.0
        T.copy(t, block)

    @T.prim_func
    def main(A: T.Tensor((64, 64), "float32"), B: T.Tensor((64, 64), "float32")):
        with T.Kernel(2, threads=128) as bx:
            s = [T.alloc_shared((32, 64), "float32") for _ in range(2)]
            T.copy(A[bx * 32, 0], s[0])
            doubled(s[0])
            T.copy(s[0], s[1])
            doubled(s[1])
            T.copy(s[1], B[bx * 32, 0])

    assert [str(b.name) for b in read_kernel(main).onchip] == ["block", "block_1", "t", "t_1"]


def test_a_macro_inside_a_kernel_sees_the_kernels_names() -> None:
    """Expands a macro written in the kernel body, with the block it closes over."""

    @T.prim_func
    def main(A: T.Tensor((64, 64), "float32"), B: T.Tensor((64, 64), "float32")):
        with T.Kernel(2, threads=128) as bx:
            t = T.alloc_shared((32, 64), "float32")

            @T.macro
            def move(src: Any, dst: Any):
                T.copy(src[bx * 32, 0], t)
                T.copy(t, dst[bx * 32, 0])

            move(A, B)

    assert main.script().count("copy") == 2


def test_errors_in_a_macro_name_the_macros_line() -> None:
    """Cites the line in the macro, not the line of its call."""

    @T.macro
    def wrong(t: Any):
        T.atomic_add(t, 1)

    with pytest.raises(LanguageError, match="atomic_add") as info:

        @T.prim_func
        def main(A: T.Tensor((64, 64), "float32")):
            with T.Kernel(1, threads=128) as _:
                t = T.alloc_shared((32, 64), "float32")
                wrong(t)

    line = wrong.source.start_line + 2
    assert str(info.value.location).startswith(f"test_meaning.py:{line}:")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: T.const("M"), "T.const is for"),
        (lambda: T.empty((1, 1)), "T.empty is for"),
        (lambda: T.dynamic("1a"), "does not name sizes"),
        (lambda: T.annotate_safe_value({1: 2.0}), "give 0, no other value"),
        (lambda: T.macro(1), "T.macro decorates functions"),
    ],
)
def test_misuse_is_refused(make: Callable[[], Any], message: str) -> None:
    """Refuses names outside the place they have a meaning in."""
    with pytest.raises(LanguageError, match=message):
        make()


def test_dtypes_are_names_that_cast() -> None:
    """Keeps T.float16 equal to its name, sized, and callable."""
    assert T.float16 == "float16"
    assert (T.float, T.half) == ("float32", "float16")
    assert (T.bfloat16.bits, T.dtype("float32").bytes) == (16, 4)
    assert str(T.float32(1).ty.dtype) == "float32"


def test_open_sizes_meet_numbers() -> None:
    """Puts numbers into expressions of open sizes that were made outside the kernel."""
    m = T.dynamic("m")
    blocks = T.ceildiv(m, 32)

    @T.prim_func
    def main(A: T.Tensor((m, 32), "float32"), B: T.Tensor((m, 32), "float32")):
        with T.Kernel(blocks, threads=128) as bx:
            t = T.alloc_shared((32, 32), "float32")
            T.copy(A[bx * 32, 0], t)
            T.copy(t, B[bx * 32, 0])

    assert isinstance(main, T.DynamicKernel)
    assert main.symbols == ("m",)
    made = main.specialize(m=70)
    assert made is main.specialize(m=70)
    assert "(70, 32)" in made.script()


def test_a_value_named_in_a_parallel_loop_goes_stale() -> None:
    """Refuses a name whose expression would read what a store has changed."""
    with pytest.raises(LanguageError, match="'x' is used after 'a'"):

        @T.prim_func
        def main(A: T.Tensor((32, 32), "float32")):
            with T.Kernel(1, threads=128) as _:
                a = T.alloc_fragment((32, 32), "float32")
                T.copy(A, a)
                for i, j in T.Parallel(32, 32):
                    x = a[i, j] * 2
                    a[i, j] = x + 1
                    a[i, j] = x + a[i, j]
                T.copy(a, A)
