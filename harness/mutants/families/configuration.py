"""Configuration ops dropped, stale or for the wrong buffer; modes and labels of the plan."""

from __future__ import annotations

from typing import Any, Final

from harness.mutants.edit import (
    Built,
    change_cbs,
    change_kernels,
    dropped,
    edit,
    is_op,
    replace,
    with_arg,
    with_plan,
)
from harness.mutants.registry import in_built as _one
from simulator.formats.dataformat import DataFormat
from simulator.program import Op

STARTUP: Final = "compute_kernel_hw_startup"
RECONFIG: Final = ("reconfig_data_format", "reconfig_data_format_srca")


def _dropped(*names: str) -> Any:
    return lambda b: edit(b, dropped(*names), thread="compute")


def _sfpu_init(stmt: Any) -> Any:
    return () if isinstance(stmt, Op) and stmt.name.endswith("_tile_init") else None


def _compute(**fields: Any) -> Any:
    def change(kernel: Any) -> Any:
        if kernel.compute is None:
            return None
        new = {k: v(getattr(kernel.compute, k)) for k, v in fields.items()}
        return replace(kernel, compute=replace(kernel.compute, **new))

    return lambda b: change_kernels(b, change)


def _formats(pairs: dict[str, str], only: Any = None) -> Any:
    def change(cb: Any) -> Any:
        if cb.data_format not in pairs or (only is not None and not only(cb)):
            return None
        fmt = DataFormat(pairs[cb.data_format])
        return replace(cb, data_format=fmt.value, page_bytes=fmt.tile_bytes())

    return lambda b: change_cbs(b, change)


def _kept_size(built: Built) -> Any:
    return change_cbs(built, lambda cb: replace(cb, data_format="Float16")
                      if cb.data_format == "Float16_b" else None)  # fmt: skip


def _layouts(change: Any) -> Any:
    def apply(built: Built) -> Any:
        new = {n: change(n, la, built.plan) or la for n, la in built.plan.layouts.items()}
        return with_plan(built, layouts=new)

    return apply


def _args(change: Any) -> Any:
    """``change(kernel)`` gives new fields of a kernel."""
    return lambda b: change_kernels(b, lambda k: replace(k, **(change(k) or {})))


def _rotated(kernel: Any, field: str) -> Any:
    old = getattr(kernel, field)
    if len(old) < 2:
        return None
    names, values = list(old), list(old.values())
    return {field: dict(zip(names, values[1:] + values[:1], strict=True))}


def _collided(kernel: Any, field: str) -> Any:
    """Every argument takes the first one's value: one index read twice."""
    old = getattr(kernel, field)
    return {field: dict.fromkeys(old, next(iter(old.values())))} if len(old) > 1 else None


def _both_rotated(kernel: Any) -> Any:
    one, two = _rotated(kernel, "compile_args"), _rotated(kernel, "common_args")
    return {**one, **two} if one and two else None


def _reordered(kernel: Any) -> Any:
    new = {c: tuple(reversed(v)) for c, v in kernel.runtime_args.items()}
    return {"runtime_args": new} if kernel.runtime_args else None


def _declared_otherwise(built: Built) -> Any:
    """Programs declare their runtime arguments in reverse, the plan stays."""
    programs = tuple(replace(p, runtime_args=p.runtime_args[::-1]) for p in built.programs.programs)
    if programs == built.programs.programs:
        return None
    return Built(built.plan, replace(built.programs, programs=programs))


