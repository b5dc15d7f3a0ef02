"""No mutable state at module or class level in the simulator and the golden.

Process-wide state makes one run depend on the run before it. What counts as mutable:
a list, dict or set (displayed, comprehended or constructed), an array NumPy just made,
and anything bound by a ``global`` statement. Wrap a table in MappingProxyType, a tuple
or a frozenset instead; freeze an array in a function that clears its writeable flag.
``Final`` does not help, since it forbids rebinding and not mutation. ``__all__`` may be
a list, because that is what Python's own tools expect. functools.cache is allowed: it
changes speed and no result.
"""

import ast
from collections.abc import Iterator
from pathlib import Path
from types import MappingProxyType

import pytest

ROOT = Path(__file__).resolve().parent.parent
MUTABLE_DISPLAYS = (ast.List, ast.Dict, ast.Set, ast.ListComp, ast.DictComp, ast.SetComp)
EXEMPT_NAMES = frozenset({"__all__"})
# Constructors of mutable objects, by the module they are called through ("" is no module).
BUILTINS = "list dict set bytearray"
COLLECTIONS = "defaultdict deque Counter OrderedDict ChainMap"
ITERTOOLS = "count cycle"
ARRAYS = "array asarray zeros ones empty full arange linspace eye zeros_like ones_like"
CONSTRUCTORS = MappingProxyType(
    {
        "": frozenset(f"{BUILTINS} {COLLECTIONS} {ITERTOOLS}".split()),
        "collections": frozenset(COLLECTIONS.split()),
        "itertools": frozenset(ITERTOOLS.split()),
        "np": frozenset(ARRAYS.split()),
        "numpy": frozenset(ARRAYS.split()),
    }
)


def makes_mutable(call: ast.Call) -> bool:
    """Whether a call is a constructor of a mutable object; obj.count() is a method and not."""
    module, _, name = ast.unparse(call.func).rpartition(".")
    return name in CONSTRUCTORS.get(module, ())


def is_mutable(value: ast.expr | None) -> bool:
    """Whether evaluating an expression yields an object that can be changed in place."""
    if isinstance(value, MUTABLE_DISPLAYS):
        return True
    if isinstance(value, ast.Call):
        return makes_mutable(value)
    if isinstance(value, ast.IfExp):
        return is_mutable(value.body) or is_mutable(value.orelse)
    if isinstance(value, ast.BinOp):  # {...} | {...}, [...] + [...]
        return is_mutable(value.left) or is_mutable(value.right)
    return False


def is_field(node: ast.stmt) -> bool:
    """Whether a statement of a class body is a field, whose default each instance copies.

    Structs and dataclasses refuse a mutable default or copy it; a ClassVar is shared.
    """
    return isinstance(node, ast.AnnAssign) and "ClassVar" not in ast.unparse(node.annotation)


def bindings(body: list[ast.stmt]) -> Iterator[tuple[int, str, ast.expr | None]]:
    """Line, target and value of each assignment that runs when the module is imported."""
    for node in body:
        if isinstance(node, ast.Assign):
            for target in node.targets:
                yield node.lineno, ast.unparse(target), node.value
        elif isinstance(node, ast.AnnAssign):
            yield node.lineno, ast.unparse(node.target), node.value
        elif isinstance(node, ast.ClassDef):
            for line, name, value in bindings([part for part in node.body if not is_field(part)]):
                yield line, f"{node.name}.{name}", value
        elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            for field in ("body", "orelse", "finalbody"):
                yield from bindings(getattr(node, field, []))
            for handler in getattr(node, "handlers", []):
                yield from bindings(handler.body)


def mutable_globals(text: str) -> list[tuple[int, str]]:
    """Line and name of each mutable global of a module's source."""
    tree = ast.parse(text)
    found = [
        (line, name)
        for line, name, value in bindings(tree.body)
        if is_mutable(value) and name not in EXEMPT_NAMES
    ]
    for node in ast.walk(tree):
        if isinstance(node, ast.Global):
            found += [(node.lineno, f"global {name}") for name in node.names]
    return found


@pytest.mark.parametrize("package", ["simulator", "golden"])
def test_no_mutable_globals(package: str) -> None:
    """Keeps every run of the simulator and the golden independent of the one before."""
    found = [
        f"{path.relative_to(ROOT)}:{line}: {name}"
        for path in sorted((ROOT / package).rglob("*.py"))
        for line, name in mutable_globals(path.read_text())
    ]
    assert not found, "mutable at module or class level:\n" + "\n".join(found)


@pytest.mark.parametrize(
    "text",
    [
        "TABLE = {}",
        "TABLE: Final = {'a': 1}",
        "TABLE: Final[Mapping[str, int]] = {'a': 1}",
        "NAMES = [n for n in range(3)]",
        "SEEN = set()",
        "LATER = collections.defaultdict(list)",
        "LUT = np.zeros(4)",
        "NEXT = itertools.count()",
        "if True:\n    CACHE = dict()",
        "try:\n    import x\nexcept ImportError:\n    MISSING = ['x']",
        "class Machine:\n    registry = {}",
        "class Machine:\n    registry: ClassVar[dict[str, int]] = {}",
        "BOTH = {1} | {2}",
        "def f():\n    global state\n    state = 1",
    ],
)
def test_mutable_globals_are_seen(text: str) -> None:
    """Protects the check itself from a spelling it does not know."""
    assert mutable_globals(text)


@pytest.mark.parametrize(
    "text",
    [
        "__all__ = ['a']",
        "TABLE = MappingProxyType({'a': 1})",
        "NAMES = frozenset({'a'})",
        "EDGES = (1, 2)",
        "TOTAL = len([1])",
        "LUT = _frozen(np.zeros(4))",
        "SEEN = 'aab'.count('a')",
        "def f():\n    local = {}\n    return local",
        "class Kernel(Struct):\n    arguments: dict[str, int] = {}",
        "@dataclass(frozen=True)\nclass Op:\n    name: str\n    operands: tuple[str, ...] = ()",
    ],
)
def test_constants_are_allowed(text: str) -> None:
    """Protects authors from a check that refuses immutable tables and local state."""
    assert not mutable_globals(text)
