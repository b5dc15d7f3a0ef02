"""Reading the measured vectors beside this file."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from simulator.formats.codec import decode_datums, decode_tiles, encode_tiles
from simulator.formats.dataformat import DataFormat
from simulator.formats.tilize import from_faces
from simulator.numerics.modes import Chip, Dest, Fidelity, Mode

Array = npt.NDArray[Any]
Case = dict[str, Any]

FORMATS = {
    "bf16": DataFormat.Float16_b,
    "f32": DataFormat.Float32,
    "bfp8": DataFormat.Bfp8_b,
    "bfp4": DataFormat.Bfp4_b,
    "bfp2": DataFormat.Bfp2_b,
}
CHIPS = {"wh": Chip.WORMHOLE, "bh": Chip.BLACKHOLE}


@functools.cache
def arrays(file: str) -> dict[str, Array]:
    """All arrays of a file by name."""
    with np.load(Path(__file__).with_name(f"{file}.npz")) as data:
        return {name: data[name] for name in data.files if name != "meta"}


@functools.cache
def meta(file: str) -> Case:
    """The description of a file."""
    with np.load(Path(__file__).with_name(f"{file}.npz")) as data:
        result: Case = json.loads(data["meta"].item())
    return result


def case_ids(file: str) -> list[str]:
    """Names of the cases of a file."""
    return list(meta(file)["cases"])


def case(file: str, name: str) -> Case:
    """Parameters of one case."""
    result: Case = meta(file)["cases"][name]
    return result


def facts() -> Case:
    """facts.json."""
    result: Case = json.loads(Path(__file__).with_name("facts.json").read_text())
    return result


def tiles(file: str, name: str, fmt: str) -> Array:
    """Values (tiles, 32, 32) of an array in face order."""
    stored = arrays(file)[name]
    if stored.ndim == 1:
        stored = stored[None]
    if FORMATS[fmt].is_bfp:
        return decode_tiles(stored, FORMATS[fmt])
    return from_faces(decode_datums(stored, FORMATS[fmt]))


def mode_of(params: Case, chip: str, **settings: Any) -> Mode:
    """The numeric mode a device case ran in."""
    fidelity = Fidelity[params.get("fidelity", "HiFi4")]
    return Mode(fidelity, Dest(params["dest"]), CHIPS[chip], **settings)


def differing_bytes(values: Array, fmt: str, file: str, name: str) -> int:
    """Bytes of encoded tiles that differ from an array in face order."""
    encoded = encode_tiles(values, FORMATS[fmt])
    expected = np.ascontiguousarray(arrays(file)[name]).view(np.uint8).reshape(encoded.shape)
    return int(np.count_nonzero(encoded != expected))