C, M, L, G = "configuration", "numeric modes", "labels", "arguments"
MUTANTS: Final = (
    _one(C, "matmul-init-dropped", "Products run without matmul_init.", _dropped("matmul_init")),
    _one(C, "copy-init-dropped", "Copies run without copy_init.", _dropped("copy_init")),
    _one(C, "reduce-init-dropped", "Reductions run without reduce_init.", _dropped("reduce_init")),
    _one(C, "reduce-uninit-dropped", "The packer's mask stays on.", _dropped("reduce_uninit")),
    _one(C, "broadcast-init-dropped", "Broadcasts run without their init.",
         _dropped("unary_bcast_init")),
    _one(C, "broadcast-uninit-dropped", "Broadcasts are not undone.",
         _dropped("unary_bcast_uninit")),
    _one(C, "transpose-init-dropped", "Transposes run without their init.",
         _dropped("transpose_init", "transpose_dest_init")),
    _one(C, "sfpu-init-dropped", "Vector functions run without their init.",
         lambda b: edit(b, _sfpu_init, thread="compute")),
    _one(C, "last-init-dropped", "The last init of the program is left out.",
         lambda b: edit(b, lambda s: () if isinstance(s, Op) and s.name.endswith("_init") else None,
                        thread="compute", which="last")),
    _one(C, "unpack-reconfig-dropped", "The unpacker keeps the format before.",
         _dropped(*RECONFIG)),
    _one(C, "pack-reconfig-dropped", "The packer keeps the format before.",
         _dropped("pack_reconfig_data_format")),
    _one(C, "startup-dropped", "The compute engines are never started.", _dropped(STARTUP)),
    _one(C, "startup-twice", "The compute engines are started twice.",
         lambda b: edit(b, lambda s: (s, s) if is_op(s, STARTUP) else None)),
    _one(C, "startup-order-wrong", "Source registers are set up in the other order.",
         lambda b: edit(b, with_arg(STARTUP, 0, {"Regular": "Reverse", "Reverse": "Regular"}.get)),
         None),
    _one(C, "startup-output-wrong", "The packer is set up for an operand's format.",
         lambda b: edit(b, lambda s: (replace(s, args=(*s.args[:3], s.args[1])),)
                        if is_op(s, STARTUP) else None)),
    _one(C, "l1-accumulation-left-on", "The packer adds to what L1 holds.",
         lambda b: edit(b, lambda s: (s, Op(name="pack_reconfig_l1_acc", args=(1,)))
                        if is_op(s, STARTUP) else None)),
    _one(C, "init-of-another-buffer", "copy_init names buffer 0 whatever is copied.",
         lambda b: edit(b, with_arg("copy_init", 0, lambda _: 0))),
    _one(M, "fidelity-lofi", "The multipliers make one pass.",
         _compute(math_fidelity=lambda _: "LoFi")),
    _one(M, "fidelity-hifi2", "The multipliers make two passes.",
         _compute(math_fidelity=lambda f: "HiFi2" if f != "LoFi" else f)),
    _one(M, "dest-16-bit", "DST accumulates in 16 bits.",
         _compute(fp32_dest_acc_en=lambda _: False)),
    _one(M, "dest-32-bit", "DST accumulates in 32 bits where 16 are asked for.",
         _compute(fp32_dest_acc_en=lambda _: True)),
    _one(M, "approximate-mode", "Vector functions run in approximate mode.",
         _compute(math_approx_mode=lambda _: True)),
    _one(M, "bfp8-pack-precise", "The packer rounds block formats otherwise than asked for.",
         _compute(bfp8_pack_precise=lambda _: True)),
    _one(M, "full-sync", "DST is one section instead of two.",
         _compute(dst_full_sync_en=lambda _: True)),
    _one(M, "unpack-to-dest-dropped", "Float32 reaches DST through the source registers.",
         lambda b: change_cbs(b, lambda cb: replace(cb, unpack_to_dest=False))),
    _one(M, "unpack-to-dest-everywhere", "Float32 operands of the FPU bypass it.",
         lambda b: change_cbs(b, lambda cb: replace(cb, unpack_to_dest=True)
                              if cb.data_format == "Float32" else None)),
    _one(L, "format-label-float16", "bfloat16 buffers are labelled float16.", _kept_size),
    _one(L, "format-narrowed", "Float32 buffers hold bfloat16.",
         _formats({"Float32": "Float16_b"})),
    _one(L, "spill-narrowed", "Partial sums are spilled in bfloat16.",
         _formats({"Float32": "Float16_b"}, lambda cb: cb.producer == cb.consumer)),
    _one(L, "format-widened", "bfloat16 buffers hold float32.", _formats({"Float16_b": "Float32"})),
    _one(L, "operand-packed", "An operand's buffer is labelled Bfp8_b.",
         _formats({"Float16_b": "Bfp8_b"}, lambda cb: cb.producer == "ncrisc")),
    _one(L, "intermediate-packed", "Intermediate buffers hold Bfp8_b.",
         _formats({"Float16_b": "Bfp8_b", "Float32": "Bfp8_b"},
                  lambda cb: cb.producer == cb.consumer)),
    _one(L, "page-bytes-halved", "Pages have half the bytes of a tile.",
         lambda b: change_cbs(b, lambda cb: replace(cb, page_bytes=cb.page_bytes // 2))),
    _one(L, "producer-mislabelled", "Buffers of the reader are said to be the writer's.",
         lambda b: change_cbs(b, lambda cb: replace(cb, producer="brisc")
                              if cb.producer == "ncrisc" else None)),
    _one(L, "consumer-mislabelled", "Buffers of the writer are said to be the reader's.",
         lambda b: change_cbs(b, lambda cb: replace(cb, consumer="ncrisc")
                              if cb.consumer == "brisc" else None)),
    _one(L, "buffers-share-memory", "The second circular buffer lies on the first one.",
         lambda b: change_cbs(b, lambda cb: replace(cb, alias_of=0) if cb.id == 1 else None)),
    _one(L, "buffer-missing-on-a-core", "A circular buffer exists on the first core only.",
         lambda b: change_cbs(b, lambda cb: replace(cb, core_ranges=(replace(
             cb.core_ranges[0], extent=(1, 1)),)) if len(b.plan.work_partition) > 1 else None)),
    _one(L, "tensor-dtype-label", "Tensors are labelled float16.",
         _layouts(lambda n, la, p: replace(la, dtype="float16")
                  if la.dtype == "bfloat16" else None)),
    _one(L, "tensor-shape-transposed", "Tensors have rows for columns.",
         _layouts(lambda n, la, p: replace(la, logical_shape=la.logical_shape[::-1],
                                           padded_shape=la.padded_shape[::-1]))),
    _one(L, "padded-shape-unpadded", "The padded shape is the logical one.",
         _layouts(lambda n, la, p: replace(la, padded_shape=la.logical_shape)
                  if len(la.logical_shape) > 1 else None)),
    _one(L, "padded-shape-too-wide", "Tensors have a column of tiles too many.",
         _layouts(lambda n, la, p: replace(la, padded_shape=(*la.padded_shape[:-1],
                                                            la.padded_shape[-1] + 32)))),
    _one(L, "logical-shape-rounded", "Tensors lose their ragged edge: the logical shape is padded.",
         _layouts(lambda n, la, p: replace(la, logical_shape=la.padded_shape)
                  if len(la.logical_shape) > 1 else None)),
    _one(L, "roles-exchanged", "Inputs are outputs and the other way round.",
         _layouts(lambda n, la, p: replace(la, role={"input": "output", "output": "input"}
                                           .get(la.role, la.role)))),
    _one(L, "padding-said-to-be-zero", "The plan says that the host zeroes padding.",
         _layouts(lambda n, la, p: replace(la, padding="zero")),
         None),
    _one(L, "noc-exchanged", "Reader and writer use each other's NoC.",
         lambda b: change_kernels(b, lambda k: replace(k, noc=1 - k.noc)
                                  if k.noc is not None else None),
         "both NoCs reach every bank and core; only timing differs while nothing is multicast"),
    _one(L, "hash-forgotten", "Programs come from another compilation than the plan.",
         lambda b: edit(b, lambda s: (s, Op(name="noc_async_read_barrier"))
                        if is_op(s, "noc_async_write_barrier") else None),
         "a barrier with nothing in flight does nothing"),
    _one(G, "tensor-addresses-rotated", "A kernel's base addresses belong to the next tensor.",
         _args(lambda k: _rotated(k, "common_args"))),
    _one(G, "tensor-addresses-collide", "A kernel reads every base address from one argument.",
         _args(lambda k: _collided(k, "common_args"))),
    _one(G, "accessors-rotated", "A kernel's accessors belong to the next tensor.",
         _args(lambda k: _rotated(k, "compile_args"))),
    _one(G, "accessors-collide", "A kernel's accessors all mean the first tensor.",
         _args(lambda k: _collided(k, "compile_args"))),
    _one(G, "tensors-rotated", "Accessors and addresses both belong to the next tensor.",
         _args(_both_rotated)),
    _one(G, "runtime-args-reversed", "A core's arguments come in the other order.",
         _args(_reordered)),
    _one(G, "runtime-args-declared-reversed", "Programs declare their arguments in reverse.",
         _declared_otherwise),
    _one(G, "io-order-reversed", "The host passes tensors in the other order.",
         lambda b: with_plan(b, io=b.plan.io[::-1])),
    _one(G, "io-inputs-exchanged", "The host passes the first two inputs crosswise.",
         lambda b: with_plan(b, io=(b.plan.io[1], b.plan.io[0], *b.plan.io[2:]))
         if len(b.plan.io) > 2 else None),
)  # fmt: skip
