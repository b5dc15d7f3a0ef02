"""Generator expressions in kernels: ``sum(s // 32 for s in sizes)``.

TVM's parser leaves list comprehensions to Python and walks into generator expressions, whose names
it does not know. What consumes one in a kernel consumes all of it, so it may as well be a list.
"""

from __future__ import annotations

from typing import Any

from tvm.script.parser._core import doc


class _Lists(doc.NodeTransformer):
    def visit_GeneratorExp(self, node: Any) -> Any:
        return doc.ListComp(self.visit(node.elt), self.visit(node.generators), node.lineno,
                            node.col_offset, node.end_lineno, node.end_col_offset)  # fmt: skip


def as_lists(tree: Any) -> Any:
    """A syntax tree with list comprehensions for generator expressions."""
    return _Lists().visit(tree)
