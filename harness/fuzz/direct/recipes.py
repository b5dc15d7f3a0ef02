"""Drawing plans: a topology with its sizes, whole or with one fault.

Strategies are made once. Hypothesis validates and labels each one it meets, which takes longer than
to draw from it.
"""

from __future__ import annotations

from typing import Any, Final

from hypothesis import strategies as st

from harness.fuzz.direct.damage import DAMAGES
from harness.fuzz.direct.topologies import TOPOLOGIES

DTYPES: Final = ("bfloat16", "float32", "float16")


_TOPOLOGY: Final = st.sampled_from(("stream", "stream", *TOPOLOGIES))
_DTYPE: Final = st.sampled_from(DTYPES)
_SEED: Final = st.integers(0, 99)
_DAMAGE: Final = st.sampled_from(DAMAGES)
_PLACE: Final = st.integers(0, 40)
_WAIT: Final = st.sampled_from(("equal", "least"))
_ALONG: Final = st.sampled_from(("row", "column"))
_TO: Final = {(low, high): st.integers(low, high) for low in range(3) for high in range(1, 5)
              if low < high}  # fmt: skip


@st.composite
def recipes(draw: st.DrawFn) -> dict[str, Any]:
    """A recipe of :mod:`harness.fuzz.direct.plans`; one in three is damaged."""
    topology = draw(_TOPOLOGY)
    out: dict[str, Any] = {} if topology == "stream" else {"topology": topology}
    out |= draw(_SIZES[topology])
    out |= {"dtype": draw(_DTYPE), "seed": draw(_SEED)}
    if draw(_TO[0, 2]) == 2:
        out["damage"] = {"kind": draw(_DAMAGE), "at": draw(_PLACE)}
    return out


@st.composite
def _stream(draw: st.DrawFn) -> dict[str, Any]:
    block = draw(_TO[1, 3])
    return {
        "tiles": block * draw(_TO[1, 4]),
        "block": block,
        "depths": [block * draw(_TO[1, 3]) for _ in range(draw(_TO[2, 4]))],
        "cores": [draw(_TO[1, 3]), draw(_TO[1, 2])],
    }


@st.composite
def _network(draw: st.DrawFn, topology: str) -> dict[str, Any]:
    out: dict[str, Any] = {"wait": draw(_WAIT)}
    if topology == "tree":
        return out | {"levels": draw(_TO[1, 2])}
    out |= {"steps": draw(_TO[1, 3]), "depth": draw(_TO[1, 2]), "out": draw(_TO[1, 2])}
    if topology == "multicast":
        along = draw(_ALONG)
        sides = [draw(_TO[2, 3]), draw(_TO[1, 2])]
        return out | {"along": along, "cores": sides if along == "row" else sides[::-1]}
    out["cores"] = [draw(_TO[2, 4]), 1]
    return out | ({"hops": draw(_TO[1, 3])} if topology == "ring" else {})


_SIZES: Final = {name: _stream() if name == "stream" else _network(name) for name in TOPOLOGIES}
