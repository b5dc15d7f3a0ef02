"""The packaged kernels: factory and NumPy reference of each, for tests, docs and the C++ gate."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from types import MappingProxyType
from typing import Any, Final

import numpy as np

from harness.kernels import (
    attention,
    batched,
    convolution,
    decoding,
    elementary,
    elementwise,
    gathered,
    gemm,
    grouped,
    linear,
    loss,
    norm,
    quantised,
    selection,
    softmax,
    sparse,
    splitk,
)


@dataclass(frozen=True)
class Packaged:
    """One packaged kernel.

    ``reference`` takes the inputs in float64, in parameter order, and gives the output; ``ragged``
    are parameters that leave sizes uneven, ``dtypes`` the input types worth trying.
    """

    factory: Callable[..., Any]
    reference: Callable[..., Any]
    ragged: dict[str, Any] = field(default_factory=dict)
    dtypes: tuple[str, ...] = ("bfloat16", "float32")


def _same(x: Any) -> Any:
    return x


def _moe_gate(x: Any) -> Any:
    weights = softmax.reference(x)
    return np.where(weights >= 0.05, weights, 0.0)


KERNELS: Final = MappingProxyType(
    {
        "gemm": Packaged(gemm.matmul, gemm.reference, {"M": 100, "N": 70, "K": 50}),
        "batched_gemm": Packaged(
            batched.batched_matmul, batched.reference, {"M": 100, "N": 33, "K": 50}
        ),
        "dequantised_gemm": Packaged(
            quantised.dequantised_gemm,
            quantised.dequantised_gemm_reference,
            {"M": 100, "N": 70, "K": 50},
        ),
        "weight_only_gemm": Packaged(
            quantised.weight_only_gemm,
            quantised.weight_only_gemm_reference,
            {"M": 100, "N": 70, "K": 50},
        ),
        "packed_gemm": Packaged(
            quantised.packed_gemm, quantised.packed_gemm_reference, {"M": 70, "N": 50}
        ),
        "copy": Packaged(elementwise.copy, _same, {"M": 100, "N": 70}),
        "sharded_copy": Packaged(elementwise.sharded_copy, _same, {"M": 100, "N": 70}),
        "add": Packaged(elementwise.add, elementwise.add_reference, {"M": 100, "N": 70}),
        "multiply_add": Packaged(
            elementwise.multiply_add, elementwise.multiply_add_reference, {"M": 100, "N": 70}
        ),
        "cast": Packaged(elementary.cast, _same, {"M": 100, "N": 70}, ("float32",)),
        "row_sum": Packaged(elementary.row_sum, lambda a: a.sum(1), {"M": 100}),
        "column_max": Packaged(elementary.column_max, lambda a: a.max(0), {"N": 100}),
        "rotary": Packaged(elementary.rotary, elementary.rotary_reference, {"M": 100}),
        "interleaved_rotary": Packaged(
            elementary.interleaved_rotary,
            elementary.interleaved_rotary_reference,
            {"M": 100, "D": 72},
        ),
        "moe_gate": Packaged(elementary.moe_gate, _moe_gate, {"tokens": 100}, ("float32",)),
        "block_sparse_gemm": Packaged(
            sparse.block_sparse_gemm,
            sparse.block_sparse_gemm_reference,
            {"M": 100, "N": 70, "K": 50},
        ),
        "block_sparse_attention": Packaged(
            sparse.block_sparse_attention,
            sparse.block_sparse_attention_reference,
            {"seq": 100, "dim": 48},
        ),
        "paged_attention": Packaged(
            gathered.paged_attention,
            gathered.paged_attention_reference,
            {"batch": 3, "group": 5, "page_size": 48, "dim": 80},
        ),
        "expert_gemm": Packaged(
            gathered.expert_gemm, gathered.expert_gemm_reference, {"M": 100, "N": 70, "K": 50}
        ),
        "embedding": Packaged(
            gathered.embedding,
            gathered.embedding_reference,
            {"words": 50, "dim": 48},
        ),
        "grouped_gemm": Packaged(
            grouped.grouped_gemm,
            grouped.grouped_gemm_reference,
            {"total": 77, "groups": 3, "N": 70, "K": 50},
        ),
        "unpermute": Packaged(
            grouped.unpermute, grouped.unpermute_reference, {"tokens": 70, "dim": 50}
        ),
        "packed_attention": Packaged(
            grouped.packed_attention,
            grouped.packed_attention_reference,
            {"total_q": 70, "total_k": 101, "dim": 48},
        ),
        "softmax": Packaged(softmax.softmax, softmax.reference, {"M": 100}),
        "online_softmax": Packaged(softmax.online_softmax, softmax.reference, {"M": 100}),
        "cross_entropy": Packaged(loss.cross_entropy, loss.cross_entropy_reference, {"M": 100}),
        "argmax": Packaged(
            selection.argmax, selection.argmax_reference, {"M": 100, "N": 70}, ("bfloat16",)
        ),
        "topk_indices": Packaged(
            selection.topk_indices,
            selection.topk_indices_reference,
            {"M": 100, "N": 50},
            ("bfloat16",),
        ),
        "rms_norm": Packaged(norm.rms_norm, norm.rms_norm_reference, {"M": 100}),
        "rms_norm_splitk": Packaged(norm.rms_norm_splitk, norm.rms_norm_reference, {"M": 100}),
        "layer_norm": Packaged(norm.layer_norm, norm.layer_norm_reference, {"M": 100}),
        "gemm_bias_relu": Packaged(
            linear.gemm_bias_relu, linear.gemm_bias_relu_reference, {"M": 100, "N": 70, "K": 50}
        ),
        "gelu_mlp": Packaged(
            linear.gelu_mlp, linear.gelu_mlp_reference, {"M": 100, "N": 70, "K": 50}
        ),
        "gemv": Packaged(linear.gemv, linear.gemv_reference, {"M": 100}),
        "linear_attention": Packaged(
            linear.linear_attention, linear.linear_attention_reference, {"seq_len": 96}
        ),
        "flash_attention": Packaged(attention.flash_attention, attention.reference),
        "causal_attention": Packaged(
            partial(attention.flash_attention, is_causal=True),
            partial(attention.reference, is_causal=True),
            {"seq_len": 200},
        ),
        "grouped_query_attention": Packaged(
            partial(attention.flash_attention, heads=4, groups=2),
            partial(attention.reference, groups=2),
        ),
        "sliding_window_attention": Packaged(
            partial(attention.flash_attention, is_causal=True, window=70),
            partial(attention.reference, is_causal=True, window=70),
            {"seq_len": 200},
        ),
        "conv2d": Packaged(
            convolution.conv2d, convolution.conv2d_reference, {"N": 40, "C": 50, "F": 40}
        ),
        "strided_conv2d": Packaged(
            partial(convolution.conv2d, stride=2, H=7),
            partial(convolution.conv2d_reference, stride=2),
        ),
    }
)
"""Name to kernel."""
SEQUENCES: Final = MappingProxyType(
    {
        "split_k": Packaged(
            splitk.split_k, splitk.split_k_reference, {"M": 100, "N": 70, "K": 300}
        ),
        "flash_decoding": Packaged(
            decoding.flash_decoding, decoding.flash_decoding_reference, {"group": 20}
        ),
    }
)
"""Name to a sequence of kernels; the reference gives the result of the last one."""
