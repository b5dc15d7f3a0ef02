"""Configuration of unpacker, math and packer, and which op may run under which.

What each op sets and needs (the op table's ``config`` keys; formats are data formats of CBs):

===============================  =============================================================
sets                             state
===============================  =============================================================
compute_kernel_hw_startup        src formats (Regular: A=in0, B=in1; Reverse: A=in1, B=in0), pack
                                 format = out's; clears every key; once, before all others
reconfig_data_format[_srca]      src formats A and B (A alone)
pack_reconfig_data_format        pack format
copy/transpose/add/…_init        the FPU key (one slot), with matmul's transpose flag, or
                                 reduce's pool and dimension; never a format
reduce_init, reduce_uninit       also the packer's mask on, off
<sfpu op>_tile_init              the SFPU key (one slot, beside the FPU key), with the formats of a
                                 typecast
===============================  =============================================================

===============================  =============================================================
needs                            state
===============================  =============================================================
copy_tile, transpose_tile        own key; A = format of the CB
unary_bcast                      own key with its dimension; B = format of the CB, or A where the CB
                                 unpacks to DST
transpose_dest                   own key
add/sub/mul_tiles (and bcast)    own key; A = in0's format, B = in1's
matmul_tiles                     own key; A = in1's format, B = in0's (in0 goes to SrcB)
reduce_tile                      own key with pool and dimension; A = data's, B = scaler's; the
                                 other way round for SUM and AVG along rows
SFPU ops                         own SFPU key; floor, ceil and round have one in common
pack_tile                        pack format = CB's
===============================  =============================================================

Whatever is needed and not so is finding ``StaleConfig``.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Any, NamedTuple

from simulator.formats.dataformat import DataFormat


class Config(NamedTuple):
    """Configuration state of the compute trio; replaced, never changed.

    ``math`` is the FPU key with its parameters, ``sfpu`` the SFPU's, ``mask`` the dimension of the
    packer's reduction mask, ``l1_acc`` whether packing adds to L1.
    """

    started: bool = False
    src_a: DataFormat | None = None
    src_b: DataFormat | None = None
    pack: DataFormat | None = None
    math: tuple[Any, ...] | None = None
    sfpu: tuple[Any, ...] | None = None
    mask: str | None = None
    l1_acc: bool = False

    def undone(self, *, packs: bool) -> str:
        """The key whose ``*_uninit`` has yet to run, empty where none has.

        The mask of a reduction is the packer's: only who ``packs`` undoes it.
        """
        if packs and self.mask is not None:
            return "reduce"
        return "unary_bcast" if self.math and self.math[0] == "unary_bcast" else ""


def stale(config: Config, **wanted: Any) -> str | None:
    """What is not as wanted, or None."""
    if not config.started:
        return "compute_kernel_hw_startup has not run"
    for field, value in wanted.items():
        have = getattr(config, field)
        if have != value:
            return f"{_NAMES[field]} is {_text(have)}, needed is {_text(value)}"
    return None


def _text(value: Any) -> str:
    if value is None:
        return "not set"
    if isinstance(value, DataFormat):
        return value.value
    return " ".join(str(item) for item in value) if isinstance(value, tuple) else str(value)


_NAMES: MappingProxyType[str, str] = MappingProxyType(
    {
        "src_a": "the SrcA format",
        "src_b": "the SrcB format",
        "pack": "the packer's format",
        "math": "the FPU configuration",
        "sfpu": "the SFPU configuration",
    }
)
