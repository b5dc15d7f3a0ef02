"""Elements that change planes, rows and columns: pixel shuffles, flattened matrices, odd widths."""

from __future__ import annotations

from typing import Any

import pytest

from tests.e2e.test_moved_elements import DEVICES, kernel, numbers, right

_IMAGE = numbers(4, 16, 32)
_ROWS = numbers(32, 64)


def _shuffled(x: Any) -> Any:
    """Depth to space of one channel by 2."""
    return x.reshape(2, 2, 16, 32).transpose(2, 0, 3, 1).reshape(1, 32, 64)


SHUFFLES: dict[str, tuple[Any, Any, str]] = {
    "depth to space, as it is read": (_IMAGE, _shuffled(_IMAGE), """
for i, j in T.Parallel(32, 64):
    Y[0, i, j] = X[(i % 2) * 2 + j % 2, i // 2, j // 2]
"""),
    "depth to space, as it is stored": (_IMAGE, _shuffled(_IMAGE), """
for i, a, j, b in T.Parallel(16, 2, 32, 2):
    Y[0, i * 2 + a, j * 2 + b] = X[a * 2 + b, i, j]
"""),
    "space to depth": (_shuffled(_IMAGE), _IMAGE, """
for a, b, i, j in T.Parallel(2, 2, 16, 32):
    Y[a * 2 + b, i, j] = X[0, i * 2 + a, j * 2 + b]
"""),
    "channels of four groups": (_ROWS, _ROWS.reshape(4, 8, 64).swapaxes(0, 1).reshape(32, 64), """
for g, c, j in T.Parallel(4, 8, 64):
    Y[c * 4 + g, j] = X[g * 8 + c, j]
"""),
    "a row in rows": (_ROWS.reshape(-1), _ROWS, """
for i, j in T.Parallel(32, 64):
    Y[i, j] = X[i * 64 + j]
"""),
    "rows in a row": (_ROWS, _ROWS.reshape(-1), """
for i, j in T.Parallel(32, 64):
    Y[i * 64 + j] = X[i, j]
"""),
    "forty columns at a time": (numbers(32, 120), numbers(32, 120), """
x = T.alloc_fragment((32, 40), "float32")
y = T.alloc_fragment((32, 120), "float32")
for b in T.serial(3):
    T.copy(X[0, b * 40], x)
    T.copy(x, y[0, b * 40])
T.copy(y, Y)
"""),
}  # fmt: skip


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("name", SHUFFLES)
def test_shuffles(name: str, device: str) -> None:
    """Every element is where NumPy puts it, whichever side of the store computes the place."""
    x, y, body = SHUFFLES[name]
    func = kernel(f"X: T.Tensor({x.shape}, 'float32'), Y: T.Tensor({y.shape}, 'float32')",
                  "with T.Kernel(1) as _:" + body.replace("\n", "\n    "))  # fmt: skip
    right(func, device, {"X": x}, {"Y": y})
