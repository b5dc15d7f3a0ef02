"""How precisely a kernel must compute: from its source and the user's options alone.

Nothing here comes from a compiled artifact, or a fault that lowers precision would widen its own
bound. The compiled plan's declared modes are compared with :meth:`NumericContract.modes` first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Final, Literal

from golden.errors import GoldenError
from golden.source import GEMM, dtype_of, read_kernel

FAMILIES: Final = ("wormhole", "blackhole", "grayskull")
FIDELITIES: Final = ("LoFi", "HiFi2", "HiFi3", "HiFi4")

Dest = Literal["float32", "bfloat16", "float16"]
Source = Literal["tfloat32", "bfloat16"]


@dataclass(frozen=True)
class NumericContract:
    """The precision a compiled kernel owes its source.

    Spills of partial sums to on-chip memory are exact; on-chip buffers are stored in their own
    dtype; float32 elementwise work runs on the vector unit in full float32 (where DST has 32 bits),
    while float32 operands of matmul, reduce and broadcasts are cut to ``float32_source``.

    Attributes:
        family: ``wormhole``, ``blackhole`` or ``grayskull``.
        fidelity: ``LoFi``, ``HiFi2``, ``HiFi3`` or ``HiFi4``.
        fp32_dest: whether DST accumulates in 32 bits.
        dest: format of DST.
        float32_source: what the matrix unit sees of a float32 operand: ``tfloat32``, unless DST
            is 16 bits wide or a float16 buffer narrows the operands' exponents.
        approximate: math_approx_mode.
        storage: dtype of every buffer of the source.
    """

    family: str
    fidelity: str
    fp32_dest: bool
    dest: Dest
    float32_source: Source
    approximate: bool = False
    storage: Mapping[str, str] = field(default_factory=dict)

    @property
    def phases(self) -> int:
        """How many passes the multipliers make, 1 to 4."""
        return FIDELITIES.index(self.fidelity) + 1

    def modes(self) -> dict[str, Any]:
        """What a plan must declare: tt-metal's names, plain values."""
        return {
            "math_fidelity": self.fidelity,
            "fp32_dest_acc_en": self.fp32_dest,
            "math_approx_mode": self.approximate,
        }

    def to_json(self) -> dict[str, Any]:
        """The contract as plain data."""
        return {f.name: getattr(self, f.name) for f in fields(self)} | {"modes": self.modes()}


def contract_for(
    func: Any,
    device_family: str = "wormhole",
    fidelity: str | None = None,
    fp32_dest: bool | None = None,
    approximate: bool = False,
) -> NumericContract:
    """The contract of a source kernel on a device family.

    Defaults: 32-bit DST unless the device has none; with it HiFi3 on Wormhole (HiFi4 with 32-bit
    DST is an erratum there, tt-metal issue 38306) and HiFi4 on Blackhole; HiFi4 with 16-bit DST,
    and where int8 is multiplied, whose bits no other fidelity takes whole.

    Raises:
        GoldenError: an unknown family or fidelity, 32-bit DST on Grayskull, or a float32
            accumulator where DST has 16 bits and nobody asked for that.
    """
    if device_family not in FAMILIES:
        raise GoldenError(
            f"unknown device family {device_family!r}",
            code="InvalidContract",
            next_step=f"one of {FAMILIES}",
        )
    if fidelity is not None and fidelity not in FIDELITIES:
        raise GoldenError(
            f"unknown math fidelity {fidelity!r}",
            code="InvalidContract",
            next_step=f"one of {FIDELITIES}",
        )
    kernel = read_kernel(func)
    storage = {b.name: b.dtype for b in kernel.buffers}
    if device_family == "grayskull":
        if fp32_dest:
            raise GoldenError(
                "grayskull has no 32-bit destination register",
                code="InvalidContract",
                next_step="use --no-fp32-dest",
            )
        accumulators = {dtype_of(c.args[2].source) for c in kernel.calls(GEMM)}
        if fp32_dest is None and "float32" in accumulators:
            raise GoldenError(
                "a float32 accumulator needs a 32-bit destination register, which"
                " grayskull does not have",
                code="InvalidContract",
                next_step="allow 16-bit accumulation with --no-fp32-dest",
            )
    wide = device_family != "grayskull" if fp32_dest is None else fp32_dest
    if fidelity is None:
        bytes_ = any(dtype_of(a.source) == "int8" for c in kernel.calls(GEMM) for a in c.args[:2])
        fidelity = "HiFi3" if wide and device_family == "wormhole" and not bytes_ else "HiFi4"
    has_half = "float16" in storage.values()
    dest: Dest = "float32" if wide else "float16" if has_half else "bfloat16"
    return NumericContract(
        family=device_family,
        fidelity=fidelity,
        fp32_dest=wide,
        dest=dest,
        float32_source="tfloat32" if wide and not has_half else "bfloat16",
        approximate=approximate,
        storage=storage,
    )
