"""Elementwise ops, packer and reductions against executed kernels, byte for byte."""

from __future__ import annotations

import pytest

from simulator.formats.bits import Floats
from simulator.numerics.l1acc import accumulate_l1
from simulator.numerics.layout import broadcast, tilize_block, transpose, untilize_block
from simulator.numerics.models import number_model
from simulator.numerics.modes import Broadcast, Mode, Pool, ReduceDim
from simulator.numerics.pack import Relu
from simulator.numerics.source import dst_to_src
from tests.vectors.cases import FORMATS, Case, case, case_ids, differing_bytes, mode_of, tiles

EXACT = number_model("exact")
BROADCASTS = {"rows": Broadcast.ROW, "cols": Broadcast.COL, "scalar": Broadcast.SCALAR}
RELUS = {
    "packrelu_zero": Relu(),
    "packrelu_min1": Relu(minimum=1.0),
    "packrelu_max1": Relu(maximum=1.0),
}


def _eltwise(params: Case, mode: Mode) -> Floats:
    """DST after an eltwise case."""
    fmt = FORMATS[params["in_format"]]
    in0, in1 = (
        EXACT.to_src(tiles("eltwise", params[side], params["in_format"]), fmt, mode)
        for side in ("a", "b")
    )
    op, variant = params["op"], params["variant"]
    reused = dst_to_src(EXACT.copy(in0, mode), mode)
    if variant == "reuseA":
        return EXACT.eltwise(op, reused, in1, mode)
    if variant == "reuseB":
        return EXACT.eltwise(op, in1, reused, mode)
    if variant == "accdest":
        return EXACT.eltwise(op, in0, in1, mode, acc=EXACT.eltwise("add", in0, in1, mode))
    kind = BROADCASTS.get(variant, Broadcast.NONE)
    return EXACT.eltwise(op, in0, in1, mode, kind=kind)


@pytest.mark.parametrize("name", case_ids("eltwise"))
def test_eltwise_matches(name: str) -> None:
    """Every case on both chips."""
    params = case("eltwise", name)
    for chip, out in params["out"].items():
        mode = mode_of(params, chip)
        fmt = params["out_format"]
        packed = EXACT.pack(_eltwise(params, mode), FORMATS[fmt], mode)
        assert differing_bytes(packed, fmt, "eltwise", out) == 0, chip


def _packed(params: Case, mode: Mode) -> Floats:
    """What a packer case leaves in its output buffer."""
    op, source, target = params["op"], params["in_format"], FORMATS[params["out_format"]]
    values = tiles("packer", params["x"], source)
    if op == "device_tilize2":
        values = tilize_block(values.reshape(-1, 2, 32, 32)).reshape(-1, 32, 32)
    if op == "device_packuntilize2":
        values = untilize_block(values.reshape(-1, 2, 32, 32)).reshape(-1, 32, 32)
    to_dest = params["option"] == "u2d" or (
        params["option"] == "precise" and source == "f32" and mode.dest.is_fp32
    )
    src = EXACT.to_src(values, FORMATS[source], mode)
    if op == "transpose":
        src = transpose(src)
    if op.startswith("unarybcast"):
        src = broadcast(src, Broadcast[op.removeprefix("unarybcast")])
    dst = values if to_dest else EXACT.copy(src, mode)
    packed = EXACT.pack(dst, target, mode, RELUS.get(op))
    if op != "l1acc3":
        return packed
    first, second, third = packed.reshape(-1, 3, 32, 32).swapaxes(0, 1)
    return accumulate_l1(accumulate_l1(first, second, target), third, target)


@pytest.mark.parametrize("name", case_ids("packer"))
def test_packer_matches(name: str) -> None:
    """Every case on the chips it ran on."""
    params = case("packer", name)
    for chip, out in params["out"].items():
        mode = mode_of(params, chip, bfp8_precise=params["option"] == "precise")
        packed = _packed(params, mode)
        assert differing_bytes(packed, params["out_format"], "packer", out) == 0, chip


@pytest.mark.parametrize("name", case_ids("reduce"))
def test_reduce_matches(name: str) -> None:
    """Every case on both chips, whole output tiles."""
    params = case("reduce", name)
    fmt = FORMATS[params["in_format"]]
    for chip, out in params["out"].items():
        mode = mode_of(params, chip)
        data = EXACT.to_src(tiles("reduce", params["x"], params["in_format"]), fmt, mode)
        scaler = EXACT.to_src(tiles("reduce", params["scaler"], params["in_format"]), fmt, mode)
        per = params["tiles_per_output"]
        acc = None
        for step in range(per):
            acc = EXACT.reduce(
                data.reshape(-1, per, 32, 32)[:, step],
                scaler,
                Pool[params["pool"]],
                ReduceDim[params["dim"]],
                mode,
                acc=acc,
                tf32=params["in_format"] == "f32",
            )
        assert acc is not None
        packed = EXACT.pack(acc, FORMATS[params["out_format"]], mode)
        assert differing_bytes(packed, params["out_format"], "reduce", out) == 0, chip
