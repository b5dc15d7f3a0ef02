"""Ops that set configuration state, and the check every configured op makes."""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType
from typing import Any, Final

from simulator.engine import expr
from simulator.engine.code import Builders, OpContext, Step, uniform
from simulator.engine.config import Config, stale
from simulator.engine.expr import ExprError
from simulator.engine.group import Group
from simulator.engine.violation import Violation
from simulator.formats.dataformat import DataFormat
from simulator.isa import BCAST_DIMS, OPS, POOL_TYPES, REDUCE_DIMS

FORMATS: Final = tuple(fmt.value for fmt in DataFormat)


def checker(name: str, **wanted: Any) -> Callable[[Config], None]:
    """A check that an op's configuration is in force; configurations seen before pass at once."""
    good: dict[int, Config] = {}

    def check(config: Config) -> None:
        if id(config) in good:
            return
        wrong = stale(config, **wanted)
        if wrong is not None:
            raise Violation("StaleConfig", f"{name}: {wrong}")
        good[id(config)] = config

    return check


def _setter(c: OpContext, change: Callable[[Config], Config]) -> Step:
    """A step that changes configuration; being pure, changes are remembered by identity."""
    memo: dict[int, tuple[Config, Config]] = {}
    following, known = c.next, c.machine.configs

    def step(group: Group) -> int:
        local = group.local
        pair = memo.get(id(local.config))
        if pair is None:
            after = change(local.config)
            pair = memo[id(local.config)] = (local.config, known.setdefault(after, after))
        local.config = pair[1]
        return following

    return step


def build_startup(c: OpContext) -> Step:
    """compute_kernel_hw_startup."""
    order = c.op.args[0]
    in0, in1, out = (c.cb(i).fmt for i in (1, 2, 3))
    src_a, src_b = (in1, in0) if order == "Reverse" else (in0, in1)

    def change(config: Config) -> Config:
        if config.started:
            raise Violation("StaleConfig", "compute_kernel_hw_startup ran twice")
        return Config(started=True, src_a=src_a, src_b=src_b, pack=out)

    return _setter(c, change)


def _needs_start(name: str, config: Config) -> None:
    if not config.started:
        raise Violation("StaleConfig", f"{name}: compute_kernel_hw_startup has not run")


def _needs_undone(name: str, config: Config, key: tuple[Any, ...]) -> None:
    """unary_bcast leaves the unpacker changed; only its own uninit (or itself) may follow."""
    held = config.math
    if held is not None and held[0] == "unary_bcast" and held != key:
        raise Violation(
            "StaleConfig",
            f"{name} before unary_bcast_uninit {held[1]} undid that broadcast's unpacker setting",
        )


def build_reconfig(c: OpContext) -> Step:
    """reconfig_data_format, reconfig_data_format_srca, pack_reconfig_data_format."""
    fields: dict[str, Any] = {}
    if c.op.name == "pack_reconfig_data_format":
        fields["pack"] = c.cb(0).fmt
    else:
        fields["src_a"] = c.cb(0).fmt
        if c.op.name == "reconfig_data_format":
            fields["src_b"] = c.cb(1).fmt

    def change(config: Config) -> Config:
        _needs_start(c.op.name, config)
        return config._replace(**fields)

    return _setter(c, change)


def build_l1_acc(c: OpContext) -> Step:
    """pack_reconfig_l1_acc."""
    enable, following = c.scalar(0), c.next

    def step(group: Group) -> int:
        value = bool(uniform(group, enable(group.regs)))
        local = group.local
        _needs_start("pack_reconfig_l1_acc", local.config)
        if local.config.l1_acc is not value:
            after = local.config._replace(l1_acc=value)
            local.config = c.machine.configs.setdefault(after, after)
        return following

    return step


def build_init(c: OpContext) -> Step:
    """Inits of FPU ops: one slot for all of them."""
    key = math_key(c)
    mask = c.op.args[1] if c.op.name == "reduce_init" else None

    def change(config: Config) -> Config:
        _needs_start(c.op.name, config)
        _needs_undone(c.op.name, config, key)
        if mask is not None:
            return config._replace(math=key, mask=mask)
        return config._replace(math=key)

    return _setter(c, change)


