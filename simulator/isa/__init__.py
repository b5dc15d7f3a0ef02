"""The device-op table: every op a program may contain, once.

Names are tt-metal's current ones (ttnn 0.81.1). The compiler targets this table, the loader checks
arity and thread against it, the engine dispatches on it, the C++ printer prints it.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from simulator.isa.compute import compute_core
from simulator.isa.movement import data_movement, handshake
from simulator.isa.sfpu import ROUNDING, SFPU_BINARY, SFPU_SCALAR, SFPU_UNARY, sfpu
from simulator.isa.spec import (
    BCAST_DIMS,
    ORDERS,
    POOL_TYPES,
    REDUCE_DIMS,
    Effect,
    Kind,
    Operand,
    OpSpec,
    Stage,
)

OP_TABLE_VERSION: Final = 2
"""Raised whenever an op's name, operands or meaning changes."""

OPS: Final = MappingProxyType(
    {spec.name: spec for spec in handshake() + data_movement() + compute_core() + sfpu()}
)
"""Name to spec, for every device op."""

__all__ = (
    "BCAST_DIMS",
    "OPS",
    "OP_TABLE_VERSION",
    "ORDERS",
    "POOL_TYPES",
    "REDUCE_DIMS",
    "ROUNDING",
    "SFPU_BINARY",
    "SFPU_SCALAR",
    "SFPU_UNARY",
    "Effect",
    "Kind",
    "OpSpec",
    "Operand",
    "Stage",
)
