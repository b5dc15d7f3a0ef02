"""Run by a Python that has TileLang: a kernel's IR, as TileLang parsed it, as neutral JSON.

    python walker.py FILE NAME OUTPUT < parameters.json

Nothing of this package is imported here, and nothing of TileLang's TVM leaves here: nodes are told
by their class names, and every node becomes a JSON object.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

VERSION = 1
_BINARY = frozenset(
    ["Add", "Sub", "Mul", "Div", "Mod", "FloorDiv", "FloorMod", "Min", "Max", "EQ", "NE", "LT",
     "LE", "GT", "GE", "And", "Or"]
)  # fmt: skip


class Walker:
    """Numbers buffers and variables in order of appearance, and turns nodes into JSON."""

    def __init__(self) -> None:
        """Nothing is known yet."""
        self.buffers: list[Any] = []
        self.variables: list[Any] = []
        self.declared: list[dict[str, Any]] = []

    @staticmethod
    def _number(known: list[Any], node: Any) -> int | None:
        return next((i for i, other in enumerate(known) if other.same_as(node)), None)

    def variable(self, node: Any) -> int:
        """The number of a variable."""
        found = self._number(self.variables, node)
        if found is None:
            self.variables.append(node)
            found = len(self.variables) - 1
        return found

    def buffer(self, node: Any) -> int:
        """The number of a buffer; its declaration is noted at the first sight."""
        found = self._number(self.buffers, node)
        if found is None:
            self.buffers.append(node)
            found = len(self.buffers) - 1
            self.declared.append({
                "name": str(node.name), "dtype": str(node.dtype), "scope": str(node.scope()),
                "shape": [self.expr(s) for s in node.shape], "data": self.variable(node.data),
            })  # fmt: skip
        return found

    def expr(self, node: Any) -> Any:
        """An expression."""
        kind = type(node).__name__
        if isinstance(node, (bool, int, float, str)):
            return {"k": "py", "v": node}
        if kind == "IntImm":
            return {"k": "int", "v": int(node.value), "t": str(node.dtype)}
        if kind == "FloatImm":
            return {"k": "float", "v": repr(float(node.value)), "t": str(node.dtype)}
        if kind == "StringImm":
            return {"k": "text", "v": str(node.value)}
        if kind in ("Var", "SizeVar"):
            return {"k": "var", "n": self.variable(node)}
        if kind in _BINARY:
            return {"k": kind, "a": self.expr(node.a), "b": self.expr(node.b)}
        if kind == "Not":
            return {"k": kind, "a": self.expr(node.a)}
        if kind == "Cast":
            return {"k": kind, "t": str(node.dtype), "a": self.expr(node.value)}
        if kind == "Select":
            return {"k": kind, "c": self.expr(node.condition), "a": self.expr(node.true_value),
                    "b": self.expr(node.false_value)}  # fmt: skip
        if kind == "BufferLoad":
            return {"k": "load", "b": self.buffer(node.buffer),
                    "i": [self.expr(i) for i in node.indices]}  # fmt: skip
        if kind == "Call":
            name = str(getattr(node.op, "name", node.op))
            return {"k": "call", "op": name, "t": str(node.dtype),
                    "args": [self.expr(a) for a in node.args]}  # fmt: skip
        return {"k": "other", "what": kind}

    def stmt(self, node: Any) -> list[Any]:
        """A statement, as a list of statements."""
        method: Callable[[Any], list[Any]] | None = getattr(
            self, "_" + type(node).__name__.lower(), None
        )
        return [{"k": "other", "what": type(node).__name__}] if method is None else method(node)

    def _seqstmt(self, node: Any) -> list[Any]:
        return [s for child in node.seq for s in self.stmt(child)]

    def _sblockrealize(self, node: Any) -> list[Any]:
        return self.stmt(node.block)

    def _sblock(self, node: Any) -> list[Any]:
        made = [{"k": "alloc", "b": self.buffer(b)} for b in node.alloc_buffers]
        return made + self.stmt(node.body)

    _blockrealize, _block = _sblockrealize, _sblock

    def _for(self, node: Any) -> list[Any]:
        binding = node.thread_binding
        tag = "" if binding is None else str(binding.thread_tag)
        notes = {str(k): v for k, v in dict(node.annotations or {}).items()}
        stages = notes.get("num_stages")
        return [{
            "k": "for", "kind": int(node.kind), "tag": tag, "var": self.variable(node.loop_var),
            "name": str(node.loop_var.name), "min": self.expr(node.min),
            "extent": self.expr(node.extent), "body": self.stmt(node.body),
            "stages": None if stages is None else int(stages),
        }]  # fmt: skip

    def _attrstmt(self, node: Any) -> list[Any]:
        return self.stmt(node.body)

    def _bind(self, node: Any) -> list[Any]:
        return [{"k": "bind", "var": self.variable(node.var), "name": str(node.var.name),
                 "value": self.expr(node.value)}]  # fmt: skip

    def _letstmt(self, node: Any) -> list[Any]:
        return self._bind(node) + self.stmt(node.body)

    def _bufferstore(self, node: Any) -> list[Any]:
        return [{"k": "store", "b": self.buffer(node.buffer), "value": self.expr(node.value),
                 "i": [self.expr(i) for i in node.indices]}]  # fmt: skip

    def _evaluate(self, node: Any) -> list[Any]:
        return [{"k": "eval", "value": self.expr(node.value)}]

    def _ifthenelse(self, node: Any) -> list[Any]:
        orelse = [] if node.else_case is None else self.stmt(node.else_case)
        return [{"k": "if", "test": self.expr(node.condition), "then": self.stmt(node.then_case),
                 "else": orelse}]  # fmt: skip


def walk(func: Any) -> dict[str, Any]:
    """The JSON of a PrimFunc of TileLang."""
    walker = Walker()
    params = [walker.buffer(func.buffer_map[p]) if p in func.buffer_map else None
              for p in func.params]  # fmt: skip
    name = str((func.attrs or {}).get("global_symbol", "main"))
    body = walker.stmt(func.body)
    return {"version": VERSION, "name": name, "params": params, "body": body,
            "buffers": walker.declared}  # fmt: skip


def load(path: Path, name: str) -> Any:
    """``name`` of a file; what fails after it is defined is left aside."""
    sys.path.insert(0, str(path.parent))
    spec = importlib.util.spec_from_file_location("tt_walked_" + path.stem, path)
    if spec is None or spec.loader is None:
        raise SystemExit(f"{path} cannot be read")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
    except Exception:
        if name not in vars(module):
            raise
    return getattr(module, name)


def prim_func(found: Any, params: dict[str, Any]) -> Any:
    """The PrimFunc a name stands for."""
    if hasattr(found, "jit_impl"):  # autotune: nothing is timed, the first configuration is taken
        configs = found.configs() if callable(found.configs) else found.configs
        first = dict(next(iter(configs), {}))
        return prim_func(found.jit_impl, {**first, **params})
    if hasattr(found, "get_tir"):
        return found.get_tir(**params)
    if not hasattr(found, "buffer_map") and callable(found):
        found = found(**params)
    return getattr(found, "prim_func", found)


def main(path: str, name: str, output: str) -> None:
    """Walk one kernel; what the user's file prints goes to stderr."""
    params = json.load(sys.stdin)
    with contextlib.redirect_stdout(sys.stderr):
        importlib.import_module("tilelang")
        made = walk(prim_func(load(Path(path).resolve(), name), params))
    Path(output).write_text(json.dumps(made), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
