"""The values that fill a line's template: operands as C++, and what follows from them."""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from harness.codegen.errors import CodegenError
from harness.codegen.expression import Scope
from simulator.formats.dataformat import DataFormat
from simulator.formats.host import encode_host
from simulator.isa import OpSpec
from simulator.plan.schema import CircularBuffer, ComputeConfig

_DATUM: Final[Mapping[int, str]] = {1: "uint8_t", 2: "uint16_t", 4: "uint32_t"}


def _check_real(op: str, cb: CircularBuffer) -> None:
    """The compute API's matrix calls are not known to take integers: those run simulated only."""
    if DataFormat.from_name(cb.data_format).is_integer:
        raise CodegenError(f"{op} of {cb.data_format} tiles (buffer {cb.name}): no call of tt-metal"
                           " is known to multiply integers; run it on the simulator")  # fmt: skip


class Fields(dict[str, str]):
    """Template fields of one op, made when asked for.

    Args:
        spec: the op.
        args: its operands.
        scope: names for expressions.
        cbs: circular buffers by id, with the names of their constants.
        config: the compute configuration, for ops that need it.
        noc: the NoC the kernel runs on, which orders a multicast's corners.
    """

    def __init__(
        self,
        spec: OpSpec,
        args: tuple[Any, ...],
        scope: Scope,
        cbs: Mapping[int, tuple[CircularBuffer, str]],
        config: ComputeConfig | None,
        noc: int | None,
    ) -> None:
        if len(args) != len(spec.operands):
            raise CodegenError(f"{spec.name} takes {len(spec.operands)} operands, not {len(args)}")
        super().__init__()
        self.spec, self.scope, self.cbs, self.config = spec, scope, cbs, config
        self.noc = noc
        self.args = {o.name: a for o, a in zip(spec.operands, args, strict=True)}
        self.kinds = {o.name: o.kind for o in spec.operands}

    def __missing__(self, name: str) -> str:
        """The text of a field."""
        if name in self.args:
            return self._operand(self.kinds[name], self.args[name])
        stem, _, rest = name.partition("_")
        if stem in ("core", "mcast") and rest in self.args:
            return self._address(stem, self[rest])
        return str(getattr(self, f"_{name}")())

    def _operand(self, kind: str, value: Any) -> str:
        if kind == "cb":
            circular, text = self._circular(value)
            if self.spec.name in ("matmul_init", "matmul_tiles"):
                _check_real(self.spec.name, circular)
            return text
        if kind in ("expr", "dst", "l1"):
            return self.scope.print(value)
        if kind == "tensor":
            return self.scope.names[value]
        if kind == "sem":
            return f"get_semaphore({value})"
        if kind == "float":
            return float_literal(float(value))
        if kind == "format":
            return f"DataFormat::{DataFormat.from_name(value).value}"
        return str(value)

    def _circular(self, number: Any) -> tuple[CircularBuffer, str]:
        if number not in self.cbs:
            raise CodegenError(f"{self.spec.name}: circular buffer {number} is not in the plan")
        return self.cbs[number]

    def _address(self, what: str, local: str) -> str:
        """NoC address of a local address on one core, or on a rectangle (corners included)."""
        corners = ("x", "y") if what == "core" else ("x0", "y0", "x1", "y1")
        if what == "mcast" and self.noc == 1:
            # NoC 1 runs toward smaller coordinates, so its rectangle starts at the far corner.
            corners = ("x1", "y1", "x0", "y0")
        tables = ("noc_columns", "noc_rows") * 2
        text = ", ".join(f"{table}[{self[c]}]" for table, c in zip(tables, corners, strict=False))
        call = "get_noc_addr" if what == "core" else "get_noc_multicast_addr"
        return f"{call}({text}, {local})"

    # --- fields that are not operands, by name ---------------------------------------------

    def _bits(self) -> str:
        (word,) = struct.unpack("<I", struct.pack("<f", float(self.args["value"])))
        return f"0x{word:08x}u"

    def _wide(self) -> str:
        return "true" if self.config is not None and self.config.fp32_dest_acc_en else "false"

    def _dst_format(self) -> str:
        return f"DataFormat::{'Float32' if self['wide'] == 'true' else 'Float16_b'}"

    def _tile_shape(self) -> str:
        height, width = self._circular(self.args["cb"])[0].tile_shape
        return f"{height}, {width}"

    def _approximate(self) -> str:
        return "true" if self.config is not None and self.config.math_approx_mode else "false"

    def _cast(self) -> str:
        return ", ".join(f"(uint32_t){self[name]}" for name in ("from_format", "to_format"))

    def _datum(self) -> str:
        fmt = DataFormat.from_name(self._circular(self.args["cb"])[0].data_format)
        if fmt.is_bfp:
            raise CodegenError(f"{self.spec.name} of {fmt.value} tiles")
        return _DATUM[fmt.spec.bits // 8]

    def _zero_tile_region(self) -> str:
        cb = self._circular(self.args["cb"])[0]
        fmt, (height, width) = DataFormat.from_name(cb.data_format), cb.tile_shape
        header = fmt.tile_bytes(cb.tile_shape) - height * width * fmt.spec.bits // 8
        shape = f"{height}, {width}, {header}"
        if fmt.spec.bits == 4:
            self.scope.helpers.add("zero_tile_region_4bit")
            return f"zero_tile_region_4bit<{shape}>"
        datum = _DATUM.get(fmt.spec.bits // 8)
        if datum is None:
            raise CodegenError(f"zero_tile_region of {fmt.value} tiles")
        self.scope.helpers.add("zero_tile_region")
        return f"zero_tile_region<{datum}, {shape}>"

    def _constant_tile(self) -> tuple[np.ndarray[Any, Any], DataFormat, CircularBuffer]:
        cb = self._circular(self.args["cb"])[0]
        fmt = DataFormat.from_name(cb.data_format)
        tile = np.full((1, *cb.tile_shape), self.args["value"]).astype(fmt.value_dtype)
        words = np.frombuffer(encode_host(tile, fmt).tobytes(), "<u4")
        return words, fmt, cb

    def _fill_words(self) -> str:
        words, fmt, cb = self._constant_tile()
        datums = cb.tile_shape[0] * cb.tile_shape[1] * fmt.spec.bits // 32
        header = len(words) - datums
        if header * 4 != (cb.tile_shape[0] * cb.tile_shape[1] // 16 if fmt.is_bfp else 0):
            raise CodegenError(f"fill_tile_l1 of {fmt.value} tiles of {cb.tile_shape}")
        first = f"0x{words[0]:08x}u" if header else "0"
        return f"{header}, {first}, {datums}, 0x{words[-1]:08x}u"

    def _scaler_words(self) -> str:
        _, fmt, cb = self._constant_tile()
        if fmt.is_bfp:
            raise CodegenError(f"generate_reduce_scaler of {fmt.value} tiles",
                               next_step="a scaler in Float16_b or Float32")  # fmt: skip
        height, width = cb.tile_shape
        rows = min(height, 16)
        faces = height // rows * (width // 16)
        row = 16 * fmt.spec.bits // 32
        return f"{faces}, {rows * row}, {row}"

    def _pattern(self) -> str:
        return f"0x{self._constant_tile()[0][-1]:08x}u"


def float_literal(value: float) -> str:
    """A binary32 value as the shortest C++ literal that reads back to it."""
    single = np.float32(value)
    if math.isnan(single):
        return '__builtin_nanf("")'
    if math.isinf(single):
        return "__builtin_inff()" if single > 0 else "-__builtin_inff()"
    return f"{np.format_float_scientific(single, trim='0')}f" if (
        single and not 1e-4 <= abs(single) < 1e7
    ) else f"{np.format_float_positional(single, trim='0')}f"  # fmt: skip
