"""``T.annotate_layout``: where tensors lie, stated in the kernel; GPU layouts of blocks ignored."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from tvm.tirx.script import builder as S

from harness.errors import LanguageError
from harness.language.parsing.located import PARSER
from harness.language.regions import is_buffer

KERNEL_LAYOUT: Final = "tt.kernel_layout"
"""Attribute of what kernels state of their tensors; InferTTLayout reads it."""
_FOUND: Final = "tt_tensor_layouts"


def annotate_layout(layouts: object = None, **_: object) -> None:
    """``T.annotate_layout({tensor: {"memory": "L1", …}, block: layout})``.

    A tensor parameter takes a dictionary as ``annotate_tt_layout`` does. Layouts of on-chip blocks
    are a GPU's, and are ignored: blocks are kept in tiles.

    Raises:
        LanguageError: not a dictionary, a dictionary for an on-chip block, or a tensor annotated
            twice in different ways.
    """
    if layouts is not None and not isinstance(layouts, Mapping):
        raise LanguageError("T.annotate_layout takes a dictionary from tensors to layouts")
    parser = PARSER.get()
    found = {} if parser is None else parser.__dict__.setdefault(_FOUND, {})
    for key, layout in (layouts or {}).items():
        if not isinstance(layout, Mapping):
            continue
        if not is_buffer(key) or key.ty.storage_scope not in ("", "global"):
            name = getattr(key, "name", key)
            raise LanguageError(f"T.annotate_layout of {name!r}, which is no tensor parameter",
                                next_step="on-chip blocks are kept in tiles in L1; state layouts"
                                " of the kernel's tensors")  # fmt: skip
        name, stated = str(key.name), dict(layout)
        if found.setdefault(name, stated) != stated:
            raise LanguageError(f"tensor {name!r} is annotated twice, as {found[name]} and as"
                                f" {stated}", next_step="annotate it once")  # fmt: skip


def declare_layouts(parser: Any) -> None:
    """Attach what ``T.annotate_layout`` said to the function whose body was just parsed."""
    found = parser.__dict__.pop(_FOUND, {})
    if found:
        S.func_attr({KERNEL_LAYOUT: found})
