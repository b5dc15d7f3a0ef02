"""The lint of removed and deprecated names, without any headers."""

from __future__ import annotations

import pytest

from harness.codegen import print_kernels
from harness.codegen.gate.banned import BANNED, find_banned, version_key
from tests.harness.codegen import samples


@pytest.mark.parametrize("banned", BANNED, ids=lambda banned: banned.name)
def test_every_name_of_the_table_is_found(banned: object) -> None:
    """In code, with its line and what to write instead."""
    name = banned.name  # type: ignore[attr-defined]
    (hit,) = find_banned(f"void kernel_main() {{\n    {name}(0);\n}}\n", "0.81.1")
    assert (hit.line, hit.banned) == (2, banned)


def test_comments_strings_and_longer_names_are_left_alone() -> None:
    """Only whole names in code count."""
    text = '// mm_init\n/* acquire_dst */ char* s = "mm_init";\nvoid my_mm_init();\n'
    assert find_banned(text, "0.81.1") == ()


@pytest.mark.parametrize("path", ["compute_kernel_api/matmul.h", "dataflow_api.h"])
def test_old_include_paths_are_found(path: str) -> None:
    """Paths that moved under api/."""
    (hit,) = find_banned(f'#include <cstdint>\n#include "{path}"\n', "0.81.1")
    assert hit.line == 2
    assert hit.banned.instead.startswith("api/")


def test_the_table_is_keyed_by_release() -> None:
    """What 0.81 removed was right before."""
    assert find_banned("mm_init(0, 1, 2);", "0.60.0") == ()
    assert version_key("0.81.1") == (0, 81, 1)


def test_printed_kernels_use_none_of_them() -> None:
    """The printer's own table is up to date."""
    for text in print_kernels(samples.gemm(dtype="float32")).values():
        assert find_banned(text, "0.81.1") == ()
