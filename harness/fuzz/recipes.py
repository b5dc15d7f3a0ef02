"""Drawing plans: a topology with its sizes, whole or with one fault."""

from __future__ import annotations

from typing import Any, Final

from hypothesis import strategies as st

from harness.fuzz.damage import DAMAGES
from harness.fuzz.topologies import TOPOLOGIES

DTYPES: Final = ("bfloat16", "float32", "float16")


@st.composite
def recipes(draw: st.DrawFn) -> dict[str, Any]:
    """A recipe of :mod:`harness.fuzz.plans`; one in three is damaged."""
    topology = draw(st.sampled_from(("stream", "stream", *TOPOLOGIES)))
    out: dict[str, Any] = {} if topology == "stream" else {"topology": topology}
    out |= draw(_stream() if topology == "stream" else _network(topology))
    out |= {"dtype": draw(st.sampled_from(DTYPES)), "seed": draw(st.integers(0, 99))}
    if draw(st.integers(0, 2)) == 2:
        out["damage"] = {"kind": draw(st.sampled_from(DAMAGES)), "at": draw(st.integers(0, 40))}
    return out


@st.composite
def _stream(draw: st.DrawFn) -> dict[str, Any]:
    block = draw(st.integers(1, 3))
    return {
        "tiles": block * draw(st.integers(1, 4)),
        "block": block,
        "depths": [block * draw(st.integers(1, 3)) for _ in range(draw(st.integers(2, 4)))],
        "cores": [draw(st.integers(1, 3)), draw(st.integers(1, 2))],
    }


@st.composite
def _network(draw: st.DrawFn, topology: str) -> dict[str, Any]:
    out: dict[str, Any] = {"wait": draw(st.sampled_from(("equal", "least")))}
    if topology == "tree":
        return out | {"levels": draw(st.integers(1, 2))}
    out |= {"steps": draw(st.integers(1, 3)), "depth": draw(st.integers(1, 2)),
            "out": draw(st.integers(1, 2))}  # fmt: skip
    if topology == "multicast":
        along = draw(st.sampled_from(("row", "column")))
        sides = [draw(st.integers(2, 3)), draw(st.integers(1, 2))]
        return out | {"along": along, "cores": sides if along == "row" else sides[::-1]}
    out["cores"] = [draw(st.integers(2, 4)), 1]
    return out | ({"hops": draw(st.integers(1, 3))} if topology == "ring" else {})
