"""The cases mutants are tried on: packaged kernels at small sizes, smallest first, then drawn."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Final

from harness.language.rewriting.inturn import steps
from harness.mutants.edit import Built
from harness.mutants.subjects import sources, texts

Params = dict[str, Any]
_SIZES: Final = ("M", "N", "K", "D", "tokens", "experts", "seq_len", "dim", "H", "W", "C")


@dataclass(frozen=True)
class Case:
    """One kernel at one size, compiled with some options.

    Attributes:
        kernel: a name of ``harness.mutants.subjects.sources.SOURCES``.
        params: parameters of its factory.
        options: compile options.
        edit: a name of ``sources.EDITS`` for artifacts no source compiles to yet, or None.
        step: which kernel of a sequence, from 1 on; 0 for a kernel alone.
    """

    kernel: str
    params: Params = field(default_factory=dict)
    options: Params = field(default_factory=dict)
    edit: str | None = None
    step: int = 0

    @property
    def name(self) -> str:
        """One line: kernel, parameters, options."""
        words = [f"{k}={v}" for k, v in {**self.params, **self.options}.items()]
        step = [f"step {self.step}"] if self.step else []
        return " ".join([self.edit or self.kernel, *step, *words])

    @property
    def before(self) -> tuple[Case, ...]:
        """The kernels that run before it."""
        return tuple(replace(self, step=number) for number in range(1, self.step))

    @property
    def size(self) -> tuple[int, int, int]:
        """What small means: tiles along the longest axis, cores, tiles along all axes."""
        sizes = [-(-self.params[name] // 32) for name in _SIZES if name in self.params]
        width, height = self.options.get("grid", (2, 1))
        return max(sizes), width * height, sum(sizes)

    def source(self) -> Any:
        """The PrimFunc."""
        made = sources.SOURCES[self.kernel].factory(**self.params)
        return steps(made)[self.step - 1] if self.step else made

    def edited(self, built: Built) -> Built:
        """The artifact to start from."""
        return built if self.edit is None else sources.EDITS[self.edit](built)


def _step(kernel: str, step: int, **params: Any) -> Case:
    """One kernel of a sequence, on what those before it answer."""
    return Case(kernel, params, {"grid": (2, 1)}, step=step)


def _gemm(m: int, n: int, k: int, *, cores: str = "1x1", tile: int = 32, **more: Any) -> Case:
    x, y = map(int, cores.split("x"))
    params = {"M": m, "N": n, "K": k, "block_M": tile, "block_N": tile}
    options: Params = {"grid": (x, y)}
    for name, value in more.items():
        known = (
            "strategy",
            "fidelity",
            "fp32_dest",
            "double_buffer",
            "prefetch",
            "device",
            "multicast",
        )
        (options if name in known else params)[name] = value
    return Case("gemm", params, options)


def _on(kernel: str, cores: tuple[int, int] = (1, 1), options: Params | None = None,
        **params: Any) -> Case:  # fmt: skip
    return Case(kernel, params, {"grid": cores, **(options or {})})


FIXED: Final = (
    _gemm(32, 32, 32),
    _on("copy", M=32, N=32, block_M=32, block_N=32),
    _on("copy", M=40, N=50, block_M=32, block_N=32),
    _on("add", M=32, N=32, block_M=32, block_N=32),
    _on("multiply_add", M=32, N=32, block_M=32, block_N=32),
    _on("row_sum", M=32, N=64),
    _on("row_sum", M=40, N=32),
    _on("column_max", M=32, N=32, block_N=32),
    _on("mixed", M=32, N=32),
    _on("mixed", (2, 1), M=64, N=64),
    _on("mixed", M=64, N=64, block=64),
    _on("masked", M=40, N=40),
    _on("two_outputs", M=64, N=32),
    _on("cast", M=32, N=32),
    _on("softmax", M=32, N=32),
    _on("softmax", (2, 1), M=64, N=64),
    _on("layer_norm", M=32, N=32),
    _on("rms_norm", M=32, N=64),
    _on("gemv", M=32, K=64, block_K=32),
    _on("gemv", (2, 1), M=64, K=64, block_K=64),
    _on("rotary", M=32, D=64),
    _on("moe_gate", tokens=32, experts=64),
    _on("gemm_bias_relu", M=32, N=32, K=32, block_M=32, block_N=32),
    _on("gemm_bias_relu", (2, 1), M=50, N=64, K=64, block_M=32, block_N=32),
    _on("gelu_mlp", M=32, N=32, K=32),
    _gemm(32, 32, 64),
    _gemm(40, 50, 33),
    _gemm(64, 32, 32, cores="2x1"),
    _gemm(32, 64, 32, cores="2x1"),
    _gemm(32, 64, 64, cores="1x2"),
    _gemm(64, 64, 32, cores="2x1"),
    _gemm(64, 64, 64, cores="2x1", strategy="column_major"),
    _gemm(64, 64, 32, cores="2x1", strategy="block"),
    _gemm(64, 64, 64, cores="2x2", strategy="block"),
    _gemm(64, 64, 64, tile=64),
    _gemm(64, 64, 64, tile=64, block_K=64),
    _gemm(64, 32, 64, trans_B=True),
    _gemm(64, 32, 64, trans_A=True),
    _gemm(40, 40, 40, trans_A=True, trans_B=True),
    _gemm(64, 32, 64, double_buffer=False, prefetch=False),
    _gemm(32, 32, 64, fidelity="LoFi"),
    _gemm(32, 32, 64, fp32_dest=False),
    _gemm(32, 32, 64, dtype="float32"),
    _gemm(32, 32, 64, dtype="float16"),
    _gemm(32, 32, 64, device="blackhole_p150", out_dtype="float32"),
    _gemm(96, 32, 32),
    _gemm(32, 96, 64),
    _gemm(160, 32, 64, cores="2x1"),
    _gemm(32, 32, 128),
    _gemm(32, 32, 128, num_stages=3),
    _gemm(32, 32, 96, num_stages=1),
    Case("gemm", {"M": 64, "N": 64, "K": 32, "block_M": 32, "block_N": 32},
         {"ranges": "0,0:1x1;3,2:1x1"}),
    _on("batched_gemm", (2, 1), batch=2, M=32, N=32, K=64, block_M=32),
    _on("batched_gemm", batch=2, M=40, N=33, K=64, block_M=32),
    _on("online_softmax", M=32, N=64, block_N=32),
    _on("rms_norm_splitk", M=32, N=64, block_K=32),
    _on("linear_attention", heads=1, seq_len=64, dim=32),
    _on("flash_attention", heads=1, seq_len=64, dim=32, block_M=32, block_N=32),
    _on("causal_attention", heads=1, seq_len=64, dim=32, block_M=32, block_N=32),
    Case("copy", {"M": 32, "N": 32, "block_M": 32, "block_N": 32}, {"grid": (1, 1)}, "copy-bfp8"),
    Case("copy", {"M": 64, "N": 32, "block_M": 32, "block_N": 32}, {"grid": (2, 1)}, "copy-baton"),
    *(_on(name, M=64, N=64) for name in ("running_sums", "repeated", "planes_of_planes",
                                         "neighbours", "accumulators")),
    *(_on(name, M=96, N=96) for name in ("taken", "put")),
    _on("expert_gemm", (2, 1), M=128, N=32, K=64, experts=4),
    _on("expert_gemm", (4, 1), M=128, N=32, K=32, experts=9),
    _on("patches", N=32, H=5, W=6, C=16),
    _on("patches", (2, 1), N=40, images=3, H=7, C=32, side=2, dtype="float32"),
    _on("scattered", M=64, N=32),
    _on("scattered", (2, 1), M=64, N=32, dtype="bfloat16"),
    _on("picks", M=32, N=32),
    _on("picks", (2, 1), M=90, N=60, dtype="float16"),
    _on("around", M=50, N=40),
    _on("around", (2, 1), M=64, N=70),
    _on("interleaved", (2, 1), M=64, N=64),
    _gemm(32, 64, 32, cores="2x1", multicast=True),
    _gemm(64, 64, 64, cores="2x2", multicast=True),
    _on("shifted", M=64, N=64),
    _on("shifted", (2, 1), M=50, N=70),
    _on("halves", (2, 1), M=32, N=96),
    _on("halves", M=32, N=64),
    _on("leaders", (2, 1), M=96, N=32),
    _on("chosen", (2, 1), M=40, N=64),
    _on("pooled", M=64, N=32),
    _on("block_sparse_gemm", (2, 1), M=64, N=32, K=64),
    _on("counted", (2, 1), M=96, N=32),
    _on("listed", (2, 1), M=96, N=32),
    _on("narrowed", (2, 1), M=64, N=64),
    _on("nibbles", (2, 1), M=64, N=64),
    *(_on(name, (2, 1), M=64, N=32) for name in (
        "layered", "given", "momentum", "cut", "numbered", "winners", "lined", "tallied",
        "downwards", "strung")),
    _on("viewed", M=64, N=64),
    *(_on(name, M=64, N=32) for name in ("stacked", "flattened", "owned", "quartered")),
    _on("crowded", M=32, N=32),
    _on("parted", (2, 1), M=32, N=64),
    _on("unpermute", (2, 1), tokens=50, dim=32),
    _on("grouped_gemm", (2, 1), total=77, groups=3, N=32, K=32),
    _on("paged", (2, 1), M=64, N=32),
    _on("routed", (2, 1), M=50, N=32),
    _on("paged_attention", (2, 1), batch=2, heads=1, pages=5, blocks=3, page_size=32, dim=32),
    *(_step(name, step, **sizes) for step in (1, 2) for name, sizes in (
        ("handed", {"M": 50, "N": 64}),
        ("split_k", {"M": 32, "N": 64, "K": 128, "split": 2, "block_M": 32, "block_N": 32}),
    )),
)  # fmt: skip
"""The runner sorts them by size."""


def from_texts() -> Iterator[Case]:
    """The drawn kernels whose text is at hand."""
    for number in range(len(texts.texts())):
        yield _on(texts.DRAWN, (2, 1), N=texts.SIZE, number=number)


def drawn(seed: int, count: int) -> Iterator[Case]:
    """Drawn cases, the same for the same seed."""
    rng = random.Random(seed)  # noqa: S311  (cases, not secrets)
    for _ in range(count):
        yield _draw(rng)


def exhaustive() -> Iterator[Case]:
    """Every small shape of the plain kernels, to prove that a mutant changes nothing."""
    sizes = (20, 32, 64)
    for m, n, k in itertools.product(sizes, repeat=3):
        yield _gemm(m, n, k)
        yield _gemm(m, n, k, cores="2x1", strategy="column_major")
    for m, n in itertools.product(sizes, repeat=2):
        yield _on("copy", (2, 1), M=m, N=n, block_M=32, block_N=32)
        yield _on("mixed", M=m, N=n)
        yield _on("row_sum", M=m, N=n)
        yield Case("copy", {"M": 64, "N": n, "block_M": 32, "block_N": 32}, {"grid": (2, 1)},
                   "copy-baton")  # fmt: skip


def _draw(rng: random.Random) -> Case:
    options: Params = {
        "grid": rng.choice([(1, 1), (2, 1), (1, 2), (2, 2), (3, 1)]),
        "strategy": rng.choice(["row_major", "column_major", "block"]),
    }
    if rng.random() < 0.2:
        options["double_buffer"] = False
    if rng.random() < 0.2:
        options["prefetch"] = False
    if rng.random() < 0.15:
        options["device"] = "blackhole_p150"

    def size(top: int = 3) -> int:
        return rng.choice([32 * rng.randint(1, top), rng.randint(1, 32 * top)])

    kind = rng.choice(["gemm", "gemm", "mixed", "add", "copy", "gemm_bias_relu", "softmax",
                       "row_sum", "batched_gemm", "masked"])  # fmt: skip
    m, n, k = size(), size(), size(4)
    blocks = {"block_M": rng.choice([32, 64]), "block_N": rng.choice([32, 64])}
    if kind == "gemm":
        params = {"M": m, "N": n, "K": k, **blocks, "block_K": rng.choice([32, 32, 64]),
                  "num_stages": rng.randint(1, 3), "trans_A": rng.random() < 0.2,
                  "trans_B": rng.random() < 0.3}  # fmt: skip
    elif kind == "gemm_bias_relu":
        params = {"M": m, "N": n, "K": k, **blocks}
    elif kind == "batched_gemm":
        params = {"batch": rng.randint(1, 3), "M": m, "N": n, "K": k, "block_M": 32}
    elif kind in ("softmax", "row_sum"):
        params = {"M": m, "N": 32 * rng.randint(1, 3)}
    elif kind in ("mixed", "masked"):
        params = {"M": m, "N": n}
    else:
        params = {"M": m, "N": n, **blocks}
    return Case(kind, params, options)