def build_reduce_uninit(c: OpContext) -> Step:
    """reduce_uninit: the packer's mask goes, and reduce_tile needs its init again."""
    return _setter(c, lambda config: config._replace(mask=None, math=None))


def build_fpu_uninit(c: OpContext) -> Step:
    """unary_bcast_uninit: the FPU needs another init. What it undoes is the broadcast it names."""
    key = ("unary_bcast", c.op.args[0], c.cb(1).unpack_to_dest)

    def change(config: Config) -> Config:
        _needs_undone(c.op.name, config, key)
        return config._replace(math=None)

    return _setter(c, change)


def build_sfpu_init(c: OpContext) -> Step:
    """Inits of SFPU ops: one slot beside the FPU's."""
    key = sfpu_key(c)

    def change(config: Config) -> Config:
        _needs_start(c.op.name, config)
        return config._replace(sfpu=key)

    return _setter(c, change)


def sfpu_key(c: OpContext) -> tuple[Any, ...]:
    """The SFPU key an init sets or an op needs; a typecast's holds its formats."""
    spec = OPS[c.op.name]
    formats = [a for a, o in zip(c.op.args, spec.operands, strict=True) if o.kind == "format"]
    for name in formats:
        if name not in FORMATS:
            raise ExprError(f"{c.op.name} from or to {name!r}, which is no format")
    return (spec.config, *formats)


def math_key(c: OpContext) -> tuple[Any, ...]:
    """The FPU key an init sets or an op needs, with the parameters both carry.

    Ops that only move tiles are set up for the unpacker's way: into DST, or through a source.
    """
    spec = OPS[c.op.name]
    key: tuple[Any, ...] = (spec.config,)
    if spec.config == "reduce":
        pool, dim = c.op.args[0], c.op.args[1]
        if pool not in POOL_TYPES or dim not in REDUCE_DIMS:
            raise ExprError(f"{c.op.name} of {pool!r} along {dim!r}")
        return (*key, pool, dim)
    if spec.config == "unary_bcast":
        if c.op.args[0] not in BCAST_DIMS:
            raise ExprError(f"{c.op.name} along {c.op.args[0]!r}")
        return (*key, c.op.args[0], c.cb(1).unpack_to_dest)
    if spec.config in ("copy", "transpose"):
        return (*key, c.cb(0).unpack_to_dest)
    return key


def transpose_flag(c: OpContext) -> bool:
    """matmul_init's literal transpose operand."""
    flag = expr.value_of(c.poly(2))
    if flag not in (0, 1):
        raise ExprError("matmul_init's transpose must be the constant 0 or 1")
    return bool(flag)


def build_matmul_init(c: OpContext) -> Step:
    """matmul_init: the transpose flag is part of the key."""
    key = ("matmul", transpose_flag(c))

    def change(config: Config) -> Config:
        _needs_start(c.op.name, config)
        _needs_undone(c.op.name, config, key)
        return config._replace(math=key)

    return _setter(c, change)


def _builders() -> dict[str, Any]:
    table: dict[str, Any] = {
        "compute_kernel_hw_startup": build_startup,
        "reconfig_data_format": build_reconfig,
        "reconfig_data_format_srca": build_reconfig,
        "pack_reconfig_data_format": build_reconfig,
        "pack_reconfig_l1_acc": build_l1_acc,
        "copy_init": build_init,
        "transpose_init": build_init,
        "unary_bcast_init": build_init,
        "unary_bcast_uninit": build_fpu_uninit,
        "transpose_dest_init": build_init,
        "reduce_init": build_init,
        "reduce_uninit": build_reduce_uninit,
        "matmul_init": build_matmul_init,
    }
    for name in ("add", "sub", "mul"):
        table[f"{name}_init"] = build_init
        for dim in BCAST_DIMS:
            suffix = {"ROW": "rows", "COL": "cols", "SCALAR": "scalar"}[dim]
            table[f"{name}_bcast_{suffix}_init"] = build_init
    for name, spec in OPS.items():
        if spec.effect == "config" and name not in table and name.endswith("_tile_init"):
            table[name] = build_sfpu_init
    return table


BUILDERS: Final[Builders] = MappingProxyType(_builders())
"""Op name to builder."""
