"""What the compiler rewrites before tiles are, rewritten otherwise."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import tvm_ffi
from tvm import tirx

from harness.compiler.block.settling import forwarded, normalise
from harness.compiler.facts import outputs
from harness.compiler.facts.boxes import hull_of
from harness.compiler.joining import coalesce, turns
from harness.compiler.passes import infer_layout, lower_tiles
from harness.compiler.rewrite import folded, guards, linestores, planewise
from harness.compiler.split import buffers
from harness.language.parsing import frames, parser
from harness.language.rewriting import reducers
from harness.mutants.registry import Mutant, Where, on_kernels, substitution
from harness.mutants.subjects import rewritten
from harness.mutants.tir import constant, integer
from simulator import host
from simulator.plan.views import ROWS

FAMILY: Final = "kernels rewritten"
Wrap = Callable[[Any], Any]


def _one(name: str, where: Where, breaks: str, *parts: tuple[Any, str, Wrap]) -> Mutant:
    return substitution(FAMILY, name, where, breaks, *parts, applies=on_kernels(rewritten.KERNELS))


def _always(answer: Any) -> Wrap:
    """A function of one answer."""
    return lambda old: lambda *args, **kw: answer


def _loops(change: Callable[[int], int]) -> Wrap:
    """Loops over planes of another length."""

    def wrap(old: Any) -> Any:
        def rebuilt(around: Any, kept: Any, body: Any) -> Any:
            other = [tirx.For(loop.loop_var, loop.min, integer(change(constant(loop.extent) or 1)),
                              loop.kind, loop.body) for loop in around]  # fmt: skip
            return old(other, kept, body)

        return rebuilt

    return wrap


def _other_dim(old: Any) -> Any:
    """Sums along the other dimension."""
    return lambda source, target, kind, dim, *, clear: old(
        source, target, kind, 1 - dim if kind == "sum" else dim, clear=clear)  # fmt: skip


def _added(old: Any) -> Any:
    """What is taken away is added."""

    def taken(stmt: Any, kind: str) -> Any:
        value = stmt.value
        return value.b if isinstance(value, tirx.Sub) else old(stmt, kind)

    return taken


def _first_number(old: Any) -> Any:
    """Every number is the first there is."""

    def declare(owner: Any, name: str, annotation: Any) -> Any:
        return owner.__dict__.setdefault("tt_first", old(owner, name, annotation))

    return declare


def _stepped(start: int, trips: int, sign: int) -> Wrap:
    """Loops that begin elsewhere, run otherwise often, or go the other way."""
    return lambda old: lambda self, first, count, step: old(
        self, first + start, count + trips, sign * step)  # fmt: skip


def _lines(change: Callable[[Any], Any]) -> Wrap:
    """Stores of lines whose choice between the value and what was there is changed."""
    return lambda old: lambda self, store, dim: tvm_ffi.structural_map(
        old(self, store, dim), [(tirx.Select, change)], order="post")  # fmt: skip


def _limits(change: Callable[[int], int]) -> Wrap:
    def wrap(old: Any) -> Any:
        def limit(*args: Any) -> Any:
            found = old(*args)
            return None if found is None else change(found)

        return limit

    return wrap


def _whole_rows(old: Any) -> Any:
    """Vectors in rows end with their last row."""

    def found(*args: Any) -> Any:
        func, lengths = old(*args)
        return func, {name: -(-length // 32) * 32 for name, length in lengths.items()}

    return found


def _filled_up(old: Any) -> Any:
    """The last rows of vectors are filled up with ones."""

    def stored(array: Any, view: Any) -> Any:
        rows = old(array, view)
        if tuple(view) == ROWS:
            rows.reshape(-1)[array.size :] = 1
        return rows

    return stored


def _mixed_turns(old: Any) -> Any:
    """Blocks of any format and size take turns with others between the same threads."""
    return lambda self, other, *, tight=False: old(self, other, tight=tight) or bool(
        tight and (self.producer, self.consumer) == (other.producer, other.consumer))  # fmt: skip


MUTANTS: Final = (
    _one("planes-last-left-out", Where.PASS1, "The last plane is left out.",
         (planewise, "_rebuilt", _loops(lambda n: n - 1))),
    _one("planes-first-only", Where.PASS1, "The first plane is done alone.",
         (planewise, "_rebuilt", _loops(lambda n: 1))),
    _one("reducer-cleared", Where.LANGUAGE, "What a reducer held is lost.",
         (reducers, "reduce", lambda old: lambda *a, clear: old(*a, clear=True))),
    _one("reducer-never-cleared", Where.LANGUAGE, "Parts go on from what was there.",
         (reducers, "reduce", lambda old: lambda *a, clear: old(*a, clear=False))),
    _one("reducer-from-zero", Where.LANGUAGE, "Every reducer begins as zero.",
         (reducers, "_NOTHING", lambda old: dict.fromkeys(old, 0.0))),
    _one("reducer-joined-by-sum", Where.LANGUAGE, "What is given at once is summed.",
         (reducers, "_JOIN", lambda old: dict.fromkeys(old, tirx.Add))),
    _one("reducer-other-dimension", Where.LANGUAGE, "Columns are summed for rows.",
         (reducers, "reduce", _other_dim)),
    _one("reducer-difference-added", Where.LANGUAGE, "What is taken away is added.",
         (reducers, "_taken", _added)),
    _one("crowd-takes-no-turns", Where.PASS5, "Every block that is read has a buffer of its own.",
         (buffers.Circular, "may_share",
          lambda old: lambda self, other, **_: old(self, other))),
    _one("crowd-at-once", Where.PASS5, "Blocks take turns that are alive at once.",
         (buffers, "disjoint", _always(True))),
    _one("crowd-mixed", Where.PASS5, "Blocks of other formats take turns.",
         (buffers.Circular, "may_share", _mixed_turns)),
    _one("forwarded-never", Where.PASS4, "What was stored is read from memory.",
         (lower_tiles, "forward_stores", _always(None))),
    _one("forwarded-stale", Where.PASS4, "What was stored before is taken for what is there.",
         (forwarded, "_undone", _always(False))),
    _one("forwarded-elsewhere", Where.PASS4, "What was stored elsewhere is taken for it.",
         (forwarded._Forward, "_lines_up", _always(True))),  # noqa: SLF001
    _one("number-first", Where.LANGUAGE, "Every number is the first.",
         (parser, "declare_single", _first_number)),
    _one("number-is-one", Where.LANGUAGE, "Every number is one.",
         (parser, "declare_single",
          lambda old: lambda *a: tirx.const(1, str(old(*a).ty.dtype)))),
    _one("number-cut", Where.LANGUAGE, "Numbers lose what is behind the point.",
         (parser, "declare_single", lambda old: lambda *a: tirx.Cast(
             str((made := old(*a)).ty.dtype), tirx.Cast("int32", made)))),
    _one("maximum-as-it-was", Where.PASS4, "Elements are compared with a maximum cut to TF32.",
         (normalise, "compare_as_reduced", _always(None))),
    _one("cut-one-short", Where.PASS1, "Loops end one before their stores do.",
         (guards, "_limit", _limits(lambda n: n - 1))),
    _one("cut-to-a-face", Where.PASS1, "Loops end with the shortest.",
         (guards, "_limit", _limits(lambda n: min(n, 16)))),
    _one("cut-never", Where.PASS1, "Loops go on beyond what they store.",
         (infer_layout, "narrowed", lambda old: lambda func: func)),
    _one("guard-always-dropped", Where.PASS1, "No store asks whether it is to be.",
         (guards, "left_of", _always([])),
         (infer_layout, "narrowed", lambda old: lambda func: func)),
    _one("between-unseen", Where.PASS3, "Nobody sees that others write between.",
         (coalesce, "interleaved", _always(False))),
    _one("between-one-hull", Where.PASS3, "All that a block writes is one box.",
         (outputs, "disjoint", lambda old: lambda boxes: [hull_of(list(boxes))])),
    _one("between-always-apart", Where.PASS3, "Blocks never meet.",
         (turns, "apart", _always(True))),
    _one("line-next", Where.PASS1, "Lines are stored one further on.",
         (linestores._Lines, "update", _lines(lambda s: tirx.Select(  # noqa: SLF001
             tirx.EQ(s.condition.a - 1, s.condition.b), s.true_value, s.false_value)))),
    _one("line-everywhere", Where.PASS1, "A line is stored to all of its block.",
         (linestores._Lines, "update", _lines(lambda s: s.true_value))),  # noqa: SLF001
    _one("line-alone-kept", Where.PASS1, "What is beside a line is lost.",
         (linestores._Lines, "update", _lines(lambda s: tirx.Select(  # noqa: SLF001
             s.condition, s.true_value, tirx.const(0.0, "float32"))))),
    _one("rows-begin-anywhere", Where.PASS1, "Vectors are in rows wherever their runs begin.",
         (folded._Uses, "_is_multiple", _always(True))),  # noqa: SLF001
    _one("rows-next", Where.PASS1, "Vectors in rows are read and stored one row on.",
         (folded._Rows, "_over", lambda old: lambda self, index: old(self, index) + 1)),  # noqa: SLF001
    _one("rows-all-there", Where.PASS1, "Vectors in rows are as long as their rows.",
         (infer_layout, "folded", _whole_rows)),
    _one("rows-ends-filled", Where.SIMULATOR, "The last rows of vectors end in ones.",
         (host, "stored", _filled_up)),
    _one("idle-kept", Where.PASS1, "Loops that never run ask for their blocks.",
         (infer_layout, "without_idle", lambda old: lambda func: func)),
    _one("idle-runs", Where.LANGUAGE, "Loops that never run do so once.",
         (frames, "_bounds", lambda old: lambda *a: (
             (found := old(*a))[0], tirx.max(found[1], found[0] + 1)
             if not isinstance(found[1], int) else max(found[1], found[0] + 1)))),
    _one("downwards-upwards", Where.LANGUAGE, "Loops that count down count up.",
         (frames.SteppedLoop, "__init__", _stepped(0, 0, -1))),
    _one("downwards-one-short", Where.LANGUAGE, "Loops that count down leave the last out.",
         (frames.SteppedLoop, "__init__", _stepped(0, -1, 1))),
    _one("downwards-one-further", Where.LANGUAGE, "Loops that count down begin one lower.",
         (frames.SteppedLoop, "__init__", _stepped(-1, 0, 1))),
)  # fmt: skip
