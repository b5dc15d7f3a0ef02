"""What a smoke run tries, simplest first: each plan adds one thing to what is known to work."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from harness.errors import HarnessError

if TYPE_CHECKING:
    from harness.artifact import Artifact


@dataclass(frozen=True)
class SmokePlan:
    """One plan of the run.

    Attributes:
        name: unique.
        adds: what it needs that the ones before did not.
        kernel: of the table of packaged kernels.
        parameters: of the factory.
        options: of the compiler.
    """

    name: str
    adds: str
    kernel: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)

    def compile(self, device: str) -> tuple[Artifact | None, str | None]:
        """The artifact, or why this version has none: a kernel or option that does not exist."""
        from harness.artifact import compile as compile_kernel
        from harness.kernels.table import KERNELS

        packaged = KERNELS.get(self.kernel)
        if packaged is None:
            return None, f"there is no packaged kernel {self.kernel}"
        try:
            kernel = packaged.factory(**self.parameters)
            return compile_kernel(kernel, device=device, **self.options), None
        except (HarnessError, TypeError) as error:
            return None, f"not compiled: {error}"


_ONE_CORE: Final = MappingProxyType({"grid": (1, 1)})
_GEMM: Final = MappingProxyType({"M": 256, "N": 256, "K": 256})

PLANS: Final = (
    SmokePlan("copy-one-core", "kernels run, circular buffers, DRAM reads and writes",
              "copy", {"M": 64, "N": 64}, _ONE_CORE),
    SmokePlan("copy", "every core of the grid, per-core arguments", "copy"),
    SmokePlan("add", "two inputs, the FPU", "add"),
    SmokePlan("multiply-add", "the FPU's fidelity phases", "multiply_add"),
    SmokePlan("reduce", "the packer's masks, scaler tiles", "row_sum"),
    SmokePlan("gemm", "the matrix unit, accumulation in DST", "gemm", _GEMM),
    SmokePlan("gemm-hifi2", "two fidelity phases", "gemm", _GEMM, {"fidelity": "HiFi2"}),
    SmokePlan("gemm-lofi", "one fidelity phase", "gemm", _GEMM, {"fidelity": "LoFi"}),
    SmokePlan("gemm-ragged", "tiles the reader zeroes in L1", "gemm",
              {"M": 100, "N": 70, "K": 50}),
    SmokePlan("gemm-float32", "32-bit tiles, unpacking to DST", "gemm",
              {**_GEMM, "dtype": "float32"}),
    SmokePlan("softmax", "reductions, exponentials and broadcasts in one kernel",
              "softmax"),
    SmokePlan("attention", "two products and an online softmax", "flash_attention"),
    SmokePlan("sharded", "tensors in L1, one shard per core", "sharded_copy",
              {}, {"strategy": "match_shard"}),
    SmokePlan("multicast", "semaphores and multicast between cores", "gemm", _GEMM,
              {"multicast": True, "strategy": "block", "grid": (2, 2)}),
)  # fmt: skip
"""Three fidelities of GEMM: the default is HiFi3 on Wormhole and HiFi4 on Blackhole."""


def choose(names: tuple[str, ...] | None) -> tuple[SmokePlan, ...]:
    """The plans named, in the order of :data:`PLANS`; all without names.

    Raises:
        HarnessError: a name that is not there.
    """
    if names is None:
        return PLANS
    known = [plan.name for plan in PLANS]
    for name in names:
        if name not in known:
            raise HarnessError(f"there is no smoke plan {name!r}", code="InvalidOption",
                               next_step=f"some of {', '.join(known)}")  # fmt: skip
    return tuple(plan for plan in PLANS if plan.name in names)
